/** Reads the settings of this process: its environment, and the file that load.ts allows. */
import { envFileToRead, type SettingsFile } from "../config/load.ts";
import { namesToLookFor } from "../config/names.ts";
import type { Settings } from "../config/settings.ts";
import { gather, type Sources } from "../config/sources.ts";
import { UsageError } from "../errors.ts";

/** The settings of this process; a file is read only where load.ts says so. */
export function readSettings(envFile: string | undefined): Settings {
  return gatherSettings(envFile).settings;
}

/** The settings of this process, and the texts they were read from. */
export function gatherSettings(envFile: string | undefined): { settings: Settings; sources: Sources } {
  const env = environment();
  return gather(env, readEnvFile(env, envFile), (path) => Deno.readTextFileSync(path));
}

/** The variables of this program that are set, as far as this process may look; never their values. */
export function namesSet(): string[] {
  return Object.entries(readable()).flatMap(([name, value]) => /^PROXMOX_/.test(name) && value !== "" ? [name] : [])
    .sort();
}

function environment(): Record<string, string> {
  if (!granted() && !granted("PROXMOX_HOST")) {
    throw new UsageError(
      "This process may not read its environment, where the settings are.",
      "Start it with deno task start or deno task cli, or with --allow-env; --demo needs no settings.",
    );
  }
  return readable();
}

function readable(): Record<string, string> {
  if (granted()) return Deno.env.toObject();
  // A compiled binary may read the variables that it knows, and not list the others.
  return Object.fromEntries(
    namesToLookFor().flatMap((name) => {
      const value = granted(name) ? Deno.env.get(name) : undefined;
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function granted(variable?: string): boolean {
  const descriptor = variable === undefined ? { name: "env" } as const : { name: "env", variable } as const;
  return Deno.permissions.querySync(descriptor).state === "granted";
}

function readEnvFile(env: Record<string, string>, explicit: string | undefined): SettingsFile | undefined {
  const file = envFileToRead(env, explicit);
  if (file === undefined) return undefined;
  try {
    return { path: file.path, content: Deno.readTextFileSync(file.path) };
  } catch (error) {
    if (!file.required && (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable)) {
      return undefined;
    }
    throw new UsageError(
      `Cannot read the settings file ${file.path}: ${error instanceof Error ? error.message : error}`,
      "Check the path behind --env-file, and that this process may read it.",
    );
  }
}
