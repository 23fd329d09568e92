/** `call`: one tool, called as a client would call it, its answer printed. */
import { Buffer } from "node:buffer";
import process from "node:process";
import { isRecord } from "../confine/messages.ts";
import { WorkerFault } from "../confine/launcher.ts";
import { UsageError } from "../errors.ts";
import { renderText } from "../shape/render.ts";
import { type SessionOptions, startJob } from "./confined.ts";
import { alignTable, askYesNo, err, isTerminal, out, outBytes, progressBar } from "./terminal.ts";

export interface CallCommand extends SessionOptions {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly json: boolean;
  /** The picture instead of the text. */
  readonly png: boolean;
}

/**
 * Prints the answer and returns the exit code: 0, or 1 when the call failed. Ctrl-C stops the waiting, not the task.
 * @throws {UsageError} where a picture would go to a terminal
 */
export async function callCommand(command: CallCommand): Promise<number> {
  const { tool, input } = command;
  if (command.png && isTerminal("stdout")) {
    throw new UsageError(
      "--png writes a picture, and stdout is a terminal",
      "Send it to a file, as in --png > chart.png",
    );
  }
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
  if (command.png) {
    if (answer.picture === undefined) {
      err(
        "The answer has no picture. Ask for one, as in guest_metrics vmid=102 chart=medium; its notes say why there is none",
      );
      return 1;
    }
    outBytes(answer.picture);
    return 0;
  }
  if (answer.picture !== undefined) {
    err(`There is a picture, too (PNG, ${Math.ceil(answer.picture.length / 1000)} kB): --png > chart.png keeps it`);
  }
  out(command.json ? JSON.stringify(answer.structured, undefined, 2) : renderText(answer.structured, alignTable));
  return 0;
}

interface Answer {
  readonly failure: string | undefined;
  readonly structured: Readonly<Record<string, unknown>>;
  readonly picture: Uint8Array | undefined;
}

/** The result as it crossed the boundary: the structured answer and its picture, or the text of the error. */
function answerOf(result: unknown): Answer {
  if (!isRecord(result) || !Array.isArray(result.content)) throw new WorkerFault("The server answered with no result");
  const parts: unknown[] = result.content;
  const text = parts.map((part) => isRecord(part) && typeof part.text === "string" ? part.text : "").join("\n");
  const picture = parts.find((part) => isRecord(part) && part.type === "image");
  const { structuredContent } = result;
  return {
    failure: result.isError === true ? text : undefined,
    structured: isRecord(structuredContent) ? structuredContent : {},
    picture: isRecord(picture) && typeof picture.data === "string" ? Buffer.from(picture.data, "base64") : undefined,
  };
}
