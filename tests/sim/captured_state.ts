/** The machine on which PVE's answers were recorded, as a simulator's state. */
import { addGuest, addNode, addStorage, addVolume, emptyState } from "../../src/sim/build.ts";
import { allocate } from "../../src/sim/disks.ts";
import type { State } from "../../src/sim/state.ts";

/** Milliseconds at which the recording began. */
export const BEGUN = 1_795_374_800_000;
export const SECRET = "the-right-one";

const GIB = 1024 ** 3;
const TASKS = [["qmcreate", 100], ["qmcreate", 101], ["qmcreate", 102], ["qmcreate", 9000], ["qmtemplate", 9000], [
  "vzcreate",
  200,
]] as const;

function seedAccess(state: State): void {
  const { access } = state;
  const tokens: readonly (readonly [string, string, boolean, number])[] = [
    ["root@pam", "full", false, 0],
    ["root@pam", "expired", false, 1_700_000_000],
    ["alice@pve", "nosep", false, 0],
    ["alice@pve", "sep", true, 0],
    ["alice@pve", "power", true, 0],
    ["viewer@pve", "ro", false, 0],
    ["nobody@pve", "none", false, 0],
  ];
  for (const [user, name, separated, expires] of tokens) {
    access.users.add(user);
    access.tokens.set(`${user}!${name}`, { user, name, secret: SECRET, separated, expires });
  }
  access.roles.set("VMPowerOnly", new Set(["VM.Audit", "VM.PowerMgmt"]));
  for (
    const [path, who, role] of [
      ["/", "viewer@pve", "PVEAuditor"],
      ["/", "alice@pve", "PVEVMAdmin"],
      ["/sdn/zones/localnetwork", "alice@pve", "PVESDNUser"],
      ["/storage", "alice@pve", "PVEDatastoreUser"],
      ["/vms/100", "alice@pve!power", "VMPowerOnly"],
    ] as const
  ) access.acl.push({ path, who, role, propagate: true });
  access.tickets.set("alice", { user: "alice@pve", csrf: "alice" });
}

export function recordedMachine(): State {
  const state = emptyState();
  seedAccess(state);
  addNode(state, "pve1", { cpus: 2, memory: 25_276_514_304, disk: 270_553_174_016, booted: BEGUN - 3_673_000 });
  const local = addStorage(state, {
    id: "local",
    type: "dir",
    path: "/var/lib/vz",
    total: 270_553_174_016,
    content: ["rootdir", "iso", "vztmpl", "backup", "images", "snippets"],
  });
  const data = addStorage(state, {
    id: "data",
    type: "dir",
    path: "/srv/data",
    total: 270_553_174_016,
    content: ["backup", "import", "images", "snippets", "rootdir"],
  });
  const ctime = 1_795_374_747;
  addVolume(state, local, "pve1", { name: "iso/tiny.iso", content: "iso", format: "iso", size: 358_400, ctime });
  const template = "vztmpl/alpine-3.22-default_20250617_amd64.tar.xz";
  addVolume(state, local, "pve1", { name: template, content: "vztmpl", format: "txz", size: 881_612, ctime });
  const net = (last: string) => `virtio=BC:24:11:00:00:${last},bridge=vmbr0`;
  const identity = {
    vmgenid: "vmgenid",
    smbios1: "uuid=uuid",
    meta: "creation-qemu=10.0.13,ctime=1795374761",
    ostype: "l26",
  };
  const vm = (vmid: number, config: Record<string, string | number>, cooperates = false) =>
    addGuest(state, { vmid, kind: "qemu", node: "pve1", now: BEGUN, cooperates, config: { ...identity, ...config } });
  vm(100, {
    name: "web01",
    cores: 1,
    memory: "256",
    scsihw: "virtio-scsi-single",
    scsi0: "data:1",
    ide2: "local:iso/tiny.iso,media=cdrom,size=350K",
    net0: net("A0"),
    boot: "order=scsi0;ide2;net0",
    tags: "prod;web",
    description: "web server",
  });
  vm(101, { name: "db01", cores: 2, memory: "512", scsi0: "data:1", agent: "1", boot: "order=scsi0" });
  vm(102, {
    name: "agent01",
    cores: 1,
    memory: "256",
    agent: "1",
    scsi0: "data:1",
    net0: net("A2"),
    boot: "order=scsi0",
  }, true);
  const tmpl = vm(9000, {
    name: "tmpl",
    memory: "256",
    scsi0: "data:1",
    net0: net("A9"),
    boot: "order=scsi0;ide0;net0",
    ciuser: "admin",
    ipconfig0: "ip=dhcp",
    template: 1,
  });
  const cloudinit = {
    storage: data,
    node: "pve1",
    vmid: 9000,
    content: "images",
    format: "qcow2",
    role: "cloudinit",
  } as const;
  const drive = allocate(state, { ...cloudinit, size: GIB / 256, now: BEGUN });
  tmpl.config.set("ide0", `data:${drive.name},media=cdrom`);
  addGuest(state, {
    vmid: 200,
    kind: "lxc",
    node: "pve1",
    now: BEGUN,
    config: {
      arch: "amd64",
      hostname: "ct1",
      ostype: "alpine",
      cores: 1,
      memory: 128,
      swap: 512,
      unprivileged: 1,
      net0: "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:B6:2E,ip=192.168.50.60/24,type=veth",
      rootfs: "local:1",
    },
  });
  state.pools.set("prod", { id: "prod", comment: "production guests", guests: new Set([100]) });
  TASKS.forEach(([type, vmid], index) => {
    const start = BEGUN / 1000 - 60 + index;
    const upid = `UPID:pve1:000000${(0xa0 + index).toString(16).toUpperCase()}:00058E12:${
      start.toString(16).toUpperCase()
    }:${type}:${vmid}:root@pam:`;
    state.tasks.set(upid, {
      upid,
      node: "pve1",
      pid: 0xa0 + index,
      pstart: 0x58e12,
      start,
      type,
      id: String(vmid),
      user: "root@pam",
      token: undefined,
      log: ["TASK OK"],
      ends: (start + 1) * 1000,
      lines: [],
      status: "OK",
    });
  });
  return state;
}
