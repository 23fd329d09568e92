/** `call`: one tool, called as a client would call it, its answer printed. */
import process from "node:process";
import { closest } from "../config/closest.ts";
import { UsageError } from "../errors.ts";
import type { Reply } from "../mcp/confirm.ts";
import { renderText } from "../shape/render.ts";
import { tools } from "../tools/mod.ts";
import { openSession, type SessionOptions } from "./session.ts";
import { alignTable, askYesNo, err, isTerminal, out, progressBar } from "./terminal.ts";

export interface CallCommand extends SessionOptions {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly json: boolean;
}

/** Prints the answer and returns the exit code: 0, or 1 when the call failed. Ctrl-C stops the waiting, not the task. */
export async function callCommand(command: CallCommand): Promise<number> {
  const tool = tools.find(({ name }) => name === command.tool);
  if (tool === undefined) {
    const near = closest(command.tool, tools.map(({ name }) => name));
    throw new UsageError(
      `There is no tool ${JSON.stringify(command.tool)}`,
      near === undefined ? "The command tools lists them" : `Did you mean ${near}?`,
    );
  }
  const dispatch = await openSession(command);
  const bar = progressBar();
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  // Only who sits at a terminal can be asked: a program that pipes "y" is no person.
  const able = isTerminal("stdin") && isTerminal("stderr");
  const call = (reply?: Reply, state?: string) =>
    dispatch.call(tool, command.input, {
      signal: stop.signal,
      progress: isTerminal("stderr") ? bar.update : undefined,
      dialogue: { able, reply, state },
    });
  let result = await call();
  if (result.ask !== undefined) {
    result = await call(askYesNo(result.ask.message) ? "accepted" : "declined", result.ask.state);
  }
  bar.done();
  if (result.isError === true) {
    err(result.content.map(({ text }) => text).join("\n"));
    return 1;
  }
  const answer = result.structuredContent ?? {};
  out(command.json ? JSON.stringify(answer, undefined, 2) : renderText(answer, alignTable));
  return 0;
}
