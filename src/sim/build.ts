/** Building blocks of a simulated cluster: the demo's, the benchmarks' and the tests'. */
import { allocate, formatSize, GIB, isSlot } from "./disks.ts";
import type { Backup, ClusterNode, Config, Content, Guest, Kind, State, Storage, Value, Volume } from "./state.ts";
import { volumesOf } from "./state.ts";

/** PVE's own roles as captured 052 lists them. */
const VM_USER =
  "VM.Audit VM.Backup VM.Config.CDROM VM.Config.Cloudinit VM.Console VM.GuestAgent.Audit VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt VM.GuestAgent.FileWrite VM.PowerMgmt";
const VM_ADMIN =
  `${VM_USER} VM.Allocate VM.Clone VM.Config.CPU VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options VM.GuestAgent.Unrestricted VM.Migrate VM.Replicate VM.Snapshot VM.Snapshot.Rollback`;
const DATASTORE_USER = "Datastore.AllocateSpace Datastore.Audit";
const DATASTORE_ADMIN = `${DATASTORE_USER} Datastore.Allocate Datastore.AllocateTemplate`;
const ADMIN =
  `${VM_ADMIN} ${DATASTORE_ADMIN} Group.Allocate Mapping.Audit Mapping.Use Pool.Allocate Pool.Audit Realm.AllocateUser SDN.Allocate SDN.Audit SDN.Use Sys.Audit Sys.Console Sys.Syslog User.Modify`;
const ROLES: Readonly<Record<string, string>> = {
  Administrator:
    `${ADMIN} Mapping.Modify Permissions.Modify Realm.Allocate Sys.AccessNetwork Sys.Incoming Sys.Modify Sys.PowerMgmt`,
  NoAccess: "",
  PVEAdmin: ADMIN,
  PVEAuditor: "Datastore.Audit Mapping.Audit Pool.Audit SDN.Audit Sys.Audit VM.Audit VM.GuestAgent.Audit",
  PVEDatastoreAdmin: DATASTORE_ADMIN,
  PVEDatastoreUser: DATASTORE_USER,
  PVEMappingAdmin: "Mapping.Audit Mapping.Modify Mapping.Use",
  PVEMappingUser: "Mapping.Audit Mapping.Use",
  PVEPoolAdmin: "Pool.Allocate Pool.Audit",
  PVEPoolUser: "Pool.Audit",
  PVESDNAdmin: "SDN.Allocate SDN.Audit SDN.Use",
  PVESDNUser: "SDN.Audit SDN.Use",
  PVESysAdmin: "Sys.Audit Sys.Console Sys.Syslog",
  PVETemplateUser: "VM.Audit VM.Clone",
  PVEUserAdmin: "Group.Allocate Realm.AllocateUser User.Modify",
  PVEVMAdmin: VM_ADMIN,
  PVEVMUser: VM_USER,
};

/** Nothing but PVE's own roles and root@pam. */
export function emptyState(): State {
  return {
    nodes: new Map(),
    guests: new Map(),
    storages: new Map(),
    pools: new Map(),
    jobs: new Map(),
    tasks: new Map(),
    appliances: [],
    access: {
      users: new Set(["root@pam"]),
      tokens: new Map(),
      tickets: new Map(),
      roles: new Map(
        Object.entries(ROLES).map(([role, list]) => [role, new Set(list.split(" ").filter((one) => one !== ""))]),
      ),
      acl: [],
    },
    told: new Map(),
    counters: { pid: 1009, serial: 1, mac: 1 },
  };
}

/** A node; its certificate's fingerprint is made up from its name. */
export function addNode(
  state: State,
  name: string,
  facts: { readonly cpus: number; readonly memory: number; readonly disk: number; readonly booted: number },
): ClusterNode {
  const bytes = Array.from({ length: 32 }, (_, i) => (name.charCodeAt(i % name.length) * 31 + i * 57) % 256);
  const node: ClusterNode = {
    name,
    ...facts,
    fingerprint: bytes.map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(":"),
    online: true,
    disks: new Map([["/dev/sda", `system-of-${name}`], ["/dev/sdb", `spare-of-${name}`]]),
  };
  state.nodes.set(name, node);
  return node;
}

/** A storage; without `prune` it keeps all backups. */
export function addStorage(
  state: State,
  storage: Pick<Storage, "id" | "type" | "path" | "total"> & {
    readonly content: readonly Content[];
    readonly shared?: boolean;
    readonly nodes?: readonly string[];
    readonly prune?: Readonly<Record<string, number>>;
  },
): Storage {
  const created: Storage = {
    ...storage,
    content: new Set(storage.content),
    shared: storage.shared ?? false,
    nodes: storage.nodes,
    prune: storage.prune === undefined ? undefined : new Map(Object.entries(storage.prune)),
    volumes: new Map(),
  };
  state.storages.set(created.id, created);
  return created;
}

/** A file or backup on a storage; guests' own disks come with addGuest. */
export function addVolume(
  state: State,
  storage: Storage,
  node: string,
  facts: {
    readonly name: string;
    readonly content: Content;
    readonly format: string;
    readonly size: number;
    readonly ctime: number;
    readonly vmid?: number;
    readonly notes?: string;
    readonly protected?: boolean;
    readonly backup?: Backup;
  },
): Volume {
  const serial = state.counters.serial++;
  const volume: Volume = {
    serial,
    storage: storage.id,
    name: facts.name,
    content: facts.content,
    format: facts.format,
    size: facts.size,
    used: facts.size,
    ctime: facts.ctime,
    vmid: facts.vmid,
    parent: undefined,
    mark: `file-${serial}`,
    snapshots: new Map(),
    notes: facts.notes,
    protected: facts.protected ?? false,
    backup: facts.backup,
  };
  volumesOf(storage, node).set(volume.name, volume);
  return volume;
}

/** Locally administered in PVE's own prefix, counted up. */
export function nextMac(state: State): string {
  const n = state.counters.mac++;
  const hex = (value: number) => (value & 0xff).toString(16).toUpperCase().padStart(2, "0");
  return `BC:24:11:${hex(n >> 16)}:${hex(n >> 8)}:${hex(n)}`;
}

/** A version-4-shaped identifier that is the same in every run. */
export function nextUuid(state: State): string {
  const hex = (state.counters.serial++).toString(16).padStart(12, "0");
  return `5e9a1b2c-7d3f-4a61-8b0e-${hex}`;
}

/** What addGuest wants to know. */
export interface GuestFacts {
  readonly vmid: number;
  readonly kind: Kind;
  readonly node: string;
  /** Options; a slot written as "storage:32" gets a volume of 32 GiB. */
  readonly config: Readonly<Record<string, Value>>;
  readonly now: number;
  readonly running?: boolean;
  /** Hours it has been running. */
  readonly hours?: number;
  readonly cooperates?: boolean;
  readonly format?: string;
}

/** A guest with its volumes. */
export function addGuest(state: State, facts: GuestFacts): Guest {
  const config: Config = new Map();
  for (const [option, value] of Object.entries(facts.config)) {
    const [, storageId = "", size, rest = ""] = /^([\w-]+):(\d+)(,.*)?$/.exec(String(value)) ?? [];
    const storage = isSlot(facts.kind, option) && size !== undefined ? state.storages.get(storageId) : undefined;
    if (storage === undefined) {
      config.set(option, value);
      continue;
    }
    const volume = allocate(state, {
      storage,
      node: facts.node,
      vmid: facts.vmid,
      content: facts.kind === "qemu" ? "images" : "rootdir",
      size: Number(size) * GIB,
      format: facts.format ?? (facts.kind === "qemu" ? "qcow2" : "raw"),
      now: facts.now - 90 * 86_400_000,
      mark: `data-of-${facts.vmid}-${option}`,
    });
    if (config.get("template") === 1 || facts.config.template === 1) rename(storage, facts.node, volume);
    config.set(option, `${volume.storage}:${volume.name}${rest},size=${formatSize(volume.size)}`);
  }
  const guest: Guest = {
    vmid: facts.vmid,
    kind: facts.kind,
    node: facts.node,
    config,
    pending: new Map(),
    pendingDelete: new Map(),
    snapshots: new Map(),
    parent: undefined,
    run: undefined,
    cooperates: facts.cooperates ?? true,
    managed: false,
  };
  if (facts.running === true) {
    state.counters.pid += 13;
    guest.run = { pid: state.counters.pid, since: facts.now - (facts.hours ?? 24) * 3_600_000, paused: false };
  }
  state.guests.set(facts.vmid, guest);
  return guest;
}

/** A template's volumes are called base-…. */
export function rename(storage: Storage, node: string, volume: Volume): void {
  const volumes = volumesOf(storage, node);
  volumes.delete(volume.name);
  volume.name = volume.name.replace(/vm-(\d+)-disk/, "base-$1-disk");
  volumes.set(volume.name, volume);
}

/** Milliseconds → "2026_11_22-19_15_57", as in the names of backups. */
export function stamp(at: number): string {
  const iso = new Date(at).toISOString();
  return `${iso.slice(0, 10).replaceAll("-", "_")}-${iso.slice(11, 19).replaceAll(":", "_")}`;
}
