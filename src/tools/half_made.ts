/** Tells whether a VM is the one that create_cloudinit_vm has begun and not finished: by its settings, all of them. */
import { UsageError } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { phaseOf, readUpid } from "../pve/tasks.ts";
import { plainKeys } from "./guest_config.ts";

/** The requests that tell it, beside the configuration. */
export const recogniseCalls = [
  "GET /nodes/{node}/qemu/{vmid}/pending",
  "GET /nodes/{node}/qemu/{vmid}/status/current",
  "GET /nodes/{node}/tasks",
] as const;
type RecogniseCall = (typeof recogniseCalls)[number];

interface Address {
  readonly node: string;
  readonly vmid: number;
}

type Settings = Readonly<Record<string, unknown>>;

/** What PVE adds by itself. */
const OWN = new Set(["digest", "meta", "smbios1", "vmgenid"]);

/** What is compared in its own way. */
const APART = new Set(["scsi0", "ide2", "net0", "sshkeys", "cipassword", "tags"]);

function plain(value: unknown): string {
  return value === true ? "1" : value === false ? "0" : String(value ?? "").trim();
}

const MAC = /(?:[0-9A-F]{2}:){5}[0-9A-F]{2}/i;

/** A network device without its MAC address, which PVE makes: "virtio=BC:24:…,bridge=vmbr0" → "bridge=vmbr0,virtio". */
function withoutMac(device: unknown): string {
  return String(device).split(",").map((part) => MAC.test(part) ? part.replace(/=.*$/, "") : part)
    .filter((part) => part !== "macaddr").sort().join(",");
}

function lines(keys: string): string {
  return keys.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#")).join("\n");
}

function tagSet(tags: unknown): string {
  return [...new Set(String(tags ?? "").toLowerCase().split(/[;, ]+/))].filter((tag) => tag !== "").sort().join(";");
}

/** Where the VM is, as the call names it. */
export interface Place {
  readonly vmid: number;
  readonly storage: string;
}

/** Whether a drive holds this VM's own volume on this storage, as in "nas:110/vm-110-disk-0.qcow2,size=3G". */
function isOwn(drive: unknown, { vmid, storage }: Place, name: string): boolean {
  const [volume = ""] = String(drive).split(",");
  const own = new RegExp(`^(?:${vmid}/)?vm-${vmid}-${name}(?:\\.[a-z0-9]+)?$`);
  return volume.startsWith(`${storage}:`) && own.test(volume.slice(storage.length + 1));
}

/**
 * The settings in which a VM differs from what the call would have made, by name; none: it is the VM of that call. Every
 * setting counts, those that the call does not make included: somebody else's disk, snapshot or lock.
 */
export function strangeIn(config: Settings, wanted: Settings, place: Place): string[] {
  const expected = Object.keys(wanted).filter((key) => wanted[key] !== undefined);
  const strange = new Set(
    expected.filter((key) => !APART.has(key) && plain(config[key]) !== plain(wanted[key])),
  );
  if (withoutMac(config.net0) !== withoutMac(wanted.net0)) strange.add("net0");
  if (lines(plainKeys(config.sshkeys ?? "")) !== lines(String(wanted.sshkeys ?? ""))) strange.add("sshkeys");
  // PVE keeps a hash, and does not show it.
  if ((config.cipassword === undefined) !== (wanted.cipassword === undefined)) strange.add("cipassword");
  if (tagSet(config.tags) !== tagSet(wanted.tags)) strange.add("tags");
  if (!isOwn(config.scsi0, place, "disk-\\d+")) strange.add("scsi0");
  if (!isOwn(config.ide2, place, "cloudinit")) strange.add("ide2");
  for (const key of Object.keys(config)) {
    if (config[key] !== undefined && !OWN.has(key) && !APART.has(key) && !expected.includes(key)) strange.add(key);
  }
  return [...strange].sort();
}

/** Why a guest was left alone. */
export function strange(vmid: number, why: string): UsageError {
  return new UsageError(
    `Guest ${vmid} is there, and it is not the half-made VM of such a call: ${why}. It was left alone`,
    "To make a new VM leave vmid out; to go on with one that was begun, give the very arguments it was begun with",
  );
}

/**
 * Refuses any VM but the one that the call would have made.
 * @throws {UsageError}
 */
export async function refuseStrange(
  pve: PveClient<RecogniseCall>,
  guest: Address,
  config: Settings,
  wanted: Settings,
  place: Place,
  options: SendOptions,
): Promise<void> {
  const { node, vmid } = guest;
  const differs = strangeIn(config, wanted, place);
  if (differs.length > 0) throw strange(vmid, `what differs: ${differs.join(", ")}`);
  const rows = await pve.call("GET /nodes/{node}/qemu/{vmid}/pending", { node, vmid }, options);
  const waiting = rows.filter((row) => row.pending !== undefined || row.delete !== undefined).map((row) => row.key);
  if (waiting.length > 0) throw strange(vmid, `changes are pending: ${waiting.join(", ")}`);
}

/** When a VM was made, in seconds since the epoch: tasks of an earlier guest with its number are older. */
function madeAt(config: Settings): number {
  return Number(/(?:^|,)ctime=(\d+)/.exec(String(config.meta))?.[1] ?? 0);
}

/** PVE writes down when a VM was made a little after its task has begun. */
const SECONDS_BEFORE = 60;

/**
 * Refuses a VM that somebody else has made, however equal: its disk would be theirs.
 * @param token whose task made it; undefined where the program has none, as in its demo
 * @throws {UsageError}
 */
export async function refuseForeign(
  pve: PveClient<RecogniseCall>,
  { node, vmid }: Address,
  config: Settings,
  token: string | undefined,
  options: SendOptions,
): Promise<void> {
  const since = Math.max(0, madeAt(config) - SECONDS_BEFORE);
  const query = { node, vmid, since, typefilter: "qmcreate", source: "all", limit: 50 } as const;
  const made = await pve.call("GET /nodes/{node}/tasks", query, options);
  const own = made.some((row) =>
    phaseOf(row.status) !== "failed" && (token === undefined || readUpid(row.upid)?.user === token)
  );
  if (!own) throw strange(vmid, `${node} knows of no task by which ${token ?? "this program"} made it`);
}

/** Whether a VM has been started since it was made, and still runs; undefined: never. A start that failed is none. */
export async function wasStarted(
  pve: PveClient<RecogniseCall>,
  { node, vmid }: Address,
  config: Settings,
  options: SendOptions,
): Promise<"running" | "off" | undefined> {
  const now = await pve.call("GET /nodes/{node}/qemu/{vmid}/status/current", { node, vmid }, options);
  if (now.status !== "stopped") return "running";
  const since = madeAt(config);
  const query = { node, vmid, since, typefilter: "qmstart", source: "all", limit: 50 } as const;
  const starts = await pve.call("GET /nodes/{node}/tasks", query, options);
  return starts.some((row) => phaseOf(row.status) !== "failed") ? "off" : undefined;
}
