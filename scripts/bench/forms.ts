/** The forms in which the server is started, each with its floor: the same launcher in the same form, with a bare loop behind it. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { bundle, compileArguments, LAUNCHER, V8_FLAGS } from "../bundle.ts";

/** A command line that is followed by one of our commands. */
export type Command = readonly [string, ...string[]];

export interface Form {
  readonly what: string;
  readonly server: Command;
  readonly floor: Command;
  /** How many times the floor a start may take. */
  readonly startGoal: number | undefined;
}

const ROOT = new URL("../../", import.meta.url).pathname;
const deno = Deno.execPath();

function run(...options: string[]): Command {
  return [deno, "run", "--no-prompt", "--quiet", `--v8-flags=${V8_FLAGS}`, "--allow-env", "--allow-read", ...options];
}

/** The program with the bare loop for its worker, in the folder `into`. */
function makeFloor(into: string): void {
  for (const name of ["main.ts", "src", "deno.json", "deno.lock"]) {
    cpSync(join(ROOT, name), join(into, name), { recursive: true });
  }
  Deno.copyFileSync(join(ROOT, "scripts/bench/floor_worker.ts"), join(into, "src/confine/worker.ts"));
}

/** Compiles a bundle; returns why it could not, or undefined. */
async function compile(compiler: Command, from: string, output: string): Promise<string | undefined> {
  const [program, ...before] = compiler;
  const { success, stderr } = await new Deno.Command(program, {
    args: [...before, ...compileArguments(from, output)],
    stdout: "null",
  }).output();
  if (success) return undefined;
  const lines = new TextDecoder().decode(stderr).split("\n").filter((line) => line.includes("rror"));
  return lines[0] ?? "it does not say why";
}

/**
 * Makes them in the folder `work`. Compiling takes a run time: Deno downloads it, unless DENORT_BIN names one, which has to
 * be of the compiler's own version; `missing` says why there is no executable.
 */
export async function makeForms(work: string, compiler: Command): Promise<{ forms: Form[]; missing: string[] }> {
  const folder = (name: string) => join(work, name);
  makeFloor(folder("floor"));
  await bundle(folder("server-bundle"));
  await bundle(folder("floor-bundle"), { root: folder("floor") });
  const asBundle = (name: string): Command => [
    ...run("--no-config", "--cached-only", "--unstable-worker-options", "--allow-net=127.0.0.1"),
    join(folder(name), LAUNCHER),
  ];
  const fromSource = (root: string): Command => [
    ...run("--cached-only", "--frozen", "--config", join(root, "deno.json"), "--allow-net=127.0.0.1"),
    join(root, "main.ts"),
  ];
  const forms: Form[] = [
    { what: "from source", server: fromSource(ROOT), floor: fromSource(folder("floor")), startGoal: 2.4 },
    { what: "bundled", server: asBundle("server-bundle"), floor: asBundle("floor-bundle"), startGoal: undefined },
  ];
  const [server, floor] = [folder("server"), folder("floor.bin")];
  const why = await compile(compiler, folder("server-bundle"), server) ??
    await compile(compiler, folder("floor-bundle"), floor);
  if (why !== undefined) return { forms, missing: [`compiled: not measured, as it could not be compiled: ${why}`] };
  forms.push({ what: "bundled, compiled", server: [server], floor: [floor], startGoal: 1.7 });
  return { forms, missing: [] };
}
