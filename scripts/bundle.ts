/** Bundles launcher and worker into a folder of JavaScript, and says how `deno compile` makes one executable of it. */
import { fileURLToPath } from "node:url";
import { CA_STORE, UNDERMINING } from "../src/confine/environment.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** The entry points inside the folder. */
export const LAUNCHER = "main.js";
export const WORKER = "src/confine/worker.js";

/** As launcher.ts writes it; in the bundle, that code lies in the folder itself. */
const WORKER_IN_SOURCE = '"./worker.ts"';

/** Leaves out native parts of ssh2 and its dependency: they are optional, and no process of ours may load any. */
export const NO_NATIVE = ["--external", "*.node"] as const;

/**
 * Makes the bundle in the folder `into`, which is emptied first; without `minify` its names stay readable. `root` is the
 * program's folder.
 * @throws where `deno bundle` fails
 */
export async function bundle(into: string, { minify = true, root = ROOT } = {}): Promise<void> {
  await Deno.remove(into, { recursive: true }).catch(ignoreMissing);
  // One file for all would break: modules that are loaded late depend on each other in a circle.
  const options = [
    ...["--quiet", "--frozen", "--code-splitting", ...(minify ? ["--minify"] : [])],
    ...NO_NATIVE,
    // Behind the list of externals, which would take the entry points for more of it.
    ...["--outdir", into],
  ];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", ...options, "main.ts", "src/confine/worker.ts"],
    cwd: root,
    stdout: "null",
  }).output();
  if (!success) throw new Error(`deno bundle failed: ${new TextDecoder().decode(stderr)}`);
  await pointToWorker(into);
}

/** The bundler leaves the address of a worker as it is. */
async function pointToWorker(into: string): Promise<void> {
  let found = 0;
  for await (const { name, isFile } of Deno.readDir(into)) {
    if (!isFile) continue;
    const code = await Deno.readTextFile(`${into}/${name}`);
    const parts = code.split(WORKER_IN_SOURCE);
    if (parts.length === 1) continue;
    found += parts.length - 1;
    await Deno.writeTextFile(`${into}/${name}`, parts.join(`"./${WORKER}"`));
  }
  if (found !== 1) throw new Error(`The bundle names its worker ${found} times, instead of once`);
  await Deno.stat(`${into}/${WORKER}`);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/**
 * The environment variables that an executable may see: the settings, and mistyped ones, what is taken out before anything
 * connects, and where the clients keep their files (`install`).
 */
export const VISIBLE_VARIABLES: readonly string[] = [
  "PROXMOX_*",
  ...UNDERMINING,
  CA_STORE,
  ...["HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME"],
];

/** The permissions of an executable. They are the launcher's, which gives them up; `host` (host:port) bakes one host in. */
export function permissionFlags(host?: string): string[] {
  return [
    "--no-prompt",
    `--allow-env=${VISIBLE_VARIABLES.join(",")}`,
    "--allow-read",
    ...(host === undefined ? ["--allow-net", "--allow-write"] : [`--allow-net=${host}`]),
    ...["--deny-run", "--deny-ffi", "--deny-sys", "--deny-import"],
  ];
}

/**
 * V8 would let the heap of a busy server grow to three times its size before it looks for garbage: memory of the host, for
 * little speed. It looks now whenever what was in use has grown by two fifths; there is no limit to what may be in use.
 * Compiling beside the program, it would keep the memory of each thread that does so.
 */
export const V8_FLAGS = "--max-semi-space-size=4,--heap-growing-percent=40,--no-concurrent-recompilation";

/** What follows `deno` to compile the bundle in `from` into the executable `output`. */
export function compileArguments(from: string, output: string, host?: string): string[] {
  return [
    ...[
      "compile",
      "--quiet",
      "--no-check",
      "--no-config",
      "--no-lock",
      "--unstable-worker-options",
      `--v8-flags=${V8_FLAGS}`,
    ],
    ...permissionFlags(host),
    ...["--include", from, "--output", output, `${from}/${LAUNCHER}`],
  ];
}

if (import.meta.main) {
  const [into, ...rest] = Deno.args;
  if (into === undefined || rest.length > 0) throw new Error("Usage: scripts/bundle.ts FOLDER");
  await bundle(into);
}
