/** `serve`: MCP on stdin and stdout, until stdin ends. */
import { type SessionOptions, startJob } from "./confined.ts";

/** Serves, and returns the exit code when the client is gone. */
export async function serveCommand(options: SessionOptions): Promise<number> {
  await startJob({ kind: "serve", over: "stdio" }, options).result;
  return 0;
}
