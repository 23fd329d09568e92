/** Drives and mount points: what a slot's value means, and how volumes come and go. */
import { die } from "./failure.ts";
import { printProperties, splitProperties } from "./property.ts";
import { optionFormat } from "./schema.ts";
import {
  type Backup,
  type Content,
  findVolume,
  forget,
  type Guest,
  type Kind,
  type State,
  type Storage,
  storageOn,
  type Volume,
  volumeId,
  volumesOf,
} from "./state.ts";

const KIB = 1024;
export const GIB = KIB ** 3;

/** Whether an option holds a drive or a mount point. */
export function isSlot(kind: Kind, option: string): boolean {
  return kind === "qemu"
    ? /^(?:(?:scsi|virtio|sata|ide)\d+|efidisk0|tpmstate0)$/.test(option)
    : /^(?:rootfs|mp\d+)$/.test(option);
}

/** Whether an option keeps a detached volume. */
export function isUnused(option: string): boolean {
  return /^unused\d+$/.test(option);
}

/** A slot's value taken apart; "file" or "volume" holds the volume's id. */
export function parseSlot(kind: Kind, option: string, value: string): Map<string, string> {
  const format = optionFormat(kind, option === "rootfs" || isSlot(kind, option) ? option : "unused0");
  return splitProperties(format, value);
}

/** A drive or mount point as the configuration keeps it. */
export function printSlot(kind: Kind, option: string, drive: ReadonlyMap<string, string>): string {
  return printProperties(optionFormat(kind, option), drive);
}

/** The volume's id in a parsed slot. */
export function volidOf(drive: ReadonlyMap<string, string>): string {
  return drive.get("file") ?? drive.get("volume") ?? "";
}

/** The volume's id in a slot's value. */
export function volidIn(kind: Kind, option: string, value: string): string {
  return volidOf(parseSlot(kind, option, value));
}

/** Whether a drive is a CD-ROM, cloud-init drives included. */
export function isCdrom(drive: ReadonlyMap<string, string>): boolean {
  return drive.get("media") === "cdrom";
}

/** Whether a drive holds the configuration that PVE generates. */
export function isCloudinit(drive: ReadonlyMap<string, string>): boolean {
  return /vm-\d+-cloudinit(?:\.\w+)?$/.test(volidOf(drive));
}

/** "32G" → bytes. */
export function parseSize(size: string): number | undefined {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)([KMGT]?)$/.exec(size) ?? [];
  return digits === undefined ? undefined : Math.round(Number(digits) * KIB ** ["", "K", "M", "G", "T"].indexOf(unit));
}

/** Bytes → the largest unit that divides them, as PVE writes sizes ("350K"). */
export function formatSize(bytes: number): string {
  let value = bytes;
  for (const unit of ["", "K", "M", "G"]) {
    if (value % KIB !== 0 || value === 0) return `${value}${unit}`;
    value /= KIB;
  }
  return `${value}T`;
}

function isFiles(storage: Storage): boolean {
  return storage.type === "dir" || storage.type === "nfs";
}

/** The name of a guest's volume as this kind of storage writes it. */
function volumeName(storage: Storage, vmid: number, base: string, format: string): string {
  return isFiles(storage) ? `${vmid}/${base}.${format}` : base;
}

/** Whether disk number `n` of a guest is taken, as a base image or in whatever format. */
function taken(volumes: ReadonlyMap<string, Volume>, storage: Storage, vmid: number, n: number): boolean {
  return ["vm", "base"].some((prefix) =>
    ["raw", "qcow2", "vmdk"].some((format) =>
      volumes.has(volumeName(storage, vmid, `${prefix}-${vmid}-disk-${n}`, format))
    )
  );
}

/** A wish for a volume. */
export interface Allocation {
  readonly storage: Storage;
  readonly node: string;
  readonly vmid: number;
  readonly content: Content;
  readonly size: number;
  readonly now: number;
  readonly format?: string | undefined;
  /** "disk" (default, numbered), "cloudinit" or "state-…". */
  readonly role?: string | undefined;
  /** Where the bytes come from; fresh otherwise. */
  readonly mark?: string | undefined;
  readonly parent?: string | undefined;
}

/** @throws {Failure} when the storage does not take such content */
export function allocate(state: State, request: Allocation): Volume {
  const { storage, vmid } = request;
  if (!storage.content.has(request.content)) {
    die(`storage '${storage.id}' does not support content-type '${request.content}'`);
  }
  const volumes = volumesOf(storage, request.node);
  const format = isFiles(storage) ? request.format ?? "raw" : "raw";
  let base = `vm-${vmid}-${request.role}`;
  if (request.role === undefined) {
    let n = 0;
    while (taken(volumes, storage, vmid, n)) n++;
    base = `vm-${vmid}-disk-${n}`;
  }
  const name = volumeName(storage, vmid, base, format);
  if (volumes.has(name)) die(`disk image '${storage.id}:${name}' already exists`);
  const serial = state.counters.serial++;
  const volume: Volume = {
    serial,
    storage: storage.id,
    name,
    content: request.content,
    format,
    size: request.size,
    used: Math.round(request.size * 0.3),
    ctime: Math.floor(request.now / 1000),
    vmid,
    parent: request.parent,
    mark: request.mark ?? `fresh-${serial}`,
    snapshots: new Map(),
    notes: undefined,
    protected: false,
    backup: undefined,
  };
  volumes.set(name, volume);
  return volume;
}

/** Frees a volume for good; a volume that is not there is passed over, as PVE's destroy does. */
export function free(state: State, node: string, volid: string): void {
  const volume = findVolume(state, node, volid);
  if (volume === undefined) return;
  const storage = storageOn(state, node, volume.storage);
  const volumes = volumesOf(storage, node);
  if (/(?:^|\/)base-/.test(volume.name)) {
    for (const other of volumes.values()) {
      // Captured 280, in PVE's own English.
      if (other.parent === volume.name) die(`base volume '${volid}' is still in use by linked cloned`);
    }
  }
  volumes.delete(volume.name);
}

/** All volume ids that a guest refers to: config, pending, unused, snapshots, saved memory. */
export function referenced(guest: Guest): Set<string> {
  const found = new Set<string>();
  const configs = [guest.config, guest.pending, ...[...guest.snapshots.values()].map((snapshot) => snapshot.config)];
  for (const config of configs) {
    for (const [option, value] of config) {
      if (option === "vmstate") found.add(String(value));
      if (isSlot(guest.kind, option) || isUnused(option)) found.add(volidIn(guest.kind, option, String(value)));
    }
  }
  for (const snapshot of guest.snapshots.values()) if (snapshot.vmstate !== undefined) found.add(snapshot.vmstate);
  return found;
}

/** Whether a volume is this guest's own and no ISO image. */
export function owns(state: State, guest: Guest, volid: string): boolean {
  const volume = findVolume(state, guest.node, volid);
  return volume?.vmid === guest.vmid && (volume.content === "images" || volume.content === "rootdir");
}

/** Keeps a detached volume as the next free unusedN; a cloud-init drive is freed instead, a CD-ROM just goes. */
export function keepUnused(state: State, guest: Guest, option: string, value: string): void {
  const drive = parseSlot(guest.kind, option, value);
  const volid = volidOf(drive);
  if (isCloudinit(drive)) return free(state, guest.node, volid);
  if (isCdrom(drive) || !owns(state, guest, volid)) return;
  for (const [key, other] of guest.config) if (isUnused(key) && String(other) === volid) return;
  let n = 0;
  while (guest.config.has(`unused${n}`)) n++;
  guest.config.set(`unused${n}`, volid);
}

/** Frees a volume unless something else of this guest still refers to it. */
export function deallocate(state: State, guest: Guest, volid: string): void {
  const inSnapshot = [...guest.snapshots.values()].some((snapshot) =>
    [...snapshot.config].some(([option, value]) =>
      isSlot(guest.kind, option) && volidIn(guest.kind, option, String(value)) === volid
    )
  );
  if (inSnapshot) die(`unable to delete '${volid}' - volume is still in use (snapshot?)`);
  if (owns(state, guest, volid)) free(state, guest.node, volid);
}

/** @throws {Failure} when a volume id cannot be one on its storage (captured 455) */
export function checkVolumeName(state: State, node: string, volid: string): void {
  const colon = volid.indexOf(":");
  const storage = storageOn(state, node, volid.slice(0, colon));
  const name = volid.slice(colon + 1);
  if (isFiles(storage)) {
    if (!/^(?:\d+|iso|vztmpl|backup|snippets|import|images|rootdir)\/.+$/.test(name)) {
      die(`unable to parse directory volume name '${name}'`);
    }
  } else if (!/^(?:base-\d+-disk-\d+\/)?(?:vm|base)-\d+-\S+$/.test(name)) {
    die(`unable to parse ${storage.type === "rbd" ? "rbd" : "lvm"} volume name '${name}'`);
  }
}

/** "storage:SIZE" or "storage:cloudinit": a wish for a new volume. */
export function wanted(volid: string): { readonly storage: string; readonly size: number | "cloudinit" } | undefined {
  const [, storage, size] = /^([a-z][a-z0-9\-_.]*[a-z0-9]):(\d+(?:\.\d+)?|cloudinit)$/i.exec(volid) ?? [];
  if (storage === undefined || size === undefined) return undefined;
  return { storage, size: size === "cloudinit" ? size : Number(size) };
}

/** What the log says of a new volume on a storage of files (captured 161, 173). */
export function formatting(storage: Storage, volume: Volume): string[] {
  if (!isFiles(storage)) return [];
  const detail = volume.format === "qcow2"
    ? `fmt=qcow2 cluster_size=65536 extended_l2=off preallocation=metadata compression_type=zlib size=${volume.size} ` +
      "lazy_refcounts=off refcount_bits=16"
    : `fmt=${volume.format} size=${volume.size} preallocation=off`;
  return [`Formatting '${storage.path}/images/${volume.name}', ${detail}`];
}

/** Copies a volume to a storage, for clones and moves. */
export function copyVolume(
  state: State,
  source: Volume,
  target: Omit<Allocation, "content" | "size" | "mark">,
): Volume {
  const role = /vm-\d+-(cloudinit)(?:\.\w+)?$/.exec(source.name)?.[1];
  return allocate(state, { ...target, role, content: source.content, size: source.size, mark: source.mark });
}

/** Whether vzdump takes a drive along: a VM's unless told otherwise, a container's mount point only when told to. */
function isSaved(guest: Guest, option: string, drive: ReadonlyMap<string, string>): boolean {
  if (guest.kind === "lxc") return option === "rootfs" || drive.get("backup") === "1";
  if (option === "efidisk0" && guest.config.get("bios") !== "ovmf") return false;
  return drive.get("backup") !== "0";
}

/** A guest as an archive keeps it: its options, and the bytes of every volume that takes part. */
export function archiveOf(state: State, guest: Guest): Backup {
  const volumes = new Map<string, { size: number; mark: string }>();
  for (const [option, value] of guest.config) {
    if (!isSlot(guest.kind, option)) continue;
    const drive = parseSlot(guest.kind, option, String(value));
    const volume = findVolume(state, guest.node, volidOf(drive));
    if (volume === undefined || isCdrom(drive) || !isSaved(guest, option, drive)) continue;
    volumes.set(option, { size: volume.size, mark: volume.mark });
  }
  return { kind: guest.kind, config: new Map(guest.config), volumes };
}

/** Destroys everything a guest owns, then the guest; with `unreferenced` also volumes that only bear its number. */
export function destroyGuest(state: State, guest: Guest, unreferenced: boolean): void {
  const own = [...referenced(guest)].filter((volid) => owns(state, guest, volid));
  // A base image that is still in use stops the whole before anything is gone (captured 280).
  for (const volid of own.sort((a, b) => Number(b.includes("base-")) - Number(a.includes("base-")))) {
    free(state, guest.node, volid);
  }
  if (unreferenced) {
    for (const storage of state.storages.values()) {
      for (const volume of [...volumesOf(storage, guest.node).values()]) {
        const disk = volume.content === "images" || volume.content === "rootdir";
        if (disk && volume.vmid === guest.vmid) free(state, guest.node, volumeId(volume));
      }
    }
  }
  forget(state, guest.vmid);
}
