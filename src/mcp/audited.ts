/** Makes what came of a write into the entry that the audit log gets after it. */
import { PveError, Refusal, UsageError } from "../errors.ts";
import type { RequestRecord } from "../pve/client.ts";
import type { AuditAfter } from "../safety/audit.ts";
import { type Redact, redacted } from "../safety/redact.ts";
import type { Tool } from "../tool.ts";
import { isRecord } from "./coerce.ts";

/** Longer error texts are cut: PVE may answer with anything. */
const LONGEST_ERROR = 2000;

/** Longer than any command: what goes into a file, or to a program's input. */
const BULK = 8192;

/** The arguments with long content cut: a record of a megabyte would hide the others. A command stands in full. */
export function withoutBulk(input: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) =>
      (name === "content" || name === "stdin") && typeof value === "string" && value.length > BULK
        ? [name, `${value.slice(0, BULK)}… (${value.length - BULK} characters left out)`]
        : [name, value]
    ),
  );
}

/** The entry after a call. Reads are left out of its requests: they change nothing, and waiting makes many of them. */
export function auditAfter(
  tool: Tool,
  result: unknown,
  requests: readonly RequestRecord[],
  redact: Redact,
): AuditAfter {
  const sent = requests.filter(({ method }) => method !== "GET").map(({ method, path, query, body, status }) => ({
    method,
    path,
    parameters: [...query, ...body],
    status,
  }));
  const entry = { event: "after", tool: tool.name, ...outcomeOf(result), requests: sent } as const;
  return { ...entry, ...hidden(entry, redact) };
}

function hidden(entry: AuditAfter, redact: Redact): Partial<AuditAfter> {
  return {
    ...(entry.error === undefined ? {} : { error: redact(entry.error).slice(0, LONGEST_ERROR) }),
    ...(entry.changes === undefined ? {} : { changes: redacted(entry.changes, redact) }),
  };
}

function outcomeOf(result: unknown): Omit<AuditAfter, "event" | "tool" | "requests"> {
  if (result instanceof PveError) {
    const { kind, upid } = result.details;
    return { outcome: kind, error: result.message, ...(upid === undefined ? {} : { upid }) };
  }
  if (result instanceof Refusal) return { outcome: "refused", error: result.message };
  if (result instanceof UsageError) return { outcome: "usage", error: result.message };
  if (result instanceof Error) return { outcome: "bug", error: result.message };
  if (!isRecord(result)) return { outcome: "bug", error: "no answer" };
  const { state, vmid, upid, changes, exit_code } = result;
  return {
    outcome: typeof state === "string" ? state : "ok",
    ...(vmid === undefined ? {} : { vmid }),
    ...(exit_code === undefined ? {} : { exit_code }),
    ...(upid === undefined ? {} : { upid }),
    ...(changes === undefined ? {} : { changes }),
  };
}
