/** Guests, nodes and storages as PVE's lists show them; fields are absent where PVE leaves them out. */
import { cpusOf, memoryOf } from "./config.ts";
import { parseSize } from "./disks.ts";
import {
  type ClusterNode,
  type Guest,
  isTemplate,
  number,
  type Pool,
  type State,
  type Storage,
  text,
  volumesOf,
} from "./state.ts";

type Row = Record<string, unknown>;

/** A number between 0 and 1 that looks alive and is the same for the same guest and minute. */
function wobble(seed: number, now: number): number {
  const x = Math.sin(seed * 12.9898 + Math.floor(now / 60_000) * 0.37) * 43_758.5453;
  return x - Math.floor(x);
}

/** Its name, or the one PVE makes up. */
export function nameOf(guest: Guest): string {
  const name = text(guest.config, guest.kind === "qemu" ? "name" : "hostname");
  return name ?? (guest.kind === "qemu" ? `VM ${guest.vmid}` : `CT${guest.vmid}`); // captured 480
}

/** Size of the disk it boots from; read with a pattern, as lists of thousands of guests ask for it. */
export function diskSizeOf(guest: Guest): number {
  const order = guest.kind === "lxc"
    ? ["rootfs"]
    : /^order=(.*)$/.exec(text(guest.config, "boot") ?? "")?.[1]?.split(";");
  for (const option of order ?? []) {
    const value = text(guest.config, option) ?? "";
    const size = value.includes("media=cdrom") ? undefined : /,size=(\d+[KMGT]?)(?:,|$)/.exec(value)?.[1];
    if (size !== undefined) return parseSize(size) ?? 0;
  }
  return 0;
}

/** What a guest uses at this moment. */
function usage(guest: Guest, now: number) {
  const maxmem = memoryOf(guest.config);
  if (guest.run === undefined) return { cpu: 0, mem: 0, uptime: 0, netin: 0, netout: 0, diskread: 0, diskwrite: 0 };
  const uptime = Math.max(1, Math.floor((now - guest.run.since) / 1000));
  const busy = guest.run.paused ? 0 : wobble(guest.vmid, now) * 0.3;
  return {
    cpu: busy,
    mem: Math.round(maxmem * (0.35 + 0.4 * wobble(guest.vmid + 7, 0))),
    uptime,
    netin: uptime * 900 * (guest.vmid % 17),
    netout: uptime * 400 * (guest.vmid % 13),
    diskread: uptime * 1200,
    diskwrite: uptime * 2100,
  };
}

const PRESSURE = [
  "pressurecpusome",
  "pressurecpufull",
  "pressureiosome",
  "pressureiofull",
  "pressurememorysome",
  "pressurememoryfull",
];

/** A row of /qemu, /lxc or status/current without `ha`. */
export function guestRow(guest: Guest, host: ClusterNode | undefined, now: number, full: boolean): Row {
  const used = usage(guest, now);
  const maxmem = memoryOf(guest.config);
  const row: Row = {
    vmid: guest.vmid,
    name: nameOf(guest),
    status: guest.run === undefined ? "stopped" : "running",
    cpu: used.cpu,
    cpus: cpusOf(guest, host?.cpus ?? 1),
    mem: used.mem,
    maxmem,
    disk: guest.kind === "lxc" && guest.run !== undefined ? Math.round(diskSizeOf(guest) * 0.3) : 0,
    // A running container reports its file system, which is smaller than the volume (captured 325).
    maxdisk: Math.round(diskSizeOf(guest) * (guest.kind === "lxc" && guest.run !== undefined ? 0.9506 : 1)),
    netin: used.netin,
    netout: used.netout,
    uptime: used.uptime,
  };
  for (const option of ["tags", "lock"]) {
    const value = text(guest.config, option);
    if (value !== undefined && value !== "") row[option] = value;
  }
  if (isTemplate(guest)) row.template = 1;
  if (guest.kind === "lxc") {
    Object.assign(row, {
      type: "lxc",
      swap: 0,
      maxswap: number(guest.config, "swap", 512) * 1024 * 1024,
      diskread: used.diskread,
      diskwrite: used.diskwrite,
    });
  } else {
    row.memhost = used.mem;
    if (full) row.qmpstatus = guest.run === undefined ? "stopped" : guest.run.paused ? "paused" : "running";
  }
  if (guest.run !== undefined) {
    row.pid = guest.run.pid;
    // Texts for containers, numbers for VMs (captured 187, 325).
    for (const key of PRESSURE) row[key] = guest.kind === "lxc" ? "0.00" : 0;
    if (guest.kind === "qemu") {
      const nics: Row = {};
      for (const option of guest.config.keys()) {
        const n = /^net(\d+)$/.exec(option)?.[1];
        if (n !== undefined) nics[`tap${guest.vmid}i${n}`] = { netin: used.netin, netout: used.netout };
      }
      if (Object.keys(nics).length > 0) row.nics = nics;
    }
  }
  return row;
}

/** A row of /cluster/resources; a guest that is being made has no figures yet (captured 480). */
export function guestResource(guest: Guest, host: ClusterNode | undefined, pool: Pool | undefined, now: number): Row {
  const lock = text(guest.config, "lock");
  const tags = text(guest.config, "tags");
  const row: Row = { id: `${guest.kind}/${guest.vmid}`, type: guest.kind, vmid: guest.vmid, node: guest.node };
  if (pool !== undefined) row.pool = pool.id;
  if (lock !== undefined) row.lock = lock;
  if (tags !== undefined && tags !== "") row.tags = tags;
  if (guest.managed) row.hastate = guest.run === undefined ? "stopped" : "started";
  if (lock === "create" || lock === "clone") return { ...row, status: "unknown" };
  const used = usage(guest, now);
  return {
    ...row,
    name: nameOf(guest),
    // What QEMU says, where it says something (pvestatd), unlike in status/current.
    status: guest.run === undefined ? "stopped" : guest.run.paused ? "paused" : "running",
    template: isTemplate(guest) ? 1 : 0,
    cpu: used.cpu,
    maxcpu: cpusOf(guest, host?.cpus ?? 1),
    mem: used.mem,
    memhost: used.mem,
    maxmem: memoryOf(guest.config),
    disk: 0,
    maxdisk: diskSizeOf(guest),
    diskread: used.diskread,
    diskwrite: used.diskwrite,
    netin: used.netin,
    netout: used.netout,
    uptime: used.uptime,
  };
}

/** A node as /nodes and /cluster/resources share it; figures only for those who may see them (captured 085). */
export function nodeRow(node: ClusterNode, now: number, audit: boolean): Row {
  const row: Row = {
    id: `node/${node.name}`,
    node: node.name,
    type: "node",
    status: node.online ? "online" : "offline",
    level: "",
  };
  if (!audit || !node.online) return row;
  return {
    ...row,
    cpu: 0.05 + 0.1 * wobble(node.name.length + node.cpus, now),
    maxcpu: node.cpus,
    mem: Math.round(node.memory * 0.61),
    maxmem: node.memory,
    disk: Math.round(node.disk * 0.27),
    maxdisk: node.disk,
    uptime: Math.floor((now - node.booted) / 1000),
  };
}

/** Bytes in use on a storage, what the node's system needs on it included. */
export function usedOn(storage: Storage, node: string): number {
  let used = storage.type === "dir" ? Math.round(storage.total * 0.08) : 0;
  for (const volume of volumesOf(storage, node).values()) used += volume.used;
  return Math.min(used, storage.total);
}

/** A storage as /cluster/resources shows it, once per node. */
export function storageResource(state: State, storage: Storage, node: string): Row {
  const home = state.nodes.get(node);
  return {
    id: `storage/${node}/${storage.id}`,
    type: "storage",
    storage: storage.id,
    node,
    status: home?.online === true && home.statisticsHang !== true ? "available" : "unknown",
    plugintype: storage.type,
    content: [...storage.content].join(","),
    shared: storage.shared ? 1 : 0,
    disk: usedOn(storage, node),
    maxdisk: storage.total,
  };
}
