/** Every request this program can ever send, in one file however long, so that a reader has all of them at hand. */
import * as r from "./rules.ts";
import * as d from "./devices.ts";
import * as v from "./values.ts";

/** The state checks of checks.ts; a catalogue entry names the one that has to pass before the request may leave. */
export type CheckName =
  | "free-vmid"
  | "restore"
  | "move"
  | "pending"
  | "start"
  | "shutdown"
  | "reboot"
  | "vm-config"
  | "container-config"
  | "snapshot"
  | "backup"
  | "new-file"
  | "grow"
  | "awake";

/** There is no DELETE: a request that deletes cannot be written down here. */
export type Method = "GET" | "POST" | "PUT";

/** One request. `params` is the allowlist; `name[n]` stands for name0, name1, … up to the slot limits of the gate. */
export interface Entry {
  readonly params: Readonly<Record<string, r.Rule>>;
  /** Parameters without which the request is refused. */
  readonly required?: readonly string[];
  readonly check?: CheckName;
  /** The one kind of parameter that stands several times in a request: a list, in its order. */
  readonly repeated?: readonly string[];
}

const cpuAndMemory = {
  cores: r.integer(1, 1024),
  cpulimit: r.decimal(0, 1024),
  cpuunits: r.integer(1, 262_144),
  onboot: r.flag,
  description: r.text(8192),
  tags: v.tags,
  startup: v.startupOrder,
};

const vmOptions = {
  ...cpuAndMemory,
  name: v.dnsName,
  sockets: r.integer(1, 64),
  vcpus: r.integer(1, 1024),
  cpu: d.cpuType,
  numa: r.flag,
  memory: r.integer(16, 16_777_216),
  balloon: r.integer(0, 16_777_216),
  agent: d.guestAgent,
  ostype: r.oneOf(
    "other",
    "wxp",
    "w2k",
    "w2k3",
    "w2k8",
    "wvista",
    "win7",
    "win8",
    "win10",
    "win11",
    "l24",
    "l26",
    "solaris",
  ),
  boot: d.bootOrder,
  bios: r.oneOf("seabios", "ovmf"),
  machine: d.machineType,
  scsihw: r.oneOf("lsi", "lsi53c810", "virtio-scsi-pci", "virtio-scsi-single", "megasas", "pvscsi"),
  vga: d.display,
  tablet: r.flag,
  localtime: r.flag,
  ciuser: v.userName,
  cipassword: r.secret(1, 128),
  ciupgrade: r.flag,
  citype: r.oneOf("nocloud", "configdrive2", "opennebula"),
  nameserver: v.addressList,
  searchdomain: v.dnsName,
  sshkeys: v.encodedPublicKeys,
  "ipconfig[n]": d.ipConfig,
  "net[n]": d.vmNetwork,
  "scsi[n]": d.driveSlot,
  "virtio[n]": d.newDisk,
  "sata[n]": d.driveSlot,
  "ide[n]": d.driveSlot,
  efidisk0: d.efiDisk,
  tpmstate0: d.tpmState,
};

const containerOptions = {
  ...cpuAndMemory,
  hostname: v.dnsName,
  memory: r.integer(16, 16_777_216),
  swap: r.integer(0, 16_777_216),
  nameserver: v.addressList,
  searchdomain: v.dnsName,
  timezone: v.timezone,
  features: d.containerFeatures,
  "net[n]": d.containerNetwork,
  "mp[n]": d.mountPoint,
};

const clone = {
  newid: v.vmid,
  description: r.text(8192),
  full: r.flag,
  pool: v.poolName,
  snapname: v.configId,
  storage: v.storageName,
  target: v.nodeName,
};

const privilege = r.rule("true; false only where PROXMOX_ALLOW_PRIVILEGED is true", r.flag);

const none = {};

const rrd = { timeframe: r.oneOf("hour", "day", "week", "month", "year") };

const requests = {
  "GET /version": { params: none },
  "GET /nodes": { params: none },
  "GET /nodes/{node}/status": { params: none },
  "GET /nodes/{node}/network": { params: none },
  // Only one's own: asking about somebody else takes a userid, which is not here.
  "GET /access/permissions": { params: { path: v.aclPath } },
  "GET /cluster/resources": { params: { type: r.oneOf("vm", "storage", "node", "sdn") } },
  "GET /cluster/status": { params: none },
  "GET /cluster/nextid": { params: { vmid: v.vmid } },
  "GET /nodes/{node}/qemu": { params: none },
  "GET /nodes/{node}/lxc": { params: none },
  "GET /nodes/{node}/qemu/{vmid}/status/current": { params: none },
  "GET /nodes/{node}/lxc/{vmid}/status/current": { params: none },
  "GET /nodes/{node}/qemu/{vmid}/config": { params: none },
  "GET /nodes/{node}/lxc/{vmid}/config": { params: none },
  "GET /nodes/{node}/qemu/{vmid}/pending": { params: none },
  "GET /nodes/{node}/lxc/{vmid}/pending": { params: none },
  // What PVE writes to a VM's cloud-init drive; it holds the password's hash.
  "GET /nodes/{node}/qemu/{vmid}/cloudinit/dump": {
    params: { type: r.oneOf("user", "network", "meta") },
    required: ["type"],
  },
  "GET /nodes/{node}/storage": {
    params: { content: v.contentType },
  },
  "GET /nodes/{node}/storage/{storage}/content": {
    params: { content: v.contentType, vmid: v.vmid },
  },
  "GET /nodes/{node}/lxc/{vmid}/interfaces": { params: none },
  "GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces": { params: none },
  "GET /nodes/{node}/qemu/{vmid}/agent/get-osinfo": { params: none },
  "GET /nodes/{node}/qemu/{vmid}/agent/get-host-name": { params: none },
  "GET /nodes/{node}/qemu/{vmid}/agent/get-fsinfo": { params: none },
  "GET /nodes/{node}/rrddata": { params: rrd },
  "GET /nodes/{node}/qemu/{vmid}/rrddata": { params: rrd },
  "GET /nodes/{node}/lxc/{vmid}/rrddata": { params: rrd },
  "GET /nodes/{node}/qemu/{vmid}/snapshot": { params: none },
  "GET /nodes/{node}/lxc/{vmid}/snapshot": { params: none },
  "GET /cluster/backup": { params: none },
  "GET /nodes/{node}/vzdump/extractconfig": { params: { volume: v.archive } },
  "GET /nodes/{node}/qemu/{vmid}/migrate": { params: { target: v.nodeName } },
  "GET /cluster/backup-info/not-backed-up": { params: none },
  "GET /cluster/ha/status/current": { params: none },
  "GET /cluster/ha/rules": { params: none },
  "GET /cluster/ha/groups": { params: none },
  "GET /cluster/replication": { params: none },
  "GET /nodes/{node}/replication": { params: none },
  "GET /cluster/log": { params: { max: r.integer(1, 1000) } },
  "GET /pools": { params: { poolid: v.poolName } },
  "GET /cluster/firewall/rules": { params: none },
  "GET /cluster/firewall/options": { params: none },
  "GET /nodes/{node}/firewall/rules": { params: none },
  "GET /nodes/{node}/firewall/options": { params: none },
  "GET /nodes/{node}/qemu/{vmid}/firewall/rules": { params: none },
  "GET /nodes/{node}/qemu/{vmid}/firewall/options": { params: none },
  "GET /nodes/{node}/lxc/{vmid}/firewall/rules": { params: none },
  "GET /nodes/{node}/lxc/{vmid}/firewall/options": { params: none },
  "GET /nodes/{node}/services": { params: none },
  "GET /nodes/{node}/apt/update": { params: none },
  "GET /nodes/{node}/syslog": {
    params: {
      start: r.integer(0, 1_000_000_000),
      limit: r.integer(1, 500),
      since: v.localMoment,
      service: v.serviceName,
    },
  },
  "GET /nodes/{node}/disks/list": { params: none },
  "GET /nodes/{node}/disks/zfs": { params: none },
  "GET /cluster/ceph/status": { params: none },
  // Commands inside a VM, for the tools of tier exec and no other.
  "POST /nodes/{node}/qemu/{vmid}/agent/exec": {
    params: { command: r.argument(120_000), "input-data": r.ascii(65_536) },
    required: ["command"],
    repeated: ["command"],
  },
  "GET /nodes/{node}/qemu/{vmid}/agent/exec-status": { params: { pid: r.integer(1, 4_294_967_295) } },
  "GET /nodes/{node}/tasks": {
    params: {
      source: r.oneOf("archive", "active", "all"),
      limit: r.integer(1, 1000),
      since: r.integer(0, 99_999_999_999),
      vmid: v.vmid,
      typefilter: v.taskType,
      statusfilter: v.taskStates,
    },
  },
  "GET /nodes/{node}/tasks/{upid}/status": { params: none },
  "GET /nodes/{node}/tasks/{upid}/log": { params: { start: r.integer(0, 10_000_000), limit: r.integer(1, 1000) } },
  "GET /nodes/{node}/aplinfo": { params: none },
  "POST /nodes/{node}/qemu/{vmid}/status/start": { params: none, check: "start" },
  "POST /nodes/{node}/qemu/{vmid}/status/stop": { params: none, check: "pending" },
  "POST /nodes/{node}/qemu/{vmid}/status/shutdown": { params: { timeout: r.integer(1, 86_400) }, check: "shutdown" },
  "POST /nodes/{node}/qemu/{vmid}/status/reboot": { params: { timeout: r.integer(1, 86_400) }, check: "pending" },
  "POST /nodes/{node}/lxc/{vmid}/status/start": { params: none, check: "pending" },
  "POST /nodes/{node}/lxc/{vmid}/status/stop": { params: none, check: "pending" },
  "POST /nodes/{node}/lxc/{vmid}/status/shutdown": { params: { timeout: r.integer(1, 86_400) }, check: "pending" },
  "POST /nodes/{node}/lxc/{vmid}/status/reboot": { params: { timeout: r.integer(1, 86_400) }, check: "reboot" },
  "POST /nodes/{node}/qemu": {
    params: {
      ...vmOptions,
      // Here alone, and only of what a download has brought: any other source could be somebody's disk, or a file of the host's.
      "scsi[n]": d.firstDriveSlot,
      // A socket for PVE's own terminal, which many cloud images do not boot without; never a device of the host's.
      "serial[n]": r.only("socket"),
      vmid: v.vmid,
      pool: v.poolName,
      start: r.flag,
    },
    required: ["vmid"],
    check: "free-vmid",
  },
  "POST /nodes/{node}/lxc": {
    params: {
      ...containerOptions,
      vmid: v.vmid,
      ostemplate: v.containerTemplate,
      storage: v.storageName,
      rootfs: d.rootFilesystem,
      // Always sent, as PVE's own default is a privileged container; the policy refuses 0 without the setting.
      unprivileged: privilege,
      password: r.secret(5, 128),
      "ssh-public-keys": v.publicKeys,
      pool: v.poolName,
      start: r.flag,
      ostype: r.oneOf(
        "debian",
        "devuan",
        "ubuntu",
        "centos",
        "fedora",
        "opensuse",
        "archlinux",
        "alpine",
        "gentoo",
        "nixos",
        "unmanaged",
      ),
    },
    required: ["vmid", "ostemplate", "unprivileged"],
    check: "free-vmid",
  },
  "POST /nodes/{node}/qemu/{vmid}/clone": {
    params: { ...clone, name: v.dnsName, format: r.oneOf("raw", "qcow2", "vmdk") },
    required: ["newid"],
    check: "free-vmid",
  },
  "POST /nodes/{node}/lxc/{vmid}/clone": {
    params: { ...clone, hostname: v.dnsName },
    required: ["newid"],
    check: "free-vmid",
  },
  // Restoring is another request to the same address. Only the tools that restore declare it; that of create_* never has
  // an archive. Without force PVE restores over nothing: a number that is taken is refused by PVE, too.
  "POST /nodes/{node}/qemu (restore)": {
    params: {
      vmid: v.vmid,
      archive: v.vmArchive,
      unique: r.only("1"),
      storage: v.storageName,
      pool: v.poolName,
    },
    required: ["vmid", "archive", "unique"],
    check: "restore",
  },
  // PVE's default for storage is "local", whatever the backup says.
  "POST /nodes/{node}/lxc (restore)": {
    params: {
      vmid: v.vmid,
      ostemplate: v.containerArchive,
      restore: r.only("1"),
      unique: r.only("1"),
      unprivileged: privilege,
      storage: v.storageName,
      pool: v.poolName,
    },
    required: ["vmid", "ostemplate", "restore", "unique", "unprivileged", "storage"],
    check: "restore",
  },
  "PUT /nodes/{node}/qemu/{vmid}/config": {
    params: { ...vmOptions, digest: v.digest },
    required: ["digest"],
    check: "vm-config",
  },
  "PUT /nodes/{node}/lxc/{vmid}/config": {
    params: { ...containerOptions, digest: v.digest },
    required: ["digest"],
    check: "container-config",
  },
  "POST /nodes/{node}/qemu/{vmid}/snapshot": {
    params: { snapname: v.snapshotName, description: r.text(8192), vmstate: r.flag },
    required: ["snapname"],
    check: "snapshot",
  },
  "POST /nodes/{node}/lxc/{vmid}/snapshot": {
    params: { snapname: v.snapshotName, description: r.text(8192) },
    required: ["snapname"],
    check: "snapshot",
  },
  // PVE prunes older backups unless it is told not to; what is protected, no later pruning takes.
  "POST /nodes/{node}/vzdump": {
    params: {
      vmid: v.vmid,
      storage: v.storageName,
      remove: r.only("0"),
      protected: r.only("1"),
      mode: r.oneOf("snapshot", "suspend", "stop"),
      compress: r.only("zstd"),
      "notes-template": v.backupNotes,
    },
    required: ["vmid", "storage", "remove", "protected"],
    check: "backup",
  },
  "PUT /nodes/{node}/qemu/{vmid}/resize": {
    params: { disk: v.vmDisk, size: v.growth, digest: v.digest },
    required: ["disk", "size", "digest"],
    check: "grow",
  },
  "PUT /nodes/{node}/lxc/{vmid}/resize": {
    params: { disk: v.containerDisk, size: v.growth, digest: v.digest },
    required: ["disk", "size", "digest"],
    check: "grow",
  },
  // Never with local disks: PVE copies them, and removes what it has copied from.
  "POST /nodes/{node}/qemu/{vmid}/migrate": {
    params: { target: v.nodeName, online: r.flag },
    required: ["target"],
    check: "move",
  },
  "POST /nodes/{node}/lxc/{vmid}/migrate": {
    params: { target: v.nodeName, restart: r.flag },
    required: ["target"],
    check: "move",
  },
  // To memory, never to disk: a saved memory image would be used up by the next start.
  "POST /nodes/{node}/qemu/{vmid}/status/suspend": { params: none, check: "pending" },
  "POST /nodes/{node}/qemu/{vmid}/status/resume": { params: none, check: "awake" },
  "POST /nodes/{node}/aplinfo": {
    params: { storage: v.storageName, template: v.applianceName },
    required: ["storage", "template"],
    check: "new-file",
  },
  "POST /nodes/{node}/storage/{storage}/download-url": {
    params: {
      url: v.downloadUrl,
      content: r.oneOf("iso", "vztmpl", "import"),
      filename: v.downloadName,
      checksum: v.checksum,
      "checksum-algorithm": r.oneOf("sha256", "sha384", "sha512"),
    },
    required: ["url", "content", "filename"],
    check: "new-file",
  },
  // Since PVE 9.1.
  "POST /nodes/{node}/storage/{storage}/oci-registry-pull": {
    params: { reference: v.imageReference, filename: v.imageFileName },
    required: ["reference", "filename"],
    check: "new-file",
  },
} as const satisfies Readonly<Record<`${Method} /${string}`, Entry>>;

/** Freezes a value and everything in it. */
function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
}

/** Nothing can add a request or a parameter while the program runs. */
export const catalogue = frozen(requests);

/** The key of a request, as in "GET /nodes"; its purpose follows in brackets where one address has several. */
export type Call = keyof typeof catalogue;

/** A method and path of PVE's. */
export type Request = Exclude<Call, `${string})`>;

type Purpose = Exclude<Call, Request>;

const purposes = frozen(
  {
    "POST /nodes/{node}/qemu (restore)": "POST /nodes/{node}/qemu",
    "POST /nodes/{node}/lxc (restore)": "POST /nodes/{node}/lxc",
  } as const satisfies Readonly<Record<Purpose, Request>>,
);

function isPurpose(call: Call): call is Purpose {
  return Object.hasOwn(purposes, call);
}

/** What of a call goes over the wire: its method and path. */
export function requestOf(call: Call): Request {
  return isPurpose(call) ? purposes[call] : call;
}
