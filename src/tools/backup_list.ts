/** A tool that looks at backups: which guest has one, how old it is, who has none. */
import { z } from "zod";
import { Grants } from "../access/grants.ts";
import { PveError } from "../errors.ts";
import type { PveClient, Result, SendOptions } from "../pve/client.ts";
import { type Guest, guestOf } from "../pve/guests.ts";
import { gib } from "../shape/numbers.ts";
import { pageOf } from "../shape/page.ts";
import { moment } from "../shape/times.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";
import { refuseStrangeNode } from "./places.ts";
import { contentOf } from "./storage.ts";

type Volume = Result<"GET /nodes/{node}/storage/{storage}/content">[number];

/** At most so many storages are asked. */
const MOST_STORAGES = 40;
/** Guests without a backup that are named. */
const MOST_NAMED = 100;

const DAY_MS = 86_400_000;

const WHY_HIDDEN = "PVE shows a backup only to tokens with VM.Backup on its guest and Datastore.AllocateSpace on its " +
  "storage. Together they also allow deleting backups, so it is for a person to grant them";

interface Place {
  readonly node: string;
  readonly storage: string;
}

/**
 * The storages that hold backups, a shared one once; those that do not answer apart. A node that is named comes first, and
 * not alone: a guest that has moved to it has left its backups on the storages of the node where it was.
 */
function placesIn(rows: Result<"GET /cluster/resources">, node: string | undefined): { open: Place[]; shut: string[] } {
  const open = new Map<string, Place>();
  const shut = new Set<string>();
  for (const row of rows.toSorted((a, b) => Number(b.node === node) - Number(a.node === node))) {
    if (row.node === undefined || row.storage === undefined || !contentOf(row.content).includes("backup")) continue;
    const key = row.shared === true ? row.storage : `${row.node}/${row.storage}`;
    if (row.status === "available") {
      if (!open.has(key)) open.set(key, { node: row.node, storage: row.storage });
    } else shut.add(key);
  }
  for (const key of open.keys()) shut.delete(key);
  return { open: [...open.values()], shut: [...shut].sort() };
}

type ContentCall = "GET /nodes/{node}/storage/{storage}/content";

/** All backups in these places, newest first. @throws {PveError} where no place answers */
async function backupsIn(
  pve: PveClient<ContentCall>,
  places: readonly Place[],
  vmid: number | undefined,
  options: SendOptions,
): Promise<{ volumes: Volume[]; failed: string[] }> {
  const failures: { place: Place; error: PveError }[] = [];
  const found = await Promise.all(places.map(async (place) => {
    const query = { ...place, content: "backup", ...(vmid === undefined ? {} : { vmid }) };
    try {
      return await pve.call("GET /nodes/{node}/storage/{storage}/content", query, options);
    } catch (error) {
      if (!(error instanceof PveError) || error.details.kind === "cancelled") throw error;
      failures.push({ place, error });
      return [];
    }
  }));
  const [first] = failures;
  if (first !== undefined && failures.length === places.length) throw first.error;
  return {
    volumes: found.flat().sort((a, b) => (b.ctime ?? 0) - (a.ctime ?? 0)),
    failed: failures.map(({ place, error }) => `${place.storage} on ${place.node}: ${error.message}`),
  };
}

/** Whether the token would be shown a backup of the guest in every one of the places. */
function sees(grants: Grants, vmid: number, places: readonly Place[]): boolean {
  return places.every(({ storage }) => {
    const held = grants.at(`/storage/${storage}`);
    if (held.has("Datastore.Allocate")) return true;
    return held.has("Datastore.AllocateSpace") && grants.at(`/vms/${vmid}`).has("VM.Backup");
  });
}

function storageOf({ volid }: Volume): string {
  return volid.split(":")[0] ?? "";
}

const verifiedOf = ({ verification }: Volume): string | undefined => verification?.state;

/** What to say of a guest that was asked for, where it is not there or elsewhere. */
function guestNotes(
  vmid: number | undefined,
  guest: Guest | undefined,
  node: string | undefined,
  found: boolean,
): string[] {
  if (vmid === undefined) return [];
  if (guest !== undefined) {
    return node === undefined || guest.node === node ? [] : [`${vmid} is on ${guest.node}, not on ${node}`];
  }
  return found
    ? [`These are backups of ${vmid}, and no guest of that number is visible to this token`]
    : [`No guest ${vmid} is visible to this token, and no backup of it was found: find_guest shows what there is`];
}

/** One guest's backups in a line. */
function lineOf(vmid: number, guest: Guest | undefined, volumes: readonly Volume[], now: number) {
  const [newest] = volumes;
  const made = newest?.ctime;
  const kept = volumes.filter((volume) => volume.protected === true).length;
  return {
    vmid,
    name: guest?.name,
    newest: made === undefined ? undefined : moment(made),
    age_days: made === undefined ? undefined : Math.max(0, Math.round((now - made * 1000) / DAY_MS * 10) / 10),
    backups: volumes.length,
    ...(kept > 0 ? { protected: kept } : {}),
    storages: [...new Set(volumes.map(storageOf))].sort().join(","),
    verified: newest === undefined ? undefined : verifiedOf(newest),
  };
}

export const listBackups = defineTool({
  name: "list_backups",
  title: "List backups",
  description:
    "Tells for each guest how many backups there are, how old the newest is, and which guests have none; with vmid, that guest's backups one by one.",
  tier: "read",
  toolset: "snapshots",
  input: z.strictObject({
    vmid: params.vmid.optional(),
    node: params.node.optional().describe("Only guests that are there now, wherever their backups are"),
    limit: params.limit,
  }),
  output: z.object({
    guests: z.array(z.object({
      vmid: z.number(),
      name: z.string().optional(),
      newest: z.string().optional(),
      age_days: z.number().optional(),
      backups: z.number(),
      protected: z.number().optional().describe("How many of them PVE's pruning spares"),
      storages: z.string(),
      verified: z.string().optional().describe("Of the newest, where a backup server has verified it"),
    })),
    without: z.array(z.object({ vmid: z.number(), name: z.string().optional() })),
    backups: z.array(z.object({
      volid: z.string(),
      made: z.string().optional(),
      size_gib: z.number().optional(),
      protected: z.boolean().optional(),
      verified: z.string().optional(),
      description: z.string().optional(),
    })).meta({ untold: true }).optional(),
    notes: params.notes,
  }),
  calls: ["GET /cluster/resources", "GET /nodes/{node}/storage/{storage}/content", "GET /access/permissions"],
  privileges: [
    { path: "/vms/{vmid}", any: ["VM.Audit"] },
    { path: "/storage/{storage}", any: ["Datastore.Audit"] },
  ],
  async run({ vmid, node, limit }, { pve, signal, now, server }) {
    const rows = await pve.call("GET /cluster/resources", {}, { signal });
    refuseStrangeNode(node, rows.flatMap((row) => row.type === "node" && row.node !== undefined ? [row.node] : []));
    const { open, shut } = placesIn(rows, node);
    const places = open.slice(0, MOST_STORAGES);
    const guests = new Map(rows.flatMap((row) => guestOf(row) ?? []).map((guest) => [guest.vmid, guest]));
    const [{ volumes, failed }, permissions] = await Promise.all([
      backupsIn(pve, places, vmid, { signal }),
      pve.call("GET /access/permissions", {}, { signal }),
    ]);
    const grants = new Grants(permissions);
    const byGuest = Map.groupBy(volumes.filter((volume) => volume.vmid !== undefined), (volume) => volume.vmid ?? 0);
    const meant = (id: number) =>
      vmid === undefined ? node === undefined || guests.get(id)?.node === node : id === vmid;
    const lines = [...byGuest].filter(([id]) => meant(id)).map(([id, own]) => lineOf(id, guests.get(id), own, now()))
      .sort((a, b) => (b.age_days ?? Infinity) - (a.age_days ?? Infinity) || a.vmid - b.vmid);
    const bare = [...guests.values()].filter((guest) =>
      !byGuest.has(guest.vmid) && (!guest.template || vmid !== undefined) && meant(guest.vmid)
    ).sort((a, b) => a.vmid - b.vmid);
    // Where not all can be seen, nobody knows who has none.
    const complete = failed.length === 0 && shut.length === 0 && places.length === open.length && places.length > 0;
    const without = complete ? bare.filter((guest) => sees(grants, guest.vmid, places)) : [];
    const hidden = complete ? bare.length - without.length : 0;
    const gone = vmid !== undefined ? 0 : [...byGuest.keys()].filter((id) => !guests.has(id)).length;
    const own = vmid === undefined ? [] : pageOf(volumes, limit);
    const shown = pageOf(lines, limit);
    const notes = [
      ...(open.length === 0 && shut.length === 0 ? ["No storage that this token may see holds backups"] : []),
      ...(guests.size === 0 ? ["No guest is visible to this token: it may lack VM.Audit on /vms"] : []),
      ...(guests.size > 0
        ? guestNotes(vmid, vmid === undefined ? undefined : guests.get(vmid), node, byGuest.size > 0)
        : []),
      ...(hidden > 0
        ? [`Whether ${hidden === 1 ? "1 guest has" : `${hidden} guests have`} backups is not known: ${WHY_HIDDEN}`]
        : []),
      ...(!complete && open.length > 0 ? ["Not all storages answered: guests without a backup are not named"] : []),
      ...(shut.length > 0 ? [`Not available, and not looked at: ${shut.join(", ")}`] : []),
      ...failed.map((one) => `No answer from ${one}`),
      ...(open.length > places.length
        ? [`${open.length - places.length} more storages were not asked: with node, those of that node are asked first`]
        : []),
      ...(gone > 0
        ? [
          `${gone} ${node === undefined ? "of these numbers" : "more"} ${
            gone === 1 ? "has" : "have"
          } backups and no guest that this token sees`,
        ]
        : []),
      ...(lines.length > shown.length ? [`${lines.length - shown.length} more guests have backups: raise limit`] : []),
      ...(without.length > MOST_NAMED ? [`${without.length - MOST_NAMED} more guests have none`] : []),
      ...(own.length > 0 && server.tools.some(({ name }) => name === "restore_vm_backup")
        ? ["restore_vm_backup or restore_container_backup makes a new guest of one of these (archive)"]
        : []),
      ...(vmid !== undefined && volumes.length > own.length ? [`${volumes.length - own.length} older ones`] : []),
    ];
    return {
      guests: shown,
      without: without.slice(0, MOST_NAMED).map(({ vmid, name }) => ({ vmid, name })),
      ...(vmid === undefined ? {} : {
        backups: own.map((volume) => ({
          volid: volume.volid,
          made: volume.ctime === undefined ? undefined : moment(volume.ctime),
          size_gib: gib(volume.size),
          protected: volume.protected === true ? true : undefined,
          verified: verifiedOf(volume),
          description: volume.notes,
        })),
      }),
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});
