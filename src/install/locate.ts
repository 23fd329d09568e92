/** Finds the file of a client on this computer: pure but for the looks it takes through `System`. */
import { posix, win32 } from "node:path";
import { UsageError } from "../errors.ts";
import type { Client, Os } from "./clients.ts";

/** What has to be known of the computer. */
export interface System {
  readonly os: Os;
  /** Undefined for a variable that is not set or empty. */
  env(name: (typeof PLACES)[number]): string | undefined;
  isFolder(path: string): boolean;
  /** The names in a folder; none where it cannot be read. */
  names(folder: string): readonly string[];
}

/** The variables that tell where files are; a compiled binary has to be allowed to read them. */
export const PLACES = ["HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME"] as const;

/** The path library of the system that is looked at, which need not be the one this runs on. */
export function pathsOf(os: Os): typeof posix {
  return os === "windows" ? win32 : posix;
}

/**
 * The full path of the file in which the client keeps its servers.
 * @throws {UsageError} where the home folder is not known, or two installations leave it open which one is meant
 */
export function fileOf(client: Client, system: System): string {
  const store = client.id === "claude-desktop" && system.os === "windows" ? storeFolder(system) : undefined;
  const path = pathsOf(system.os);
  const name = path.basename(client.files[system.os]);
  return store === undefined ? expand(client.files[system.os], system) : path.join(store, name);
}

/**
 * The installer of Claude Desktop for Windows is a package of the Windows Store's kind since 2026: Windows redirects what it
 * reads to a folder of its own, and a file at the usual place is never seen (anthropics/claude-code#26073).
 */
function storeFolder(system: System): string | undefined {
  const local = system.env("LOCALAPPDATA");
  if (local === undefined) return undefined;
  const packages = win32.join(local, "Packages");
  const found = system.names(packages).filter((name) => name.startsWith("Claude_"))
    .map((name) => win32.join(packages, name, "LocalCache", "Roaming", "Claude"))
    .filter((folder) => system.isFolder(folder));
  if (found.length > 1) {
    throw new UsageError(
      `There is more than one Claude Desktop: ${found.join(", ")}.`,
      "Name the file of the one you use with --file.",
    );
  }
  return found[0];
}

function expand(template: string, system: System): string {
  const path = pathsOf(system.os);
  if (template.startsWith("%APPDATA%")) {
    return path.join(system.env("APPDATA") ?? path.join(home(system), "AppData", "Roaming"), template.slice(9));
  }
  if (template.startsWith("$CONFIG")) {
    const given = system.env("XDG_CONFIG_HOME");
    // The specification wants a relative path ignored.
    const config = given !== undefined && path.isAbsolute(given) ? given : path.join(home(system), ".config");
    return path.join(config, template.slice(7));
  }
  return path.join(home(system), template.slice(1));
}

function home(system: System): string {
  const folder = system.env(system.os === "windows" ? "USERPROFILE" : "HOME");
  if (folder !== undefined) return folder;
  throw new UsageError(
    `The home folder is not known: ${system.os === "windows" ? "USERPROFILE" : "HOME"} is not set.`,
    "Set it, or name the client's file with --file.",
  );
}

/**
 * Whether Claude Desktop seems to be running. Chromium keeps a link SingletonLock (on Windows a file lockfile) in its folder
 * while it runs; after a crash the link may stay. Nothing has to be started to see it.
 */
export function isClaudeRunning(file: string, system: System): boolean {
  const lock = system.os === "windows" ? "lockfile" : "SingletonLock";
  return system.names(pathsOf(system.os).dirname(file)).includes(lock);
}
