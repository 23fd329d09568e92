/** Asks PVE what a token may do, and what there is to do it with. */
import type { PveClient, SendOptions } from "../pve/client.ts";
import { Grants, type Permissions } from "./grants.ts";
import { BRIDGES, type Scene } from "./places.ts";

/** The requests that looking takes; each token may send them. */
export const lookCalls = [
  "GET /access/permissions",
  "GET /nodes",
  "GET /nodes/{node}/network",
  "GET /cluster/resources",
] as const;
export type LookCall = (typeof lookCalls)[number];

/** What was found. */
export interface Look {
  readonly grants: Grants;
  readonly scene: Scene;
}

/** More paths than this are not asked about one by one. */
const MOST_PATHS = 60;

/** The bridges of the first node that tells them; they are named alike on all nodes of a cluster that migrates guests. */
async function bridgesOf(
  pve: PveClient<LookCall>,
  nodes: readonly string[],
  options: SendOptions,
): Promise<readonly string[]> {
  for (const node of nodes) {
    const rows = await pve.call("GET /nodes/{node}/network", { node }, options).catch(() => undefined);
    const found = rows?.flatMap(({ iface, type }) => iface !== undefined && /bridge$/i.test(type ?? "") ? [iface] : []);
    if (found !== undefined) return [...new Set(found)].sort();
  }
  return [];
}

/**
 * Looks around. Each node, storage and bridge is asked about by itself, as the list of all permissions does not show a
 * path on which NoAccess takes everything away.
 * @throws {PveError} when the permissions or the nodes cannot be read
 */
export async function look(pve: PveClient<LookCall>, options: SendOptions = {}): Promise<Look> {
  const all = await pve.call("GET /access/permissions", {}, options);
  const rows = await pve.call("GET /nodes", {}, options);
  const online = rows.filter(({ status }) => status === undefined || status === "online");
  const storages = await pve.call("GET /cluster/resources", { type: "storage" }, options);
  const scene: Scene = {
    nodes: rows.map(({ node }) => node).sort(),
    storages: [...new Set(storages.flatMap(({ storage }) => storage ?? []))].sort(),
    bridges: await bridgesOf(pve, online.map(({ node }) => node), options),
  };
  const paths = [
    ...scene.nodes.map((node) => `/nodes/${node}`),
    ...scene.storages.map((storage) => `/storage/${storage}`),
    ...scene.bridges.map((bridge) => `${BRIDGES}/${bridge}`),
  ].slice(0, MOST_PATHS);
  const answers = await Promise.all(
    paths.map((path): Promise<Permissions> => pve.call("GET /access/permissions", { path }, options)),
  );
  return { grants: new Grants(all, ...answers), scene };
}
