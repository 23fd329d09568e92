/** `serve`: MCP on stdin and stdout, until stdin ends. */
import process from "node:process";
import { serve } from "../mcp/server.ts";
import { openSession, type SessionOptions } from "./session.ts";
import { clean, err } from "./terminal.ts";

export async function serveCommand(options: SessionOptions): Promise<void> {
  const dispatch = await openSession(options);
  // The client that started us is gone: nobody hears an answer, and PVE goes on with what was begun.
  process.stdin.on("end", () => process.exit(0));
  process.stdin.on("close", () => process.exit(0));
  // A client that stops reading ends us, too.
  process.stdout.on("error", () => process.exit(0));
  serve(dispatch, (error) => err(clean(`Protocol: ${error.message}`)));
}
