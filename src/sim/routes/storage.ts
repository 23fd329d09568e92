/** Storages: lists, contents, retention, and what removes a volume for good. */
import { checkVolumeAccess } from "../drives.ts";
import { die, Failure, invalid } from "../failure.ts";
import { splitList } from "../property.ts";
import { backupGroups, markBackups, parseKeep, prune } from "../prune.ts";
import { usedOn } from "../rows.ts";
import { findVolume, storageOn, type Volume, volumeId, volumesOf } from "../state.ts";
import { type Context, type Route, start, word } from "./context.ts";

const SEE = ["Datastore.Audit", "Datastore.AllocateSpace"];

export const list: Route<"GET /nodes/{node}/storage"> = ({ state, rights }, { node, content, storage: only }) => {
  const wanted = content === undefined ? undefined : splitList(String(content));
  return [...state.storages.values()].flatMap((storage) => {
    if (storage.nodes !== undefined && !storage.nodes.includes(node)) return [];
    if (only !== undefined && storage.id !== String(only)) return [];
    if (wanted !== undefined && ![...storage.content].some((one) => wanted.includes(one))) return [];
    if (!rights.can(`/storage/${storage.id}`, SEE, true)) return [];
    const used = usedOn(storage, node);
    return [{
      storage: storage.id,
      type: storage.type,
      content: [...storage.content].join(","),
      enabled: 1,
      active: 1,
      shared: storage.shared ? 1 : 0,
      total: storage.total,
      used,
      avail: storage.total - used,
      used_fraction: used / storage.total,
    }];
  });
};

/** A volume as the content list shows it; backups have no `used`, files no `parent` (captured 035, 369). */
function row(context: Context, volume: Volume): Record<string, unknown> {
  const common = {
    volid: volumeId(volume),
    content: volume.content,
    format: volume.format,
    size: volume.size,
    ctime: volume.ctime,
  };
  if (volume.content === "backup") {
    return {
      ...common,
      ...(volume.vmid === undefined ? {} : { vmid: volume.vmid }),
      ...(volume.backup === undefined ? {} : { subtype: volume.backup.kind }),
      ...(volume.notes === undefined ? {} : { notes: volume.notes }),
      ...(volume.protected ? { protected: 1 } : {}),
    };
  }
  if (volume.content !== "images" && volume.content !== "rootdir") return common;
  const type = context.state.storages.get(volume.storage)?.type;
  const files = type === "dir" || type === "nfs";
  return {
    ...common,
    vmid: volume.vmid,
    ...(files
      ? { used: volume.used, parent: volume.parent ?? null }
      : volume.parent === undefined
      ? {}
      : { parent: volume.parent }),
  };
}

export const content: Route<"GET /nodes/{node}/storage/{storage}/content"> = (context, params) => {
  const storage = storageOn(context.state, params.node, params.storage);
  const rows: unknown[] = [];
  for (const volume of volumesOf(storage, params.node).values()) {
    if (params.content !== undefined && volume.content !== String(params.content)) continue;
    if (params.vmid !== undefined && volume.vmid !== params.vmid) continue;
    try {
      checkVolumeAccess(context, volume, undefined);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      continue;
    }
    rows.push(row(context, volume));
  }
  return rows;
};

function volumeAt(context: Context, node: string, storage: string, name: string): Volume {
  storageOn(context.state, node, storage);
  const volid = name.includes(":") ? name : `${storage}:${name}`;
  if (!volid.startsWith(`${storage}:`)) invalid({ storage: "storage parameter is inconsistent with volume ID" });
  const volume = findVolume(context.state, node, volid);
  if (volume === undefined) die(`volume '${volid}' does not exist`);
  return volume;
}

export const update: Route<"PUT /nodes/{node}/storage/{storage}/content/{volume}"> = (context, params) => {
  const volume = volumeAt(context, params.node, params.storage, params.volume);
  checkVolumeAccess(context, volume, undefined);
  if (params.notes !== undefined) volume.notes = String(params.notes);
  if (params.protected !== undefined) volume.protected = params.protected;
  return null;
};

export const remove: Route<"DELETE /nodes/{node}/storage/{storage}/content/{volume}"> = (context, params) => {
  const { state } = context;
  const { node } = params;
  storageOn(state, node, params.storage);
  const volid = params.volume.includes(":") ? params.volume : `${params.storage}:${params.volume}`;
  const found = findVolume(state, node, volid);
  if (found !== undefined) checkVolumeAccess(context, found, undefined);
  const owner = found?.vmid;
  return start(context, {
    node,
    type: "imgdel",
    id: owner === undefined ? params.storage : `${owner}@${params.storage}`,
    seconds: 1,
    finish: (log) => {
      const volume = volumeAt(context, node, params.storage, params.volume);
      if (volume.protected) die(`cannot remove protected volume '${volume.name}' on '${params.storage}'`); // captured 374
      const storage = storageOn(state, node, params.storage);
      for (const other of volumesOf(storage, node).values()) {
        if (other.parent === volume.name) die(`base volume '${volid}' is still in use by linked cloned`);
      }
      volumesOf(storage, node).delete(volume.name);
      log(`Removed volume '${volid}'`);
    },
  });
};

export const pruneList: Route<"GET /nodes/{node}/storage/{storage}/prunebackups"> = ({ state }, params) => {
  const storage = storageOn(state, params.node, params.storage);
  const given = word(params["prune-backups"]);
  const keep = given === undefined ? storage.prune : parseKeep(given);
  const rows: unknown[] = [];
  for (const group of backupGroups(storage, params.node, params.vmid, params.type).values()) {
    for (const [volume, mark] of markBackups(group, keep)) {
      rows.push({
        volid: volumeId(volume),
        ctime: volume.ctime,
        type: volume.backup?.kind ?? "unknown",
        vmid: volume.vmid,
        mark,
      });
    }
  }
  return rows;
};

export const pruneNow: Route<"DELETE /nodes/{node}/storage/{storage}/prunebackups"> = (context, params) => {
  const storage = storageOn(context.state, params.node, params.storage);
  const path = `/storage/${storage.id}`;
  if (!context.rights.can(path, ["Datastore.Allocate"])) {
    context.rights.check(path, ["Datastore.AllocateSpace"]);
    context.rights.check(`/vms/${params.vmid ?? ""}`, ["VM.Backup"]);
  }
  const given = word(params["prune-backups"]);
  const keep = given === undefined ? storage.prune : parseKeep(given);
  return start(context, {
    node: params.node,
    type: "prunebackups",
    id: params.vmid === undefined ? storage.id : `${params.vmid}@${storage.id}`,
    seconds: 1,
    finish: (log) => {
      for (const volume of prune(storage, params.node, keep, params.vmid, params.type)) {
        log(`Removed volume '${volumeId(volume)}'`);
      }
    },
  });
};
