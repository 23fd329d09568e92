/** Requests that are never sent, each with its reason, and what is not promised. */

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
