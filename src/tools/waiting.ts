/** What writing tools do after PVE has accepted a request: wait for its task, or name the one that already runs. */
import { setTimeout as delay } from "node:timers/promises";
import { PveError } from "../errors.ts";
import type { PveClient } from "../pve/client.ts";
import { within } from "../pve/queue.ts";
import { isRunning, type TaskCall, type TaskState } from "../pve/tasks.ts";
import type { StartedTask, ToolContext } from "../tool.ts";

export const taskCalls = [
  "GET /nodes/{node}/tasks/{upid}/status",
  "GET /nodes/{node}/tasks/{upid}/log",
] as const satisfies readonly TaskCall[];

export interface Waiting {
  readonly wait: boolean;
  readonly wait_timeout: number;
}

/** The outcome fields of an answer. */
export interface Outcome {
  state: "ok" | "running" | "warnings" | "unchanged";
  upid?: string;
  exit_status?: string;
  warnings?: string[];
  /** Why PVE could not be asked the last time. */
  unseen?: string;
}

/** Seconds that a call has which takes no wait_timeout. */
const USUAL_SECONDS = 45;

/** The moment at which a call has to answer, on the clock of performance.now(): it waits for its turn and for its task. */
export function deadlineOf(waiting?: Waiting): number {
  return performance.now() + (waiting?.wait_timeout ?? USUAL_SECONDS) * 1000;
}

/** Runs a write when those before it to the same guest are done; a clone's guest is its source. */
export async function inTurn<T>(
  context: ToolContext<TaskCall>,
  vmid: number,
  deadline: number,
  work: () => Promise<T>,
): Promise<T> {
  const { pve, queue, watch, signal, progress } = context;
  return await queue.turn(pve, vmid, { watch, deadline, signal, progress }, work);
}

/** Reads and changes a configuration in its turn, past short locks of others. */
export async function changeInTurn<T>(
  context: ToolContext<TaskCall>,
  vmid: number,
  change: () => Promise<T>,
): Promise<T> {
  const deadline = deadlineOf();
  return await inTurn(context, vmid, deadline, () => pastLocks(context, deadline, change));
}

/**
 * Whether PVE refused a change of a configuration before it did anything. PVE changes a configuration inside the guest's
 * lock file, and the first thing it does in there is to look at the configuration's own lock: "can't lock file
 * '/var/lock/…/lock-100.conf' - got timeout" says that it never came in, "VM is locked (backup)" (captured 260) that it
 * turned round at the door. Everything else that says "timeout" or "locked" may come from the midst of the work. Neither
 * holds for power and clones: their locks are met inside a task, which may have begun.
 */
function refusedAtTheDoor(error: unknown): boolean {
  if (!(error instanceof PveError) || error.details.status !== 500) return false;
  if (!/^PUT .*\/config$/.test(error.details.call ?? "")) return false;
  const reason = error.details.reason ?? "";
  return /^(?:VM|CT) is locked \([a-z-]+\)$/.test(reason) ||
    /^can't lock file '\/var\/lock\/qemu-server\/lock-\d+\.conf' - got timeout$/.test(reason) ||
    /^can't lock file '\/run\/lock\/lxc\/pve-config-\d+\.lock' - got timeout$/.test(reason);
}

/** Repeats a change of a configuration, reading included, that a short operation of somebody else's holds up. */
async function pastLocks<T>(
  context: Pick<ToolContext, "signal" | "lockPauses">,
  deadline: number,
  change: () => Promise<T>,
): Promise<T> {
  for (const pause of context.lockPauses) {
    try {
      return await change();
    } catch (error) {
      if (!refusedAtTheDoor(error) || performance.now() + pause > deadline) throw error;
      await delay(pause, undefined, { signal: context.signal });
    }
  }
  return await change();
}

/** Waits for a task as the caller wishes; a wait that runs out is not an error. */
export async function settle(
  context: ToolContext<TaskCall>,
  upid: string,
  waiting: Waiting,
  deadline: number,
): Promise<Outcome> {
  if (!waiting.wait) return { state: "running", upid };
  const { pve, signal, progress, watch, queue } = context;
  const timeoutSeconds = Math.max(1, (deadline - performance.now()) / 1000);
  const task = await watch.wait(pve, upid, { timeoutSeconds, signal, progress }).catch((error: unknown) => {
    if (error instanceof PveError && error.details.kind === "task") queue.release(upid);
    throw error;
  });
  if (task.state !== "running") queue.release(upid);
  return outcomeOf(task);
}

/** The outcome of a task as answers show it. */
export function outcomeOf(task: TaskState): Outcome {
  return {
    state: task.state,
    upid: task.upid,
    // What state says already costs a model, and tells it nothing.
    ...(task.exit_status === undefined || task.exit_status === "OK" ? {} : { exit_status: task.exit_status }),
    ...(task.warnings === undefined || task.warnings.length === 0 ? {} : { warnings: [...task.warnings] }),
    ...(task.unseen === undefined ? {} : { unseen: task.unseen }),
  };
}

/** What to say while the task goes on. */
export function runningNote(
  outcome: { readonly state: string; readonly unseen?: string | undefined },
  statusTool: string,
): string[] {
  if (outcome.state !== "running") return [];
  return [
    ...(outcome.unseen === undefined ? [] : [`PVE could not be asked the last time: ${outcome.unseen}`]),
    `PVE is still working on it. Do not repeat the call; wait_task waits for it, ${statusTool} shows the guest`,
  ];
}

/**
 * Starts a task unless the same call has one running: a model that repeats a create or clone after a timeout must not get
 * two guests.
 * @param key names the tool and its arguments
 * @param deadline on the clock of performance.now()
 * @returns the task, and whether it is one that an earlier call started
 */
export async function startOnce(
  context: ToolContext<TaskCall>,
  key: string,
  deadline: number,
  start: () => Promise<StartedTask>,
): Promise<{ task: StartedTask; repeated: boolean }> {
  const earlier = context.started.get(key);
  if (earlier !== undefined) {
    // It may still be waiting for its turn.
    const { signal } = context;
    const task = await within(earlier.catch(() => undefined), { deadline, signal }, stillWaits, gaveUp);
    if (task !== undefined && await stillRuns(context.pve, task)) return { task, repeated: true };
    if (context.started.get(key) === earlier) context.started.delete(key);
    // Another call may have started it anew in the meantime.
    if (context.started.has(key)) return await startOnce(context, key, deadline, start);
  }
  const starting = start();
  context.started.set(key, starting);
  try {
    return { task: await starting, repeated: false };
  } catch (error) {
    if (context.started.get(key) === starting) context.started.delete(key);
    throw error;
  }
}

function stillWaits(): PveError {
  return new PveError("An earlier call with the same arguments still waits for its turn; nothing more was sent", {
    kind: "conflict",
    remedy: "Look with list_tasks later; do not repeat the call meanwhile",
  });
}

function gaveUp(): PveError {
  return new PveError("Cancelled while an earlier call with the same arguments waited for its turn", {
    kind: "cancelled",
  });
}

async function stillRuns(pve: PveClient<TaskCall>, task: StartedTask): Promise<boolean> {
  return await isRunning(pve, task.upid);
}

/** A stable text of the arguments that make two calls the same; how to wait is none of them. */
export function callKey(tool: string, input: Readonly<Record<string, unknown>>): string {
  const relevant = Object.entries(input)
    .filter(([name, value]) => value !== undefined && name !== "wait" && name !== "wait_timeout")
    .sort(([a], [b]) => a < b ? -1 : 1);
  return `${tool} ${JSON.stringify(relevant)}`;
}
