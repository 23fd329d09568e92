/** Prints what `deno task start` lets the server reach: PVE's host:port, and the SSH hosts where exec is on; validated. */
import process from "node:process";
import { authority } from "../src/pve/faults.ts";
import { readSettings } from "../src/cli/settings.ts";
import { err, out } from "../src/cli/terminal.ts";
import { UsageError } from "../src/errors.ts";

try {
  const { target, exec } = readSettings(undefined);
  // Without settings the server still lists its tools; it gets a name that exists nowhere.
  out(target === undefined ? "unset.invalid:443" : [target, ...exec?.ssh?.hosts ?? []].map(authority).join(","));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  err(error.message);
  process.exit(2);
}
