/** What a guest's devices may be: disks, drives, mount points, networks, and how PVE writes each of them. */
import {
  buildProperties,
  decimal,
  flag,
  integer,
  matching,
  oneOf,
  only,
  parseProperties,
  properties,
  type PropertyFormat,
  type Rule,
  rule,
  sayProperties,
} from "./rules.ts";
import { address, bridgeName, cidr4, cidr6, MAC, macAddress, STORAGE } from "./values.ts";

/** From 0.1 on: a size of 0 would be a container without any limit. */
const gibibytes = "(?:[1-9]\\d{0,5}(?:\\.\\d{1,3})?|0\\.[1-9]\\d{0,2})";

/**
 * A volume that PVE is to allocate: `STORAGE:SIZE` in GiB. `STORAGE:VOLUME` (somebody's disk) and paths do not match, as
 * what stands after the colon must be a number.
 */
export const newVolume = matching(
  new RegExp(`${STORAGE}:${gibibytes}`),
  "STORAGE:SIZE, a new volume of SIZE GiB, as in local-lvm:8; an existing volume or a path is never attached",
);

/** Sub-keys that cost data or protection (snapshot, backup, replicate, werror, …) are not there. */
const diskOptions = {
  cache: oneOf("none", "writethrough", "writeback", "directsync"),
  discard: oneOf("on", "ignore"),
  iothread: flag,
  ssd: flag,
  format: oneOf("raw", "qcow2", "vmdk"),
  aio: oneOf("native", "threads", "io_uring"),
};

/** A disk of a VM, newly allocated. */
export const newDisk: Rule = properties({
  first: "file",
  keys: { file: newVolume, ...diskOptions },
  required: ["file"],
});

/** A CD-ROM (an ISO image of a storage, or an empty drive) or a cloud-init drive on an IDE, SATA or SCSI slot. */
const cdrom: Rule = properties({
  first: "file",
  keys: {
    file: matching(
      new RegExp(`none|${STORAGE}:iso/[A-Za-z0-9][A-Za-z0-9._+@ ()-]{0,200}\\.(?:iso|img|ISO|IMG)`),
      "none, or an ISO image, as in local:iso/debian-13.iso",
    ),
    media: only("cdrom"),
  },
  required: ["file", "media"],
});
const cloudInitDrive = matching(new RegExp(`${STORAGE}:cloudinit`), "STORAGE:cloudinit, a new cloud-init drive");

/** What may stand on a disk slot: a new disk, a CD-ROM, a cloud-init drive. */
export const driveSlot: Rule = rule(
  `${newDisk.says}. Or a CD-ROM: ${cdrom.says}. Or ${cloudInitDrive.says}`,
  (value, name) => {
    const source = String(value);
    if (/(?:^|,)media=/.test(source)) return cdrom(value, name);
    if (source.endsWith(":cloudinit")) return cloudInitDrive(value, name);
    return newDisk(value, name);
  },
);

/**
 * A new disk that starts as a copy of a disk image, which a download has put among a storage's images to import. A path or
 * a volume of a guest does not match; nor does an image inside an archive. PVE wants the size 0: the image has its own.
 */
const importedDisk: Rule = properties({
  first: "file",
  keys: {
    file: matching(new RegExp(`${STORAGE}:0`), "STORAGE:0"),
    "import-from": matching(
      new RegExp(`${STORAGE}:import/[A-Za-z0-9][A-Za-z0-9._+=-]{0,200}\\.(?:qcow2|raw|vmdk)`),
      "a downloaded disk image, as in local:import/debian-13-genericcloud-amd64.qcow2",
    ),
    ...diskOptions,
  },
  required: ["file", "import-from"],
});

/** What may stand on a disk slot of a VM that is just being made: a copy of a downloaded image, too. */
export const firstDriveSlot: Rule = rule(
  `${driveSlot.says}. Or a copy of a downloaded image: ${importedDisk.says}`,
  (value, name) => String(value).includes(",import-from=") ? importedDisk(value, name) : driveSlot(value, name),
);

export const efiDisk: Rule = properties({
  first: "file",
  keys: {
    file: newVolume,
    efitype: oneOf("4m", "2m"),
    "pre-enrolled-keys": flag,
    format: oneOf("raw", "qcow2", "vmdk"),
  },
  required: ["file"],
});
export const tpmState: Rule = properties({
  first: "file",
  keys: { file: newVolume, version: oneOf("v1.2", "v2.0") },
  required: ["file"],
});
export const rootFilesystem: Rule = properties({ first: "volume", keys: { volume: newVolume }, required: ["volume"] });

/** A new mount point; it always takes part in backups. */
export const mountPoint: Rule = properties({
  first: "volume",
  keys: {
    volume: newVolume,
    mp: matching(/(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*)+/, "an absolute path in the container, as in /srv/data"),
    ro: flag,
    acl: flag,
    backup: only("1"),
  },
  required: ["volume", "mp"],
  added: { backup: "1" },
});

/** VM network models; PVE also reads them as a key whose value is the MAC address (`virtio=BC:…`). */
export const NETWORK_MODELS = ["virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"] as const;
const vmNetworkFormat: PropertyFormat = {
  first: "model",
  keys: {
    model: oneOf(...NETWORK_MODELS),
    macaddr: macAddress,
    bridge: bridgeName,
    tag: integer(1, 4094),
    trunks: matching(/\d{1,4}(?:-\d{1,4})?(?:;\d{1,4}(?:-\d{1,4})?)*/, "VLAN numbers joined by ;"),
    firewall: flag,
    rate: decimal(0, 100_000),
    mtu: integer(1, 65_520),
    queues: integer(0, 64),
    link_down: flag,
  },
  required: ["model"],
};

/** A VM's network device. `virtio=MAC` is read as PVE reads it and sent as `virtio=MAC`. */
export const vmNetwork: Rule = rule(sayProperties(vmNetworkFormat), (value, name) => {
  const source = String(value);
  const alias = new RegExp(`^(${NETWORK_MODELS.join("|")})=(${MAC})(,|$)`).exec(source);
  const plain = alias === null
    ? source
    : `${alias[1]},macaddr=${alias[2]}${source.slice(alias[0].length - (alias[3] ?? "").length)}`;
  const found = parseProperties(plain, name, vmNetworkFormat);
  return buildProperties(found, "model");
});

export const containerNetwork: Rule = properties({
  keys: {
    name: matching(/[A-Za-z][A-Za-z0-9_.-]{0,14}/, "an interface's name, as in eth0"),
    bridge: bridgeName,
    hwaddr: macAddress,
    ip: cidr4,
    ip6: cidr6,
    gw: address,
    gw6: address,
    tag: integer(1, 4094),
    trunks: matching(/\d{1,4}(?:;\d{1,4})*/, "VLAN numbers joined by ;"),
    firewall: flag,
    rate: decimal(0, 100_000),
    mtu: integer(64, 65_535),
    link_down: flag,
    type: only("veth"),
  },
  required: ["name"],
});

export const ipConfig: Rule = properties({ keys: { ip: cidr4, gw: address, ip6: cidr6, gw6: address } });

/** Features of a container that do not reach the host: nesting and what goes with it. */
export const containerFeatures: Rule = properties({ keys: { nesting: flag, keyctl: flag, fuse: flag } });

export const guestAgent: Rule = properties({
  first: "enabled",
  keys: { enabled: flag, fstrim_cloned_disks: flag, "freeze-fs-on-backup": flag, type: oneOf("virtio", "isa") },
  required: ["enabled"],
});
export const cpuType: Rule = properties({
  first: "cputype",
  keys: {
    cputype: matching(/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}/, "a CPU type, as in host or x86-64-v2-AES"),
    flags: matching(/[+-][a-z0-9_.-]+(?:;[+-][a-z0-9_.-]+)*/, "flags, as in +aes;-pcid"),
  },
  required: ["cputype"],
});
export const bootOrder = matching(
  /order=(?:(?:scsi|virtio|sata|ide|net)\d{1,2})(?:;(?:scsi|virtio|sata|ide|net)\d{1,2})*/,
  "the devices in order, as in order=scsi0;ide2;net0",
);
export const machineType = matching(
  /(?:pc|q35|pc-i440fx-\d+(?:\.\d+)+(?:\+pve\d+)?|pc-q35-\d+(?:\.\d+)+(?:\+pve\d+)?|virt)/,
  "a machine type, as in q35 or pc-q35-9.2",
);
export const display: Rule = properties({
  first: "type",
  keys: { type: oneOf("std", "virtio", "virtio-gl", "qxl", "vmware", "cirrus", "none"), memory: integer(4, 512) },
  required: ["type"],
});
