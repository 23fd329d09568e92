/** Builds the executables: bundles the program once, then compiles the bundle for each system. */
import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { err, out } from "../src/cli/terminal.ts";
import { parseHost } from "../src/config/host.ts";
import { UsageError } from "../src/errors.ts";
import { authority } from "../src/pve/faults.ts";
import { bundle, compileArguments } from "./bundle.ts";
import { permissionFaults } from "./release/embedded.ts";
import { fileOf, hostTarget, type Target, targets } from "./release/targets.ts";

export interface BuildOptions {
  readonly targets: readonly Target[];
  /** The folder the executables are put into; it is made where it is missing. */
  readonly into: string;
  /** For a site build: the only host:port that it can reach. */
  readonly host: string | undefined;
  /** The command that compiles; one that is not this Deno needs a run time of its own version. */
  readonly compiler: readonly [string, ...string[]];
  /**
   * A folder with run times, named as Deno names them (denort-TRIPLE). Of those that are not there, this system's is the one
   * that DENORT_BIN names, as for Deno; it downloads the others.
   */
  readonly runtimes: string | undefined;
}

/** What came of one target. */
export interface Built {
  readonly target: Target;
  /** Why there is no executable; undefined: there is one. */
  readonly failure: string | undefined;
}

/** Reads the value of --host: one name or address, with the port of PVE where none is given. @throws {UsageError} */
export function siteHost(text: string): string {
  try {
    const { host, port } = parseHost(text);
    return authority({ host, port: port ?? 8006 });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(
      `--host is ${JSON.stringify(text)}, which is not the name or address of one host.`,
      "Write it as in pve.lan, 192.0.2.10:8006 or [2001:db8::10]:8006.",
    );
  }
}

/** Builds what the options name, one after the other, and checks the permissions in each. A failure ends only its target. */
export async function build(options: BuildOptions): Promise<Built[]> {
  await Deno.mkdir(options.into, { recursive: true });
  const work = await Deno.makeTempDir();
  try {
    await bundle(work);
    const built: Built[] = [];
    for (const target of options.targets) built.push({ target, failure: await compile(target, work, options) });
    return built;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function compile(target: Target, from: string, options: BuildOptions): Promise<string | undefined> {
  const output = resolve(options.into, fileOf(target));
  const [verb = "compile", ...rest] = compileArguments(from, output, options.host);
  const [program, ...before] = options.compiler;
  const runtime = options.runtimes === undefined ? undefined : resolve(options.runtimes, `denort-${target.triple}`);
  const there = runtime !== undefined && await exists(runtime);
  // Deno would take the one that the environment names for every system.
  const { DENORT_BIN, ...env } = Deno.env.toObject();
  const named = there ? runtime : target === hostTarget() ? DENORT_BIN : undefined;
  const { success, stderr } = await new Deno.Command(program, {
    args: [...before, verb, "--target", target.triple, ...rest],
    env: { ...env, NO_COLOR: "1", ...(named === undefined ? {} : { DENORT_BIN: named }) },
    clearEnv: true,
    stdout: "null",
  }).output();
  if (!success) return reasonIn(new TextDecoder().decode(stderr));
  const faults = await permissionFaults(output, options.host);
  return faults.length === 0 ? undefined : `its permissions are not those it should have: ${faults.join("; ")}`;
}

/** The line that says what happened, out of Deno's error and its causes; warnings of other programs may stand before it. */
function reasonIn(text: string): string {
  // deno-lint-ignore no-control-regex
  const lines = text.replace(/\x1b\[[\d;]*m/g, "").split("\n").map((line) => line.replace(/^\s*(?:\d+:)?\s*/, ""));
  const cause = lines.find((line) => line.startsWith("error sending")) ??
    lines.find((line) => line.startsWith("error"));
  return cause ?? lines.find((line) => line !== "") ?? "it says nothing";
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Reads the command line. @throws {UsageError} */
export function buildOptions(args: readonly string[]): BuildOptions {
  const { values } = parse(args);
  const host = values.host === undefined ? undefined : siteHost(values.host);
  const all: readonly Target[] = targets;
  // A site build is for the person who makes it; a release is for everybody.
  const here = hostTarget();
  const names = values.target ??
    (host === undefined || here === undefined ? targets.map(({ name }) => name) : [here.name]);
  const [program = Deno.execPath(), ...before] = (values.compiler ?? "").split(" ").filter((word) => word !== "");
  return {
    targets: names.map((name) => {
      const target = all.find((one) => one.name === name);
      if (target !== undefined) return target;
      throw new UsageError(
        `There is no target ${JSON.stringify(name)}.`,
        `There are: ${targets.map((one) => one.name).join(", ")}.`,
      );
    }),
    into: values.into ?? (host === undefined ? "dist" : "dist/site"),
    host,
    compiler: [program, ...before],
    runtimes: values.runtimes,
  };
}

function parse(args: readonly string[]) {
  const flag = { type: "string" } as const;
  const options = {
    host: flag,
    into: flag,
    compiler: flag,
    runtimes: flag,
    target: { ...flag, multiple: true },
  } as const;
  try {
    return parseArgs({ args: [...args], options });
  } catch (error) {
    throw new UsageError(
      error instanceof Error ? error.message : String(error),
      "Usage: build [--target NAME]… [--host HOST[:PORT]] [--into FOLDER] [--compiler COMMAND] [--runtimes FOLDER]",
    );
  }
}

if (import.meta.main) {
  try {
    const options = buildOptions(Deno.args);
    const built = await build(options);
    for (const { target, failure } of built) {
      const path = `${options.into}/${fileOf(target)}`;
      if (failure === undefined) out(`${path}: ${((await Deno.stat(path)).size / 1e6).toFixed(0)} MB`);
      else err(`${path} was not built: ${failure}`);
    }
    if (built.some(({ failure }) => failure !== undefined)) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    err(`${error.message}\nWhat to do: ${error.remedy ?? "see scripts/build.ts"}`);
    Deno.exit(2);
  }
}
