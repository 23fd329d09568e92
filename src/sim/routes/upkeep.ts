/** Logs, services, updates, disks, ZFS and Ceph: what a host tells of itself. Shapes as captured 025, 037, 041, 042, 081. */
import { die } from "../failure.ts";
import type { State, Task } from "../state.ts";
import { type Route, Total, word } from "./context.ts";

function who(task: Task): string {
  return task.token === undefined ? task.user : `${task.user}!${task.token}`;
}

/** Each task's start and end, newest first. Without Sys.Syslog on / only one's own. */
export const clusterLog: Route<"GET /cluster/log"> = ({ state, rights, identity }, { max }) => {
  const all = rights.can("/", ["Sys.Syslog"]);
  const lines = [...state.tasks.values()].filter(({ user }) => all || user === identity.user).flatMap((task) => {
    const line = (time: number, msg: string, pri: number) => ({
      time,
      msg,
      pri,
      node: task.node,
      pid: task.pid,
      tag: "pvedaemon",
      user: who(task),
    });
    return [
      line(task.start, `starting task ${task.upid}`, 6),
      ...(task.status === undefined
        ? []
        : [line(Math.floor(task.ends / 1000), `end task ${task.upid} ${task.status}`, task.status === "OK" ? 6 : 3)]),
    ];
  }).sort((a, b) => a.time - b.time);
  return lines.map((line, index) => ({ ...line, uid: String(index + 1), id: `${index + 1}:${line.node}` })).reverse()
    .slice(0, max ?? 50);
};

const UNITS: readonly (readonly [string, string])[] = [
  ["chrony", "chrony, an NTP client/server"],
  ["corosync", "Corosync Cluster Engine"],
  ["cron", "Regular background program processing daemon"],
  ["ksmtuned", "Kernel Samepage Merging (KSM) Tuning Daemon"],
  ["lxcfs", "FUSE filesystem for LXC"],
  ["postfix", "Postfix Mail Transport Agent"],
  ["pve-cluster", "The Proxmox VE cluster filesystem"],
  ["pve-firewall", "Proxmox VE firewall"],
  ["pve-ha-crm", "PVE Cluster HA Resource Manager Daemon"],
  ["pve-ha-lrm", "PVE Local HA Resource Manager Daemon"],
  ["pvedaemon", "PVE API Daemon"],
  ["pveproxy", "PVE API Proxy Server"],
  ["pvescheduler", "Proxmox VE scheduler"],
  ["pvestatd", "PVE Status Daemon"],
  ["spiceproxy", "PVE SPICE Proxy Server"],
  ["sshd", "OpenBSD Secure Shell server"],
  ["systemd-timesyncd", "systemd-timesyncd.service"],
];

/** Services that are not installed are in the list, too (captured 037). */
export const services: Route<"GET /nodes/{node}/services"> = ({ state }, { node }) =>
  UNITS.map(([name, desc]) => {
    const absent = name === "systemd-timesyncd";
    const failed = state.told.get(`failed services ${node}`)?.some((row) => row.service === name) === true;
    return {
      name,
      service: name,
      desc,
      state: absent ? "dead" : failed ? "failed" : "running",
      "active-state": absent ? "inactive" : failed ? "failed" : "active",
      "unit-state": absent ? "not-found" : "enabled",
    };
  });

export const updates: Route<"GET /nodes/{node}/apt/update"> = ({ state }, { node }) =>
  state.told.get(`updates ${node}`) ?? [];

/** As journald prints it, in UTC. */
function stampOf(milliseconds: number): string {
  const [, day, month, , time] = new Date(milliseconds).toUTCString().split(" ");
  return `${month} ${day} ${time}`;
}

/** What pvedaemon writes to a node's journal about tasks, in order. */
function journal(state: State, node: string): { readonly time: number; readonly t: string }[] {
  const line = (time: number, what: string) => ({ time, t: `${stampOf(time)} ${node} ${what}` });
  const node_ = state.nodes.get(node);
  return [
    line(node_?.booted ?? 0, "kernel: Linux version 6.17.2-1-pve"),
    line((node_?.booted ?? 0) + 20_000, "pveproxy[1402]: starting server"),
    ...[...state.tasks.values()].filter((task) => task.node === node).flatMap((task) => [
      line(task.start * 1000, `pvedaemon[${task.pid}]: <${who(task)}> starting task ${task.upid}`),
      ...(task.status === undefined
        ? []
        : [line(task.ends, `pvedaemon[${task.pid}]: <${who(task)}> end task ${task.upid} ${task.status}`)]),
    ]),
  ].sort((a, b) => a.time - b.time);
}

/** Counted from 1, the total beside the rows (captured 081). */
export const syslog: Route<"GET /nodes/{node}/syslog"> = ({ state }, { node, start, limit, since, service }) => {
  const [from, unit] = [word(since), word(service)];
  const after = from === undefined ? 0 : Date.parse(`${from.replace(" ", "T")}${from.includes(" ") ? "" : "T00:00"}Z`);
  const lines = journal(state, node).filter(({ time, t }) =>
    time >= after && (unit === undefined || t.includes(` ${unit}[`) || t.includes(` ${unit}:`))
  );
  const first = start ?? 0;
  const rows = lines.slice(first, first + (limit ?? 50)).map(({ t }, index) => ({ n: first + index + 1, t }));
  // PVE never answers with an empty list here.
  return new Total(rows.length > 0 ? rows : [{ n: 1, t: "no content" }], lines.length);
};

export const disks: Route<"GET /nodes/{node}/disks/list"> = ({ state }, { node }) =>
  state.told.get(`disks ${node}`) ?? [];

export const zfs: Route<"GET /nodes/{node}/disks/zfs"> = ({ state }, { node }) => state.told.get(`zfs ${node}`) ?? [];

/** In the words of PVE's Ceph tools where it is not there. */
export const ceph: Route<"GET /cluster/ceph/status"> = ({ state }) => {
  const [found] = state.told.get("ceph") ?? [];
  if (found === undefined) die("binary not installed: /usr/bin/ceph-mon");
  return found;
};
