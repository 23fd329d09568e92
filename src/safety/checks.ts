/** What a request alone cannot tell: state checks that read PVE before a write, and add the digest or refuse. */
import { Refusal } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import type { Call, CheckName } from "./catalogue.ts";
import { type HeadroomCall, refuseOverflow } from "./headroom.ts";
import type { Scalar } from "./rules.ts";

/** The only requests a check makes; every one is a GET of the catalogue. */
export type CheckCall =
  | HeadroomCall
  | "GET /nodes/{node}/qemu/{vmid}/pending"
  | "GET /nodes/{node}/lxc/{vmid}/pending"
  | "GET /cluster/resources"
  | "GET /nodes/{node}/storage/{storage}/content";

type Given = Readonly<Record<string, unknown>>;
type Added = Readonly<Record<string, Scalar>>;
type Check = (call: Call, given: Given, pve: PveClient<CheckCall>, options: SendOptions) => Promise<Added>;
interface PendingRow {
  readonly key: string;
  readonly value?: unknown;
  readonly pending?: unknown;
  /** 1: detach, 2: detach and free the volume. */
  readonly delete?: unknown;
}

const VM_SLOT = /^(?:(?:scsi|virtio|sata|ide)\d+|efidisk0|tpmstate0)$/;
const CONTAINER_SLOT = /^(?:rootfs|mp\d+)$/;
/** A detached volume: PVE frees it when its key goes, and a container's key may be pending to go. */
const DETACHED = /^unused\d+$/;

/**
 * A CD-ROM drive with an ISO image or nothing in it. A cloud-init drive is a volume of its own, freed when it is replaced;
 * any other volume would hang nowhere any more.
 */
function isPlainCdrom(value: unknown): boolean {
  if (typeof value !== "string") return false;
  return value.split(",").includes("media=cdrom") && /^(?:none|cdrom|[^:/]+:iso\/.+)$/.test(volumeOf(value));
}

function guestOf(given: Given): { node: string; vmid: number } {
  const { node, vmid } = given;
  if (typeof node !== "string" || typeof vmid !== "number") throw new Refusal("Refused: node and vmid are missing");
  return { node, vmid };
}

/**
 * The volume of a disk's property string, without its options. PVE keeps a container's pending mount points as they were
 * typed, so that the volume may stand anywhere, by its name.
 */
function volumeOf(value: unknown): string {
  const parts = String(value).split(",");
  const named = parts.find((part) => /^(?:file|volume)=/.test(part));
  return named?.slice(named.indexOf("=") + 1) ?? parts.find((part) => !part.includes("=")) ?? String(value);
}

/**
 * Refuses when somebody left a deletion or replacement of a disk pending: start, stop, shutdown, reboot and any
 * configuration write make PVE apply it, and `GET config` hides such keys.
 */
function refusePendingLoss(rows: readonly PendingRow[], slot: RegExp, vmid: number): void {
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

async function pendingRows(
  call: Call,
  guest: { node: string; vmid: number },
  pve: PveClient<CheckCall>,
  options: SendOptions,
): Promise<readonly PendingRow[]> {
  return call.includes("/lxc/")
    ? await pve.call("GET /nodes/{node}/lxc/{vmid}/pending", guest, options)
    : await pve.call("GET /nodes/{node}/qemu/{vmid}/pending", guest, options);
}

const pending: Check = async (call, given, pve, options) => {
  const guest = guestOf(given);
  const slot = call.includes("/lxc/") ? CONTAINER_SLOT : VM_SLOT;
  refusePendingLoss(await pendingRows(call, guest, pve, options), slot, guest.vmid);
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
  const rows = await pendingRows(call, guest, pve, options);
  refusePendingLoss(rows, slot, guest.vmid);
  for (const [name, value] of Object.entries(given)) {
    if (!slot.test(name) || value === undefined) continue;
    const row = rows.find((row) => row.key === name);
    const held = [config[name], row?.value, row?.pending].filter((present) => present !== undefined);
    if (held.length === 0 || (isPlainCdrom(value) && held.every(isPlainCdrom))) continue;
    throw new Refusal(
      `Refused ${name}=${JSON.stringify(value)}: ${name} of guest ${guest.vmid} holds ${String(held[0])}, ` +
        "which would be detached or freed",
      "Name a free slot; only a person can remove or replace a disk",
    );
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

/** A volume or backup that carries a vmid, although no guest may have it any more. */
export interface Leftover {
  readonly storage: string;
  readonly node: string;
  readonly volid: string;
}

/**
 * What is left, on any storage we can read, of a guest that had this vmid: PVE hands out the numbers of deleted guests, and
 * a new guest's backups would then push the old one's out.
 * @throws {Refusal} when a storage for backups is out of reach although its node is there: it may hold some of that guest
 * @throws {PveError} when a storage cannot be read
 */
export async function findLeftovers(
  vmid: number,
  pve: PveClient<"GET /cluster/resources" | "GET /nodes/{node}/storage/{storage}/content">,
  options: SendOptions = {},
): Promise<Leftover[]> {
  const rows = await pve.call("GET /cluster/resources", { type: "storage" }, options);
  const storages = new Map<string, { node: string; storage: string }>();
  const silent = new Map<string, { node: string; storage: string }>();
  // A node's own state comes from the cluster's membership. That of its storages comes from a daemon that one hung NFS
  // server stops: then all of them read "unknown", and nothing may be taken for empty.
  const nodes = await pve.call("GET /cluster/resources", { type: "node" }, options);
  const asleep = new Set(nodes.filter((row) => row.status === "offline").map((row) => row.node));
  for (const row of rows) {
    // A storage that does not say what it holds may hold anything.
    const { node, storage, content = "images,backup" } = row;
    if (node === undefined || storage === undefined || !/images|rootdir|backup/.test(content)) continue;
    const key = row.shared === true ? storage : `${node}/${storage}`;
    if (row.status === "available") storages.set(key, { node, storage });
    else if (!asleep.has(node) && content.includes("backup")) silent.set(key, { node, storage });
  }
  for (const [key, { node, storage }] of silent) {
    if (storages.has(key)) continue;
    throw new Refusal(
      `Refused a new guest: the storage ${storage} of ${node} cannot be read now, and it may hold backups of an earlier ` +
        `guest with the number ${vmid}, which those of the new one would push out`,
      "A person has to bring the storage back, or disable it in PVE",
    );
  }
  const found = await Promise.all([...storages.values()].map(async ({ node, storage }) => {
    const volumes = await pve.call("GET /nodes/{node}/storage/{storage}/content", { node, storage, vmid }, options);
    return volumes.filter((volume) => volume.vmid === vmid).map(({ volid }) => ({ storage, node, volid }));
  }));
  return found.flat();
}

/** A new guest's vmid: no guest has it, and no volume or backup is left of one that had it. */
const freeVmid: Check = async (call, given, pve, options) => {
  const vmid = given.newid ?? given.vmid;
  if (typeof vmid !== "number") throw new Refusal("Refused: the new guest's vmid is missing");
  const taken = (await pve.call("GET /cluster/resources", { type: "vm" }, options)).find((row) => row.vmid === vmid);
  if (taken !== undefined) {
    throw new Refusal(
      `Refused vmid ${vmid}: the ${taken.type === "lxc" ? "container" : "VM"} ${JSON.stringify(taken.name ?? "")} on ` +
        `${taken.node ?? "?"} has it`,
      "Leave the vmid out to get a free one, or ask next_vmid",
    );
  }
  const leftovers = await findLeftovers(vmid, pve, options);
  const first = leftovers[0];
  if (first !== undefined) {
    throw new Refusal(
      `Refused vmid ${vmid}: no guest has it, but ${leftovers.length} volume(s) of an earlier one remain, such as ${first.volid}`,
      "Leave the vmid out to get one that has nothing left, or ask next_vmid",
    );
  }
  await refuseOverflow(call, given, pve, options);
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
  "vm-config": Object.freeze({ says: configurationSays, run: configuration }),
  "container-config": Object.freeze({ says: configurationSays, run: configuration }),
  "free-vmid": Object.freeze({
    says: "the new vmid must belong to no guest, no volume or backup of an earlier guest may be left under it, and " +
      "the new disks must fit into their storages' free space",
    run: freeVmid,
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
