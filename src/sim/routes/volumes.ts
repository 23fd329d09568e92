/** Growing, moving and handing over volumes. */
import { checkDigest, checkLock } from "../config.ts";
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
import { die } from "../failure.ts";
import { findVolume, guestOn, type Kind, storageOn, volumesOf } from "../state.ts";
import { type Context, type Route, start, word } from "./context.ts";
import { refuseSkiplock } from "./power.ts";

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
