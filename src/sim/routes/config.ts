/** Changing guests' configuration, and everything else that attaches, detaches, grows or moves volumes. */
import { applyPending, checkDigest, checkLock } from "../config.ts";
import {
  copyVolume,
  deallocate,
  formatSize,
  formatting,
  isCdrom,
  isSlot,
  isUnused,
  keepUnused,
  parseSize,
  parseSlot,
  printSlot,
  volidOf,
} from "../disks.ts";
import { checkSlot, realizeSlot } from "../drives.ts";
import { die, invalid } from "../failure.ts";
import { checkBridge, checkOption, normalizeOption } from "../options.ts";
import { splitList } from "../property.ts";
import { optionField } from "../schema.ts";
import { findVolume, type Guest, guestOn, type Kind, storageOn, volumesOf } from "../state.ts";
import { type Context, given, type Route, start, word } from "./context.ts";
import { refuseSkiplock } from "./power.ts";

const NO_OPTIONS = new Set([
  "node",
  "vmid",
  "digest",
  "delete",
  "revert",
  "force",
  "skiplock",
  "background_delay",
  "import-working-storage",
]);

interface Change {
  readonly kind: Kind;
  readonly node: string;
  readonly vmid: number;
  readonly set: ReadonlyMap<string, unknown>;
  readonly remove: readonly string[];
  readonly revert: readonly string[];
  readonly force: boolean;
  readonly digest: unknown;
}

/** Reads a change and checks everything that needs no lock, in PVE's order. */
function readChange(context: Context, kind: Kind, params: { node: string; vmid: number }): Change {
  const all = given(params);
  const { node, vmid } = params;
  const list = (name: string) => splitList(String(all.get(name) ?? ""));
  const set = new Map([...all].filter(([name]) => !NO_OPTIONS.has(name)));
  // A JSON null counts as an option that changes nothing (captured 426).
  const nulls = Object.entries(params).some(([name, value]) => value === undefined && !NO_OPTIONS.has(name));
  const change: Change = {
    kind,
    node,
    vmid,
    set,
    remove: list("delete"),
    revert: list("revert"),
    force: all.get("force") === true,
    digest: all.get("digest"),
  };
  if (set.size === 0 && change.remove.length === 0 && change.revert.length === 0 && !nulls) die("no options specified");
  const hook = set.get("hookscript");
  if (hook !== undefined && findVolume(context.state, node, String(hook)) === undefined) {
    invalid({ hookscript: `script '${hook}' does not exist\n` });
  }
  for (const option of change.remove) {
    if (set.has(option)) invalid({ delete: `you can't use '-${option}' and -delete ${option}' at the same time` });
    if (optionField(kind, option) === undefined || NO_OPTIONS.has(option)) {
      invalid({ delete: `unknown option '${option}'` });
    }
    if (kind === "lxc" && (option === "rootfs" || option === "memory")) {
      invalid({ delete: `unable to delete required option '${option}'` });
    }
    checkOption(context, kind, vmid, undefined, option);
  }
  for (const [option, value] of set) checkOption(context, kind, vmid, undefined, option, String(value));
  for (const [option, value] of set) {
    if (isSlot(kind, option)) checkSlot(context, { kind, node, vmid }, option, String(value));
    else if (/^net\d+$/.test(option)) checkBridge(context, kind, option, String(value));
  }
  return change;
}

/** Removes an unusedN for good: its volume is freed at once. @throws {Failure} when the guest is protected */
function removeUnused(context: Context, guest: Guest, option: string): void {
  const volid = String(guest.config.get(option));
  if (guest.config.get("protection") === 1) die(`can't remove unused disk '${volid}' - protection mode enabled`);
  deallocate(context.state, guest, volid);
  guest.config.delete(option);
}

function noteRemoval(context: Context, guest: Guest, option: string, force: boolean): void {
  const known = guest.config.has(option) || guest.pending.has(option);
  if (!known) return; // only a warning in PVE's log (captured 140)
  if (isUnused(option)) return removeUnused(context, guest, option);
  const pending = guest.pending.get(option);
  if (isSlot(guest.kind, option)) {
    if (guest.config.get("protection") === 1) die(`can't remove drive '${option}' - protection mode enabled`);
    if (pending !== undefined) keepUnused(context.state, guest, option, String(pending));
  }
  guest.pending.delete(option);
  if (guest.config.has(option)) guest.pendingDelete.set(option, force);
}

/** Writes a change to the guest: into the pending section first, and what can take effect now does. */
function writeChange(context: Context, change: Change): void {
  const { state, engine } = context;
  const guest = guestOn(state, change.node, change.kind, change.vmid);
  checkDigest(guest, change.digest);
  checkLock(guest);
  for (const option of change.revert) {
    const pending = guest.pending.get(option);
    if (pending !== undefined && isSlot(guest.kind, option)) keepUnused(state, guest, option, String(pending));
    guest.pending.delete(option);
    guest.pendingDelete.delete(option);
  }
  for (const option of change.remove) noteRemoval(context, guest, option, change.force);
  for (const [option, value] of change.set) {
    guest.pendingDelete.delete(option);
    if (value === "" && option === "description") {
      guest.pending.delete(option);
      guest.config.delete(option);
    } else if (isSlot(guest.kind, option)) {
      const pending = guest.pending.get(option);
      if (pending !== undefined) keepUnused(state, guest, option, String(pending));
      const where = { kind: guest.kind, node: guest.node, vmid: guest.vmid, now: engine.now() };
      guest.pending.set(option, replaceSlot(context, guest, where, option, String(value)));
    } else {
      guest.pending.set(option, normalizeOption(state, guest.kind, option, value, guest.config.get(option)));
    }
  }
  for (const [option, value] of [...guest.pending]) {
    if (guest.config.get(option) === value) guest.pending.delete(option);
  }
  applyPending(state, guest, guest.run === undefined);
}

/** A cloud-init drive in the slot makes room first: the new one would bear the same name. */
function replaceSlot(
  context: Context,
  guest: Guest,
  where: { readonly kind: Kind; readonly node: string; readonly vmid: number; readonly now: number },
  option: string,
  value: string,
): string {
  const old = guest.config.get(option);
  if (old !== undefined && /:cloudinit(?:,|$)/.test(value) && /vm-\d+-cloudinit/.test(String(old))) {
    keepUnused(context.state, guest, option, String(old));
  }
  return realizeSlot(context.state, where, option, value, () => {});
}

export const qemuPut: Route<"PUT /nodes/{node}/qemu/{vmid}/config"> = (context, params) => {
  refuseSkiplock(context, params.skiplock);
  writeChange(context, readChange(context, "qemu", params));
  return null;
};

export const lxcPut: Route<"PUT /nodes/{node}/lxc/{vmid}/config"> = (context, params) => {
  writeChange(context, readChange(context, "lxc", params));
  return null;
};

export const qemuPost: Route<"POST /nodes/{node}/qemu/{vmid}/config"> = (context, params) => {
  refuseSkiplock(context, params.skiplock);
  const change = readChange(context, "qemu", params);
  const words = [...given(params)].filter(([name]) => !["node", "vmid", "digest"].includes(name)).sort(([a], [b]) =>
    a < b ? -1 : 1
  )
    .map(([name, value]) => `-${name} ${value === true ? 1 : value === false ? 0 : value}`);
  return start(context, {
    node: params.node,
    type: "qmconfig",
    id: String(params.vmid),
    seconds: 1,
    lines: [`update VM ${params.vmid}: ${words.join(" ")}`],
    begin: () => checkDigest(guestOn(context.state, params.node, "qemu", params.vmid), change.digest),
    finish: () => writeChange(context, { ...change, digest: undefined }),
  });
};

export const qemuUnlink: Route<"PUT /nodes/{node}/qemu/{vmid}/unlink"> = (context, { node, vmid, idlist, force }) => {
  const params = { node, vmid, delete: String(idlist), force };
  writeChange(context, readChange(context, "qemu", params));
  return null;
};

function resize(
  context: Context,
  kind: Kind,
  params: { node: string; vmid: number; disk: string | number; size: string | number; digest?: unknown },
): string {
  const { node, vmid } = params;
  const { state } = context;
  const disk = String(params.disk);
  return start(context, {
    node,
    type: "resize",
    id: String(vmid),
    seconds: 2,
    finish: (log) => {
      const guest = guestOn(state, node, kind, vmid);
      checkDigest(guest, params.digest);
      checkLock(guest);
      const value = guest.config.get(disk);
      if (value === undefined || !isSlot(kind, disk)) die(`disk '${disk}' does not exist`);
      const drive = parseSlot(kind, disk, String(value));
      const volume = findVolume(state, node, volidOf(drive));
      if (volume === undefined) die(`volume '${volidOf(drive)}' does not exist`);
      const [, plus, amount = ""] = /^(\+?)(.+)$/.exec(String(params.size)) ?? [];
      const size = (parseSize(amount) ?? 0) + (plus === "+" ? volume.size : 0);
      if (size < volume.size) die(kind === "qemu" ? "shrinking disks is not supported" : "unable to shrink disk size");
      volume.size = size;
      drive.set("size", formatSize(size));
      guest.config.set(disk, printSlot(kind, disk, drive));
      log("Image resized.");
    },
  });
}

export const qemuResize: Route<"PUT /nodes/{node}/qemu/{vmid}/resize"> = (context, params) => {
  refuseSkiplock(context, params.skiplock);
  return resize(context, "qemu", params);
};

export const lxcResize: Route<"PUT /nodes/{node}/lxc/{vmid}/resize"> = (context, params) =>
  resize(context, "lxc", params);

interface Move {
  readonly kind: Kind;
  readonly node: string;
  readonly vmid: number;
  readonly slot: string;
  readonly storage: string | undefined;
  readonly format: string | undefined;
  readonly remove: boolean;
  readonly targetVmid: number | undefined;
  readonly targetSlot: string | undefined;
  readonly digest: unknown;
}

/** Hands a volume to another guest: the one that had it loses it. */
function reassign(context: Context, move: Move, targetVmid: number): void {
  const { state } = context;
  const guest = guestOn(state, move.node, move.kind, move.vmid);
  const target = guestOn(state, move.node, move.kind, targetVmid);
  const slot = move.targetSlot ?? move.slot;
  if (target.config.has(slot)) die(`Target disk key '${slot}' is already in use for VM '${targetVmid}'`);
  const drive = parseSlot(move.kind, move.slot, String(guest.config.get(move.slot)));
  const volume = findVolume(state, move.node, volidOf(drive));
  if (volume === undefined) die(`volume '${volidOf(drive)}' does not exist`);
  const storage = storageOn(state, move.node, volume.storage);
  const copy = copyVolume(state, volume, {
    storage,
    node: move.node,
    vmid: targetVmid,
    now: context.engine.now(),
    format: volume.format,
  });
  const volumes = volumesOf(storage, move.node);
  // The same bytes under another name.
  volumes.delete(copy.name);
  volumes.delete(volume.name);
  volume.name = copy.name;
  volume.vmid = targetVmid;
  volumes.set(volume.name, volume);
  drive.set(move.kind === "qemu" ? "file" : "volume", `${volume.storage}:${volume.name}`);
  guest.config.delete(move.slot);
  target.config.set(slot, isUnused(slot) ? `${volume.storage}:${volume.name}` : printSlot(move.kind, slot, drive));
}

function moveTask(context: Context, type: string, move: Move): string {
  const { state, engine } = context;
  const { kind, node, vmid, slot } = move;
  const found = guestOn(state, node, kind, vmid);
  checkDigest(found, move.digest);
  checkLock(found);
  if (!found.config.has(slot)) die(`disk '${slot}' does not exist`);
  if (move.targetVmid !== undefined) context.rights.check(`/vms/${move.targetVmid}`, ["VM.Config.Disk"]);
  if (move.storage !== undefined) context.rights.check(`/storage/${move.storage}`, ["Datastore.AllocateSpace"]);
  return start(context, {
    node,
    type,
    id: String(vmid),
    seconds: 8,
    finish: (log) => {
      const guest = guestOn(state, node, kind, vmid);
      checkLock(guest);
      if (move.targetVmid !== undefined && move.targetVmid !== vmid) return reassign(context, move, move.targetVmid);
      const value = String(guest.config.get(slot));
      const drive = parseSlot(kind, slot, value);
      const source = findVolume(state, node, volidOf(drive));
      if (source === undefined || isCdrom(drive)) die(`you can't move a cdrom`);
      const storage = storageOn(state, node, move.storage ?? source.storage);
      if (storage.id === source.storage && (move.format ?? source.format) === source.format) {
        die("you can't move to the same storage with same format");
      }
      const copy = copyVolume(state, source, {
        storage,
        node,
        vmid,
        now: engine.now(),
        format: move.format ?? source.format,
      });
      const sourceId = `${source.storage}:${source.name}`;
      log(`copying volume '${sourceId}' from current storage '${source.storage}' to target storage '${storage.id}'`);
      for (const line of formatting(storage, copy)) log(line);
      log(`allocated target volume '${copy.storage}:${copy.name}'`);
      drive.set(kind === "qemu" ? "file" : "volume", `${copy.storage}:${copy.name}`);
      guest.config.set(slot, printSlot(kind, slot, drive));
      if (move.remove) {
        log(`removing source volume '${sourceId}' after successful copy`);
        deallocate(state, guest, sourceId);
      } else keepUnused(state, guest, slot, value);
    },
  });
}

export const qemuMove: Route<"POST /nodes/{node}/qemu/{vmid}/move_disk"> = (context, params) => {
  return moveTask(context, "qmmove", {
    kind: "qemu",
    node: params.node,
    vmid: params.vmid,
    slot: String(params.disk),
    storage: word(params.storage),
    format: params.format,
    remove: params.delete ?? false,
    targetVmid: params["target-vmid"],
    targetSlot: word(params["target-disk"]),
    digest: params.digest,
  });
};

export const lxcMove: Route<"POST /nodes/{node}/lxc/{vmid}/move_volume"> = (context, params) =>
  moveTask(context, "move_volume", {
    kind: "lxc",
    node: params.node,
    vmid: params.vmid,
    slot: String(params.volume),
    storage: word(params.storage),
    format: undefined,
    remove: params.delete ?? false,
    targetVmid: params["target-vmid"],
    targetSlot: word(params["target-volume"]),
    digest: params.digest,
  });
