/** One thing that doctor has looked at, and what the whole comes to. */

/** `skipped`: could not be looked at, because of what failed before it. */
export type Status = "ok" | "warning" | "failed" | "skipped";

export interface Check {
  /** Stable, for programs: as in "trust". */
  readonly id: string;
  readonly status: Status;
  /** What was found, in one sentence. */
  readonly says: string;
  /** What to do about it; each a sentence or a command of its own. */
  readonly remedy: readonly string[];
}

export function ok(id: string, says: string): Check {
  return { id, status: "ok", says, remedy: [] };
}

export function warning(id: string, says: string, ...remedy: readonly string[]): Check {
  return { id, status: "warning", says, remedy };
}

export function failed(id: string, says: string, ...remedy: readonly string[]): Check {
  return { id, status: "failed", says, remedy };
}

export function skipped(id: string, says: string): Check {
  return { id, status: "skipped", says, remedy: [] };
}

/** 0: all is well; 1: something is worth a look; 2: something does not work. */
export function exitCode(checks: readonly Check[]): 0 | 1 | 2 {
  if (checks.some(({ status }) => status === "failed")) return 2;
  return checks.some(({ status }) => status === "warning") ? 1 : 0;
}

/** Narrows what came over the boundary of the worker. */
export function isCheck(value: unknown): value is Check {
  return typeof value === "object" && value !== null && "id" in value && typeof value.id === "string" &&
    "says" in value && typeof value.says === "string" && "status" in value &&
    ["ok", "warning", "failed", "skipped"].includes(String(value.status)) &&
    "remedy" in value && Array.isArray(value.remedy) && value.remedy.every((line) => typeof line === "string");
}
