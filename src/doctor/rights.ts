/** The checks of what the token may do: privileges, nodes, storages, bridges, pools, and tool by tool. */
import type { Look } from "../access/look.ts";
import { BRIDGES, relevant } from "../access/places.ts";
import { grantLines, privilegeWords, setUpCommands, type Subject } from "../access/pveum.ts";
import { judgeTools, lacksOf, type ToolAccess } from "../access/report.ts";
import { planFor, type PveMajor } from "../access/roles.ts";
import type { Tool } from "../tool.ts";
import { type Check, failed, ok, skipped, warning } from "./check.ts";

/** What the checks are made from. */
export interface RightsInput {
  readonly look: Look;
  /** Those that the settings allow. */
  readonly tools: readonly Pick<Tool, "name" | "tier" | "privileges">[];
  readonly subject: Subject;
  readonly pve: PveMajor;
  /** PROXMOX_POOL. */
  readonly pool: string | undefined;
  /** The pools that PVE tells of: those with Pool.Audit. */
  readonly pools: readonly string[];
  /** Nodes that are off. */
  readonly offline: readonly string[];
}

/** More single gaps than this are better filled by the roles as a whole. */
const MOST_LINES = 6;

function list(names: readonly string[]): string {
  return names.length <= 8 ? names.join(", ") : `${names.slice(0, 8).join(", ")} and ${names.length - 8} more`;
}

/** The commands that a person would run to set the token up from nothing, but for making it. */
function allLines({ tools, subject, pve, pool }: RightsInput): string[] {
  const plan = planFor({ tools, pve, pool, storages: [], bridges: [] });
  return setUpCommands(plan, subject, true).filter((line) => !line.startsWith("pveum user "));
}

function privilegesCheck(input: RightsInput): Check {
  const { grants } = input.look;
  const { user, token } = input.subject;
  const id = `${user}!${token}`;
  if (!grants.empty) {
    const paths = grants.paths.filter((path) => grants.at(path).size > 0 && !grants.inheritsOnly(path));
    return ok("privileges", `${id} has privileges on ${list(paths)}`);
  }
  return failed(
    "privileges",
    `PVE accepts the token ${id}, but it has no privilege at all: a token with privilege separation has only what both ` +
      "it and its user were granted",
    "Run on the PVE host; what exists already may say so, and stay:",
    ...allLines(input),
  );
}

function nodesCheck({ look, offline }: RightsInput): Check {
  const { nodes } = look.scene;
  const says = `${nodes.length === 1 ? "1 node" : `${nodes.length} nodes`}: ${list(nodes)}`;
  if (offline.length === 0) return ok("nodes", says);
  return warning(
    "nodes",
    `${says}; off: ${list(offline)}`,
    "Switch them on, or leave them: their guests are out of reach",
  );
}

/** What each of some paths allows, by one privilege. */
function split(paths: readonly string[], privilege: string, { grants }: Look): { has: string[]; lacks: string[] } {
  const last = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  return {
    has: paths.filter((path) => grants.at(path).has(privilege)).map(last),
    lacks: paths.filter((path) => !grants.at(path).has(privilege)).map(last),
  };
}

function storagesCheck({ look }: RightsInput): Check {
  const paths = look.scene.storages.map((storage) => `/storage/${storage}`);
  if (paths.length === 0) return skipped("storages", "No storage is visible to the token: see the tools below");
  const { has, lacks } = split(paths, "Datastore.AllocateSpace", look);
  const room = has.length === 0 ? "space on none of them" : `space on ${list(has)}`;
  return ok("storages", `Sees ${list(look.scene.storages)}; may take ${lacks.length === 0 ? "space on all" : room}`);
}

function bridgesCheck({ look }: RightsInput): Check {
  const paths = look.scene.bridges.map((bridge) => `${BRIDGES}/${bridge}`);
  if (paths.length === 0) return skipped("bridges", "PVE names no bridge");
  const { has, lacks } = split(paths, "SDN.Use", look);
  if (lacks.length === 0) return ok("bridges", `May connect guests to ${list(has)}`);
  return has.length === 0
    ? skipped("bridges", `May connect guests to none of ${list(lacks)} (SDN.Use): see the tools below`)
    : ok("bridges", `May connect guests to ${list(has)}, not to ${list(lacks)} (SDN.Use)`);
}

function poolsCheck({ look, pool, pools }: RightsInput): Check {
  const { grants } = look;
  const apart = grants.paths.filter((path) => /^\/pool\/./.test(path) && relevant(path, grants.at(path)).length > 0);
  if (pool === undefined) {
    return ok("pools", apart.length === 0 ? "No pool is set apart" : `Privileges of its own on ${list(apart)}`);
  }
  const path = `/pool/${pool}`;
  if (pools.includes(pool)) return ok("pools", `PROXMOX_POOL=${pool} is within reach`);
  if (grants.at(path).has("Pool.Audit")) {
    return warning(
      "pools",
      `PROXMOX_POOL is ${JSON.stringify(pool)}, and there is no such pool`,
      `Correct it${
        pools.length === 0 ? "" : ` (there are ${list(pools)})`
      }, or make it on the PVE host: pveum pool add ${pool}`,
    );
  }
  if (relevant(path, grants.at(path)).length > 0) {
    return ok("pools", `PROXMOX_POOL=${pool} is within reach, if it exists: without Pool.Audit, PVE does not tell`);
  }
  return warning(
    "pools",
    `PROXMOX_POOL is ${JSON.stringify(pool)}, and the token may do nothing there: the pool may not exist`,
    "Check the name (pveum pool list on the host), or make the pool (pveum pool add NAME)",
  );
}

function wordsOf({ lacks, only }: ToolAccess, pve: PveMajor): string {
  const missing = lacks.map(({ any, path, when }) =>
    `${privilegeWords(any, pve)} on ${path}${when === undefined ? "" : ` (${when})`}`
  );
  if (missing.length > 0) return `: it lacks ${missing.join("; ")}`;
  const pools = only.filter((path) => path.startsWith("/pool/") || path.startsWith("/vms/"));
  return pools.length > 0 ? `, on ${list(pools)} only` : "";
}

function toolChecks(input: RightsInput, judged: readonly ToolAccess[]): Check[] {
  return judged.map((one) => {
    const id = `tool:${one.tool}`;
    const says = { works: "works", "in part": "works in part", fails: "does not work" };
    const text = `${one.tool} ${says[one.verdict]}${wordsOf(one, input.pve)}`;
    if (one.verdict === "works") return ok(id, text);
    const line = grantLines(one.tool, one.lacks, input.subject, input.pve);
    return (one.verdict === "fails" ? failed : warning)(id, text, line);
  });
}

/** All checks of privileges. Each tool has the line that grants what it lacks; many gaps have one set of commands, too. */
export function rightsChecks(input: RightsInput): Check[] {
  const privileges = privilegesCheck(input);
  const judged = judgeTools(input.tools, input.look.grants, input.look.scene);
  const checks = [privileges, nodesCheck(input)];
  if (privileges.status === "failed") {
    return [...checks, skipped("tools", `${input.tools.length} tools, none of which can do much without privileges`)];
  }
  checks.push(storagesCheck(input), bridgesCheck(input), poolsCheck(input), ...toolChecks(input, judged));
  if (lacksOf(judged).length > MOST_LINES) {
    const reads = input.tools.every(({ name, tier }) =>
      tier !== "read" || judged.some((one) => one.tool === name && one.verdict === "works")
    );
    checks.push(warning(
      "role",
      "The token's role is smaller than the tools",
      ...(reads ? ["If it shall only look, set PROXMOX_READ_ONLY=true: then the others are not offered"] : []),
      "For all of them at once, run on the PVE host; what exists already may say so, and stay:",
      ...allLines(input),
    ));
  }
  return checks;
}
