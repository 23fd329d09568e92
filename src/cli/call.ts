/** `call`: one tool, called as a client would call it, its answer printed. */
import process from "node:process";
import { isRecord } from "../confine/messages.ts";
import { WorkerFault } from "../confine/launcher.ts";
import { renderText } from "../shape/render.ts";
import { type SessionOptions, startJob } from "./confined.ts";
import { alignTable, askYesNo, err, isTerminal, out, progressBar } from "./terminal.ts";

export interface CallCommand extends SessionOptions {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly json: boolean;
}

/** Prints the answer and returns the exit code: 0, or 1 when the call failed. Ctrl-C stops the waiting, not the task. */
export async function callCommand(command: CallCommand): Promise<number> {
  const { tool, input } = command;
  const bar = progressBar();
  const progress = isTerminal("stderr");
  // Only who sits at a terminal can be asked: a program that pipes "y" is no person.
  const able = isTerminal("stdin") && progress;
  const { result, cancel } = startJob({ kind: "call", tool, input, progress, able }, command, {
    onProgress: bar.update,
    onQuestion: askYesNo,
  });
  process.once("SIGINT", cancel);
  const answer = answerOf(await result.finally(bar.done));
  if (answer.failure !== undefined) {
    err(answer.failure);
    return 1;
  }
  out(command.json ? JSON.stringify(answer.structured, undefined, 2) : renderText(answer.structured, alignTable));
  return 0;
}

/** The result as it crossed the boundary: the structured answer, or the text of the error. */
function answerOf(result: unknown): { failure: string | undefined; structured: Readonly<Record<string, unknown>> } {
  if (!isRecord(result) || !Array.isArray(result.content)) throw new WorkerFault("The server answered with no result");
  const parts: unknown[] = result.content;
  const text = parts.map((part) => isRecord(part) && typeof part.text === "string" ? part.text : "").join("\n");
  const { structuredContent } = result;
  return {
    failure: result.isError === true ? text : undefined,
    structured: isRecord(structuredContent) ? structuredContent : {},
  };
}
