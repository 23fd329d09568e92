/** Reads names for completions and resources through dispatch; what it reads with is loaded when it is needed. */
import type { Dispatch } from "./dispatch.ts";
import { isRecord } from "./coerce.ts";
import type { lookups } from "./lookups.ts";

/** What can be looked up: the reads of lookups.ts, and one tool. */
export type Source = keyof typeof lookups | "list_templates";

/** A row of what was looked up: values by name. */
export type LookedUp = Readonly<Record<string, unknown>>;

/** The rows that dispatch answers with; undefined where the read failed, or its tool is not offered. */
export async function lookUp(
  dispatch: Dispatch,
  from: Source,
  args: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<LookedUp[] | undefined> {
  const tool = from === "list_templates"
    ? dispatch.offered.find(({ name }) => name === from)
    : (await import("./lookups.ts")).lookups[from];
  if (tool === undefined) return undefined;
  const { structuredContent, isError } = await dispatch.call(tool, args, { signal, progress: undefined });
  const rows: unknown = isError === true ? undefined : structuredContent?.rows ?? structuredContent?.templates;
  return Array.isArray(rows) ? rows.filter(isRecord) : undefined;
}
