/** Calls one tool from inside the worker, with the person at the launcher's terminal to ask. */
import { closest } from "../config/closest.ts";
import { UsageError } from "../errors.ts";
import type { Reply } from "../mcp/confirm.ts";
import type { CallResult } from "../mcp/content.ts";
import type { Dispatch } from "../mcp/dispatch.ts";
import { tools } from "../tools/mod.ts";
import type { Job } from "./messages.ts";

export interface CallJobOptions {
  readonly signal: AbortSignal;
  readonly progress: (message: string, ratio?: number) => void;
  /** Asks a person for a yes. */
  readonly ask: (text: string) => Promise<boolean>;
}

/** @throws {UsageError} for a tool that does not exist */
export async function callJob(
  job: Extract<Job, { kind: "call" }>,
  dispatch: Dispatch,
  { signal, progress, ask }: CallJobOptions,
): Promise<CallResult> {
  const tool = tools.find(({ name }) => name === job.tool);
  if (tool === undefined) {
    const near = closest(job.tool, tools.map(({ name }) => name));
    throw new UsageError(
      `There is no tool ${JSON.stringify(job.tool)}`,
      near === undefined ? "The command tools lists them" : `Did you mean ${near}?`,
    );
  }
  const call = (reply?: Reply, state?: string) =>
    dispatch.call(tool, job.input, {
      signal,
      progress: job.progress ? progress : undefined,
      dialogue: { able: job.able, reply, state },
    });
  const result = await call();
  if (result.ask === undefined) return result;
  return await call(await ask(result.ask.message) ? "accepted" : "declined", result.ask.state);
}
