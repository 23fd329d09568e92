/** Waits for tasks: one poller for each task, however many calls wait for it. */
import { setTimeout as delay } from "node:timers/promises";
import { PveError } from "../errors.ts";
import type { PveClient, SendOptions } from "./client.ts";
import { outcomeOf, parseUpid, ratioIn, readLog, type TaskCall, type TaskState } from "./tasks.ts";

/** Told of a task's newest log line; `ratio` is 0–1 where the log carries a percentage. */
export type Progress = (message: string, ratio?: number) => void;

export interface WaitOptions extends SendOptions {
  /** Seconds; clients give up at about 60. */
  readonly timeoutSeconds: number;
  readonly progress?: Progress | undefined;
}

/** Milliseconds between two looks: quick tasks are seen at once, long ones cost PVE a request every few seconds. */
const FIRST_PAUSE = 150;
const LONGEST_PAUSE = 3000;

/** What can go wrong on the way while the task itself goes on: PVE is asked again. */
const PASSING: ReadonlySet<string> = new Set(["unreachable", "busy", "unreadable"]);

/** One task that is being polled. */
interface Poll {
  readonly stop: AbortController;
  readonly ended: Promise<TaskState>;
  /** One for each call that waits. */
  readonly waiting: Set<symbol>;
  /** Those of them that want to hear of progress. */
  readonly listeners: Map<symbol, Progress>;
  news: { readonly message: string; readonly ratio: number | undefined } | undefined;
  unseen: string | undefined;
}

/** The tasks that calls of this process wait for. */
export class TaskWatch {
  readonly #polls = new Map<string, Poll>();

  /**
   * Waits until a task ends or the time is up. A connection that breaks meanwhile does not end the wait. The task is known
   * to exist: who is not sure asks for its status first.
   * @throws {PveError} kind "task" when it failed; kind "cancelled" when the caller gave up: the task goes on
   */
  async wait(pve: PveClient<TaskCall>, upid: string, options: WaitOptions): Promise<TaskState> {
    const { signal, progress, timeoutSeconds } = options;
    if (signal?.aborted) throw cancelled(upid);
    const poll = this.#polls.get(upid) ?? this.#start(pve, upid);
    const me = Symbol("waiting");
    poll.waiting.add(me);
    if (progress !== undefined) {
      poll.listeners.set(me, progress);
      if (poll.news !== undefined) progress(poll.news.message, poll.news.ratio);
    }
    const { promise, resolve, reject } = Promise.withResolvers<TaskState>();
    const giveUp = () => reject(cancelled(upid));
    const timer = setTimeout(
      () => resolve({ upid, state: "running", ...(poll.unseen === undefined ? {} : { unseen: poll.unseen }) }),
      timeoutSeconds * 1000,
    );
    signal?.addEventListener("abort", giveUp, { once: true });
    poll.ended.then(resolve, reject);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", giveUp);
      poll.waiting.delete(me);
      poll.listeners.delete(me);
      if (poll.waiting.size === 0) {
        poll.stop.abort();
        if (this.#polls.get(upid) === poll) this.#polls.delete(upid);
      }
    }
  }

  #start(pve: PveClient<TaskCall>, upid: string): Poll {
    const stop = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<TaskState>();
    const poll: Poll = {
      stop,
      ended: promise,
      waiting: new Set(),
      listeners: new Map(),
      news: undefined,
      unseen: undefined,
    };
    this.#polls.set(upid, poll);
    run(pve, upid, poll).then(resolve, reject).finally(() => {
      if (this.#polls.get(upid) === poll) this.#polls.delete(upid);
    });
    return poll;
  }
}

function cancelled(upid: string): PveError {
  return new PveError(`Stopped waiting for task ${upid}; PVE goes on with it`, {
    kind: "cancelled",
    upid,
    remedy: "get_task_status shows how it stands, wait_task waits for it again; do not repeat the call",
  });
}

/** Asks until the task is over; the signal of the poll ends it. */
async function run(pve: PveClient<TaskCall>, upid: string, poll: Poll): Promise<TaskState> {
  const { node, type } = parseUpid(upid);
  const { signal } = poll.stop;
  let pause = FIRST_PAUSE;
  let seen = 0;
  while (true) {
    try {
      const status = await pve.call("GET /nodes/{node}/tasks/{upid}/status", { node, upid }, { signal });
      poll.unseen = undefined;
      if (status.status === "stopped") return await outcomeOf(pve, upid, status.exitstatus ?? "unknown", { signal });
      if (poll.listeners.size > 0) {
        // A log that cannot be read costs the progress only.
        const { lines } = await readLog(pve, upid, { start: seen, limit: 500 }, { signal }).catch(() => ({
          lines: [],
        }));
        seen = lines.at(-1)?.n ?? seen;
        tell(poll, type, lines.map((line) => line.t).filter((line) => line.trim() !== ""));
      }
    } catch (error) {
      if (!(error instanceof PveError) || error.details.kind === "task") throw error;
      if (!PASSING.has(error.details.kind)) throw outOfSight(upid, error);
      poll.unseen = error.message;
    }
    await delay(pause, undefined, { signal });
    pause = Math.min(pause * 1.4, LONGEST_PAUSE);
  }
}

/** Passes on what is new in the log; without anything new, clients still hear that the task goes on. */
function tell(poll: Poll, type: string, lines: readonly string[]): void {
  const message = lines.at(-1) ?? poll.news?.message ?? `Task ${type} is running`;
  const ratio = lines.map(ratioIn).findLast((found) => found !== undefined) ?? poll.news?.ratio;
  poll.news = { message, ratio };
  for (const progress of poll.listeners.values()) progress(message, ratio);
}

/** The task goes on, but PVE does not tell us about it. */
function outOfSight(upid: string, error: PveError): PveError {
  return new PveError(
    `Task ${upid} was started, and how it stands cannot be seen: ${error.message}`,
    { ...error.details, upid },
    { cause: error },
  );
}
