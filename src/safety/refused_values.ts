/** Values that an allowed parameter never carries, each with its reason and requests that would carry them. */
import type { Call } from "./catalogue.ts";

const CREATE_VM = "POST /nodes/{node}/qemu";
const CREATE_CONTAINER = "POST /nodes/{node}/lxc";
const RESTORE_VM = "POST /nodes/{node}/qemu (restore)";
const RESTORE_CONTAINER = "POST /nodes/{node}/lxc (restore)";
const VZDUMP = "POST /nodes/{node}/vzdump";

/** Values that an allowed parameter never carries. */
export interface RefusedValues {
  readonly what: string;
  readonly why: string;
  /** Requests that would carry them; each is refused as it stands, and only because of its first parameter. */
  readonly examples: readonly { readonly call: Call; readonly name: string; readonly value: string }[];
}

const CONTAINER_CONFIG = "PUT /nodes/{node}/lxc/{vmid}/config";
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
