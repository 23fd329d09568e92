/** Serves MCP inside the worker: on stdin and stdout, or in messages to a client in the launcher. */
import { err } from "../cli/terminal.ts";
import type { Dispatch } from "../mcp/dispatch.ts";
import { outgoingTo } from "../mcp/outgoing.ts";
import { serve } from "../mcp/serve.ts";
import { cleanText } from "../shape/untrusted.ts";
import { prepareForPackages } from "./packages.ts";

/** A client that has closed its end may still read the last answers, for so long at most. */
const LAST_ANSWERS_MS = 1000;

const CHUNK_BYTES = 64 * 1024;

function onError(error: Error): void {
  err(cleanText(`Protocol: ${error.message}`));
}

async function load() {
  await prepareForPackages();
  return await import("../mcp/server.ts");
}

async function* stdin(): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const length = await Deno.stdin.read(chunk);
    if (length === null) return;
    yield chunk.slice(0, length);
  }
}

async function toStdout(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
}

/** Serves until stdin ends or stdout is closed; `onEnd` is told of it. */
export function serveStdin(dispatch: Dispatch, onEnd: () => void): void {
  const outgoing = outgoingTo(toStdout);
  async function end(): Promise<void> {
    const patience = new Promise((resolve) => setTimeout(resolve, LAST_ANSWERS_MS));
    await Promise.race([outgoing.drained(), patience]);
    // The client that started us is gone: nobody hears an answer, and PVE goes on with what was begun.
    onEnd();
  }
  serve(dispatch, { streams: { incoming: stdin(), outgoing }, onError, onEnd: () => void end(), load });
}

/** Serves a client that takes each message from `send`; the function it returns takes the client's. */
export function serveMessages(dispatch: Dispatch, send: (text: string) => void): (text: string) => void {
  const outgoing = outgoingTo((text) => Promise.resolve(send(text)));
  const encoder = new TextEncoder();
  const { promise, resolve } = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>();
  const incoming = new ReadableStream<Uint8Array>({ start: resolve });
  serve(dispatch, { streams: { incoming, outgoing }, onError, load });
  return (text) => void promise.then((controller) => controller.enqueue(encoder.encode(text)));
}
