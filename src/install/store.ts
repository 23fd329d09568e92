/** Reads and writes a client's file: never half of it, never through a stale look, and with a copy of what was there. */
import { dirname, join } from "node:path";
import { UsageError } from "../errors.ts";

/** A client's file as it is. */
export interface Stored {
  /** The file itself, at the end of any links. */
  readonly path: string;
  /** Whether the given path is a link to it, or leads through one. */
  readonly linked: boolean;
  /** Undefined where there is none yet. */
  readonly bytes: Uint8Array | undefined;
  readonly info: Deno.FileInfo | undefined;
}

/**
 * Reads the file. A link is followed, as people keep their configuration in a folder of its own and link to it: a file in the
 * link's place would part from that copy without a word.
 * @throws {UsageError} for a link to nothing, something that is no file, and a file that may not be read
 */
export function load(path: string): Stored {
  const link = attempt(path, "looked at", () => Deno.lstatSync(path));
  if (link === undefined) return { path, linked: false, bytes: undefined, info: undefined };
  const real = attempt(path, "followed", () => Deno.realPathSync(path));
  if (real === undefined) {
    throw new UsageError(
      `${path} is a link to a file that is not there.`,
      "Remove the link, or restore what it leads to.",
    );
  }
  const info = attempt(path, "looked at", () => Deno.statSync(real));
  if (info?.isFile !== true) throw new UsageError(`${path} is no regular file.`, "Move it away, then run this again.");
  return { path: real, linked: link.isSymlink, bytes: attempt(path, "read", () => Deno.readFileSync(real)), info };
}

/** The text of a file, and whether it starts with a byte order mark. @throws {UsageError} where it is not UTF-8 */
export function textOf(stored: Stored): { text: string; mark: string } {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(stored.bytes ?? new Uint8Array());
    const mark = text.startsWith("\uFEFF") ? "\uFEFF" : "";
    return { text: text.slice(mark.length), mark };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(
      `${stored.path} is not a text file in UTF-8. The file was left as it is.`,
      "Save it again as UTF-8, then run this again.",
    );
  }
}

/** Where the copy of a file is kept from before this entry was added, or before it was changed. */
export function backupPath(path: string, name: string, changed = false): string {
  return `${path}.before-${name}${changed ? "-changed" : ""}.bak`;
}

/** The copy from before an entry was added, or undefined. */
export function backupOf(path: string, name: string): Uint8Array | undefined {
  return attempt(path, "read", () => Deno.readFileSync(backupPath(path, name)));
}

/** Removes a file, if it is there. */
export function discard(path: string): void {
  attempt(path, "removed", () => Deno.removeSync(path));
}

/**
 * Writes the file: into a new one beside it, which then takes its place, with the same mode and owner; readable by its owner
 * only where it is new. With `backup`, what was there is kept under that path first.
 * @throws {UsageError} for a file that is read-only or has changed since it was loaded, and where the folder takes no file
 */
export function replace(stored: Stored, bytes: Uint8Array, backup: string | undefined): void {
  const { path, info } = stored;
  // A new file in its place would need no leave from the old one; whoever made it read-only meant it.
  if (info !== undefined && info.mode !== null && (info.mode & 0o222) === 0) {
    throw new UsageError(
      `${path} is read-only.`,
      "Make it writable (chmod u+w), or see with --print what to put into it.",
    );
  }
  if (backup !== undefined && stored.bytes !== undefined) writeBeside(backup, stored.bytes, undefined, info);
  const now = attempt(path, "read", () => Deno.readFileSync(path));
  if (!same(now, stored.bytes)) {
    throw new UsageError(`${path} was changed by another program just now.`, "Run this again.");
  }
  writeBeside(path, bytes, info?.mode ?? undefined, info);
}

function writeBeside(path: string, bytes: Uint8Array, mode: number | undefined, like: Deno.FileInfo | undefined): void {
  const temporary = join(dirname(path), `.proxmox-mcp-${crypto.randomUUID()}.tmp`);
  const written = attempt(path, "written", () => {
    try {
      const file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
      try {
        for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
        file.syncSync();
        keepOwner(temporary, file.statSync(), like);
      } finally {
        file.close();
      }
      if (mode !== undefined && Deno.build.os !== "windows") Deno.chmodSync(temporary, mode & 0o777);
      Deno.renameSync(temporary, path);
      return true;
    } catch (error) {
      forget(temporary);
      throw error;
    }
  });
  if (written === undefined) {
    throw new UsageError(`The folder ${dirname(path)} is not there.`, "Start the client once, which makes it.");
  }
}

/** Removes what is left of a failed attempt; what made it fail is to be told, and not that this does, too. */
function forget(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It may never have been made.
  }
}

/** Under sudo the file would become root's, and the client could not read it any more. */
function keepOwner(path: string, own: Deno.FileInfo, like: Deno.FileInfo | undefined): void {
  if (like === undefined || like.uid === null || like.uid === own.uid) return;
  Deno.chownSync(path, like.uid, like.gid);
}

/** What is done, or undefined where there is no such file. */
function attempt<T>(path: string, verb: string, action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (!(error instanceof Error)) throw error;
    const remedy = error instanceof Deno.errors.NotCapable
      ? "Start this program with --allow-read and --allow-write, or see with --print what to put into the file."
      : "Check that this user may read and write it and its folder, or see with --print what to put into it.";
    throw new UsageError(`${path} cannot be ${verb}: ${error.message}.`, remedy);
  }
}

/** Whether two contents are the same. */
export function same(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
