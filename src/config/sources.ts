/** What settings are read from, as plain text: the launcher gathers it, and both sides of the boundary parse it alike. */
import { loadSettings, type SettingsFile } from "./load.ts";
import type { Settings } from "./settings.ts";

/** Everything that loadSettings needs. */
export interface Sources {
  /** The PROXMOX_* variables of the environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly file: SettingsFile | undefined;
  /** The contents of the files that settings name, by the path as it stands in the setting. */
  readonly files: Readonly<Record<string, string>>;
}

/** Loads the settings once, with `readFile`, and keeps what it has read beside them. */
export function gather(
  env: Readonly<Record<string, string>>,
  file: SettingsFile | undefined,
  readFile: (path: string) => string,
): { settings: Settings; sources: Sources } {
  const files = new Map<string, string>();
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("PROXMOX_")));
  const settings = loadSettings(own, file, (path) => {
    const content = readFile(path);
    files.set(path, content);
    return content;
  });
  return { settings, sources: { env: own, file, files: Object.fromEntries(files) } };
}

/** The same settings again, without reading anything. */
export function settingsFrom({ env, file, files }: Sources): Settings {
  return loadSettings(env, file, (path) => {
    const content = files[path];
    if (content === undefined) throw new Error("the launcher did not hand it over");
    return content;
  });
}
