/** What a request alone cannot tell: state checks that read PVE before a write, and add the digest or refuse. */
import { Refusal } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { type BackupCall, refuseBackup } from "./backup.ts";
import type { Call, CheckName } from "./catalogue.ts";
import { type FileCall, refuseExisting } from "./files.ts";
import { type HeadroomCall, refuseOverflow } from "./headroom.ts";
import {
  CONTAINER_SLOT,
  guestOf,
  isPlainCdrom,
  type PendingCall,
  pendingRows,
  refuseFreezing,
  refusePending,
  refusePendingLoss,
  savedMemory,
  VM_SLOT,
} from "./pending.ts";
import { type MoveCall, refuseMove } from "./move.ts";
import { refuseHiding } from "./mounts.ts";
import { refuseRestore, type RestoreCall } from "./restore.ts";
import type { Scalar } from "./rules.ts";
import { refuseTaken, type VmidCall } from "./vmids.ts";

export { refuseLack } from "./headroom.ts";
export { VM_SLOT } from "./pending.ts";
export { findLeftovers, type Leftover } from "./vmids.ts";
export { type Archive, disksToMake, readArchive } from "./restore.ts";

/** The only requests a check makes; every one is a GET of the catalogue. */
export type CheckCall =
  | HeadroomCall
  | PendingCall
  | BackupCall
  | FileCall
  | RestoreCall
  | MoveCall
  | "GET /nodes/{node}/qemu/{vmid}/status/current"
  | "GET /nodes/{node}/lxc/{vmid}/status/current"
  | VmidCall;

type Given = Readonly<Record<string, unknown>>;
type Added = Readonly<Record<string, Scalar>>;
type Check = (call: Call, given: Given, pve: PveClient<CheckCall>, options: SendOptions) => Promise<Added>;
const pending: Check = async (call, given, pve, options) => {
  await refusePending(call.includes("/lxc/"), guestOf(given), pve, options);
  return {};
};

/**
 * A configuration write: no used slot is named, nothing of somebody else's is pending, and the digest goes along, so that
 * a change in between ends in PVE's own refusal.
 */
const configuration: Check = async (call, given, pve, options) => {
  const guest = guestOf(given);
  const container = call.includes("/lxc/");
  const slot = container ? CONTAINER_SLOT : VM_SLOT;
  const config: Readonly<Record<string, unknown>> & { readonly digest?: string | undefined } = container
    ? await pve.call("GET /nodes/{node}/lxc/{vmid}/config", guest, options)
    : await pve.call("GET /nodes/{node}/qemu/{vmid}/config", guest, options);
  const rows = await pendingRows(container, guest, pve, options);
  refusePendingLoss(rows, slot, guest.vmid);
  for (const [name, value] of Object.entries(given)) {
    if (!slot.test(name) || value === undefined) continue;
    const row = rows.find((row) => row.key === name);
    const held = [config[name], row?.value, row?.pending].filter((present) => present !== undefined);
    if (held.length > 0 && !(isPlainCdrom(value) && held.every(isPlainCdrom))) {
      throw new Refusal(
        `Refused ${name}=${JSON.stringify(value)}: ${name} of guest ${guest.vmid} holds ${String(held[0])}, ` +
          "which would be detached or freed",
        "Name a free slot; only a person can remove or replace a disk",
      );
    }
    refuseHiding(name, value, rows, guest.vmid);
  }
  await refuseOverflow(call, given, pve, options);
  // A digest of the caller's is from an earlier read: the window in which a race is noticed grows.
  if (typeof given.digest === "string") return {};
  if (config.digest === undefined) {
    throw new Refusal(
      `Refused: PVE gave no digest of the configuration of guest ${guest.vmid}, so that no race would be noticed`,
    );
  }
  return { digest: config.digest };
};

const freeVmid: Check = async (call, given, pve, options) => {
  await refuseTaken(given.newid ?? given.vmid, pve, options);
  await refuseOverflow(call, given, pve, options);
  return {};
};

const restore: Check = async (call, given, pve, options) => {
  await refuseTaken(given.vmid, pve, options);
  await refuseRestore(call, given, pve, options);
  return {};
};

const move: Check = async (call, given, pve, options) => {
  await refuseMove(call, given, pve, options);
  return {};
};

/** A start uses up a saved memory image: of a VM that is marked as hibernated, which the answer says, and of no other. */
const begin: Check = async (call, given, pve, options) => {
  const guest = guestOf(given);
  const rows = await pendingRows(false, guest, pve, options);
  refusePendingLoss(rows, VM_SLOT, guest.vmid);
  const memory = savedMemory(rows);
  if (memory === undefined) return {};
  const { lock } = await pve.call("GET /nodes/{node}/qemu/{vmid}/status/current", guest, options);
  if (lock !== "suspended") {
    throw new Refusal(
      `Refused: VM ${guest.vmid} has its memory saved in ${memory} without being marked as hibernated, and a start ` +
        "would use it up",
      "Somebody has unlocked it: a person has to say whether it shall resume from there",
    );
  }
  // Once more: what is pending is looked at last.
  return await pending(call, given, pve, options);
};

/** A VM that HA manages is not shut down but stopped: PVE's manager cuts its power once the time for a shutdown is over. */
const unmanaged: Check = async (call, given, pve, options) => {
  const guest = guestOf(given);
  const { ha } = await pve.call("GET /nodes/{node}/qemu/{vmid}/status/current", guest, options);
  if (ha?.managed === true) {
    throw new Refusal(
      `Refused: VM ${guest.vmid} is managed by HA, whose manager would cut its power if it did not go down in time`,
      "Shut it down from inside; stop_vm cuts the power, and says so",
    );
  }
  return await pending(call, given, pve, options);
};

/** What is kept is the present state; its memory takes space like a new disk. */
const snapshot: Check = async (call, given, pve, options) => {
  await refuseOverflow(call, given, pve, options);
  if (!call.includes("/lxc/")) return await pending(call, given, pve, options);
  const guest = guestOf(given);
  const { status } = await pve.call("GET /nodes/{node}/lxc/{vmid}/status/current", guest, options);
  const rows = await pendingRows(true, guest, pve, options);
  refusePendingLoss(rows, CONTAINER_SLOT, guest.vmid);
  if (status === "running") refuseFreezing(rows, guest.vmid, "Shut it down first: then nothing has to be frozen");
  return {};
};

/** A reboot asks for no lock: of a container that is being backed up or copied, PVE would end the one and fail the other. */
const reboot: Check = async (call, given, pve, options) => {
  const guest = guestOf(given);
  const { lock } = await pve.call("GET /nodes/{node}/lxc/{vmid}/status/current", guest, options);
  if (lock !== undefined) {
    throw new Refusal(
      `Refused: container ${guest.vmid} is locked (${lock}), and a reboot would take it down and could not start it`,
      "Wait until the task that holds the lock has ended",
    );
  }
  return await pending(call, given, pve, options);
};

const backup: Check = async (_call, given, pve, options) => {
  await refuseBackup(guestOf(given), given, pve, options);
  return {};
};

/** A volume of a storage, and no CD-ROM: what can grow. */
function isVolume(value: unknown): boolean {
  const text = String(value);
  return text.includes(":") && !text.startsWith("/") && !text.split(",").includes("media=cdrom");
}

/** The disk is there, is no base of linked clones, and what is added fits; the digest tells a second, equal call. */
const grow: Check = async (call, given, pve, options) => {
  const guest = guestOf(given);
  const container = call.includes("/lxc/");
  // Before the rest, so that its digest notices whatever comes after.
  const config: Readonly<Record<string, unknown>> & { readonly digest?: string | undefined } = container
    ? await pve.call("GET /nodes/{node}/lxc/{vmid}/config", guest, options)
    : await pve.call("GET /nodes/{node}/qemu/{vmid}/config", guest, options);
  await refusePending(container, guest, pve, options);
  const disk = String(given.disk);
  if (config.template === true) {
    throw new Refusal(
      `Refused: guest ${guest.vmid} is a template, and linked clones share its disks`,
      "Clone it first",
    );
  }
  if (!isVolume(config[disk])) {
    throw new Refusal(
      `Refused disk=${JSON.stringify(disk)}: guest ${guest.vmid} has no disk there that could grow`,
      `${container ? "container_config" : "vm_config"} shows its disks`,
    );
  }
  await refuseOverflow(call, given, pve, options);
  if (typeof given.digest === "string") return {};
  if (config.digest === undefined) {
    throw new Refusal(
      `Refused: PVE gave no digest of the configuration of guest ${guest.vmid}, so that no race would be noticed`,
    );
  }
  return { digest: config.digest };
};

/** Resuming a hibernated VM would start it, and use up its saved memory: that is start_vm's, which says so. */
const awake: Check = async (call, given, pve, options) => {
  // The lock is read last: only of a hibernated VM PVE would apply what is pending.
  await pending(call, given, pve, options);
  const guest = guestOf(given);
  const { lock } = await pve.call("GET /nodes/{node}/qemu/{vmid}/status/current", guest, options);
  if (lock === undefined) return {};
  throw new Refusal(
    `Refused: VM ${guest.vmid} is locked (${lock})`,
    lock === "suspended"
      ? "It is hibernated: start_vm resumes it"
      : "Wait until the task that holds the lock has ended",
  );
};

const newFile: Check = async (_call, given, pve, options) => {
  await refuseExisting(given, pve, options);
  return {};
};

const configurationSays =
  "refused while a disk's deletion or replacement is pending, when it names a disk slot in use (a CD-ROM may change " +
  "to another ISO image or none), or when a new disk does not fit into its storage's free space; PVE refuses it when the configuration has changed since it was read";

const checks: Readonly<Record<CheckName, { readonly says: string; readonly run: Check }>> = Object.freeze({
  "pending": Object.freeze({
    says: "refused while a disk's deletion or replacement is pending, as PVE would apply it",
    run: pending,
  }),
  "start": Object.freeze({
    says:
      "refused while a disk's deletion or replacement is pending, as PVE would apply it, and for a VM whose memory is " +
      "saved although it is not marked as hibernated",
    run: begin,
  }),
  "shutdown": Object.freeze({
    says: "refused while a disk's deletion or replacement is pending, as PVE would apply it, and for a VM that HA " +
      "manages, as its manager would cut the power after a time",
    run: unmanaged,
  }),
  "reboot": Object.freeze({
    says:
      "refused while a disk's deletion or replacement is pending, as PVE would apply it, and for a container that is " +
      "locked, which PVE would not start again",
    run: reboot,
  }),
  "vm-config": Object.freeze({ says: configurationSays, run: configuration }),
  "container-config": Object.freeze({ says: configurationSays, run: configuration }),
  "snapshot": Object.freeze({
    says: "refused while a disk's deletion or replacement is pending, or when a VM's memory, where it is to be kept, " +
      "does not fit into the free space of each of its storages; and for a running container with FUSE, which freezing " +
      "may hang",
    run: snapshot,
  }),
  "backup": Object.freeze({
    says:
      "refused while a disk's deletion or replacement is pending, when the storage takes no backups on that node, " +
      "or has less than 2 GiB free, " +
      "when a container has a snapshot named vzdump, which PVE would remove, or runs with FUSE, which freezing may hang, " +
      "while a VM's memory is saved, which a backup would use up, or of a VM that is off and has a device of the host",
    run: backup,
  }),
  "grow": Object.freeze({
    says:
      "refused while a disk's deletion or replacement is pending, for a template, for what is no disk, or when what " +
      "is added does not fit into the storage's free space; PVE refuses it when the configuration has changed since",
    run: grow,
  }),
  "awake": Object.freeze({
    says:
      "refused while a disk's deletion or replacement is pending, or when the VM is locked: a hibernated one would " +
      "use up its saved memory",
    run: awake,
  }),
  "new-file": Object.freeze({
    says: "refused when the storage has a file of that name, does not hold such files, or has less than 2 GiB free",
    run: newFile,
  }),
  "free-vmid": Object.freeze({
    says: "the new vmid must belong to no guest, no volume or backup of an earlier guest may be left under it, and " +
      "the new disks must fit into their storages' free space",
    run: freeVmid,
  }),
  "restore": Object.freeze({
    says: "the new vmid must belong to no guest, and no volume or backup of an earlier guest may be left under it; " +
      "refused when the backup's configuration reaches the host, would share a disk with another guest, is of an " +
      "unprivileged container that would become privileged, or when its disks do not fit into the free space",
    run: restore,
  }),
  "move": Object.freeze({
    says:
      "refused while a disk's deletion or replacement is pending; for a guest that is locked or managed by HA, has " +
      "any volume or ISO image on a storage that is not shared, or a device of the node; and where the target is " +
      "not online or lacks a storage",
    run: move,
  }),
});

/** What a check refuses, in words. */
export function wordsOf(name: CheckName): string {
  return checks[name].says;
}

/**
 * Runs the check that a catalogue entry names.
 * @returns parameters to add to the request
 * @throws {Refusal} when the state forbids the request
 * @throws {PveError} when the state cannot be read: no check, no write
 */
export function runCheck(
  name: CheckName,
  call: Call,
  given: Given,
  pve: PveClient<CheckCall>,
  options: SendOptions,
): Promise<Added> {
  return checks[name].run(call, given, pve, options);
}
