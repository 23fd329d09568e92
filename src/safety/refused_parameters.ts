/** Parameters that PVE would take and no request carries, each with its reason; refused_test.ts holds them against PVE's schema. */
import { type Call, catalogue } from "./catalogue.ts";

/** Parameters that no request carries. */
export interface RefusedParameters {
  /** As in PVE's schema; `name[n]` stands for name0, name1, … */
  readonly names: readonly string[];
  /** What the guarantee shows in the place of a long list of names. */
  readonly shown?: string;
  /** Only in these calls; without it, in every call. */
  readonly calls?: readonly Call[];
  readonly why: string;
}

const START_VM = "POST /nodes/{node}/qemu/{vmid}/status/start";
const STOP_VM = "POST /nodes/{node}/qemu/{vmid}/status/stop";
const CREATE_VM = "POST /nodes/{node}/qemu";
const CREATE_CONTAINER = "POST /nodes/{node}/lxc";
const RESTORE_VM = "POST /nodes/{node}/qemu (restore)";
const RESTORE_CONTAINER = "POST /nodes/{node}/lxc (restore)";
const MIGRATE_CONTAINER = "POST /nodes/{node}/lxc/{vmid}/migrate";
const VZDUMP = "POST /nodes/{node}/vzdump";
const CONTAINER_CONFIG = "PUT /nodes/{node}/lxc/{vmid}/config";

/** What a new guest may be given, and a restored one has from its backup. */
const restored = [
  ...new Set([
    ...Object.keys(catalogue[CREATE_VM].params).filter((name) => !Object.hasOwn(catalogue[RESTORE_VM].params, name)),
    ...Object.keys(catalogue[CREATE_CONTAINER].params)
      .filter((name) => !Object.hasOwn(catalogue[RESTORE_CONTAINER].params, name)),
  ]),
];

export const refusedParameters: readonly RefusedParameters[] = [
  { names: ["delete"], why: "It removes settings, detaches disks, and frees the volumes of unused ones" },
  { names: ["force"], why: "It overwrites an existing guest, or frees a disk's volume at once" },
  { names: ["revert"], why: "It throws away changes that somebody else has left pending" },
  { names: ["unused[n]"], why: "It is PVE's list of detached volumes; what drops out of it is lost or freed" },
  { names: ["protection"], why: "With 0 it lifts the guard against removing the guest and its disks" },
  { names: ["skiplock", "lock"], why: "They go past, or forge, the lock of a running backup, migration or snapshot" },
  {
    names: ["archive", "restore", "unique"],
    calls: [CREATE_VM, CREATE_CONTAINER],
    why: "They make a create the restore of a backup, which is a request of its own, into a number that is free",
  },
  { names: ["live-restore"], why: "The VM runs while it is restored; when that fails, what it has written is lost" },
  { names: ["ignore-unpack-errors"], why: "It leaves files out of a container that looks whole" },
  {
    names: restored,
    shown: "every setting that a new guest may be given, and start",
    calls: [RESTORE_VM, RESTORE_CONTAINER],
    why: "A restored guest is as it was, and stays off until somebody has looked at it",
  },
  {
    names: ["with-local-disks", "target-storage"],
    why: "By them disks are copied to the other node, and removed where they were",
  },
  {
    names: ["online", "timeout"],
    calls: [MIGRATE_CONTAINER],
    why: "A running container moves by being shut down, in PVE's own time, or not at all",
  },
  {
    names: ["cdrom", "bootdisk"],
    why: "They are old names for ide2 and for the boot order: a disk slot under another name escapes the state check",
  },
  {
    names: ["template"],
    calls: [
      CREATE_VM,
      CREATE_CONTAINER,
      RESTORE_VM,
      RESTORE_CONTAINER,
      "PUT /nodes/{node}/qemu/{vmid}/config",
      CONTAINER_CONFIG,
    ],
    why: "It turns a guest into a template, and there is no way back",
  },
  { names: ["args", "hookscript"], why: "They run what they name on the host, as root" },
  {
    names: ["hostpci[n]", "usb[n]", "parallel[n]", "dev[n]", "virtiofs[n]", "ivshmem", "rng0"],
    why: "They hand devices, directories or memory of the host to a guest",
  },
  {
    names: ["serial[n]"],
    calls: ["PUT /nodes/{node}/qemu/{vmid}/config"],
    why: "They can hand a device of the host to a guest; a new VM may have a socket for PVE's terminal",
  },
  {
    names: ["cicustom", "entrypoint", "env"],
    why: "They replace what a guest runs when it starts",
  },
  {
    names: ["rootfs"],
    calls: [CONTAINER_CONFIG],
    why: "A container's root file system is set once, when it is created",
  },
  {
    names: ["unprivileged", "ostype"],
    calls: [CONTAINER_CONFIG],
    why: "They are set once, when the container is created",
  },
  {
    names: ["forceStop", "overrule-shutdown"],
    why: "They cut the power of a guest that is shutting down; stop does so, and says so",
  },
  {
    names: [
      "keepActive",
      "migratedfrom",
      "migration_network",
      "migration_type",
      "nets-host-mtu",
      "stateuri",
      "targetstorage",
      "with-conntrack-state",
      "force-cpu",
      "vmstatestorage",
      "migrate_downtime",
      "migrate_speed",
    ],
    why: "They belong to PVE's own migrations and saved states",
  },
  { names: ["machine"], calls: [START_VM], why: "It belongs to PVE's own migrations and saved states" },
  { names: ["timeout"], calls: [START_VM, STOP_VM], why: "It belongs to PVE's own migrations and saved states" },
  { names: ["ha-managed"], why: "It hands the guest to the HA manager, which then starts, stops and moves it" },
  { names: ["reboot", "watchdog", "freeze"], why: "They reset or halt a guest by themselves" },
  { names: ["cf"], why: "Averages, PVE's default, are what the answers show" },
  {
    names: ["storage"],
    calls: [CREATE_VM],
    why: "It says where a restore puts its disks; in a create each disk names its storage",
  },
  {
    names: ["import-working-storage", "bwlimit"],
    why: "Nothing offered needs them (they only say where and how fast PVE copies)",
  },
  { names: ["prune-backups"], why: "It is a retention of its own, by which older backups go after the new one" },
  {
    names: ["todisk", "statestorage"],
    why: "They save a VM's memory as a volume, which the next start uses up",
  },
  { names: ["nocheck"], why: "It belongs to PVE's own migrations" },
  { names: ["compression"], why: "What was checked is then not what is kept" },
  { names: ["verify-certificates"], why: "With 0 anybody on the way could be the host that is named" },
  { names: ["all", "exclude"], why: "A backup is of one guest, which is named" },
  { names: ["pool"], calls: [VZDUMP], why: "A backup is of one guest, which is named" },
  { names: ["exclude-path", "stdexcludes"], why: "They leave files out of a backup that looks whole" },
  { names: ["stop", "stopwait"], why: "They end the backups that run on the node" },
  { names: ["script", "dumpdir", "tmpdir", "job-id", "stdout"], why: "They run scripts, or write, on the host" },
  {
    names: [
      "fleecing",
      "ionice",
      "lockwait",
      "mailnotification",
      "mailto",
      "notification-mode",
      "pbs-change-detection-mode",
      "performance",
      "pigz",
      "quiet",
      "zstd",
    ],
    why: "Nothing offered needs them (they only say how a backup is made and who is told)",
  },
  {
    names: [
      "acpi",
      "affinity",
      "allow-ksm",
      "amd-sev",
      "arch",
      "audio0",
      "autostart",
      "cmode",
      "console",
      "debug",
      "hotplug",
      "hugepages",
      "intel-tdx",
      "keephugepages",
      "keyboard",
      "kvm",
      "numa[n]",
      "shares",
      "smbios1",
      "smp",
      "spice_enhancements",
      "startdate",
      "tdf",
      "tty",
      "vmgenid",
    ],
    why: "Nothing offered needs them",
  },
  {
    names: ["current", "snapshot", "enabled", "download"],
    why: "Nothing offered needs them (they only choose what a read shows)",
  },
  {
    names: ["errors", "start", "until", "userfilter"],
    calls: ["GET /nodes/{node}/tasks"],
    why: "No tool needs these filters",
  },
  {
    names: ["type"],
    calls: ["GET /nodes/{node}/network", "GET /cluster/ha/rules", "GET /pools", "GET /nodes/{node}/disks/list"],
    why: "No tool needs this filter",
  },
  {
    names: ["resource", "guest", "include-partitions", "skipsmart"],
    why: "Nothing offered needs them (they only choose what a read shows)",
  },
  { names: ["until"], calls: ["GET /nodes/{node}/syslog"], why: "No tool needs this filter" },
  { names: ["userid"], calls: ["GET /access/permissions"], why: "It asks what somebody else may do" },
  {
    names: ["full"],
    calls: ["GET /nodes/{node}/qemu"],
    why: "Nothing offered needs it (it only chooses what a read shows)",
  },
  {
    names: ["format", "storage", "target"],
    calls: ["GET /nodes/{node}/storage"],
    why: "Nothing offered needs them (they only choose what a read shows)",
  },
];
