/** What each tool may do with the privileges that a token has, and what it lacks. */
import type { Privilege, Tool } from "../tool.ts";
import type { Grants } from "./grants.ts";
import { candidates, grantPaths, held, relevant, type Scene, subtreeOf } from "./places.ts";

/** A privilege that a tool needs and the token has on none of the paths where it would count. */
export interface Lack {
  /** One of them is enough. */
  readonly any: readonly string[];
  /** Where it was looked for, as in "/sdn/zones/localnetwork/vmbr0". */
  readonly path: string;
  /** Where to grant it, so that it arrives there and nothing else is lost. */
  readonly grantOn: readonly string[];
  /** When it is needed only for some arguments: which. */
  readonly when: string | undefined;
}

/** `in part`: only what needs the missing privileges fails. */
export type Verdict = "works" | "in part" | "fails";

export interface ToolAccess {
  readonly tool: string;
  readonly verdict: Verdict;
  readonly lacks: readonly Lack[];
  /** The paths to which it is limited, by what is there, as in "/pool/agents"; empty where it works on all. */
  readonly only: readonly string[];
}

type Declared = Pick<Tool, "name" | "privileges">;

function has(grants: Grants, path: string, { any, path: template }: Privilege): boolean {
  const there = held(path, template, grants);
  return any.some((privilege) => there.has(privilege));
}

/** What is missing of a group of privileges that have to be had together, on the path where least is missing. */
function best(
  group: readonly Privilege[],
  paths: readonly string[],
  grants: Grants,
): { path: string; missing: Privilege[] } {
  const judged = paths.map((path) => ({ path, missing: group.filter((one) => !has(grants, path, one)) }));
  const hard = (missing: readonly Privilege[]) => missing.filter(({ when }) => when === undefined).length;
  // Among equals the one on which there is something: what is missing belongs beside it.
  const there = (path: string) => relevant(path, grants.at(path)).length;
  const [first] = judged.toSorted((a, b) =>
    hard(a.missing) - hard(b.missing) || a.missing.length - b.missing.length || there(b.path) - there(a.path)
  );
  return first ?? { path: "/", missing: [...group] };
}

function isPartOf({ any: [single, ...more] }: Privilege, several: readonly string[]): boolean {
  return single !== undefined && more.length === 0 && several.includes(single);
}

/** Judges one tool. */
export function judgeTool({ name, privileges }: Declared, grants: Grants, scene: Scene): ToolAccess {
  const lacks: Lack[] = [];
  const only = new Set<string>();
  let fails = false;
  const groups = Map.groupBy(privileges, (one) =>
    // All that concerns one guest must be had on the same guest; a storage for ISO images may be another than that for disks.
    subtreeOf(one.path) === "/vms" ? one.path : one);
  for (const group of groups.values()) {
    const [first] = group;
    if (first === undefined) continue;
    const paths = candidates(first.path, grants, scene);
    const { path, missing } = best(group, paths, grants);
    // One of several is what single ones bring that are missing, too: only these are told.
    const told = missing.filter(({ any }) => any.length === 1 || !missing.some((other) => isPartOf(other, any)));
    for (const { any, when } of told) lacks.push({ any, path, when, grantOn: grantPaths(path, paths, grants) });
    fails ||= missing.some(({ when }) => when === undefined);
    const needed = group.filter(({ when }) => when === undefined);
    const fit = paths.filter((one) => needed.every((privilege) => has(grants, one, privilege)));
    if (fit.length < paths.length || (fit.length > 0 && subtreeOf(first.path) === "/vms" && !fit.includes("/vms"))) {
      for (const one of fit) only.add(one);
    }
  }
  const verdict = lacks.length === 0 ? "works" : fails ? "fails" : "in part";
  return { tool: name, verdict, lacks, only: [...only].sort() };
}

/** Judges all tools, in their order. */
export function judgeTools(tools: readonly Declared[], grants: Grants, scene: Scene): ToolAccess[] {
  return tools.map((tool) => judgeTool(tool, grants, scene));
}

/** All that is missing, each once, with the tools that miss it. */
export function lacksOf(report: readonly ToolAccess[]): { readonly lack: Lack; readonly tools: readonly string[] }[] {
  const found = new Map<string, { lack: Lack; tools: string[] }>();
  for (const { tool, lacks } of report) {
    for (const lack of lacks) {
      const key = `${lack.grantOn.join()} ${lack.any.join("|")}`;
      const present = found.get(key);
      if (present === undefined) {
        found.set(key, { lack, tools: [tool] });
        continue;
      }
      // What one tool needs on / itself, another needs below it: the entry has to reach there, too.
      if (present.lack.path === "/") present.lack = lack;
      if (!present.tools.includes(tool)) present.tools.push(tool);
    }
  }
  return [...found.values()];
}
