/** Switching guests on and off where PVE would do more than that: HA's manager, and memory that lies on a storage. */
import assert from "node:assert/strict";
import { serverTest } from "../helpers/server.ts";

serverTest(
  "a VM that HA manages is not shut down, as its power would be cut; stop says that only the manager is told",
  {},
  async ({ call, simulator }) => {
    const web = simulator.state.guests.get(101);
    const refused = await call("shutdown_vm", { vmid: 101 });
    assert.equal(refused.isError, true);
    assert.match(refused.text, /VM 101 is managed by HA, whose manager would cut its power[^]*stop_vm cuts the power/);
    assert.ok(web?.run !== undefined);
    for (const name of ["stop_vm", "start_vm"]) {
      const { text } = await call(name, { vmid: 101 });
      assert.match(text, /HA manages it: the task only tells HA's manager, and vm_status shows/);
    }
    web.managed = false;
    const plain = await call("shutdown_vm", { vmid: 101 });
    assert.equal(plain.isError, false, plain.text);
    assert.doesNotMatch(plain.text, /HA/);
  },
);

serverTest(
  "a VM whose memory is saved is started only while it is marked as hibernated, and never backed up",
  {},
  async ({ call, simulator }) => {
    const lab = simulator.state.guests.get(109);
    const memory = String(lab?.config.get("vmstate"));
    lab?.config.delete("lock");
    const started = await call("start_vm", { vmid: 109 });
    assert.match(started.text, new RegExp(`memory saved in ${memory} without being marked[^]*Somebody has unlocked`));
    const saved = await call("create_backup", { vmid: 109, storage: "nas" });
    assert.match(saved.text, new RegExp(`memory of VM 109 is saved in ${memory}`));
    assert.equal(lab?.config.get("vmstate"), memory);
    lab?.config.set("lock", "suspended");
    assert.match((await call("start_vm", { vmid: 109 })).text, /its saved memory image is used up/);
    assert.equal(lab?.config.get("vmstate"), undefined);
  },
);
