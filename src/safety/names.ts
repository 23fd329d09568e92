/** What must be true of every tool before the server starts: no destructive name, no call outside the catalogue. */
import type { Tool } from "../tool.ts";
import type { Call } from "./catalogue.ts";
import { isCall } from "./gate.ts";
import { ENTERING } from "./policy.ts";

/** Verbs that no tool's name may hold: what they do is for humans. */
export const DESTRUCTIVE_VERBS = [
  "clear",
  "delete",
  "deallocate",
  "destroy",
  "detach",
  "discard",
  "drop",
  "erase",
  "format",
  "free",
  "kill",
  "nuke",
  "overwrite",
  "prune",
  "purge",
  "remove",
  "reset",
  "restore",
  "revert",
  "rm",
  "rollback",
  "shrink",
  "terminate",
  "trash",
  "trim",
  "truncate",
  "uninstall",
  "unlink",
  "wipe",
  "zap",
] as const;

/**
 * All that a tool of tier read may declare. Other GETs are no mere reads: they scan networks, contact other hosts, or open
 * files inside guests. What is added to the catalogue is not here until somebody adds it.
 */
const READS: readonly Call[] = [
  "GET /version",
  "GET /nodes",
  "GET /nodes/{node}/status",
  "GET /nodes/{node}/network",
  "GET /access/permissions",
  "GET /cluster/resources",
  "GET /cluster/status",
  "GET /cluster/nextid",
  "GET /nodes/{node}/qemu",
  "GET /nodes/{node}/lxc",
  "GET /nodes/{node}/qemu/{vmid}/status/current",
  "GET /nodes/{node}/lxc/{vmid}/status/current",
  "GET /nodes/{node}/qemu/{vmid}/config",
  "GET /nodes/{node}/lxc/{vmid}/config",
  "GET /nodes/{node}/qemu/{vmid}/pending",
  "GET /nodes/{node}/lxc/{vmid}/pending",
  "GET /nodes/{node}/aplinfo",
  // Its tool takes the password's hash out.
  "GET /nodes/{node}/qemu/{vmid}/cloudinit/dump",
  "GET /nodes/{node}/storage",
  "GET /nodes/{node}/storage/{storage}/content",
  "GET /nodes/{node}/lxc/{vmid}/interfaces",
  // The questions that are put to a guest's own system: what it is, and what it has.
  "GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces",
  "GET /nodes/{node}/qemu/{vmid}/agent/get-osinfo",
  "GET /nodes/{node}/qemu/{vmid}/agent/get-host-name",
  "GET /nodes/{node}/qemu/{vmid}/agent/get-fsinfo",
  "GET /nodes/{node}/rrddata",
  "GET /nodes/{node}/qemu/{vmid}/rrddata",
  "GET /nodes/{node}/lxc/{vmid}/rrddata",
  "GET /nodes/{node}/qemu/{vmid}/snapshot",
  "GET /nodes/{node}/lxc/{vmid}/snapshot",
  "GET /cluster/backup",
  "GET /cluster/backup-info/not-backed-up",
  "GET /nodes/{node}/vzdump/extractconfig",
  "GET /nodes/{node}/qemu/{vmid}/migrate",
  "GET /cluster/ha/status/current",
  "GET /cluster/ha/rules",
  "GET /cluster/ha/groups",
  "GET /cluster/replication",
  "GET /nodes/{node}/replication",
  "GET /cluster/log",
  "GET /pools",
  "GET /cluster/firewall/rules",
  "GET /cluster/firewall/options",
  "GET /nodes/{node}/firewall/rules",
  "GET /nodes/{node}/firewall/options",
  "GET /nodes/{node}/qemu/{vmid}/firewall/rules",
  "GET /nodes/{node}/qemu/{vmid}/firewall/options",
  "GET /nodes/{node}/lxc/{vmid}/firewall/rules",
  "GET /nodes/{node}/lxc/{vmid}/firewall/options",
  "GET /nodes/{node}/services",
  "GET /nodes/{node}/apt/update",
  "GET /nodes/{node}/syslog",
  "GET /nodes/{node}/disks/list",
  "GET /nodes/{node}/disks/zfs",
  "GET /cluster/ceph/status",
  "GET /nodes/{node}/tasks",
  "GET /nodes/{node}/tasks/{upid}/status",
  "GET /nodes/{node}/tasks/{upid}/log",
];

/** Whether all that a tool writes is a restore into a number that is free: then it may be called by what it does. */
function onlyRestores({ calls }: Pick<Tool, "calls">): boolean {
  const writes = calls.filter((call) => !call.startsWith("GET "));
  return writes.length > 0 && writes.every((call) => call.endsWith(" (restore)"));
}

/**
 * What is wrong with a list of tools, one sentence each; none where the server may start.
 */
export function faultsOf(tools: readonly Pick<Tool, "name" | "toolset" | "title" | "tier" | "calls">[]): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const tool of tools) {
    if (seen.has(tool.name)) faults.push(`Two tools are called ${tool.name}`);
    seen.add(tool.name);
    const words = `${tool.name} ${tool.title}`.toLowerCase().split(/[^a-z]+/);
    const verb = DESTRUCTIVE_VERBS.find((verb) => words.includes(verb) && !(verb === "restore" && onlyRestores(tool)));
    if (verb !== undefined) faults.push(`Tool ${tool.name} has the destructive verb "${verb}" in its name or title`);
    if ((tool.tier === "exec") !== (tool.toolset === "exec")) {
      faults.push(`Tool ${tool.name} is of one of tier exec and toolset exec, and not of the other`);
    }
    for (const call of tool.calls) {
      if (tool.tier !== "exec" && ENTERING.includes(call)) {
        faults.push(`Tool ${tool.name} is of tier ${tool.tier} and declares ${call}`);
      }
      if (!isCall(call)) faults.push(`Tool ${tool.name} declares ${String(call)}, which is not in the catalogue`);
      else if (tool.tier === "read" && !READS.includes(call)) {
        faults.push(`Tool ${tool.name} is of tier read and declares ${call}`);
      }
    }
  }
  return faults;
}
