/** Tools that look at backups: which guest has one, how old it is, who has none, and the jobs that make them. */
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

/** The storages that hold backups, a shared one once; those that do not answer apart. */
function placesIn(rows: Result<"GET /cluster/resources">, node: string | undefined): { open: Place[]; shut: string[] } {
  const open = new Map<string, Place>();
  const shut = new Set<string>();
  for (const row of rows) {
    if (row.node === undefined || row.storage === undefined || !contentOf(row.content).includes("backup")) continue;
    if (node !== undefined && row.node !== node) continue;
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
  input: z.strictObject({ vmid: params.vmid.optional(), node: params.node.optional(), limit: params.limit }),
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
    const { open, shut } = placesIn(rows, node);
    const places = open.slice(0, MOST_STORAGES);
    const guests = new Map(rows.flatMap((row) => guestOf(row) ?? []).map((guest) => [guest.vmid, guest]));
    const [{ volumes, failed }, permissions] = await Promise.all([
      backupsIn(pve, places, vmid, { signal }),
      pve.call("GET /access/permissions", {}, { signal }),
    ]);
    const grants = new Grants(permissions);
    const byGuest = Map.groupBy(volumes.filter((volume) => volume.vmid !== undefined), (volume) => volume.vmid ?? 0);
    const lines = [...byGuest].map(([id, own]) => lineOf(id, guests.get(id), own, now()))
      .filter((line) => node === undefined || (guests.get(line.vmid)?.node ?? node) === node)
      .sort((a, b) => (b.age_days ?? Infinity) - (a.age_days ?? Infinity) || a.vmid - b.vmid);
    const bare = [...guests.values()].filter((guest) =>
      !byGuest.has(guest.vmid) && !guest.template && (node === undefined || guest.node === node) &&
      (vmid === undefined || guest.vmid === vmid)
    ).sort((a, b) => a.vmid - b.vmid);
    // Where not all can be seen, nobody knows who has none.
    const complete = failed.length === 0 && shut.length === 0 && places.length === open.length && places.length > 0;
    const without = complete ? bare.filter((guest) => sees(grants, guest.vmid, places)) : [];
    const hidden = complete ? bare.length - without.length : 0;
    const gone = lines.filter((line) => !guests.has(line.vmid)).length;
    const own = vmid === undefined ? [] : pageOf(volumes, limit);
    const shown = pageOf(lines, limit);
    const notes = [
      ...(open.length === 0
        ? [`No storage${node === undefined ? "" : ` of ${node}`} that this token may see holds backups`]
        : []),
      ...(guests.size === 0 ? ["No guest is visible to this token: it may lack VM.Audit on /vms"] : []),
      ...(hidden > 0 ? [`Whether ${hidden} guests have backups is not known: ${WHY_HIDDEN}`] : []),
      ...(!complete && open.length > 0 ? ["Not all storages answered: guests without a backup are not named"] : []),
      ...(shut.length > 0 ? [`Not available, and not looked at: ${shut.join(", ")}`] : []),
      ...failed.map((one) => `No answer from ${one}`),
      ...(open.length > places.length
        ? [`${open.length - places.length} more storages were not asked: give node`]
        : []),
      ...(gone > 0 ? [`${gone} of these numbers have backups and no guest that this token sees`] : []),
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

type Job = Result<"GET /cluster/backup">[number];

/** Which guests a job takes along. */
function guestsOf({ all, pool, vmid, exclude }: Job): string {
  const but = exclude === undefined || exclude === "" ? "" : ` but ${exclude}`;
  if (pool !== undefined) return `pool ${pool}${but}`;
  return all === true ? `all${but}` : vmid ?? "";
}

export const listBackupJobs = defineTool({
  name: "list_backup_jobs",
  title: "List backup jobs",
  description: "Lists PVE's scheduled backup jobs, and the guests that no enabled job takes along.",
  tier: "read",
  toolset: "backups",
  input: z.strictObject({}),
  output: z.object({
    jobs: z.array(z.object({
      job: z.string(),
      enabled: z.boolean(),
      schedule: z.string().optional(),
      next_run: z.string().optional(),
      guests: z.string(),
      node: z.string().optional(),
      storage: z.string().optional(),
      mode: z.string().optional(),
      keeps: z.string().optional().describe("The job's own retention; without it the storage's"),
      comment: z.string().optional(),
    })),
    in_no_job: z.array(z.object({ vmid: z.number(), name: z.string().optional() })),
    notes: params.notes,
  }),
  calls: ["GET /cluster/backup", "GET /cluster/backup-info/not-backed-up"],
  privileges: [
    { path: "/", any: ["Sys.Audit"] },
    { path: "/vms/{vmid}", any: ["VM.Audit"], when: "to name the guests in no job" },
  ],
  async run(_input, { pve, signal }) {
    const [rows, bare] = await Promise.all([
      pve.call("GET /cluster/backup", {}, { signal }),
      pve.call("GET /cluster/backup-info/not-backed-up", {}, { signal }),
    ]);
    const jobs = pageOf(rows, 200).map((job) => ({
      job: job.id ?? "",
      enabled: job.enabled !== false,
      schedule: job.schedule,
      next_run: job["next-run"] === undefined ? undefined : moment(job["next-run"]),
      guests: guestsOf(job),
      node: job.node,
      storage: job.storage,
      mode: job.mode,
      keeps: Object.entries(job["prune-backups"] ?? {}).map(([key, count]) => `${key}=${String(count)}`).join(",") ||
        undefined,
      comment: job.comment,
    }));
    const missing = [...bare].sort((a, b) => a.vmid - b.vmid);
    const notes = [
      ...(rows.length === 0 ? ["There are no backup jobs: nothing is backed up by itself"] : []),
      ...(rows.length > jobs.length ? [`${rows.length - jobs.length} more jobs are left out`] : []),
      ...(missing.length > MOST_NAMED ? [`${missing.length - MOST_NAMED} more guests are in no job`] : []),
    ];
    return {
      jobs,
      in_no_job: missing.slice(0, MOST_NAMED).map(({ vmid, name }) => ({ vmid, name })),
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});
