/** Restoring a backup; over an existing guest this is destruction. */
import { allocate, formatSize, free, isSlot, keepUnused, owns, parseSlot, printSlot, volidOf } from "../disks.ts";
import type { Log } from "../engine.ts";
import { die } from "../failure.ts";
import { normalizeOption } from "../options.ts";
import { findVolume, forget, type Guest, storageOn } from "../state.ts";
import type { Context } from "./context.ts";
import type { Order } from "./create.ts";

/** Restores an archive. Over an existing guest this is destruction: its volumes and snapshots are replaced. */
export function restore(context: Context, order: Order, guest: Guest, log: Log): void {
  const { state, engine } = context;
  const archive = findVolume(state, order.node, order.source ?? "");
  if (archive?.backup === undefined) {
    if (guest.config.size <= 1) forget(state, guest.vmid);
    else guest.config.delete("lock");
    die(
      `unable to restore ${
        order.kind === "qemu" ? "VM" : "CT"
      } ${order.vmid} - volume '${order.source}' does not exist`,
    );
  }
  log(`recovering backed-up configuration from '${order.source}'`);
  const { backup } = archive;
  for (const [option, value] of [...guest.config]) {
    if (!isSlot(guest.kind, option)) continue;
    const volid = volidOf(parseSlot(guest.kind, option, String(value)));
    guest.config.delete(option);
    // A VM's disks that the archive does not hold stay as unusedN, a container's go.
    if (guest.kind === "lxc" || backup.volumes.has(option)) {
      if (owns(state, guest, volid)) free(state, guest.node, volid);
    } else keepUnused(state, guest, option, String(value));
  }
  for (const option of [...guest.config.keys()]) if (!option.startsWith("unused")) guest.config.delete(option);
  guest.snapshots.clear();
  guest.parent = undefined;
  for (const [option, value] of backup.config) {
    if (option === "lock" || option.startsWith("unused") || option === "template") continue;
    const saved = backup.volumes.get(option);
    if (saved === undefined) {
      if (!isSlot(guest.kind, option)) guest.config.set(option, value);
      continue;
    }
    const drive = parseSlot(guest.kind, option, String(value));
    const storage = storageOn(state, order.node, order.storage ?? volidOf(drive).split(":")[0] ?? "");
    const content = guest.kind === "qemu" ? "images" : "rootdir";
    const volume = allocate(state, {
      storage,
      node: order.node,
      vmid: order.vmid,
      content,
      size: saved.size,
      now: engine.now(),
      mark: saved.mark,
    });
    drive.set(guest.kind === "qemu" ? "file" : "volume", `${volume.storage}:${volume.name}`);
    drive.set("size", formatSize(volume.size));
    guest.config.set(option, printSlot(guest.kind, option, drive));
  }
  for (const [option, value] of order.options) {
    if (!isSlot(guest.kind, option)) guest.config.set(option, normalizeOption(state, guest.kind, option, value));
  }
  log(`restoring '${order.source}' now..`);
  log("merging backed-up and given configuration..");
}
