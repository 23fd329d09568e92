/** Guests' configuration: digest, what a reader sees, and how pending changes take effect. */
import { createHash } from "node:crypto";
import { deallocate, isCdrom, isSlot, isUnused, keepUnused, parseSlot, volidIn, volidOf } from "./disks.ts";
import { die } from "./failure.ts";
import { optionField } from "./schema.ts";
import { type Config, type Guest, type Kind, number, type State, text, type Value } from "./state.ts";

/** As PVE keeps it: integers and booleans as numbers, everything else as text. */
export function asValue(kind: Kind, option: string, given: unknown): Value {
  if (typeof given === "boolean") return given ? 1 : 0;
  const type = optionField(kind, option)?.type;
  if (type === "integer" || type === "boolean") return Number(given);
  return String(given);
}

/** SHA-1 of the configuration file, pending changes and snapshots included. */
export function digestOf(guest: Guest): string {
  const hash = createHash("sha1");
  const write = (config: Config) => {
    for (const key of [...config.keys()].sort()) hash.update(`${key}: ${config.get(key)}\n`);
  };
  write(guest.config);
  hash.update(`[PENDING]\ndelete: ${[...guest.pendingDelete].map(([key, force]) => force ? `!${key}` : key)}\n`);
  write(guest.pending);
  for (const snapshot of guest.snapshots.values()) {
    hash.update(`[${snapshot.name}]\n${snapshot.description}\n${snapshot.parent}\n`);
    write(snapshot.config);
  }
  return hash.update(`${guest.parent ?? ""}`).digest("hex");
}

/** @throws {Failure} when the caller saw another version (captured 136) */
export function checkDigest(guest: Guest, digest: unknown): void {
  if (digest !== undefined && digest !== "" && digest !== digestOf(guest)) {
    die("checksum mismatch (file change by other user?)");
  }
}

/** @throws {Failure} when the guest is locked */
export function checkLock(guest: Guest, except?: string): void {
  const lock = text(guest.config, "lock");
  if (lock !== undefined && lock !== except) die(`${guest.kind === "qemu" ? "VM" : "CT"} is locked (${lock})`);
}

/** A value as it is shown: no passwords; containers' descriptions end in a newline (captured 330). */
export function shown(kind: Kind, option: string, value: Value): Value {
  if (option === "cipassword") return "**********";
  return kind === "lxc" && option === "description" && !String(value).endsWith("\n") ? `${value}\n` : value;
}

/** The configuration with (or, for `current`, without) its pending changes. */
export function configView(guest: Guest, current: boolean): Record<string, Value> {
  const view: Record<string, Value> = {};
  for (const [key, value] of guest.config) view[key] = shown(guest.kind, key, value);
  if (!current) {
    for (const key of guest.pendingDelete.keys()) delete view[key];
    for (const [key, value] of guest.pending) view[key] = shown(guest.kind, key, value);
  }
  view.digest = digestOf(guest);
  return view;
}

/** Rows of /pending; a pending deletion shows as delete: 1, with force as 2. */
export function pendingView(guest: Guest): Record<string, Value>[] {
  const rows: Record<string, Value>[] = [];
  for (const [key, value] of guest.config) {
    const row: Record<string, Value> = { key, value: shown(guest.kind, key, value) };
    const pending = guest.pending.get(key);
    if (pending !== undefined) row.pending = shown(guest.kind, key, pending);
    const force = guest.pendingDelete.get(key);
    if (force !== undefined) row.delete = force ? 2 : 1;
    rows.push(row);
  }
  for (const [key, pending] of guest.pending) {
    if (!guest.config.has(key)) rows.push({ key, pending: shown(guest.kind, key, pending) });
  }
  for (const [key, force] of guest.pendingDelete) {
    if (!guest.config.has(key) && !guest.pending.has(key)) rows.push({ key, delete: force ? 2 : 1 });
  }
  rows.push({ key: "digest", value: digestOf(guest) });
  return rows;
}

/** Takes a device out of the boot order; an empty order is written as a blank (captured 255). */
function dropFromBoot(guest: Guest, option: string): void {
  const order = /^order=(.*)$/.exec(text(guest.config, "boot") ?? "")?.[1]?.split(";");
  if (guest.kind !== "qemu" || order?.includes(option) !== true) return;
  const left = order.filter((device) => device !== option);
  guest.config.set("boot", left.length > 0 ? `order=${left.join(";")}` : " ");
}

/** Removes an option now: a disk's volume is kept as unusedN, or freed when forced. */
function removeNow(state: State, guest: Guest, option: string, force: boolean): void {
  const value = guest.config.get(option);
  if (value !== undefined && isSlot(guest.kind, option)) {
    const drive = parseSlot(guest.kind, option, String(value));
    guest.config.delete(option);
    if (force && !isCdrom(drive)) deallocate(state, guest, volidOf(drive));
    else keepUnused(state, guest, option, String(value));
  }
  guest.config.delete(option);
  if (value !== undefined && isUnused(option)) deallocate(state, guest, String(value));
  dropFromBoot(guest, option);
}

/** Sets an option now: what a slot held before becomes unusedN. */
function setNow(state: State, guest: Guest, option: string, value: Value): void {
  const old = guest.config.get(option);
  guest.config.set(option, value);
  if (old === undefined || !isSlot(guest.kind, option)) return;
  if (volidIn(guest.kind, option, String(old)) !== volidIn(guest.kind, option, String(value))) {
    keepUnused(state, guest, option, String(old));
  }
}

/** A volume that hangs in a slot again is unused no more. */
function forgetUnused(guest: Guest): void {
  const used = new Set<string>();
  for (const [option, value] of guest.config) {
    if (isSlot(guest.kind, option)) used.add(volidIn(guest.kind, option, String(value)));
  }
  for (const [option, value] of [...guest.config]) {
    if (isUnused(option) && used.has(String(value))) guest.config.delete(option);
  }
}

const LIVE: Readonly<Record<Kind, RegExp>> = {
  qemu:
    /^(?:lock|name|onboot|shares|startup|description|protection|vmstatestorage|hookscript|tags|cpulimit|cpuunits|balloon|ci\w+|ipconfig\d+|sshkeys|nameserver|searchdomain|net\d+|scsi\d+|virtio\d+|usb\d+)$/,
  lxc: /^(?:lock|onboot|startup|description|protection|hookscript|tags|memory|swap|cores|cpulimit|cpuunits|net\d+)$/,
};

/** Whether a running guest takes the change at once; everything else waits for the next start. */
function isLive(guest: Guest, option: string, deleting: boolean): boolean {
  if (LIVE[guest.kind].test(option)) return true;
  if (guest.kind === "lxc") return !deleting && /^mp\d+$/.test(option) && !guest.config.has(option);
  // The medium of a CD-ROM drive can be changed, the drive itself not.
  const old = guest.config.get(option);
  return !deleting && old !== undefined && isSlot("qemu", option) && isCdrom(parseSlot("qemu", option, String(old)));
}

/**
 * Applies pending changes: all of them when the guest is off or about to start, else those that a running guest takes.
 * This is where somebody else's pending deletion with force destroys a volume.
 */
export function applyPending(state: State, guest: Guest, all: boolean): void {
  for (const [option, force] of [...guest.pendingDelete]) {
    if (!all && !isLive(guest, option, true)) continue;
    guest.pendingDelete.delete(option);
    removeNow(state, guest, option, force);
  }
  for (const [option, value] of [...guest.pending]) {
    if (!all && !isLive(guest, option, false)) continue;
    guest.pending.delete(option);
    setNow(state, guest, option, value);
  }
  forgetUnused(guest);
}

/** Memory in bytes. */
export function memoryOf(config: Config): number {
  const given = text(config, "memory") ?? "512";
  return (Number(/^(?:current=)?(\d+)/.exec(given)?.[1]) || 512) * 1024 * 1024;
}

/** Processors as lists report them; a container without a limit sees the host's. */
export function cpusOf(guest: Guest, host: number): number {
  if (guest.kind === "lxc") {
    return number(guest.config, "cores", 0) || Math.ceil(number(guest.config, "cpulimit", 0)) || host;
  }
  const cpus = number(guest.config, "sockets", 1) * number(guest.config, "cores", 1);
  return number(guest.config, "vcpus", cpus) || cpus;
}
