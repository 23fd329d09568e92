/** What must be true of every tool before the server starts: no destructive name, no call outside the catalogue. */
import type { Tool } from "../tool.ts";
import { isCall } from "./gate.ts";

/** Verbs that no tool's name may hold: what they do is for humans. */
export const DESTRUCTIVE_VERBS = [
  "clear",
  "delete",
  "deallocate",
  "destroy",
  "detach",
  "discard",
  "drop",
  "erase",
  "format",
  "free",
  "kill",
  "nuke",
  "overwrite",
  "prune",
  "purge",
  "remove",
  "reset",
  "restore",
  "revert",
  "rm",
  "rollback",
  "shrink",
  "terminate",
  "trash",
  "trim",
  "truncate",
  "uninstall",
  "unlink",
  "wipe",
  "zap",
] as const;

/** Reads that are no mere reads: they contact other hosts, scan networks, or open files inside guests. */
const NOT_JUST_READS = /\/scan(?:\/|$)|query-url-metadata|query-oci-repo-tags|file-read|\/vncwebsocket/;

/**
 * What is wrong with a list of tools, one sentence each; none where the server may start.
 */
export function faultsOf(tools: readonly Tool[]): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const tool of tools) {
    if (seen.has(tool.name)) faults.push(`Two tools are called ${tool.name}`);
    seen.add(tool.name);
    const words = `${tool.name} ${tool.title}`.toLowerCase().split(/[^a-z]+/);
    const verb = DESTRUCTIVE_VERBS.find((verb) => words.includes(verb));
    if (verb !== undefined) faults.push(`Tool ${tool.name} has the destructive verb "${verb}" in its name or title`);
    for (const call of tool.calls) {
      if (!isCall(call)) faults.push(`Tool ${tool.name} declares ${String(call)}, which is not in the catalogue`);
      else if (tool.tier === "read" && (!call.startsWith("GET ") || NOT_JUST_READS.test(call))) {
        faults.push(`Tool ${tool.name} is of tier read and declares ${call}`);
      }
    }
  }
  return faults;
}
