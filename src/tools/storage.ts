/** A tool that looks at storages, and what their content is called. */
import { z } from "zod";
import { listed, visibleCalls, visibleNotes } from "../access/visible.ts";
import type { PveClient } from "../pve/client.ts";
import { gib, usedPercent } from "../shape/numbers.ts";
import { defineTool } from "../tool.ts";
import { withKnownNodes } from "./nodes.ts";
import * as params from "./params.ts";

/** The content types of a storage, as in ["images", "rootdir"]. */
export function contentOf(content: string | undefined): string[] {
  return (content ?? "").split(",").filter((type) => type !== "").sort();
}

export const listStorage = defineTool({
  name: "list_storage",
  title: "List storages",
  description:
    "Lists the storages of the cluster, or of one node, with free space and what each may hold: images (VM disks), rootdir (containers), vztmpl (container templates), iso, backup.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({ node: params.node.optional() }),
  output: z.object({
    storages: z.array(z.object({
      storage: z.string(),
      nodes: z.string().describe("Where it is; a shared storage is one storage on several nodes"),
      type: z.string().optional(),
      content: z.string(),
      size_gib: z.number().optional(),
      free_gib: z.number().optional(),
      used_percent: z.number().optional(),
      shared: z.boolean().optional(),
      state: z.string().optional().describe("When it is not available"),
    })),
    notes: params.notes,
  }),
  calls: ["GET /nodes/{node}/storage", "GET /cluster/resources", "GET /nodes", ...visibleCalls],
  privileges: [{ path: "/storage/{storage}", any: ["Datastore.Audit"] }],
  async run({ node }, { pve, signal, server }) {
    const rows = node === undefined ? await everywhere(pve, signal) : await onNode(pve, node, signal);
    const notes = await visibleNotes(pve, listed.storages, rows.length, server.token, { signal });
    return { storages: rows, ...(notes.length > 0 ? { notes } : {}) };
  },
});

interface StorageRow {
  storage: string;
  nodes: string;
  type: string | undefined;
  content: string;
  size_gib: number | undefined;
  free_gib: number | undefined;
  used_percent: number | undefined;
  shared: boolean | undefined;
  state: string | undefined;
}

async function onNode(
  pve: PveClient<"GET /nodes/{node}/storage" | "GET /nodes">,
  node: string,
  signal: AbortSignal,
): Promise<StorageRow[]> {
  const rows = await pve.call("GET /nodes/{node}/storage", { node }, { signal }).catch(async (error: unknown) => {
    throw await withKnownNodes(
      error,
      async () => (await pve.call("GET /nodes", {}, { signal })).map((row) => row.node),
    );
  });
  return rows.map((row) => ({
    storage: row.storage,
    nodes: node,
    type: row.type,
    content: contentOf(row.content).join(","),
    size_gib: gib(row.total),
    free_gib: gib(row.avail),
    used_percent: usedPercent(row.used, row.total),
    shared: row.shared === true ? true : undefined,
    state: row.enabled === false ? "disabled" : row.active === false ? "not active" : undefined,
  })).sort((a, b) => a.storage.localeCompare(b.storage));
}

async function everywhere(pve: PveClient<"GET /cluster/resources">, signal: AbortSignal): Promise<StorageRow[]> {
  const merged = new Map<string, StorageRow>();
  const rows = [...await pve.call("GET /cluster/resources", { type: "storage" }, { signal })]
    .sort((a, b) => (a.node ?? "").localeCompare(b.node ?? ""));
  for (const row of rows) {
    if (row.storage === undefined || row.node === undefined) continue;
    const key = row.shared === true ? row.storage : `${row.storage}/${row.node}`;
    const present = merged.get(key);
    if (present !== undefined) present.nodes += `,${row.node}`;
    else {
      merged.set(key, {
        storage: row.storage,
        nodes: row.node,
        type: row.plugintype,
        content: contentOf(row.content).join(","),
        size_gib: gib(row.maxdisk),
        free_gib: row.maxdisk === undefined || row.disk === undefined ? undefined : gib(row.maxdisk - row.disk),
        used_percent: usedPercent(row.disk, row.maxdisk),
        shared: row.shared === true ? true : undefined,
        state: row.status === "available" ? undefined : row.status,
      });
    }
  }
  return [...merged.values()].sort((a, b) => a.storage.localeCompare(b.storage) || a.nodes.localeCompare(b.nodes));
}
