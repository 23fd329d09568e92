/** Slots as callers write them ("local-lvm:32", "local:iso/x.iso,media=cdrom"): checked first, made real in the task. */
import { isRoot } from "./access.ts";
import {
  allocate,
  checkVolumeName,
  formatSize,
  formatting,
  GIB,
  isCdrom,
  parseSlot,
  printSlot,
  volidOf,
  wanted,
} from "./disks.ts";
import type { Log } from "./engine.ts";
import { die, forbidden, invalid } from "./failure.ts";
import type { Context } from "./routes/context.ts";
import { findVolume, type Kind, type State, storageOn, type Volume } from "./state.ts";

/** Who may use a volume that exists already. @throws {Failure} 403 */
export function checkVolumeAccess(context: Context, volume: Volume, vmid: number | undefined): void {
  const path = `/storage/${volume.storage}`;
  const { rights } = context;
  if (rights.can(path, ["Datastore.Allocate"])) return;
  if (volume.content === "backup" && volume.vmid !== undefined && volume.vmid !== vmid) {
    rights.check(path, ["Datastore.AllocateSpace"]);
    rights.check(`/vms/${volume.vmid}`, ["VM.Backup"]);
  } else if (volume.content === "images" || volume.content === "rootdir") {
    if (volume.vmid === vmid) return;
    rights.check(path, ["Datastore.Audit"]);
    rights.check(`/vms/${volume.vmid}`, ["VM.Config.Disk"]);
  } else rights.check(path, ["Datastore.AllocateSpace", "Datastore.Audit"], true);
}

/** What PVE checks before it starts a task: storages, volume names, privileges. @throws {Failure} */
export function checkSlot(
  context: Context,
  where: { readonly kind: Kind; readonly node: string; readonly vmid: number },
  option: string,
  value: string,
): void {
  const drive = parseSlot(where.kind, option, value);
  const volid = volidOf(drive);
  if (volid === "none" || volid === "cdrom") return;
  if (volid.startsWith("/")) {
    if (!isRoot(context.identity)) {
      if (where.kind === "lxc") forbidden("mount point type bind is only allowed for root@pam");
      forbidden("user != root@pam");
    }
    return;
  }
  const wish = wanted(volid);
  const source = drive.get("import-from");
  if (source !== undefined) checkImport(context, where, option, volid, source);
  if (wish !== undefined) {
    const { content } = storageOn(context.state, where.node, wish.storage);
    if (!content.has(where.kind === "qemu" ? "images" : "rootdir")) {
      const what = where.kind === "qemu" ? "vm images" : "container directories";
      invalid({ storage: `storage '${wish.storage}' does not support ${what}` });
    }
    context.rights.check(`/storage/${wish.storage}`, ["Datastore.AllocateSpace"]);
    return;
  }
  if (!volid.includes(":")) invalid({ [option]: `unable to parse volume ID '${volid}'\n` });
  checkVolumeName(context.state, where.node, volid);
  const volume = findVolume(context.state, where.node, volid);
  if (volume !== undefined) checkVolumeAccess(context, volume, where.vmid);
}

/** What PVE asks of the source of an import: an image to import, a disk of a guest that one may clone, or, as root, a path. */
function checkImport(
  context: Context,
  where: { readonly node: string; readonly vmid: number },
  option: string,
  volid: string,
  source: string,
): void {
  if (wanted(volid)?.size !== 0) {
    invalid({
      [option]: "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>\n",
    });
  }
  if (source.startsWith("/")) {
    if (!isRoot(context.identity)) forbidden("user != root@pam");
    return;
  }
  if (!source.includes(":")) invalid({ [option]: `unable to parse volume ID '${source}'\n` });
  checkVolumeName(context.state, where.node, source);
  const volume = findVolume(context.state, where.node, source);
  if (volume === undefined) return; // the task fails
  if (volume.content !== "images" && volume.content !== "import") {
    invalid({ [option]: `${source} has wrong type '${volume.content}' - needs to be 'images' or 'import'\n` });
  }
  if (volume.vmid !== undefined) context.rights.check(`/vms/${volume.vmid}`, ["VM.Clone"]);
  else checkVolumeAccess(context, volume, where.vmid);
}

/** An image's file is packed; what is in it has this size. */
function unpackedSize(image: Volume): number {
  return image.content === "import" && image.format !== "raw" ? Math.max(3 * GIB, image.size) : image.size;
}

/** Makes the volume that a slot's value asks for, and returns the value as the configuration keeps it. */
export function realizeSlot(
  state: State,
  where: { readonly kind: Kind; readonly node: string; readonly vmid: number; readonly now: number },
  option: string,
  value: string,
  log: Log,
): string {
  const drive = parseSlot(where.kind, option, value);
  const volid = volidOf(drive);
  const key = where.kind === "qemu" ? "file" : "volume";
  const wish = wanted(volid);
  if (wish === undefined) {
    if (volid === "none" || volid === "cdrom" || volid.startsWith("/")) return printSlot(where.kind, option, drive);
    const volume = findVolume(state, where.node, volid);
    if (volume === undefined) die(`volume '${volid}' does not exist`);
    drive.set("size", formatSize(volume.size));
    return printSlot(where.kind, option, drive);
  }
  const storage = storageOn(state, where.node, wish.storage);
  const content = where.kind === "qemu" ? "images" : "rootdir";
  const base = { storage, node: where.node, vmid: where.vmid, now: where.now, format: drive.get("format") };
  let volume: Volume;
  if (wish.size === "cloudinit") {
    volume = allocate(state, { ...base, content, format: "qcow2", size: 4 * 1024 * 1024, role: "cloudinit" });
    drive.set("media", "cdrom");
  } else {
    const source = drive.get("import-from");
    const imported = source === undefined ? undefined : findVolume(state, where.node, source);
    if (source !== undefined && imported === undefined) die(`volume '${source}' does not exist`);
    // EFI variables and TPM state have sizes of their own, whatever was asked for.
    const small = option === "efidisk0" || option === "tpmstate0";
    volume = imported === undefined
      ? allocate(state, { ...base, content, size: small ? 4 * 1024 * 1024 : Math.round(wish.size * GIB) })
      : allocate(state, { ...base, content, size: unpackedSize(imported), mark: imported.mark });
    if (imported !== undefined) {
      const all = `${unpackedSize(imported) / GIB} GiB`;
      log(`${option}: importing disk '${source}'`);
      for (const percent of [1, 40, 80, 100]) log(`transferred ${percent} MiB of ${all} (${percent}.00%)`);
    }
    drive.delete("import-from");
  }
  drive.set(key, `${volume.storage}:${volume.name}`);
  drive.delete("format");
  if (!isCdrom(drive)) drive.set("size", formatSize(volume.size));
  const printed = printSlot(where.kind, option, drive);
  for (const line of formatting(storage, volume)) log(line);
  if (where.kind === "qemu" && wish.size !== "cloudinit") {
    log(`${option}: successfully created disk '${volume.storage}:${volume.name},size=${formatSize(volume.size)}'`);
  }
  return printed;
}
