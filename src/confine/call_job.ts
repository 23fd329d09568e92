/** Calls one tool from inside the worker, with the person at the launcher's terminal to ask. */
import { closest } from "../config/closest.ts";
import { UsageError } from "../errors.ts";
import type { Reply } from "../mcp/confirm.ts";
import type { CallResult } from "../mcp/content.ts";
import { listedTools } from "../mcp/listed.gen.ts";
import type { Job } from "./messages.ts";
import type { Session } from "./session.ts";

export interface CallJobOptions {
  readonly signal: AbortSignal;
  readonly progress: (message: string, ratio?: number) => void;
  /** Asks a person for a yes. */
  readonly ask: (text: string) => Promise<boolean>;
}

/** @throws {UsageError} for a tool that does not exist, or that the settings leave out */
export async function callJob(
  job: Extract<Job, { kind: "call" }>,
  { chosen, dispatch }: Pick<Session, "chosen" | "dispatch">,
  { signal, progress, ask }: CallJobOptions,
): Promise<CallResult> {
  const tool = listedTools.find(({ name }) => name === job.tool);
  if (tool === undefined) {
    const near = closest(job.tool, listedTools.map(({ name }) => name));
    throw new UsageError(
      `There is no tool ${JSON.stringify(job.tool)}`,
      near === undefined ? "The command tools lists them" : `Did you mean ${near}?`,
    );
  }
  if (!chosen.includes(tool)) {
    throw new UsageError(
      `The settings leave out the tool ${tool.name}`,
      `It belongs to the toolset ${tool.toolset}; PROXMOX_TOOLSETS, PROXMOX_TOOLS and PROXMOX_EXCLUDE_TOOLS choose`,
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
