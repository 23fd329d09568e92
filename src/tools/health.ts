/** health_overview: what needs a person's eye, from a bounded number of requests however large the cluster is. */
import { z } from "zod";
import { PveError } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { type Guest, guestOf, type GuestRow } from "../pve/guests.ts";
import { phaseOf } from "../pve/tasks.ts";
import { gib, percent, usedPercent } from "../shape/numbers.ts";
import { moment } from "../shape/times.ts";
import { defineTool } from "../tool.ts";
import { NO_QUORUM } from "./overview.ts";
import * as params from "./params.ts";

/** From here on (percent) a node is under pressure, and a storage is filling up. */
const PRESSURE = 90;
const FILLING = 85;

/** At most so many nodes are asked for their tasks, and so many stopped guests for their settings. */
const MOST_NODES = 32;
const MOST_GUESTS = 40;

/** Rows of each kind that are shown. */
const MOST_ROWS = 20;

const DAY = 24 * 3600;

type HealthCall =
  | "GET /cluster/resources"
  | "GET /cluster/status"
  | "GET /nodes/{node}/tasks"
  | "GET /nodes/{node}/qemu/{vmid}/config"
  | "GET /nodes/{node}/lxc/{vmid}/config";

const guest = z.object({
  vmid: z.number(),
  name: z.string().optional(),
  kind: z.string(),
  node: z.string(),
  lock: z.string().optional(),
});

function pressures(rows: readonly GuestRow[]): { node: string; problem: string }[] {
  return rows.filter((row) => row.type === "node").flatMap((row) => {
    const figures = [
      ["CPU", percent(row.cpu)],
      ["memory", usedPercent(row.mem, row.maxmem)],
      ["root file system", usedPercent(row.disk, row.maxdisk)],
    ] as const;
    const high = figures.flatMap(([what, value]) =>
      value !== undefined && value >= PRESSURE ? [`${what} ${value} %`] : []
    );
    const problem = row.status === "offline" ? "offline" : high.join(", ");
    return problem === "" ? [] : [{ node: row.node ?? "", problem }];
  }).sort((a, b) => a.node < b.node ? -1 : 1);
}

/** Storages that are nearly full or do not answer; a shared one stands there once. */
function fillings(rows: readonly GuestRow[]) {
  const seen = new Set<string>();
  return rows.filter((row) => row.type === "storage").flatMap((row) => {
    const { storage = "", node = "" } = row;
    const used = usedPercent(row.disk, row.maxdisk);
    const silent = row.status !== undefined && row.status !== "available";
    if (!silent && (used === undefined || used < FILLING)) return [];
    if (row.shared === true && seen.has(storage)) return [];
    seen.add(storage);
    return [{
      storage,
      node: row.shared === true ? "shared" : node,
      ...(silent
        ? { problem: `is ${row.status}` }
        : { problem: `${used} % used`, free_gib: gib((row.maxdisk ?? 0) - (row.disk ?? 0)) }),
    }];
  }).sort((a, b) => a.storage.localeCompare(b.storage) || a.node.localeCompare(b.node));
}

function shown({ vmid, name, kind, node, lock }: Guest) {
  return { vmid, name, kind: kind === "vm" ? "VM" : "container", node, ...(lock === undefined ? {} : { lock }) };
}

/** Failed tasks of all nodes since a moment, newest first; nodes that do not tell are named. */
async function failedTasks(pve: PveClient<HealthCall>, nodes: readonly string[], since: number, options: SendOptions) {
  const silent: string[] = [];
  let total = 0;
  const rows = await Promise.all(nodes.map(async (node) => {
    try {
      const query = { node, since, source: "archive", statusfilter: "error,unknown", limit: MOST_ROWS } as const;
      return await pve.call("GET /nodes/{node}/tasks", query, { ...options, onTotal: (count) => total += count });
    } catch (error) {
      if (!(error instanceof PveError) || error.details.kind === "cancelled") throw error;
      silent.push(node);
      return [];
    }
  }));
  const failed = rows.flat().filter((row) => phaseOf(row.status) === "failed")
    .sort((a, b) => (b.starttime ?? 0) - (a.starttime ?? 0));
  return { failed, silent, total: Math.max(total, failed.length) };
}

/** Which of the stopped guests should have been started with their node. */
async function notStarted(pve: PveClient<HealthCall>, stopped: readonly Guest[], options: SendOptions) {
  let unread = 0;
  const found = await Promise.all(stopped.map(async ({ kind, node, vmid }) => {
    try {
      const config = kind === "vm"
        ? await pve.call("GET /nodes/{node}/qemu/{vmid}/config", { node, vmid }, options)
        : await pve.call("GET /nodes/{node}/lxc/{vmid}/config", { node, vmid }, options);
      return config.onboot === true;
    } catch (error) {
      if (!(error instanceof PveError) || error.details.kind === "cancelled") throw error;
      unread++;
      return false;
    }
  }));
  return { guests: stopped.filter((_guest, index) => found[index]), unread };
}

export const healthOverview = defineTool({
  name: "health_overview",
  title: "Health overview",
  description:
    "Shows what needs attention in the whole cluster, in one call: nodes under pressure, storages filling up, tasks that failed in the last 24 hours, guests that should run and do not, locked guests.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({}),
  output: z.object({
    state: z.enum(["ok", "attention"]),
    nodes: z.array(z.object({ node: z.string(), problem: z.string() })),
    storages: z.array(
      z.object({ storage: z.string(), node: z.string(), problem: z.string(), free_gib: z.number().optional() }),
    ),
    failed_tasks: z.array(z.object({
      started: z.string(),
      node: z.string(),
      type: z.string(),
      id: z.string().optional(),
      exit_status: z.string().optional(),
      upid: z.string(),
    })),
    stopped_onboot: z.array(guest).describe("Set to start with their node, and stopped"),
    locked: z.array(guest),
    looked_at: z.string(),
    notes: params.notes,
  }),
  calls: [
    "GET /cluster/resources",
    "GET /cluster/status",
    "GET /nodes/{node}/tasks",
    "GET /nodes/{node}/qemu/{vmid}/config",
    "GET /nodes/{node}/lxc/{vmid}/config",
  ],
  privileges: [
    { path: "/nodes/{node}", any: ["Sys.Audit"] },
    { path: "/vms/{vmid}", any: ["VM.Audit"] },
    { path: "/storage/{storage}", any: ["Datastore.Audit"] },
    { path: "/", any: ["Sys.Audit"], when: "for the quorum" },
  ],
  async run(_input, { pve, signal, now }) {
    const options = { signal };
    const rows = await pve.call("GET /cluster/resources", {}, options);
    const guests = rows.flatMap((row) => guestOf(row) ?? []).sort((a, b) => a.vmid - b.vmid);
    const all = rows.filter((row) => row.type === "node");
    const online = all.filter((row) => row.status !== "offline").flatMap((row) => row.node ?? []).sort();
    const asked = online.slice(0, MOST_NODES);
    // A guest that high availability manages is started and stopped by it; without a node nobody can ask for settings.
    const stopped = guests.filter((one) => one.status === "stopped" && !one.template && online.includes(one.node));
    const checked = stopped.slice(0, MOST_GUESTS);
    const since = Math.floor(now() / 1000) - DAY;
    const [tasks, onboot, cluster] = await Promise.all([
      failedTasks(pve, asked, since, options),
      notStarted(pve, checked, options),
      pve.call("GET /cluster/status", {}, options).catch((error: unknown) => {
        if (!(error instanceof PveError) || error.details.kind === "cancelled") throw error;
        return undefined;
      }),
    ]);
    const nodes = pressures(rows);
    const storages = fillings(rows);
    const locked = guests.filter((one) => one.lock !== undefined);
    const quorumLost = cluster?.some((row) => row.type === "cluster" && row.quorate === false) === true;
    const count = nodes.length + storages.length + tasks.failed.length + onboot.guests.length + locked.length;
    const cut = (what: string, found: number) =>
      found > MOST_ROWS ? [`${found - MOST_ROWS} more ${what} are left out`] : [];
    const notes = [
      ...(quorumLost ? [NO_QUORUM] : []),
      ...cut("storages", storages.length),
      ...cut("failed tasks (list_tasks state=failed shows them)", tasks.total),
      ...cut("locked guests", locked.length),
      ...(stopped.length > checked.length
        ? [
          `Of ${stopped.length} stopped guests only the first ${checked.length} were asked whether they start with their node`,
        ]
        : []),
      ...(onboot.unread > 0 ? [`${onboot.unread} stopped guests did not tell their settings`] : []),
      ...(tasks.silent.length > 0 ? [`No tasks from ${tasks.silent.sort().join(", ")}: not answering`] : []),
      ...(online.length > asked.length
        ? [`Tasks of ${online.length - asked.length} more nodes were not asked for`]
        : []),
      ...(cluster === undefined ? ["Quorum not known: the token may lack Sys.Audit on /"] : []),
      ...(all.length > 0 && all.every((row) => row.maxmem === undefined && row.status === "online")
        ? ["No figures of nodes, and tasks of this token only: it lacks Sys.Audit on /nodes"]
        : []),
      ...(guests.length === 0 ? ["No guest is visible to this token: it may lack VM.Audit on /vms"] : []),
    ];
    const storageCount = rows.filter((row) => row.type === "storage").length;
    return {
      state: count > 0 || quorumLost ? "attention" as const : "ok" as const,
      nodes,
      storages: storages.slice(0, MOST_ROWS),
      failed_tasks: tasks.failed.slice(0, MOST_ROWS).map((row) => ({
        started: moment(row.starttime ?? 0),
        node: row.node,
        type: row.type ?? "",
        ...(row.id === undefined || row.id === "" ? {} : { id: row.id }),
        exit_status: row.status,
        upid: row.upid,
      })),
      stopped_onboot: onboot.guests.slice(0, MOST_ROWS).map(shown),
      locked: locked.slice(0, MOST_ROWS).map(shown),
      looked_at:
        `${all.length} nodes, ${storageCount} storages, ${guests.length} guests; tasks since ${moment(since)}; ` +
        `limits: node ${PRESSURE} %, storage ${FILLING} %`,
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});
