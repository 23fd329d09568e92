/** Keeps one connection to each host, and shares it between commands; sshd takes ten at a time on one. */
import { setTimeout as later } from "node:timers";
import type { SshHost, SshSettings } from "../config/settings.ts";
import { PveError } from "../errors.ts";
import { type Connection, nameOf, openConnection } from "./connection.ts";

/** sshd's MaxSessions is 10: two are left to whoever else uses the connection's account in the same way. */
const MOST_AT_ONCE = 8;

/** A connection that nobody uses is closed after this. */
const IDLE_MS = 5 * 60_000;

/** A command's hold on a connection. */
export interface Session {
  readonly connection: Connection;
  release(): void;
}

export interface Sessions {
  /**
   * Waits for a place on the host's connection, which is opened where there is none.
   * @throws {PveError} where the host cannot be reached, trusted or logged in to; cancelled when the signal aborts first
   */
  open(host: SshHost, signal: AbortSignal): Promise<Session>;
}

interface Line {
  connection: Promise<Connection> | undefined;
  busy: number;
  readonly waiting: (() => void)[];
  idle: ReturnType<typeof later> | undefined;
}

export function createSessions(settings: SshSettings, timeoutMs: number): Sessions {
  const lines = new Map<string, Line>();

  function lineTo(host: SshHost): Line {
    const name = nameOf(host);
    const line = lines.get(name) ?? { connection: undefined, busy: 0, waiting: [], idle: undefined };
    lines.set(name, line);
    return line;
  }

  async function connected(line: Line, host: SshHost): Promise<Connection> {
    const present = await line.connection?.catch(() => undefined);
    if (present?.open === true) return present;
    const opening = openConnection(host, settings, timeoutMs);
    line.connection = opening;
    // Whoever comes meanwhile waits for the same attempt; a failed one is nobody's any more.
    opening.catch(() => line.connection === opening ? line.connection = undefined : undefined);
    return await opening;
  }

  function leave(line: Line): void {
    line.busy--;
    line.waiting.shift()?.();
    if (line.busy > 0) return;
    line.idle = later(() => {
      const closing = line.connection;
      line.connection = undefined;
      closing?.then((connection) => connection.end(), () => {});
    }, IDLE_MS);
    line.idle.unref();
  }

  return {
    async open(host, signal) {
      const line = lineTo(host);
      clearTimeout(line.idle);
      while (line.busy >= MOST_AT_ONCE) await turn(line, signal);
      line.busy++;
      let held = true;
      const release = () => {
        if (held) leave(line);
        held = false;
      };
      try {
        return { connection: await abortable(connected(line, host), signal), release };
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

/** Waits until somebody leaves. Whoever gives up when called already hands the call on. */
async function turn({ waiting }: Line, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.push(resolve);
  try {
    await abortable(promise, signal);
  } catch (error) {
    const place = waiting.indexOf(resolve);
    if (place < 0) waiting.shift()?.();
    else waiting.splice(place, 1);
    throw error;
  }
}

/** The promise, or the end of the call, whichever comes first. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const cancelled = () => new PveError("The call was cancelled before the command began", { kind: "cancelled" });
  if (signal.aborted) return Promise.reject(cancelled());
  return new Promise((resolve, reject) => {
    const abort = () => reject(cancelled());
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
