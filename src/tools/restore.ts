/** Tools that open a backup again: as a new guest beside all others, which replaces nothing. */
import { z } from "zod";
import { PveError, UsageError } from "../errors.ts";
import type { PveClient, Result, SendOptions } from "../pve/client.ts";
import type { GuestKind } from "../pve/guests.ts";
import { type Archive, disksToMake, readArchive, VM_SLOT } from "../safety/checks.ts";
import { moment } from "../shape/times.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import { createWithVmid, newGuest, newGuestCalls } from "./new_guest.ts";
import * as params from "./params.ts";
import { choosePlace, storageOf } from "./places.ts";
import { toRestore } from "./privileges.ts";
import { contentOf } from "./storage.ts";

const EXTRACT = "GET /nodes/{node}/vzdump/extractconfig";
const calls = [...newGuestCalls, EXTRACT] as const;
type RestoreCall = (typeof calls)[number];

type Volume = Result<"GET /nodes/{node}/storage/{storage}/content">[number];

/** At most so many backups are named where another one was asked for. */
const MOST_NAMED = 5;

const restored = newGuest.extend({
  backup: z.string(),
  of: z.number().optional().describe("The guest that was backed up"),
  made: z.string().optional().describe("When"),
});

/**
 * The backup, a node that reaches it, and whether all do that have the storage.
 * @throws {PveError} kind "missing": no such storage; {UsageError}: no such backup; each names what there is
 */
async function locate(
  pve: PveClient<"GET /cluster/resources" | "GET /nodes/{node}/storage/{storage}/content">,
  archive: string,
  node: string | undefined,
  options: SendOptions,
): Promise<{ volume: Volume; node: string; shared: boolean }> {
  const storage = storageOf(archive);
  const rows = await pve.call("GET /cluster/resources", { type: "storage" }, options);
  const places = rows.flatMap((row) =>
    row.storage === storage && row.node !== undefined && (node === undefined || row.node === node) &&
      row.status === "available" && contentOf(row.content).includes("backup")
      ? [{ node: row.node, shared: row.shared === true }]
      : []
  );
  const shared = places[0]?.shared === true;
  if (places.length === 0) {
    throw new PveError(
      `No storage ${JSON.stringify(storage)} with backups is available${node === undefined ? "" : ` on ${node}`}`,
      { kind: "missing", remedy: "list_backups with vmid names a guest's backups, as in nas:backup/vzdump-…" },
    );
  }
  const vmid = /-(\d+)-|\/(\d+)\//.exec(archive)?.slice(1).find((part) => part !== undefined);
  const owner = /^[1-9]\d{2,8}$/.test(vmid ?? "") ? { vmid: Number(vmid) } : {};
  const found = await Promise.all((shared ? places.slice(0, 1) : places).map(async (place) => {
    const query = { node: place.node, storage, content: "backup", ...owner };
    const volumes = await pve.call("GET /nodes/{node}/storage/{storage}/content", query, options);
    return { node: place.node, volumes };
  }));
  for (const { node, volumes } of found) {
    const volume = volumes.find(({ volid }) => volid === archive);
    if (volume !== undefined) return { volume, node, shared };
  }
  const others = found.flatMap(({ volumes }) => volumes).filter((row) => String(row.vmid) === vmid)
    .sort((a, b) => (b.ctime ?? 0) - (a.ctime ?? 0)).slice(0, MOST_NAMED).map(({ volid }) => volid);
  throw new UsageError(
    `No backup ${JSON.stringify(archive)} is visible to this token`,
    others.length > 0
      ? `Of guest ${vmid} there are ${others.join(", ")}`
      : "list_backups with vmid names a guest's backups; the token needs VM.Backup on the guest to see them",
  );
}

/**
 * Refuses a backup of the other kind of guest, which its name tells: vzdump-qemu-… and vm/…, vzdump-lxc-… and ct/….
 * @throws {UsageError} naming the tool that restores it
 */
function checkKind(archive: string, kind: GuestKind): void {
  const [, word] = /^[^:]*:backup\/(?:vzdump-)?(qemu-|vm\/|lxc-|ct\/)/.exec(archive) ?? [];
  if (word === undefined) return;
  const other = word.startsWith("qemu") || word.startsWith("vm") ? "vm" : "container";
  if (other === kind) return;
  throw new UsageError(
    `${JSON.stringify(archive)} is a backup of a ${params.guestKinds[other].word}`,
    `Use restore_${other}_backup`,
  );
}

/** What is worth knowing before the new guest is started. */
function notesOn(
  kind: (typeof params.guestKinds)["vm" | "container"],
  { options, saved }: Archive,
  disks: ReadonlyMap<string, string>,
  volume: Volume,
  unprivileged: boolean,
): string[] {
  const { kind: word } = kind;
  const empty = word === "vm"
    ? []
    : [...disks].filter(([slot, value]) => slot !== "rootfs" && !value.split(",").includes("backup=1"));
  const missing = [...options.keys()].filter((name) =>
    word === "vm" && VM_SLOT.test(name) &&
    !disks.has(name) && !saved.has(name) && !String(options.get(name)).includes("media=cdrom")
  );
  return [
    `It is off, with new MAC addresses; ${word}_config shows it, start_${word} starts it`,
    `Its name, its addresses and what it does are those of ${volume.vmid ?? "the guest that was backed up"}: ` +
    "where that one still runs, put this one into another network before it starts",
    ...(options.get("onboot") === "1"
      ? [`It starts with its node: set_${word}_config with onboot=false ends that`]
      : []),
    ...(word === "container" && unprivileged && options.get("unprivileged") !== "1"
      ? ["It was privileged, and is unprivileged now: what it mounts or does as root may fail"]
      : []),
    ...(empty.length > 0 ? [`Empty, as the backup left them out: ${empty.map(([slot]) => slot).join(", ")}`] : []),
    ...(missing.length > 0 ? [`Not there, as the backup left them out: ${missing.join(", ")}`] : []),
  ];
}

interface Wish {
  readonly archive: string;
  readonly node?: string | undefined;
  readonly storage?: string | undefined;
  readonly unprivileged?: boolean;
}

/** Everything that has to be known before the request: where the backup is, what is in it, and where it can go. */
async function prepare(
  context: ToolContext<RestoreCall>,
  kind: (typeof params.guestKinds)["vm" | "container"],
  wish: Wish,
) {
  const { pve, signal } = context;
  checkKind(wish.archive, kind.kind);
  const { volume, node, shared } = await locate(pve, wish.archive, wish.node, { signal });
  const archive = readArchive(await pve.call(EXTRACT, { node, volume: wish.archive }, { signal }));
  const container = kind.kind === "container";
  const disks = disksToMake(container, archive);
  // PVE puts all of a container onto one storage; a VM's disks go where they were.
  const own = [...disks].filter(([slot]) => !container || slot === "rootfs").map(([, value]) => storageOf(value));
  const storages = wish.storage === undefined ? [...new Set(own)] : [wish.storage];
  const needs = storages.map((storage) => ({ storage, content: container ? "rootdir" as const : "images" as const }));
  const backup = { storage: storageOf(wish.archive), content: "backup" as const };
  const place = await choosePlace(pve, shared ? wish.node : node, [backup, ...needs], {
    signal,
  });
  const name = archive.options.get(container ? "hostname" : "name");
  return {
    place,
    storage: storages[0] ?? "",
    facts: {
      ...(name === undefined ? {} : { name }),
      backup: wish.archive,
      ...(volume.vmid === undefined ? {} : { of: volume.vmid }),
      ...(volume.ctime === undefined ? {} : { made: moment(volume.ctime) }),
    },
    notes: notesOn(kind, archive, disks, volume, wish.unprivileged !== false),
  };
}

/** PVE takes a container's restore back when it fails, and a VM's not. */
function leftBehind(error: unknown): never {
  if (!(error instanceof PveError) || error.details.kind !== "task") throw error;
  const { remedy } = error.details;
  const left =
    "PVE leaves a VM without its disks under that number, which a person may remove; a new call takes another";
  throw new PveError(error.message, {
    ...error.details,
    remedy: remedy === undefined ? left : `${remedy}. ${left}`,
  }, { cause: error });
}

const where = {
  vmid: params.newVmid.optional(),
  node: params.node.optional().describe("Left out: one that has the backup and the storages"),
};
const archive = z.string().max(255).describe("As list_backups names it with vmid");
const pool = z.string().max(100).optional().describe("Resource pool to put it in");

export const restoreVmBackup = defineTool({
  name: "restore_vm_backup",
  title: "Restore a backup of a VM",
  description:
    "Restores a backup of a VM as a new VM with new MAC addresses, and leaves it off. Replaces nothing: the VM that was backed up stays as it is.",
  tier: "provision",
  toolset: "backups",
  input: z.strictObject({
    archive,
    ...where,
    storage: params.storage.optional().describe("For all its disks; left out: where they were"),
    pool,
    ...params.waiting,
  }),
  output: restored,
  calls: [...calls, "POST /nodes/{node}/qemu (restore)"],
  privileges: toRestore,
  async run(input, context) {
    const { vmid, archive, storage, pool } = input;
    const { place, facts, notes } = await prepare(context, params.guestKinds.vm, input);
    const { node } = place;
    const made = await createWithVmid("restore_vm_backup", "vm", input, vmid, place, context, async (free) => ({
      node,
      upid: await context.pve.call(
        "POST /nodes/{node}/qemu (restore)",
        { node, vmid: free, archive, unique: true, storage, pool },
        { signal: context.signal },
      ),
    })).catch(leftBehind);
    return { ...made, ...facts, notes: [...made.notes ?? [], ...notes] };
  },
});

export const restoreContainerBackup = defineTool({
  name: "restore_container_backup",
  title: "Restore a backup of a container",
  description: "Restores a backup of a container as a new container with new MAC addresses, as restore_vm_backup does.",
  tier: "provision",
  toolset: "backups",
  input: z.strictObject({
    archive,
    ...where,
    storage: params.storage.optional().describe("For all its volumes; left out: where its root file system was"),
    unprivileged: z.boolean().default(true).describe(
      "false, for a backup of a privileged one, needs PROXMOX_ALLOW_PRIVILEGED, and Sys.Modify on / in PVE",
    ),
    pool,
    ...params.waiting,
  }),
  output: restored,
  calls: [...calls, "POST /nodes/{node}/lxc (restore)"],
  privileges: toRestore,
  async run(input, context) {
    const { vmid, archive, unprivileged, pool } = input;
    const { place, storage, facts, notes } = await prepare(context, params.guestKinds.container, input);
    const { node } = place;
    const tool = "restore_container_backup";
    const made = await createWithVmid(tool, "container", input, vmid, place, context, async (free) => ({
      node,
      upid: await context.pve.call(
        "POST /nodes/{node}/lxc (restore)",
        { node, vmid: free, ostemplate: archive, restore: true, unique: true, unprivileged, storage, pool },
        { signal: context.signal },
      ),
    }));
    return { ...made, ...facts, notes: [...made.notes ?? [], ...notes] };
  },
});
