/** Backups restored as new guests, beside everything that is there. */
import assert from "node:assert/strict";
import { type Guest, inventory, type State } from "../../src/sim/mod.ts";
import { volidIn } from "../../src/sim/disks.ts";
import { findVolume } from "../../src/sim/state.ts";
import { serverTest } from "../helpers/server.ts";

const backups = { env: { PROXMOX_TOOLSETS: "default,backups" } };

/** The newest backup of a guest, as list_backups names it. */
function newest(state: State, kind: "qemu" | "lxc", vmid: number, storage = "nas", node = ""): string {
  const names = [...state.storages.get(storage)?.volumes.get(node)?.keys() ?? []];
  return `${storage}:${
    names.filter((name) => name.includes(`vzdump-${kind}-${vmid}-`)).sort().at(-1) ?? assert.fail()
  }`;
}

function archived(state: State, volid: string, node = "pve1") {
  return findVolume(state, node, volid)?.backup ?? assert.fail(volid);
}

function markOf(state: State, guest: Guest, slot: string): string | undefined {
  return findVolume(state, guest.node, volidIn(guest.kind, slot, String(guest.config.get(slot))))?.mark;
}

function guestOf(state: State, vmid: unknown): Guest {
  return state.guests.get(Number(vmid)) ?? assert.fail(`no guest ${vmid}`);
}

function lostSince(state: State, before: Set<string>): string[] {
  const now = inventory(state);
  return [...before].filter((line) => !now.has(line));
}

serverTest("a VM's backup becomes a new VM, off, with new addresses", backups, async (server) => {
  const { ok, simulator, requests } = server;
  const { state } = simulator;
  const before = inventory(state);
  const listed = await ok("list_backups", { vmid: 102 });
  assert.match(String(listed.notes), /restore_vm_backup or restore_container_backup makes a new guest of one/);
  const [row] = Array.isArray(listed.backups) ? listed.backups : [];
  const answer = await ok("restore_vm_backup", { archive: row.volid });
  assert.equal(answer.state, "ok");
  assert.equal(answer.name, "docker");
  assert.equal(answer.of, 102);
  assert.equal(answer.made, row.made);
  assert.equal(answer.backup, row.volid);
  assert.match(String(answer.notes), /off, with new MAC addresses.*start_vm/);
  assert.match(String(answer.notes), /those of 102.*another network/s);
  assert.match(String(answer.notes), /onboot=false/);
  const [made, old] = [guestOf(state, answer.vmid), guestOf(state, 102)];
  assert.equal(made.run, undefined);
  assert.notEqual(made.config.get("net0"), old.config.get("net0"));
  assert.match(String(made.config.get("net0")), /^virtio=BC:24:11:.*,bridge=vmbr0$/);
  assert.notEqual(made.config.get("smbios1"), old.config.get("smbios1"));
  for (const slot of ["scsi0", "scsi1"]) {
    assert.notEqual(made.config.get(slot), old.config.get(slot));
    assert.equal(markOf(state, made, slot), archived(state, String(row.volid)).volumes.get(slot)?.mark);
  }
  assert.deepEqual(lostSince(state, before), []);
  const sent = requests.filter(({ method }) => method === "POST");
  assert.equal(sent.length, 1);
  const { vmid, archive, unique, ...others } = sent[0]?.params ?? {};
  assert.deepEqual([vmid, archive, unique, others], [String(answer.vmid), row.volid, "1", {}]);
});

serverTest("a container's backup becomes a new container on one storage", backups, async (server) => {
  const { ok, simulator, requests } = server;
  const { state } = simulator;
  const before = inventory(state);
  const archive = newest(state, "lxc", 202);
  for (const storage of [undefined, "local-lvm"]) {
    const answer = await ok("restore_container_backup", { archive, storage });
    assert.equal(answer.state, "ok");
    assert.equal(answer.name, "nextcloud");
    const made = guestOf(state, answer.vmid);
    for (const slot of ["rootfs", "mp0"]) {
      assert.match(String(made.config.get(slot)), new RegExp(`^${storage ?? "ceph"}:`));
      assert.equal(markOf(state, made, slot), archived(state, archive).volumes.get(slot)?.mark);
    }
    assert.notEqual(made.config.get("net0"), guestOf(state, 202).config.get("net0"));
    assert.equal(made.config.get("unprivileged"), 1);
  }
  assert.deepEqual(lostSince(state, before), []);
  for (const { params } of requests.filter(({ method }) => method === "POST")) {
    assert.deepEqual(
      Object.keys(params).sort(),
      ["ostemplate", "restore", "storage", "unique", "unprivileged", "vmid"],
    );
    assert.deepEqual([params.restore, params.unique, params.unprivileged], ["1", "1", "1"]);
  }
});

serverTest("a backup on one node's own storage is restored there", backups, async ({ ok, error, simulator }) => {
  const { state } = simulator;
  const archive = newest(state, "qemu", 100, "local", "pve1");
  const answer = await ok("restore_vm_backup", { archive });
  assert.equal(answer.node, "pve1");
  assert.match(await error("restore_vm_backup", { archive, node: "pve2" }), /No backup .* visible/);
});

serverTest("nothing is restored over anything", backups, async ({ error, simulator, requests }) => {
  const { state } = simulator;
  const before = inventory(state);
  const vm = newest(state, "qemu", 102);
  const container = newest(state, "lxc", 202);
  const refused = async (tool: string, args: Record<string, unknown>, why: RegExp) =>
    assert.match(await error(tool, args), why);
  await refused("restore_vm_backup", { archive: vm, vmid: 102 }, /Refused vmid 102: the VM "docker" on pve1 has it/);
  await refused("restore_vm_backup", { archive: vm, vmid: 203 }, /the container "test" on pve2 has it/);
  await refused("restore_container_backup", { archive: container, vmid: 202 }, /Refused vmid 202/);
  // The number of a guest that is gone: its backups would count as the new one's.
  await refused(
    "restore_vm_backup",
    { archive: newest(state, "qemu", 110), vmid: 110 },
    /no guest has it, but 1 volume/,
  );
  await refused(
    "restore_vm_backup",
    { archive: container },
    /lxc-202.*" is a backup of a container.*Use restore_container_backup/s,
  );
  await refused("restore_container_backup", { archive: vm }, /qemu-102.*" is a backup of a VM.*Use restore_vm_backup/s);
  // As a backup server names them, and before anybody asks whether there is such a storage.
  const [ofVm, ofContainer] = ["vm", "ct"].map((word) => `pbs:backup/${word}/102/2026-11-22T02:00:00Z`);
  await refused(
    "restore_vm_backup",
    { archive: ofContainer },
    /is a backup of a container.*Use restore_container_backup/s,
  );
  await refused("restore_container_backup", { archive: ofVm }, /is a backup of a VM.*Use restore_vm_backup/s);
  await refused("restore_vm_backup", { archive: ofVm }, /No storage "pbs"/);
  await refused("restore_vm_backup", { archive: "-" }, /No storage "-"/);
  await refused("restore_vm_backup", { archive: "/var/lib/vz/dump/x.vma" }, /No storage/);
  await refused("restore_vm_backup", { archive: "local-lvm:vm-105-disk-0" }, /No storage "local-lvm" with backups/);
  await refused("restore_vm_backup", { archive: `${vm}x` }, /No backup.*Of guest 102 there are nas:backup/s);
  await refused("restore_vm_backup", { archive: vm, storage: "nas2" }, /No storage "nas2"/);
  await refused("restore_vm_backup", { archive: vm, storage: "local" }, /holds .*not VM disks/);
  for (const extra of ["force", "live-restore", "start", "unique", "restore"]) {
    await refused("restore_vm_backup", { archive: vm, [extra]: true }, /Cannot call/);
  }
  assert.ok(requests.every(({ method }) => method === "GET"));
  assert.deepEqual(lostSince(state, before), []);
});

serverTest("what would reach the host or another guest's disk is for a person", backups, async (server) => {
  const { ok, error, simulator, requests } = server;
  const { state } = simulator;
  const vm = newest(state, "qemu", 102);
  const container = newest(state, "lxc", 202);
  const refused = async (archive: string, key: string, value: string, why: RegExp) => {
    const { config } = archived(state, archive);
    const old = config.get(key);
    config.set(key, value);
    const tool = archive === vm ? "restore_vm_backup" : "restore_container_backup";
    assert.match(await error(tool, { archive }), why);
    if (old === undefined) config.delete(key);
    else config.set(key, old);
  };
  for (
    const [key, value] of [
      ["hostpci0", "0000:01:00.0"],
      ["usb0", "host=1-2"],
      ["serial0", "/dev/ttyS0"],
      ["args", "-device x"],
      ["hookscript", "local:snippets/x.sh"],
      ["virtiofs0", "data"],
    ] as const
  ) await refused(vm, key, value, new RegExp(`has ${key}, which reaches the host.*A person.*qmrestore`, "s"));
  // Not in the backup, and not marked as left out: PVE would hang the other VM's volume into the new one.
  await refused(vm, "efidisk0", "ceph:vm-104-disk-0,size=4M", /efidisk0 .* named in this backup and not in it/);
  await refused(vm, "ide2", "ceph:vm-104-disk-1,media=cdrom", /ide2 .* named in this backup and not in it/);
  await refused(container, "mp1", "/etc,mp=/srv/etc", /mp1 .* directory or device of the host/);
  await refused(container, "lxc.idmap", "u 0 0 65536", /lxc\.idmap.*, which reaches the host/);
  await refused(container, "dev0", "/dev/ttyUSB0", /dev0, which reaches the host/);
  assert.ok(requests.every(({ method }) => method === "GET"));
  const { config } = archived(state, vm);
  config.set("scsi7", "ceph:vm-104-disk-1,backup=0,size=250G");
  config.set("ide2", "nas:iso/virtio-win-0.1.271.iso,media=cdrom,size=693M");
  config.set("ide0", "local-lvm:vm-102-cloudinit,media=cdrom");
  config.set("serial0", "socket");
  config.set("usb0", "spice");
  const answer = await ok("restore_vm_backup", { archive: vm, storage: "ceph" });
  assert.match(String(answer.notes), /Not there, as the backup left them out: scsi7/);
  const made = guestOf(state, answer.vmid);
  assert.equal(made.config.has("scsi7"), false);
  assert.equal(made.config.get("ide2"), config.get("ide2"));
  assert.match(String(made.config.get("ide0")), new RegExp(`^ceph:vm-${answer.vmid}-cloudinit`));
});

serverTest(
  "a privileged container comes back unprivileged, unless a person has allowed it",
  backups,
  async (server) => {
    const { ok, error, simulator } = server;
    const { state } = simulator;
    const archive = newest(state, "lxc", 202);
    assert.match(
      await error("restore_container_backup", { archive, unprivileged: false }),
      /privileged container's root is close to root.*PROXMOX_ALLOW_PRIVILEGED/s,
    );
    archived(state, archive).config.delete("unprivileged");
    archived(state, archive).config.set("mp0", "ceph:vm-202-disk-1,mp=/srv/data,size=500G");
    const answer = await ok("restore_container_backup", { archive });
    assert.match(String(answer.notes), /was privileged, and is unprivileged now/);
    assert.match(String(answer.notes), /Empty, as the backup left them out: mp0/);
    assert.equal(guestOf(state, answer.vmid).config.get("unprivileged"), 1);
  },
);

serverTest(
  "with PROXMOX_ALLOW_PRIVILEGED it stays privileged, and an unprivileged one never becomes it",
  { env: { ...backups.env, PROXMOX_ALLOW_PRIVILEGED: "true" } },
  async ({ ok, error, simulator }) => {
    const { state } = simulator;
    const archive = newest(state, "lxc", 202);
    const args = { archive, unprivileged: false };
    assert.match(await error("restore_container_backup", args), /of an unprivileged container.*stays/);
    archived(state, archive).config.delete("unprivileged");
    // Newer versions of PVE ask for more than for any other container.
    assert.match(await error("restore_container_backup", args), /Sys\.Modify/);
    for (const [role, held] of state.access.roles) state.access.roles.set(role, new Set([...held, "Sys.Modify"]));
    const answer = await ok("restore_container_backup", args);
    assert.equal(guestOf(state, answer.vmid).config.get("unprivileged") ?? 0, 0);
    assert.doesNotMatch(String(answer.notes), /was privileged/);
  },
);

serverTest("what does not fit is refused before anything is made", backups, async ({ error, simulator, requests }) => {
  const { state } = simulator;
  const archive = newest(state, "lxc", 202);
  const { config } = archived(state, archive);
  config.set("mp0", "ceph:vm-202-disk-1,mp=/srv/data,backup=1,size=900G");
  assert.match(
    await error("restore_container_backup", { archive, storage: "local-lvm" }),
    /Refused: 916\.0 GiB do not fit on storage local-lvm/,
  );
  assert.ok(requests.every(({ method }) => method === "GET"));
});

serverTest("a restore that fails says why, and what was there stays", backups, async ({ error, simulator }) => {
  const { state } = simulator;
  const before = inventory(state);
  const vm = newest(state, "qemu", 102);
  archived(state, vm).config.set("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr9");
  const { roles } = state.access;
  for (const [role, held] of roles) roles.set(role, held.difference(new Set(["SDN.Use"])));
  assert.match(
    await error("restore_vm_backup", { archive: vm }),
    /SDN\.Use.*PVE leaves a VM without its disks.*a new call takes another/s,
  );
  const container = newest(state, "lxc", 202);
  const failed = await error("restore_container_backup", { archive: container });
  assert.match(failed, /SDN\.Use/);
  assert.doesNotMatch(failed, /PVE leaves/);
  assert.deepEqual(lostSince(state, before), []);
});

serverTest(
  "a restore that is asked for again while it runs is not made twice",
  { ...backups, simulator: { pace: 1 } },
  async ({ ok, requests, simulator }) => {
    const archive = newest(simulator.state, "qemu", 102);
    const first = await ok("restore_vm_backup", { archive, wait: false });
    assert.equal(first.state, "running");
    const second = await ok("restore_vm_backup", { archive, wait_timeout: 1 });
    assert.equal(second.upid, first.upid);
    assert.match(String(second.notes), /nothing was started again/);
    assert.equal(requests.filter(({ method }) => method === "POST").length, 1);
  },
);
