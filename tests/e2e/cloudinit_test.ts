/** VMs from cloud images: made in one call, gone on with where a call stopped, and no other VM touched; what cloud-init sets. */
import assert from "node:assert/strict";
import type { Guest, Simulator } from "../../src/sim/mod.ts";
import { type Running, serverTest } from "../helpers/server.ts";

const cloudinit = { env: { PROXMOX_TOOLSETS: "default,cloudinit" } };
const IMAGE = "nas:import/noble-server-cloudimg-amd64.qcow2";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample agent@example";
const wish = { image: IMAGE, name: "cloud", storage: "local-lvm", node: "pve1", ciuser: "admin", sshkeys: KEY };
const done = (...steps: string[]) => steps.map((step) => ({ step, state: "done" }));

function guestOf(simulator: Simulator, vmid: unknown): Guest {
  return simulator.state.guests.get(Number(vmid)) ?? assert.fail(`no guest ${vmid}`);
}

/** The writes that PVE has answered, as in "POST /nodes/pve1/qemu". */
function writes({ requests }: Running): string[] {
  return requests.filter(({ method }) => method !== "GET").map(({ method, path }) => `${method} ${path}`);
}

serverTest("one call: the image is the disk, grown; user, key and address are set; it runs", cloudinit, async (it) => {
  const { ok, simulator, requests } = it;
  const ipconfig0 = "ip=192.0.2.10/24,gw=192.0.2.1";
  const made = await ok("create_cloudinit_vm", { ...wish, ipconfig0, nameserver: "192.0.2.53", tags: "web" });
  const { vmid } = made;
  assert.deepEqual([made.state, made.steps, made.disk_gib], ["ok", done("create", "grow", "start"), 16]);
  assert.match(String(made.notes), /Its address: 192\.0\.2\.10\/24/);
  assert.deepEqual(writes(it), [
    "POST /nodes/pve1/qemu",
    `PUT /nodes/pve1/qemu/${vmid}/resize`,
    `POST /nodes/pve1/qemu/${vmid}/status/start`,
  ]);
  const sent = requests.find(({ method }) => method === "POST")?.params ?? {};
  assert.equal(sent.scsi0, `local-lvm:0,import-from=${IMAGE},discard=on,iothread=1`);
  assert.deepEqual([sent.ide2, sent.agent, sent.serial0], ["local-lvm:cloudinit", "1", "socket"]);
  const { config, run } = guestOf(simulator, vmid);
  assert.ok(run !== undefined);
  assert.match(String(config.get("scsi0")), new RegExp(`^local-lvm:vm-${vmid}-disk-0,.*size=16G`));
  const image = simulator.state.storages.get("nas")?.volumes.get("")?.get(IMAGE.slice(4));
  const disk = simulator.state.storages.get("local-lvm")?.volumes.get("pve1")?.get(`vm-${vmid}-disk-0`);
  assert.ok(image !== undefined && disk?.mark === image.mark, "the very bytes of the image");
  const { user, network } = await ok("cloudinit_dump", { vmid });
  assert.match(String(user), /user: admin\nssh_authorized_keys:\n {2}- ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample/);
  assert.match(String(network), /address: '192\.0\.2\.10'[\s\S]*gateway: '192\.0\.2\.1'[\s\S]*- '192\.0\.2\.53'/);
});

serverTest("what is missing is said before anything is made", cloudinit, async (it) => {
  const { error } = it;
  assert.match(await error("create_cloudinit_vm", { ...wish, sshkeys: undefined }), /nobody could log in.*sshkeys/s);
  const missing = { ...wish, image: "nas:import/debian-13.qcow2" };
  assert.match(
    await error("create_cloudinit_vm", missing),
    /no image nas:import\/debian-13\.qcow2.*There are nas:import\/noble/s,
  );
  assert.match(
    await error("create_cloudinit_vm", { ...wish, image: "noble-server" }),
    /image="noble-server" names no storage.*Probably meant: nas:import\/noble-server-cloudimg-amd64\.qcow2/s,
  );
  assert.match(await error("create_cloudinit_vm", { ...wish, storage: "nope" }), /No storage "nope".*local-lvm/s);
  for (
    const image of [
      "nas:105/vm-105-disk-0.qcow2",
      "local-lvm:vm-100-disk-0",
      "/var/lib/vz/import/x.qcow2",
      "nas:import/../images/100/vm-100-disk-0.qcow2",
      `${IMAGE},import-from=local-lvm:vm-100-disk-0`,
    ]
  ) await error("create_cloudinit_vm", { ...wish, image });
  assert.deepEqual(writes(it), []);
});

/** Fills a storage of pve1 with somebody else's volume until so many GiB are free. */
function fill({ state }: Simulator, storage: string, leave: number): void {
  const { total, volumes } = state.storages.get(storage) ?? assert.fail(storage);
  const there = volumes.get("pve1") ?? assert.fail(storage);
  const [other] = there.values();
  assert.ok(other !== undefined);
  const used = [...there.values()].reduce((sum, volume) => sum + volume.used, 0);
  const size = total - used - leave * 1024 ** 3;
  there.set("vm-777-disk-0", { ...other, name: "vm-777-disk-0", vmid: 777, size, used: size });
}

serverTest("a disk that its storage cannot hold is refused before a VM is made for it", cloudinit, async (it) => {
  const { error, ok, simulator } = it;
  const before = simulator.state.guests.size;
  fill(simulator, "local-lvm", 20);
  const text = await error("create_cloudinit_vm", { ...wish, vmid: 120, disk_size: 21 });
  assert.match(text, /21\.0 GiB do not fit on storage local-lvm of pve1, which has 20\.0 GiB free/);
  assert.match(text, /Ask for less, or name another storage/);
  assert.deepEqual([writes(it), simulator.state.guests.size], [[], before]);
  const made = await ok("create_cloudinit_vm", { ...wish, vmid: 120, disk_size: 20 });
  assert.deepEqual([made.state, made.disk_gib], ["ok", 20]);
});

serverTest("a call that stopped half-way tells how far it came; the next one goes on there", cloudinit, async (it) => {
  const { error, ok, simulator } = it;
  const before = simulator.state.guests.size;
  await ok("create_cloudinit_vm", { ...wish, vmid: 120, disk_size: 3, start: false });
  // Space that was there when it was begun is taken meanwhile.
  fill(simulator, "local-lvm", 20);
  const text = await error("create_cloudinit_vm", { ...wish, vmid: 120, disk_size: 5000 });
  assert.match(text, /do not fit on storage local-lvm.*\(VM 120: create done, grow not done, start not done\)/);
  assert.match(text, /Call create_cloudinit_vm again with vmid=120, the same storage and a smaller disk_size/);
  assert.doesNotMatch(text, /the same arguments|another storage/);
  assert.equal(guestOf(simulator, 120).run, undefined);
  // Without its number it would be a second one.
  assert.match(await error("create_cloudinit_vm", wish), /guest called "cloud" already: 120.*vmid=120/s);
  const made = await ok("create_cloudinit_vm", { ...wish, vmid: 120 });
  assert.deepEqual([made.state, made.steps, made.disk_gib], ["ok", done("create", "grow", "start"), 16]);
  assert.equal(writes(it).filter((line) => line.endsWith("/qemu")).length, 1);
  assert.equal(simulator.state.guests.size, before + 1);
  const again = await ok("create_cloudinit_vm", { ...wish, vmid: 120 });
  assert.deepEqual([again.state, again.steps], ["unchanged", done("create", "grow", "start")]);
  assert.match(String(again.notes), /runs already/);
  assert.equal(writes(it).length, 3, writes(it).join("\n"));
  await ok("stop_vm", { vmid: 120 });
  const off = await ok("create_cloudinit_vm", { ...wish, vmid: 120, disk_size: 40 });
  assert.equal(off.state, "unchanged");
  assert.match(String(off.notes), /started before, and is off now: start_vm.*resize_vm_disk/);
  assert.equal(guestOf(simulator, 120).run, undefined);
});

serverTest("a start that failed is repeated; the disk is not grown twice", cloudinit, async (it) => {
  const { error, ok, simulator } = it;
  const lost = { ...wish, vmid: 120, net0: "virtio,bridge=vmbr1" };
  const node = simulator.state.nodes.get("pve1");
  assert.ok(node !== undefined);
  const made = await ok("create_cloudinit_vm", { ...lost, start: false });
  assert.deepEqual(made.steps, done("create", "grow"));
  const { config } = guestOf(simulator, 120);
  const net0 = String(config.get("net0"));
  // The bridge is gone for a moment.
  config.set("net0", net0.replace("vmbr1", "vmbr9"));
  assert.match(await error("start_vm", { vmid: 120 }), /bridge 'vmbr9' does not exist/);
  config.set("net0", net0);
  const again = await ok("create_cloudinit_vm", lost);
  assert.deepEqual([again.state, again.steps], ["ok", done("create", "grow", "start")]);
  assert.equal(writes(it).filter((line) => line.endsWith("/resize")).length, 1);
});

serverTest("a VM that somebody else has made is left alone, however equal it is", cloudinit, async (it) => {
  const { error, ok, simulator } = it;
  await ok("create_cloudinit_vm", { ...wish, vmid: 120, start: false });
  const { tasks } = simulator.state;
  const [upid, task] = [...tasks].find(([, { type, id }]) => type === "qmcreate" && id === "120") ??
    assert.fail("no task");
  const again = async (other: Partial<typeof task>) => {
    tasks.delete(upid);
    const { user = task.user, token = task.token } = other;
    const theirs = upid.replace(/[^:]+:$/, `${user}!${token}:`);
    tasks.set(theirs, { ...task, ...other, upid: theirs });
    const count = writes(it).length;
    const text = await error("create_cloudinit_vm", { ...wish, vmid: 120, disk_size: 20 });
    assert.match(text, /Guest 120 is there.*pve1 knows of no task by which \S+!\S+ made it.*left alone/s);
    assert.equal(writes(it).length, count);
    tasks.delete(theirs);
  };
  await again({ user: "mallory@pve" });
  await again({ token: "other" });
  await again({ status: "failed" });
  tasks.set(upid, task);
  const { config } = guestOf(simulator, 120);
  // An earlier guest of that number, which this token had made.
  config.set("meta", `creation-qemu=10.0.2,ctime=${task.start + 61}`);
  assert.match(await error("create_cloudinit_vm", { ...wish, vmid: 120, disk_size: 20 }), /knows of no task/);
  config.set("meta", `creation-qemu=10.0.2,ctime=${task.start + 60}`);
  const made = await ok("create_cloudinit_vm", { ...wish, vmid: 120, disk_size: 20 });
  assert.deepEqual([made.state, made.disk_gib], ["ok", 20]);
});

serverTest("a VM that is not the half-made one is left alone, whatever differs", cloudinit, async (it) => {
  const { error, ok, simulator } = it;
  const strange = async (args: Record<string, unknown>, why: RegExp) => {
    const count = writes(it).length;
    assert.match(await error("create_cloudinit_vm", { ...wish, ...args }), why);
    assert.equal(writes(it).length, count);
  };
  await strange({ vmid: 105, name: "test" }, /Guest 105 is there.*what differs: agent.*ide2.*left alone/s);
  await strange({ vmid: 203, name: "test" }, /it is a container/);
  await strange({ vmid: 9000, name: "debian-13-cloud" }, /it is a template/);
  await strange({ vmid: 105 }, /what differs: .*\bname\b/);
  await ok("create_cloudinit_vm", { ...wish, vmid: 120, start: false });
  const { config, pendingDelete, snapshots } = guestOf(simulator, 120);
  for (
    const [args, key] of [
      [{ cores: 4 }, "cores"],
      [{ memory: 4096 }, "memory"],
      [{ ciuser: "other" }, "ciuser"],
      [{ sshkeys: `${KEY}\n${KEY}2` }, "sshkeys"],
      [{ cipassword: "correct horse" }, "cipassword"],
      [{ ipconfig0: "ip=192.0.2.10/24" }, "ipconfig0"],
      [{ net0: "virtio,bridge=vmbr1" }, "net0"],
      [{ tags: "web" }, "tags"],
      [{ storage: "ceph" }, "ide2, scsi0"],
    ] as const
  ) await strange({ vmid: 120, ...args }, new RegExp(`what differs: ${key}\\.`));
  for (
    const [key, value] of [["scsi1", "local-lvm:vm-120-disk-1,size=1G"], ["parent", "s1"], ["lock", "backup"]] as const
  ) {
    config.set(key, value);
    await strange({ vmid: 120 }, new RegExp(`what differs: ${key}\\.`));
    config.delete(key);
  }
  // What is pending to go, PVE does not show among the settings.
  config.set("onboot", 1);
  pendingDelete.set("onboot", false);
  await strange({ vmid: 120 }, /changes are pending: onboot/);
  pendingDelete.clear();
  config.delete("onboot");
  assert.equal(snapshots.size, 0);
  assert.equal((await ok("create_cloudinit_vm", { ...wish, vmid: 120 })).state, "ok");
});

serverTest("the answer comes while PVE still imports; the next call waits for it, and makes no second VM", {
  ...cloudinit,
  simulator: { pace: 0.3 },
}, async (it) => {
  const { ok, simulator } = it;
  const before = simulator.state.guests.size;
  const first = await ok("create_cloudinit_vm", { ...wish, wait: false });
  const { vmid } = first;
  assert.deepEqual([first.state, first.steps], ["running", [
    { step: "create", state: "running" },
    { step: "grow", state: "not done" },
    { step: "start", state: "not done" },
  ]]);
  assert.match(String(first.notes), new RegExp(`again with vmid=${vmid}`));
  // Side by side, with and without its number.
  const [same, numbered] = await Promise.all([
    ok("create_cloudinit_vm", wish),
    ok("create_cloudinit_vm", { ...wish, vmid }),
  ]);
  for (const answer of [same, numbered]) {
    assert.equal(answer.vmid, vmid);
    assert.deepEqual(answer.steps, done("create", "grow", "start"));
  }
  assert.equal(simulator.state.guests.size, before + 1);
  assert.equal(writes(it).length, 3, writes(it).join("\n"));
});

serverTest("what a person protects is protected here, too", {
  env: { ...cloudinit.env, PROXMOX_PROTECTED: "121,tag:prod" },
}, async (it) => {
  const { error, ok, simulator } = it;
  assert.match(await error("create_cloudinit_vm", { ...wish, vmid: 121 }), /guest 121 is protected/);
  assert.match(await error("create_cloudinit_vm", { ...wish, tags: "prod" }), /tag prod protects guests/);
  assert.equal((await ok("create_cloudinit_vm", { ...wish, vmid: 120, start: false })).state, "ok");
  guestOf(simulator, 120).config.set("tags", "prod");
  const count = writes(it).length;
  await error("create_cloudinit_vm", { ...wish, vmid: 120, disk_size: 20 });
  assert.equal(writes(it).length, count);
  assert.equal((await ok("create_cloudinit_vm", { ...wish, name: "cloud2", tags: "web" })).state, "ok");
});

serverTest("set_cloudinit tells old and new values, and that the guest takes itself for new", cloudinit, async (it) => {
  const { ok, error, simulator } = it;
  const { vmid } = await ok("create_cloudinit_vm", { ...wish, start: false });
  const changed = await ok("set_cloudinit", {
    vmid,
    sshkeys: `${KEY}\nssh-rsa AAAAB3NzaC1yc2E= b`,
    nameserver: "192.0.2.53",
  });
  assert.deepEqual(changed.changes, [
    { key: "sshkeys", old: KEY, new: `${KEY}\nssh-rsa AAAAB3NzaC1yc2E= b` },
    { key: "nameserver", new: "192.0.2.53" },
  ]);
  assert.equal(changed.first_boot_again, true);
  assert.match(String(changed.notes), /first-boot modules once more.*SSH host keys/);
  const same = await ok("set_cloudinit", { vmid, nameserver: "192.0.2.53" });
  assert.deepEqual([same.state, same.first_boot_again], ["unchanged", undefined]);
  assert.doesNotMatch(String(same.notes), /first-boot/);
  await ok("start_vm", { vmid });
  const secret = await it.call("set_cloudinit", { vmid, cipassword: "correct horse" });
  assert.doesNotMatch(JSON.stringify(secret), /correct horse/);
  assert.match(secret.text, /reboot_vm/);
  const dump = await it.call("cloudinit_dump", { vmid });
  assert.match(dump.text, /password: \(set, not shown\)/);
  assert.doesNotMatch(JSON.stringify(dump), /\$5\$|correct horse/);
  assert.match(await error("set_cloudinit", { vmid: 105, ciuser: "a" }), /no cloud-init drive.*set_vm_config/s);
  assert.match(await error("set_cloudinit", { vmid }), /Nothing to change was given/);
  assert.match(
    await error("set_cloudinit", { vmid, sshkeys: "-----BEGIN OPENSSH PRIVATE KEY-----" }),
    /Refused sshkeys/,
  );
  guestOf(simulator, vmid).config.set("cicustom", "user=local:snippets/user.yaml,network=local:snippets/net.yaml");
  assert.match(
    String((await ok("set_cloudinit", { vmid, ciuser: "x" })).notes),
    /cicustom takes user, network from snippets/,
  );
  const { notes, user, network, meta } = await ok("cloudinit_dump", { vmid, part: "meta" });
  assert.match(String(notes), /cicustom takes user, network/);
  assert.deepEqual([user, network], [undefined, undefined]);
  assert.match(String(meta), /^instance-id: [0-9a-f]{40}/);
  assert.match(String((await ok("cloudinit_dump", { vmid: 105 })).notes), /no cloud-init drive/);
  const windows = await ok("cloudinit_dump", { vmid: 106 });
  assert.match(String(windows.meta), /"uuid": "[0-9a-f]{40}"/);
});

serverTest("what reaches nobody without a cloud-init drive is said where it is set", {}, async ({ ok, simulator }) => {
  const idle = (
    keys: string,
  ) => [
    `It has no cloud-init drive: ${keys} nobody until set_vm_config adds one, as in config={"cloudinit": "STORAGE"}`,
  ];
  const storage = "local-lvm";
  const made = await ok("create_vm", { vmid: 131, node: "pve1", storage, ciuser: "x", ipconfig1: "ip=dhcp" });
  assert.deepEqual(made.notes, idle("ciuser, ipconfig1 reach"));
  const { vmid } = made;
  assert.deepEqual(
    (await ok("set_vm_config", { vmid, config: { nameserver: "192.0.2.53", cores: 2 } })).notes,
    idle("nameserver reaches"),
  );
  // Set already: it reaches nobody still.
  const again = await ok("set_vm_config", { vmid, config: { ciuser: "x" } });
  assert.deepEqual(again.notes, ["Everything had these values already", ...idle("ciuser reaches")]);
  assert.equal((await ok("set_vm_config", { vmid, config: { cores: 1 } })).notes, undefined);
  assert.equal((await ok("set_vm_config", { vmid, config: { ciuser: "y", cloudinit: storage } })).notes, undefined);
  assert.equal((await ok("set_vm_config", { vmid, config: { ciuser: "z" } })).notes, undefined);
  assert.equal(guestOf(simulator, vmid).config.get("ciuser"), "z");
  const whole = await ok("create_vm", { vmid: 132, node: "pve1", storage, cloudinit: storage, ciuser: "x" });
  assert.equal(whole.notes, undefined);
});

serverTest("the set is off by default", {}, async ({ client }) => {
  const { tools } = await client.listTools();
  assert.ok(tools.every(({ name }) => !name.includes("cloudinit")));
});
