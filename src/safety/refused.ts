/** What PVE would take and this program never sends, each with its reason; refused_test.ts holds it against PVE's schema. */
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

/** Values that an allowed parameter never carries. */
export interface RefusedValues {
  readonly what: string;
  readonly why: string;
  /** Requests that would carry them; each is refused as it stands, and only because of its first parameter. */
  readonly examples: readonly { readonly call: Call; readonly name: string; readonly value: string }[];
}

const VM_CONFIG = "PUT /nodes/{node}/qemu/{vmid}/config";
const vm = (name: string, value: string) => ({ call: VM_CONFIG, name, value }) as const;
const container = (name: string, value: string) => ({ call: CONTAINER_CONFIG, name, value }) as const;

export const refusedValues: readonly RefusedValues[] = [
  {
    what: "an existing volume as a disk, mount point or CD-ROM",
    why: "It may be another guest's, and two guests that write to one volume ruin it",
    examples: [
      vm("scsi1", "local-lvm:vm-100-disk-0"),
      vm("virtio1", "local:100/vm-100-disk-0.qcow2"),
      vm("scsi1", "file=local-lvm:vm-100-disk-0"),
      vm("scsi1", "local-lvm:8,file=local-lvm:vm-100-disk-0"),
      vm("ide2", "local-lvm:vm-100-disk-0,media=cdrom"),
      vm("efidisk0", "local-lvm:vm-100-disk-1"),
      vm("tpmstate0", "local-lvm:vm-100-disk-2"),
      container("mp0", "local-lvm:subvol-200-disk-1,mp=/srv"),
      container("mp0", "volume=local-lvm:subvol-200-disk-1,mp=/srv"),
      { call: CREATE_CONTAINER, name: "rootfs", value: "local-lvm:subvol-200-disk-0" },
    ],
  },
  {
    what: "a path or device of the host as a disk, mount point (bind mount) or CD-ROM",
    why: "It hands the host's disks and files to a guest",
    examples: [
      vm("scsi1", "/dev/sda"),
      vm("ide2", "/dev/cdrom,media=cdrom"),
      vm("ide2", "cdrom,media=cdrom"),
      container("mp0", "/etc,mp=/srv"),
      { call: CREATE_CONTAINER, name: "rootfs", value: "/srv/root" },
    ],
  },
  {
    what: "import-from in a disk, but for a downloaded disk image in a new VM's scsi[n]",
    why: "It copies whatever file or volume it names into a guest",
    examples: [
      vm("scsi1", "local-lvm:0,import-from=local:100/vm-100-disk-0.qcow2"),
      vm("scsi1", "local-lvm:0,import-from=local:import/debian-13.qcow2"),
      { call: CREATE_VM, name: "scsi0", value: "local-lvm:0,import-from=local:100/vm-100-disk-0.qcow2" },
      { call: CREATE_VM, name: "scsi0", value: "local-lvm:0,import-from=/var/lib/vz/import/debian-13.qcow2" },
      { call: CREATE_VM, name: "scsi0", value: "local-lvm:8,import-from=local:import/debian-13.qcow2" },
      { call: CREATE_VM, name: "virtio0", value: "local-lvm:0,import-from=local:import/debian-13.qcow2" },
    ],
  },
  {
    what: "a serial port that is a device of the host",
    why: "It hands the device to a guest",
    examples: [{ call: CREATE_VM, name: "serial0", value: "/dev/ttyS0" }],
  },
  {
    what: "backup=0, replicate=0, snapshot, cache=unsafe, werror, rerror",
    why: "They take a disk out of backups, or make it forget what was written",
    examples: [
      vm("scsi1", "local-lvm:8,backup=0"),
      vm("scsi1", "local-lvm:8,replicate=0"),
      vm("scsi1", "local-lvm:8,snapshot=1"),
      vm("scsi1", "local-lvm:8,cache=unsafe"),
      vm("scsi1", "local-lvm:8,werror=ignore"),
      vm("scsi1", "local-lvm:8,rerror=ignore"),
      container("mp0", "local-lvm:8,mp=/srv,backup=0"),
      container("mp0", "local-lvm:8,mp=/srv,replicate=0"),
    ],
  },
  {
    what: "a backup as the template of a new container",
    why: "PVE would restore it",
    examples: [
      { call: CREATE_CONTAINER, name: "ostemplate", value: "local:backup/vzdump-lxc-200-2026_01_01-00_00_00.tar.zst" },
      { call: CREATE_CONTAINER, name: "ostemplate", value: "/var/lib/vz/dump/vzdump-lxc-200.tar.zst" },
    ],
  },
  {
    what: "a restore of anything but a backup by its own name, or with the addresses of the guest that was backed up",
    why: "A path or a pipe may be anything; two guests with one MAC address disturb each other",
    examples: [
      { call: RESTORE_VM, name: "archive", value: "-" },
      { call: RESTORE_VM, name: "archive", value: "/var/lib/vz/dump/vzdump-qemu-100-2026_01_01-00_00_00.vma" },
      { call: RESTORE_VM, name: "archive", value: "local-lvm:vm-100-disk-0" },
      { call: RESTORE_VM, name: "archive", value: "local:backup/vzdump-lxc-200-2026_01_01-00_00_00.tar.zst" },
      { call: RESTORE_VM, name: "unique", value: "0" },
      { call: RESTORE_CONTAINER, name: "ostemplate", value: "local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst" },
      { call: RESTORE_CONTAINER, name: "restore", value: "0" },
      { call: RESTORE_CONTAINER, name: "unique", value: "0" },
    ],
  },
  {
    what: "a backup that prunes older ones, or that a later one may prune",
    why: "PVE's default is remove=1, which removes backups by the storage's retention",
    examples: [
      { call: VZDUMP, name: "remove", value: "1" },
      { call: VZDUMP, name: "protected", value: "0" },
    ],
  },
  {
    what: "a snapshot by a name that PVE uses itself",
    why: "The next backup of a container removes the snapshot vzdump",
    examples: [
      { call: "POST /nodes/{node}/lxc/{vmid}/snapshot", name: "snapname", value: "vzdump" },
      { call: "POST /nodes/{node}/qemu/{vmid}/snapshot", name: "snapname", value: "current" },
    ],
  },
  {
    what: "a disk's size by itself, without +",
    why: "It could be a smaller one",
    examples: [
      { call: "PUT /nodes/{node}/qemu/{vmid}/resize", name: "size", value: "8G" },
      { call: "PUT /nodes/{node}/lxc/{vmid}/resize", name: "size", value: "8192M" },
    ],
  },
  {
    what: "features of a container that mount or reach the host",
    why: "Its root is close to root on the host",
    examples: [
      container("features", "mount=nfs"),
      container("features", "mknod=1"),
      container("features", "force_rw_sys=1"),
    ],
  },
  {
    what: "a repeated, unknown or misspelt sub-key of a property string; a line break, ; or & in it",
    why: "What is judged must be what PVE reads",
    examples: [
      vm("net0", "virtio,bridge=vmbr0,bridge=vmbr1"),
      vm("net0", "virtio,bridge=vmbr0,script=/root/x"),
      vm("net0", "virtio,bridge=vmbr0;delete=scsi0"),
      vm("net0", "virtio,bridge=vmbr0\n&delete=scsi0"),
    ],
  },
];

/** Requests that are not in the catalogue at all. */
export interface RefusedCalls {
  readonly what: string;
  readonly why: string;
  /** As in PVE's documentation. */
  readonly examples: readonly string[];
}

export const refusedCalls: readonly RefusedCalls[] = [
  {
    what: "every DELETE (with its purge, force and destroy-unreferenced-disks)",
    why: "The program has no such method, not even as a type",
    examples: [
      "DELETE /nodes/{node}/qemu/{vmid}",
      "DELETE /nodes/{node}/lxc/{vmid}",
      "DELETE /nodes/{node}/storage/{storage}/content/{volume}",
      "DELETE /nodes/{node}/storage/{storage}/prunebackups",
      "DELETE /nodes/{node}/qemu/{vmid}/snapshot/{snapname}",
    ],
  },
  {
    what: "rolling back to a snapshot",
    why: "A rollback throws away everything since",
    examples: [
      "POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback",
      "POST /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/rollback",
    ],
  },
  {
    what: "backup jobs, retention, and lifting a backup's protection",
    why: "By them older backups are pruned",
    examples: [
      "POST /cluster/backup",
      "PUT /storage/{storage}",
      "PUT /nodes/{node}/storage/{storage}/content/{volume}",
    ],
  },
  {
    what: "unlinking and moving disks; uploads to a storage",
    why: "They free, replace or fill volumes",
    examples: [
      "PUT /nodes/{node}/qemu/{vmid}/unlink",
      "POST /nodes/{node}/qemu/{vmid}/move_disk",
      "POST /nodes/{node}/lxc/{vmid}/move_volume",
      "POST /nodes/{node}/storage/{storage}/upload",
    ],
  },
  {
    what: "the other way to write a VM's configuration (POST)",
    why: "It does the same in the background; one way is enough to watch",
    examples: ["POST /nodes/{node}/qemu/{vmid}/config"],
  },
  {
    what: "writing a VM's cloud-init drive anew while it may be in use",
    why: "PVE does so itself when the VM starts",
    examples: ["PUT /nodes/{node}/qemu/{vmid}/cloudinit"],
  },
  {
    what: "migration to another cluster, or of all guests of a node",
    why: "It ends in removing the guest where it was, or asks nobody which guests may move",
    examples: [
      "POST /nodes/{node}/qemu/{vmid}/remote_migrate",
      "POST /nodes/{node}/lxc/{vmid}/remote_migrate",
      "POST /nodes/{node}/migrateall",
      "POST /cluster/bulk-action/guest/migrate",
      "POST /cluster/ha/resources/{sid}/migrate",
    ],
  },
  {
    what: "templates, hard reset, and suspending to disk or inside a container",
    why: "Nothing offered needs them, and each can lose a way back, or unsaved work",
    examples: [
      "POST /nodes/{node}/qemu/{vmid}/template",
      "POST /nodes/{node}/qemu/{vmid}/status/reset",
      "POST /nodes/{node}/lxc/{vmid}/status/suspend",
    ],
  },
  {
    what: "the host and the cluster: disks, storages, network, packages, users, permissions, HA, firewall, Ceph",
    why: "They belong to people",
    examples: [
      "PUT /nodes/{node}/disks/wipedisk",
      "POST /nodes/{node}/status",
      "POST /nodes/{node}/execute",
      "POST /storage",
      "PUT /access/acl",
    ],
  },
  {
    what: "files and consoles of guests, commands of nodes",
    why: "What runs there can delete; commands inside guests are sent only where PROXMOX_ENABLE_EXEC is true",
    examples: [
      "POST /nodes/{node}/qemu/{vmid}/agent/file-write",
      "POST /nodes/{node}/termproxy",
    ],
  },
];

/** What is not promised, as plainly as what is. */
export const notPromised: readonly string[] = [
  "With PROXMOX_ENABLE_EXEC=true commands run inside guests, as root there: they can delete whatever the guest holds.",
  "stop_vm and stop_container cut the power: what the guest had not written is lost.",
  "set_vm_config and set_container_config change values. The answer gives the old ones.",
  "Starting a hibernated VM consumes its saved memory image: that is what resuming means. The answer says so.",
  "A migrated guest runs elsewhere afterwards, and a container is off meanwhile. Disks never move with a guest.",
  "A storage or thin pool that runs full can hurt every guest on it.",
  "PVE's own scheduled jobs, and other people, act for themselves: before, between and after these requests.",
  "The token could delete if it were used elsewhere: the promise is this program's, not the token's.",
];
