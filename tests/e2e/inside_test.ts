/** The tools that look inside guests and at their load, snapshots and backups, over MCP. */
import assert from "node:assert/strict";
import { demoToken } from "../../src/sim/mod.ts";
import { type Running, serverTest } from "../helpers/server.ts";

function rows(value: unknown): Record<string, unknown>[] {
  assert.ok(Array.isArray(value));
  return value.map((row: unknown) => ({ ...Object(row) }));
}

function guestOf({ simulator }: Pick<Running, "simulator">, vmid: number) {
  return simulator.state.guests.get(vmid) ?? assert.fail(`no guest ${vmid}`);
}

/** The demo's guests but for templates. */
function machines({ state }: Running["simulator"]): number[] {
  return [...state.guests.values()].filter(({ config }) => config.get("template") !== 1).map(({ vmid }) => vmid);
}

serverTest("guest_network tells addresses, and from where it has them", {}, async (running) => {
  const { ok, error } = running;
  const vm = await ok("guest_network", { vmid: 102 });
  assert.deepEqual([vm.source, vm.notes], ["agent", undefined]);
  const [eth0, more] = rows(vm.interfaces);
  assert.deepEqual([eth0?.interface, more], ["eth0", undefined], "loopback is left out");
  assert.match(JSON.stringify(eth0?.addresses), /^\["192\.0\.2\.103\/24","fe80::/);
  assert.match(String(eth0?.mac), /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  const container = await ok("guest_network", { name: "proxy" });
  assert.deepEqual([container.source, rows(container.interfaces)[0]?.addresses], ["interfaces", ["192.0.2.202/24"]]);
  // Off: only what is set.
  guestOf(running, 105).config.set("ipconfig0", "ip=198.51.100.7/24,gw=198.51.100.1,ip6=2001:db8::7/64");
  const off = await ok("guest_network", { vmid: 105 });
  assert.deepEqual([off.source, rows(off.interfaces)[0]?.addresses], ["config", ["198.51.100.7/24", "2001:db8::7/64"]]);
  assert.match(JSON.stringify(off.notes), /Only its settings are known\. It is stopped/);
  const dhcp = await ok("guest_network", { vmid: 203 });
  assert.deepEqual([dhcp.source, rows(dhcp.interfaces)[0]?.addresses], ["config", ["dhcp"]]);
  assert.match(JSON.stringify(dhcp.notes), /gets one by DHCP/);
  guestOf(running, 102).cooperates = false;
  const silent = await ok("guest_network", { vmid: 102 });
  assert.equal(silent.source, "config");
  assert.match(JSON.stringify(silent.notes), /guest agent is not running[^]*qemu-guest-agent/);
  assert.match(JSON.stringify((await ok("guest_network", { vmid: 107 })).notes), /agent is off in its settings/);
  assert.match(await error("guest_network", { name: "test" }), /2 guests are called "test"/);
  assert.match(await error("guest_network", { vmid: 999 }), /No guest 999 is visible/);
  assert.match(await error("guest_network", {}), /Neither vmid nor name/);
});

serverTest("guest_agent_info tells the system inside, and the states of the agent apart", {}, async (running) => {
  const { ok, error } = running;
  const told = await ok("guest_agent_info", { vmid: 102 });
  assert.deepEqual([told.agent, told.hostname, told.os], ["running", "docker", "Debian GNU/Linux 13 (trixie)"]);
  const [root] = rows(told.file_systems);
  assert.deepEqual([root?.mountpoint, root?.type, root?.size_gib], ["/", "ext4", 60.16]);
  const state = async (vmid: number) => {
    const { agent, notes } = await ok("guest_agent_info", { vmid });
    return [agent, JSON.stringify(notes)] as const;
  };
  const [off, why] = await state(107);
  assert.equal(off, "off");
  assert.match(why, /set_vm_config \(agent: true\), then stop and start/);
  guestOf(running, 105).config.set("agent", "enabled=1");
  assert.deepEqual(await state(105), ["stopped", '["The VM is stopped: start_vm starts it"]']);
  guestOf(running, 102).cooperates = false;
  const [silent, remedy] = await state(102);
  assert.equal(silent, "silent");
  assert.match(remedy, /qemu-guest-agent has to be installed and running/);
  assert.match(await error("guest_agent_info", { vmid: 200 }), /200 "dns" is a container[^]*guest_network/);
});

serverTest("a token without the agent's privilege hears of the network what the settings say", {}, async (running) => {
  const { ok, error, simulator } = running;
  for (const role of simulator.state.access.roles.keys()) {
    const privileges = new Set(simulator.state.access.roles.get(role));
    for (const one of [...privileges]) if (one.startsWith("VM.GuestAgent")) privileges.delete(one);
    simulator.state.access.roles.set(role, privileges);
  }
  const network = await ok("guest_network", { vmid: 102 });
  assert.equal(network.source, "config");
  assert.match(JSON.stringify(network.notes), /VM\.GuestAgent/);
  assert.match(await error("guest_agent_info", { vmid: 102 }), /grant one of VM\.GuestAgent/);
});

serverTest("metrics come as few figures, for each timeframe", {}, async (running) => {
  const { ok, error, simulator, call } = running;
  for (const timeframe of ["hour", "day", "week", "month", "year"]) {
    const guest = await ok("guest_metrics", { vmid: 102, timeframe });
    assert.match(String(guest.period), /^20.*Z to 20.*Z, (?:1 min|30 min|6 h) each$/);
    const metrics = rows(guest.metrics);
    assert.deepEqual(metrics.slice(0, 2).map(({ metric, unit }) => [metric, unit]), [["cpu", "%"], ["memory", "%"]]);
    for (const { min, mean, max, last, course, trend } of metrics) {
      const [least, middle, most, now] = [Number(min), Number(mean), Number(max), Number(last)];
      assert.ok(least <= middle && middle <= most && least <= now && now <= most, JSON.stringify(metrics));
      assert.match(String(course), /^[▁▂▃▄▅▆▇█·]{20}$/);
      assert.match(String(trend), /^(?:rising|falling|steady)$/);
    }
    const node = await ok("node_metrics", { node: "pve1", timeframe });
    assert.ok(rows(node.metrics).some(({ metric }) => metric === "load"));
  }
  assert.ok((await call("guest_metrics", { vmid: 102, timeframe: "year" })).text.length < 1600);
  // It has run for 20 hours of the day.
  const young = await ok("guest_metrics", { vmid: 107 });
  assert.match(JSON.stringify(young.notes), /No figures for \d+ of 1440 moments/);
  assert.match(String(rows(young.metrics)[0]?.course), /^···[^·]+$/);
  const off = await ok("guest_metrics", { vmid: 105 });
  assert.deepEqual(off.metrics, []);
  assert.match(JSON.stringify(off.notes), /no figures for this time: the guest was off/);
  const container = rows((await ok("guest_metrics", { name: "nextcloud" })).metrics).map(({ metric }) => metric);
  assert.ok(container.includes("disk used"), JSON.stringify(container));
  assert.match(await error("node_metrics", { node: "pve9" }), /pve9[^]*The nodes are pve1, pve2, pve3/);
  assert.match(await error("node_metrics", { node: "pve1", timeframe: "decade" }), /timeframe/);
  const node = simulator.state.nodes.get("pve3");
  assert.ok(node !== undefined);
  simulator.state.nodes.set("pve3", { ...node, booted: simulator.now() });
  assert.match(JSON.stringify((await ok("node_metrics", { node: "pve3" })).notes), /the node was off, or is new/);
});

serverTest("list_snapshots lists a tree, and not the present state", {}, async (running) => {
  const { ok } = running;
  const one = await ok("list_snapshots", { vmid: 102 });
  assert.deepEqual(rows(one.snapshots).map(({ name, now_here }) => [name, now_here]), [["before-upgrade", true]]);
  const guest = guestOf(running, 102);
  const add = (name: string, time: number, parent: string | undefined, vmstate?: string) =>
    guest.snapshots.set(name, { name, description: `of ${name}\n`, time, parent, config: guest.config, vmstate });
  guest.snapshots.clear();
  add("b2", 500, "a");
  add("a", 100, undefined);
  add("b1", 200, "a", "local-lvm:vm-102-state-b1");
  add("c", 300, "b1");
  add("other", 150, "gone");
  guest.parent = "c";
  const tree = rows((await ok("list_snapshots", { vmid: 102 })).snapshots);
  assert.deepEqual(tree.map(({ name }) => name), ["a", "b1", "c", "b2", "other"]);
  assert.deepEqual(tree.find(({ name }) => name === "b1"), {
    name: "b1",
    taken: "1970-01-01T00:03:20Z",
    parent: "a",
    memory: true,
    description: "of b1",
  });
  assert.deepEqual(tree.filter(({ now_here }) => now_here === true).map(({ name }) => name), ["c"]);
  const none = await ok("list_snapshots", { vmid: 200 });
  assert.deepEqual([none.snapshots, none.notes], [[], ["It has no snapshots"]]);
});

serverTest("list_backups finds the guests without a backup", {}, async (running) => {
  const { ok, simulator } = running;
  const all = await ok("list_backups");
  const line = rows(all.guests).find(({ vmid }) => vmid === 102);
  assert.deepEqual([line?.name, line?.backups, line?.protected, line?.storages], ["docker", 4, 1, "nas"]);
  assert.equal(Math.round(Number(line?.age_days)), 1);
  const bare = rows(all.without).map(({ vmid }) => vmid);
  const saved = new Set([100, 101, 102, 104, 202]);
  const expected = machines(simulator).filter((vmid) => !saved.has(vmid)).sort((a, b) => a - b);
  assert.deepEqual(bare, expected, "templates are not named");
  assert.match(JSON.stringify(all.notes), /1 of these numbers has backups and no guest/);
  const one = await ok("list_backups", { vmid: 100 });
  assert.equal(rows(one.backups).length, 3);
  assert.match(String(rows(one.backups)[0]?.volid), /^local:backup\/vzdump-qemu-100-/);
  assert.deepEqual([rows(one.guests).length, one.without], [1, []]);
  const here = await ok("list_backups", { node: "pve3" });
  assert.deepEqual(rows(here.without).map(({ vmid }) => vmid), [106, 107, 108, 109, 204, 205]);
  // A storage that does not answer may hold what is missing.
  const pve2 = simulator.state.nodes.get("pve2");
  assert.ok(pve2 !== undefined);
  pve2.statisticsHang = true;
  const unsure = await ok("list_backups");
  assert.deepEqual(unsure.without, []);
  assert.match(JSON.stringify(unsure.notes), /guests without a backup are not named[^]*pve2\/local/);
});

serverTest("list_backups finds what a guest has left behind on the node where it was", {
  env: { PROXMOX_TOOLSETS: "default,grow" },
}, async (running) => {
  const { ok, error } = running;
  await ok("create_backup", { vmid: 103, storage: "local" });
  await ok("migrate_vm", { vmid: 103, target: "pve2" });
  const there = await ok("list_backups", { node: "pve2" });
  assert.deepEqual(rows(there.guests).map(({ vmid }) => vmid).filter((vmid) => vmid === 103), [103]);
  assert.ok(rows(there.without).length > 0 && rows(there.without).every(({ vmid }) => vmid !== 103));
  assert.match(JSON.stringify(there.notes), /1 more has backups and no guest that this token sees/);
  for (const args of [{ vmid: 103, node: "pve2" }, { vmid: 103 }]) {
    const one = await ok("list_backups", args);
    assert.deepEqual([rows(one.guests).length, one.without], [1, []]);
    assert.match(String(rows(one.backups)[0]?.volid), /^local:backup\/vzdump-qemu-103-/);
    assert.equal(one.notes, undefined);
  }
  const gone = rows((await ok("list_backups", { node: "pve1" })).without).map(({ vmid }) => vmid);
  assert.ok(!gone.includes(103), "it is not on pve1 any more");
  // What was asked for and is not there is said, and not taken for what has no backup.
  const elsewhere = await ok("list_backups", { vmid: 202, node: "pve3" });
  assert.deepEqual([rows(elsewhere.guests).map(({ vmid }) => vmid), rows(elsewhere.backups).length], [[202], 3]);
  assert.match(JSON.stringify(elsewhere.notes), /202 is on pve2, not on pve3/);
  const nobody = await ok("list_backups", { vmid: 999 });
  assert.deepEqual([nobody.guests, nobody.without, nobody.backups], [[], [], []]);
  assert.match(JSON.stringify(nobody.notes), /No guest 999 is visible to this token, and no backup of it was found/);
  const template = await ok("list_backups", { vmid: 9000 });
  assert.deepEqual([rows(template.without).map(({ vmid }) => vmid), template.notes], [[9000], undefined]);
  assert.match(await error("list_backups", { node: "pve8" }), /No node "pve8".*pve1, pve2, pve3/s);
});

serverTest("of very many storages list_backups asks those of the named node first", {}, async ({ ok, simulator }) => {
  const { storages } = simulator.state;
  const [local, others] = [storages.get("local") ?? assert.fail("no local"), [...storages]];
  await ok("create_backup", { vmid: 107, storage: "local" });
  storages.clear();
  for (let n = 10; n < 60; n++) {
    storages.set(`a${n}`, { ...local, id: `a${n}`, nodes: ["pve1"], volumes: new Map([["pve1", new Map()]]) });
  }
  for (const [id, storage] of others) storages.set(id, storage);
  const few = await ok("list_backups", { vmid: 107 });
  assert.deepEqual([few.guests, few.without], [[], []]);
  assert.match(JSON.stringify(few.notes), /more storages were not asked: with node, those of that node/);
  const here = await ok("list_backups", { vmid: 107, node: "pve3" });
  assert.deepEqual([rows(here.guests).map(({ vmid }) => vmid), here.without], [[107], []]);
});

serverTest("list_backups claims nothing of guests whose backups the token may not see", {}, async (running) => {
  const { ok, simulator } = running;
  const { access } = simulator.state;
  for (const [role, privileges] of access.roles) {
    access.roles.set(role, privileges.difference(new Set(["VM.Backup", "Datastore.Allocate"])));
  }
  const blind = await ok("list_backups");
  assert.deepEqual([blind.guests, blind.without], [[], []]);
  const count = machines(simulator).length;
  assert.match(
    JSON.stringify(blind.notes),
    new RegExp(`Whether ${count} guests have backups is not known.*VM\\.Backup`),
  );
  access.roles.set("ForOne", new Set(["VM.Backup", "VM.Audit"]));
  const [user = ""] = demoToken.id.split("!");
  for (const who of [user, demoToken.id]) access.acl.push({ path: "/vms/105", who, role: "ForOne", propagate: true });
  assert.deepEqual(rows((await ok("list_backups")).without).map(({ vmid }) => vmid), [105]);
});

serverTest("list_backup_jobs tells what is scheduled, and whom it leaves out", {
  env: { PROXMOX_TOOLSETS: "default,backups" },
}, async ({ ok, simulator }) => {
  const { jobs, in_no_job } = await ok("list_backup_jobs");
  const [job] = rows(jobs);
  assert.deepEqual([job?.job, job?.enabled, job?.guests, job?.storage, job?.schedule], [
    "backup-nightly",
    true,
    "101,102,104,202",
    "nas",
    "02:00",
  ]);
  assert.match(String(job?.next_run), /T02:00:00Z$/);
  assert.equal(rows(in_no_job).some(({ vmid }) => vmid === 101), false);
  assert.ok(rows(in_no_job).some(({ vmid, name }) => vmid === 105 && name === "test"));
  simulator.state.jobs.set("all", {
    id: "all",
    schedule: "sat 03:00",
    enabled: true,
    options: new Map<string, string | number>([["all", 1], ["exclude", "105"], ["prune-backups", "keep-last=3"]]),
    next: simulator.now() + 1e9,
  });
  const after = await ok("list_backup_jobs");
  const all = rows(after.jobs).find(({ job }) => job === "all");
  assert.deepEqual([all?.guests, all?.keeps], ["all but 105", "keep-last=3"]);
  assert.deepEqual(rows(after.in_no_job).map(({ vmid }) => vmid), [105]);
  simulator.state.jobs.clear();
  assert.match(JSON.stringify((await ok("list_backup_jobs")).notes), /no backup jobs/);
});
