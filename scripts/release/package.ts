/** Makes all that goes beside the executables in a folder: bundles, formula, manifests, bill of materials, checksums. */
import { err, out } from "../../src/cli/terminal.ts";
import { UsageError } from "../../src/errors.ts";
import { formatSums, SUMS_FILE, sumsOf } from "./checksums.ts";
import { checkRelease } from "./check.ts";
import { formula, FORMULA_FILE } from "./formula.ts";
import { packBundle } from "./mcpb.ts";
import { SBOM_FILE, writeSbom } from "./sbom.ts";
import { SCOOP_FILE, scoopManifest } from "./scoop.ts";
import { publishedSchemaFaults, SERVER_FILE, serverJson } from "./server_json.ts";
import { bundleOf, fileOf, type Target, targets } from "./targets.ts";

/** All that is made beside the executables. */
const MADE_HERE = [FORMULA_FILE, SCOOP_FILE, SERVER_FILE, SUMS_FILE, SBOM_FILE, ...targets.map(bundleOf)];

/**
 * Takes out of `folder` what an earlier run has made, as it would be taken for this one's; the executables, too, if asked.
 * @throws {UsageError} where it holds other files: everything in it is released
 */
export async function clearRelease(folder: string, executables: boolean): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) if (isFile) names.push(name);
  const programs = targets.map(fileOf);
  const others = names.filter((name) => !MADE_HERE.includes(name) && !programs.includes(name));
  if (others.length > 0) {
    throw new UsageError(
      `${folder} holds files that do not belong to a release: ${others.sort().join(", ")}.`,
      "Move them away, or name another folder.",
    );
  }
  for (const name of names) if (executables || MADE_HERE.includes(name)) await Deno.remove(`${folder}/${name}`);
}

/** Packages the executables that are in `folder`; returns what could not be made. */
export async function packageRelease(folder: string): Promise<{ name: string; why: string }[]> {
  await clearRelease(folder, false);
  const executables = await sumsOf(folder);
  const built = targets.filter((target) => executables.has(fileOf(target)));
  for (const target of built) await packBundle(folder, target);
  await writeSbom(folder);
  const sums = await sumsOf(folder);
  const missing: { name: string; why: string }[] = [];
  const server = serverJson(sums);
  const scoop = scoopManifest(sums);
  const texts = [
    [FORMULA_FILE, formula(sums), "macOS or Linux"],
    [SCOOP_FILE, scoop === undefined ? undefined : json(scoop), "Windows"],
    [SERVER_FILE, server === undefined ? undefined : json(server), "any system"],
  ] as const;
  for (const [name, text, system] of texts) {
    if (text === undefined) missing.push({ name, why: `there is no executable for ${system}` });
    else await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  await Deno.writeTextFile(`${folder}/${SUMS_FILE}`, formatSums(await sumsOf(folder)));
  return missing;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** The targets whose executables are not in `folder`. */
export async function missingTargets(folder: string): Promise<Target[]> {
  const there = new Set<string>();
  for await (const { name } of Deno.readDir(folder)) there.add(name);
  return targets.filter((target) => !there.has(fileOf(target)));
}

async function main(folder: string): Promise<string[]> {
  const without = await missingTargets(folder);
  if (without.length > 0) return without.map((target) => `${fileOf(target)} is missing: a release has all of them`);
  await packageRelease(folder);
  const entry = await publishedSchemaFaults(await Deno.readTextFile(`${folder}/${SERVER_FILE}`));
  return [...await checkRelease(folder), ...(entry === undefined ? [] : [`${SERVER_FILE}: ${entry}`])];
}

if (import.meta.main) {
  const folder = Deno.args[0] ?? "dist";
  const faults = await main(folder);
  for (const fault of faults) err(fault);
  if (faults.length > 0) Deno.exit(1);
  for (const [name] of await sumsOf(folder)) out(name);
}
