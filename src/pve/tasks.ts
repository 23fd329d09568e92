/** Waits for PVE's tasks: most writes answer with a UPID at once, and only the task's exit status tells what came of them. */
import { setTimeout as delay } from "node:timers/promises";
import { PveError } from "../errors.ts";
import type { PveClient, SendOptions } from "./client.ts";

export type TaskCall = "GET /nodes/{node}/tasks/{upid}/status" | "GET /nodes/{node}/tasks/{upid}/log";

/** A task as far as it has come. */
export interface TaskState {
  readonly upid: string;
  /** "warnings": done, with warnings in its log. "running": the wait was over first. */
  readonly state: "running" | "ok" | "warnings";
  /** PVE's own words, as in "OK" or "WARNINGS: 1"; not there while it runs. */
  readonly exit_status?: string;
  /** Lines of its log that a warning is in. */
  readonly warnings?: readonly string[];
}

export interface WaitOptions extends SendOptions {
  /** Seconds; clients give up at about 60. */
  readonly timeoutSeconds: number;
  /** Told of the task's newest log line; `ratio` is 0–1 where the line carries a percentage. */
  readonly progress?: ((message: string, ratio?: number) => void) | undefined;
}

/** The parts of a UPID: `UPID:node:PID:PSTART:START:type:id:user!token:`. */
export interface Upid {
  readonly node: string;
  readonly type: string;
  /** The guest's vmid for tasks of guests; may be empty. */
  readonly id: string;
}

/** @throws {PveError} kind "unreadable" when the text is no UPID */
export function parseUpid(upid: string): Upid {
  const [prefix, node, , , , type, id] = upid.split(":");
  if (prefix !== "UPID" || node === undefined || type === undefined) {
    throw new PveError(`PVE answered ${JSON.stringify(upid.slice(0, 80))} where a UPID was expected`, {
      kind: "unreadable",
    });
  }
  return { node, type, id: id ?? "" };
}

/** The last percentage in a log line, as a ratio 0–1. */
function ratioIn(line: string): number | undefined {
  const percent = [...line.matchAll(/(\d{1,3}(?:\.\d+)?)\s?%/g)].at(-1)?.[1];
  const ratio = percent === undefined ? Number.NaN : Number(percent) / 100;
  return ratio >= 0 && ratio <= 1 ? ratio : undefined;
}

/** Log lines without PVE's placeholder for an empty log and without the closing verdict. */
async function readLog(pve: PveClient<TaskCall>, upid: string, start: number, options: SendOptions): Promise<string[]> {
  const { node } = parseUpid(upid);
  const rows = await pve.call("GET /nodes/{node}/tasks/{upid}/log", { node, upid, start, limit: 500 }, options);
  return rows.map((row) => row.t).filter((line) => line !== "no content" && line.trim() !== "" && line !== "TASK OK");
}

/** What usually helps, by what PVE's tasks say when they fail. */
const KNOWN_CAUSES: readonly (readonly [RegExp, string])[] = [
  [/is locked \((\w+)\)/, "Wait until the operation that holds the lock is finished, then try again"],
  [/already running/, "It runs already: nothing needs to be done"],
  [
    /quit\/powerdown failed|got timeout/,
    "The guest did not react in time; it needs a working guest agent or ACPI; stop_* cuts its power",
  ],
  [/template/i, "A template cannot run; clone it and start the clone"],
  [/does not exist|no such/i, "Check the name; the list tools show what there is"],
  [
    /not enough space|no space left|out of space|volume group .* has insufficient free space/i,
    "Choose another storage; list_storage shows what is free",
  ],
  [/already exists|already used/, "Choose another vmid; next_vmid names a free one"],
  [
    /KVM virtualisation configured, but not available/,
    "The node's CPU does not offer virtualisation; a person has to enable it in the firmware",
  ],
];

/** Log lines hold what guests and programs print: each stands in quotes, and is cut. */
function quoted(line: string): string {
  return `  ${JSON.stringify(line.length > 300 ? `${line.slice(0, 300)}…` : line)}`;
}

function failure(upid: string, exitStatus: string, log: readonly string[]): PveError {
  const { type, id } = parseUpid(upid);
  const tail = log.filter((line) => !line.startsWith("TASK ERROR")).slice(-5);
  const known = KNOWN_CAUSES.find(([pattern]) => pattern.test(`${exitStatus}\n${tail.join("\n")}`));
  const lines = tail.length > 0 ? `\nLast lines of its log:\n${tail.map(quoted).join("\n")}` : "";
  return new PveError(`Task ${type}${id === "" ? "" : ` of guest ${id}`} failed: ${exitStatus} (${upid})${lines}`, {
    kind: "task",
    reason: exitStatus,
    upid,
    ...(known === undefined ? {} : { remedy: known[1] }),
  });
}

/**
 * Waits until a task ends or the time is up.
 * @throws {PveError} kind "task" when it failed; kind "cancelled" when the caller gave up: the task goes on
 */
export async function waitTask(pve: PveClient<TaskCall>, upid: string, options: WaitOptions): Promise<TaskState> {
  const { node, type } = parseUpid(upid);
  const { signal, progress } = options;
  const deadline = performance.now() + options.timeoutSeconds * 1000;
  let pause = 150;
  let seen = 0;
  try {
    while (true) {
      const status = await pve.call("GET /nodes/{node}/tasks/{upid}/status", { node, upid }, { signal });
      if (status.status === "stopped") return await ended(pve, upid, status.exitstatus ?? "unknown", { signal });
      const left = deadline - performance.now();
      if (left <= 0) return { upid, state: "running" };
      if (progress !== undefined) {
        const lines = await readLog(pve, upid, seen, { signal }).catch(() => []);
        seen += lines.length;
        const last = lines.at(-1);
        progress(last ?? `Task ${type} is running`, last === undefined ? undefined : ratioIn(last));
      }
      await delay(Math.min(pause, left), undefined, signal === undefined ? {} : { signal });
      pause = Math.min(pause * 1.5, 2000);
    }
  } catch (error) {
    if (signal?.aborted !== true) throw error;
    throw new PveError(`Stopped waiting for task ${upid}; PVE goes on with it`, {
      kind: "cancelled",
      upid,
      remedy: "Look at the guest's status later; do not repeat the call",
    });
  }
}

async function ended(
  pve: PveClient<TaskCall>,
  upid: string,
  exitStatus: string,
  options: SendOptions,
): Promise<TaskState> {
  if (exitStatus === "OK") return { upid, state: "ok", exit_status: exitStatus };
  // Without the log the failure is still worth telling.
  const log = await readLog(pve, upid, 0, options).catch(() => []);
  if (!exitStatus.startsWith("WARNINGS")) throw failure(upid, exitStatus, log);
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
