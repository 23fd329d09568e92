/** Whether what a call would allocate fits into what its storages have free. */
import { Refusal } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import type { Call } from "./catalogue.ts";

/** The requests that tell it. */
export type HeadroomCall =
  | "GET /nodes/{node}/storage"
  | "GET /nodes/{node}/storage/{storage}/content"
  | "GET /nodes/{node}/qemu/{vmid}/config"
  | "GET /nodes/{node}/lxc/{vmid}/config";

type Given = Readonly<Record<string, unknown>>;

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** Slots that take the size that is asked for; EFI variables and TPM state are small whatever is asked. */
const SIZED_SLOT = /^(?:(?:scsi|virtio|sata|ide|mp)\d+|rootfs)$/;
const UNITS = ["", "K", "M", "G", "T"];
const IMPORT = "import-from=";
/** Images are packed: what one holds is at most some times its file's size. */
const UNPACKED = 4;

/** The new volumes that a request names, in bytes by storage. */
function allocated(call: Call, given: Given): Map<string, number> {
  const needs = new Map<string, number>();
  for (const [name, value] of Object.entries(given)) {
    const wish = SIZED_SLOT.test(name) ? /^([^:,]+):(\d+(?:\.\d+)?)(?:,|$)/.exec(String(value)) : null;
    if (wish !== null) add(needs, wish[1] ?? "", Number(wish[2]) * GIB);
  }
  // PVE makes a root file system of 4 GiB where none is named.
  if (call === "POST /nodes/{node}/lxc" && given.rootfs === undefined) add(needs, given.storage ?? "local", 4 * GIB);
  return needs;
}

/** The storage of a volume, as in "local:import/a.qcow2". */
function storageOf(volume: unknown): string {
  return String(String(volume).split(":")[0]);
}

/**
 * What the images take that a request imports, in bytes by storage.
 * @throws {Refusal} for an image that is not there
 */
async function imported(
  node: string,
  given: Given,
  pve: PveClient<HeadroomCall>,
  options: SendOptions,
): Promise<Map<string, number>> {
  const needs = new Map<string, number>();
  for (const [name, value] of Object.entries(given)) {
    const [target, ...rest] = String(value).split(",");
    const volid = rest.find((part) => part.startsWith(IMPORT))?.slice(IMPORT.length);
    if (volid === undefined || !SIZED_SLOT.test(name)) continue;
    const query = { node, storage: storageOf(volid), content: "import" };
    const images = await pve.call("GET /nodes/{node}/storage/{storage}/content", query, options);
    const image = images.find((row) => row.volid === volid);
    if (image === undefined) {
      const there = images.map((row) => row.volid).sort().slice(0, 8);
      throw new Refusal(
        `Refused: there is no image ${volid} on ${node}, or the token may not see it`,
        there.length > 0 ? `There are ${there.join(", ")}` : "Fetch it with download_url, content import",
      );
    }
    if (image.size !== undefined) add(needs, storageOf(target), UNPACKED * image.size);
  }
  return needs;
}

/**
 * What PVE reserves for a VM's memory in a snapshot: twice the memory and 500 MiB. It chooses the storage among those of
 * the VM's disks, so each has to have it, unless the configuration names one.
 */
function memoryOf(config: Given): Map<string, number> {
  const needs = new Map<string, number>();
  const memory = String(config.memory ?? 512).replace("current=", "").split(",")[0];
  const bytes = (2 * Number(memory) + 500) * MIB;
  if (config.vmstatestorage !== undefined) return needs.set(String(config.vmstatestorage), bytes);
  for (const [name, value] of Object.entries(config)) {
    const text = String(value);
    if (!SIZED_SLOT.test(name) || text.split(",").includes("media=cdrom")) continue;
    needs.set(String(text.split(":")[0]), bytes);
  }
  return needs;
}

/** What a disk grows by, which is sent as in "+1024M". */
function grown(config: Given, { disk, size }: Given): Map<string, number> {
  return new Map([[String(String(config[String(disk)]).split(":")[0]), Number.parseInt(String(size)) * MIB]]);
}

/** What a full clone or a restore copies, in bytes by storage. */
export function copied(config: Given, target: unknown): Map<string, number> {
  const needs = new Map<string, number>();
  for (const [name, value] of Object.entries(config)) {
    const text = String(value);
    if (!SIZED_SLOT.test(name) || /,media=cdrom(?:,|$)/.test(text)) continue;
    const [, digits, unit = ""] = /,size=(\d+(?:\.\d+)?)([KMGT]?)(?:,|$)/.exec(text) ?? [];
    if (digits === undefined) continue;
    add(needs, target ?? text.split(":")[0], Number(digits) * 1024 ** UNITS.indexOf(unit));
  }
  return needs;
}

function add(needs: Map<string, number>, storage: unknown, bytes: number): void {
  needs.set(String(storage), (needs.get(String(storage)) ?? 0) + bytes);
}

function sayGib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}

/**
 * Refuses what would not fit into a storage's free space. Thin storages are no exception: PVE would allocate on them what
 * they do not have, and a thin pool that runs full stops every guest on it. A storage whose free space PVE does not tell is
 * left to PVE.
 * @throws {Refusal}
 */
export async function refuseOverflow(
  call: Call,
  given: Given,
  pve: PveClient<HeadroomCall>,
  options: SendOptions,
): Promise<void> {
  const { node } = given;
  if (typeof node !== "string") throw new Refusal("Refused: the node is missing");
  const clones = call.endsWith("/clone");
  // A linked clone takes no space of its own at first.
  if (clones && isNo(given.full)) return;
  const snapshots = call.endsWith("/snapshot");
  // Without memory a snapshot takes no space of its own at first.
  if (snapshots && (given.vmstate === undefined || isNo(given.vmstate))) return;
  const needs = clones
    ? copied(await sourceOf(call, node, given, pve, options), given.storage)
    : call.endsWith("/resize")
    ? grown(await sourceOf(call, node, given, pve, options), given)
    : snapshots
    ? memoryOf(await sourceOf(call, node, given, pve, options))
    : allocated(call, given);
  for (const [storage, bytes] of await imported(node, given, pve, options)) add(needs, storage, bytes);
  const place = clones && typeof given.target === "string" ? given.target : node;
  await refuseLack(needs, place, pve, options);
}

/**
 * Refuses what storages of a node do not have, in bytes by storage.
 * @throws {Refusal}
 */
export async function refuseLack(
  needs: ReadonlyMap<string, number>,
  node: string,
  pve: PveClient<"GET /nodes/{node}/storage">,
  options: SendOptions,
): Promise<void> {
  if (needs.size === 0) return;
  const rows = await pve.call("GET /nodes/{node}/storage", { node }, options);
  for (const [storage, bytes] of needs) {
    const free = rows.find((row) => row.storage === storage)?.avail;
    if (free === undefined || bytes <= free) continue;
    throw new Refusal(
      `Refused: ${sayGib(bytes)} do not fit on storage ${storage} of ${node}, which has ${sayGib(free)} free`,
      "Ask for less, or name another storage; list_storage shows what each has free",
    );
  }
}

function isNo(flag: unknown): boolean {
  return flag === false || flag === 0 || flag === "0";
}

async function sourceOf(
  call: Call,
  node: string,
  { vmid }: Given,
  pve: PveClient<HeadroomCall>,
  options: SendOptions,
): Promise<Given> {
  if (typeof vmid !== "number") throw new Refusal("Refused: the vmid of the guest is missing");
  return call.includes("/lxc/")
    ? await pve.call("GET /nodes/{node}/lxc/{vmid}/config", { node, vmid }, options)
    : await pve.call("GET /nodes/{node}/qemu/{vmid}/config", { node, vmid }, options);
}
