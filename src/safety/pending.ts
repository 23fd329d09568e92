/** Somebody else's pending deletion or replacement of a disk, which most writes would make PVE carry out. */
import { Refusal } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";

/** The requests that tell what is pending. */
export type PendingCall = "GET /nodes/{node}/qemu/{vmid}/pending" | "GET /nodes/{node}/lxc/{vmid}/pending";

/** The guest a request names. */
export interface GuestAddress {
  readonly node: string;
  readonly vmid: number;
}

type Given = Readonly<Record<string, unknown>>;

export interface PendingRow {
  readonly key: string;
  readonly value?: unknown;
  readonly pending?: unknown;
  /** 1: detach, 2: detach and free the volume. */
  readonly delete?: unknown;
}

export const VM_SLOT = /^(?:(?:scsi|virtio|sata|ide)\d+|efidisk0|tpmstate0)$/;
export const CONTAINER_SLOT = /^(?:rootfs|mp\d+)$/;
/** A detached volume: PVE frees it when its key goes, and a container's key may be pending to go. */
const DETACHED = /^unused\d+$/;

/**
 * A CD-ROM drive with an ISO image or nothing in it. A cloud-init drive is a volume of its own, freed when it is replaced;
 * any other volume would hang nowhere any more.
 */
export function isPlainCdrom(value: unknown): boolean {
  if (typeof value !== "string") return false;
  return value.split(",").includes("media=cdrom") && /^(?:none|cdrom|[^:/]+:iso\/.+)$/.test(volumeOf(value));
}

export function guestOf(given: Given): GuestAddress {
  const { node, vmid } = given;
  if (typeof node !== "string" || typeof vmid !== "number") throw new Refusal("Refused: node and vmid are missing");
  return { node, vmid };
}

/**
 * The volume of a disk's property string, without its options. PVE keeps a container's pending mount points as they were
 * typed, so that the volume may stand anywhere, by its name.
 */
export function volumeOf(value: unknown): string {
  const parts = String(value).split(",");
  const named = parts.find((part) => /^(?:file|volume)=/.test(part));
  return named?.slice(named.indexOf("=") + 1) ?? parts.find((part) => !part.includes("=")) ?? String(value);
}

/**
 * Refuses when somebody left a deletion or replacement of a disk pending: start, stop, shutdown, reboot and any
 * configuration write make PVE apply it, and `GET config` hides such keys.
 */
export function refusePendingLoss(rows: readonly PendingRow[], slot: RegExp, vmid: number): void {
  for (const row of rows) {
    if (!(slot.test(row.key) || DETACHED.test(row.key)) || isPlainCdrom(row.value)) continue;
    const deleted = row.delete !== undefined && row.delete !== 0;
    const replaced = row.pending !== undefined && row.value !== undefined &&
      volumeOf(row.pending) !== volumeOf(row.value);
    if (!deleted && !replaced) continue;
    throw new Refusal(
      `Refused: guest ${vmid} has a pending change that would ${deleted ? "remove" : "replace"} its disk ${row.key} ` +
        `(${String(row.value)}), and this call would make PVE apply it`,
      `A person has to apply or revert that change first: in PVE's web interface under Hardware or Resources of guest ${vmid}`,
    );
  }
}

/**
 * The volume that holds the memory of a VM, if one does. PVE resumes from it at whatever start there is, a backup's
 * included, and frees it then, whether or not the VM is still marked as hibernated.
 */
export function savedMemory(rows: readonly PendingRow[]): string | undefined {
  const row = rows.find(({ key }) => key === "vmstate");
  return row === undefined ? undefined : String(row.value);
}

/**
 * Refuses what freezes a running container with FUSE: a file system that waits for its own frozen program waits for ever
 * (PVE's manual, Container, Options: fuse).
 * @throws {Refusal}
 */
export function refuseFreezing(rows: readonly PendingRow[], vmid: number, remedy: string): void {
  const features = rows.find(({ key }) => key === "features")?.value;
  if (!String(features).split(",").includes("fuse=1")) return;
  throw new Refusal(
    `Refused: container ${vmid} runs and may use FUSE, with which freezing it can hang it for good`,
    remedy,
  );
}

/** What is pending of a guest. */
export async function pendingRows(
  container: boolean,
  guest: GuestAddress,
  pve: PveClient<PendingCall>,
  options: SendOptions,
): Promise<readonly PendingRow[]> {
  return container
    ? await pve.call("GET /nodes/{node}/lxc/{vmid}/pending", guest, options)
    : await pve.call("GET /nodes/{node}/qemu/{vmid}/pending", guest, options);
}

/**
 * Reads what is pending of a guest, and refuses where a disk would go with it.
 * @throws {Refusal}
 */
export async function refusePending(
  container: boolean,
  guest: GuestAddress,
  pve: PveClient<PendingCall>,
  options: SendOptions,
): Promise<void> {
  const rows = await pendingRows(container, guest, pve, options);
  refusePendingLoss(rows, container ? CONTAINER_SLOT : VM_SLOT, guest.vmid);
}
