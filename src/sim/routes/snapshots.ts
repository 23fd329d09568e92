/** Snapshots: taking, deleting, and rolling back, which throws away everything since. */
import { checkLock, digestOf, memoryOf } from "../config.ts";
import { allocate, free, isCdrom, isSlot, keepUnused, parseSlot, volidOf } from "../disks.ts";
import { die } from "../failure.ts";
import {
  findVolume,
  type Guest,
  guestOn,
  type Kind,
  type Snapshot,
  type State,
  storageOn,
  type Volume,
} from "../state.ts";
import { nextUuid } from "../build.ts";
import { type Context, type Route, start, word } from "./context.ts";
import { startNow, stopNow } from "./power.ts";

/** The volumes that a snapshot is taken of. */
function volumes(state: State, guest: Guest): Volume[] {
  return [...guest.config].flatMap(([option, value]) => {
    if (!isSlot(guest.kind, option)) return [];
    const drive = parseSlot(guest.kind, option, String(value));
    const volume = isCdrom(drive) ? undefined : findVolume(state, guest.node, volidOf(drive));
    return volume === undefined ? [] : [volume];
  });
}

/** Thin pools and RBD always can, files only as qcow2 (captured 333). */
function canSnapshot(state: State, guest: Guest): boolean {
  return volumes(state, guest).every((volume) => {
    const type = state.storages.get(volume.storage)?.type;
    return type === "lvmthin" || type === "rbd" || volume.format === "qcow2";
  });
}

function list({ state }: Context, kind: Kind, node: string, vmid: number): unknown[] {
  const guest = guestOn(state, node, kind, vmid);
  const rows: unknown[] = [...guest.snapshots.values()].map((snapshot) => ({
    name: snapshot.name,
    snaptime: snapshot.time,
    description: snapshot.description,
    ...(snapshot.parent === undefined ? {} : { parent: snapshot.parent }),
    ...(kind === "qemu" ? { vmstate: snapshot.vmstate === undefined ? 0 : 1 } : {}),
  }));
  rows.push({
    name: "current",
    description: "You are here!",
    running: guest.run === undefined ? 0 : 1,
    digest: digestOf(guest),
    ...(guest.parent === undefined ? {} : { parent: guest.parent }),
  });
  return rows;
}

export const qemuList: Route<"GET /nodes/{node}/qemu/{vmid}/snapshot"> = (context, { node, vmid }) =>
  list(context, "qemu", node, vmid);
export const lxcList: Route<"GET /nodes/{node}/lxc/{vmid}/snapshot"> = (context, { node, vmid }) =>
  list(context, "lxc", node, vmid);

interface Where {
  readonly node: string;
  readonly vmid: number;
  readonly snapname: string | number;
}

function take(
  context: Context,
  kind: Kind,
  { node, vmid, snapname }: Where,
  description: string,
  memory: boolean,
): string {
  const { state, engine } = context;
  const name = String(snapname);
  if (name === "current" || name === "pending") die(`unable to use snapshot name '${name}' (reserved name)`);
  const prepare = () => {
    const guest = guestOn(state, node, kind, vmid);
    checkLock(guest);
    if (guest.snapshots.has(name)) die(`snapshot name '${name}' already used`);
    if (!canSnapshot(state, guest)) die("snapshot feature is not available");
    return guest;
  };
  return start(context, {
    node,
    type: kind === "qemu" ? "qmsnapshot" : "vzsnapshot",
    id: String(vmid),
    seconds: memory ? 6 : 2,
    begin: () => void prepare(),
    finish: (log) => {
      const guest = prepare();
      let vmstate: string | undefined;
      const first = volumes(state, guest)[0];
      if (memory && guest.run !== undefined && first !== undefined) {
        const storage = storageOn(state, node, first.storage);
        const volume = allocate(state, {
          storage,
          node,
          vmid,
          content: "images",
          size: memoryOf(guest.config) * 2,
          now: engine.now(),
          role: `state-${name}`,
        });
        vmstate = `${volume.storage}:${volume.name}`;
      }
      for (const volume of volumes(state, guest)) {
        volume.snapshots.set(name, volume.mark);
        log(`snapshotting '${volume.storage}:${volume.name}'`);
      }
      const { parent } = guest;
      const time = Math.floor(engine.now() / 1000);
      guest.snapshots.set(name, { name, description, time, parent, config: new Map(guest.config), vmstate });
      guest.parent = name;
    },
  });
}

export const qemuTake: Route<"POST /nodes/{node}/qemu/{vmid}/snapshot"> = (context, params) =>
  take(context, "qemu", params, word(params.description) ?? "", params.vmstate ?? false);
export const lxcTake: Route<"POST /nodes/{node}/lxc/{vmid}/snapshot"> = (context, params) =>
  take(context, "lxc", params, word(params.description) ?? "", false);

/** @throws {Failure} in the task, not in the request (captured 234, 240) */
function existing(guest: Guest, name: string): Snapshot {
  const snapshot = guest.snapshots.get(name);
  if (snapshot === undefined) die(`snapshot '${name}' does not exist`);
  return snapshot;
}

/** Takes a snapshot away, with the bytes that it kept. */
export function dropSnapshot(state: State, guest: Guest, name: string): void {
  const snapshot = existing(guest, name);
  for (const volume of volumes(state, guest)) volume.snapshots.delete(name);
  if (snapshot.vmstate !== undefined) free(state, guest.node, snapshot.vmstate);
  guest.snapshots.delete(name);
  for (const other of guest.snapshots.values()) if (other.parent === name) other.parent = snapshot.parent;
  if (guest.parent === name) guest.parent = snapshot.parent;
}

function remove(context: Context, kind: Kind, { node, vmid, snapname }: Where): string {
  const { state } = context;
  const name = String(snapname);
  return start(context, {
    node,
    type: kind === "qemu" ? "qmdelsnapshot" : "vzdelsnapshot",
    id: String(vmid),
    seconds: 2,
    finish: () => {
      const guest = guestOn(state, node, kind, vmid);
      const snapshot = existing(guest, name);
      checkLock(guest);
      dropSnapshot(state, guest, snapshot.name);
    },
  });
}

export const qemuDelete: Route<"DELETE /nodes/{node}/qemu/{vmid}/snapshot/{snapname}"> = (context, params) =>
  remove(context, "qemu", params);
export const lxcDelete: Route<"DELETE /nodes/{node}/lxc/{vmid}/snapshot/{snapname}"> = (context, params) =>
  remove(context, "lxc", params);

function rollback(context: Context, kind: Kind, { node, vmid, snapname }: Where, again: boolean): string {
  const { state, engine } = context;
  const name = String(snapname);
  return start(context, {
    node,
    type: kind === "qemu" ? "qmrollback" : "vzrollback",
    id: String(vmid),
    seconds: 3,
    finish: () => {
      const guest = guestOn(state, node, kind, vmid);
      const snapshot = existing(guest, name);
      checkLock(guest);
      if (guest.run !== undefined) stopNow(state, guest);
      const before = new Map(guest.config);
      guest.config.clear();
      for (const [option, value] of snapshot.config) guest.config.set(option, value);
      // Volumes that came later are kept as unusedN.
      for (const [option, value] of before) {
        if (isSlot(kind, option) && !snapshot.config.has(option)) keepUnused(state, guest, option, String(value));
      }
      if (kind === "qemu") guest.config.set("vmgenid", nextUuid(state)); // captured 252
      guest.parent = name;
      for (const volume of volumes(state, guest)) volume.mark = volume.snapshots.get(name) ?? volume.mark;
      if (again || snapshot.vmstate !== undefined) startNow(state, guest, engine.now());
    },
  });
}

export const qemuRollback: Route<"POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback"> = (context, params) =>
  rollback(context, "qemu", params, params.start ?? false);
export const lxcRollback: Route<"POST /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/rollback"> = (context, params) =>
  rollback(context, "lxc", params, params.start ?? false);
