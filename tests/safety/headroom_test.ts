/** Free space: what a call would allocate is added up by storage, and refused where it does not fit. */
import assert from "node:assert/strict";
import { Refusal } from "../../src/errors.ts";
import { createClient } from "../../src/pve/client.ts";
import type { Call } from "../../src/safety/catalogue.ts";
import { admit } from "../../src/safety/gate.ts";
import { refuseOverflow } from "../../src/safety/headroom.ts";

const GIB = 1024 ** 3;
const CREATE_VM = "POST /nodes/{node}/qemu";
const CREATE_CONTAINER = "POST /nodes/{node}/lxc";
const CLONE_VM = "POST /nodes/{node}/qemu/{vmid}/clone";
const CLONE_CONTAINER = "POST /nodes/{node}/lxc/{vmid}/clone";

/** Runs the check with so many bytes free on each storage of node pve1; returns what it asked. */
async function check(
  call: Call,
  given: Record<string, unknown>,
  free: Record<string, number | undefined>,
  config: Record<string, unknown> = {},
  images: readonly Record<string, unknown>[] = [],
) {
  const asked: string[] = [];
  const { signal } = new AbortController();
  const client = createClient((call, params, options) => {
    assert.equal(options.signal, signal);
    const { path, query } = admit(call, params);
    asked.push(query === "" ? path : `${path}?${query}`);
    const data = path.endsWith("/content")
      ? images
      : path.endsWith("/config")
      ? { digest: "a".repeat(40), ...config }
      : Object.entries(free).map(([storage, avail]) => ({ storage, type: "dir", content: "images", avail }));
    return Promise.resolve({
      status: 200,
      reason: "OK",
      contentType: "application/json",
      body: JSON.stringify({ data }),
    });
  });
  await refuseOverflow(call, { node: "pve1", ...given }, client, { signal });
  return asked;
}

/** It needs exactly so many bytes on the storage `a`. */
async function needs(bytes: number, call: Call, given: Record<string, unknown>, config?: Record<string, unknown>) {
  await check(call, given, { a: bytes, b: 0, local: 0 }, config);
  await assert.rejects(
    check(call, given, { b: GIB ** 2, a: bytes - 1 }, config),
    (error) => error instanceof Refusal && / do not fit on storage a of \w+, which has .* free$/.test(error.message),
  );
}

Deno.test("new disks of every sized slot are added up", async () => {
  for (const slot of ["scsi0", "scsi30", "virtio15", "sata5", "ide3"]) {
    await needs(8 * GIB, CREATE_VM, { [slot]: "a:8,ssd=1" });
    await needs(8.5 * GIB, CREATE_VM, { [slot]: "a:8.5", memory: 9 });
  }
  await assert.rejects(check(CREATE_VM, { scsi0: "local-lvm:8" }, { "local-lvm": 0 }), /on storage local-lvm of/);
  await needs(10 * GIB, CREATE_VM, { scsi0: "a:10" });
  await needs(8.25 * GIB, CREATE_VM, { scsi0: "a:8.25,ssd=1" });
  await needs(12 * GIB, CREATE_VM, { scsi0: "a:8", scsi11: "a:4" });
  await needs(12 * GIB, CREATE_CONTAINER, { rootfs: "a:8", mp10: "a:4,mp=/srv" });
  await needs(8 * GIB, "PUT /nodes/{node}/qemu/{vmid}/config", { scsi1: "a:8" });
  await needs(4 * GIB, CREATE_CONTAINER, { storage: "a" });
  assert.deepEqual(await check(CREATE_VM, { scsi0: "a:8" }, { a: 8 * GIB }), ["/nodes/pve1/storage"]);
  await assert.rejects(check(CREATE_CONTAINER, {}, { local: 4 * GIB - 1 }), Refusal);
  await check(CREATE_CONTAINER, {}, { local: 4 * GIB });
});

Deno.test("what takes no space is not asked about", async () => {
  for (
    const given of [
      {},
      { memory: 512 },
      { ide2: "none,media=cdrom" },
      { ide2: "a:iso/8.iso,media=cdrom" },
      { ide2: "a:cloudinit" },
      { efidisk0: "a:1" },
      { tpmstate0: "a:1" },
      { xscsi0: "a:8" },
      { scsi0x: "a:8" },
      { rootfs0: "a:8" },
      { scsi: "a:8" },
      // The gate refuses these in any case.
      { scsi0: "ssd=1,a:8" },
      { scsi0: ":8" },
      { scsi0: "a:b:8" },
      { scsi0: "a:.5" },
      { scsi0: "a:5." },
      { scsi0: "a:1.5.5" },
    ]
  ) {
    assert.deepEqual(await check(CREATE_VM, given, { a: 0 }), [], JSON.stringify(given));
  }
  assert.deepEqual(await check(CREATE_CONTAINER, { rootfs: "a:8x" }, { a: 0 }), []);
});

Deno.test("what makes a clone smaller, or puts it elsewhere, does not count for other calls", async () => {
  await needs(8 * GIB, CREATE_VM, { scsi0: "a:8", full: false });
  assert.deepEqual(await check(CREATE_VM, { scsi0: "a:8", target: "pve2" }, {}), ["/nodes/pve1/storage"]);
});

Deno.test("a storage whose free space is not told is left to PVE", async () => {
  await check(CREATE_VM, { scsi0: "a:8" }, { a: undefined, b: 0 });
  await check(CREATE_VM, { scsi0: "a:8" }, {});
  await assert.rejects(
    check(CREATE_VM, { scsi0: "c:1", scsi1: "a:8" }, { a: 1.5 * GIB }),
    /8\.0 GiB do not fit on storage a of pve1, which has 1\.5 GiB free/,
  );
});

Deno.test("a full clone takes what its source has", async () => {
  for (const [call, slot] of [[CLONE_VM, "scsi0"], [CLONE_CONTAINER, "rootfs"]] as const) {
    const given = { vmid: 100, newid: 300 };
    for (
      const [size, bytes] of [["8G", 8 * GIB], ["8.5G", 8.5 * GIB], ["2T", 2048 * GIB], ["512M", GIB / 2], [
        "10.25G",
        10.25 * GIB,
      ], [
        "512K",
        524_288,
      ], ["512", 512]] as const
    ) {
      await needs(bytes, call, given, { [slot]: `a:vm-100-disk-0,size=${size}` });
      await needs(bytes, call, given, { [slot]: `a:vm-100-disk-0,size=${size},ssd=1` });
      await needs(bytes, call, { ...given, storage: "a" }, { [slot]: `b:vm-100-disk-0,size=${size}` });
    }
    await needs(9 * GIB, call, given, {
      memory: 512,
      ide0: "a:x,size=1G",
      ide2: "a:iso/x.iso,media=cdrom,size=5G",
      ide3: "a:iso/x.iso,size=5G,media=cdrom",
      mp0: "a:y",
      scsi12: "a:z,size=8G",
      unused0: "a:u,size=3G",
    });
    for (const full of [false, 0, "0"]) assert.deepEqual(await check(call, { ...given, full }, { a: 0 }), []);
    await needs(8 * GIB, call, { ...given, full: true }, { [slot]: "a:x,size=8G" });
    for (const size of [".5G", "5.G", "1.5.5G", "5GG", "5X", "", "G"]) {
      await check(call, given, { a: 0 }, { [slot]: `a:x,size=${size}` });
    }
    const kind = call.includes("lxc") ? "lxc" : "qemu";
    const config = { [slot]: "a:x,size=8G" };
    assert.deepEqual(await check(call, { ...given, target: "pve2" }, {}, config), [
      `/nodes/pve1/${kind}/100/config`,
      "/nodes/pve2/storage",
    ]);
    assert.deepEqual(await check(call, given, {}, config), [`/nodes/pve1/${kind}/100/config`, "/nodes/pve1/storage"]);
    await assert.rejects(check(call, { newid: 300 }, {}), /vmid of the guest is missing/);
    await assert.rejects(check(call, { ...given, node: 5 }, {}), /the node is missing/);
  }
});

const SNAPSHOT = "POST /nodes/{node}/qemu/{vmid}/snapshot";
const MIB = 1024 ** 2;

Deno.test("a snapshot with memory needs twice the memory and 500 MiB on each storage of the VM's disks", async () => {
  const given = { vmid: 100, snapname: "x", vmstate: true };
  const disks = { scsi0: "a:vm-100-disk-0,size=8G", ide2: "c:iso/x.iso,media=cdrom", net0: "virtio,bridge=d:1" };
  for (const vmstate of [true, 1, "1"]) {
    await needs((2 * 2048 + 500) * MIB, SNAPSHOT, { ...given, vmstate }, { ...disks, memory: "2048" });
  }
  await needs((2 * 512 + 500) * MIB, SNAPSHOT, given, disks);
  await needs((2 * 4096 + 500) * MIB, SNAPSHOT, given, { ...disks, memory: "current=4096" });
  await needs((2 * 512 + 500) * MIB, SNAPSHOT, given, { virtio1: "a:vm-100-disk-0", scsi0: "z:vm-100-disk-1" });
  // Where the configuration names the storage, the disks' own do not count.
  await needs((2 * 512 + 500) * MIB, SNAPSHOT, given, { scsi0: "b:vm-100-disk-0", vmstatestorage: "a" });
  const none = { scsi0: "none,media=cdrom", description: "a:1", scsi01x: "a:1", xscsi0: "a:1" };
  await check(SNAPSHOT, given, { a: 0 }, {
    ...none,
    ide2: "a:iso/x.iso,media=cdrom",
    ide3: "a:iso/y,media=cdrom,size=1M",
  });
  await needs((2 * 64 + 500) * MIB, SNAPSHOT, given, { scsi0: "a:x,media=disk", memory: "64,max=128" });
});

Deno.test("a snapshot without memory takes no space of its own, and nothing is asked", async () => {
  for (const vmstate of [undefined, false, 0, "0"]) {
    const asked = await check(SNAPSHOT, { vmid: 100, snapname: "x", vmstate }, { a: 0 }, { scsi0: "a:x,size=8G" });
    assert.deepEqual(asked, []);
  }
});

Deno.test("a disk that grows needs what is added, on its own storage", async () => {
  const calls = {
    "PUT /nodes/{node}/qemu/{vmid}/resize": "scsi0",
    "PUT /nodes/{node}/lxc/{vmid}/resize": "mp0",
  } as const;
  for (const call of ["PUT /nodes/{node}/qemu/{vmid}/resize", "PUT /nodes/{node}/lxc/{vmid}/resize"] as const) {
    const disk = calls[call];
    await needs(1500 * MIB, call, { vmid: 100, disk, size: "+1500M" }, {
      [disk]: "a:vm-100-disk-0,size=8G",
      scsi9: "b:x",
    });
    await check(call, { vmid: 100, disk: "scsi7", size: "+1500M" }, { a: 0 }, { [disk]: "a:vm-100-disk-0,size=8G" });
  }
});

Deno.test("an image that is imported takes four times its file's size, and has to be there", async () => {
  const image = (volid: string, size?: number) => ({ volid, content: "import", format: "qcow2", size });
  const images = [image("nas:import/a.qcow2", GIB), image("nas:import/b.raw", 2 * GIB), image("nas:import/c.raw")];
  const given = { scsi0: "a:0,discard=on,import-from=nas:import/a.qcow2,iothread=1" };
  const asked = await check(CREATE_VM, given, { a: 4 * GIB }, {}, images);
  assert.deepEqual(asked, ["/nodes/pve1/storage/nas/content?content=import", "/nodes/pve1/storage"]);
  await assert.rejects(check(CREATE_VM, given, { a: 4 * GIB - 1 }, {}, images), /4\.0 GiB do not fit on storage a/);
  const two = { scsi0: given.scsi0, scsi1: "a:0,import-from=nas:import/b.raw", scsi2: "a:1" };
  await check(CREATE_VM, two, { a: 13 * GIB }, {}, images);
  await assert.rejects(check(CREATE_VM, two, { a: 13 * GIB - 1 }, {}, images), /13\.0 GiB do not fit/);
  await check(CREATE_VM, { scsi0: "a:0,import-from=nas:import/c.raw" }, { a: 0 }, {}, images);
  const missing = check(CREATE_VM, { scsi0: "a:0,import-from=nas:import/x.qcow2" }, { a: GIB ** 2 }, {}, images);
  await assert.rejects(
    missing,
    (error) =>
      error instanceof Refusal && /no image nas:import\/x\.qcow2 on pve1/.test(error.message) &&
      error.remedy === "There are nas:import/a.qcow2, nas:import/b.raw, nas:import/c.raw",
  );
  await assert.rejects(
    check(CREATE_VM, given, { a: GIB ** 2 }),
    (error) => error instanceof Refusal && /download_url/.test(error.remedy ?? ""),
  );
  const nine = "jihgfedcb".split("").map((name) => image(`nas:import/${name}.raw`));
  await assert.rejects(
    check(CREATE_VM, given, { a: GIB ** 2 }, {}, nine),
    (error) =>
      error instanceof Refusal &&
      error.remedy === `There are ${"bcdefghi".split("").map((name) => `nas:import/${name}.raw`).join(", ")}`,
  );
  // Text of other settings is none.
  const none = { description: "a:0,import-from=nas:import/x.qcow2", scsi0: "a:1" };
  assert.deepEqual(await check(CREATE_VM, none, { a: GIB }), ["/nodes/pve1/storage"]);
});
