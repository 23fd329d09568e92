/** Random moves for the law: tool calls whose arguments are mostly right and sometimes hostile, and other people's deeds. */
import fc from "fast-check";
import { catalogue } from "../../src/safety/catalogue.ts";
import { type Deed, deeds, natives, raceDeeds } from "./world.ts";

/** What somebody else does just before one of a call's requests, to any guest or to the one that the call names. */
export interface Race {
  readonly before: number;
  readonly deed: Deed;
  readonly pick: number | "own";
}

/** One call of a tool. */
export interface Ask {
  readonly tool: string;
  readonly args: unknown;
  readonly race: Race | undefined;
}

export type Move =
  | { readonly kind: "call"; readonly calls: readonly Ask[] }
  | { readonly kind: "deed"; readonly deed: Deed; readonly pick: number }
  | { readonly kind: "clock"; readonly hours: number };

/** Values that try to be more than a value. */
export const hostile: readonly unknown[] = [
  "",
  " ",
  "\n",
  "..",
  "../../access",
  "a%2fb",
  "a%252fb",
  "x\n&delete=scsi0",
  "x;delete=scsi0",
  "x&force=1",
  "virtio,bridge=vmbr0\n&delete=scsi0",
  "virtio,bridge=vmbr0;delete=scsi0",
  "local-lvm:8;delete=scsi0",
  "local-lvm:8,mp=/",
  "local-lvm:vm-100-disk-0",
  "ceph:vm-104-disk-1",
  "local-lvm:vm-104-disk-0,media=cdrom",
  "file=ceph:vm-104-disk-1",
  "local-lvm:8,file=ceph:vm-104-disk-1",
  "local-lvm:0,import-from=ceph:vm-104-disk-1",
  "/dev/sdb",
  "/etc,mp=/x",
  "none",
  "none,media=cdrom",
  "local-lvm:cloudinit",
  "1e2",
  "0x64",
  "１０５",
  "lосal-lvm:8",
  "local‑lvm:8",
  "\u0000",
  "\u202e",
  "x".repeat(10_000),
  -1,
  0,
  1e21,
  1.5,
  Number.MAX_SAFE_INTEGER,
  null,
  true,
  ["scsi0"],
  ["a", "b"],
  { delete: "scsi0" },
  [{ a: 1 }],
];
const nasty: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...hostile) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
  { weight: 1, arbitrary: fc.integer() },
);

/** Mostly one of `right`, sometimes something hostile. */
function mostly(...right: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 60, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: nasty });
}
/** There one time in `n`. */
function rarely<T>(n: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: n - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

const present = [...natives];
const young = [110, 111, 112, 113, 115, 116, 117, 118, 119, 121, 122, 123, 124, 125];
const vms = [...present.filter((vmid) => vmid < 200 || vmid >= 9000), 105, 105, 106, 103, ...young.slice(5, 9)];
const containers = [...present.filter((vmid) => vmid >= 200 && vmid < 300), 203, 203, 205, ...young.slice(5, 9)];
const nodes = ["pve1", "pve2", "pve3"];
const disks = ["local-lvm", "ceph"];
const templates = [
  "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst",
  "nas:vztmpl/alpine-3.22-default_20250617_amd64.tar.xz",
];
const isos = ["local:iso/debian-13.1.0-amd64-netinst.iso", "nas:iso/virtio-win-0.1.271.iso", "none"];
const IMAGE = "nas:import/noble-server-cloudimg-amd64.qcow2";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample agent@example";

/** As the demo has them at noon; the last one of a guest that is gone. */
const vmBackups = [
  ...[101, 102, 104].map((vmid) => `nas:backup/vzdump-qemu-${vmid}-2026_11_21-12_00_00.vma.zst`),
  "nas:backup/vzdump-qemu-102-2026_07_25-12_00_00.vma.zst",
  "local:backup/vzdump-qemu-100-2026_11_20-12_00_00.vma.zst",
  "nas:backup/vzdump-qemu-110-2026_05_06-12_00_00.vma.zst",
];
const containerBackups = [
  "nas:backup/vzdump-lxc-202-2026_11_21-12_00_00.tar.zst",
  "nas:backup/vzdump-lxc-202-2026_11_14-12_00_00.tar.zst",
];

const snapshots = ["before", "fresh1", "fresh2", "fresh3", "s1", "vzdump", "current"];

const shared: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  cores: mostly(1, 2, 4),
  memory: mostly(512, 1024, "2048"),
  description: mostly("notes", "a;b&delete=scsi0\nforce: 1"),
  tags: mostly("web;prod", "a", ""),
  onboot: mostly(true, false),
  startup: mostly("order=2,up=30"),
  nameserver: mostly("192.0.2.53"),
  searchdomain: mostly("example.com"),
  cpulimit: mostly(0, 1.5),
};
const vmSettings: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  ...shared,
  name: mostly("fresh", "web-01"),
  sockets: mostly(1, 2),
  agent: mostly(true, false),
  boot: mostly("order=scsi0;net0", "order=ide2"),
  bios: mostly("ovmf", "seabios"),
  machine: mostly("q35"),
  vga: mostly("std"),
  ciuser: mostly("admin"),
  cipassword: mostly("correct horse"),
  sshkeys: mostly(KEY),
  ipconfig0: mostly("ip=dhcp", "ip=192.0.2.10/24,gw=192.0.2.1"),
  net0: mostly("virtio,bridge=vmbr0", "e1000,bridge=vmbr1,tag=20"),
  net1: mostly("virtio,bridge=vmbr0"),
  scsi0: mostly("local-lvm:4", "ceph:2"),
  scsi1: mostly("local-lvm:4", "ceph:2,discard=on"),
  scsi5: mostly("local-lvm:4", "ceph:2"),
  virtio1: mostly("ceph:1"),
  sata0: mostly("ceph:1,ssd=1"),
  efidisk0: mostly("ceph:1,efitype=4m"),
  tpmstate0: mostly("ceph:1,version=v2.0"),
  iso: mostly(...isos),
  cloudinit: mostly(...disks),
};
const containerSettings: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  ...shared,
  hostname: mostly("fresh"),
  swap: mostly(0, 512),
  timezone: mostly("host", "Europe/Vienna"),
  features: mostly("nesting=1", "nesting"),
  net0: mostly("name=eth0,bridge=vmbr0,ip=dhcp"),
  net1: mostly("name=eth1,bridge=vmbr1,ip=192.0.2.10/24"),
  mp0: mostly("ceph:2,mp=/srv/data", "local-lvm:1,mp=/data"),
  mp1: mostly("ceph:2,mp=/srv/more"),
  mp7: mostly("local-lvm:1,mp=/opt/x"),
};
/** Names that PVE knows and the server does not, and names of Object's prototype. */
const foreignKeys = [
  "delete",
  "force",
  "revert",
  "skiplock",
  "unused0",
  "protection",
  "lock",
  "args",
  "hookscript",
  "archive",
  "restore",
  "template",
  "digest",
  "ide2",
  "rootfs",
  "scsi01",
  "hostpci0",
  "__proto__",
  "constructor",
  "toString",
];
const foreign = fc.tuple(
  fc.constantFrom(...foreignKeys),
  fc.oneof(fc.constantFrom<unknown>(1, "1", true, "scsi0", "scsi0", "unused0", "mp0"), nasty),
);

function settings(
  known: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  most: number,
  /** How many of 40 names are foreign. */
  odd = 1,
): fc.Arbitrary<Record<string, unknown>> {
  const pair = fc.oneof(
    {
      weight: 40 - odd,
      arbitrary: fc.constantFrom(...Object.keys(known)).chain((key) =>
        fc.tuple(fc.constant(key), known[key] ?? fc.constant(1))
      ),
    },
    { weight: odd, arbitrary: foreign },
  );
  return fc.array(pair, { maxLength: most }).map(asRecord);
}

/** As JSON.parse makes it: `__proto__` is a key like any other. */
function asRecord(pairs: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [key, value] of pairs) {
    Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return record;
}

function args(
  fields: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  more: fc.Arbitrary<Record<string, unknown>> = fc.constant({}),
): fc.Arbitrary<unknown> {
  return fc.tuple(fc.record(fields), more).map(([own, rest]) =>
    asRecord([...Object.entries(rest), ...Object.entries(own).filter(([, value]) => value !== undefined)])
  );
}

const power = (pool: readonly number[]) => args({ vmid: mostly(...pool) });
const create = {
  node: rarely(3, mostly(...nodes)),
  vmid: rarely(3, mostly(...young, 105, 203)),
  pool: rarely(8, mostly("prod")),
  start: rarely(4, mostly(true)),
};
const copy = {
  newid: rarely(3, mostly(...young, 105)),
  full: rarely(3, mostly(true, false)),
  storage: rarely(3, mostly(...disks)),
  target: rarely(6, mostly(...nodes)),
  pool: rarely(8, mostly("prod")),
  snapname: rarely(8, mostly("before-upgrade", "schema-v7", "current")),
  description: rarely(5, mostly("a copy")),
};

// ---- Tools that lie -----------------------------------------------------------------------------------------------------

const calls = Object.keys(catalogue);
const hostileCalls = [
  "DELETE /nodes/{node}/qemu/{vmid}",
  "POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback",
  "PUT /nodes/{node}/qemu/{vmid}/unlink",
  "POST /cluster/backup",
  "POST /nodes/{node}/execute",
  "PUT /nodes/{node}/disks/wipedisk",
  "get /version",
  "constructor",
  "__proto__",
  "",
];
const rawSettings = {
  ...vmSettings,
  ...containerSettings,
  agent: mostly("1", "0"),
  ide2: mostly("none,media=cdrom", "local:iso/debian-13.1.0-amd64-netinst.iso,media=cdrom", "ceph:cloudinit"),
  ide0: mostly("none,media=cdrom", "ceph:2", "local-lvm:cloudinit"),
  scsi2: mostly(`ceph:0,import-from=${IMAGE}`, "ceph:0,import-from=ceph:vm-104-disk-1"),
  serial0: mostly("socket", "/dev/ttyS0"),
};
/** What the gate is there for: each destroys when it gets through. */
const attacks: readonly Readonly<Record<string, unknown>>[] = [
  { delete: "scsi0", force: 1 },
  { delete: "efidisk0", force: true },
  { delete: "unused0" },
  { delete: "mp0" },
  { delete: "ide2" },
  { revert: "scsi0" },
  { skiplock: 1 },
  { protection: 0 },
  { unused3: "ceph:vm-104-disk-1" },
  { scsi3: "ceph:vm-104-disk-1" },
  { virtio3: "ceph:vm-104-disk-1" },
  { sata3: "ceph:vm-104-disk-1,media=cdrom" },
  { ide3: "local-lvm:vm-105-disk-0" },
  { mp4: "ceph:vm-202-disk-1,mp=/x" },
  { ide2: "none,media=cdrom" },
  { scsi0: "ceph:2" },
  { mp0: "ceph:2,mp=/x" },
  { archive: "nas:backup/vzdump-qemu-102-2026_07_25-12_00_00.vma.zst", force: 1, vmid: 105 },
  { ostemplate: "nas:backup/vzdump-lxc-202-2026_11_21-12_00_00.tar.zst", restore: 1, force: 1, vmid: 203 },
  { force: 1, forceStop: 1 },
  { remove: 1 },
  { remove: 0, protected: 1, "prune-backups": "keep-last=1" },
  { protected: 0 },
  { all: 1 },
  { force: 1, unique: 1 },
  { archive: "local-lvm:vm-105-disk-0", vmid: 105 },
  { archive: "-", unique: 1 },
  { ostemplate: "ceph:vm-202-disk-1", restore: 1, vmid: 203 },
  { "with-local-disks": 1 },
  { targetstorage: "ceph" },
  { "target-storage": "ceph" },
  { snapname: "vzdump" },
];

const anyCall = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.constantFrom("PUT /nodes/{node}/qemu/{vmid}/config", "PUT /nodes/{node}/lxc/{vmid}/config"),
  },
  { weight: 6, arbitrary: fc.constantFrom(...calls) },
  { weight: 12, arbitrary: fc.constantFrom(...calls.filter((call) => !call.startsWith("GET "))) },
  { weight: 1, arbitrary: fc.constantFrom(...hostileCalls) },
);
const homes = {
  qemu: [["pve2", 105], ["pve3", 106], ["pve2", 103], ["pve1", 102], ["pve1", 9000], ["pve3", 109]],
  lxc: [["pve2", 203], ["pve3", 205], ["pve1", 200], ["pve2", 202], ["pve1", 290]],
} as const;
const raw = anyCall.chain((call) => {
  const guest = fc.constantFrom(...(call.includes("/lxc/") ? homes.lxc : homes.qemu));
  const fresh = /^POST \/nodes\/\{node\}\/(?:qemu|lxc)(?: |$)/.test(call);
  const more = fc.oneof({ weight: 2, arbitrary: settings(rawSettings, 2, 8) }, {
    weight: 1,
    arbitrary: fc.constantFrom(...attacks),
  });
  const place = guest.chain(([node, vmid]) =>
    args({
      node: mostly(node, node, node, ...nodes),
      vmid: fresh ? mostly(...young) : mostly(vmid),
      newid: mostly(...young),
      storage: rarely(3, mostly(...disks, "nas")),
      ostemplate: call.endsWith("(restore)") ? mostly(...containerBackups) : mostly(...templates),
      archive: mostly(...vmBackups),
      restore: mostly(true),
      unique: mostly(true),
      volume: mostly(...vmBackups, ...containerBackups),
      online: rarely(2, mostly(true)),
      restart: rarely(2, mostly(true)),
      unprivileged: mostly(true),
      rootfs: rarely(2, mostly("ceph:2", "local-lvm:2")),
      target: call.endsWith("/migrate") ? mostly(...nodes) : rarely(8, mostly(...nodes)),
      full: rarely(2, mostly(true, false)),
      disk: mostly("scsi0", "rootfs", "mp0"),
      size: mostly("+1024M", "+1M", "1G"),
      template: mostly("fedora-42-default_20250428_amd64.tar.zst"),
      url: mostly("https://cloud.debian.org/a.iso", "https://192.0.2.1/c.iso"),
      content: mostly("iso", "iso", "import"),
      filename: mostly("debian-13.1.0-amd64-netinst.iso", "new1.iso", "new4.iso", "image4"),
      reference: mostly("docker.io/library/nginx:1.29", "192.0.2.1:5000/a:1"),
      snapname: mostly(...snapshots),
      vmstate: rarely(6, mostly(true)),
      remove: mostly(false),
      protected: mostly(true),
      upid: fc.constant("UPID:pve2:00000603:151D4606:6B02D940:qmstart:105:agent@pve!mcp:"),
    })
  );
  return args({
    call: fc.constant(call),
    path: place,
    digest: fc.constantFrom("none", "fresh", "fresh", "fresh", "stale"),
    tidy: fc.constantFrom(true, true, true, false),
    more,
  });
});

/** Arguments by tool; how often each is called. */
const arguments_: Readonly<Record<string, readonly [number, fc.Arbitrary<unknown>]>> = {
  list_nodes: [1, args({})],
  node_status: [1, args({ node: mostly(...nodes) })],
  cluster_resources: [1, args({ resource_type: mostly("vm", "storage", "all") })],
  list_vms: [1, args({ name: rarely(2, mostly("web")), node: rarely(3, mostly(...nodes)) })],
  list_containers: [1, args({ pool: rarely(2, mostly("prod")) })],
  vm_status: [1, args({ vmid: mostly(...vms) })],
  container_status: [1, args({ vmid: mostly(...containers) })],
  vm_config: [1, args({ vmid: mostly(...vms) })],
  container_config: [1, args({ name: mostly("test", "dns") })],
  list_storage: [1, args({ node: rarely(2, mostly(...nodes)) })],
  list_templates: [1, args({ kind: rarely(2, mostly("iso", "template_guest")) })],
  next_vmid: [1, args({})],
  allocate_vmid: [1, args({})],
  start_vm: [8, power(vms)],
  stop_vm: [6, power(vms)],
  shutdown_vm: [6, power(vms)],
  reboot_vm: [5, power(vms)],
  start_container: [8, power(containers)],
  stop_container: [6, power(containers)],
  shutdown_container: [6, power(containers)],
  reboot_container: [5, power(containers)],
  create_vm: [
    6,
    args(
      { ...create, storage: rarely(2, mostly(...disks)), disk_size: rarely(3, mostly(4, 8)) },
      settings(vmSettings, 3),
    ),
  ],
  create_container: [
    6,
    args({ ...create, ostemplate: mostly(...templates), storage: mostly(...disks) }, settings(containerSettings, 3)),
  ],
  clone_vm: [6, args({ ...copy, source_vmid: mostly(9000, 105, 106, 103, 102), name: rarely(2, mostly("copy")) })],
  clone_container: [6, args({ ...copy, source_vmid: mostly(290, 203, 205), hostname: rarely(2, mostly("copy")) })],
  set_vm_config: [16, args({ vmid: mostly(...vms), config: settings(vmSettings, 3) })],
  set_container_config: [12, args({ vmid: mostly(...containers), config: settings(containerSettings, 3) })],
  create_vm_snapshot: [
    5,
    args({ vmid: mostly(...vms), snapname: mostly(...snapshots), memory: rarely(3, mostly(true)) }),
  ],
  create_container_snapshot: [5, args({ vmid: mostly(...containers), snapname: mostly(...snapshots) })],
  create_backup: [
    6,
    args({
      vmid: mostly(...vms, ...containers),
      storage: rarely(2, mostly("nas", "local", "ceph")),
      mode: rarely(2, mostly("stop", "suspend")),
      notes: rarely(4, mostly("before the upgrade", "a\nb {{guestname}}")),
    }),
  ],
  resize_vm_disk: [
    8,
    args({
      vmid: mostly(...vms),
      disk: mostly("scsi0", "scsi0", "virtio0", "efidisk0"),
      size_gib: mostly(8, 33, 64, 200),
    }),
  ],
  resize_container_disk: [
    4,
    args({ vmid: mostly(...containers), disk: mostly("rootfs", "rootfs", "mp0"), size_gib: mostly(8, 12, 40, 200) }),
  ],
  restore_vm_backup: [
    6,
    args({
      archive: mostly(...vmBackups, ...vmBackups, ...containerBackups, "local-lvm:vm-105-disk-0"),
      vmid: rarely(3, mostly(...young, 105, 203)),
      node: rarely(3, mostly(...nodes)),
      storage: rarely(2, mostly(...disks)),
      pool: rarely(8, mostly("prod")),
    }),
  ],
  restore_container_backup: [
    6,
    args({
      archive: mostly(...containerBackups, ...containerBackups, ...vmBackups),
      vmid: rarely(3, mostly(...young, 105, 203)),
      node: rarely(3, mostly(...nodes)),
      storage: rarely(2, mostly(...disks)),
      unprivileged: rarely(6, mostly(true, false)),
    }),
  ],
  migrate_vm: [6, args({ vmid: mostly(103, 104, 106, ...vms), target: mostly(...nodes) })],
  migrate_container: [
    6,
    args({ vmid: mostly(202, 204, 205, ...containers), target: mostly(...nodes), restart: rarely(2, mostly(true)) }),
  ],
  suspend_vm: [6, power(vms)],
  resume_vm: [9, power(vms)],
  list_available_templates: [1, args({ name: rarely(2, mostly("debian")) })],
  download_template: [
    3,
    args({
      template: mostly("debian-12-standard", "fedora", "archlinux-base", "debian-1"),
      storage: rarely(2, mostly("nas", "local", "ceph")),
      node: rarely(2, mostly(...nodes)),
    }),
  ],
  download_url: [
    3,
    args({
      url: mostly("https://cloud.debian.org/a.qcow2", "https://cloud.debian.org/b.iso", "https://192.0.2.1/c.iso"),
      filename: rarely(2, mostly("debian-13.1.0-amd64-netinst.iso", "new1.iso", "new2.iso", "new3.qcow2")),
      storage: rarely(2, mostly("nas", "local")),
      node: rarely(2, mostly(...nodes)),
    }),
  ],
  create_cloudinit_vm: [
    6,
    args({
      image: mostly(IMAGE, IMAGE, IMAGE, "nas:import/missing.qcow2", "nas:105/vm-105-disk-0.qcow2", "/dev/sdb"),
      name: mostly("cloud1", "cloud2", "cloud3"),
      vmid: rarely(2, mostly(...young, 110, 105)),
      storage: mostly(...disks, ...disks, "nas"),
      disk_size: mostly(4, 4, 16),
      sshkeys: mostly(KEY),
      ciuser: rarely(2, mostly("admin")),
      cipassword: rarely(5, mostly("correct horse")),
      ipconfig0: rarely(4, mostly("ip=192.0.2.10/24,gw=192.0.2.1")),
      tags: rarely(4, mostly("web")),
      node: rarely(3, mostly(...nodes)),
      pool: rarely(8, mostly("prod")),
      start: rarely(3, mostly(false)),
    }),
  ],
  set_cloudinit: [
    6,
    args(
      { vmid: mostly(103, 103, 9000, 9000, 105, ...young) },
      settings({
        ciuser: vmSettings.ciuser ?? fc.constant(1),
        cipassword: vmSettings.cipassword ?? fc.constant(1),
        sshkeys: vmSettings.sshkeys ?? fc.constant(1),
        ipconfig0: vmSettings.ipconfig0 ?? fc.constant(1),
        nameserver: shared.nameserver ?? fc.constant(1),
        ciupgrade: mostly(true, false),
      }, 3),
    ),
  ],
  cloudinit_dump: [1, args({ vmid: mostly(103, 9000) })],
  pull_oci_image: [
    3,
    args({
      reference: mostly("docker.io/library/nginx:1.29", "docker.io/library/debian:13", "quay.io/a/b:1"),
      filename: rarely(2, mostly("image1", "image2", "image3", "debian-12-standard_12.12-1_amd64")),
      storage: rarely(2, mostly("nas", "local", "ceph")),
      node: rarely(2, mostly(...nodes)),
    }),
  ],
  anything: [16, raw],
  undeclared: [2, raw],
};

const race: fc.Arbitrary<Race> = fc.record({
  before: fc.integer({ min: 0, max: 9 }),
  deed: fc.constantFrom(...raceDeeds),
  pick: fc.oneof(fc.constant("own" as const), fc.nat(60)),
});
const ask: fc.Arbitrary<Ask> = fc.oneof(
  ...Object.entries(arguments_).map(([tool, [weight, arbitrary]]) => ({
    weight,
    arbitrary: fc.record({
      tool: fc.constant(tool),
      args: arbitrary,
      race: rarely(6, race),
    }),
  })),
);

export const moves: fc.Arbitrary<readonly Move[]> = fc.array(
  fc.oneof<fc.MaybeWeightedArbitrary<Move>[]>(
    { weight: 16, arbitrary: fc.record({ kind: fc.constant("call" as const), calls: fc.tuple(ask) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("call" as const), calls: fc.tuple(ask, ask) }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("deed" as const), deed: fc.constantFrom(...deeds), pick: fc.nat(60) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("clock" as const), hours: fc.constantFrom(1, 8, 24, 72) }),
    },
  ),
  { minLength: 1, maxLength: 40, size: "max" },
);
