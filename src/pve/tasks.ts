/** PVE's tasks: most writes answer with a UPID at once, and only the task's exit status tells what came of them. */
import { PveError } from "../errors.ts";
import type { PveClient, SendOptions } from "./client.ts";
import { meaningOf } from "./reasons.ts";

export type TaskCall = "GET /nodes/{node}/tasks/{upid}/status" | "GET /nodes/{node}/tasks/{upid}/log";

/** How a task stands. "warnings": done, with warnings in its log. */
export type TaskPhase = "running" | "ok" | "warnings" | "failed";

/** A task as far as it has come; one that failed is an error. */
export interface TaskState {
  readonly upid: string;
  /** "running": the wait was over first. */
  readonly state: "running" | "ok" | "warnings";
  /** PVE's own words, as in "OK" or "WARNINGS: 1"; not there while it runs. */
  readonly exit_status?: string;
  /** Lines of its log that a warning is in. */
  readonly warnings?: readonly string[];
  /** Why PVE could not be asked the last time: the task may be over by now. */
  readonly unseen?: string;
}

/** The parts of a UPID: `UPID:node:PID:PSTART:START:type:id:user!token:`. */
export interface Upid {
  readonly node: string;
  readonly type: string;
  /** The guest's vmid for tasks of guests; may be empty. */
  readonly id: string;
  readonly user: string;
  /** Seconds since the epoch. */
  readonly started: number;
}

/** As PVE itself reads them; PSTART has nine digits after 497 days of uptime. */
const UPID = /^UPID:([A-Za-z0-9-]{1,63}):[0-9A-F]{8}:[0-9A-F]{8,9}:([0-9A-F]{8}):([^:\s]{1,64}):([^:\s]*):([^:\s]+):$/;

/** The parts of a UPID, or undefined when the text is none. */
export function readUpid(text: string): Upid | undefined {
  const [, node, started, type, id, user] = (text.length <= 512 ? UPID.exec(text) : null) ?? [];
  if (node === undefined || started === undefined || type === undefined || user === undefined) return undefined;
  return { node, type, id: id ?? "", user, started: Number.parseInt(started, 16) };
}

/** @throws {PveError} kind "unreadable" when what PVE has answered is no UPID */
export function parseUpid(upid: string): Upid {
  const found = readUpid(upid);
  if (found !== undefined) return found;
  throw new PveError(`PVE answered ${JSON.stringify(upid.slice(0, 80))} where a UPID was expected`, {
    kind: "unreadable",
    remedy: "Look at the guest's state before repeating the call: PVE may have carried it out",
  });
}

/** What an exit status means; in lists a running task has the status RUNNING, or none. */
export function phaseOf(status: string | undefined): TaskPhase {
  if (status === undefined || status === "" || status === "RUNNING") return "running";
  if (status === "OK") return "ok";
  return /^WARNINGS: \d+$/.test(status) ? "warnings" : "failed";
}

/** A page of a task's log. */
export interface LogPage {
  /** The lines of the page, as PVE has them. */
  readonly lines: readonly { readonly n: number; readonly t: string }[];
  /** How many lines the whole log has at this moment. */
  readonly total: number;
}

/** Lines `start` (counted from 0) and following of a task's log, without PVE's placeholder for an empty one. */
export async function readLog(
  pve: PveClient<TaskCall>,
  upid: string,
  page: { readonly start: number; readonly limit: number },
  options: SendOptions,
): Promise<LogPage> {
  const { node } = parseUpid(upid);
  let total = 0;
  const rows = await pve.call("GET /nodes/{node}/tasks/{upid}/log", { node, upid, ...page }, {
    ...options,
    onTotal: (count) => total = count,
  });
  const empty = rows.length === 1 && rows[0]?.t === "no content";
  return empty ? { lines: [], total: 0 } : { lines: rows, total: Math.max(total, rows.at(-1)?.n ?? 0) };
}

/** The last lines of a task's log. */
export async function readTail(
  pve: PveClient<TaskCall>,
  upid: string,
  limit: number,
  options: SendOptions,
): Promise<LogPage> {
  const first = await readLog(pve, upid, { start: 0, limit }, options);
  if (first.total <= limit) return first;
  return await readLog(pve, upid, { start: first.total - limit, limit }, options);
}

/**
 * Where in a line of a log the progress stands. Other percentages are none: "zeroes = 62%" of a restore, "backup is sparse:
 * 1.92 GiB (24%)" of a backup.
 */
const PROGRESS: readonly RegExp[] = [
  /\btransferred [\d.]+ \w+ of [\d.]+ \w+ \((\d{1,3}(?:\.\d+)?)%\)/, // clone, disk move, import, live mirror
  /^INFO: +(?:status: )?(\d{1,3})% \(/, // vzdump of a VM
  /^progress (\d{1,3})% \(/, // restore of a VM
  /\bprogression: (\d{1,3}(?:\.\d+)?) ?%/, // live mirror before PVE 7
  /^ *\d+[KM](?: [. ]*| )(\d{1,3})%/, // download, as wget draws it
];

/** How far a task is by a line of its log, as a ratio 0–1; undefined where the line does not tell. */
export function ratioIn(line: string): number | undefined {
  for (const pattern of PROGRESS) {
    const percent = Number(pattern.exec(line)?.[1] ?? Number.NaN);
    if (percent >= 0 && percent <= 100) return percent / 100;
  }
  return undefined;
}

/** Lines of a log that may tell why a task failed. */
const COMPLAINT = /error|fail|unable|cannot|can't/i;

/** What usually helps against a failed task: by its exit status, or by the last complaint in its log. */
export function remedyFor(exitStatus: string, log: readonly string[]): string | undefined {
  const complaints = log.filter((line) => COMPLAINT.test(line)).reverse();
  for (const words of [exitStatus, ...complaints]) {
    const meaning = meaningOf(words);
    if (meaning !== undefined) return meaning.remedy;
  }
  return undefined;
}

/** Log lines hold what guests and programs print: each stands in quotes, and is cut. */
function quoted(line: string): string {
  return `  ${JSON.stringify(line.length > 300 ? `${line.slice(0, 300)}…` : line)}`;
}

function failure(upid: string, exitStatus: string, log: readonly string[]): PveError {
  const { type, id } = parseUpid(upid);
  const tail = log.filter((line) => !line.startsWith("TASK ERROR") && line.trim() !== "").slice(-5);
  const remedy = remedyFor(exitStatus, tail);
  const lines = tail.length > 0 ? `\nLast lines of its log:\n${tail.map(quoted).join("\n")}` : "";
  const about = id === "" ? "" : ` of ${/^\d+$/.test(id) ? "guest " : ""}${id}`;
  return new PveError(`Task ${type}${about} failed: ${exitStatus} (${upid})${lines}`, {
    kind: "task",
    reason: exitStatus,
    upid,
    ...(tail.length === 0 ? {} : { log: tail }),
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/**
 * What became of a task that is over.
 * @throws {PveError} kind "task" when it failed
 */
export async function outcomeOf(
  pve: PveClient<TaskCall>,
  upid: string,
  exitStatus: string,
  options: SendOptions,
): Promise<TaskState> {
  const phase = phaseOf(exitStatus);
  if (phase === "ok") return { upid, state: "ok", exit_status: exitStatus };
  // Without the log the outcome is still worth telling.
  const log = await readTail(pve, upid, 500, options).then(({ lines }) => lines.map((line) => line.t), () => []);
  if (phase !== "warnings") throw failure(upid, exitStatus, log);
  const warnings = log.filter((line) => /warn/i.test(line) && !line.startsWith("TASK WARNINGS")).slice(0, 10);
  return { upid, state: "warnings", exit_status: exitStatus, warnings };
}

/** Whether a task that was started earlier still runs; one that PVE does not know any more does not. */
export async function isRunning(pve: PveClient<TaskCall>, upid: string, options: SendOptions = {}): Promise<boolean> {
  const { node } = parseUpid(upid);
  try {
    return (await pve.call("GET /nodes/{node}/tasks/{upid}/status", { node, upid }, options)).status === "running";
  } catch (error) {
    if (error instanceof PveError && (error.details.kind === "invalid" || error.details.kind === "missing")) {
      return false;
    }
    throw error;
  }
}
