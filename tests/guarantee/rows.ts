/** PVE's destructive calls and parameters (tests/fixtures/destructive.json), and the calls of the catalogue that they meet. */
import assert from "node:assert/strict";
import { isCall } from "../../src/safety/gate.ts";
import rows from "../fixtures/destructive.json" with { type: "json" };

/** One destructive thing that PVE can be asked for. */
export interface Row {
  readonly class: string;
  readonly call: string;
  /** "*": the call itself. */
  readonly params: readonly string[];
  /** As the tests name it. */
  readonly title: string;
}

export const destructive: readonly Row[] = rows.map((row) => ({
  class: row.class,
  call: `${row.method} ${row.path}`,
  params: row.params === "" ? ["*"] : row.params.split(","),
  title: `${row.class} ${row.method} ${row.path} ${row.params}`,
}));

/** "scsi[n]" → a slot of it. */
export function slotOf(param: string, n: number): string {
  return param.replace("[n]", String(n));
}

const vm = { node: "pve2", vmid: 105 };
const container = { node: "pve2", vmid: 203 };
const vmBackup = "nas:backup/vzdump-qemu-102-2026_11_21-12_00_00.vma.zst";
const containerBackup = "nas:backup/vzdump-lxc-202-2026_11_21-12_00_00.tar.zst";
const digest = "8115a483bbeccc35e4a864025d3327d07a9a2b16";

/** What the gate admits of each call that is both in the list and in the catalogue, to add one parameter to. */
const admittedParams: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "PUT /nodes/{node}/qemu/{vmid}/config": { ...vm, digest },
  "PUT /nodes/{node}/lxc/{vmid}/config": { ...container, digest },
  "POST /nodes/{node}/qemu": { node: "pve2", vmid: 400 },
  "POST /nodes/{node}/lxc": {
    node: "pve2",
    vmid: 400,
    ostemplate: "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst",
    unprivileged: true,
  },
  "POST /nodes/{node}/qemu (restore)": { node: "pve2", vmid: 400, archive: vmBackup, unique: true },
  "POST /nodes/{node}/lxc (restore)": {
    node: "pve2",
    vmid: 400,
    ostemplate: containerBackup,
    restore: true,
    unique: true,
    unprivileged: true,
    storage: "ceph",
  },
  "POST /nodes/{node}/qemu/{vmid}/migrate": { ...vm, target: "pve3" },
  "POST /nodes/{node}/lxc/{vmid}/migrate": { ...container, target: "pve3" },
  "POST /nodes/{node}/qemu/{vmid}/clone": { ...vm, newid: 400 },
  "POST /nodes/{node}/qemu/{vmid}/snapshot": { ...vm, snapname: "before" },
  "POST /nodes/{node}/lxc/{vmid}/snapshot": { ...container, snapname: "before" },
  "PUT /nodes/{node}/qemu/{vmid}/resize": { ...vm, disk: "scsi0", size: "+1024M", digest },
  "PUT /nodes/{node}/lxc/{vmid}/resize": { ...container, disk: "rootfs", size: "+1024M", digest },
  "POST /nodes/{node}/aplinfo": { node: "pve2", storage: "nas", template: "debian-13-standard_13.1-2_amd64.tar.zst" },
  "POST /nodes/{node}/storage/{storage}/download-url": {
    node: "pve2",
    storage: "nas",
    url: "https://cloud.debian.org/x.iso",
    content: "iso",
    filename: "x.iso",
  },
  "POST /nodes/{node}/storage/{storage}/oci-registry-pull": {
    node: "pve2",
    storage: "nas",
    reference: "docker.io/library/debian:13",
    filename: "debian_13",
  },
  "POST /nodes/{node}/vzdump": { ...vm, storage: "nas", remove: false, protected: true },
  "POST /nodes/{node}/lxc/{vmid}/clone": { ...container, newid: 400 },
};

/** An admitted call without the parameter in question. */
export function otherwiseAdmitted(call: string): Readonly<Record<string, unknown>> {
  assert.ok(isCall(call));
  return admittedParams[call] ?? (call.includes("/lxc/") ? container : vm);
}

/** A destructive parameter that the catalogue has all the same, in a form that destroys nothing. */
export interface Restricted {
  /** Why it is there, and what holds it. */
  readonly why: string;
  /** Values that would destroy or reach too far. */
  readonly refused: readonly unknown[];
  /** The nearest value that is let through. */
  readonly admitted: unknown;
}

const disk: Restricted = {
  why: "a new volume of a size; that its slot is free is for the state check",
  refused: [
    "ceph:vm-104-disk-1",
    "local-lvm:base-9000-disk-0/vm-105-disk-0",
    "nas:105/vm-104-disk-0.qcow2",
    "nas:backup/vzdump-qemu-102-2026_07_25-12_00_00.vma.zst",
    "/dev/sdb",
    "/etc/pve",
    "file=ceph:vm-104-disk-1",
    "volume=ceph:vm-104-disk-1",
    "local-lvm:8,file=ceph:vm-104-disk-1",
    "local-lvm:0,import-from=ceph:vm-104-disk-1",
    "local-lvm:8,import-from=/dev/sdb",
    "local-lvm:8,snapshot=1",
    "local-lvm:8,backup=0",
    "local-lvm:8,replicate=0",
    "local-lvm:8,cache=unsafe",
    "local-lvm:8,werror=ignore",
    "local-lvm:8,rerror=ignore",
  ],
  admitted: "local-lvm:8",
};
const drive: Restricted = {
  ...disk,
  why: `${disk.why}; or an ISO image, none, or a new cloud-init drive`,
  refused: [...disk.refused, "ceph:vm-104-disk-1,media=cdrom", "/dev/cdrom,media=cdrom", "cdrom"],
};
const firstDrive: Restricted = {
  why: `${drive.why}; or a copy of a downloaded disk image`,
  refused: [
    ...drive.refused,
    "local-lvm:0",
    "local-lvm:8,import-from=nas:import/debian-13.qcow2",
    "local-lvm:0,import-from=nas:100/vm-100-disk-0.qcow2",
    "local-lvm:0,import-from=local-lvm:vm-105-disk-0",
    "local-lvm:0,import-from=local-lvm:base-9000-disk-0",
    "local-lvm:0,import-from=nas:import/../images/100/vm-100-disk-0.qcow2",
    "local-lvm:0,import-from=nas:import/a/b.qcow2",
    "local-lvm:0,import-from=nas:import/a.ova/b.vmdk",
    "local-lvm:0,import-from=nas:import/a.ova",
    "local-lvm:0,import-from=nas:import/.qcow2",
    "local-lvm:0,import-from=nas:iso/debian.iso",
    "local-lvm:0,import-from=nas:backup/vzdump-qemu-102-2026_07_25-12_00_00.vma.zst",
    "local-lvm:0,import-from=nas:import/x.qcow2,import-from=ceph:vm-104-disk-1",
    "local-lvm:0,import-from=nas:import/x.qcow2,backup=0",
    "local-lvm:0,import-from=nas:import/x.qcow2,media=cdrom",
    "ceph:vm-104-disk-1,import-from=nas:import/x.qcow2",
    "import-from=nas:import/x.qcow2",
    "/dev/sdb,import-from=nas:import/x.qcow2",
  ],
  admitted: "local-lvm:0,import-from=nas:import/debian-13-genericcloud-amd64.qcow2,discard=on",
};
const mountPoint: Restricted = {
  why: "a new volume of a size that takes part in backups; that its slot is free is for the state check",
  refused: [
    "ceph:vm-202-disk-1,mp=/srv",
    "/etc,mp=/srv",
    "/dev/sdb,mp=/srv",
    "volume=ceph:vm-202-disk-1,mp=/srv",
    "local-lvm:8,volume=ceph:vm-202-disk-1,mp=/srv",
    "local-lvm:8,mp=/srv,backup=0",
    "local-lvm:8,mp=/srv,replicate=0",
    "local-lvm:8,mp=/srv,shared=1",
    "local-lvm:8,mp=/",
    "local-lvm:8,mp=/srv/../etc",
  ],
  admitted: "local-lvm:8,mp=/srv/data",
};
const features: Restricted = {
  why: "features that stay inside the container",
  refused: ["mount=nfs", "mknod=1", "force_rw_sys=1", "nesting=1,mount=cifs"],
  admitted: "nesting=1",
};
const secretText = (admitted: string): Restricted => ({
  why: "a setting of cloud-init that the caller asked for; one value, nothing beside it",
  refused: ["a\ndelete: scsi0", "a\r\nb", "", ["a"], { a: 1 }],
  admitted,
});
const VM_CONFIG = "PUT /nodes/{node}/qemu/{vmid}/config";
const CT_CONFIG = "PUT /nodes/{node}/lxc/{vmid}/config";
const CREATE_VM = "POST /nodes/{node}/qemu";
const CREATE_CT = "POST /nodes/{node}/lxc";
const APLINFO = "POST /nodes/{node}/aplinfo";
const DOWNLOAD = "POST /nodes/{node}/storage/{storage}/download-url";
const PULL = "POST /nodes/{node}/storage/{storage}/oci-registry-pull";
const VZDUMP = "POST /nodes/{node}/vzdump";
const RESTORE_VM = "POST /nodes/{node}/qemu (restore)";
const RESTORE_CT = "POST /nodes/{node}/lxc (restore)";
const CLONE = "POST /nodes/{node}/qemu/{vmid}/clone";

const growth: Restricted = {
  why: "only what is added; that it fits is for the state check",
  refused: ["1G", "0", "1024M", "-1024M", "+0M", "+-1M", "+1K", "+1G", "+1M,x", "+1M\n", "", 1, ["+1M"]],
  admitted: "+1M",
};

/** By call and parameter. */
export const restricted: Readonly<Record<string, Restricted>> = {
  ...Object.fromEntries([VM_CONFIG, CREATE_VM].flatMap((call) => [
    [`${call} scsi[n]`, drive],
    [`${call} sata[n]`, drive],
    [`${call} ide[n]`, drive],
    [`${call} virtio[n]`, disk],
    [`${call} efidisk0`, disk],
    [`${call} tpmstate0`, disk],
  ])),
  [`${CREATE_VM} scsi[n]`]: firstDrive,
  [`${CT_CONFIG} mp[n]`]: mountPoint,
  [`${CREATE_CT} mp[n]`]: mountPoint,
  [`${CREATE_CT} rootfs`]: {
    why: "a new volume of a size",
    refused: ["ceph:vm-202-disk-0", "/srv", "/dev/sdb", "volume=ceph:vm-202-disk-0", "local-lvm:8,ro=1"],
    admitted: "local-lvm:8",
  },
  [`${CT_CONFIG} features`]: features,
  [`${CREATE_CT} features`]: features,
  [`${VM_CONFIG} cipassword`]: secretText("correct horse"),
  [`${VM_CONFIG} ciuser`]: secretText("admin"),
  [`${VM_CONFIG} sshkeys`]: {
    why: "public keys; a private one is refused",
    refused: ["-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n-----END OPENSSH PRIVATE KEY-----", "ssh-rsa", "", ["a"]],
    admitted: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample agent@example",
  },
  ...Object.fromEntries(["qemu", "lxc"].map((kind) => [`PUT /nodes/{node}/${kind}/{vmid}/resize size`, growth])),
  [`${APLINFO} storage`]: {
    why: "where the template goes; that no file is there yet, and that there is space, is for the state check",
    refused: ["", "a", "../x", "/dev/sdb", "nas:vztmpl", ["nas"]],
    admitted: "nas",
  },
  [`${APLINFO} template`]: {
    why: "a name of PVE's index, which becomes a file of its own",
    refused: ["", "../x.tar.gz", "a/b.tar.gz", "http://x/y.tar.gz", "x.iso", "x.tar.gz\n", ["x.tar.gz"]],
    admitted: "debian-13-standard_13.1-2_amd64.tar.zst",
  },
  [`${DOWNLOAD} url`]: {
    why: "an https address; that its host is one that a person has named is for the policy",
    refused: [
      "",
      "http://cloud.debian.org/x.iso",
      "file:///etc/passwd",
      "ftp://x/y",
      "https://user@cloud.debian.org/x.iso",
      "https://a:b@cloud.debian.org/x.iso",
      "https://cloud.debian.org\\@192.0.2.1/x.iso",
      "https://cloud.debian.org/../x.iso",
      "https://cloud.debian.org/x.iso#a",
      "https://CLOUD.debian.org/x.iso",
      "https://0x7f.1/x",
      "https://127.1/x",
      "https://cloud.debian.org:443/x.iso",
      "https://cloud.debian.org/a b",
      "https://cloud.debian.org/a\nb",
      "https://[::1]/x",
      "https://ａ.lan/x",
      "--help",
      ["https://cloud.debian.org/x.iso"],
    ],
    admitted: "https://nas.lan:8443/images/x.qcow2?a=b",
  },
  [`${DOWNLOAD} filename`]: {
    why: "a file of its own; that it is not there yet is for the state check",
    refused: ["", "../x.iso", "a/b.iso", "x.sh", ".iso", "x.iso\n", "x+y.iso", "x y.iso", "-x.iso", ["x.iso"]],
    admitted: "debian_13.1-2.qcow2",
  },
  [`${DOWNLOAD} checksum`]: {
    why: "PVE keeps nothing that does not have it",
    refused: ["", "abc", "g".repeat(64), "A".repeat(64), "a".repeat(32), "a".repeat(65)],
    admitted: "a".repeat(64),
  },
  [`${PULL} reference`]: {
    why: "an image with its registry and tag; that a person has named the registry is for the policy",
    refused: [
      "",
      "debian",
      "debian:13",
      "library/debian:13",
      "localhost/debian:13",
      "docker.io/library/debian",
      "docker.io/library/debian@sha256:" + "a".repeat(64),
      "docker://docker.io/library/debian:13",
      "https://docker.io/library/debian:13",
      "user@docker.io/library/debian:13",
      "Docker.io/library/debian:13",
      "docker.io/Library/debian:13",
      "docker.io//debian:13",
      "docker.io/../debian:13",
      "docker.io/library/debian:13 --all",
      "docker.io/library/debian:13\n",
      "-x.io/a:1",
      "dir:/etc/pve:1",
      ["docker.io/library/debian:13"],
    ],
    admitted: "registry.lan:5000/tools/web__a-b.c:1.0_x-2",
  },
  [`${PULL} filename`]: {
    why: "a file of its own; that it is not there yet is for the state check",
    refused: ["", "../x", "a/b", ".x", "x.", "-x", "x\n", "x y", "x+y", "x;y", "a".repeat(193), ["x"]],
    admitted: "debian_13.1-2",
  },
  [`${VZDUMP} remove`]: {
    why: "only 0: it must be sent, as PVE's default prunes older backups",
    refused: [1, true, "1", "yes", "", "0,1", ["0"]],
    admitted: false,
  },
  [`${VZDUMP} mode`]: {
    why: "how the guest is held still; stop and suspend interrupt it, as the tool says",
    refused: ["", "kill", "stop,1", 1, ["stop"]],
    admitted: "stop",
  },
  [`${RESTORE_VM} archive`]: {
    why: "a backup by the name that PVE gave it, into a number that is free; what is in it is for the state check",
    refused: [
      "",
      "-",
      "/var/lib/vz/dump/vzdump-qemu-102-2026_11_21-12_00_00.vma.zst",
      "local-lvm:vm-100-disk-0",
      "nas:backup/vzdump-qemu-102-2026_11_21-12_00_00.vma.zst,force=1",
      "nas:backup/../images/104/vm-104-disk-0.qcow2",
      containerBackup,
      [vmBackup],
    ],
    admitted: "pbs:backup/vm/102/2026-11-21T02:00:00Z",
  },
  [`${RESTORE_CT} restore`]: {
    why: "only 1: without it ostemplate would be a template",
    refused: [0, false, "0", "", "yes", ["1"]],
    admitted: true,
  },
  "POST /nodes/{node}/lxc/{vmid}/migrate restart": {
    why: "the tool's caller has to ask for it; it interrupts the container and loses nothing",
    refused: ["", "yes", 2, ["1"]],
    admitted: true,
  },
  [`${CLONE} target`]: {
    why: "where the copy goes; PVE refuses it for local storages",
    refused: ["../pve1", "pve1/qemu", "", "pve1%2f", ["pve1"]],
    admitted: "pve3",
  },
  [`${CLONE} storage`]: {
    why: "where the copy's volumes are made; that they fit is for the state check",
    refused: ["/dev/sdb", "ceph:vm-104-disk-1", "a", "../x", ""],
    admitted: "ceph",
  },
  [`${CLONE} full`]: {
    why: "a copy of its own or a linked one: the source's volumes stay either way",
    refused: ["maybe", 2, -1, "yes", ""],
    admitted: true,
  },
};

/** The check that each call of the list has that is made as it is; those that only switch look for what is pending. */
export const checkOf: Readonly<Record<string, string>> = {
  "POST /nodes/{node}/qemu/{vmid}/snapshot": "snapshot",
  "POST /nodes/{node}/lxc/{vmid}/snapshot": "snapshot",
  "POST /nodes/{node}/lxc/{vmid}/status/reboot": "reboot",
};

/** Calls of the list that a tool makes as they are; what they could destroy is for the state check that they name. */
export const madeAsTheyAre: Readonly<Record<string, string>> = {
  "POST /nodes/{node}/qemu/{vmid}/status/stop": "stop_vm cuts the power, as its description says",
  "POST /nodes/{node}/lxc/{vmid}/status/stop": "stop_container cuts the power, as its description says",
  "POST /nodes/{node}/qemu/{vmid}/status/reboot": "reboot_vm",
  "POST /nodes/{node}/lxc/{vmid}/status/reboot": "reboot_container cuts the power after a time, as it says",
  "POST /nodes/{node}/qemu/{vmid}/snapshot": "create_vm_snapshot takes space as the guest writes; memory has to fit",
  "POST /nodes/{node}/lxc/{vmid}/snapshot": "create_container_snapshot takes space as the guest writes",
};
