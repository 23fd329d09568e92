/** What a backup's configuration may make of a new guest: nothing that reaches the host or another guest's disk. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { PveError, Refusal } from "../../src/errors.ts";
import { createClient } from "../../src/pve/client.ts";
import { disksToMake, readArchive, runCheck } from "../../src/safety/checks.ts";
import { admit } from "../../src/safety/gate.ts";
import { assertRefused } from "../helpers/refusal.ts";

const GIB = 1024 ** 3;
const VM = "POST /nodes/{node}/qemu (restore)";
const CONTAINER = "POST /nodes/{node}/lxc (restore)";
const vmBackup = "nas:backup/vzdump-qemu-100-2026_11_21-12_00_00.vma.zst";
const containerBackup = "nas:backup/vzdump-lxc-200-2026_11_21-12_00_00.tar.zst";
const vm = { node: "pve1", vmid: 300, archive: vmBackup, unique: true };
const container = {
  node: "pve1",
  vmid: 300,
  ostemplate: containerBackup,
  restore: true,
  unique: true,
  unprivileged: true,
  storage: "a",
};
type Given = Readonly<Record<string, unknown>>;

/** Runs the check on a backup with this configuration, with so many bytes free; returns what it asked. */
async function check(
  call: typeof VM | typeof CONTAINER,
  given: Given,
  config: string | undefined,
  free: Readonly<Record<string, number>> = {},
  guests: readonly Given[] = [],
  left: readonly Given[] = [],
): Promise<string[]> {
  const asked: string[] = [];
  const { signal } = new AbortController();
  const client = createClient((call, params, options) => {
    assert.equal(options.signal, signal);
    const { path, query } = admit(call, params);
    asked.push(`${path}${query === "" ? "" : `?${decodeURIComponent(query)}`}`);
    const data = path.endsWith("/extractconfig")
      ? config
      : query === "type=vm"
      ? guests
      : query === "type=storage"
      ? [{ type: "storage", node: "pve1", storage: "bb", status: "available", content: "images" }]
      : path.endsWith("/content")
      ? left
      : path.endsWith("/storage")
      ? Object.entries(free).map(([storage, avail]) => ({ storage, type: "dir", content: "images", avail }))
      : [];
    return Promise.resolve({
      status: data === undefined ? 500 : 200,
      reason: data === undefined ? "unable to read" : "OK",
      contentType: "application/json",
      body: JSON.stringify({ data }),
    });
  });
  assert.deepEqual(await runCheck("restore", call, given, client, { signal }), {});
  return asked;
}

async function refuses(why: RegExp, ...args: Parameters<typeof check>): Promise<void> {
  await assertRefused(check(...args), why);
}

const lines = (config: Readonly<Record<string, string>>, ...saved: string[]) =>
  [
    ...Object.entries(config).map(([name, value]) => `${name}: ${value}`),
    ...saved.map((slot) => `#qmdump#map:${slot}:drive-${slot}:a:raw:`),
    "",
  ].join("\n");

Deno.test("a configuration is read as PVE extracts it: settings, and the disks that are in the backup", () => {
  const { options, saved, odd } = readArchive(
    "#a web server: 5\n#qmdump#other:scsi9:x\nagent: 1\nscsi0: a:vm-100-disk-0,size=8G\nname:  web \nempty:\nlxc.idmap: u 0 0 9\n" +
      " indented: 1\nno colon\n9a: 1\nx y: 1\n#qmdump#map:scsi0:drive-scsi0:a:raw:\n#qmdump#map:efidisk0:drive-efidisk0::raw:\n" +
      "B: 1\nc: 2\nd-e: 3\n#qmdump#mapx:y:x:a:raw:\nx#qmdump#map:z:x:a:raw:\n ##qmdump#map:scsi4:x\nx#qmdump#map:scsi5:x\n[PENDING]\nscsi1: b:x\n#qmdump#map:scsi1:x:a:raw:\n",
  );
  assert.deepEqual(Object.fromEntries(options), {
    agent: "1",
    scsi0: "a:vm-100-disk-0,size=8G",
    name: "web",
    empty: "",
    "lxc.idmap: u 0 0 9": "",
    B: "1",
    c: "2",
    "d-e": "3",
  });
  assert.deepEqual([...saved], ["scsi0", "efidisk0"]);
  assert.equal(odd, "[PENDING]");
  const map = (...lines: string[]) => [...readArchive(lines.map((line) => `#qmdump#map:${line}`).join("\n")).saved];
  assert.deepEqual(map("z:x:a:raw:", "sata0:drive:a::", "ide0:drive:::"), ["z", "sata0", "ide0"]);
  assert.deepEqual(map(":x:a:raw:", "a b:x:a:raw:", "s2::a:raw:", "s4:x y:a:raw:", "s5:x:a b:raw:", "s6:x:a:r w:"), []);
  assert.equal(readArchive("x lxc.a = 1\nxlxc.b=1\n").options.size, 0);
  const none = readArchive("");
  assert.equal(none.options.size, 0);
  assert.equal(none.odd, undefined);
});

Deno.test("a configuration that no backup has is not restored: PVE would read it otherwise than it is judged", async () => {
  for (const section of ["[PENDING]\ndelete: scsi0", "[before]\nscsi0: a:vm-100-disk-0", "[special:cloudinit]"]) {
    await refuses(/has \[.*which PVE writes into no backup.*A person/, VM, vm, `memory: 512\n${section}\n`);
    await refuses(/has \[/, CONTAINER, container, `rootfs: a:x\n${section}\n`);
  }
  // PVE skips a setting that it cannot read, and keeps the one before.
  await refuses(/has usb0 twice/, VM, vm, "usb0: host=1-2\nusb0: spice,x=1\n");
  await refuses(/has scsi0 twice/, VM, vm, "scsi0: a:vm-100-disk-0\nscsi0: none,media=cdrom\n[x]\n");
  // What PVE would not give a new volume.
  for (
    const value of [
      "a:vm-100-disk-0 ,size=8G",
      "a:vm-100-disk-0,backup=0,x=a b",
      "a:vm-100-cloudinit,media=cdrom,x=a\tb",
    ]
  ) {
    await refuses(/is named in this backup and not in it/, VM, vm, lines({ scsi0: value }, "scsi0"));
  }
  await check(VM, vm, lines({ ide2: "local:iso/a b.iso,media=cdrom" }));
  // PVE's pattern lets a colon into a part, and means the drive "scsi1:a" then.
  const hints = ["scsi1:a:drive-scsi0:a:raw:", "scsi1:drive:x:a:raw:", "scsi1:drive:a:b:raw:", ":scsi1:d:a:raw:"];
  for (const hint of [...hints, "scsi1:drive-scsi1:a:raw", "scsi1::a:raw:", "scsi1:d:a:raw: ", "", "x"]) {
    const text = `scsi1: a:vm-100-disk-0\n#qmdump#map:${hint}\n`;
    await refuses(/has "#qmdump#map:.*which PVE writes into no backup/, VM, vm, text);
  }
  // An old name of ide2.
  for (const drive of ["a:vm-100-disk-0,size=32G", "/dev/sdb", "none,media=cdrom"]) {
    await refuses(/has cdrom, which PVE writes into no backup/, VM, vm, lines({ cdrom: drive }));
  }
  // PVE merges another configuration that lies in the backup, where this one is an old container's.
  await refuses(/names no rootfs: PVE may read another/, CONTAINER, container, lines({ hostname: "web" }));
  await refuses(/names no rootfs/, CONTAINER, container, "");
  // Perl's "." is any character but a line feed.
  for (const end of ["\u2028", "\u2029", "\r"]) await refuses(/has args/, VM, vm, `args: -device${end}x\n`);
  for (const raw of ["lxc.mount.entry = /x y", "lxc.mount.entry=/x", "lxc.a: 1\nlxc.a: 2"]) {
    await refuses(/has lxc\..*reaches the host/, CONTAINER, container, `rootfs: a:x\n${raw}\n`);
  }
});

Deno.test("the number has to be free, as for any new guest", async () => {
  const taken = { type: "qemu", vmid: 300, name: "web", node: "pve2" };
  await refuses(/Refused vmid 300: the VM "web" on pve2 has it/, VM, vm, "", {}, [taken]);
  await refuses(/Refused vmid 300/, CONTAINER, container, lines({ rootfs: "a:x" }), {}, [taken]);
  const left = [{ volid: "bb:vm-300-disk-0", vmid: 300, content: "images" }];
  await refuses(/no guest has it, but 1 volume/, VM, vm, "", {}, [], left);
  await refuses(/vmid is missing/, VM, { ...vm, vmid: undefined }, "");
  const asked = await check(VM, vm, lines({ name: "web" }));
  assert.ok(asked.includes(`/nodes/pve1/vzdump/extractconfig?volume=${vmBackup}`));
  assert.ok(
    (await check(CONTAINER, container, lines({ rootfs: "a:x" }))).includes(
      `/nodes/pve1/vzdump/extractconfig?volume=${containerBackup}`,
    ),
  );
});

Deno.test("what cannot be read is not restored", async () => {
  await assert.rejects(check(VM, vm, undefined), PveError);
  await refuses(/node and backup are missing/, VM, { ...vm, archive: undefined }, "");
  await refuses(/node and backup are missing/, VM, { ...vm, archive: undefined, ostemplate: vmBackup }, "");
  await refuses(/node and backup are missing/, CONTAINER, { ...container, ostemplate: undefined }, "");
  await refuses(/node and backup are missing/, VM, { ...vm, node: 5 }, "");
});

Deno.test("settings that reach the host are for a person", async () => {
  const reaching: readonly (readonly [string, string])[] = [
    ["args", "-device x"],
    ["hookscript", "local:snippets/x.sh"],
    ["hostpci0", "0000:01:00.0"],
    ["hostpci15", "mapping=gpu"],
    ["parallel2", "/dev/parport0"],
    ["virtiofs10", "x"],
    ["ivshmem", "size=32"],
    ["vmstate", "a:vm-100-state-suspend"],
    ["usb0", "host=1-2"],
    ["usb10", "mapping=x"],
    ["usb1", "host=spicex"],
    ["usb1", "spicex"],
    ["usb1", "xspice"],
    ["usb1", "host=host=spice"],
    ["lxc.", "x"],
    ["usb1", "host=1-2,spice"],
    ["serial0", "/dev/ttyS0"],
    ["serial10", "socketx"],
    ["dev0", "/dev/ttyUSB0"],
    ["dev255", "/dev/dri/card0"],
    ["lxc.idmap", "u 0 0 65536"],
    ["lxc.mount.entry", "/x y none bind"],
    ["features", "mount=nfs"],
    ["features", "nesting=1,mknod=1"],
    ["features", "force_rw_sys=1,nesting=1"],
    ["features", "nesting=1,xkeyctl=1"],
    ["features", "nesting=1;mknod=1"],
    ["features", "nesting=2"],
    ["features", "nesting=10"],
    ["features", "nesting="],
    ["features", "nesting=1,"],
    ["features", ""],
  ];
  for (const [name, value] of reaching) {
    const why = new RegExp(`has ${name}.*, which reaches the host: .*A person can restore it`);
    await refuses(why, VM, vm, lines({ memory: "512", [name]: value }));
    await refuses(why, CONTAINER, container, lines({ rootfs: "a:x", [name]: value }));
  }
  const harmless: readonly (readonly [string, string])[] = [
    ["usb0", "spice"],
    ["usb10", "spice,usb3=1"],
    ["usb1", "host=spice"],
    ["usb1", "host=spice,usb3=1"],
    ["serial0", "socket"],
    ["serial10", "socket"],
    ["xargs", "1"],
    ["argsx", "1"],
    ["xhookscript", "1"],
    ["hookscriptx", "1"],
    ["hostpci", "1"],
    ["xhostpci0", "1"],
    ["hostpci0x", "1"],
    ["dev", "1"],
    ["dev0x", "1"],
    ["xdev0", "1"],
    ["parallelx", "1"],
    ["ivshmemx", "1"],
    ["xivshmem", "1"],
    ["vmstatestorage", "a"],
    ["xvmstate", "1"],
    ["lxc", "1"],
    ["lxcx.y", "1"],
    ["xlxc.y", "1"],
    ["usb", "host=1-2"],
    ["xusb0", "host=1-2"],
    ["usb0x", "host=1-2"],
    ["serial", "/dev/ttyS0"],
    ["xserial0", "/dev/ttyS0"],
    ["serial0x", "/dev/ttyS0"],
    ["onboot", "1"],
    ["protection", "1"],
    ["features", "nesting=1"],
    ["features", "fuse=1,keyctl=1,nesting=1"],
    ["features", "nesting=0,keyctl=0"],
    ["xfeatures", "mount=nfs"],
    ["featuresx", "mount=nfs"],
  ];
  for (const [name, value] of harmless) {
    await check(VM, vm, lines({ memory: "512", [name]: value }));
    await check(CONTAINER, container, lines({ rootfs: "a:x", [name]: value }));
  }
});

Deno.test("a VM's disk that is named and not in the backup would be another guest's", async () => {
  for (const slot of ["scsi0", "scsi30", "virtio15", "sata5", "ide3", "efidisk0", "tpmstate0"]) {
    const config = { memory: "512", [slot]: "a:vm-100-disk-0,size=8G" };
    const why = new RegExp(`${slot} \\(a:vm-100-disk-0,size=8G\\) is named in this backup and not in it.*A person`);
    await refuses(why, VM, vm, lines(config));
    await refuses(why, VM, vm, lines(config, slot === "scsi0" ? "scsi1" : "scsi0"));
    await check(VM, vm, lines(config, slot), { a: 8 * GIB });
    // Left out on purpose: PVE leaves it out of the new guest, too.
    const out = readArchive(lines({ [slot]: "a:vm-100-disk-0,backup=0,size=8G" }));
    assert.deepEqual([...disksToMake(false, out)], []);
    const inside = readArchive(lines({ [slot]: "a:vm-100-disk-0,backup=0,size=8G" }, slot));
    assert.deepEqual([...disksToMake(false, inside).keys()], [slot]);
    for (const left of ["backup=1", "backup=00", "xbackup=0", "backup=0x"]) {
      await refuses(/not in it/, VM, vm, lines({ [slot]: `a:vm-100-disk-0,${left}` }));
    }
  }
  for (const name of ["scsi", "xscsi0", "scsi0x", "net0", "unused0", "boot", "rootfs", "mp0"]) {
    await check(VM, vm, lines({ [name]: "a:vm-100-disk-0" }));
  }
});

Deno.test("a VM's CD-ROM and its cloud-init drive come back, and nothing that only looks like one", async () => {
  const drives = [
    "none,media=cdrom",
    "local:iso/a.iso,media=cdrom,size=4M",
    "cdrom,media=cdrom",
    "local-lvm:vm-100-cloudinit,media=cdrom",
    "local-lvm:vm-100-cloudinit,media=cdrom,size=4M",
    "nas:100/vm-100-cloudinit.qcow2,media=cdrom",
    "nas:1/vm-1-cloudinit.raw,media=cdrom",
  ];
  for (const drive of drives) {
    assert.deepEqual([...disksToMake(false, readArchive(lines({ ide2: drive })))], [], drive);
    await check(VM, vm, lines({ ide2: drive }));
  }
  const others = [
    "ceph:vm-104-disk-1,media=cdrom",
    "ceph:vm-104-disk-1",
    "local:iso/a.iso",
    "local:iso/a.iso,media=disk",
    "local-lvm:vm-100-cloudinit",
    "local-lvm:vm-100-cloudinitx,media=cdrom",
    "nas:100/vm-100-cloudinit.x,media=cdrom",
    "nas:100/vm-100-cloudinit.rawx,media=cdrom",
    "nas:100/vm-100-cloudinit.raw.qcow2,media=cdrom",
    "local-lvm:vm-100-cloudinit.,media=cdrom",
    "local-lvm:vm-100-cloudinit.a.b,media=cdrom",
    "vm-100-cloudinit,media=cdrom",
    "local-lvm:vm-x-cloudinit,media=cdrom",
    "local-lvm:vm--cloudinit,media=cdrom",
    "local-lvm:xvm-100-cloudinit,media=cdrom",
    "local-lvm:vm-100-cloudinit/x,media=cdrom",
    "local-lvm:vm-100-cloudinit.qcow2/x,media=cdrom",
    "/dev/sdb",
    "/dev/sdb,media=cdrom",
  ];
  for (const drive of others) await refuses(/ide2 .*not in it/, VM, vm, lines({ ide2: drive }));
  // PVE generates one on these buses, and hands on what stands on another.
  const drive = "local-lvm:vm-100-cloudinit,media=cdrom";
  for (const slot of ["ide0", "sata5", "scsi30"]) await check(VM, vm, lines({ [slot]: drive }));
  for (const slot of ["virtio1", "efidisk0", "tpmstate0"]) {
    await refuses(new RegExp(`${slot} .*not in it`), VM, vm, lines({ [slot]: drive }));
  }
});

Deno.test("a container's volumes are made anew, and directories and devices of the host are for a person", async () => {
  for (const slot of ["rootfs", "mp0", "mp255"]) {
    const rootfs: Record<string, string> = slot === "rootfs" ? {} : { rootfs: "a:x,size=1G" };
    const found = disksToMake(true, readArchive(lines({ ...rootfs, [slot]: "a:y,mp=/srv,size=1G" })));
    assert.ok(found.has(slot));
    assert.ok(disksToMake(true, readArchive(lines({ [slot]: "local-lvm:vm-200-disk-0,size=1G" }))).has(slot));
    for (
      const bind of [
        "/srv/data,mp=/srv",
        "/dev/sdb,mp=/srv",
        "mp=/srv,volume=/etc",
        "",
        "x",
        ":x",
        "a:",
        "a/b:c",
        ":x:y",
      ]
    ) {
      const why = new RegExp(`${slot} of this backup is a directory or device of the host`);
      await refuses(why, CONTAINER, container, lines({ ...rootfs, [slot]: bind }));
    }
  }
  for (const name of ["mp", "xmp0", "mp0x", "unused0", "scsi0", "rootfsx"]) {
    assert.equal(disksToMake(true, readArchive(lines({ [name]: "/etc" }))).size, 0);
  }
});

Deno.test("an unprivileged container's backup stays one", async () => {
  const config = lines({ rootfs: "a:x", unprivileged: "1" });
  for (const unprivileged of [false, 0, "0"]) {
    await refuses(/of an unprivileged container, and that is what it stays/, CONTAINER, {
      ...container,
      unprivileged,
    }, config);
    await check(CONTAINER, { ...container, unprivileged }, lines({ rootfs: "a:x" }));
    await check(CONTAINER, { ...container, unprivileged }, lines({ rootfs: "a:x", unprivileged: "0" }));
  }
  for (const unprivileged of [true, 1, "1"]) await check(CONTAINER, { ...container, unprivileged }, config);
});

Deno.test("what is restored has to fit, where it was or where it is to go", async () => {
  const config = lines(
    { scsi0: "a:x,size=8G", scsi1: "b:y,size=4G", scsi2: "c:z,backup=0,size=90G" },
    "scsi0",
    "scsi1",
  );
  await check(VM, vm, config, { a: 8 * GIB, b: 4 * GIB, c: 0 });
  await refuses(/8\.0 GiB do not fit on storage a of pve1/, VM, vm, config, { a: 8 * GIB - 1, b: 4 * GIB });
  await refuses(/4\.0 GiB do not fit on storage b/, VM, vm, config, { a: 8 * GIB, b: 4 * GIB - 1 });
  await check(VM, { ...vm, storage: "d" }, config, { a: 0, b: 0, d: 12 * GIB });
  await refuses(/12\.0 GiB do not fit on storage d/, VM, { ...vm, storage: "d" }, config, { d: 12 * GIB - 1 });
  // A container goes onto one storage, with what the backup has left out: PVE makes that empty.
  const whole = lines({ rootfs: "b:x,size=8G", mp0: "c:y,mp=/srv,size=4G" });
  await check(CONTAINER, container, whole, { a: 12 * GIB, b: 0, c: 0 });
  await refuses(/12\.0 GiB do not fit on storage a/, CONTAINER, container, whole, { a: 12 * GIB - 1 });
});

Deno.test("whatever a backup says, no disk of the new guest is one that it names", () => {
  const value = fc.oneof(
    fc.constantFrom(
      "ceph:vm-104-disk-1",
      "ceph:vm-104-disk-1,media=cdrom",
      "/dev/sdb",
      "none,media=cdrom",
      "local:iso/a.iso,media=cdrom",
      "ceph:vm-104-disk-1,backup=0",
    ),
    fc.string(),
  );
  const slot = fc.constantFrom("scsi0", "ide2", "efidisk0", "virtio3");
  fc.assert(fc.property(fc.dictionary(slot, value), fc.subarray(["scsi0", "ide2"]), (config, saved) => {
    const archive = readArchive(lines(config, ...saved));
    try {
      for (const name of disksToMake(false, archive).keys()) assert.ok(archive.saved.has(name), name);
    } catch (error) {
      assert.ok(error instanceof Refusal);
    }
  }));
});
