/** Serves MCP from inside the worker: on stdin and stdout, or in messages to a client in the launcher. */
import process from "node:process";
import { PassThrough } from "node:stream";
import { err } from "../cli/terminal.ts";
import type { Dispatch } from "../mcp/dispatch.ts";
import { serve } from "../mcp/server.ts";
import { cleanText } from "../shape/untrusted.ts";

function report(error: Error): void {
  err(cleanText(`Protocol: ${error.message}`));
}

/** Serves until stdin ends or stdout is closed; `onEnd` is told of it. */
export function serveStdin(dispatch: Dispatch, onEnd: () => void): void {
  // The client that started us is gone: nobody hears an answer, and PVE goes on with what was begun.
  process.stdin.on("end", onEnd);
  process.stdin.on("close", onEnd);
  // A client that stops reading ends us, too.
  process.stdout.on("error", onEnd);
  serve(dispatch, report);
}

/** Serves a client that takes each message from `send`; the function it returns takes the client's. */
export function serveMessages(dispatch: Dispatch, send: (text: string) => void): (text: string) => void {
  const [incoming, outgoing] = [new PassThrough(), new PassThrough()];
  outgoing.setEncoding("utf8");
  outgoing.on("data", (text: string) => send(text));
  serve(dispatch, report, { incoming, outgoing });
  return (text) => void incoming.write(text);
}
