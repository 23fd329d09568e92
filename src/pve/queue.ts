/** Lets writes to one guest through one after the other, in the order in which they came; reads do not pass here. */
import { PveError } from "../errors.ts";
import type { PveClient } from "./client.ts";
import type { TaskCall } from "./tasks.ts";
import type { Progress, TaskWatch } from "./watch.ts";

/** How long, and for whom, a write waits for its turn. */
export interface TurnOptions {
  readonly watch: TaskWatch;
  /** On the clock of performance.now(), in milliseconds. */
  readonly deadline: number;
  readonly signal?: AbortSignal | undefined;
  /** Told what is in front, while it is. */
  readonly progress?: Progress | undefined;
}

/** Milliseconds between two words to who waits behind another call. */
const AGAIN = 3000;

/**
 * The writes of this process, by guest. PVE does not queue: it lets a second operation fail in its task ("is locked",
 * "can't lock file … got timeout"), after it has answered 200. A clone takes the turn of its source.
 */
export class GuestQueue {
  /** Resolves when the last of the line has had its turn. */
  readonly #lines = new Map<number, Promise<void>>();
  /** The task that the last write to a guest has started, until it is known to be over. */
  readonly #tasks = new Map<number, string>();

  /**
   * Runs `work` when all earlier writes to the guest have been sent and the task of the last one is over.
   * @throws {PveError} kind "conflict" when the time is up first, kind "cancelled" when the caller gives up: in both cases
   * nothing was sent
   */
  async turn<T>(pve: PveClient<TaskCall>, vmid: number, options: TurnOptions, work: () => Promise<T>): Promise<T> {
    const earlier = this.#lines.get(vmid);
    const before = earlier ?? Promise.resolve();
    const tell = () => options.progress?.(this.#inFront(vmid));
    if (earlier !== undefined) tell();
    const { promise: mine, resolve: leave } = Promise.withResolvers<void>();
    // Who leaves early does not let the next one pass those in front.
    const line = before.then(() => mine);
    this.#lines.set(vmid, line);
    void line.then(() => this.#lines.get(vmid) === line && this.#lines.delete(vmid));
    // Some clients give up when nothing is heard.
    const telling = earlier === undefined ? undefined : setInterval(tell, AGAIN);
    try {
      await within(before, options, () => busy(vmid), () => gaveUp(vmid)).finally(() => clearInterval(telling));
      await this.#lastTask(pve, vmid, options);
      return await work();
    } finally {
      leave();
    }
  }

  #inFront(vmid: number): string {
    const upid = this.#tasks.get(vmid);
    return upid === undefined
      ? `Waiting for an earlier write to guest ${vmid}`
      : `Waiting for ${upid} of the same guest, and for what is in front`;
  }

  /** Notes the task that a write has started: later writes to these guests wait for it. */
  hold(vmids: readonly number[], upid: string): void {
    for (const vmid of vmids) this.#tasks.set(vmid, upid);
  }

  /** A task is over. */
  release(upid: string): void {
    for (const [vmid, held] of this.#tasks) if (held === upid) this.#tasks.delete(vmid);
  }

  async #lastTask(pve: PveClient<TaskCall>, vmid: number, options: TurnOptions): Promise<void> {
    const { watch, deadline, signal, progress } = options;
    const upid = this.#tasks.get(vmid);
    if (upid === undefined) return;
    const timeoutSeconds = Math.max(0, deadline - performance.now()) / 1000;
    // How far that task is says nothing of how far this call is.
    const tell = progress && ((message: string) => progress(`Waiting for ${upid} of the same guest: ${message}`));
    try {
      const { state } = await watch.wait(pve, upid, { timeoutSeconds, signal, progress: tell });
      if (state === "running") throw busy(vmid, upid);
    } catch (error) {
      if (signal?.aborted) throw gaveUp(vmid);
      // A task that failed is over; one that cannot be seen is left to PVE's own lock.
      if (!(error instanceof PveError) || error.details.kind === "conflict") throw error;
    }
    this.release(upid);
  }
}

function busy(vmid: number, upid?: string): PveError {
  const what = upid === undefined ? "another call is still at it" : `task ${upid} is still at it`;
  return new PveError(`Guest ${vmid} is busy: ${what}; nothing was sent`, {
    kind: "conflict",
    ...(upid === undefined ? {} : { upid }),
    remedy: upid === undefined ? "Try again in a moment" : "wait_task waits for that task; then repeat this call",
  });
}

function gaveUp(vmid: number): PveError {
  return new PveError(`Cancelled while waiting for earlier writes to guest ${vmid}; nothing was sent`, {
    kind: "cancelled",
  });
}

/**
 * Waits for something that another call does, no longer than this caller does.
 * @throws what `late` or `gone` makes when the time is up, or the caller gives up
 */
export async function within<T>(
  other: Promise<T>,
  { deadline, signal }: Pick<TurnOptions, "deadline" | "signal">,
  late: () => Error,
  gone: () => Error,
): Promise<T> {
  if (signal?.aborted) throw gone();
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const giveUp = () => reject(gone());
  const timer = setTimeout(() => reject(late()), Math.max(0, deadline - performance.now()));
  signal?.addEventListener("abort", giveUp, { once: true });
  other.then(resolve, reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}
