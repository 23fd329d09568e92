/** What has happened in the demo's cluster before it is seen: backups, snapshots, tasks, a VM that was hibernated. */
import { addVolume, stamp } from "./build.ts";
import { allocate, archiveOf, GIB } from "./disks.ts";
import type { Guest, State, Storage } from "./state.ts";

const MIB = 1024 * 1024;
const DAY = 86_400_000;

/** A backup of a guest as it is now, dated back. */
export function seedBackup(
  state: State,
  storage: Storage,
  guest: Guest,
  at: number,
  notes: string,
  kept = false,
): void {
  const when = stamp(at);
  const format = guest.kind === "qemu" ? "vma.zst" : "tar.zst";
  addVolume(state, storage, guest.node, {
    name: `backup/vzdump-${guest.kind}-${guest.vmid}-${when}.${format}`,
    content: "backup",
    format,
    size: 700 * MIB + guest.vmid * MIB,
    ctime: Math.floor(at / 1000),
    vmid: guest.vmid,
    notes,
    protected: kept,
    backup: archiveOf(state, guest),
  });
}

/** Its memory lies on a storage until the next start uses it up. */
export function hibernate(state: State, guest: Guest, storage: Storage, now: number): void {
  const role = "state-suspend-2026-11-01";
  const volume = allocate(state, {
    storage,
    node: guest.node,
    vmid: guest.vmid,
    content: "images",
    size: 5 * GIB,
    now,
    role,
  });
  guest.config.set("lock", "suspended");
  guest.config.set("vmstate", `${volume.storage}:${volume.name}`);
}

/** What a snapshot keeps differs from what is there now, so that a rollback loses something. */
export function snapshotInPast(state: State, guest: Guest, name: string, at: number): void {
  guest.snapshots.set(name, {
    name,
    description: "",
    time: Math.floor(at / 1000),
    parent: undefined,
    config: new Map(guest.config),
    vmstate: undefined,
  });
  guest.parent = name;
  for (const storage of state.storages.values()) {
    for (const volumes of storage.volumes.values()) {
      for (const volume of volumes.values()) {
        if (volume.vmid !== guest.vmid || (volume.content !== "images" && volume.content !== "rootdir")) continue;
        volume.snapshots.set(name, volume.mark);
        volume.mark += "-since-written";
      }
    }
  }
}

export function seedTasks(state: State, now: number): void {
  const past = (node: string, type: string, id: string, ago: number, status: string, log: readonly string[]) => {
    const start = Math.floor((now - ago) / 1000);
    const pid = state.counters.pid += 11;
    const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, "0");
    const upid = `UPID:${node}:${hex(pid)}:${hex(pid * 31)}:${hex(start)}:${type}:${id}:root@pam:`;
    state.tasks.set(upid, {
      upid,
      node,
      pid,
      pstart: pid * 31,
      start,
      type,
      id,
      user: "root@pam",
      token: undefined,
      log: [...log],
      ends: start * 1000 + 9000,
      lines: [],
      status,
    });
  };
  past("pve2", "vzdump", "104", DAY, "job errors", [
    "INFO: starting new backup job: vzdump 104 --mode snapshot --storage nas",
    "INFO: Starting Backup of VM 104 (qemu)",
    "ERROR: Backup of VM 104 failed - got timeout",
    "INFO: Backup job finished with errors",
    "TASK ERROR: job errors",
  ]);
  past("pve1", "vzdump", "100", DAY - 600_000, "OK", [
    "INFO: starting new backup job: vzdump 100 --mode snapshot --storage local",
    "INFO: Backup job finished successfully",
    "TASK OK",
  ]);
  past("pve3", "qmstart", "107", 20 * 3_600_000, "OK", ["TASK OK"]);
  past("pve2", "vzstart", "203", 5 * 3_600_000, "startup for container '203' failed", [
    "TASK ERROR: startup for container '203' failed",
  ]);
}
