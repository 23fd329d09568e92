/** Everything the simulated cluster consists of, and how to look things up in it. */
import { die } from "./failure.ts";

export type Kind = "qemu" | "lxc";
export type Value = string | number;
/** A guest's configuration file: option → value, integers and booleans as numbers, as PVE reads them. */
export type Config = Map<string, Value>;
export type Content = "images" | "rootdir" | "iso" | "vztmpl" | "backup" | "snippets" | "import";

/** One volume. `serial` and `mark` let tests tell whether these very bytes are still there. */
export interface Volume {
  readonly serial: number;
  readonly storage: string;
  /** What stands after the colon of the volume's id. */
  name: string;
  readonly content: Content;
  readonly format: string;
  size: number;
  used: number;
  readonly ctime: number;
  vmid: number | undefined;
  /** Name of the base volume of a linked clone. */
  readonly parent: string | undefined;
  /** Stands for the bytes: whoever overwrites them changes it. */
  mark: string;
  /** Marks kept by snapshots. */
  readonly snapshots: Map<string, string>;
  notes: string | undefined;
  protected: boolean;
  readonly backup: Backup | undefined;
}

/** What a backup archive holds. */
export interface Backup {
  readonly kind: Kind;
  readonly config: Config;
  /** Slot → what was in it. */
  readonly volumes: ReadonlyMap<string, { readonly size: number; readonly mark: string }>;
}

/** A storage as the cluster configures it. */
export interface Storage {
  readonly id: string;
  readonly type: "dir" | "lvmthin" | "nfs" | "rbd";
  readonly path: string;
  readonly content: ReadonlySet<Content>;
  readonly shared: boolean;
  /** Only on these nodes; undefined: on all. */
  readonly nodes: readonly string[] | undefined;
  readonly total: number;
  /** keep-last, keep-daily, … → count; undefined: keep all. */
  prune: ReadonlyMap<string, number> | undefined;
  /** By node ("" for shared storages), then by name. */
  readonly volumes: Map<string, Map<string, Volume>>;
}

/** A host. */
export interface ClusterNode {
  readonly name: string;
  readonly cpus: number;
  readonly memory: number;
  readonly disk: number;
  readonly booted: number;
  readonly fingerprint: string;
  online: boolean;
  /** Its pvestatd hangs, as on a dead NFS server: its storages' state is told as unknown. */
  statisticsHang?: boolean;
  /** Block devices → content mark; wiping one clears the mark. */
  readonly disks: Map<string, string>;
}

/** A snapshot; the bytes it keeps stand in the volumes. */
export interface Snapshot {
  readonly name: string;
  readonly description: string;
  /** Seconds since the epoch. */
  readonly time: number;
  parent: string | undefined;
  readonly config: Config;
  readonly vmstate: string | undefined;
}

/** A VM or a container. */
export interface Guest {
  readonly vmid: number;
  readonly kind: Kind;
  node: string;
  readonly config: Config;
  readonly pending: Config;
  /** Options that go with the next start or stop; `true`: the volume is freed, not kept as unusedN. */
  readonly pendingDelete: Map<string, boolean>;
  readonly snapshots: Map<string, Snapshot>;
  /** The snapshot the present state descends from. */
  parent: string | undefined;
  run: Run | undefined;
  /** Whether the guest's system reacts to a request to shut down. */
  cooperates: boolean;
  managed: boolean;
}

/** What a guest is while it runs. */
export interface Run {
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly since: number;
  paused: boolean;
}

/** A task, running or over. */
export interface Task {
  readonly upid: string;
  readonly node: string;
  readonly pid: number;
  readonly pstart: number;
  /** Seconds since the epoch. */
  readonly start: number;
  readonly type: string;
  readonly id: string;
  readonly user: string;
  readonly token: string | undefined;
  readonly log: string[];
  /** Milliseconds since the epoch at which it ends or has ended. */
  ends: number;
  /** Lines that appear while it runs. */
  readonly lines: readonly string[];
  /** Undefined while it runs. */
  status: string | undefined;
}

/** A resource pool. */
export interface Pool {
  readonly id: string;
  readonly comment: string | undefined;
  readonly guests: Set<number>;
}

/** A scheduled backup. */
export interface Job {
  readonly id: string;
  readonly schedule: string;
  readonly enabled: boolean;
  /** What vzdump is called with: storage, vmid or all, mode, prune-backups, … */
  readonly options: Map<string, Value>;
  /** Milliseconds since the epoch. */
  next: number;
}

/** An API token. */
export interface Token {
  readonly user: string;
  readonly name: string;
  readonly secret: string;
  readonly separated: boolean;
  /** Seconds since the epoch; 0: never. */
  readonly expires: number;
}

/** Who may do what. */
export interface Access {
  readonly users: Set<string>;
  /** By "user@realm!name". */
  readonly tokens: Map<string, Token>;
  /** Sessions of people who logged in, by the value of the cookie. */
  readonly tickets: Map<string, { readonly user: string; readonly csrf: string }>;
  readonly roles: Map<string, ReadonlySet<string>>;
  readonly acl: { readonly path: string; readonly who: string; readonly role: string; readonly propagate: boolean }[];
}

/** Rows by what they are about, as in "ha rules" or "disks pve1"; nothing where there are none. */
export type Told = Map<string, readonly Readonly<Record<string, unknown>>[]>;
/** A container template that can be downloaded, as PVE's index describes it. */
export interface Appliance {
  readonly template: string;
  readonly package: string;
  readonly version: string;
  readonly os: string;
  readonly section: string;
  readonly headline: string;
  /** Bytes, which the index does not tell. */
  readonly size: number;
}

/** The whole cluster. */
export interface State {
  /** PVE's own, as in 9.2.11; tests put another one here. */
  version?: string;
  readonly nodes: Map<string, ClusterNode>;
  readonly guests: Map<number, Guest>;
  readonly storages: Map<string, Storage>;
  readonly pools: Map<string, Pool>;
  readonly jobs: Map<string, Job>;
  /** By UPID, oldest first. */
  readonly tasks: Map<string, Task>;
  readonly access: Access;
  /** What is only told, and nothing simulated changes: the HA manager's, replication's, the firewall's rows, disks, … */
  readonly told: Told;
  /** PVE's index of appliances; empty before it was first updated (captured 046). */
  readonly appliances: Appliance[];
  /** The next numbers of processes, volumes and MAC addresses. */
  readonly counters: { pid: number; serial: number; mac: number };
}

/** PVE's words for a guest that is not there, or not on this node (captured 097, 104, 105). */
export function guestOn(state: State, node: string, kind: Kind, vmid: number): Guest {
  const guest = state.guests.get(vmid);
  if (guest === undefined || guest.kind !== kind || guest.node !== node) {
    die(`Configuration file 'nodes/${node}/${kind === "qemu" ? "qemu-server" : "lxc"}/${vmid}.conf' does not exist`);
  }
  return guest;
}

/** @throws {Failure} as PVE does for an unknown storage, or one that this node does not have */
export function storageOn(state: State, node: string, id: string): Storage {
  const storage = state.storages.get(id);
  if (storage === undefined) die(`storage '${id}' does not exist`);
  if (storage.nodes !== undefined && !storage.nodes.includes(node)) {
    die(`storage '${id}' is not available on node '${node}'`);
  }
  return storage;
}

/** The volumes of a storage as one node sees them. */
export function volumesOf(storage: Storage, node: string): Map<string, Volume> {
  const key = storage.shared ? "" : node;
  const found = storage.volumes.get(key);
  if (found !== undefined) return found;
  const created = new Map<string, Volume>();
  storage.volumes.set(key, created);
  return created;
}

/** "storage:name" */
export function volumeId(volume: Volume): string {
  return `${volume.storage}:${volume.name}`;
}

/** The volume of an id as one node sees it. */
export function findVolume(state: State, node: string, volid: string): Volume | undefined {
  const colon = volid.indexOf(":");
  const storage = colon < 0 ? undefined : state.storages.get(volid.slice(0, colon));
  return storage === undefined ? undefined : volumesOf(storage, node).get(volid.slice(colon + 1));
}

/** An option as text. */
export function text(config: Config, key: string): string | undefined {
  const value = config.get(key);
  return value === undefined ? undefined : String(value);
}

/** An option as a number. */
export function number(config: Config, key: string, fallback: number): number {
  const value = Number(config.get(key) ?? fallback);
  return Number.isNaN(value) ? fallback : value;
}

/** Whether a guest is a template. */
export function isTemplate(guest: Guest): boolean {
  return guest.config.get("template") === 1;
}

/** Takes a guest's configuration away, and its place in a pool; volumes are another matter. */
export function forget(state: State, vmid: number): void {
  state.guests.delete(vmid);
  for (const pool of state.pools.values()) pool.guests.delete(vmid);
}

/** The pool that a guest is in. */
export function poolOf(state: State, vmid: number): Pool | undefined {
  for (const pool of state.pools.values()) if (pool.guests.has(vmid)) return pool;
  return undefined;
}

/**
 * One line for everything that could be lost: guests, volumes with their bytes, snapshots, protected flags, devices. A
 * line that was there and is gone afterwards is a loss.
 */
export function inventory(state: State): Set<string> {
  const lines = new Set<string>();
  for (const guest of state.guests.values()) {
    lines.add(`guest ${guest.kind}/${guest.vmid}`);
    for (const name of guest.snapshots.keys()) lines.add(`snapshot ${guest.vmid}@${name}`);
  }
  for (const storage of state.storages.values()) {
    for (const volumes of storage.volumes.values()) {
      for (const volume of volumes.values()) {
        lines.add(`${volume.content} ${volumeId(volume)} #${volume.serial} ${volume.mark}`);
        for (const [name, mark] of volume.snapshots) {
          lines.add(`kept ${volumeId(volume)} #${volume.serial}@${name} ${mark}`);
        }
        if (volume.protected) lines.add(`protected ${volumeId(volume)} #${volume.serial}`);
      }
    }
  }
  for (const node of state.nodes.values()) {
    for (const [disk, mark] of node.disks) if (mark !== "") lines.add(`device ${node.name}:${disk} ${mark}`);
  }
  return lines;
}
