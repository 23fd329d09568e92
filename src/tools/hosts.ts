/** Tools that look at what runs below the guests: services, updates and logs of a node, disks, ZFS, Ceph. */
import { z } from "zod";
import { PveError } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { fieldAt, isRecord, numberOf, rowsOf, textOf } from "../shape/fields.ts";
import { gib, usedPercent } from "../shape/numbers.ts";
import { pageOf } from "../shape/page.ts";
import { defineTool } from "../tool.ts";
import { withKnownNodes } from "./nodes.ts";
import * as params from "./params.ts";

/** One node's answer; an error about a node that is not there names those that are. */
async function ofNode<T>(pve: PveClient<"GET /nodes">, ask: () => Promise<T>, options: SendOptions): Promise<T> {
  return await ask().catch(async (error: unknown) => {
    throw await withKnownNodes(error, async () => (await pve.call("GET /nodes", {}, options)).map((row) => row.node));
  });
}

export const nodeServices = defineTool({
  name: "node_services",
  title: "Services of a node",
  description: "Lists PVE's services on one node and whether they run. Their messages are in node_syslog.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({ node: params.node }),
  output: z.object({
    services: z.array(z.object({ service: z.string(), state: z.string().optional(), at_boot: z.string().optional() })),
    notes: params.notes,
  }),
  calls: ["GET /nodes/{node}/services", "GET /nodes"],
  privileges: [{ path: "/nodes/{node}", any: ["Sys.Audit"] }],
  async run({ node }, { pve, signal }) {
    const rows = await ofNode(pve, () => pve.call("GET /nodes/{node}/services", { node }, { signal }), { signal });
    // PVE lists what it knows of, installed or not.
    const present = rows.filter((row) => row["unit-state"] !== "not-found");
    const failed = present.filter((row) => row.state === "failed" || row["active-state"] === "failed");
    return {
      services: present.map((row) => ({
        service: row.service ?? row.name ?? "",
        state: row.state,
        at_boot: row["unit-state"],
      })).sort((a, b) => a.service.localeCompare(b.service)),
      ...(failed.length > 0 ? { notes: [`Failed: ${failed.map((row) => row.service ?? row.name).join(", ")}`] } : {}),
    };
  },
});

const UPDATES_HIDDEN = "Not known: PVE tells updates only to tokens with Sys.Modify on the node, which also allows " +
  "changing its network and more. A person sees them in PVE's web interface: the node, Updates";

export const nodeUpdates = defineTool({
  name: "node_updates",
  title: "Updates for a node",
  description:
    "Lists the package updates that wait on one node, as of its last look for them. Installing is for a person.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({ node: params.node, limit: params.limit }),
  output: z.object({
    updates: z.array(z.object({
      package: z.string(),
      installed: z.string().optional(),
      available: z.string().optional(),
      origin: z.string().optional(),
    })).optional(),
    total: z.number().optional().describe("Not known where PVE does not tell"),
    notes: params.notes,
  }),
  calls: ["GET /nodes/{node}/apt/update", "GET /nodes"],
  // PVE asks for Sys.Modify, which also changes the node's network and more: no role gets it for the sake of a list.
  privileges: [],
  async run({ node, limit }, { pve, signal }) {
    const rows = await ofNode(pve, () => pve.call("GET /nodes/{node}/apt/update", { node }, { signal }), { signal })
      .catch((error: unknown) => {
        if (!(error instanceof PveError) || error.details.kind !== "forbidden") throw error;
        return undefined;
      });
    if (rows === undefined) return { notes: [UPDATES_HIDDEN] };
    const all = rows.map((row) => ({
      package: row.Package ?? "",
      installed: row.OldVersion,
      available: row.Version,
      origin: row.Origin,
    })).sort((a, b) => a.package.localeCompare(b.package));
    const updates = pageOf(all, limit);
    const notes = all.length === 0
      ? ["Nothing waits, or the node has not looked for updates: PVE does so once a day"]
      : all.length > updates.length
      ? [`${all.length - updates.length} more: raise limit`]
      : [];
    return { updates, total: all.length, ...(notes.length > 0 ? { notes } : {}) };
  },
});

export const nodeSyslog = defineTool({
  name: "node_syslog",
  title: "System log of a node",
  description: "Shows the last lines of one node's system log, of one service or since a moment where asked.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({
    node: params.node,
    lines: z.int().min(1).max(500).default(50).describe("Lines at most"),
    since: z.string().regex(/^\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2})?)?$/).optional().describe(
      "In the node's time, as in 2026-11-22 12:00",
    ),
    service: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9@_.-]{0,63}$/).optional().describe("As in pvedaemon"),
  }),
  output: z.object({ log: z.array(z.string()), total: z.number(), notes: params.notes }),
  calls: ["GET /nodes/{node}/syslog", "GET /nodes"],
  privileges: [{ path: "/nodes/{node}", any: ["Sys.Syslog"] }],
  async run({ node, lines, since, service }, { pve, signal }) {
    const filters = { node, ...(since === undefined ? {} : { since }), ...(service === undefined ? {} : { service }) };
    let total = 0;
    const read = (page: { limit: number; start?: number }) =>
      ofNode(
        pve,
        () =>
          pve.call("GET /nodes/{node}/syslog", { ...filters, ...page }, { signal, onTotal: (count) => total = count }),
        { signal },
      );
    // PVE counts from the oldest line: how many there are has to be known first.
    await read({ limit: 1 });
    const rows = total === 0 ? [] : await read({ limit: lines, start: Math.max(0, total - lines) });
    const newest = pageOf(rows.map((row) => row.t).reverse(), lines);
    const notes = [
      ...(total === 0 ? ["No lines match"] : []),
      ...(rows.length > newest.length ? [`The first ${rows.length - newest.length} of them are left out`] : []),
    ];
    return { log: newest.reverse(), total, ...(notes.length > 0 ? { notes } : {}) };
  },
});

/** Less life than this (percent) is worth a word. */
const WORN = 80;

export const listDisks = defineTool({
  name: "list_disks",
  title: "List disks",
  description: "Lists the physical disks of one node with their use, SMART health and wear.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({ node: params.node }),
  output: z.object({
    disks: z.array(z.object({
      device: z.string(),
      type: z.string().optional(),
      model: z.string().optional(),
      serial: z.string().optional(),
      size_gib: z.number().optional(),
      used_for: z.string().optional(),
      health: z.string().optional(),
      wear_percent: z.number().optional().describe("Used up, of an SSD's life"),
    })),
    notes: params.notes,
  }),
  calls: ["GET /nodes/{node}/disks/list", "GET /nodes"],
  privileges: [{ path: "/nodes/{node}", any: ["Sys.Audit"] }],
  async run({ node }, { pve, signal }) {
    const rows = await ofNode(pve, () => pve.call("GET /nodes/{node}/disks/list", { node }, { signal }), { signal });
    const all = rows.map((row) => {
      // Not in PVE's schema: percent of life that is left, or "N/A".
      const { wearout, type } = { wearout: undefined, type: undefined, ...row };
      const life = numberOf(wearout);
      return {
        device: row.devpath ?? "",
        type: textOf(type),
        model: textOf(row.model),
        serial: textOf(row.serial),
        size_gib: gib(row.size),
        used_for: textOf(row.used),
        health: textOf(row.health),
        wear_percent: life === undefined ? undefined : Math.max(0, 100 - life),
      };
    }).sort((a, b) => a.device.localeCompare(b.device));
    const disks = pageOf(all, 300);
    const ill = all.filter(({ health }) => health !== undefined && !/^(?:PASSED|OK|UNKNOWN)$/i.test(health));
    const worn = all.filter(({ wear_percent }) => (wear_percent ?? 0) >= WORN);
    const notes = [
      ...(all.length === 0 ? ["The node shows no disks of its own"] : []),
      ...(ill.length > 0 ? [`SMART does not call these healthy: ${ill.map(({ device }) => device).join(", ")}`] : []),
      ...(worn.length > 0 ? [`Nearly worn out: ${worn.map(({ device }) => device).join(", ")}`] : []),
      ...(all.length > disks.length ? [`${all.length - disks.length} more are left out`] : []),
    ];
    return { disks, ...(notes.length > 0 ? { notes } : {}) };
  },
});

export const zfsStatus = defineTool({
  name: "zfs_status",
  title: "ZFS pools of a node",
  description: "Shows the ZFS pools of one node: health, size, fragmentation.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({ node: params.node }),
  output: z.object({
    pools: z.array(z.object({
      pool: z.string(),
      health: z.string().optional(),
      size_gib: z.number().optional(),
      used_percent: z.number().optional(),
      fragmented_percent: z.number().optional(),
    })),
    notes: params.notes,
  }),
  calls: ["GET /nodes/{node}/disks/zfs", "GET /nodes"],
  privileges: [{ path: "/", any: ["Sys.Audit"] }],
  async run({ node }, { pve, signal }) {
    const rows = await ofNode(pve, () => pve.call("GET /nodes/{node}/disks/zfs", { node }, { signal }), { signal });
    const pools = rows.map((row) => ({
      pool: row.name ?? "",
      health: row.health,
      size_gib: gib(row.size),
      used_percent: usedPercent(row.alloc, row.size),
      fragmented_percent: row.frag,
    })).sort((a, b) => a.pool.localeCompare(b.pool));
    const ill = pools.filter(({ health }) => health !== "ONLINE");
    const notes = [
      ...(pools.length === 0 ? ["The node has no ZFS pool"] : []),
      ...(ill.length > 0
        ? [`Not healthy: ${ill.map(({ pool }) => pool).join(", ")}. A person looks with zpool status on the node`]
        : []),
    ];
    return { pools, ...(notes.length > 0 ? { notes } : {}) };
  },
});

export const cephStatus = defineTool({
  name: "ceph_status",
  title: "Ceph status",
  description: "Shows the health of the cluster's own Ceph: warnings, monitors, OSDs, placement groups, space.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({}),
  output: z.object({
    health: z.string(),
    warnings: z.array(z.object({ check: z.string(), severity: z.string().optional(), message: z.string().optional() }))
      .optional(),
    monitors: z.string().optional(),
    osds: z.string().optional(),
    placement_groups: z.string().optional(),
    size_gib: z.number().optional(),
    used_percent: z.number().optional(),
    notes: params.notes,
  }),
  calls: ["GET /cluster/ceph/status"],
  privileges: [{ path: "/", any: ["Sys.Audit", "Datastore.Audit"] }],
  async run(_input, { pve, signal }) {
    let status: unknown;
    try {
      status = await pve.call("GET /cluster/ceph/status", {}, { signal });
    } catch (error) {
      // PVE's words for a cluster without it.
      const absent = /binary not installed|not initialized|not fully configured|not installed/i;
      if (!(error instanceof PveError) || !absent.test(error.details.reason ?? "")) throw error;
      return { health: "absent", notes: [`This cluster runs no Ceph of its own: ${error.details.reason ?? ""}`] };
    }
    const checks = fieldAt(status, "health", "checks");
    const text = (...path: string[]) => textOf(fieldAt(status, ...path));
    const number = (...path: string[]) => numberOf(fieldAt(status, ...path));
    const quorum = fieldAt(status, "quorum_names");
    const [mons, osds] = [rowsOf(fieldAt(status, "monmap", "mons")).length, number("osdmap", "num_osds")];
    const groups = rowsOf(fieldAt(status, "pgmap", "pgs_by_state"));
    return {
      health: text("health", "status") ?? "unknown",
      warnings: isRecord(checks)
        ? pageOf(Object.entries(checks), 50).map(([check, found]) => ({
          check,
          severity: textOf(fieldAt(found, "severity")),
          message: textOf(fieldAt(found, "summary", "message")),
        }))
        : undefined,
      monitors: Array.isArray(quorum) ? `${quorum.length} of ${mons} in quorum` : undefined,
      osds: osds === undefined
        ? undefined
        : `${number("osdmap", "num_up_osds") ?? "?"} up and ${number("osdmap", "num_in_osds") ?? "?"} in, of ${osds}`,
      placement_groups: groups.map((row) =>
        `${numberOf(row.count) ?? "?"} ${textOf(row.state_name) ?? ""}`
      ).join(", ") ||
        undefined,
      size_gib: gib(number("pgmap", "bytes_total")),
      used_percent: usedPercent(number("pgmap", "bytes_used"), number("pgmap", "bytes_total")),
    };
  },
});
