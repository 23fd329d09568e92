/** Backups opened again: the configuration in one, and restoring one; over an existing guest that is destruction. */
import { isRoot } from "../access.ts";
import {
  allocate,
  formatSize,
  formatting,
  free,
  isCdrom,
  isCloudinit,
  isSlot,
  keepUnused,
  owns,
  parseSize,
  parseSlot,
  printSlot,
  volidOf,
} from "../disks.ts";
import { checkVolumeAccess } from "../drives.ts";
import type { Log } from "../engine.ts";
import { die, Failure } from "../failure.ts";
import { checkBridge, normalizeOption, renewMacs } from "../options.ts";
import { nextUuid } from "../build.ts";
import { findVolume, forget, type Guest, type State, storageOn, volumeId } from "../state.ts";
import type { Context, Route } from "./context.ts";
import type { Order } from "./create.ts";

/** What vzdump does not write into a backup, or a restore does not take from it. */
const LEFT_OUT = /^(?:lock|parent|digest|unused\d+)$/;

/** The configuration that vzdump puts into a backup (captured 372); of a VM with the disks whose content is there. */
export const extract: Route<"GET /nodes/{node}/vzdump/extractconfig"> = (context, params) => {
  const volid = String(params.volume);
  storageOn(context.state, params.node, volid.split(":")[0] ?? "");
  const volume = findVolume(context.state, params.node, volid);
  if (volume?.backup === undefined) die(`unable to extract configuration: volume '${volid}' does not exist`);
  checkVolumeAccess(context, volume, undefined);
  const { kind, config, volumes } = volume.backup;
  const description = config.get("description");
  const lines = description === undefined ? [] : String(description).split("\n").map((line) => `#${encodeURI(line)}`);
  for (const [option, value] of [...config].sort(([a], [b]) => a < b ? -1 : 1)) {
    if (option !== "description" && !LEFT_OUT.test(option)) lines.push(`${option}: ${value}`);
  }
  if (kind === "qemu") {
    for (const slot of [...volumes.keys()].sort()) {
      const storage = volidOf(parseSlot(kind, slot, String(config.get(slot)))).split(":")[0];
      lines.push(`#qmdump#map:${slot}:drive-${slot}:${storage}:raw:`);
    }
  }
  return lines.map((line) => `${line}\n`).join("");
};

/** A VM's restore leaves its number taken when it fails; a container's takes everything back. */
export function restore(context: Context, order: Order, guest: Guest, log: Log): void {
  const { state } = context;
  const fresh = guest.config.size <= 1;
  const made: string[] = [];
  try {
    unpack(context, order, guest, made, log);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    for (const volid of made) free(state, guest.node, volid);
    if (fresh && order.kind === "lxc") forget(state, guest.vmid);
    else guest.config.delete("lock");
    die(`unable to restore ${order.kind === "qemu" ? "VM" : "CT"} ${order.vmid} - ${error.reason}`);
  }
}

function unpack(context: Context, order: Order, guest: Guest, made: string[], log: Log): void {
  const { state } = context;
  const archive = findVolume(state, order.node, order.source ?? "");
  if (archive?.backup === undefined) die(`volume '${order.source}' does not exist`);
  const { backup } = archive;
  if (backup.kind !== order.kind) die(`'${order.source}' is no backup of a ${order.kind === "qemu" ? "VM" : "CT"}`);
  log(`recovering backed-up configuration from '${order.source}'`);
  if (!isRoot(context.identity)) refuseHost(backup.config);
  for (const [option, value] of backup.config) {
    if (/^net\d+$/.test(option)) checkBridge(context, order.kind, option, String(value));
  }
  const unprivileged = order.options.get("unprivileged") ?? backup.config.get("unprivileged");
  if (order.kind === "lxc" && Number(unprivileged ?? 0) === 0) context.rights.check("/", ["Sys.Modify"]);
  // Over a guest that is there: its disks go; those of a VM that the backup does not hold stay as unusedN.
  for (const [option, value] of [...guest.config]) {
    if (!isSlot(guest.kind, option)) continue;
    const volid = volidOf(parseSlot(guest.kind, option, String(value)));
    guest.config.delete(option);
    if (guest.kind === "lxc" || backup.volumes.has(option)) {
      if (owns(state, guest, volid)) free(state, guest.node, volid);
    } else keepUnused(state, guest, option, String(value));
  }
  for (const option of [...guest.config.keys()]) {
    if (!option.startsWith("unused") && option !== "lock") guest.config.delete(option);
  }
  guest.snapshots.clear();
  guest.parent = undefined;
  for (const [option, value] of backup.config) {
    if (LEFT_OUT.test(option) || (option === "template" && order.kind === "lxc")) continue;
    if (!isSlot(guest.kind, option)) guest.config.set(option, value);
    else restoreSlot(context, order, guest, option, String(value), { made, log, saved: backup.volumes.get(option) });
  }
  log(`restoring '${order.source}' now..`);
  log(
    `extracting archive '${storageOn(state, order.node, archive.storage).path}/${
      archive.name.replace("backup", "dump")
    }'`,
  );
  log("merging backed-up and given configuration..");
  if (order.unique) renew(state, guest);
  for (const [option, value] of order.options) {
    if (!isSlot(guest.kind, option)) guest.config.set(option, normalizeOption(state, guest.kind, option, value));
  }
}

/** @throws {Failure} for devices of the node, which nobody but root may hand out */
function refuseHost(config: ReadonlyMap<string, unknown>): void {
  for (const [option, value] of config) {
    const real = /^hostpci\d+$/.test(option) ? !/mapping=/.test(String(value)) : /^usb\d+$/.test(option) &&
      !/^(?:host=)?spice|mapping=/.test(String(value));
    if (real) die(`only root can set '${option}' config for non-mapped devices`);
  }
}

/** New addresses and identifiers for what may run beside the guest that was backed up. */
function renew(state: State, guest: Guest): void {
  renewMacs(state, guest.kind, guest.config);
  if (guest.kind === "lxc") return;
  guest.config.set("smbios1", `uuid=${nextUuid(state)}`);
  if (guest.config.has("vmgenid")) guest.config.set("vmgenid", nextUuid(state));
}

function restoreSlot(
  context: Context,
  order: Order,
  guest: Guest,
  option: string,
  value: string,
  { made, log, saved }: {
    made: string[];
    log: Log;
    saved: { readonly size: number; readonly mark: string } | undefined;
  },
): void {
  const { state, engine, rights } = context;
  const drive = parseSlot(guest.kind, option, value);
  const old = volidOf(drive);
  const cloudinit = isCloudinit(drive);
  if (guest.kind === "lxc" && old.startsWith("/")) {
    if (!isRoot(context.identity)) die(`restoring '${option}' to bind mount is only possible for root`);
    guest.config.set(option, value);
    return;
  }
  if (guest.kind === "qemu" && saved === undefined && !cloudinit) {
    // A comment in the new configuration; everything else stays as the line says, other guests' volumes included.
    if (isCdrom(drive) || drive.get("backup") !== "0") guest.config.set(option, value);
    return;
  }
  const id = order.storage ?? (guest.kind === "lxc" ? "local" : old.split(":")[0] ?? "");
  const storage = storageOn(state, order.node, id);
  const content = guest.kind === "qemu" ? "images" : "rootdir";
  if (!storage.content.has(content)) die(`Content type '${content}' is not available on storage '${id}'`);
  rights.check(`/storage/${id}`, ["Datastore.AllocateSpace"]);
  const volume = allocate(state, {
    storage,
    node: order.node,
    vmid: order.vmid,
    content,
    size: saved?.size ?? parseSize(drive.get("size") ?? "4M") ?? 0,
    now: engine.now(),
    ...(saved === undefined ? {} : { mark: saved.mark }),
    ...(cloudinit ? { role: "cloudinit" } : {}),
  });
  made.push(volumeId(volume));
  for (const line of formatting(storage, volume)) log(line);
  drive.set(guest.kind === "qemu" ? "file" : "volume", volumeId(volume));
  if (!isCdrom(drive)) drive.set("size", formatSize(volume.size));
  guest.config.set(option, printSlot(guest.kind, option, drive));
}
