/** The audit log as a file of JSON lines: a regular file, never reached through a symlink, and flushed after each line. */
import { UsageError } from "../errors.ts";
import type { AuditEntry, AuditLog } from "../safety/audit.ts";

/** What the log needs of an open file. */
export interface AuditFile {
  writeSync(bytes: Uint8Array): number;
  syncDataSync(): void;
  statSync(): { readonly nlink: number | null };
}

/** How the lines of every audit log begin. */
const OPENING = '{"time":"';

function wrong(path: string, what: string, remedy: string): UsageError {
  return new UsageError(`PROXMOX_AUDIT_FILE ${path} ${what}.`, remedy);
}

/**
 * Opens the file for appending, and makes it, readable by its owner only, where there is none. A file that holds something
 * else is left alone: a setting must not be a way to write into any file of the user's.
 * @throws {UsageError} for a symlink, a directory, a device, a file that is no audit log, or one that cannot be opened
 */
export function openAuditFile(path: string): Deno.FsFile {
  try {
    const before = statOf(path);
    if (before?.isSymlink) throw wrong(path, "is a symbolic link", "Name the file itself");
    if (before !== undefined && !before.isFile) throw wrong(path, "is no regular file", "Name a file, or one to make");
    const file = before === undefined
      ? Deno.openSync(path, { read: true, append: true, createNew: true, mode: 0o600 })
      : Deno.openSync(path, { read: true, append: true });
    const opened = file.statSync();
    // Between the two steps somebody may have put a link in its place.
    if (before !== undefined && (opened.ino !== before.ino || opened.dev !== before.dev)) {
      file.close();
      throw wrong(path, "was replaced while it was opened", "See who writes into its folder, then start again");
    }
    if (!isAuditLog(file)) {
      file.close();
      throw wrong(path, "holds something else than an audit log", "Name another file");
    }
    return file;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const remedy = error instanceof Deno.errors.NotCapable
      ? `Start the server with --allow-read=${path} --allow-write=${path}`
      : "Its folder has to be there, and this user has to be allowed to write into it";
    throw wrong(path, `cannot be opened: ${reason}`, remedy);
  }
}

/** Whether the file is empty or begins as an audit log does; a line that was cut off on a full disk is ended. */
function isAuditLog(file: Deno.FsFile): boolean {
  const bytes = new Uint8Array(OPENING.length);
  const read = file.readSync(bytes) ?? 0;
  if (read === 0) return true;
  const [first = ""] = new TextDecoder().decode(bytes.subarray(0, read)).split("\n");
  if (!OPENING.startsWith(first)) return false;
  file.seekSync(-1, Deno.SeekMode.End);
  file.readSync(bytes);
  if (bytes[0] !== 0x0a) file.writeSync(new Uint8Array([0x0a]));
  return true;
}

function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Characters that a terminal obeys or that hide others: JSON escapes only some of them. */
const unshown = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

function lineOf(entry: AuditEntry): string {
  const { time, call, ...rest } = entry;
  return JSON.stringify({ time, call, ...rest })
    .replace(unshown, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The log in an open file. */
export function auditLogIn(file: AuditFile): AuditLog {
  let torn = false;
  return {
    write(entry) {
      // Some systems do not count links; there a removed file cannot be told.
      if (file.statSync().nlink === 0) throw new Error("the file was removed");
      const bytes = new TextEncoder().encode(`${torn ? "\n" : ""}${lineOf(entry)}\n`);
      torn = true;
      for (let done = 0; done < bytes.length;) {
        const written = file.writeSync(bytes.subarray(done));
        // A line that was cut off is ended before the next one begins.
        if (written <= 0) throw new Error("the file takes no more");
        done += written;
      }
      file.syncDataSync();
      torn = false;
    },
  };
}
