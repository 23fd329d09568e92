/** Tools that look at nodes and at the cluster as a whole. */
import { z } from "zod";
import { listed, visibleCalls, visibleNotes } from "../access/visible.ts";
import { PveError } from "../errors.ts";
import { gib, percent, uptime, usedPercent } from "../shape/numbers.ts";
import { pageOf } from "../shape/page.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";

export const listNodes = defineTool({
  name: "list_nodes",
  title: "List nodes",
  description: "Lists the nodes of the cluster with their state and load. For one node in detail use node_status.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({}),
  output: z.object({
    nodes: z.array(z.object({
      node: z.string(),
      status: z.string().optional(),
      cpu_percent: z.number().optional(),
      cpus: z.number().optional(),
      memory_gib: z.number().optional(),
      memory_used_percent: z.number().optional(),
      uptime: z.string().optional(),
    })),
    notes: params.notes,
  }),
  calls: ["GET /nodes"],
  privileges: [{ path: "/nodes/{node}", any: ["Sys.Audit"], when: "for load figures" }],
  async run(_input, { pve, signal }) {
    const rows = await pve.call("GET /nodes", {}, { signal });
    const nodes = rows.map((row) => ({
      node: row.node,
      status: row.status,
      cpu_percent: percent(row.cpu),
      cpus: row.maxcpu,
      memory_gib: gib(row.maxmem),
      memory_used_percent: usedPercent(row.mem, row.maxmem),
      uptime: uptime(row.uptime),
    })).sort((a, b) => a.node < b.node ? -1 : 1);
    const blind = rows.length > 0 && rows.every((row) => row.maxmem === undefined && row.status === "online");
    return {
      nodes,
      ...(blind ? { notes: ["No load figures: the token lacks Sys.Audit on /nodes"] } : {}),
    };
  },
});

export const nodeStatus = defineTool({
  name: "node_status",
  title: "Node status",
  description:
    "Shows one node in detail: free memory, load, root file system, kernel, PVE version. For all nodes at once use list_nodes.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({ node: params.node }),
  output: z.object({
    node: z.string(),
    uptime: z.string().optional(),
    cpu_percent: z.number().optional(),
    cpus: z.number().optional(),
    cpu_model: z.string().optional(),
    load: z.array(z.number()).optional().describe("Average over 1, 5 and 15 minutes"),
    memory_gib: z.number().optional(),
    memory_free_gib: z.number().optional(),
    memory_used_percent: z.number().optional(),
    swap_used_percent: z.number().optional(),
    root_gib: z.number().optional(),
    root_used_percent: z.number().optional(),
    kernel: z.string().optional(),
    pve_version: z.string().optional(),
  }),
  calls: ["GET /nodes/{node}/status", "GET /nodes"],
  privileges: [{ path: "/nodes/{node}", any: ["Sys.Audit"] }],
  async run({ node }, { pve, signal }) {
    const status = await pve.call("GET /nodes/{node}/status", { node }, { signal }).catch(async (error: unknown) => {
      throw await withKnownNodes(
        error,
        async () => (await pve.call("GET /nodes", {}, { signal })).map((row) => row.node),
      );
    });
    const memory = status.memory;
    return {
      node,
      uptime: uptime(status.uptime),
      cpu_percent: percent(status.cpu),
      cpus: status.cpuinfo?.cpus,
      cpu_model: status.cpuinfo?.model,
      load: status.loadavg?.map(Number),
      memory_gib: gib(memory?.total),
      memory_free_gib: gib(memory?.available ?? memory?.free),
      memory_used_percent: usedPercent(memory?.used, memory?.total),
      swap_used_percent: usedPercent(status.swap?.used, status.swap?.total),
      root_gib: gib(status.rootfs?.total),
      root_used_percent: usedPercent(status.rootfs?.used, status.rootfs?.total),
      kernel: status["current-kernel"]?.release ?? status.kversion,
      pve_version: status.pveversion?.replace(/^pve-manager\/([^/]+)\/.*$/, "$1"),
    };
  },
});

/** Adds the nodes that exist to an error about one that does not. */
export async function withKnownNodes(error: unknown, list: () => Promise<readonly string[]>): Promise<unknown> {
  if (!(error instanceof PveError) || !["missing", "busy"].includes(error.details.kind)) return error;
  const nodes = await list().catch(() => []);
  if (nodes.length === 0) return error;
  const candidates = [...nodes].sort();
  return new PveError(error.message, {
    ...error.details,
    candidates,
    remedy: `The nodes are ${candidates.join(", ")}`,
  });
}

export const clusterResources = defineTool({
  name: "cluster_resources",
  title: "Cluster resources",
  description:
    "Lists everything of one type in the cluster in one call: vm (VMs and containers), storage, node, sdn, or all. For guests with filters use list_vms and list_containers.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({
    resource_type: z.enum(["vm", "storage", "node", "sdn", "all"]).default("vm"),
    limit: params.limit,
    cursor: z.string().max(255).optional().describe("The next_cursor of the answer before"),
  }),
  output: z.object({
    resources: z.array(z.object({
      id: z.string(),
      type: z.string().optional(),
      name: z.string().optional(),
      node: z.string().optional(),
      status: z.string().optional(),
      memory_gib: z.number().optional(),
      disk_gib: z.number().optional(),
      disk_used_percent: z.number().optional(),
      content: z.string().optional(),
      pool: z.string().optional(),
      tags: z.string().optional(),
      template: z.boolean().optional(),
    })),
    total: z.number(),
    next_cursor: z.string().optional(),
    notes: params.notes,
  }),
  calls: ["GET /cluster/resources", ...visibleCalls],
  privileges: [
    { path: "/vms/{vmid}", any: ["VM.Audit"], when: "to see guests" },
    { path: "/storage/{storage}", any: ["Datastore.Audit"], when: "to see storages" },
    { path: "/nodes/{node}", any: ["Sys.Audit"], when: "for the nodes' load figures" },
  ],
  async run({ resource_type, limit, cursor }, { pve, signal, server }) {
    const query = resource_type === "all" ? {} : { type: resource_type };
    const answered = await pve.call("GET /cluster/resources", query, { signal });
    const rows = answered.map((row) => ({ ...row, id: row.id ?? `${row.type}/${row.vmid ?? row.storage ?? row.node}` }))
      .sort((a, b) => order(a.id, b.id));
    const after = cursor === undefined ? rows : rows.filter((row) => order(row.id, cursor) > 0);
    const page = pageOf(after, limit);
    const last = page.at(-1);
    const left = after.length - page.length;
    const notes = left > 0 && last !== undefined
      ? [`${left} more: call again with cursor=${JSON.stringify(last.id)}`]
      : [];
    for (const [type, of] of [["vm", listed.guests], ["storage", listed.storages]] as const) {
      if (resource_type !== type && resource_type !== "all") continue;
      const rowsOf = rows.filter((row) => type === "vm" ? row.vmid !== undefined : row.type === type);
      notes.push(...await visibleNotes(pve, of, rowsOf.length, server.token, { signal }));
    }
    return {
      resources: page.map((row) => ({
        id: row.id,
        type: row.type === "qemu" ? "vm" : row.type === "lxc" ? "container" : row.type,
        name: row.name ?? row.storage ?? row.sdn ?? row.pool,
        node: row.node,
        status: row.status,
        memory_gib: gib(row.maxmem),
        disk_gib: gib(row.maxdisk),
        disk_used_percent: row.type === "storage" ? usedPercent(row.disk, row.maxdisk) : undefined,
        content: row.content,
        pool: row.type === "pool" ? undefined : row.pool,
        tags: row.tags,
        template: row.template === true ? true : undefined,
      })),
      total: rows.length,
      ...(left > 0 && last !== undefined ? { next_cursor: last.id } : {}),
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});

const collator = new Intl.Collator("en", { numeric: true });

/** Orders ids such as qemu/100 by their number. */
function order(a: string, b: string): number {
  return collator.compare(a, b);
}
