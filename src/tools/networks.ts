/** Tools that look at networks of nodes, at the firewall, and at where a person finds a guest's console. */
import { z } from "zod";
import { PveError } from "../errors.ts";
import type { PveClient, Result, SendOptions } from "../pve/client.ts";
import { findGuest } from "../pve/guests.ts";
import { pageOf } from "../shape/page.ts";
import { textOf } from "../shape/fields.ts";
import { defineTool } from "../tool.ts";
import { withKnownNodes } from "./nodes.ts";
import * as params from "./params.ts";

/** At most so many nodes are asked. */
const MOST_NODES = 32;
const MOST_ROWS = 300;

function left(all: readonly unknown[], shown: readonly unknown[]): string[] {
  return all.length > shown.length ? [`${all.length - shown.length} more are left out`] : [];
}

export const listNetworks = defineTool({
  name: "list_networks",
  title: "List networks",
  description: "Lists the bridges, bonds, VLANs and network cards of one node or all, with addresses and ports.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({ node: params.node.optional() }),
  output: z.object({
    networks: z.array(z.object({
      node: z.string(),
      interface: z.string(),
      type: z.string().optional(),
      addresses: z.string().optional(),
      gateway: z.string().optional(),
      ports: z.string().optional(),
      vlan: z.string().optional(),
      inactive: z.boolean().optional(),
      comment: z.string().optional(),
    })),
    notes: params.notes,
  }),
  calls: ["GET /nodes", "GET /nodes/{node}/network"],
  privileges: [],
  async run({ node }, { pve, signal }) {
    const known = await pve.call("GET /nodes", {}, { signal });
    const online = known.filter(({ status }) => status !== "offline").map((row) => row.node).sort();
    const wanted = node === undefined ? online.slice(0, MOST_NODES) : [node];
    const silent: string[] = [];
    const found = await Promise.all(wanted.map(async (one) => {
      try {
        const rows = await pve.call("GET /nodes/{node}/network", { node: one }, { signal });
        return rows.map((row) => ({ ...row, node: one }));
      } catch (error) {
        if (!(error instanceof PveError) || error.details.kind === "cancelled" || node !== undefined) {
          throw await withKnownNodes(error, () => Promise.resolve(known.map((row) => row.node)));
        }
        silent.push(one);
        return [];
      }
    }));
    const all = found.flat().map((row) => ({
      node: row.node,
      interface: row.iface ?? "",
      type: row.type,
      addresses: [row.cidr ?? row.address, row.cidr6 ?? row.address6].filter((one) => textOf(one) !== undefined)
        .join(",") || undefined,
      gateway: textOf(row.gateway) ?? textOf(row.gateway6),
      ports: textOf(row.bridge_ports) ?? textOf(row.slaves) ?? textOf(row.ovs_ports) ?? textOf(row["vlan-raw-device"]),
      vlan: row["vlan-id"] === undefined
        ? row.bridge_vlan_aware === true ? "aware" : undefined
        : String(row["vlan-id"]),
      inactive: row.active === true ? undefined : true,
      comment: textOf(row.comments)?.trim(),
    })).sort((a, b) => a.node.localeCompare(b.node) || a.interface.localeCompare(b.interface, "en", { numeric: true }));
    const networks = pageOf(all, MOST_ROWS);
    const notes = [
      ...(silent.length > 0 ? [`Nothing from ${silent.sort().join(", ")}: not answering`] : []),
      ...(node === undefined && known.length > wanted.length
        ? [`Only ${wanted.length} of ${known.length} nodes were asked`]
        : []),
      ...left(all, networks),
    ];
    return { networks, ...(notes.length > 0 ? { notes } : {}) };
  },
});

type Rule = Result<"GET /cluster/firewall/rules">[number];

type OptionCall = "GET /cluster/firewall/options" | "GET /nodes/{node}/firewall/options";

/** What a rule lets through, in one line; nothing: everything. */
function matchOf(rule: Rule): string {
  const part = (word: string, value: string | undefined) =>
    value === undefined || value === "" ? [] : [`${word} ${value}`];
  return [
    ...part("macro", rule.macro),
    ...part("proto", rule.proto),
    ...part("from", rule.source),
    ...part("source port", rule.sport),
    ...part("to", rule.dest),
    ...part("port", rule.dport),
    ...part("icmp", rule["icmp-type"]),
    ...part("on", rule.iface),
  ].join(", ");
}

/** Whether a firewall is on at one level; undefined where the token may not see it. */
async function isOn(ask: () => Promise<boolean>): Promise<boolean | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof PveError) || error.details.kind !== "forbidden") throw error;
    return undefined;
  }
}

/** The switches above a guest's own: both have to be on. */
async function switchesAbove(pve: PveClient<OptionCall>, node: string, options: SendOptions) {
  const [cluster, host] = await Promise.all([
    isOn(async () => ((await pve.call("GET /cluster/firewall/options", {}, options)).enable ?? 0) > 0),
    // A node's firewall is on unless it is switched off.
    isOn(async () => (await pve.call("GET /nodes/{node}/firewall/options", { node }, options)).enable !== false),
  ]);
  return [["the cluster's firewall", cluster], [`that of ${node}`, host]] as const;
}

export const listFirewallRules = defineTool({
  name: "list_firewall_rules",
  title: "List firewall rules",
  description:
    "Lists the firewall rules of a guest (vmid or name), of a node, or of the cluster where neither is given, the default policies, and whether they are in force.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject({
    vmid: params.vmid.optional(),
    name: params.guestToRead.name,
    node: params.node.optional().describe("The node's own rules; beside a guest not needed"),
  }),
  output: z.object({
    of: z.string(),
    enabled: z.boolean().describe("Its own switch"),
    policy_in: z.string().optional(),
    policy_out: z.string().optional(),
    rules: z.array(z.object({
      pos: z.number().optional(),
      direction: z.string().optional(),
      action: z.string().optional(),
      match: z.string(),
      off: z.boolean().optional(),
      comment: z.string().optional(),
    })),
    notes: params.notes,
  }),
  calls: [
    "GET /cluster/resources",
    "GET /cluster/firewall/rules",
    "GET /cluster/firewall/options",
    "GET /nodes/{node}/firewall/rules",
    "GET /nodes/{node}/firewall/options",
    "GET /nodes/{node}/qemu/{vmid}/firewall/rules",
    "GET /nodes/{node}/qemu/{vmid}/firewall/options",
    "GET /nodes/{node}/lxc/{vmid}/firewall/rules",
    "GET /nodes/{node}/lxc/{vmid}/firewall/options",
  ],
  privileges: [
    { path: "/vms/{vmid}", any: ["VM.Audit"], when: "for guests" },
    { path: "/nodes/{node}", any: ["Sys.Audit"], when: "for nodes, and to tell what is in force" },
    { path: "/", any: ["Sys.Audit"], when: "for the cluster, and to tell what is in force" },
  ],
  async run({ vmid, name, node }, { pve, signal }) {
    const options = { signal };
    const answer = (
      of: string,
      rows: readonly Rule[],
      { policy_in, policy_out }: { policy_in?: string | undefined; policy_out?: string | undefined },
      enabled: boolean,
      more: readonly string[],
    ) => {
      const all = [...rows].sort((a, b) => (a.pos ?? 0) - (b.pos ?? 0)).map((rule) => ({
        pos: rule.pos,
        direction: rule.type,
        action: rule.action,
        match: matchOf(rule),
        off: rule.enable === 1 ? undefined : true,
        comment: textOf(rule.comment),
      }));
      const rules = pageOf(all, MOST_ROWS);
      const notes = [...(enabled ? [] : [`Not in force: the firewall of ${of} is off`]), ...more, ...left(all, rules)];
      return { of, enabled, policy_in, policy_out, rules, ...(notes.length > 0 ? { notes } : {}) };
    };
    if (vmid !== undefined || name !== undefined) {
      const guest = await findGuest(pve, { vmid, name, node }, undefined, "", options);
      const where = { node: guest.node, vmid: guest.vmid };
      const [rows, own, above] = await Promise.all([
        guest.kind === "vm"
          ? pve.call("GET /nodes/{node}/qemu/{vmid}/firewall/rules", where, options)
          : pve.call("GET /nodes/{node}/lxc/{vmid}/firewall/rules", where, options),
        guest.kind === "vm"
          ? pve.call("GET /nodes/{node}/qemu/{vmid}/firewall/options", where, options)
          : pve.call("GET /nodes/{node}/lxc/{vmid}/firewall/options", where, options),
        switchesAbove(pve, guest.node, options),
      ]);
      const off = above.filter(([, on]) => on === false).map(([what]) => what);
      const unknown = above.filter(([, on]) => on === undefined).map(([what]) => what);
      return answer(`guest ${guest.vmid}`, rows, own, own.enable === true, [
        ...(off.length > 0 ? [`Not in force: off are ${off.join(" and ")}`] : []),
        ...(unknown.length > 0 ? [`Not known, for lack of Sys.Audit: whether ${unknown.join(" and ")} is on`] : []),
        "They act on network devices with firewall=1 only",
      ]);
    }
    if (node !== undefined) {
      const [rows, own, cluster] = await Promise.all([
        pve.call("GET /nodes/{node}/firewall/rules", { node }, options),
        pve.call("GET /nodes/{node}/firewall/options", { node }, options),
        isOn(async () => ((await pve.call("GET /cluster/firewall/options", {}, options)).enable ?? 0) > 0),
      ]);
      const more = cluster === false ? ["Not in force: the cluster's firewall is off"] : [];
      return answer(`node ${node}`, rows, {}, own.enable !== false, more);
    }
    const [rows, own] = await Promise.all([
      pve.call("GET /cluster/firewall/rules", {}, options),
      pve.call("GET /cluster/firewall/options", {}, options),
    ]);
    // What holds where nothing is set.
    return answer("the cluster", rows, { policy_in: "DROP", policy_out: "ACCEPT", ...own }, (own.enable ?? 0) > 0, []);
  },
});

export const consoleUrl = defineTool({
  name: "console_url",
  title: "Address of a guest's console",
  description:
    "Tells a person the address of a VM's or container's console in PVE's web interface (noVNC). It holds no ticket: the person logs in.",
  tier: "read",
  toolset: "cluster",
  input: z.strictObject(params.guestToRead),
  output: z.object({ vmid: z.number(), url: z.string(), notes: params.notes }),
  calls: ["GET /cluster/resources"],
  privileges: [{ path: "/vms/{vmid}", any: ["VM.Audit"] }],
  async run(input, { pve, signal, server }) {
    const guest = await findGuest(pve, input, undefined, "", { signal });
    const query = new URLSearchParams({
      console: guest.kind === "vm" ? "kvm" : "lxc",
      novnc: "1",
      vmid: String(guest.vmid),
      vmname: guest.name ?? "",
      node: guest.node,
      resize: "off",
      cmd: "",
    });
    const notes = [
      ...(server.host === undefined ? ["There is no host in this demo: pve.lan stands for yours"] : []),
      ...(guest.status === "running"
        ? []
        : guest.status === "paused"
        ? ["It is paused: its screen stands still"]
        : [`It is ${guest.status ?? "not running"}: there is nothing to see yet`]),
      "The person's own account needs VM.Console",
    ];
    return { vmid: guest.vmid, url: `https://${server.host ?? "pve.lan:8006"}/?${query}`, notes };
  },
});
