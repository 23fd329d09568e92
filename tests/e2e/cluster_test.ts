/** The tools of the toolset cluster, over MCP: what hosts and the cluster tell of themselves. */
import assert from "node:assert/strict";
import { demoCluster, largeCluster } from "../../src/sim/mod.ts";
import { type Running, serverTest } from "../helpers/server.ts";

const env = { PROXMOX_TOOLSETS: "cluster" };

function rows(value: unknown): Record<string, unknown>[] {
  assert.ok(Array.isArray(value));
  return value.map((row: unknown) => ({ ...Object(row) }));
}

function switchOff({ simulator }: Pick<Running, "simulator">, name: string): void {
  const node = simulator.state.nodes.get(name) ?? assert.fail(name);
  node.online = false;
}

serverTest("the toolset is off by default", {}, async ({ client }) => {
  const { tools } = await client.listTools();
  assert.ok(!tools.some(({ name }) => name === "ha_status" || name === "list_backup_jobs"));
  assert.ok(tools.some(({ name }) => name === "guest_network"));
});

serverTest("ha_status tells who is managed, and what is not as wanted", { env }, async (running) => {
  const { ok, simulator } = running;
  const well = await ok("ha_status");
  assert.deepEqual(rows(well.guests), [{ guest: "vm:101", node: "pve1", state: "started", wanted: "started" }]);
  assert.deepEqual(rows(well.manager).map(({ what }) => what), ["quorum", "master", "lrm", "lrm", "lrm", "fencing"]);
  assert.deepEqual(rows(well.rules).map(({ rule, says }) => [rule, says]), [
    ["web-nodes", "nodes=pve1:2,pve2:1 resources=vm:101 strict=0"],
    ["web-apart", "affinity=negative resources=vm:101,vm:103"],
  ]);
  const web = simulator.state.guests.get(101);
  if (web !== undefined) web.run = undefined;
  assert.match(JSON.stringify((await ok("ha_status")).notes), /Not as wanted: vm:101/);
  if (web !== undefined) web.managed = false;
  assert.match(JSON.stringify((await ok("ha_status")).notes), /No guest is managed/);
});

serverTest("list_replication tells which job fails, and why", { env }, async (running) => {
  const { ok, simulator } = running;
  const [bad, good] = rows((await ok("list_replication")).jobs);
  assert.deepEqual([good?.job, good?.vmid, good?.source, good?.target, good?.failures], [
    "105-0",
    105,
    "pve2",
    "pve1",
    undefined,
  ]);
  assert.match(String(good?.last_sync), /^20.*Z$/);
  assert.deepEqual([bad?.failures, bad?.error], [7, "command 'zfs send' failed: exit code 1"]);
  switchOff(running, "pve1");
  const silent = await ok("list_replication");
  assert.deepEqual(rows(silent.jobs).map(({ last_sync }) => last_sync === undefined), [true, false]);
  assert.match(JSON.stringify(silent.notes), /No runs from pve1/);
  simulator.state.told.clear();
  assert.match(JSON.stringify((await ok("list_replication")).notes), /No replication job is visible/);
});

serverTest("cluster_log and node_syslog show the newest lines", { env }, async ({ ok, error }) => {
  const { lines } = await ok("cluster_log", { limit: 2 });
  assert.equal(rows(lines).length, 2);
  const all = rows((await ok("cluster_log", { limit: 500 })).lines);
  assert.deepEqual(rows(lines), all.slice(0, 2), "the newest come first");
  assert.deepEqual(all.toSorted((a, b) => String(a.time) < String(b.time) ? 1 : -1), all);
  assert.ok(all.some(({ severity, message }) => severity === "error" && /job errors/.test(String(message))));

  const log = async (args: Record<string, unknown>) => {
    const answer = await ok("node_syslog", { node: "pve1", ...args });
    assert.ok(Array.isArray(answer.log));
    return { log: answer.log.map(String), notes: answer.notes };
  };
  const whole = await log({});
  assert.ok(whole.log.length > 3);
  assert.deepEqual((await log({ lines: 2 })).log, whole.log.slice(-2), "the last lines, in their order");
  const proxy = await log({ service: "pveproxy" });
  assert.deepEqual([proxy.log.length, /pveproxy\[\d+\]: starting server/.test(proxy.log[0] ?? "")], [1, true]);
  const none = await log({ since: "2099-01-01 12:00" });
  assert.deepEqual([none.log, none.notes], [[], ["No lines match"]]);
  assert.match(await error("node_syslog", { node: "pve1", since: "yesterday" }), /since/);
  assert.match(await error("node_syslog", { node: "pve9" }), /The nodes are pve1, pve2, pve3/);
});

serverTest("list_pools tells members", { env }, async ({ ok, error }) => {
  const { pools } = await ok("list_pools");
  assert.deepEqual(rows(pools), [{ pool: "prod", comment: "Production", guests: "101,102,103,104,108,201,202" }]);
  assert.deepEqual((await ok("list_pools", { pool: "prod" })).pools, pools);
  assert.match(await error("list_pools", { pool: "nope" }), /pool 'nope' does not exist/);
});

serverTest("list_networks tells bridges of one node or all", { env }, async (running) => {
  const { ok, error } = running;
  const one = rows((await ok("list_networks", { node: "pve2" })).networks);
  assert.deepEqual(one.map(({ node, interface: name, type, ports }) => [node, name, type, ports]), [
    ["pve2", "eno1", "eth", undefined],
    ["pve2", "vmbr0", "bridge", "eno1"],
    ["pve2", "vmbr1", "bridge", undefined],
  ]);
  assert.equal(rows((await ok("list_networks")).networks).length, 9);
  assert.match(await error("list_networks", { node: "pve9" }), /The nodes are pve1, pve2, pve3/);
  switchOff(running, "pve3");
  assert.equal(rows((await ok("list_networks")).networks).length, 6);
});

serverTest("list_firewall_rules tells rules, and whether they are in force", { env }, async (running) => {
  const { ok, simulator } = running;
  const guest = await ok("list_firewall_rules", { name: "web-01" });
  assert.deepEqual([guest.of, guest.enabled, guest.policy_in], ["guest 101", true, "DROP"]);
  assert.deepEqual(rows(guest.rules).map(({ action, match, off }) => [action, match, off]), [
    ["ACCEPT", "macro Web", undefined],
    ["ACCEPT", "proto tcp, port 22", true],
    ["monitoring", "", undefined],
  ]);
  assert.deepEqual(guest.notes, ["They act on network devices with firewall=1 only"]);
  assert.match(
    JSON.stringify((await ok("list_firewall_rules", { vmid: 200 })).notes),
    /the firewall of guest 200 is off/,
  );
  const cluster = await ok("list_firewall_rules");
  assert.deepEqual([cluster.of, cluster.enabled, cluster.policy_out], ["the cluster", true, "ACCEPT"]);
  assert.deepEqual(rows(cluster.rules)[0]?.match, "proto tcp, from 192.0.2.0/24, port 22,8006");
  const node = await ok("list_firewall_rules", { node: "pve1" });
  assert.deepEqual([node.of, node.enabled, node.rules], ["node pve1", true, []]);
  simulator.state.told.set("firewall options cluster", [{ enable: 0 }]);
  simulator.state.told.set("firewall options pve1", [{ enable: 0 }]);
  assert.match(
    JSON.stringify((await ok("list_firewall_rules", { vmid: 101 })).notes),
    /Not in force: off are the cluster's firewall and that of pve1/,
  );
  assert.match(
    JSON.stringify((await ok("list_firewall_rules", { node: "pve2" })).notes),
    /the cluster's firewall is off/,
  );
});

serverTest("services, updates, disks, ZFS and Ceph: what is ill is named", { env }, async (running) => {
  const { ok, error, simulator } = running;
  const hidden = await ok("node_updates", { node: "pve1" });
  assert.deepEqual([hidden.updates, hidden.total], [undefined, undefined]);
  assert.match(JSON.stringify(hidden.notes), /Not known: [^]*Sys\.Modify/);
  const { roles } = simulator.state.access;
  roles.set("PVEAdmin", new Set([...roles.get("PVEAdmin") ?? [], "Sys.Modify"]));
  const services = await ok("node_services", { node: "pve3" });
  assert.deepEqual(services.notes, ["Failed: chrony"]);
  const names = rows(services.services).map(({ service }) => service);
  assert.ok(names.includes("pveproxy") && !names.includes("systemd-timesyncd"), "what is not installed is left out");
  const updates = await ok("node_updates", { node: "pve1", limit: 1 });
  assert.deepEqual([updates.total, updates.notes], [2, ["1 more: raise limit"]]);
  assert.deepEqual(rows(updates.updates), [
    { package: "openssl", installed: "3.5.1-1", available: "3.5.1-1+deb13u1", origin: "Debian" },
  ]);
  const disks = await ok("list_disks", { node: "pve3" });
  assert.deepEqual(rows(disks.disks).map(({ device, wear_percent, health }) => [device, wear_percent, health]), [
    ["/dev/nvme0n1", 91, "PASSED"],
    ["/dev/sda", undefined, "PASSED"],
  ]);
  assert.deepEqual(disks.notes, ["Nearly worn out: /dev/nvme0n1"]);
  const zfs = await ok("zfs_status", { node: "pve1" });
  assert.deepEqual(rows(zfs.pools).map(({ pool, health, used_percent }) => [pool, health, used_percent]), [
    ["tank", "DEGRADED", 32.3],
  ]);
  assert.match(JSON.stringify(zfs.notes), /Not healthy: tank/);
  assert.deepEqual((await ok("zfs_status", { node: "pve2" })).notes, ["The node has no ZFS pool"]);
  const ceph = await ok("ceph_status");
  assert.deepEqual([ceph.health, ceph.osds, ceph.monitors, ceph.used_percent], [
    "HEALTH_WARN",
    "6 up and 6 in, of 6",
    "3 of 3 in quorum",
    51.7,
  ]);
  assert.deepEqual(rows(ceph.warnings), [
    { check: "OSD_NEARFULL", severity: "HEALTH_WARN", message: "1 nearfull osd(s)" },
  ]);
  for (const tool of ["node_services", "node_updates", "list_disks", "zfs_status"]) {
    assert.match(await error(tool, { node: "pve9" }), /The nodes are pve1, pve2, pve3/, tool);
  }
});

serverTest(
  "a cluster without Ceph has none, which is no error",
  { env, simulator: { state: largeCluster(4) } },
  async ({ ok }) => {
    const ceph = await ok("ceph_status");
    assert.equal(ceph.health, "absent");
    assert.match(JSON.stringify(ceph.notes), /no Ceph of its own: binary not installed/);
  },
);

serverTest(
  "console_url gives an address without a ticket",
  { env, simulator: { state: demoCluster() } },
  async (running) => {
    const { ok } = running;
    const { url, notes } = await ok("console_url", { vmid: 102 });
    const address = new URL(String(url));
    assert.match(address.origin, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.deepEqual(Object.fromEntries(address.searchParams), {
      console: "kvm",
      novnc: "1",
      vmid: "102",
      vmname: "docker",
      node: "pve1",
      resize: "off",
      cmd: "",
    });
    assert.deepEqual(notes, ["The person's own account needs VM.Console"]);
    const off = await ok("console_url", { vmid: 203 });
    assert.match(String(off.url), /console=lxc/);
    assert.match(JSON.stringify(off.notes), /It is stopped: there is nothing to see yet/);
  },
);
