/** Snapshots: taken, seen, refused where they cannot be, and no way back but a person's. */
import assert from "node:assert/strict";
import { serverTest } from "../helpers/server.ts";

serverTest("a snapshot is taken before a change, with and without memory", {}, async ({ ok, simulator, requests }) => {
  const guest = simulator.state.guests.get(104);
  assert.ok(guest?.run !== undefined);
  const disks = await ok("create_vm_snapshot", { vmid: 104, snapname: "disks", description: "before\nthe upgrade" });
  assert.equal(disks.state, "ok");
  assert.match(String(disks.notes), /guest 104, Snapshots, disks, Rollback.*lost.*without the memory/);
  const whole = await ok("create_vm_snapshot", { vmid: 104, snapname: "whole", memory: true });
  assert.doesNotMatch(String(whole.notes), /without the memory/);
  assert.equal(guest.snapshots.get("disks")?.description, "before\nthe upgrade");
  assert.equal(guest.snapshots.get("disks")?.vmstate, undefined);
  assert.notEqual(guest.snapshots.get("whole")?.vmstate, undefined);
  assert.equal(guest.parent, "whole");
  const container = await ok("create_container_snapshot", { vmid: 203, snapname: "before" });
  assert.match(String(container.notes), /Rollback/);
  assert.doesNotMatch(String(container.notes), /memory/);
  assert.ok(simulator.state.guests.get(203)?.snapshots.has("before"));
  const written = requests.filter(({ method }) => method !== "GET").map(({ path }) => path);
  assert.deepEqual(written.map((path) => path.split("/").at(-1)), ["snapshot", "snapshot", "snapshot"]);
});

serverTest("what cannot have a snapshot is named, and nothing is sent", {}, async ({ error, simulator, requests }) => {
  const { state } = simulator;
  state.guests.get(105)?.config.set("scsi3", "nas:105/vm-105-disk-9.raw,size=4G");
  state.guests.get(105)?.config.set("scsi4", "nas:105/vm-105-disk-8.qcow2,size=4G");
  assert.match(
    await error("create_vm_snapshot", { vmid: 105, snapname: "before" }),
    /VM 105 can have no snapshot: scsi3 is on nas \(nfs\), which has none.*create_backup/s,
  );
  state.guests.get(203)?.config.set("mp3", "/srv/data,mp=/data");
  assert.match(
    await error("create_container_snapshot", { vmid: 203, snapname: "before" }),
    /container 203 can have no snapshot: mp3 is \/srv\/data of the host itself/,
  );
  assert.match(await error("create_vm_snapshot", { vmid: 203, snapname: "x1" }), /Use create_container_snapshot/);
  assert.match(await error("create_vm_snapshot", { vmid: 104, snapname: "vzdump" }), /PVE uses that name itself/);
  state.guests.get(104)?.pendingDelete.set("scsi0", true);
  assert.match(await error("create_vm_snapshot", { vmid: 104, snapname: "x1" }), /pending change.*A person/s);
  assert.ok(requests.every(({ method }) => method === "GET"));
});

serverTest("a name that is taken fails with the reason", {}, async ({ ok, error }) => {
  await ok("create_vm_snapshot", { vmid: 104, snapname: "before" });
  assert.match(
    await error("create_vm_snapshot", { vmid: 104, snapname: "before" }),
    /snapshot name 'before' already used.*Choose another name/s,
  );
});
