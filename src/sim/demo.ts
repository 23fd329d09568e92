/** The demo's cluster: three nodes, two dozen guests and files, and something of everything that can go wrong. */
import { addGuest, addNode, addStorage, addVolume, emptyState, nextMac, nextUuid } from "./build.ts";
import { allocate, GIB } from "./disks.ts";
import { seedAccess } from "./demo_access.ts";
import { hibernate, seedBackup, seedTasks, snapshotInPast } from "./demo_past.ts";
import { seedUpkeep } from "./demo_upkeep.ts";
import { nextRun } from "./schedule.ts";
import type { State, Storage, Value } from "./state.ts";

const MIB = 1024 * 1024;
const DAY = 86_400_000;

/** Nodes, storages and tokens; no guests. */
function emptyCluster(now: number): State {
  const state = emptyState();
  seedAccess(state);
  addNode(state, "pve1", { cpus: 16, memory: 64 * GIB, disk: 94 * GIB, booted: now - 41 * DAY });
  addNode(state, "pve2", { cpus: 16, memory: 64 * GIB, disk: 94 * GIB, booted: now - 41 * DAY });
  addNode(state, "pve3", { cpus: 8, memory: 32 * GIB, disk: 94 * GIB, booted: now - 9 * DAY });
  addStorage(state, {
    id: "local",
    type: "dir",
    path: "/var/lib/vz",
    total: 94 * GIB,
    content: ["iso", "vztmpl", "backup", "snippets"],
    prune: { "keep-last": 3 },
  });
  addStorage(state, {
    id: "local-lvm",
    type: "lvmthin",
    path: "/dev/pve",
    total: 820 * GIB,
    content: ["images", "rootdir"],
  });
  addStorage(state, {
    id: "ceph",
    type: "rbd",
    path: "rbd:vm-pool",
    total: 6000 * GIB,
    content: ["images", "rootdir"],
    shared: true,
  });
  addStorage(state, {
    id: "nas",
    type: "nfs",
    path: "/mnt/pve/nas",
    total: 8000 * GIB,
    content: ["backup", "iso", "vztmpl", "images", "import"],
    shared: true,
    prune: { "keep-last": 2, "keep-weekly": 2 },
  });
  return state;
}

/** Options that every VM has. */
function vm(state: State, now: number, name: string, cores: number, memory: number): Record<string, Value> {
  return {
    name,
    cores,
    memory: String(memory),
    ostype: "l26",
    scsihw: "virtio-scsi-single",
    net0: `virtio=${nextMac(state)},bridge=vmbr0`,
    boot: "order=scsi0;net0",
    smbios1: `uuid=${nextUuid(state)}`,
    vmgenid: nextUuid(state),
    meta: `creation-qemu=10.0.2,ctime=${Math.floor((now - 90 * DAY) / 1000)}`,
  };
}

/** Options that every container has. */
function container(
  state: State,
  hostname: string,
  ostype: string,
  cores: number,
  memory: number,
): Record<string, Value> {
  return {
    hostname,
    cores,
    memory,
    swap: 512,
    arch: "amd64",
    ostype,
    unprivileged: 1,
    net0: `name=eth0,bridge=vmbr0,hwaddr=${nextMac(state)},ip=dhcp,type=veth`,
  };
}

const TEMPLATES: readonly (readonly [string, number])[] = [
  ["debian-12-standard_12.12-1_amd64.tar.zst", 124],
  ["debian-13-standard_13.1-2_amd64.tar.zst", 128],
  ["alpine-3.22-default_20250617_amd64.tar.xz", 3],
  ["ubuntu-24.04-standard_24.04-2_amd64.tar.zst", 141],
];
const ISOS: readonly (readonly [string, number])[] = [
  ["debian-13.1.0-amd64-netinst.iso", 783],
  ["ubuntu-24.04.3-live-server-amd64.iso", 3072],
  ["virtio-win-0.1.271.iso", 693],
];

function seedFiles(state: State, storage: Storage, node: string, now: number): void {
  const ctime = Math.floor((now - 60 * DAY) / 1000);
  for (const [name, mib] of TEMPLATES) {
    const format = name.endsWith("xz") ? "txz" : "tzst";
    addVolume(state, storage, node, { name: `vztmpl/${name}`, content: "vztmpl", format, size: mib * MIB, ctime });
  }
  for (const [name, mib] of ISOS) {
    addVolume(state, storage, node, { name: `iso/${name}`, content: "iso", format: "iso", size: mib * MIB, ctime });
  }
}

function pickStorage(state: State, id: string): Storage {
  const storage = state.storages.get(id);
  if (storage === undefined) throw new Error(`No storage ${id} in the demo`);
  return storage;
}

const APPLIANCES: readonly (readonly [string, string, string, number])[] = [
  ["debian-12-standard", "12.12-1", "debian-12", 124],
  ["debian-13-standard", "13.1-2", "debian-13", 128],
  ["alpine-3.22-default", "20250617", "alpine", 3],
  ["ubuntu-24.04-standard", "24.04-2", "ubuntu-24.04", 141],
  ["fedora-42-default", "20250428", "fedora-42", 160],
  ["archlinux-base", "20240911-1", "archlinux", 132],
  ["debian-12-turnkey-nextcloud", "18.1-1", "debian-12", 451],
];

/** Three nodes, their guests, and a past. */
export function demoCluster(now: number = Date.now()): State {
  const state = emptyCluster(now);
  for (const [name, version, os, mib] of APPLIANCES) {
    const turnkey = name.includes("turnkey");
    state.appliances.push({
      template: `${name}_${version}_amd64.tar.${turnkey ? "gz" : name.startsWith("alpine") ? "xz" : "zst"}`,
      package: name,
      version,
      os,
      section: turnkey ? "turnkeylinux" : "system",
      headline: turnkey ? "TurnKey Nextcloud" : `${os} (standard)`,
      size: mib * MIB,
    });
  }
  for (const node of state.nodes.keys()) seedFiles(state, pickStorage(state, "local"), node, now);
  seedFiles(state, pickStorage(state, "nas"), "", now);
  const on = (
    node: string,
    vmid: number,
    config: Record<string, Value>,
    rest: { running?: boolean; hours?: number; cooperates?: boolean } = {},
  ) => addGuest(state, { vmid, kind: Object.hasOwn(config, "rootfs") ? "lxc" : "qemu", node, config, now, ...rest });
  const up = (hours: number) => ({ running: true, hours });

  const router = on("pve1", 100, {
    ...vm(state, now, "router", 2, 2048),
    scsi0: "local-lvm:16,iothread=1",
    onboot: 1,
    startup: "order=1",
    tags: "network",
    agent: "1",
  }, up(980));
  const web = on("pve1", 101, {
    ...vm(state, now, "web-01", 4, 4096),
    scsi0: "ceph:40,discard=on,iothread=1",
    onboot: 1,
    tags: "prod;web",
    agent: "1",
  }, up(310));
  const docker = on("pve1", 102, {
    ...vm(state, now, "docker", 8, 16_384),
    scsi0: "local-lvm:64,iothread=1",
    scsi1: "local-lvm:200,iothread=1",
    onboot: 1,
    tags: "docker;prod",
    agent: "1",
    description: "Container host",
  }, up(720));
  on("pve2", 103, {
    ...vm(state, now, "web-02", 4, 4096),
    scsi0: "ceph:40,discard=on,iothread=1",
    tags: "prod;web",
    agent: "1",
  }, up(305));
  const db = on("pve2", 104, {
    ...vm(state, now, "database", 8, 16_384),
    scsi0: "ceph:32,iothread=1",
    scsi1: "ceph:250,iothread=1",
    onboot: 1,
    tags: "db;prod",
    protection: 1,
    agent: "1",
  }, up(710));
  on("pve2", 105, { ...vm(state, now, "test", 2, 2048), scsi0: "local-lvm:20" });
  on("pve3", 106, {
    ...vm(state, now, "windows-11", 4, 8192),
    ostype: "win11",
    bios: "ovmf",
    machine: "pc-q35-10.0",
    scsi0: "ceph:80",
    efidisk0: "ceph:1,efitype=4m,pre-enrolled-keys=1",
    ide2: "nas:iso/virtio-win-0.1.271.iso,media=cdrom,size=693M",
    tags: "desktop",
  });
  on("pve3", 107, { ...vm(state, now, "build-runner", 4, 8192), scsi0: "local-lvm:60", tags: "ci" }, {
    ...up(20),
    cooperates: false,
  });
  const locked = on("pve3", 108, { ...vm(state, now, "mail", 2, 4096), scsi0: "ceph:50", tags: "prod" }, up(700));
  locked.config.set("lock", "backup");
  hibernate(
    state,
    on("pve3", 109, { ...vm(state, now, "lab", 2, 2048), scsi0: "ceph:24" }),
    pickStorage(state, "ceph"),
    now,
  );
  web.managed = true;
  const template = on("pve1", 9000, {
    ...vm(state, now, "debian-13-cloud", 2, 2048),
    scsi0: "local-lvm:8,discard=on",
    ciuser: "admin",
    ipconfig0: "ip=dhcp",
    agent: "1",
    serial0: "socket",
    vga: "serial0",
    template: 1,
  });
  const cloudinit = allocate(state, {
    storage: pickStorage(state, "local-lvm"),
    node: "pve1",
    vmid: 9000,
    content: "images",
    size: 4 * MIB,
    now,
    role: "cloudinit",
  });
  template.config.set("ide2", `local-lvm:${cloudinit.name},media=cdrom`);

  on(
    "pve1",
    200,
    { ...container(state, "dns", "debian", 1, 512), rootfs: "local-lvm:8", onboot: 1, tags: "network" },
    up(980),
  );
  on("pve1", 201, {
    ...container(state, "proxy", "debian", 2, 1024),
    rootfs: "local-lvm:8",
    onboot: 1,
    tags: "prod;web",
    features: "nesting=1",
  }, up(980));
  const cloud = on("pve2", 202, {
    ...container(state, "nextcloud", "debian", 4, 4096),
    rootfs: "ceph:16",
    mp0: "ceph:500,mp=/srv/data,backup=1",
    onboot: 1,
    tags: "prod",
  }, up(402));
  on("pve2", 203, { ...container(state, "test", "ubuntu", 2, 2048), rootfs: "local-lvm:12" });
  on(
    "pve3",
    204,
    { ...container(state, "grafana", "debian", 2, 2048), rootfs: "ceph:20", tags: "monitoring" },
    up(208),
  );
  on("pve3", 205, { ...container(state, "influxdb", "debian", 2, 4096), rootfs: "ceph:60", tags: "monitoring" });
  on("pve1", 290, { ...container(state, "debian-13-base", "debian", 1, 512), rootfs: "local-lvm:8", template: 1 });

  state.pools.set("prod", { id: "prod", comment: "Production", guests: new Set([101, 102, 103, 104, 108, 201, 202]) });
  snapshotInPast(state, docker, "before-upgrade", now - 12 * DAY);
  snapshotInPast(state, db, "schema-v7", now - 3 * DAY);
  docker.pending.set("memory", "24576");
  const local = pickStorage(state, "local");
  const nas = pickStorage(state, "nas");
  for (const days of [3, 2, 1]) seedBackup(state, local, router, now - days * DAY, "router");
  for (const days of [15, 8, 1]) {
    for (const guest of [web, docker, db, cloud]) {
      seedBackup(state, nas, guest, now - days * DAY, String(guest.config.get("name") ?? guest.config.get("hostname")));
    }
  }
  // PVE hands the number of a deleted guest out again; its backups would then count as the new guest's.
  seedBackup(state, nas, { ...db, vmid: 110 }, now - 200 * DAY, "wiki, deleted in spring");
  seedBackup(state, nas, docker, now - 120 * DAY, "before the move to the new disks", true);
  seedTasks(state, now);
  seedUpkeep(state, now);
  state.jobs.set("backup-nightly", {
    id: "backup-nightly",
    schedule: "02:00",
    enabled: true,
    options: new Map([["storage", "nas"], ["vmid", "101,102,104,202"], ["mode", "snapshot"], ["compress", "zstd"]]),
    next: nextRun("02:00", now),
  });
  // The last one, so that it shifts no number of the others.
  on("pve1", 250, {
    ...container(state, "sandbox", "debian", 2, 1024),
    rootfs: "local-lvm:8",
    tags: "sandbox",
  }, up(11));
  addVolume(state, nas, "", {
    name: "import/noble-server-cloudimg-amd64.qcow2",
    content: "import",
    format: "qcow2",
    size: 590 * MIB,
    ctime: Math.floor((now - 20 * DAY) / 1000),
  });
  return state;
}

/** A cluster of three nodes and `count` guests, for benchmarks; every fourth is a container. */
export function largeCluster(count: number, now: number = Date.now()): State {
  const state = emptyCluster(now);
  const nodes = [...state.nodes.keys()];
  for (let i = 0; i < count; i++) {
    const vmid = 1000 + i;
    const node = nodes[i % nodes.length] ?? "pve1";
    const running = i % 3 !== 0;
    const config = i % 4 === 3
      ? { ...container(state, `ct-${vmid}`, "debian", 2, 1024), rootfs: "ceph:8" }
      : { ...vm(state, now, `vm-${vmid}`, 2, 2048), scsi0: "ceph:32" };
    addGuest(state, { vmid, kind: i % 4 === 3 ? "lxc" : "qemu", node, config, now, running, hours: 10 + (i % 500) });
  }
  return state;
}
