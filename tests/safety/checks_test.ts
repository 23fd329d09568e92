/** The state checks alone: what they ask PVE, what they add to a request, and when they refuse it. */
import assert from "node:assert/strict";
import { PveError } from "../../src/errors.ts";
import { createClient } from "../../src/pve/client.ts";
import { findLeftovers, runCheck } from "../../src/safety/checks.ts";
import type { Call, CheckName } from "../../src/safety/catalogue.ts";
import { admit } from "../../src/safety/gate.ts";
import { assertRefused } from "../helpers/refusal.ts";

const NODES = "/cluster/resources?type=node";

type Answers = Readonly<Record<string, unknown>>;

/** A PVE that answers each path with fixed data, and what it was asked. */
function pveWith(answers: Answers) {
  const asked: string[] = [];
  const signals: unknown[] = [];
  const client = createClient((call, params, options) => {
    const { path, query } = admit(call, params);
    const address = query === "" ? path : `${path}?${query}`;
    asked.push(address);
    signals.push(options.signal);
    // What a storage has free is told where a test is about it.
    const data = answers[address] ?? (["/nodes/pve1/storage", NODES].includes(address) ? [] : undefined);
    return Promise.resolve({
      status: data === undefined ? 500 : 200,
      reason: data === undefined ? "nobody expected this" : "OK",
      contentType: "application/json",
      body: JSON.stringify({ data }),
    });
  });
  return { client, asked, signals };
}

async function check(name: CheckName, call: Call, given: Record<string, unknown>, answers: Answers) {
  const { client, asked } = pveWith(answers);
  return { added: await runCheck(name, call, given, client, {}), asked };
}

/** Fails unless the check refuses with a message that matches. */
async function refuses(name: CheckName, call: Call, given: Record<string, unknown>, answers: Answers, why: RegExp) {
  await assertRefused(check(name, call, given, answers), why);
}

const kinds = {
  qemu: {
    start: "POST /nodes/{node}/qemu/{vmid}/status/start",
    config: "PUT /nodes/{node}/qemu/{vmid}/config",
    check: "vm-config",
    disks: ["scsi0", "scsi30", "virtio15", "sata5", "ide3", "efidisk0", "tpmstate0"],
    others: [
      "net0",
      "memory",
      "scsihw",
      "xscsi0",
      "scsi0x",
      "efidisk01",
      "xefidisk0",
      "tpmstate01",
      "rootfs",
      "mp0",
      "vmstate",
      "scsi",
    ],
    free: "scsi7",
  },
  lxc: {
    start: "POST /nodes/{node}/lxc/{vmid}/status/start",
    config: "PUT /nodes/{node}/lxc/{vmid}/config",
    check: "container-config",
    disks: ["rootfs", "mp0", "mp255"],
    others: ["net0", "memory", "xrootfs", "rootfsx", "xmp0", "mp0x", "scsi0", "mp"],
    free: "mp7",
  },
} as const;

const guest = { node: "pve1", vmid: 100 };
const digest = "8115a483bbeccc35e4a864025d3327d07a9a2b16";
const volume = (key: string) => `local-lvm:vm-100-${key}`;

/** Volumes that look like a drive with an ISO image, or with nothing in it. */
const NO_PLAIN_DRIVES = [
  "none",
  "none,size=8G",
  "local:iso/a.iso,size=4M",
  "none:vm-100-disk-0,media=cdrom",
  "local:vm-100-none,media=cdrom",
  ":iso/a.iso,media=cdrom",
  "local:iso/,media=cdrom",
  "local:100:iso/a.iso,media=cdrom",
  "local/100:iso/a.iso,media=cdrom",
];

for (const kind of ["qemu", "lxc"] as const) {
  const { start, config, check: configCheck, disks, others, free } = kinds[kind];
  const pendingPath = `/nodes/pve1/${kind}/100/pending`;
  const configPath = `/nodes/pve1/${kind}/100/config`;
  const power = (rows: readonly unknown[]) => check("pending", start, guest, { [pendingPath]: rows });
  const write = (given: Record<string, unknown>, rows: readonly unknown[], held: Record<string, unknown> = {}) =>
    check(configCheck, config, { ...guest, ...given }, { [pendingPath]: rows, [configPath]: { digest, ...held } });

  Deno.test(`${kind}: a power call asks for pending changes, and adds nothing`, async () => {
    assert.deepEqual(await power([]), { added: {}, asked: [pendingPath] });
    const { asked } = await write({ memory: 512 }, []);
    assert.deepEqual(asked.toSorted(), [configPath, pendingPath]);
  });

  Deno.test(`${kind}: a pending deletion or replacement of a disk stops power calls and config writes`, async () => {
    for (const key of disks) {
      const value = `${volume(key)},size=8G`;
      const losses = [
        { key, value, delete: 1 },
        { key, value, delete: 2 },
        { key, value, delete: "1" },
        { key, value, pending: "local-lvm:vm-100-disk-9,size=8G" },
        { key, value, pending: "none,media=cdrom" },
        { key, value: "local:vm-100-cloudinit,media=cdrom", delete: 1 },
        { key, value: "local:vm-100-cloudinit,media=cdrom", pending: "none,media=cdrom" },
        { key, value: "local:100/vm-100-xmedia=cdrom", delete: 1 },
        { key, value: "local:100/a,media=cdromx", delete: 1 },
        ...NO_PLAIN_DRIVES.flatMap((
          drive,
        ) => [{ key, value: drive, delete: 1 }, { key, value: drive, pending: value }]),
        { key, value: `${volume(key)},mp=/volume=a`, pending: "local-lvm:vm-100-disk-9,mp=/volume=a" },
        { key, value, pending: "mp=/srv,volume=local-lvm:vm-100-disk-9" },
        // What names no volume is taken for another one.
        { key, value: "size=8G", pending: "size=9G" },
        { key, delete: 1 },
      ];
      for (const row of losses) {
        const before = [{ key: "memory", value: 512 }];
        const why = new RegExp(
          `pending change that would ${"delete" in row ? "remove" : "replace"} its disk ${key} .*A person has to`,
        );
        await refuses("pending", start, guest, { [pendingPath]: [...before, row] }, why);
        const answers = { [pendingPath]: [...before, row], [configPath]: { digest } };
        await refuses(configCheck, config, { ...guest, memory: 512 }, answers, why);
      }
    }
  });

  Deno.test(`${kind}: what loses no disk stops nothing`, async () => {
    const harmless = [
      ...disks.flatMap((key) => [
        { key, value: `${volume(key)},size=8G` },
        { key, value: `${volume(key)},size=8G`, delete: 0 },
        { key, value: `${volume(key)},size=8G`, pending: `${volume(key)},size=8G,ssd=1` },
        { key, pending: `${volume(key)},size=8G` },
        { key, value: "none,media=cdrom", delete: 1 },
        { key, value: "local:iso/a.iso,media=cdrom,size=4M", pending: "local:iso/b.iso,media=cdrom" },
        { key, value: "media=cdrom,file=none", delete: 1 },
        { key, value: "cdrom,media=cdrom", delete: 1 },
        { key, value: "a:iso/b,media=cdrom", delete: 1 },
        // PVE keeps a container's pending mount points as they were typed.
        { key, value: `${volume(key)},size=8G`, pending: `mp=/srv,${volume(key)}` },
        { key, value: `${volume(key)},size=8G`, pending: `mp=/srv,volume=${volume(key)}` },
        { key, value: `${volume(key)},size=8G`, pending: `size=8G,file=${volume(key)}` },
      ]),
      ...others.flatMap((key) => [{ key, value: "a", delete: 1 }, { key, value: "a", pending: "b" }]),
    ];
    for (const row of harmless) {
      await power([row]);
      await write({ memory: 512 }, [row]);
    }
  });

  Deno.test(`${kind}: a config write carries the digest of what was read, or the caller's own`, async () => {
    assert.deepEqual((await write({ memory: 512 }, [])).added, { digest });
    assert.deepEqual((await write({ memory: 512, digest: "b".repeat(40) }, [])).added, {});
    await refuses(configCheck, config, guest, { [pendingPath]: [], [configPath]: { memory: 512 } }, /no digest/);
  });

  Deno.test(`${kind}: a disk goes into a free slot only`, async () => {
    const value = kind === "qemu" ? "local-lvm:8" : "local-lvm:8,mp=/srv";
    assert.deepEqual((await write({ [free]: value }, [{ key: "memory", value: 512 }])).added, { digest });
    const path = { [pendingPath]: [], [configPath]: { digest } };
    for (const key of disks) {
      const why = new RegExp(`Refused ${key}=.*${key} of guest 100 holds .*free slot`);
      const given = { ...guest, memory: 512, [key]: value };
      await write({ [key]: undefined }, [], { [key]: volume(key) });
      await write({ [key]: value }, [{ key: free, value: volume(free) }], { [free]: volume(free) });
      await refuses(configCheck, config, given, { ...path, [configPath]: { digest, [key]: volume(key) } }, why);
      await refuses(configCheck, config, given, { ...path, [pendingPath]: [{ key, value: volume(key) }] }, why);
      await refuses(configCheck, config, given, { ...path, [pendingPath]: [{ key, pending: volume(key) }] }, why);
      // An empty drive is no free slot for a disk, nor is a disk's slot free for a drive.
      await refuses(configCheck, config, given, { ...path, [configPath]: { digest, [key]: "none,media=cdrom" } }, why);
      const drive = { ...guest, [key]: "none,media=cdrom" };
      await refuses(configCheck, config, drive, { ...path, [configPath]: { digest, [key]: volume(key) } }, why);
      for (const cloudInit of ["local:vm-100-cloudinit,media=cdrom", "local:cloudinit"]) {
        await refuses(configCheck, config, drive, { ...path, [configPath]: { digest, [key]: cloudInit } }, why);
        await refuses(configCheck, config, { ...guest, [key]: "local:cloudinit,media=cdrom" }, {
          ...path,
          [configPath]: { digest, [key]: "none,media=cdrom" },
        }, why);
      }
      const mixed = {
        ...path,
        [configPath]: { digest, [key]: "none,media=cdrom" },
        [pendingPath]: [{ key, pending: volume(key) }],
      };
      await refuses(configCheck, config, drive, mixed, why);
    }
  });

  Deno.test(`${kind}: a CD-ROM may change to another one`, async () => {
    for (const held of ["none,media=cdrom", "local:iso/a.iso,media=cdrom,size=4M"]) {
      const { added } = await write({ [disks[0]]: "local:iso/b.iso,media=cdrom" }, [{ key: disks[0], value: held }], {
        [disks[0]]: held,
      });
      assert.deepEqual(added, { digest });
    }
  });

  Deno.test(`${kind}: other settings may be there already`, async () => {
    for (const key of others) await write({ [key]: "a" }, [{ key, value: "b" }], { [key]: "b" });
  });

  Deno.test(`${kind}: without a guest, or when the state cannot be read, there is no write`, async () => {
    for (const given of [{}, { node: "pve1" }, { vmid: 100 }, { node: 1, vmid: 100 }, { node: "pve1", vmid: "100" }]) {
      await refuses("pending", start, given, {}, /node and vmid are missing/);
      await refuses(configCheck, config, given, {}, /node and vmid are missing/);
    }
    await assert.rejects(check("pending", start, guest, {}), PveError);
    await assert.rejects(check(configCheck, config, guest, { [pendingPath]: [] }), PveError);
    await assert.rejects(check(configCheck, config, guest, { [configPath]: { digest } }), PveError);
  });
}

const VMS = "/cluster/resources?type=vm";
const STORAGES = "/cluster/resources?type=storage";
const storage = (over: Record<string, unknown> = {}) => ({
  type: "storage",
  id: "storage/pve1/local",
  node: "pve1",
  storage: "local",
  status: "available",
  content: "images,iso",
  ...over,
});
const content = (node: string, name: string, vmid: number) => `/nodes/${node}/storage/${name}/content?vmid=${vmid}`;
const CREATE = "POST /nodes/{node}/qemu";
const CLONE = "POST /nodes/{node}/qemu/{vmid}/clone";

Deno.test("a vmid that a guest has is not free", async () => {
  const answers = (row: Record<string, unknown>) => ({ [VMS]: [{ id: "qemu/99", vmid: 99 }, row], [STORAGES]: [] });
  const taken = { id: "qemu/300", type: "qemu", vmid: 300, name: "web", node: "pve2" };
  await refuses(
    "free-vmid",
    CREATE,
    { node: "pve1", vmid: 300 },
    answers(taken),
    /Refused vmid 300: the VM "web" on pve2 has it.*next_vmid/,
  );
  await refuses(
    "free-vmid",
    CLONE,
    { node: "pve1", vmid: 100, newid: 300 },
    answers({ ...taken, type: "lxc" }),
    /the container "web" on pve2/,
  );
  const bare = { id: "qemu/300", type: "qemu", vmid: 300 };
  await refuses("free-vmid", CREATE, { node: "pve1", vmid: 300 }, answers(bare), /the VM "" on \? has it/);
  // The number of the guest that is copied is taken, and is not the new one.
  assert.deepEqual(
    (await check("free-vmid", CLONE, { node: "pve1", vmid: 300, newid: 301, full: false }, answers(taken))).added,
    {},
  );
  for (const given of [{ node: "pve1" }, { node: "pve1", vmid: "300" }, { node: "pve1", vmid: 100, newid: "300" }]) {
    await refuses("free-vmid", CREATE, given, answers(taken), /vmid is missing/);
  }
});

Deno.test("a vmid with volumes or backups left on any storage is not free", async () => {
  for (const kind of ["images", "rootdir", "backup", "iso,backup", "images,rootdir"]) {
    const left = { volid: "local:backup/vzdump-qemu-300.vma.zst", vmid: 300, format: "vma.zst", size: 1 };
    const other = { volid: "local:backup/vzdump-qemu-3001.vma.zst", vmid: 3001, format: "vma.zst", size: 1 };
    const answers = {
      [VMS]: [],
      [STORAGES]: [storage({ content: kind })],
      [content("pve1", "local", 300)]: [other, left, left],
    };
    await refuses(
      "free-vmid",
      CREATE,
      { node: "pve1", vmid: 300 },
      answers,
      /no guest has it, but 2 volume\(s\).*such as local:backup\/vzdump-qemu-300.*next_vmid/,
    );
    const free = { ...answers, [content("pve1", "local", 300)]: [other] };
    assert.deepEqual(await check("free-vmid", CREATE, { node: "pve1", vmid: 300 }, free), {
      added: {},
      asked: [VMS, STORAGES, NODES, content("pve1", "local", 300)],
    });
  }
  await assert.rejects(
    check("free-vmid", CREATE, { node: "pve1", vmid: 300 }, { [VMS]: [], [STORAGES]: [storage()] }),
    PveError,
  );
  await assert.rejects(check("free-vmid", CREATE, { node: "pve1", vmid: 300 }, { [STORAGES]: [] }), PveError);
});

Deno.test("findLeftovers() looks at every storage once, and at those only that can hold something", async () => {
  const volumes = (node: string, name: string) => [{ volid: `${name}:${node}`, vmid: 300, format: "raw", size: 1 }];
  const { client, asked } = pveWith({
    [STORAGES]: [
      storage(),
      storage({ node: "pve2" }),
      storage({ storage: "nfs", shared: 1 }),
      storage({ storage: "nfs", shared: 1, node: "pve2" }),
      storage({ storage: "off", status: "unknown" }),
      storage({ storage: "isos", content: "iso,vztmpl,snippets" }),
      storage({ storage: "nothing", content: "" }),
      storage({ storage: undefined }),
      storage({ node: undefined, storage: "lost" }),
    ],
    [content("pve1", "local", 300)]: volumes("pve1", "local"),
    [content("pve2", "local", 300)]: volumes("pve2", "local"),
    [content("pve2", "nfs", 300)]: volumes("pve2", "nfs"),
    [content("pve1", "nfs", 300)]: volumes("pve1", "nfs"),
  });
  const found = await findLeftovers(300, client);
  assert.deepEqual(found.map(({ node, storage, volid }) => [node, storage, volid]), [
    ["pve1", "local", "local:pve1"],
    ["pve2", "local", "local:pve2"],
    ["pve2", "nfs", "nfs:pve2"],
  ]);
  assert.equal(asked.length, 5);
});

Deno.test("a storage for backups that cannot be read stops a new guest, unless its node is off", async () => {
  const answers = (content: string, ...nodes: readonly unknown[]) => ({
    [VMS]: [],
    [STORAGES]: [storage({ node: "pve2", status: "unknown", content })],
    [NODES]: nodes.map((node) => ({ type: "node", id: "node/pve2", ...Object(node) })),
  });
  const given = { node: "pve1", vmid: 300 };
  for (
    const nodes of [[], [{ node: "pve2", status: "online" }], [{ node: "pve2" }], [{ node: "pve1", status: "offline" }]]
  ) {
    const why = /storage local of pve2 cannot be read now.*number 300.*bring the storage back/;
    await refuses("free-vmid", CREATE, given, answers("images,backup", ...nodes), why);
    await check("free-vmid", CREATE, given, answers("images", ...nodes));
  }
  await check("free-vmid", CREATE, given, answers("images,backup", { node: "pve2", status: "offline" }));
});

Deno.test("a cancelled call cancels what its check asks", async () => {
  const { signal } = new AbortController();
  const { client, signals } = pveWith({
    "/nodes/pve1/qemu/100/pending": [],
    "/nodes/pve1/lxc/100/pending": [],
    "/nodes/pve1/qemu/100/config": { digest },
    "/nodes/pve1/lxc/100/config": { digest },
    [VMS]: [],
    [STORAGES]: [storage()],
    [content("pve1", "local", 300)]: [],
  });
  for (const { start, config, check } of Object.values(kinds)) {
    await runCheck("pending", start, guest, client, { signal });
    await runCheck(check, config, guest, client, { signal });
  }
  await runCheck("free-vmid", CREATE, { node: "pve1", vmid: 300 }, client, { signal });
  assert.equal(signals.length, 10);
  for (const one of signals) assert.equal(one, signal);
});

Deno.test("one volume that is left is enough", async () => {
  const left = { volid: "local:300/vm-300-disk-0.qcow2", vmid: 300, format: "qcow2", size: 1 };
  const answers = { [VMS]: [], [STORAGES]: [storage()], [content("pve1", "local", 300)]: [left] };
  await refuses("free-vmid", CREATE, { node: "pve1", vmid: 300 }, answers, /1 volume\(s\).*such as local:300/);
});

Deno.test("the pending deletion of a detached volume stops power calls and config writes", async () => {
  for (const { start } of Object.values(kinds)) {
    const path = `/nodes/pve1/${start.includes("/lxc/") ? "lxc" : "qemu"}/100/pending`;
    const row = { key: "unused12", value: "local-lvm:vm-100-disk-5", delete: 1 };
    await refuses("pending", start, guest, { [path]: [row] }, /remove its disk unused12/);
    for (const key of ["xunused0", "unused0x", "unused"]) {
      await check("pending", start, guest, { [path]: [{ ...row, key }] });
    }
  }
});

Deno.test("a snapshot waits for nobody's deletion, and asks for space where memory is kept", async () => {
  for (const kind of ["qemu", "lxc"] as const) {
    const call = `POST /nodes/{node}/${kind}/{vmid}/snapshot` as const;
    const path = `/nodes/pve1/${kind}/100/pending`;
    const status = `/nodes/pve1/lxc/100/status/current`;
    const calm = { [status]: { status: "stopped" }, [path]: [] };
    const { added, asked } = await check("snapshot", call, { ...guest, snapname: "x" }, calm);
    assert.deepEqual([added, asked], [{}, kind === "qemu" ? [path] : [status, path]]);
    const row = { key: kind === "qemu" ? "scsi0" : "mp0", value: "local-lvm:x", delete: 1 };
    const trapped = { ...calm, [path]: [row] };
    await refuses("snapshot", call, { ...guest, snapname: "x" }, trapped, /pending change that would remove/);
  }
  const call = "POST /nodes/{node}/qemu/{vmid}/snapshot";
  const answers = {
    "/nodes/pve1/qemu/100/pending": [],
    "/nodes/pve1/qemu/100/config": { digest, scsi0: "local:1" },
    "/nodes/pve1/storage": [{ storage: "local", type: "dir", content: "images", avail: 1 }],
  };
  await refuses("snapshot", call, { ...guest, snapname: "x", vmstate: true }, answers, /do not fit on storage local/);
});

const VZDUMP = "POST /nodes/{node}/vzdump";

Deno.test("a backup needs the guest, nothing pending, a storage for backups, and no snapshot that PVE would remove", async () => {
  for (const kind of ["qemu", "lxc"] as const) {
    const pendingPath = `/nodes/pve1/${kind}/100/pending`;
    const snapshots = "/nodes/pve1/lxc/100/snapshot";
    const answers = {
      [VMS]: [{ id: "qemu/99", type: "qemu", vmid: 99, node: "pve1" }, {
        id: `${kind}/100`,
        type: kind,
        vmid: 100,
        node: "pve1",
      }],
      [pendingPath]: [],
      [snapshots]: [{ name: "xvzdump" }, { name: "current" }],
      "/nodes/pve1/storage": [
        { storage: "nas", type: "nfs", content: "images,backup" },
        { storage: "b", type: "nfs", content: "backup" },
        { storage: "isos", type: "nfs", content: "iso,backups" },
        { storage: "mute", type: "nfs" },
      ],
    };
    const given = { ...guest, storage: "nas", remove: false, protected: true };
    const { added, asked } = await check("backup", VZDUMP, given, answers);
    assert.deepEqual(added, {});
    const container = kind === "lxc" ? [snapshots] : [];
    assert.deepEqual(asked, [VMS, "/nodes/pve1/storage", ...container, pendingPath]);
    for (const storage of ["isos", "mute", "missing", undefined]) {
      await refuses("backup", VZDUMP, { ...given, storage }, answers, /it takes no backups on pve1.*: b, nas$/);
    }
    const blind = { ...answers, "/nodes/pve1/storage": [] };
    await refuses("backup", VZDUMP, given, blind, /The token sees no storage for backups.*Datastore.AllocateSpace/);
    const row = { key: kind === "qemu" ? "scsi0" : "mp0", value: "local-lvm:x", delete: 1 };
    await refuses("backup", VZDUMP, given, { ...answers, [pendingPath]: [row] }, /pending change that would remove/);
    const memory = { key: "vmstate", value: "ceph:vm-100-state-suspend-2026-11-01" };
    await refuses(
      "backup",
      VZDUMP,
      given,
      { ...answers, [pendingPath]: [memory] },
      /memory of VM 100 is saved in ceph:vm-100-state-suspend-2026-11-01.*start_vm resumes/,
    );
    const running = (status: string | undefined) => ({
      ...answers,
      [VMS]: [{ id: `${kind}/100`, type: kind, vmid: 100, node: "pve1", status }],
    });
    const device = { [pendingPath]: [{ key: "hostpci15", value: "0000:01:00" }] };
    const first = { [pendingPath]: [{ key: "hostpci0", value: "mapping=gpu" }] };
    await refuses("backup", VZDUMP, given, { ...running("stopped"), ...first }, /has hostpci0: a backup/);
    for (const status of [undefined, "stopped"]) {
      const why = /VM 100 is off and has hostpci15: a backup starts its process.*Back it up while it runs/;
      await refuses("backup", VZDUMP, given, { ...running(status), ...device }, why);
      await check("backup", VZDUMP, given, {
        ...running(status),
        [pendingPath]: [{ key: "hostpci0x" }, { key: "xhostpci0" }, { key: "hostpci" }],
      });
    }
    for (const status of ["running", "paused"]) {
      await check("backup", VZDUMP, given, { ...running(status), ...device });
      const fuse = { ...running(status), [pendingPath]: [{ key: "features", value: "nesting=1,fuse=1" }] };
      const why = /container 100 runs and may use FUSE.*mode=stop/;
      for (const mode of [undefined, "snapshot", "suspend"]) {
        await refuses("backup", VZDUMP, { ...given, mode }, fuse, why);
      }
      await check("backup", VZDUMP, { ...given, mode: "stop" }, fuse);
      const off = { ...running("stopped"), [pendingPath]: [{ key: "features", value: "fuse=1" }] };
      await check("backup", VZDUMP, given, off);
    }
    const full = (avail: number) => ({
      ...answers,
      "/nodes/pve1/storage": [{ storage: "nas", content: "backup", avail }],
    });
    const tight = /storage nas of pve1 has 2\.0 GiB free, and a backup may take more.*Name another/;
    await refuses("backup", VZDUMP, given, full(2 * 1024 ** 3 - 1), tight);
    await check("backup", VZDUMP, given, full(2 * 1024 ** 3));
    const left = { ...answers, [snapshots]: [{ name: "vzdump" }] };
    if (kind === "lxc") {
      await refuses("backup", VZDUMP, given, left, /snapshot named vzdump, and a backup would remove/);
    } else await check("backup", VZDUMP, given, left);
    for (const other of [{ vmid: 101 }, { node: "pve2" }]) {
      await refuses("backup", VZDUMP, { ...given, ...other }, answers, /no guest 10. is visible to this token on pve/);
    }
    const odd = { ...answers, [VMS]: [{ id: "storage/x", type: "storage", vmid: 100, node: "pve1" }] };
    await refuses("backup", VZDUMP, given, odd, /no guest 100 is visible/);
  }
});

Deno.test("a download needs a storage for it with space, and a name that is free", async () => {
  const APLINFO = "POST /nodes/{node}/aplinfo";
  const DOWNLOAD = "POST /nodes/{node}/storage/{storage}/download-url";
  const PULL = "POST /nodes/{node}/storage/{storage}/oci-registry-pull";
  const GIB = 1024 ** 3;
  const row = (over: Record<string, unknown>) => ({
    storage: "nas",
    type: "nfs",
    content: "iso,vztmpl",
    avail: 2 * GIB,
    ...over,
  });
  const list = (type: string) => `/nodes/pve1/storage/nas/content?content=${type}`;
  const cases = [
    [APLINFO, { template: "a.tar.gz" }, "vztmpl", "a.tar.gz"],
    [DOWNLOAD, { content: "iso", filename: "a.iso" }, "iso", "a.iso"],
    [PULL, { reference: "docker.io/a:1", filename: "a_1" }, "vztmpl", "a_1.tar"],
  ] as const;
  for (const [call, file, type, name] of cases) {
    const given = { node: "pve1", storage: "nas", ...file };
    const free = {
      "/nodes/pve1/storage": [row({ storage: "b" }), row({})],
      [list(type)]: [{ volid: `nas:${type}/x${name}` }, { volid: `b:${type}/${name}` }],
    };
    const { added, asked } = await check("new-file", call, given, free);
    assert.deepEqual([added, asked], [{}, ["/nodes/pve1/storage", list(type)]]);
    const taken = { ...free, [list(type)]: [{ volid: `nas:${type}/${name}` }] };
    await refuses("new-file", call, given, taken, /is there already, and nothing here replaces a file/);
    const capitals = { ...free, [list(type)]: [{ volid: `nas:${type}/${name.toUpperCase()}` }] };
    await refuses("new-file", call, given, capitals, /nas:\w+\/A\S* is there already/);
    const full = { ...free, "/nodes/pve1/storage": [row({ avail: 2 * GIB - 1 })] };
    await refuses("new-file", call, given, full, /storage nas of pve1 has 2.0 GiB free, and a download may take more/);
    await check("new-file", call, given, { ...free, "/nodes/pve1/storage": [row({ avail: undefined })] });
    for (const content of ["images", undefined, `x${type}`, ""]) {
      const other = {
        ...free,
        "/nodes/pve1/storage": [row({ content }), row({ storage: "z" }), row({ storage: "b" })],
      };
      await refuses("new-file", call, given, other, new RegExp(`does not hold ${type}.*on pve1: b, z`));
      await refuses(
        "new-file",
        call,
        given,
        { ...free, "/nodes/pve1/storage": [row({ content })] },
        /No storage of pve1/,
      );
    }
    await refuses("new-file", call, { ...given, storage: "c" }, free, /storage="c": it does not hold/);
    for (const missing of [{ node: 1 }, { storage: undefined }, { content: 1 }]) {
      await refuses("new-file", call, { ...given, ...missing }, free, /node, storage or content is missing/);
    }
  }
});

Deno.test("a disk grows that is there and no template's, with the digest of what was read", async () => {
  for (const kind of ["qemu", "lxc"] as const) {
    const call = `PUT /nodes/{node}/${kind}/{vmid}/resize` as const;
    const disk = kind === "qemu" ? "scsi0" : "mp0";
    const [pendingPath, configPath] = [`/nodes/pve1/${kind}/100/pending`, `/nodes/pve1/${kind}/100/config`];
    const held = { digest, [disk]: "local:vm-100-disk-0,size=8G" };
    const answers = {
      [pendingPath]: [],
      [configPath]: held,
      "/nodes/pve1/storage": [{ storage: "local", type: "dir", content: "images", avail: 1024 ** 3 }],
    };
    const given = { ...guest, disk, size: "+1024M" };
    assert.deepEqual((await check("grow", call, given, answers)).added, { digest });
    assert.deepEqual((await check("grow", call, { ...given, digest: "b".repeat(40) }, answers)).added, {});
    await refuses("grow", call, { ...given, size: "+1025M" }, answers, /do not fit on storage local/);
    const row = { key: disk, value: held[disk], delete: 1 };
    await refuses("grow", call, given, { ...answers, [pendingPath]: [row] }, /pending change that would remove/);
    await refuses("grow", call, given, { ...answers, [configPath]: { ...held, template: 1 } }, /is a template.*Clone/);
    const noDigest = { [disk]: held[disk] };
    await refuses("grow", call, given, { ...answers, [configPath]: noDigest }, /no digest/);
    for (
      const value of [
        undefined,
        "none,media=cdrom",
        "local:iso/a.iso,media=cdrom",
        "/srv:a,mp=/x",
        "local",
        5,
      ]
    ) {
      const other = { ...answers, [configPath]: { digest, [disk]: value, scsi9: "local:x" } };
      const tool = kind === "qemu" ? "vm_config" : "container_config";
      await refuses("grow", call, given, other, new RegExp(`${disk}.*no disk there that could grow\\. ${tool} shows`));
    }
    await check("grow", call, given, { ...answers, [configPath]: { ...held, template: 0 } });
  }
});

Deno.test("a start uses up saved memory only of a VM that is marked as hibernated", async () => {
  const [pendingPath, statusPath] = ["/nodes/pve1/qemu/100/pending", "/nodes/pve1/qemu/100/status/current"] as const;
  const call = kinds.qemu.start;
  const saved = { key: "vmstate", value: "ceph:vm-100-state-suspend-2026-11-01" };
  const scene = (status: unknown, ...rows: readonly unknown[]) => ({ [pendingPath]: rows, [statusPath]: status });
  const asked = async (answers: Answers) => (await check("start", call, guest, answers)).asked;
  assert.deepEqual(await asked(scene(undefined, { key: "memory", value: "512" })), [pendingPath]);
  assert.deepEqual(await asked(scene({ lock: "suspended" }, saved)), [pendingPath, statusPath, pendingPath]);
  const why =
    /Refused: VM 100 has its memory saved in ceph:vm-100-state-suspend-2026-11-01 without being marked.*Somebody/;
  for (const lock of [undefined, "backup", "suspending"]) {
    await refuses("start", call, guest, scene({ lock }, saved), why);
  }
  const gone = { key: "scsi0", value: volume("scsi0"), delete: 1 };
  for (const rows of [[gone], [saved, gone]]) {
    await refuses("start", call, guest, scene({ lock: "suspended" }, ...rows), /pending change that would remove/);
  }
});

Deno.test("a VM that HA manages is not shut down, as its manager would cut the power", async () => {
  const [pendingPath, statusPath] = ["/nodes/pve1/qemu/100/pending", "/nodes/pve1/qemu/100/status/current"] as const;
  const call = "POST /nodes/{node}/qemu/{vmid}/status/shutdown";
  const scene = (ha: unknown, ...rows: readonly unknown[]) => ({ [pendingPath]: rows, [statusPath]: { ha } });
  for (const ha of [undefined, {}, { managed: 0 }]) {
    const { added, asked } = await check("shutdown", call, guest, scene(ha));
    assert.deepEqual([added, asked], [{}, [statusPath, pendingPath]]);
  }
  await refuses("shutdown", call, guest, scene({ managed: 1 }), /VM 100 is managed by HA.*cut its power.*stop_vm/);
  const gone = { key: "scsi0", value: volume("scsi0"), delete: 1 };
  await refuses("shutdown", call, guest, scene({ managed: 0 }, gone), /pending change that would remove/);
});

Deno.test("a container that is locked is not rebooted: it would go down, and could not start", async () => {
  const [pendingPath, statusPath] = ["/nodes/pve1/lxc/100/pending", "/nodes/pve1/lxc/100/status/current"] as const;
  const call = "POST /nodes/{node}/lxc/{vmid}/status/reboot";
  const { added, asked } = await check("reboot", call, guest, { [pendingPath]: [], [statusPath]: {} });
  assert.deepEqual([added, asked], [{}, [statusPath, pendingPath]]);
  const locked = { [pendingPath]: [], [statusPath]: { lock: "backup" } };
  await refuses("reboot", call, guest, locked, /container 100 is locked \(backup\).*could not start it.*Wait until/);
  const gone = { key: "mp0", value: volume("mp0"), delete: 1 };
  await refuses("reboot", call, guest, { [pendingPath]: [gone], [statusPath]: {} }, /pending change that would remove/);
});

Deno.test("a running container with FUSE is not frozen for a snapshot", async () => {
  const [pendingPath, statusPath] = ["/nodes/pve1/lxc/100/pending", "/nodes/pve1/lxc/100/status/current"] as const;
  const call = "POST /nodes/{node}/lxc/{vmid}/snapshot";
  const scene = (status: string, ...rows: readonly unknown[]) => ({ [pendingPath]: rows, [statusPath]: { status } });
  const features = (value: string) => ({ key: "features", value });
  const { added, asked } = await check("snapshot", call, guest, scene("running", features("nesting=1,fuse=0")));
  assert.deepEqual(added, {});
  assert.deepEqual(asked, [statusPath, pendingPath]);
  await check("snapshot", call, guest, scene("running", { key: "hostname", value: "fuse=1" }));
  await check("snapshot", call, guest, scene("stopped", features("fuse=1")));
  for (const value of ["fuse=1", "nesting=1,fuse=1", "fuse=1,nesting=1"]) {
    const why = /container 100 runs and may use FUSE, with which freezing.*Shut it down first/;
    await refuses("snapshot", call, guest, scene("running", features(value)), why);
  }
  const gone = { key: "mp0", value: volume("mp0"), delete: 1 };
  await refuses("snapshot", call, guest, scene("stopped", gone), /pending change that would remove/);
});

Deno.test("a new mount point hides nothing that a container has", async () => {
  const [pendingPath, configPath] = ["/nodes/pve1/lxc/100/pending", "/nodes/pve1/lxc/100/config"] as const;
  const write = (place: string, rows: readonly unknown[] = []) => {
    const given = { ...guest, mp5: `local-lvm:8,mp=${place},backup=1` };
    return [given, { [pendingPath]: rows, [configPath]: { digest } }] as const;
  };
  const call = kinds.lxc.config;
  const passes = async (...args: Parameters<typeof write>) => {
    const [given, answers] = write(...args);
    assert.deepEqual((await check("container-config", call, given, answers)).added, { digest });
  };
  const hides = async (hidden: string, ...args: Parameters<typeof write>) => {
    const [given, answers] = write(...args);
    const why = new RegExp(
      `^Refused mp5=.*a new volume at ${args[0]} would hide what container 100 has at ${hidden}\\. Mount`,
    );
    await refuses("container-config", call, given, answers, why);
  };
  const folders = "bin boot dev etc home lib lib32 lib64 libx32 proc root run sbin sys tmp usr var".split(" ");
  for (const folder of folders) await hides(`/${folder}`, `/${folder}`);
  for (const place of ["/srv", "/data", "/var/lib/data", "/homes", "/xbin", "/lib6", "/srv/home"]) await passes(place);
  const there = (mp: string) => ({ key: "mp0", value: `local-lvm:vm-100-disk-1,mp=${mp},size=8G` });
  await hides("/srv", "/srv", [there("/srv")]);
  await hides("/srv", "/srv", [there("/srv/")]);
  await hides("/srv/a", "/srv", [there("/srv//a//")]);
  await hides("/srv/data", "/srv", [there("/srv/data")]);
  await hides("/srv/data", "/srv", [{ key: "mp12", value: "mp=/srv/data,volume=a:b" }]);
  await hides("/srv/data", "/srv", [{ key: "mp0", pending: "local-lvm:8,mp=/srv/data" }]);
  for (const mp of ["/srv2", "/", "/sr"]) await passes("/srv", [there(mp)]);
  await passes("/srv/data", [there("/srv")]);
  await passes("/srv", [{ key: "net0", value: "x,mp=/srv" }, { key: "xmp0", value: "x,mp=/srv" }]);
  await passes("/srv", [{ key: "mp0x", value: "x,mp=/srv" }, { key: "mp0", value: "x,amp=/srv" }]);
  await passes("/srv", [{ key: "mp", value: "x,mp=/srv" }]);
});

Deno.test("only a VM that nothing locks goes on: a hibernated one would use up its memory", async () => {
  const call = "POST /nodes/{node}/qemu/{vmid}/status/resume";
  const [pendingPath, status] = ["/nodes/pve1/qemu/100/pending", "/nodes/pve1/qemu/100/status/current"];
  const answers = { [pendingPath]: [], [status]: { status: "running", qmpstatus: "paused" } };
  assert.deepEqual(await check("awake", call, guest, answers), { added: {}, asked: [pendingPath, status] });
  const asleep = { ...answers, [status]: { status: "stopped", lock: "suspended" } };
  await refuses("awake", call, guest, asleep, /VM 100 is locked \(suspended\).*start_vm resumes it/);
  await refuses("awake", call, guest, { ...answers, [status]: { lock: "backup" } }, /\(backup\).*Wait until/);
  const row = { key: "scsi0", value: "local:x", delete: 1 };
  await refuses("awake", call, guest, { ...answers, [pendingPath]: [row] }, /pending change/);
});
