/** The smallest roles and ACL entries with which the chosen tools work, derived from the tools' declarations. */
import type { Privilege, Tool } from "../tool.ts";
import { BRIDGES, subtreeOf } from "./places.ts";

/** The major versions of PVE that are told apart: 9 has dropped VM.Monitor for the VM.GuestAgent privileges. */
export type PveMajor = 8 | 9;

/** What the token shall be able to do, and where. */
export interface Wish {
  readonly tools: readonly Pick<Tool, "name" | "tier" | "privileges">[];
  readonly pve: PveMajor;
  /** Undefined: everywhere. A name: only guests in this pool. */
  readonly pool: string | undefined;
  /** With a pool: the storages that may be used. Empty: all. */
  readonly storages: readonly string[];
  /** With a pool: the bridges that may be used. Empty: all. */
  readonly bridges: readonly string[];
}

export interface Role {
  readonly name: string;
  readonly privileges: readonly string[];
}

/** An entry of the access list. */
export interface AclEntry {
  readonly path: string;
  readonly role: string;
  readonly propagate: boolean;
}

export interface Plan {
  readonly roles: readonly Role[];
  readonly acl: readonly AclEntry[];
}

/** Whether a version of PVE knows a privilege; a role that names an unknown one is refused. */
export function isKnown(privilege: string, pve: PveMajor): boolean {
  if (privilege === "VM.Monitor") return pve === 8;
  if (privilege.startsWith("VM.GuestAgent.") || privilege === "VM.Replicate") return pve === 9;
  return true;
}

/** Datastore.Allocate deletes volumes of whatever guest: no tool needs it, no role gets it. */
const NEVER = new Set(["Datastore.Allocate"]);

/** In a role of its own: together with Datastore.AllocateSpace it is enough to delete backups. */
const APART = new Set(["VM.Backup"]);

/** Whether a privilege belongs into a role of its own. */
export function standsApart(privilege: string): boolean {
  return APART.has(privilege);
}

/** The privileges that are needed in each subtree, none of which could be left out. */
function needed(wish: Wish): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const open: { subtree: string; any: readonly string[] }[] = [];
  for (const { path, any } of wish.tools.flatMap((tool): readonly Privilege[] => tool.privileges)) {
    const known = any.filter((privilege) => isKnown(privilege, wish.pve) && !NEVER.has(privilege));
    const subtree = subtreeOf(path);
    const [first, second] = known;
    if (first === undefined) continue;
    if (second !== undefined) open.push({ subtree, any: known });
    else found.set(subtree, (found.get(subtree) ?? new Set()).add(first));
  }
  // Where one of several is enough: one that is there already, else the first.
  for (const { subtree, any } of open) {
    const there = found.get(subtree) ?? new Set();
    if (!any.some((privilege) => there.has(privilege))) found.set(subtree, there.add(any[0] ?? ""));
  }
  return found;
}

function byName(privileges: Iterable<string>): string[] {
  return [...privileges].sort();
}

/** How the roles are called: PVE keeps names that start with PVE to itself. */
function prefixOf(wish: Wish): string {
  return wish.tools.every(({ tier }) => tier === "read") ? "MCP-Read" : "MCP";
}

/** The names of roles by what they are for. */
const PARTS: Readonly<Record<string, string>> = {
  "/vms": "Guests",
  "/storage": "Storage",
  "/nodes": "Nodes",
  [BRIDGES]: "Bridges",
  "/": "Cluster",
};

/** Everything in one role on `/`, but for what is kept apart. */
function everywhere(all: ReadonlyMap<string, ReadonlySet<string>>, prefix: string): Plan {
  const privileges = new Set([...all.values()].flatMap((some) => [...some]));
  const apart = byName(privileges.intersection(APART));
  const roles = [
    { name: prefix, privileges: byName(privileges.difference(APART)) },
    ...(apart.length === 0 ? [] : [{ name: `${prefix}-Backup`, privileges: apart }]),
  ];
  return { roles, acl: roles.map(({ name }) => ({ path: "/", role: name, propagate: true })) };
}

/** A role for each kind of thing: the pool alone covers neither storages nor bridges nor nodes. */
function inPool(all: ReadonlyMap<string, ReadonlySet<string>>, prefix: string, wish: Wish, pool: string): Plan {
  const roles: Role[] = [];
  const acl: AclEntry[] = [];
  const each = (root: string, names: readonly string[]) =>
    names.length === 0 ? [root] : names.map((name) => `${root}/${name}`);
  for (const [subtree, privileges] of [...all].sort(([a], [b]) => a < b ? -1 : 1)) {
    const paths = subtree === "/vms" || subtree === "/pool"
      ? [`/pool/${pool}`]
      : subtree === "/storage"
      ? each(subtree, wish.storages)
      : subtree === BRIDGES
      ? each(subtree, wish.bridges)
      : [subtree];
    const apart = byName(privileges.intersection(APART));
    const parts = [
      {
        name: `${prefix}-${PARTS[subtree] ?? subtree.slice(1).replaceAll("/", ".")}`,
        privileges: byName(privileges.difference(APART)),
      },
      { name: `${prefix}-Backup`, privileges: apart },
    ].filter((role) => role.privileges.length > 0);
    roles.push(...parts);
    // What is needed on / itself must not reach everything below.
    for (const { name } of parts) acl.push(...paths.map((path) => ({ path, role: name, propagate: path !== "/" })));
  }
  return { roles, acl };
}

/** The roles and entries for a wish. */
export function planFor(wish: Wish): Plan {
  const all = needed(wish);
  const prefix = prefixOf(wish);
  return wish.pool === undefined ? everywhere(all, prefix) : inPool(all, prefix, wish, wish.pool);
}
