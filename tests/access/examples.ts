/** Calls that use all of what a tool declares: with every privilege they succeed, without one of them they do not. */
import type { Guest, State } from "../../src/sim/state.ts";

type Row = Readonly<Record<string, unknown>>;

export interface Example {
  readonly args: Readonly<Record<string, unknown>> | ((state: State) => Readonly<Record<string, unknown>>);
  /** The guests whose state matters: vmid → whether it runs when the call comes. */
  readonly guests?: Readonly<Record<number, boolean>>;
  /** Whether those that run stand still. */
  readonly paused?: boolean;
  /** Whether the answer holds what the privileges are for; PVE leaves things out without an error. */
  readonly complete?: (answer: Row) => boolean;
  /** Privileges that only the checks before a write need: without them the call succeeds all the same, less sure. */
  readonly unseen?: readonly string[];
  /** Privileges that PVE also takes on another path: out of one role, the other may still do, and the report is too strict. */
  readonly either?: readonly string[];
}

function rows(answer: Row, field: string): readonly Row[] {
  const list: unknown = answer[field];
  return Array.isArray(list) ? list.filter((row): row is Row => typeof row === "object" && row !== null) : [];
}

const some = (field: string, test: (row: Row) => boolean = () => true) => (answer: Row) =>
  rows(answer, field).some(test);

const [VM, CONTAINER, VM_TEMPLATE, CONTAINER_TEMPLATE] = [105, 203, 9000, 290];

/** Guests whose disks are on shared storage. */
const [SHARED_VM, SHARED_CONTAINER] = [103, 205];
/** Guests with backups. */
const [SAVED_VM, SAVED_CONTAINER] = [102, 202];

/** The guests that the examples use: those that have to be in the pool. */
export const GUESTS: readonly number[] = [
  VM,
  CONTAINER,
  VM_TEMPLATE,
  CONTAINER_TEMPLATE,
  SHARED_VM,
  SHARED_CONTAINER,
  SAVED_VM,
  SAVED_CONTAINER,
];

function backupOf(state: State, kind: "qemu" | "lxc"): string {
  const prefix = `backup/vzdump-${kind}-${kind === "qemu" ? SAVED_VM : SAVED_CONTAINER}-`;
  const names = [...state.storages.get("nas")?.volumes.get("")?.keys() ?? []];
  return `nas:${names.find((name) => name.startsWith(prefix)) ?? ""}`;
}

const ISO = "local:iso/debian-13.1.0-amd64-netinst.iso";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample agent@example";
const on = { [VM]: true, [CONTAINER]: true };
const off = { [VM]: false, [CONTAINER]: false };

/** A task that somebody else has started. */
const othersTask = (state: State) => ({
  upid: [...state.tasks.values()].find(({ user, status }) => user === "root@pam" && status === "OK")?.upid,
});

/** By tool; a tool without an example fails the test. */
export const examples: Readonly<Record<string, Example>> = {
  list_nodes: { args: {}, complete: some("nodes", (row) => row.memory_gib !== undefined) },
  node_status: { args: { node: "pve1" } },
  cluster_resources: {
    args: { resource_type: "all", limit: 500 },
    complete: (answer) =>
      ["vm", "storage"].every((type) => some("resources", (row) => row.type === type)(answer)) &&
      some("resources", (row) => row.type === "node" && row.memory_gib !== undefined)(answer),
  },
  cluster_status: { args: {} },
  health_overview: {
    args: {},
    complete: ({ looked_at, notes }) =>
      /[1-9]\d* storages, [1-9]\d* guests/.test(String(looked_at)) && !/Sys\.Audit|quorum/i.test(String(notes)),
  },
  server_info: { args: {} },
  check_permissions: { args: {} },
  find_guest: {
    args: { query: `192.0.2.${VM % 250 + 1}` },
    guests: on,
    complete: some("guests", (row) => row.vmid === VM),
  },
  list_tasks: { args: { limit: 200 }, complete: some("tasks", (row) => JSON.stringify(row).includes("root@pam")) },
  get_task_status: { args: othersTask },
  get_task_log: { args: othersTask },
  wait_task: { args: othersTask },
  guest_network: {
    args: { vmid: VM },
    guests: on,
    complete: ({ source }) => source === "agent",
  },
  guest_agent_info: {
    args: { vmid: VM },
    guests: on,
    complete: ({ agent, os }) => agent === "running" && os !== undefined,
  },
  guest_metrics: { args: { vmid: CONTAINER } },
  node_metrics: { args: { node: "pve1" } },
  list_snapshots: { args: { vmid: VM } },
  // Which backups are shown takes privileges that delete backups, too: they are for a person to grant, see the tool.
  list_backups: { args: {}, complete: ({ notes }) => !/No (?:storage|guest)/.test(String(notes)) },
  list_backup_jobs: { args: {}, complete: some("in_no_job") },
  ha_status: { args: {} },
  list_replication: { args: {}, complete: ({ notes }) => !/No replication job is visible/.test(String(notes)) },
  cluster_log: { args: { limit: 500 }, complete: some("lines", (row) => row.user === "root@pam") },
  list_pools: { args: {}, complete: some("pools") },
  list_networks: { args: {} },
  list_firewall_rules: { args: { vmid: VM }, complete: ({ notes }) => !/Sys\.Audit/.test(String(notes)) },
  node_services: { args: { node: "pve1" } },
  node_updates: { args: { node: "pve1" } },
  node_syslog: { args: { node: "pve1" } },
  // On / or on the node.
  list_disks: { args: { node: "pve1" }, either: ["Sys.Audit"] },
  zfs_status: { args: { node: "pve1" } },
  ceph_status: { args: {} },
  console_url: { args: { vmid: VM } },
  list_vms: { args: {}, complete: some("guests") },
  list_containers: { args: {}, complete: some("guests") },
  vm_status: { args: { vmid: VM } },
  container_status: { args: { vmid: CONTAINER } },
  vm_config: { args: { vmid: VM } },
  container_config: { args: { vmid: CONTAINER } },
  list_storage: { args: {}, complete: some("storages") },
  list_templates: {
    args: {},
    complete: (answer) =>
      some("templates", (row) => row.volid !== undefined)(answer) &&
      some("templates", (row) => row.vmid !== undefined)(answer),
  },
  next_vmid: { args: {} },
  allocate_vmid: { args: {} },
  start_vm: { args: { vmid: VM }, guests: off },
  stop_vm: { args: { vmid: VM }, guests: on },
  shutdown_vm: { args: { vmid: VM }, guests: on },
  reboot_vm: { args: { vmid: VM }, guests: on },
  start_container: { args: { vmid: CONTAINER }, guests: off },
  stop_container: { args: { vmid: CONTAINER }, guests: on },
  shutdown_container: { args: { vmid: CONTAINER }, guests: on },
  reboot_container: { args: { vmid: CONTAINER }, guests: on },
  create_vm: {
    args: { node: "pve1", storage: "local-lvm", name: "new", iso: ISO, cloudinit: "local-lvm", start: true },
    unseen: ["Datastore.Audit"],
  },
  create_container: {
    args: {
      node: "pve1",
      storage: "local-lvm",
      ostemplate: "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst",
      hostname: "new",
      tags: "web",
      start: true,
    },
    unseen: ["Datastore.Audit"],
  },
  clone_vm: { args: { source_vmid: VM_TEMPLATE, name: "copy" }, unseen: ["Datastore.Audit"] },
  clone_container: { args: { source_vmid: CONTAINER_TEMPLATE, hostname: "copy" }, unseen: ["Datastore.Audit"] },
  set_vm_config: {
    args: {
      vmid: VM,
      config: {
        cores: 3,
        memory: 3000,
        name: "other",
        tablet: false,
        net0: "virtio,bridge=vmbr0",
        scsi5: "local-lvm:1",
        iso: ISO,
        cloudinit: "local-lvm",
      },
    },
    guests: off,
  },
  set_container_config: {
    args: {
      vmid: CONTAINER,
      config: {
        cores: 3,
        memory: 3000,
        tags: "web",
        features: "nesting=1",
        net0: "name=eth0,bridge=vmbr0,ip=dhcp",
        mp5: "local-lvm:1,mp=/srv/data",
      },
    },
    guests: off,
  },
  create_vm_snapshot: { args: { vmid: VM, snapname: "before", memory: true }, guests: on, unseen: ["Datastore.Audit"] },
  create_container_snapshot: { args: { vmid: CONTAINER, snapname: "before" }, unseen: ["Datastore.Audit"] },
  resize_vm_disk: { args: { vmid: VM, disk: "scsi0", size_gib: 100 }, unseen: ["Datastore.AllocateSpace"] },
  resize_container_disk: {
    args: { vmid: CONTAINER, disk: "rootfs", size_gib: 100 },
    unseen: ["Datastore.AllocateSpace"],
  },
  suspend_vm: { args: { vmid: VM }, guests: on },
  resume_vm: { args: { vmid: VM }, guests: on, paused: true },
  list_available_templates: { args: {}, complete: some("templates") },
  download_template: { args: { template: "archlinux-base" } },
  download_url: { args: { url: "https://cloud.debian.org/a.iso" } },
  create_cloudinit_vm: {
    args: {
      node: "pve1",
      image: "nas:import/noble-server-cloudimg-amd64.qcow2",
      name: "cloud",
      storage: "local-lvm",
      sshkeys: KEY,
    },
    unseen: ["Datastore.Audit"],
  },
  set_cloudinit: { args: { vmid: VM_TEMPLATE, ciuser: "other" } },
  cloudinit_dump: { args: { vmid: VM_TEMPLATE }, complete: ({ meta }) => /instance-id/.test(String(meta)) },
  pull_oci_image: { args: { reference: "docker.io/library/nginx:1.29" } },
  restore_vm_backup: { args: (state) => ({ archive: backupOf(state, "qemu"), storage: "local-lvm" }) },
  restore_container_backup: { args: (state) => ({ archive: backupOf(state, "lxc"), storage: "local-lvm" }) },
  migrate_vm: { args: { vmid: SHARED_VM, target: "pve3" } },
  migrate_container: { args: { vmid: SHARED_CONTAINER, target: "pve2" } },
  create_backup: { args: { vmid: CONTAINER, storage: "nas", notes: "before the upgrade" } },
  exec_in_container: { args: { vmid: CONTAINER, command: "true" }, guests: on },
  exec_in_vm: { args: { vmid: VM, command: "true" }, guests: on },
  push_file: { args: { vmid: VM, path: "/tmp/a", content: "a" }, guests: on },
  pull_file: { args: { vmid: VM, path: "/etc/hostname" }, guests: on },
};

/** Puts the guests of an example into the state that it starts from. */
export function prepare(guests: ReadonlyMap<number, Guest>, example: Example): void {
  for (const [vmid, running] of Object.entries(example.guests ?? {})) {
    const guest = guests.get(Number(vmid));
    if (guest?.kind === "qemu") guest.config.set("agent", "1");
    if (guest !== undefined) guest.run = running ? { pid: 4711, since: 0, paused: example.paused ?? false } : undefined;
  }
}

/** The arguments of an example. */
export function argsOf({ args }: Example, state: State): Readonly<Record<string, unknown>> {
  return typeof args === "function" ? args(state) : args;
}
