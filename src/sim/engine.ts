/** Time and tasks: what runs, when it ends, and what happens then. */
import { Failure } from "./failure.ts";
import { type Identity, idOf } from "./access.ts";
import type { State, Task } from "./state.ts";

/** What tells the time. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export type Log = (line: string) => void;

/** Work that goes on after its request was answered. */
export interface Plan {
  readonly node: string;
  readonly type: string;
  /** The guest or thing it is about; may be empty. */
  readonly id: string;
  /** How long it takes at pace 1. */
  readonly seconds: number;
  /** Lines that appear while it runs. */
  readonly lines?: readonly string[];
  /** What it does first, as taking a lock; a Failure ends it at once. */
  begin?(): void;
  /** Its effect, all at once when it ends; a Failure becomes the exit status. Returns the number of warnings, if any. */
  finish(log: Log): number | void;
}

/** Runs tasks along a clock. */
export class Engine {
  readonly #running: { readonly task: Task; readonly plan: Plan }[] = [];
  /** The moment that is being worked off, while housekeeping catches up with the clock. */
  #moment: number | undefined;

  constructor(readonly state: State, readonly clock: Clock, readonly pace: number) {}

  /** Milliseconds since the epoch. */
  now(): number {
    return this.#moment ?? this.clock.now();
  }

  /** Starts a task and returns its UPID; at pace 0 it is over by then. */
  start(identity: Identity, plan: Plan): string {
    const now = this.now();
    const start = Math.floor(now / 1000);
    const pid = this.state.counters.pid;
    this.state.counters.pid = pid >= 0x3fffff ? 1000 : pid + 7;
    const booted = this.state.nodes.get(plan.node)?.booted ?? now;
    const pstart = Math.max(0, Math.floor((now - booted) / 10)) + (pid % 7);
    const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, "0");
    const upid = `UPID:${plan.node}:${hex(pid)}:${hex(pstart)}:${hex(start)}:${plan.type}:${plan.id}:${
      idOf(identity)
    }:`;
    const task: Task = {
      upid,
      node: plan.node,
      pid,
      pstart,
      start,
      type: plan.type,
      id: plan.id,
      user: identity.user,
      token: identity.token,
      log: [],
      ends: now + plan.seconds * 1000 * this.pace,
      lines: plan.lines ?? [],
      status: undefined,
    };
    this.state.tasks.set(upid, task);
    if (!this.#guarded(task, () => plan.begin?.())) {
      task.ends = now;
      return upid;
    }
    if (task.ends <= now) this.#finish(task, plan);
    else this.#running.push({ task, plan });
    return upid;
  }

  #finish(task: Task, plan: Plan): void {
    task.log.push(...task.lines);
    this.#guarded(task, () => {
      const warnings = plan.finish((line) => task.log.push(line));
      task.status = typeof warnings === "number" && warnings > 0 ? `WARNINGS: ${warnings}` : "OK";
      task.log.push(task.status === "OK" ? "TASK OK" : `TASK ${task.status}`);
    });
  }

  /** A Failure becomes the exit status. */
  #guarded(task: Task, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      task.status = error.reason;
      task.log.push(`TASK ERROR: ${error.reason}`);
      return false;
    }
  }

  /** Works off everything due up to the clock's now, in the order of time; `jobs` runs those that are due at a moment. */
  catchUp(nextJob: () => number | undefined, runJob: () => void): void {
    if (this.#moment !== undefined) return;
    const until = this.clock.now();
    try {
      while (true) {
        let next: { readonly task: Task; readonly plan: Plan } | undefined;
        for (const one of this.#running) if (next === undefined || one.task.ends < next.task.ends) next = one;
        const job = nextJob();
        if (job !== undefined && job <= until && (next === undefined || job < next.task.ends)) {
          this.#moment = job;
          runJob();
        } else if (next !== undefined && next.task.ends <= until) {
          this.#moment = next.task.ends;
          this.#running.splice(this.#running.indexOf(next), 1);
          this.#finish(next.task, next.plan);
        } else return;
      }
    } finally {
      this.#moment = undefined;
    }
  }

  /** What the log shows at this moment. */
  logOf(task: Task): readonly string[] {
    if (task.status !== undefined) return task.log;
    const begun = task.start * 1000;
    const share = (this.now() - begun) / Math.max(1, task.ends - begun);
    return [...task.log, ...task.lines.slice(0, Math.ceil(task.lines.length * Math.min(1, Math.max(0, share))))];
  }
}
