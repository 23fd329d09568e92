/** Tools that look at what the cluster does by itself: high availability, replication, its log, its pools. */
import { z } from "zod";
import { PveError } from "../errors.ts";
import { listGuests } from "../pve/guests.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { type Fields, numberOf, rowsOf, textOf } from "../shape/fields.ts";
import { pageOf } from "../shape/page.ts";
import { moment } from "../shape/times.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";

/** Undefined where nothing is to be said, as `notes` has it. */
function noted(notes: readonly string[]): { notes?: string[] } {
  return notes.length > 0 ? { notes: [...notes] } : {};
}

function left(all: readonly unknown[], shown: readonly unknown[]): string[] {
  return all.length > shown.length ? [`${all.length - shown.length} more are left out`] : [];
}

const MOST_ROWS = 500;

/** The rules of PVE 9, or the groups that PVE 8 has in their place. */
async function haRules(
  pve: PveClient<"GET /cluster/ha/rules" | "GET /cluster/ha/groups">,
  options: SendOptions,
): Promise<{ kind: string; rows: readonly Fields[] }> {
  try {
    return { kind: "rule", rows: await pve.call("GET /cluster/ha/rules", {}, options) };
  } catch (error) {
    if (!(error instanceof PveError) || error.details.kind !== "unsupported") throw error;
    return { kind: "group", rows: await pve.call("GET /cluster/ha/groups", {}, options) };
  }
}

/** What a rule says, without what names it or means nothing to a reader. */
function saysOf(row: Fields): string {
  return Object.entries(row).filter(([key, value]) =>
    !["rule", "group", "type", "digest", "comment", "order"].includes(key) && value !== null
  ).sort(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => `${key}=${String(value)}`).join(" ");
}

export const haStatus = defineTool({
  name: "ha_status",
  title: "High availability",
  description:
    "Shows the state of high availability: quorum, manager, nodes, managed guests with wanted and real state, and the rules (PVE 9) or groups (PVE 8) that place them.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({}),
  output: z.object({
    manager: z.array(z.object({ what: z.string(), node: z.string().optional(), status: z.string().optional() })),
    guests: z.array(z.object({
      guest: z.string(),
      node: z.string().optional(),
      state: z.string().optional(),
      wanted: z.string().optional(),
    })),
    rules: z.array(z.object({ rule: z.string(), type: z.string(), says: z.string(), comment: z.string().optional() })),
    notes: params.notes,
  }),
  calls: ["GET /cluster/ha/status/current", "GET /cluster/ha/rules", "GET /cluster/ha/groups"],
  privileges: [{ path: "/", any: ["Sys.Audit"] }],
  async run(_input, { pve, signal }) {
    const [rows, placed] = await Promise.all([
      pve.call("GET /cluster/ha/status/current", {}, { signal }),
      haRules(pve, { signal }),
    ]);
    const managed = rows.filter(({ type }) => type === "service").map((row) => ({
      guest: row.sid ?? row.id ?? "",
      node: row.node,
      state: row.state ?? row.crm_state,
      wanted: row.request_state,
    })).sort((a, b) => a.guest.localeCompare(b.guest, "en", { numeric: true }));
    const guests = pageOf(managed, MOST_ROWS);
    const off = managed.filter(({ state, wanted }) => wanted !== undefined && state !== wanted);
    const notes = [
      ...(managed.length === 0 ? ["No guest is managed by high availability"] : []),
      ...(off.length > 0 ? [`Not as wanted: ${off.slice(0, 20).map(({ guest }) => guest).join(", ")}`] : []),
      ...left(managed, guests),
    ];
    return {
      manager: rows.filter(({ type }) => type !== "service").map((row) => ({
        what: textOf(row.type) ?? "",
        node: row.node,
        status: row.status,
      })),
      guests,
      rules: pageOf(placed.rows, MOST_ROWS).map((row) => ({
        rule: textOf(row.rule) ?? textOf(row.group) ?? "",
        type: textOf(row.type) ?? placed.kind,
        says: saysOf(row),
        comment: textOf(row.comment),
      })),
      ...noted(notes),
    };
  },
});

/** At most so many nodes are asked how their jobs went, and so many pools for their members. */
const MOST_ASKED = 32;

export const listReplication = defineTool({
  name: "list_replication",
  title: "List replication jobs",
  description: "Lists the storage replication jobs with their last and next run, failures and the last error.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({}),
  output: z.object({
    jobs: z.array(z.object({
      job: z.string(),
      vmid: z.number().optional(),
      source: z.string().optional(),
      target: z.string().optional(),
      schedule: z.string().optional(),
      last_sync: z.string().optional(),
      next_sync: z.string().optional(),
      failures: z.number().optional(),
      error: z.string().optional(),
      disabled: z.boolean().optional(),
    })),
    notes: params.notes,
  }),
  calls: ["GET /cluster/replication", "GET /nodes/{node}/replication", "GET /cluster/resources"],
  privileges: [{ path: "/vms/{vmid}", any: ["VM.Audit"] }],
  async run(_input, { pve, signal }) {
    const [rows, guests] = await Promise.all([
      pve.call("GET /cluster/replication", {}, { signal }),
      listGuests(pve, { signal }),
    ]);
    const homes = new Map(guests.map(({ vmid, node }) => [vmid, node]));
    const sourceOf = (row: (typeof rows)[number]) => homes.get(row.guest ?? 0) ?? row.source;
    const nodes = [...new Set(rows.flatMap((row) => sourceOf(row) ?? []))].sort();
    const silent: string[] = [];
    const told = await Promise.all(
      nodes.slice(0, MOST_ASKED).map(async (node): Promise<readonly Fields[]> => {
        try {
          return await pve.call("GET /nodes/{node}/replication", { node }, { signal });
        } catch (error) {
          if (!(error instanceof PveError) || error.details.kind === "cancelled") throw error;
          silent.push(node);
          return [];
        }
      }),
    );
    const runs = new Map(told.flat().map((row) => [textOf(row.id), row]));
    const at = (value: unknown) => {
      const seconds = numberOf(value);
      return seconds === undefined || seconds <= 0 ? undefined : moment(seconds);
    };
    const all = rows.map((row) => {
      const run = runs.get(row.id);
      return {
        job: row.id ?? "",
        vmid: row.guest,
        source: sourceOf(row),
        target: row.target,
        schedule: row.schedule ?? "*/15",
        last_sync: at(run?.last_sync),
        next_sync: at(run?.next_sync),
        failures: numberOf(run?.fail_count) || undefined,
        error: textOf(run?.error),
        disabled: row.disable === true ? true : undefined,
      };
    }).sort((a, b) => a.job.localeCompare(b.job, "en", { numeric: true }));
    const jobs = pageOf(all, MOST_ROWS);
    const notes = [
      ...(all.length === 0 ? ["No replication job is visible: there is none, or the token lacks VM.Audit"] : []),
      ...(silent.length > 0 ? [`No runs from ${silent.sort().join(", ")}: not answering`] : []),
      ...(nodes.length > MOST_ASKED ? [`${nodes.length - MOST_ASKED} more nodes were not asked for runs`] : []),
      ...left(all, jobs),
    ];
    return { jobs, ...noted(notes) };
  },
});

/** As syslog numbers them. */
const SEVERITIES = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

export const clusterLog = defineTool({
  name: "cluster_log",
  title: "Cluster log",
  description:
    "Shows the newest lines of the cluster's log: who started which task, logins, changes. For tasks use list_tasks.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({ limit: params.limit }),
  output: z.object({
    lines: z.array(z.object({
      time: z.string(),
      node: z.string().optional(),
      user: z.string().optional(),
      severity: z.string().optional(),
      message: z.string(),
    })),
    notes: params.notes,
  }),
  calls: ["GET /cluster/log"],
  privileges: [{ path: "/", any: ["Sys.Syslog"], when: "for what others did" }],
  async run({ limit }, { pve, signal }) {
    const rows = await pve.call("GET /cluster/log", { max: limit }, { signal });
    const all = [...rows].sort((a, b) => (b.time ?? 0) - (a.time ?? 0)).map((row) => ({
      time: moment(row.time ?? 0),
      node: row.node,
      user: row.user,
      severity: row.pri === undefined || row.pri === 6 ? undefined : SEVERITIES[row.pri] ?? String(row.pri),
      message: row.msg ?? "",
    }));
    const lines = pageOf(all, limit);
    const notes = [
      ...(all.length === 0 ? ["No lines: without Sys.Syslog on / a token sees only its own"] : []),
      ...left(all, lines),
    ];
    return { lines, ...noted(notes) };
  },
});

export const listPools = defineTool({
  name: "list_pools",
  title: "List pools",
  description: "Lists the resource pools with their guests and storages.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({ pool: z.string().min(1).max(100).optional().describe("Only this one") }),
  output: z.object({
    pools: z.array(z.object({
      pool: z.string(),
      comment: z.string().optional(),
      guests: z.string().optional().describe("Their vmids"),
      storages: z.string().optional(),
    })),
    notes: params.notes,
  }),
  calls: ["GET /pools"],
  privileges: [{ path: "/pool/{poolid}", any: ["Pool.Audit"] }],
  async run({ pool }, { pve, signal }) {
    const found = pool === undefined ? await pve.call("GET /pools", {}, { signal }) : [{ poolid: pool }];
    const ids = found.flatMap(({ poolid }) => poolid ?? []).sort();
    const pools = (await Promise.all(
      ids.slice(0, MOST_ASKED).map((poolid) => pve.call("GET /pools", { poolid }, { signal })),
    )).flat().map((row) => {
      const members = rowsOf(row.members);
      const storages = members.filter(({ type }) => type === "storage").flatMap(({ storage }) => textOf(storage) ?? []);
      return {
        pool: row.poolid ?? "",
        comment: textOf(row.comment),
        guests: members.flatMap(({ vmid }) => numberOf(vmid) ?? []).sort((a, b) => a - b).join(",") || undefined,
        storages: [...new Set(storages)].sort().join(",") || undefined,
      };
    });
    const shown = pageOf(pools, MOST_ROWS);
    const notes = [
      ...(ids.length === 0 ? ["No pool is visible: there is none, or the token lacks Pool.Audit on /pool"] : []),
      ...(ids.length > MOST_ASKED
        ? [`Members of the first ${MOST_ASKED} of ${ids.length} pools: give pool for others`]
        : []),
      ...left(pools, shown),
    ];
    return { pools: shown, ...noted(notes) };
  },
});
