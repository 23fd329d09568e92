/** Prints the one host:port that `deno task start` lets the server reach, after the settings were validated. */
import process from "node:process";
import { authority } from "../src/pve/faults.ts";
import { readSettings } from "../src/cli/settings.ts";
import { err, out } from "../src/cli/terminal.ts";
import { UsageError } from "../src/errors.ts";

try {
  const { target } = readSettings(undefined);
  // Without settings the server still lists its tools; it gets a name that exists nowhere.
  out(target === undefined ? "unset.invalid:443" : authority(target));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  err(error.message);
  process.exit(2);
}
