/** Prints the one file that `deno task start` lets the server write: the audit log, after the settings were validated. */
import process from "node:process";
import { readSettings } from "../src/cli/settings.ts";
import { err, out } from "../src/cli/terminal.ts";
import { UsageError } from "../src/errors.ts";

try {
  // Deno refuses an empty path, and has no flag for "nothing": a name in a folder that is nowhere stands for it.
  out(readSettings(undefined).auditFile ?? "/nonexistent/proxmox-mcp-writes-nothing");
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  err(error.message);
  process.exit(2);
}
