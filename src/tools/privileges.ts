/** The privileges that tools declare alike, as PVE's API code asks for them; each is needed, unless it says when. */
import type { Privilege } from "../tool.ts";

/** A guest that exists; what its pool grants counts, too. */
const GUEST = "/vms/{vmid}";
/** A guest that is being made: its pool may grant the same. */
const NEW_GUEST = "/vms/{newid}";

const audit: Privilege = { path: GUEST, any: ["VM.Audit"] };

/** Without it PVE lists no storage, and the checks before a creation have nothing to look at. */
const seeStorages: Privilege = {
  path: "/storage/{storage}",
  any: ["Datastore.Audit"],
  when: "to see what an earlier guest of that number has left, and what is free",
};

/** Asked for since PVE 8 on every bridge, vmbr0 included. */
const useBridge: Privilege = {
  path: "/sdn/zones/localnetwork/{bridge}",
  any: ["SDN.Use"],
  when: "for its network",
};

/** Which privilege which settings of guests want. */
const settings = {
  cpu: ["VM.Config.CPU", "for cores, sockets, cpu, cpulimit, cpuunits"],
  memory: ["VM.Config.Memory", "for memory, balloon, swap"],
  network: ["VM.Config.Network", "for its network"],
  options: ["VM.Config.Options", "for name, tags, description, onboot, startup, ostype, agent"],
  disk: ["VM.Config.Disk", "for disks and the boot order"],
  hardware: ["VM.Config.HWType", "for scsihw, bios, machine, vga, tablet"],
  cdrom: ["VM.Config.CDROM", "for iso and cloudinit"],
  cloudinit: ["VM.Config.Cloudinit", "for cloudinit and what cloud-init sets"],
} as const;
type Setting = keyof typeof settings;

function always(path: string, ...which: Setting[]): Privilege[] {
  return which.map((setting) => ({ path, any: [settings[setting][0]] }));
}

function sometimes(path: string, ...which: Setting[]): Privilege[] {
  return which.map((setting) => ({ path, any: [settings[setting][0]], when: settings[setting][1] }));
}

const nesting = "for features (nesting)";

export const toCreateVm: readonly Privilege[] = [
  { path: NEW_GUEST, any: ["VM.Allocate"] },
  ...always(NEW_GUEST, "cpu", "memory", "options", "hardware"),
  ...sometimes(NEW_GUEST, "disk", "network", "cdrom", "cloudinit"),
  { path: "/storage/{storage}", any: ["Datastore.AllocateSpace"], when: "for disks" },
  seeStorages,
  useBridge,
];

/** A VM from a cloud image: made, its disk enlarged, started, and looked at in between. */
export const toCreateCloudVm: readonly Privilege[] = [
  { path: NEW_GUEST, any: ["VM.Allocate"] },
  { path: NEW_GUEST, any: ["VM.Audit"] },
  { path: NEW_GUEST, any: ["VM.PowerMgmt"], when: "to start it" },
  ...always(NEW_GUEST, "cpu", "memory", "options", "hardware", "disk", "network", "cdrom", "cloudinit"),
  { path: "/storage/{storage}", any: ["Datastore.AllocateSpace"] },
  seeStorages,
  useBridge,
];

/** What cloud-init sets: PVE takes either of two privileges for it. */
export const toSetCloudInit: readonly Privilege[] = [
  audit,
  { path: GUEST, any: ["VM.Config.Cloudinit", "VM.Config.Network"] },
];

export const toCreateContainer: readonly Privilege[] = [
  { path: NEW_GUEST, any: ["VM.Allocate"] },
  ...always(NEW_GUEST, "cpu", "memory", "options", "disk"),
  ...sometimes(NEW_GUEST, "network"),
  { path: "/storage/{storage}", any: ["Datastore.AllocateSpace"] },
  seeStorages,
  useBridge,
];

export const toClone: readonly Privilege[] = [
  audit,
  { path: GUEST, any: ["VM.Clone"] },
  { path: NEW_GUEST, any: ["VM.Allocate"] },
  { path: "/storage/{storage}", any: ["Datastore.AllocateSpace"] },
  seeStorages,
  useBridge,
];

/** PVE asks for these of whoever reads the backup; what the new guest is like is the backup's affair. */
export const toRestore: readonly Privilege[] = [
  { path: GUEST, any: ["VM.Backup"] },
  { path: NEW_GUEST, any: ["VM.Allocate"] },
  { path: "/storage/{storage}", any: ["Datastore.AllocateSpace"] },
  { path: "/storage/{storage}", any: ["Datastore.Audit"] },
  useBridge,
];

export const toMigrate: readonly Privilege[] = [
  { path: GUEST, any: ["VM.Migrate"] },
  audit,
  // Without it nobody can tell whether a disk would be copied, and removed where it was.
  { path: "/storage/{storage}", any: ["Datastore.Audit"] },
];

/** PVE lets in whoever has any of these, and then asks for the one that each setting wants. */
function anyOf(...which: Setting[]): Privilege {
  return { path: GUEST, any: which.map((setting) => settings[setting][0]) };
}

const newDisk: readonly Privilege[] = [
  { path: "/storage/{storage}", any: ["Datastore.AllocateSpace"], when: "for a new disk or mount point" },
  useBridge,
];

export const toSetVm: readonly Privilege[] = [
  audit,
  anyOf("disk", "cdrom", "cpu", "memory", "network", "hardware", "options", "cloudinit"),
  ...sometimes(GUEST, "cpu", "memory", "network", "options", "disk", "hardware", "cdrom", "cloudinit"),
  ...newDisk,
];

export const toSetContainer: readonly Privilege[] = [
  audit,
  anyOf("disk", "cpu", "memory", "network", "options"),
  ...sometimes(GUEST, "cpu", "memory", "network", "options", "disk"),
  { path: GUEST, any: ["VM.Allocate"], when: nesting },
  ...newDisk,
];

/** Commands in containers go by SSH, where PVE's privileges do not count. */
export const inContainer: readonly Privilege[] = [audit];

/** Commands in VMs go through the guest agent. */
export const inVm: readonly Privilege[] = [
  audit,
  {
    path: GUEST,
    any: ["VM.GuestAgent.Unrestricted", "VM.Monitor"],
    when: "for VMs, unless PROXMOX_EXEC_VM is ssh",
  },
];
