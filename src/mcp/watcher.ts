/** Looks at subscribed resources again and again, and tells which of them have changed: PVE itself tells nobody. */
import type { CallResult } from "./content.ts";
import { isRecord } from "./coerce.ts";

/** More URIs at once are not watched. */
export const MOST_WATCHED = 50;

/** Between two rounds at least; each URI adds a second, so that many of them cost no more requests than a few. */
const PAUSE_MS = 5000;
const PAUSE_PER_URI_MS = 1000;

/** Figures that are never the same twice: they alone are no change. */
const ALWAYS_MOVING = /^(?:cpu_percent|memory_used_percent|memory_free_gib|swap_used_percent|load|uptime|duration)$/;

export interface WatcherOptions {
  /** Reads a resource; undefined where there is none. */
  readonly read: (uri: string, signal: AbortSignal) => Promise<CallResult | undefined>;
  readonly changed: (uri: string) => void;
  /** Shorter in tests. */
  readonly pauseMs?: number | undefined;
}

/** Subscriptions, each with its URIs. Nothing is read while there is none. */
export interface Watcher {
  /** Those of the URIs that there is still room for. */
  room(uris: readonly string[]): string[];
  readonly open: (subscription: string, uris: readonly string[]) => void;
  readonly has: (subscription: string) => boolean;
  readonly close: (subscription: string) => void;
  /** Ends all of them. */
  readonly stop: () => void;
}

export function createWatcher({ read, changed, pauseMs }: WatcherOptions): Watcher {
  const subscriptions = new Map<string, readonly string[]>();
  /** What a resource looked like when it was last seen. */
  const seen = new Map<string, string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let reading = false;
  let stop = new AbortController();

  const watched = () => new Set([...subscriptions.values()].flat());

  function schedule(ms: number): void {
    if (reading || subscriptions.size === 0) return;
    clearTimeout(timer);
    timer = setTimeout(() => void round(), ms);
  }

  /** One after the other: nobody waits for it. */
  async function round(): Promise<void> {
    const { signal } = stop;
    reading = true;
    for (const uri of watched()) {
      const now = await look(uri, signal);
      if (signal.aborted) return;
      // It may have been let go of while it was read.
      if (now === undefined || !watched().has(uri)) continue;
      const before = seen.get(uri);
      seen.set(uri, now);
      if (before !== undefined && before !== now) changed(uri);
    }
    reading = false;
    schedule(pauseMs ?? Math.max(PAUSE_MS, seen.size * PAUSE_PER_URI_MS));
  }

  /** The state of a resource as text; undefined where it could not be read, which is no change. */
  async function look(uri: string, signal: AbortSignal): Promise<string | undefined> {
    const result = await read(uri, signal).catch(() => undefined);
    if (result === undefined) return undefined;
    if (result.isError !== true) return JSON.stringify(result.structuredContent, still);
    const fault = result._meta?.["proxmox-mcp/error"];
    return isRecord(fault) && fault.kind === "missing" ? "missing" : undefined;
  }

  function halt(): void {
    subscriptions.clear();
    seen.clear();
    clearTimeout(timer);
    reading = false;
    stop.abort();
    stop = new AbortController();
  }

  return {
    room(uris) {
      const present = watched();
      const accepted: string[] = [];
      for (const uri of new Set(uris)) {
        if (!present.has(uri) && present.size >= MOST_WATCHED) continue;
        present.add(uri);
        accepted.push(uri);
      }
      return accepted;
    },
    open(subscription, uris) {
      if (uris.length === 0) return;
      subscriptions.set(subscription, [...uris]);
      // At once: a change is one against what is there now.
      schedule(0);
    },
    has: (subscription) => subscriptions.has(subscription),
    close(subscription) {
      if (!subscriptions.delete(subscription)) return;
      const left = watched();
      for (const uri of seen.keys()) if (!left.has(uri)) seen.delete(uri);
      if (subscriptions.size === 0) halt();
    },
    stop: halt,
  };
}

function still(key: string, value: unknown): unknown {
  return ALWAYS_MOVING.test(key) ? undefined : value;
}
