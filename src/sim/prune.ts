/** Which backups a retention keeps, as PVE decides it, and the removal of the others. */
import type { Kind, Storage, Volume } from "./state.ts";
import { volumesOf } from "./state.ts";

export type Mark = "keep" | "remove" | "protected";
export type Keep = ReadonlyMap<string, number>;

/** "keep-last=3,keep-daily=7" → counts. */
export function parseKeep(text: string): Keep {
  const keep = new Map<string, number>();
  for (const part of text.split(",")) {
    const [key = "", count = ""] = part.split("=");
    if (key.startsWith("keep-")) keep.set(key, Number(count));
  }
  return keep;
}

function weekOf(date: Date): string {
  const day = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()));
  day.setUTCDate(day.getUTCDate() + 4 - (day.getUTCDay() || 7));
  const start = Date.UTC(day.getUTCFullYear(), 0, 1);
  return `${day.getUTCFullYear()}-${Math.ceil(((day.getTime() - start) / 86_400_000 + 1) / 7)}`;
}

const PERIODS: readonly (readonly [string, (date: Date) => string])[] = [
  ["keep-last", (date) => date.toISOString()],
  ["keep-hourly", (date) => date.toISOString().slice(0, 13)],
  ["keep-daily", (date) => date.toISOString().slice(0, 10)],
  ["keep-weekly", weekOf],
  ["keep-monthly", (date) => date.toISOString().slice(0, 7)],
  ["keep-yearly", (date) => date.toISOString().slice(0, 4)],
];

/** How many backups a retention keeps at most; undefined: any number. */
export function limitOf(keep: Keep | undefined): number | undefined {
  if (keep === undefined || (keep.get("keep-all") ?? 0) !== 0) return undefined;
  let total = 0;
  for (const [period] of PERIODS) total += keep.get(period) ?? 0;
  return total === 0 ? undefined : total;
}

/** Marks the backups of one guest, newest first. */
export function markBackups(backups: readonly Volume[], keep: Keep | undefined): Map<Volume, Mark> {
  const marks = new Map<Volume, Mark>();
  const sorted = [...backups].sort((a, b) => b.ctime - a.ctime);
  for (const volume of sorted) if (volume.protected) marks.set(volume, "protected");
  const all = limitOf(keep) === undefined;
  for (const [period, idOf] of PERIODS) {
    const count = all ? 0 : keep?.get(period) ?? 0;
    if (count === 0) continue;
    const id = (volume: Volume) => idOf(new Date(volume.ctime * 1000));
    const included = new Set(sorted.filter((volume) => marks.get(volume) === "keep").map(id));
    const fresh = new Set<string>();
    for (const volume of sorted) {
      if (marks.has(volume) || included.has(id(volume))) continue;
      if (fresh.has(id(volume))) {
        marks.set(volume, "remove");
        continue;
      }
      if (fresh.size >= count) break;
      fresh.add(id(volume));
      marks.set(volume, "keep");
    }
  }
  for (const volume of sorted) if (!marks.has(volume)) marks.set(volume, all ? "keep" : "remove");
  return marks;
}

/** The backups of a storage, of one guest or all, in groups by guest. */
export function backupGroups(storage: Storage, node: string, vmid?: number, kind?: Kind): Map<string, Volume[]> {
  const groups = new Map<string, Volume[]>();
  for (const volume of volumesOf(storage, node).values()) {
    if (volume.content !== "backup" || (vmid !== undefined && volume.vmid !== vmid)) continue;
    if (kind !== undefined && volume.backup?.kind !== kind) continue;
    const key = `${volume.backup?.kind ?? "unknown"}/${volume.vmid}`;
    groups.set(key, [...groups.get(key) ?? [], volume]);
  }
  return groups;
}

/** Removes what a retention does not keep, and tells which. */
export function prune(storage: Storage, node: string, keep: Keep | undefined, vmid?: number, kind?: Kind): Volume[] {
  const removed: Volume[] = [];
  for (const group of backupGroups(storage, node, vmid, kind).values()) {
    for (const [volume, mark] of markBackups(group, keep)) {
      if (mark !== "remove") continue;
      volumesOf(storage, node).delete(volume.name);
      removed.push(volume);
    }
  }
  return removed;
}
