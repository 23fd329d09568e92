/** `deno task release:dry`: all of a release that can be made here, checked; and what is left to the release workflow, and why. */
import { err, out } from "../../src/cli/terminal.ts";
import { UsageError } from "../../src/errors.ts";
import { build, buildOptions } from "../build.ts";
import { sumsOf } from "./checksums.ts";
import { checkRelease } from "./check.ts";
import { FORMULA_FILE } from "./formula.ts";
import { clearRelease, packageRelease } from "./package.ts";
import { publishedSchemaFaults, SCHEMA_URL, SERVER_FILE } from "./server_json.ts";
import { smokeFaults } from "./smoke.ts";
import { fileOf, hostTarget } from "./targets.ts";

/** What came of the parts: done, skipped with the reason, or failed. */
const results: { readonly part: string; readonly state: "done" | "skipped" | "FAILED"; readonly why: string }[] = [];

function note(part: string, state: "done" | "skipped" | "FAILED", why = ""): void {
  results.push({ part, state, why });
  out(`${state.padEnd(8)}${part}${why === "" ? "" : `: ${why}`}`);
}

function noteFaults(part: string, faults: readonly string[]): void {
  if (faults.length === 0) note(part, "done");
  for (const fault of faults) note(part, "FAILED", fault);
}

/** Why a target cannot be built here, where that is no fault of ours; undefined where it is. */
function excuse(failure: string, triple: string): string | undefined {
  const [unreachable] = /error sending request for url \([^)]*\)/.exec(failure) ?? [];
  if (unreachable !== undefined) {
    return `its run time cannot be downloaded here (${unreachable}); --runtimes FOLDER takes denort-${triple}`;
  }
  // Only an older compiler, named by --compiler, does not know one of the targets.
  return /invalid value '[^']*' for '--target/.test(failure) ? "the compiler does not know this system" : undefined;
}

/** Holds the entry against the registry's own schema, where it can be fetched. */
async function checkPublishedSchema(folder: string): Promise<void> {
  const part = `${SERVER_FILE} against the registry's own schema`;
  const text = await Deno.readTextFile(`${folder}/${SERVER_FILE}`);
  try {
    const faults = await publishedSchemaFaults(text);
    note(part, faults === undefined ? "done" : "FAILED", faults);
  } catch (error) {
    note(
      part,
      "skipped",
      `${SCHEMA_URL} cannot be read here: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Ruby's own opinion of the formula. */
async function checkRuby(folder: string): Promise<void> {
  const part = `ruby -c ${FORMULA_FILE}`;
  try {
    const { success, stderr } = await new Deno.Command("ruby", { args: ["-c", `${folder}/${FORMULA_FILE}`] }).output();
    note(part, success ? "done" : "FAILED", success ? "" : new TextDecoder().decode(stderr));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    note(part, "skipped", "there is no ruby here");
  }
}

async function main(): Promise<void> {
  const options = buildOptions(Deno.args);
  const folder = options.into;
  await clearRelease(folder, true);
  for (const { target, failure } of await build(options)) {
    const reason = failure === undefined ? undefined : excuse(failure, target.triple);
    note(
      fileOf(target),
      failure === undefined ? "done" : reason === undefined ? "FAILED" : "skipped",
      reason ?? failure,
    );
  }
  for (const { name, why } of await packageRelease(folder)) note(name, "skipped", why);
  noteFaults("checksums, permissions, bundles, manifests, bill of materials", await checkRelease(folder));
  await checkRuby(folder);
  const sums = await sumsOf(folder);
  if (sums.has(SERVER_FILE)) await checkPublishedSchema(folder);
  const here = hostTarget();
  if (here === undefined || !sums.has(fileOf(here))) {
    note("smoke test", "skipped", "there is no executable for this system");
  } else {noteFaults(
      `smoke test of ${fileOf(here)}`,
      await smokeFaults(await Deno.realPath(`${folder}/${fileOf(here)}`)),
    );}
  note("smoke tests on the other systems", "skipped", "they run on the release workflow's runners");
  note("signature, notarisation, attestation, upload, tap", "skipped", "they need the release workflow's identity");
  const count = (state: string) => results.filter((result) => result.state === state).length;
  out(
    `\n${folder}: ${[...sums.keys()].length + 1} files. ${count("done")} done, ${count("skipped")} skipped, ${
      count("FAILED")
    } failed`,
  );
  if (count("FAILED") > 0) Deno.exit(1);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  err(`${error.message}\nWhat to do: ${error.remedy ?? "see scripts/build.ts"}`);
  Deno.exit(2);
}
