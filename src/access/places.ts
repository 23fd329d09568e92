/** Where a declared privilege may be had: the concrete paths behind a template such as "/vms/{vmid}". */
import type { Grants } from "./grants.ts";

/** What there is in the cluster, as far as the token may see it. */
export interface Scene {
  readonly nodes: readonly string[];
  readonly storages: readonly string[];
  readonly bridges: readonly string[];
}

/** Bridges that no SDN zone manages belong to this one; PVE 8 and later ask for SDN.Use on them. */
export const BRIDGES = "/sdn/zones/localnetwork";

/** The subtree of the ACL that a template lies in, and the privileges that mean something there. */
const SUBTREES: readonly (readonly [subtree: string, families: RegExp])[] = [
  ["/vms", /^VM\./],
  ["/pool", /^(?:VM|Pool|Datastore)\./],
  ["/storage", /^Datastore\./],
  ["/nodes", /^Sys\./],
  [BRIDGES, /^SDN\./],
  ["/sdn", /^SDN\./],
];

function lies(path: string, subtree: string): boolean {
  return path === subtree || path.startsWith(`${subtree}/`);
}

/** The part of the ACL tree that a template or path lies in: "/vms" for "/vms/{vmid}", "/" where there is none. */
export function subtreeOf(path: string): string {
  return SUBTREES.find(([subtree]) => lies(path, subtree))?.[0] ?? path.replace(/\/\{.*$/, "");
}

/** The privileges among these that mean something on a path. */
export function relevant(path: string, privileges: ReadonlySet<string>): readonly string[] {
  const family = SUBTREES.find(([subtree]) => lies(path, subtree))?.[1];
  return [...privileges].filter((privilege) => family === undefined || family.test(privilege));
}

/**
 * The paths on which a tool can find what it needs, the widest first. A guest has what its pool grants; the list of
 * permissions names guests only where they differ from the others, so that ten thousand guests cost nothing.
 */
export function candidates(template: string, grants: Grants, scene: Scene): readonly string[] {
  const variable = /\{(\w+)\}$/.exec(template)?.[1];
  const root = subtreeOf(template);
  const below = (subtree: string) => grants.paths.filter((path) => path.startsWith(`${subtree}/`));
  switch (variable) {
    case undefined:
      return [template];
    case "node":
      return scene.nodes.length > 0 ? scene.nodes.map((node) => `/nodes/${node}`) : [root];
    case "bridge":
      return scene.bridges.length > 0 ? scene.bridges.map((bridge) => `${BRIDGES}/${bridge}`) : [root];
    case "storage": {
      const named = new Set([...scene.storages.map((storage) => `/storage/${storage}`), ...below("/storage")]);
      return named.size > 0 ? [...named].sort() : [root];
    }
    default: {
      // Guests, new ones, and pools. Where nothing is granted on all guests, the single ones and the pools count.
      const single = variable === "newid" ? below("/pool") : [...below("/pool"), ...below(root)];
      const found = [root, ...new Set(single)].filter((path) =>
        relevant(path, held(path, template, grants)).length > 0
      );
      return found.length > 0 ? found : [root];
    }
  }
}

/** The privileges on one of a template's candidates: the root of a subtree stands for what is below it. */
export function held(path: string, template: string, grants: Grants): ReadonlySet<string> {
  return path !== template && path === subtreeOf(template) ? grants.below(path) : grants.at(path);
}

/** Whether a path has privileges of its own that mean something there. */
function stands(path: string, grants: Grants): boolean {
  return !grants.inheritsOnly(path) && relevant(path, grants.at(path)).length > 0;
}

/**
 * Where ACL entries have to go so that a privilege arrives and nothing else is lost: an entry replaces, for its user or
 * token, all that is inherited from above; one that does not propagate is reached over, until another that does stands
 * beside it. `best` is the path where least was missing, `paths` all that were looked at.
 */
export function grantPaths(best: string, paths: readonly string[], grants: Grants): readonly string[] {
  const root = subtreeOf(best);
  if (lies(best, "/pool") || (root === "/vms" && best !== root && stands(best, grants))) return [best];
  // Storages, nodes and bridges that have entries of their own do not see one above them.
  const single = paths.filter((path) => path !== root && stands(path, grants));
  if (single.length > 0) return single;
  let at = root;
  while (at !== "/" && !grants.reachesBelow(at) && relevant(at, grants.below(at)).length > 0) {
    at = at.slice(0, Math.max(1, at.lastIndexOf("/")));
  }
  return [at];
}
