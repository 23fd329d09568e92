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
  await refused({ vmid: 104, disk: "scsi9", size_gib: 50 }, /VM 104 has no disk "scsi9".*It has .*scsi0/s);
  // Its CD-ROM has a size, too.
  await refused({ vmid: 106, disk: "scsi9", size_gib: 50 }, /It has efidisk0, scsi0$/);
  await refused({ vmid: 106, disk: "ide2", size_gib: 50 }, /no disk "ide2".*It has efidisk0, scsi0$/s);
  assert.match(
    await error("resize_container_disk", { vmid: 200, disk: "mp5", size_gib: 50 }),
    /^Container 200 has no disk "mp5".*It has rootfs$/s,
  );
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

const all = { env: { PROXMOX_TOOLSETS: "all", PROXMOX_ENABLE_EXEC: "true" } };

serverTest("a paused VM is told as paused everywhere, and led to resume_vm", all, async ({ ok, error, requests }) => {
  const vmid = 102;
  await ok("suspend_vm", { vmid });
  const listed = await ok("list_vms", { status: "paused", fields: "all" });
  assert.equal(listed.total, 1);
  assert.match(JSON.stringify(listed.guests), /"vmid":102,.*"memory_used_percent":\d/);
  assert.doesNotMatch(JSON.stringify(await ok("list_vms", { status: "running" })), /"vmid":102,/);
  const status = await ok("vm_status", { vmid });
  assert.deepEqual([status.status, status.qemu_state], ["running", "paused"]);
  const agent = await ok("guest_agent_info", { vmid });
  assert.equal(agent.agent, "silent");
  assert.match(JSON.stringify(agent.notes), /paused.*resume_vm/);
  assert.match(JSON.stringify(await ok("guest_network", { vmid })), /"source":"config".*It is paused/);
  assert.match(JSON.stringify(await ok("console_url", { vmid })), /It is paused: its screen stands still/);
  assert.match(JSON.stringify(await ok("find_guest", { query: "docker" })), /"status":"paused"/);
  assert.match(JSON.stringify(await ok("create_vm_snapshot", { vmid, snapname: "halted" })), /after a power cut/);
  assert.match(await error("exec_in_vm", { vmid, command: "id" }), /VM 102 is paused.*resume_vm/s);
  // PVE itself refuses these at once.
  for (const tool of ["shutdown_vm", "reboot_vm"]) {
    assert.match(await error(tool, { vmid }), /VM is paused - cannot shutdown.*resume_vm/s);
  }
  assert.ok(requests.every(({ path }) => !path.includes("/102/agent/")), "nobody asks an agent that cannot answer");
  assert.equal((await ok("resume_vm", { vmid })).state, "ok");
  assert.equal((await ok("guest_agent_info", { vmid })).agent, "running");
});
