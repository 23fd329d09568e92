/** What writing tools do after PVE has accepted a request: wait for its task, or name the one that already runs. */
import type { PveClient } from "../pve/client.ts";
import { isRunning, type TaskCall, type TaskState, waitTask } from "../pve/tasks.ts";
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
}

/** Waits for a task as the caller wishes; a wait that runs out is not an error. */
export async function settle(context: ToolContext<TaskCall>, upid: string, waiting: Waiting): Promise<Outcome> {
  if (!waiting.wait) return { state: "running", upid };
  const { pve, signal, progress } = context;
  const task = await waitTask(pve, upid, { timeoutSeconds: waiting.wait_timeout, signal, progress });
  return outcomeOf(task);
}

function outcomeOf(task: TaskState): Outcome {
  return {
    state: task.state,
    upid: task.upid,
    ...(task.exit_status === undefined ? {} : { exit_status: task.exit_status }),
    ...(task.warnings === undefined || task.warnings.length === 0 ? {} : { warnings: [...task.warnings] }),
  };
}

/** What to say while the task goes on. */
export function runningNote(outcome: Outcome, statusTool: string): string[] {
  return outcome.state === "running"
    ? [`PVE is still working on it. Do not repeat the call; look with ${statusTool} later`]
    : [];
}

/**
 * Starts a task unless the same call has one running: a model that repeats a create or clone after a timeout must not get
 * two guests.
 * @param key names the tool and its arguments
 * @returns the task, and whether it is one that an earlier call started
 */
export async function startOnce(
  context: ToolContext<TaskCall>,
  key: string,
  start: () => Promise<StartedTask>,
): Promise<{ task: StartedTask; repeated: boolean }> {
  const earlier = context.started.get(key);
  if (earlier !== undefined) {
    const task = await earlier.catch(() => undefined);
    if (task !== undefined && await stillRuns(context.pve, task)) return { task, repeated: true };
    if (context.started.get(key) === earlier) context.started.delete(key);
    // Another call may have started it anew in the meantime.
    if (context.started.has(key)) return await startOnce(context, key, start);
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
