/** Reads the settings of this process: its environment, and the file that load.ts allows. */
import { envFileToRead, loadSettings, type SettingsFile } from "../config/load.ts";
import type { Settings } from "../config/settings.ts";
import { UsageError } from "../errors.ts";

/** The settings of this process; a file is read only where load.ts says so. */
export function readSettings(envFile: string | undefined): Settings {
  const env = environment();
  return loadSettings(env, readEnvFile(env, envFile), (path) => Deno.readTextFileSync(path));
}

function environment(): Record<string, string> {
  try {
    return Deno.env.toObject();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new UsageError(
      "This process may not read its environment, where the settings are.",
      "Start it with deno task start or deno task cli, or with --allow-env; --demo needs no settings.",
    );
  }
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
