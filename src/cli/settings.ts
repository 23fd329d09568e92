/** Reads the settings of this process: its environment, and the file that load.ts allows. */
import { envFileToRead, loadSettings, type SettingsFile } from "../config/load.ts";
import type { Settings } from "../config/settings.ts";
import { UsageError } from "../errors.ts";

/** The settings of this process; a file is read only where load.ts says so. */
export function readSettings(envFile: string | undefined): Settings {
  const env = Deno.env.toObject();
  return loadSettings(env, readEnvFile(env, envFile), (path) => Deno.readTextFileSync(path));
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
    );
  }
}
