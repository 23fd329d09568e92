/** Disks that grow and never shrink; VMs that are paused and go on. */
import assert from "node:assert/strict";
import { serverTest } from "../helpers/server.ts";

const grow = { env: { PROXMOX_TOOLSETS: "default,grow" } };

serverTest("a disk grows to the size that is asked for, once", grow, async ({ ok, requests }) => {
  for (
    const [tool, vmid, disk] of [["resize_vm_disk", 104, "scsi0"], ["resize_container_disk", 203, "rootfs"]] as const
  ) {
    const first = await ok(tool, { vmid, disk, size_gib: 301 });
    assert.equal(first.state, "ok");
    assert.ok(Number(first.before_gib) < 301);
    assert.match(String(first.notes), tool === "resize_vm_disk" ? /growpart/ : /has grown along/);
    const { config } = await ok(tool === "resize_vm_disk" ? "vm_config" : "container_config", { vmid });
    assert.match(JSON.stringify(config), /size=301G/);
    const again = await ok(tool, { vmid, disk, size_gib: 301 });
    assert.equal(again.state, "unchanged");
  }
  const sent = requests.filter(({ method }) => method === "PUT").map(({ params }) => String(params.size));
  assert.equal(sent.length, 2);
  for (const size of sent) assert.match(size, /^\+\d+M$/);
});

serverTest("nothing shrinks, and what cannot grow is refused", grow, async ({ error, requests, simulator }) => {
  const refused = async (args: Record<string, unknown>, why: RegExp) =>
    assert.match(await error("resize_vm_disk", args), why);
  await refused({ vmid: 104, disk: "scsi0", size_gib: 1 }, /can only grow.*size above/s);
  await refused({ vmid: 104, disk: "scsi9", size_gib: 50 }, /no disk "scsi9".*It has .*scsi0/s);
  await refused({ vmid: 104, disk: "scsi0", size_gib: 80_000 }, /do not fit/);
  await refused({ vmid: 9000, disk: "scsi0", size_gib: 60 }, /is a template/);
  await refused({ vmid: 203, disk: "rootfs", size_gib: 60 }, /Use resize_container_disk/);
  simulator.state.guests.get(104)?.pendingDelete.set("scsi1", true);
  await refused({ vmid: 104, disk: "scsi0", size_gib: 300 }, /pending change/);
  assert.ok(requests.every(({ method }) => method === "GET"));
});

serverTest("a VM is paused and goes on; a hibernated one is start_vm's", grow, async ({ ok, error, simulator }) => {
  const guest = simulator.state.guests.get(104);
  assert.equal((await ok("resume_vm", { vmid: 104 })).state, "unchanged");
  assert.match(String((await ok("suspend_vm", { vmid: 104 })).notes), /until resume_vm/);
  assert.equal(guest?.run?.paused, true);
  assert.equal((await ok("suspend_vm", { vmid: 104 })).state, "unchanged");
  assert.match(String((await ok("start_vm", { vmid: 104 })).notes), /paused: resume_vm/);
  assert.equal((await ok("resume_vm", { vmid: 104 })).state, "ok");
  assert.equal(guest?.run?.paused, false);
  guest.run = undefined;
  assert.match(await error("resume_vm", { vmid: 104 }), /not running.*start_vm/s);
  guest.config.set("lock", "suspended");
  assert.match(await error("resume_vm", { vmid: 104 }), /hibernated.*uses up its saved memory/s);
});
