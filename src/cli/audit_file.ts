/** The audit log as a file of JSON lines: a regular file, never reached through a symlink, and flushed after each line. */
import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { UsageError } from "../errors.ts";
import { auditLine, type AuditLog } from "../safety/audit.ts";

/** What the log needs of an open file. */
export interface AuditFile {
  writeSync(bytes: Uint8Array): number;
  syncDataSync(): void;
  /** How many names the file has, 0 once it was removed; undefined where that cannot be told. */
  links(): number | undefined;
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
export function openAuditFile(path: string): AuditFile & Disposable {
  try {
    const before = statOf(path);
    if (before?.isSymlink) throw wrong(path, "is a symbolic link", "Name the file itself");
    if (before !== undefined && !before.isFile) throw wrong(path, "is no regular file", "Name a file, or one to make");
    // With the first flag, a file that has come into being since is an error.
    const fd = openSync(path, before === undefined ? "ax+" : "a+", 0o600);
    try {
      const opened = fstatSync(fd);
      // Between the two steps somebody may have put a link in its place.
      if (before !== undefined && (opened.ino !== before.ino || opened.dev !== before.dev)) {
        throw wrong(path, "was replaced while it was opened", "See who writes into its folder, then start again");
      }
      if (!isAuditLog(fd)) throw wrong(path, "holds something else than an audit log", "Name another file");
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return inDescriptor(fd);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const remedy = error instanceof Deno.errors.NotCapable
      ? `Start the server with --allow-read=${path} --allow-write=${path}`
      : "Its folder has to be there, and this user has to be allowed to write into it";
    throw wrong(path, `cannot be opened: ${reason}`, remedy);
  }
}

/** The file behind a descriptor of node:fs: that of Deno.openSync does not tell its links without permission to read. */
function inDescriptor(fd: number): AuditFile & Disposable {
  return {
    writeSync: (bytes) => writeSync(fd, bytes),
    syncDataSync: () => fdatasyncSync(fd),
    links() {
      try {
        return fstatSync(fd).nlink;
      } catch (error) {
        // Deno before 2.9 wants the permission here, too, and it has been given up.
        if (error instanceof Deno.errors.NotCapable) return undefined;
        throw error;
      }
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

/** Whether the file is empty or begins as an audit log does; a line that was cut off on a full disk is ended. */
function isAuditLog(fd: number): boolean {
  const bytes = new Uint8Array(OPENING.length);
  const read = readSync(fd, bytes, 0, bytes.length, 0);
  if (read === 0) return true;
  const [first = ""] = new TextDecoder().decode(bytes.subarray(0, read)).split("\n");
  if (!OPENING.startsWith(first)) return false;
  readSync(fd, bytes, 0, 1, fstatSync(fd).size - 1);
  if (bytes[0] !== 0x0a) writeSync(fd, new Uint8Array([0x0a]));
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

/** The log in an open file, where entries are at hand. */
export function auditLogIn(file: AuditFile): AuditLog {
  const append = auditLinesIn(file);
  return { write: (entry) => append(auditLine(entry)) };
}

/**
 * Appends lines of the log to an open file; each is on the disk when the call returns.
 * @throws where a line cannot be written, or is none of an audit log
 */
export function auditLinesIn(file: AuditFile): (line: string) => void {
  let torn = false;
  return (line) => {
    if (!line.startsWith(OPENING) || /[\r\n]/.test(line)) throw new Error("this is not a line of an audit log");
    if (file.links() === 0) throw new Error("the file was removed");
    const bytes = new TextEncoder().encode(`${torn ? "\n" : ""}${line}\n`);
    torn = true;
    for (let done = 0; done < bytes.length;) {
      const written = file.writeSync(bytes.subarray(done));
      // A line that was cut off is ended before the next one begins.
      if (written <= 0) throw new Error("the file takes no more");
      done += written;
    }
    file.syncDataSync();
    torn = false;
  };
}
