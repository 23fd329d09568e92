/** Backups: made without taking any other away, protected, and refused where one would cost something. */
import assert from "node:assert/strict";
import { serverTest } from "../helpers/server.ts";
import type { State } from "../../src/sim/mod.ts";

function backupsOf(state: State, storage: string, vmid: number) {
  return [...state.storages.get(storage)?.volumes.values() ?? []].flatMap((volumes) => [...volumes.values()])
    .filter((volume) => volume.content === "backup" && volume.vmid === vmid);
}

serverTest("a backup is protected, keeps its notes, and leaves all others", {}, async ({ ok, simulator, requests }) => {
  const { state } = simulator;
  const before = backupsOf(state, "nas", 102).map(({ name }) => name);
  assert.ok(before.length > 0);
  const answer = await ok("create_backup", { vmid: 102, notes: "before\nthe upgrade \\o/" });
  assert.equal(answer.state, "ok");
  assert.match(String(answer.volid), /^nas:backup\/vzdump-qemu-102-.*\.vma\.zst$/);
  assert.match(String(answer.notes), /protected/);
  const after = backupsOf(state, "nas", 102);
  for (const name of before) assert.ok(after.some((volume) => volume.name === name), name);
  const made = after.find((volume) => `nas:${volume.name}` === answer.volid);
  assert.equal(made?.protected, true);
  assert.equal(made.notes, "before\nthe upgrade \\o/");
  const sent = requests.find(({ method }) => method === "POST")?.params;
  assert.equal(sent?.remove, "0");
  assert.equal(sent.protected, "1");
});

serverTest("a retention that is reached takes nothing away for it", {}, async ({ ok, simulator }) => {
  const { state } = simulator;
  const nas = state.storages.get("nas");
  assert.ok(nas !== undefined);
  nas.prune = new Map([["keep-last", 1]]);
  const before = backupsOf(state, "nas", 102).map(({ name }) => name);
  assert.ok(before.length > 1);
  for (const mode of ["snapshot", "suspend", "stop"]) await ok("create_backup", { vmid: 102, storage: "nas", mode });
  const after = backupsOf(state, "nas", 102).map(({ name }) => name);
  assert.equal(after.length, before.length + 3);
  for (const name of before) assert.ok(after.includes(name));
});

serverTest("when a guest has all the protected backups it may have, a person has to clean up", {}, async (server) => {
  const { ok, error, simulator } = server;
  const { roles } = simulator.state.access;
  // Those who may allocate on the storage have no such limit.
  for (const [role, held] of roles) roles.set(role, held.difference(new Set(["Datastore.Allocate"])));
  for (let n = 0; n < 5; n++) await ok("create_backup", { vmid: 203, storage: "local", notes: String(n) });
  assert.match(
    await error("create_backup", { vmid: 203, storage: "local" }),
    /number of protected backups per guest is limited to 5.*A person has to make room/s,
  );
});

serverTest("what a backup would cost, or cannot do, is refused before it is sent", {}, async (server) => {
  const { error, simulator, requests } = server;
  const { state } = simulator;
  const refused = async (args: Record<string, unknown>, why: RegExp) => {
    assert.match(await error("create_backup", args), why);
  };
  await refused({ vmid: 102, storage: "ceph" }, /takes no backups.*Storages for backups on pve1: local, nas/s);
  await refused(
    { vmid: 102, notes: "{{guestname}}" },
    /notes="\{\{guestname\}\}" must not hold "\{\{".*Write what is meant/s,
  );
  await refused({ vmid: 999 }, /No VM 999/);
  state.guests.get(102)?.pendingDelete.set("scsi0", true);
  await refused({ vmid: 102 }, /pending change/);
  const container = state.guests.get(203);
  container?.snapshots.set("vzdump", {
    name: "vzdump",
    description: "mine",
    time: 0,
    parent: undefined,
    config: new Map(),
    vmstate: undefined,
  });
  await refused({ vmid: 203 }, /snapshot named vzdump, and a backup would remove it.*a person/s);
  assert.ok(requests.every(({ method }) => method === "GET"));
});

serverTest(
  "a backup that is asked for again while it runs is not made twice",
  { simulator: { pace: 0.4 } },
  async (server) => {
    const { ok, requests } = server;
    const first = await ok("create_backup", { vmid: 102, wait: false });
    const second = await ok("create_backup", { vmid: 102 });
    assert.deepEqual([second.state, second.upid], ["ok", first.upid]);
    // Told when it is over as well.
    assert.match(
      String(second.notes),
      /^An earlier call with the same arguments started this task: nothing was started/,
    );
    assert.doesNotMatch(String(second.notes), /still|running/);
    assert.equal(requests.filter(({ method }) => method === "POST").length, 1);
  },
);
