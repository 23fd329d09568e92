/** The tools that find guests, and look at the cluster's health and at the server itself, over MCP. */
import assert from "node:assert/strict";
import { demoToken, largeCluster } from "../../src/sim/mod.ts";
import { demoCluster } from "../../src/sim/mod.ts";
import { type Running, serverTest } from "../helpers/server.ts";

function rows(value: unknown): Record<string, unknown>[] {
  assert.ok(Array.isArray(value));
  return value.map((row: unknown) => ({ ...Object(row) }));
}

async function vmids({ ok }: Running, args: Record<string, unknown>): Promise<unknown[]> {
  return rows((await ok("find_guest", args)).guests).map(({ vmid }) => vmid);
}

serverTest("find_guest finds by number, name, tag and address, and tells by which", {}, async (running) => {
  const { ok, simulator } = running;
  assert.deepEqual(await vmids(running, { query: "102" }), [102]);
  assert.deepEqual(await vmids(running, { query: "docker" }), [102]);
  assert.deepEqual(await vmids(running, { query: "DATA" }), [104]);
  // One name, a VM and a container: both are listed.
  assert.deepEqual(await vmids(running, { query: "test" }), [105, 203]);
  assert.deepEqual(await vmids(running, { query: "test", node: "pve3" }), []);
  assert.deepEqual(await vmids(running, { query: "monitoring" }), [204, 205]);
  const where = async (query: string) => rows((await ok("find_guest", { query })).guests).map(({ matched }) => matched);
  assert.deepEqual(await where("102"), ["vmid"]);
  assert.deepEqual(await where("network"), ["tag", "tag"]);
  // By its agent, by its interfaces, by its settings.
  assert.deepEqual(await vmids(running, { query: "192.0.2.103" }), [102]);
  assert.deepEqual(await where("192.0.2.103"), ["address: eth0 (guest agent)"]);
  assert.deepEqual(await vmids(running, { query: "192.0.2.202/24" }), [201]);
  simulator.state.guests.get(105)?.config.set("ipconfig0", "ip=198.51.100.7/24,gw=198.51.100.1,ip6=2001:DB8:0::7/64");
  assert.deepEqual(await vmids(running, { query: "198.51.100.7" }), [105]);
  assert.deepEqual(await vmids(running, { query: "2001:db8::7" }), [105]);
  assert.deepEqual(await vmids(running, { query: "198.51.100.1" }), [], "a gateway is not its own address");
  const none = await ok("find_guest", { query: "203.0.113.1" });
  const count = [...simulator.state.guests.values()].filter(({ config }) => config.get("template") !== 1).length;
  assert.match(JSON.stringify(none.notes), new RegExp(`${count} of ${count} guests; 2 of them tell no address`));
  assert.match(JSON.stringify((await ok("find_guest", { query: "nothing like it" })).notes), /None of \d+ guests/);
  assert.match(JSON.stringify((await ok("find_guest", { query: "x", node: "pve9" })).notes), /No guest is on a node/);
});

serverTest("cluster_status tells quorum and who is off", {}, async ({ ok, simulator }) => {
  const well = await ok("cluster_status");
  assert.deepEqual([well.cluster, well.quorate, rows(well.nodes).length, well.notes], ["demo", true, 3, undefined]);
  for (const name of ["pve2", "pve3"]) {
    const node = simulator.state.nodes.get(name);
    if (node !== undefined) node.online = false;
  }
  const lost = await ok("cluster_status");
  assert.equal(lost.quorate, false);
  assert.match(JSON.stringify(lost.notes), /No quorum[^]*Offline: pve2, pve3/);
  const health = await ok("health_overview");
  assert.equal(health.state, "attention");
  assert.match(JSON.stringify(health.notes), /No quorum/);
  assert.deepEqual(rows(health.nodes), [{ node: "pve2", problem: "offline" }, { node: "pve3", problem: "offline" }]);
});

serverTest("a single node has no quorum to lose", {
  simulator: {
    state: (() => {
      const state = demoCluster();
      for (const name of ["pve2", "pve3"]) state.nodes.delete(name);
      return state;
    })(),
  },
}, async ({ ok }) => {
  const alone = await ok("cluster_status");
  assert.deepEqual([alone.quorate, rows(alone.nodes).length], [undefined, 1]);
  assert.match(JSON.stringify(alone.notes), /A single node/);
});

serverTest("health_overview names what is wrong, each in its place", {}, async ({ ok, simulator }) => {
  const { state } = simulator;
  const before = await ok("health_overview");
  assert.deepEqual(rows(before.locked).map(({ vmid, lock }) => [vmid, lock]), [[108, "backup"], [109, "suspended"]]);
  // The other one that failed is a day old, to the second.
  const [failed] = rows(before.failed_tasks);
  assert.deepEqual([failed?.type, failed?.id], ["vzstart", "203"]);
  assert.deepEqual([before.storages, before.stopped_onboot, before.nodes], [[], [], []]);
  const web = state.guests.get(101);
  if (web !== undefined) web.run = undefined;
  const full = state.storages.get("nas");
  const [volume] = full?.volumes.get("")?.values() ?? [];
  if (full !== undefined && volume !== undefined) volume.used = full.total * 0.93;
  const after = await ok("health_overview");
  assert.deepEqual(rows(after.stopped_onboot).map(({ vmid, kind }) => [vmid, kind]), [[101, "VM"]]);
  assert.deepEqual(rows(after.storages).map(({ storage, node }) => [storage, node]), [["nas", "shared"]]);
  assert.match(String(rows(after.storages)[0]?.problem), /^9\d(?:\.\d)? % used$/);
});

serverTest("health_overview and find_guest ask a bounded number of questions of 10,000 guests", {
  simulator: { state: largeCluster(10_000) },
}, async ({ ok, requests }) => {
  const health = await ok("health_overview");
  assert.ok(requests.length <= 50, `${requests.length} requests`);
  assert.match(JSON.stringify(health.notes), /Of 3334 stopped guests only the first 40/);
  const before = requests.length;
  const found = await ok("find_guest", { query: "192.0.2.10" });
  assert.ok(requests.length - before <= 90, `${requests.length - before} requests`);
  assert.match(JSON.stringify(found.notes), /of 10000 guests[^]*left out: give node/);
});

serverTest("server_info tells what may be known, and no secret", {}, async ({ ok, call }) => {
  const info = await ok("server_info");
  assert.match(String(info.host), /^127\.0\.0\.1:\d+$/);
  assert.equal(info.identity, demoToken.id);
  assert.match(String(info.trust), /PROXMOX_FINGERPRINT/);
  assert.deepEqual([info.read_only, info.exec, info.toolsets], [false, false, ["core", "inside", "snapshots"]]);
  assert.match(String(info.pve_version), /^9\./);
  assert.match(String(info.guarantee), /No request that deletes/);
  assert.ok(!(await call("server_info")).text.includes(demoToken.secret));
});

serverTest("server_info answers without settings and without PVE, and says what is missing", {
  env: { PROXMOX_HOST: undefined, PROXMOX_READ_ONLY: "true" },
}, async ({ ok }) => {
  const info = await ok("server_info");
  assert.deepEqual([info.pve_version, info.host, info.read_only], [undefined, undefined, true]);
  assert.match(JSON.stringify(info.notes), /not configured yet: PROXMOX_HOST/);
});
