/** Guests that move to another node, and those whose disks would have to move with them. */
import assert from "node:assert/strict";
import { inventory, type State } from "../../src/sim/mod.ts";
import { allocate, GIB } from "../../src/sim/disks.ts";
import { serverTest } from "../helpers/server.ts";

const grow = { env: { PROXMOX_TOOLSETS: "default,grow" } };

function guestOf(state: State, vmid: number) {
  return state.guests.get(vmid) ?? assert.fail(`no guest ${vmid}`);
}

serverTest("a VM moves running, or off as it is; its disks stay", grow, async ({ ok, simulator, requests }) => {
  const { state } = simulator;
  const before = inventory(state);
  const running = await ok("migrate_vm", { vmid: 103, target: "pve3" });
  assert.deepEqual([running.state, running.from, running.target], ["ok", "pve2", "pve3"]);
  assert.match(String(running.notes), /keeps running/);
  assert.equal(guestOf(state, 103).node, "pve3");
  assert.ok(guestOf(state, 103).run !== undefined);
  await ok("suspend_vm", { vmid: 103 });
  assert.match(String((await ok("migrate_vm", { vmid: 103, target: "pve2" })).notes), /It stays paused/);
  assert.equal(guestOf(state, 103).run?.paused, true);
  const off = await ok("migrate_vm", { vmid: 106, target: "pve1" });
  assert.match(String(off.notes), /was off/);
  assert.equal(guestOf(state, 106).node, "pve1");
  assert.equal((await ok("migrate_vm", { vmid: 106, target: "pve1" })).state, "unchanged");
  assert.equal((await ok("vm_status", { vmid: 103 })).node, "pve2");
  const now = inventory(state);
  assert.deepEqual([...before].filter((line) => !now.has(line)), []);
  const sent = requests.filter(({ method }) => method === "POST").map(({ params }) => params);
  assert.deepEqual(sent, [{ target: "pve3", online: "1" }, {}, { target: "pve2", online: "1" }, { target: "pve1" }]);
});

serverTest("a container moves when it is off, or where it may be interrupted", grow, async (server) => {
  const { ok, error, simulator, requests } = server;
  const { state } = simulator;
  await ok("migrate_container", { vmid: 205, target: "pve1", restart: true });
  assert.equal(guestOf(state, 205).run, undefined);
  assert.match(
    await error("migrate_container", { vmid: 202, target: "pve1" }),
    /runs, and containers cannot move running.*Ask whether.*restart=true/s,
  );
  const before = guestOf(state, 202).run;
  const answer = await ok("migrate_container", { vmid: 202, target: "pve1", restart: true });
  assert.match(String(answer.notes), /off while it moves/);
  assert.equal(guestOf(state, 202).node, "pve1");
  assert.notDeepEqual(guestOf(state, 202).run, before);
  const sent = requests.filter(({ method }) => method === "POST").map(({ params }) => params);
  assert.deepEqual(sent, [{ target: "pve1" }, { target: "pve1", restart: "1" }]);
});

serverTest("nothing moves by which a disk would be copied and removed", grow, async (server) => {
  const { error, simulator, requests } = server;
  const { state } = simulator;
  const before = inventory(state);
  const refused = async (tool: string, args: Record<string, unknown>, why: RegExp) =>
    assert.match(await error(tool, args), why);
  const vm = (args: Record<string, unknown>, why: RegExp) => refused("migrate_vm", args, why);
  // Off: PVE would copy and remove without being asked for it.
  await vm({ vmid: 105, target: "pve3" }, /scsi0 .*only pve2 has.*copy it and remove/s);
  await vm({ vmid: 102, target: "pve2" }, /scsi0 .*only pve1 has/);
  await refused("migrate_container", { vmid: 203, target: "pve1" }, /rootfs .*only pve2 has/);
  await refused("migrate_container", { vmid: 200, target: "pve2", restart: true }, /rootfs .*only pve1 has/);
  await vm({ vmid: 101, target: "pve2" }, /managed by HA.*ha-manager migrate vm:101 pve2/s);
  await vm({ vmid: 109, target: "pve1" }, /locked \(suspended\).*start_vm resumes it/s);
  await vm({ vmid: 108, target: "pve1" }, /locked \(backup\)/);
  await vm({ vmid: 103, target: "pve9" }, /target="pve9".*Online besides pve2: pve1, pve3/s);
  await vm({ vmid: 203, target: "pve1" }, /Use migrate_container/);
  const guest = guestOf(state, 103);
  const hindered = async (key: string, value: string, why: RegExp) => {
    guest.config.set(key, value);
    await vm({ vmid: 103, target: "pve3" }, why);
    guest.config.delete(key);
  };
  await hindered("ide2", "local:iso/debian-13.1.0-amd64-netinst.iso,media=cdrom", /ide2 .*iso=none takes/s);
  // Its CD-ROM is told first, and could be emptied; its disk keeps it here all the same.
  const { config } = guestOf(state, 105);
  const rest = [...config];
  config.clear();
  config.set("ide2", "local:iso/debian-13.1.0-amd64-netinst.iso,media=cdrom");
  for (const [option, value] of rest) config.set(option, value);
  await vm({ vmid: 105, target: "pve3" }, /scsi0 .*only pve2 has.*for a person to move/s);
  config.delete("ide2");
  await hindered("ide2", "cdrom,media=cdrom", /ide2 .*belongs to the node itself/);
  await hindered("scsi5", "/dev/sdb", /scsi5 .*belongs to the node itself/);
  await hindered("hostpci0", "0000:01:00.0", /uses hostpci0, a device of pve2/);
  await hindered("unused0", "local-lvm:vm-103-disk-9", /unused0 .*only pve2 has/);
  guest.pendingDelete.set("scsi0", true);
  await vm({ vmid: 103, target: "pve3" }, /pending change/);
  guest.pendingDelete.clear();
  // In no configuration, and PVE's older versions would find it all the same.
  const storage = state.storages.get("local-lvm") ?? assert.fail();
  const orphan = allocate(state, { storage, node: "pve2", vmid: 103, content: "images", size: GIB, now: 0 });
  await vm({ vmid: 103, target: "pve3" }, new RegExp(`local-lvm:${orphan.name} is guest 103's.*only pve2 has`));
  storage.volumes.get("pve2")?.delete(orphan.name);
  // What only a snapshot knows, PVE's own look finds.
  const volume = { ...orphan, vmid: 9999, name: "vm-9999-disk-0", snapshots: new Map() };
  storage.volumes.get("pve2")?.set(volume.name, volume);
  guest.snapshots.set("s", {
    name: "s",
    description: "",
    time: 0,
    parent: undefined,
    vmstate: undefined,
    config: new Map([["scsi4", `local-lvm:${volume.name}`]]),
  });
  await vm({ vmid: 103, target: "pve3" }, /has local-lvm:vm-9999-disk-0, which only pve2 has/);
  guest.snapshots.clear();
  storage.volumes.get("pve2")?.delete(volume.name);
  guestOf(state, 205).config.set("mp3", "/srv,mp=/srv");
  await refused("migrate_container", { vmid: 205, target: "pve1" }, /mp3 .*belongs to the node itself/);
  assert.ok(requests.every(({ method }) => method === "GET"));
  const now = inventory(state);
  assert.deepEqual([...before].filter((line) => !now.has(line)), []);
});

serverTest("a target without the storage, or out of reach, is named", grow, async ({ error, simulator }) => {
  const { state } = simulator;
  const ceph = state.storages.get("ceph") ?? assert.fail();
  state.storages.set("ceph", { ...ceph, nodes: ["pve1", "pve2"] });
  assert.match(
    await error("migrate_vm", { vmid: 103, target: "pve3" }),
    /scsi0 .*storage ceph, which is not available on pve3/,
  );
  const pve1 = state.nodes.get("pve1") ?? assert.fail();
  pve1.online = false;
  assert.match(await error("migrate_vm", { vmid: 103, target: "pve1" }), /no such node is online/);
});
