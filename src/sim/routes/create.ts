/** Making guests: from scratch, from a template, from an archive. */
import { rename } from "../build.ts";
import { checkLock } from "../config.ts";
import {
  allocate,
  destroyGuest,
  formatSize,
  free,
  isSlot,
  keepUnused,
  owns,
  parseSlot,
  printSlot,
  volidOf,
} from "../disks.ts";
import { checkSlot, checkVolumeAccess, realizeSlot } from "../drives.ts";
import type { Log } from "../engine.ts";
import { die, Failure, forbidden } from "../failure.ts";
import { checkBridge, checkOption, defaultBoot, normalizeOption, stampIdentity } from "../options.ts";
import { splitList } from "../property.ts";
import { findVolume, type Guest, guestOn, type Kind, type State, storageOn, text, type Volume } from "../state.ts";
import { type Context, given, type Route, start, word } from "./context.ts";
import { startNow } from "./power.ts";

const NO_OPTIONS = new Set([
  ..."node vmid pool start archive storage force unique bwlimit live-restore ostemplate restore password".split(" "),
  ..."ssh-public-keys ignore-unpack-errors import-working-storage ha-managed".split(" "),
]);

export interface Order {
  readonly kind: Kind;
  readonly node: string;
  readonly vmid: number;
  readonly pool: string | undefined;
  readonly storage: string | undefined;
  readonly start: boolean;
  readonly force: boolean;
  readonly options: ReadonlyMap<string, unknown>;
  /** The archive or the container template. */
  readonly source: string | undefined;
  readonly restore: boolean;
}

/** An empty guest that holds its number while a task fills it. */
export function placeholder(state: State, kind: Kind, node: string, vmid: number, lock: string): Guest {
  const guest: Guest = {
    vmid,
    kind,
    node,
    config: new Map([["lock", lock]]),
    pending: new Map(),
    pendingDelete: new Map(),
    snapshots: new Map(),
    parent: undefined,
    run: undefined,
    cooperates: true,
    managed: false,
  };
  state.guests.set(vmid, guest);
  return guest;
}

export function addToPool(state: State, pool: string | undefined, vmid: number): void {
  if (pool !== undefined) state.pools.get(pool)?.guests.add(vmid);
}

/** "VM 110 already exists on node 'pve1'" */
export function taken(guest: Guest): string {
  return `${guest.kind === "qemu" ? "VM" : "CT"} ${guest.vmid} already exists on node '${guest.node}'`;
}

/** Privileges, storages, names: everything that PVE refuses before a task starts. */
function checkOrder(context: Context, order: Order): void {
  const { rights, state } = context;
  const { kind, node, vmid, pool } = order;
  const mayAllocate = rights.can(`/vms/${vmid}`, ["VM.Allocate"]) ||
    (pool !== undefined && rights.can(`/pool/${pool}`, ["VM.Allocate"]));
  const overwrites = order.restore && order.force && rights.can(`/vms/${vmid}`, ["VM.Backup"]) &&
    state.guests.has(vmid);
  if (!mayAllocate && !overwrites) forbidden();
  if (pool !== undefined && !state.pools.has(pool)) die(`pool '${pool}' does not exist`);
  for (const [option, value] of order.options) checkOption(context, kind, vmid, pool, option, String(value));
  for (const [option, value] of order.options) {
    if (isSlot(kind, option)) checkSlot(context, { kind, node, vmid }, option, String(value));
    else if (/^net\d+$/.test(option)) checkBridge(context, kind, option, String(value));
  }
  if (order.storage !== undefined) {
    storageOn(state, node, order.storage);
    rights.check(`/storage/${order.storage}`, ["Datastore.AllocateSpace"]);
  }
  const source = order.source === undefined ? undefined : findVolume(state, node, order.source);
  if (order.source !== undefined) storageOn(state, node, order.source.split(":")[0] ?? "");
  if (source !== undefined) checkVolumeAccess(context, source, vmid);
  const present = state.guests.get(vmid);
  if (present === undefined) return;
  const verb = order.restore ? "restore" : "create";
  const prefix = kind === "qemu" ? `unable to ${verb} VM ${vmid} - ` : "";
  if (!order.restore || !order.force || present.kind !== kind || present.node !== node) die(prefix + taken(present));
  if (present.run !== undefined) die(`unable to restore ${kind === "qemu" ? "VM" : "CT"} ${vmid} - guest is running`);
  if (present.config.get("protection") === 1) {
    die(`unable to restore ${kind === "qemu" ? "VM" : "CT"} ${vmid} - protection mode enabled`);
  }
  checkLock(present);
}

/** Fills in options and volumes; what was allocated goes again when something fails. */
function fill(context: Context, order: Order, guest: Guest, log: Log): void {
  const { state, engine } = context;
  const made: string[] = [];
  const now = engine.now();
  try {
    for (const [option, value] of [...order.options].sort(([a], [b]) => a < b ? -1 : 1)) {
      if (!isSlot(guest.kind, option)) {
        guest.config.set(option, normalizeOption(state, guest.kind, option, value));
        continue;
      }
      const where = { kind: guest.kind, node: guest.node, vmid: guest.vmid, now };
      const printed = realizeSlot(state, where, option, String(value), log);
      const volid = volidOf(parseSlot(guest.kind, option, printed));
      if (volid !== String(value).split(",")[0] && owns(state, guest, volid)) made.push(volid);
      guest.config.set(option, printed);
    }
    if (order.source !== undefined && !order.restore) unpack(state, guest, order.source, log);
  } catch (error) {
    for (const volid of made) free(state, guest.node, volid);
    state.guests.delete(guest.vmid);
    if (!(error instanceof Failure)) throw error;
    die(`unable to create ${guest.kind === "qemu" ? "VM" : "CT"} ${guest.vmid} - ${error.reason}`);
  }
}

/** Puts a container template's files onto the root volume. */
function unpack(state: State, guest: Guest, template: string, log: Log): void {
  const volume = findVolume(state, guest.node, template);
  if (volume === undefined) {
    log(`volume '${template}' does not exist`);
    die(`volume '${template}' does not exist`); // after the root volume was made (captured 353)
  }
  const storage = storageOn(state, guest.node, volume.storage);
  log(`extracting archive '${storage.path}/template/cache/${volume.name.replace("vztmpl/", "")}'`);
  log(`Total bytes read: ${volume.size * 3} (${Math.ceil(volume.size * 3 / 1024 / 1024)}MiB, 43MiB/s)`);
  log("Detected container architecture: amd64");
  const os = /(alpine|debian|devuan|ubuntu|fedora|centos|archlinux|gentoo|opensuse|nixos)/.exec(volume.name)?.[1];
  if (!guest.config.has("ostype")) guest.config.set("ostype", os ?? "unmanaged");
}

function finishVm(state: State, guest: Guest, now: number): void {
  const { config } = guest;
  if (!config.has("boot")) config.set("boot", defaultBoot(config));
  stampIdentity(state, config, now);
}

function finishContainer(guest: Guest): void {
  const { config, vmid } = guest;
  if (!config.has("hostname")) config.set("hostname", `CT${vmid}`);
  if (!config.has("memory")) config.set("memory", 512);
  if (!config.has("swap")) config.set("swap", 512);
  config.set("arch", "amd64");
}

/** The task that every kind of creation ends in. */
function createTask(context: Context, order: Order): string {
  const { state, engine } = context;
  checkOrder(context, order);
  const prefix = order.kind === "qemu" ? "qm" : "vz";
  const old = state.guests.get(order.vmid);
  const guest = old ?? placeholder(state, order.kind, order.node, order.vmid, "create");
  if (old !== undefined) old.config.set("lock", "create");
  addToPool(state, order.pool, order.vmid);
  return start(context, {
    node: order.node,
    type: `${prefix}${order.restore ? "restore" : "create"}`,
    id: String(order.vmid),
    seconds: order.source === undefined ? 3 : 8,
    finish: (log) => {
      if (order.restore) restore(context, order, guest, log);
      else fill(context, order, guest, log);
      if (!order.restore && order.kind === "qemu") finishVm(state, guest, engine.now());
      if (order.kind === "lxc") finishContainer(guest);
      guest.config.delete("lock");
      if (!order.start) return;
      log("Execute autostart"); // captured 170
      engine.start(context.identity, {
        node: order.node,
        type: `${prefix}start`,
        id: String(order.vmid),
        seconds: 2,
        finish: () => startNow(state, guest, engine.now()),
      });
    },
  });
}

/** Restores an archive. Over an existing guest this is destruction: its volumes and snapshots are replaced. */
function restore(context: Context, order: Order, guest: Guest, log: Log): void {
  const { state, engine } = context;
  const archive = findVolume(state, order.node, order.source ?? "");
  if (archive?.backup === undefined) {
    if (guest.config.size <= 1) state.guests.delete(guest.vmid);
    else guest.config.delete("lock");
    die(
      `unable to restore ${
        order.kind === "qemu" ? "VM" : "CT"
      } ${order.vmid} - volume '${order.source}' does not exist`,
    );
  }
  log(`recovering backed-up configuration from '${order.source}'`);
  const { backup } = archive;
  for (const [option, value] of [...guest.config]) {
    if (!isSlot(guest.kind, option)) continue;
    const volid = volidOf(parseSlot(guest.kind, option, String(value)));
    guest.config.delete(option);
    // A VM's disks that the archive does not hold stay as unusedN, a container's go.
    if (guest.kind === "lxc" || backup.volumes.has(option)) {
      if (owns(state, guest, volid)) free(state, guest.node, volid);
    } else keepUnused(state, guest, option, String(value));
  }
  for (const option of [...guest.config.keys()]) if (!option.startsWith("unused")) guest.config.delete(option);
  guest.snapshots.clear();
  guest.parent = undefined;
  for (const [option, value] of backup.config) {
    if (option === "lock" || option.startsWith("unused") || option === "template") continue;
    const saved = backup.volumes.get(option);
    if (saved === undefined) {
      if (!isSlot(guest.kind, option)) guest.config.set(option, value);
      continue;
    }
    const drive = parseSlot(guest.kind, option, String(value));
    const storage = storageOn(state, order.node, order.storage ?? volidOf(drive).split(":")[0] ?? "");
    const content = guest.kind === "qemu" ? "images" : "rootdir";
    const volume = allocate(state, {
      storage,
      node: order.node,
      vmid: order.vmid,
      content,
      size: saved.size,
      now: engine.now(),
      mark: saved.mark,
    });
    drive.set(guest.kind === "qemu" ? "file" : "volume", `${volume.storage}:${volume.name}`);
    drive.set("size", formatSize(volume.size));
    guest.config.set(option, printSlot(guest.kind, option, drive));
  }
  for (const [option, value] of order.options) {
    if (!isSlot(guest.kind, option)) guest.config.set(option, normalizeOption(state, guest.kind, option, value));
  }
  log(`restoring '${order.source}' now..`);
  log("merging backed-up and given configuration..");
}

export const qemuCreate: Route<"POST /nodes/{node}/qemu"> = (context, params) => {
  const archive = word(params.archive);
  return createTask(context, {
    kind: "qemu",
    node: params.node,
    vmid: params.vmid,
    pool: word(params.pool),
    storage: word(params.storage),
    start: params.start ?? false,
    force: params.force ?? false,
    options: new Map([...given(params)].filter(([name]) => !NO_OPTIONS.has(name))),
    source: archive,
    restore: archive !== undefined,
  });
};

export const lxcCreate: Route<"POST /nodes/{node}/lxc"> = (context, params) => {
  const options = new Map([...given(params)].filter(([name]) => !NO_OPTIONS.has(name)));
  const restoring = params.restore ?? false;
  const storage = word(params.storage);
  if (!restoring && !options.has("rootfs")) options.set("rootfs", `${storage ?? "local"}:4`);
  return createTask(context, {
    kind: "lxc",
    node: params.node,
    vmid: params.vmid,
    pool: word(params.pool),
    storage,
    start: params.start ?? false,
    force: params.force ?? false,
    options,
    source: String(params.ostemplate),
    restore: restoring,
  });
};

export const qemuTemplate: Route<"POST /nodes/{node}/qemu/{vmid}/template"> = (context, { node, vmid }) => {
  const { state } = context;
  const found = guestOn(state, node, "qemu", vmid);
  checkLock(found);
  if (found.snapshots.size > 0) die(`unable to create template, because VM contains snapshots`);
  if (text(found.config, "template") === "1") die(`you can't convert a template to a template`);
  if (found.run !== undefined) die("you can't convert a VM to template if VM is running"); // captured 193
  return start(context, {
    node,
    type: "qmtemplate",
    id: String(vmid),
    seconds: 1,
    finish: () => {
      const guest = guestOn(state, node, "qemu", vmid);
      for (const [option, value] of guest.config) {
        if (!isSlot("qemu", option)) continue;
        const drive = parseSlot("qemu", option, String(value));
        const volume: Volume | undefined = findVolume(state, node, volidOf(drive));
        if (volume === undefined || volume.content !== "images" || volume.name.includes("cloudinit")) continue;
        rename(storageOn(state, node, volume.storage), node, volume);
        drive.set("file", `${volume.storage}:${volume.name}`);
        guest.config.set(option, printSlot("qemu", option, drive));
      }
      guest.config.set("template", 1);
    },
  });
};

function destroy(
  context: Context,
  kind: Kind,
  params: {
    node: string;
    vmid: number;
    purge?: boolean | undefined;
    "destroy-unreferenced-disks"?: boolean | undefined;
  },
  force: boolean,
): string {
  const { state } = context;
  const { node, vmid, purge = false } = params;
  const found = guestOn(state, node, kind, vmid);
  const noun = kind === "qemu" ? "VM" : "CT";
  if (found.config.get("protection") === 1) die(`can't remove ${noun} ${vmid} - protection mode enabled`);
  if (found.managed && !purge) {
    die(`unable to remove ${noun} ${vmid} - used in HA resources and purge parameter not set.`);
  }
  if (found.run !== undefined && !force) {
    die(
      kind === "qemu"
        ? `VM ${vmid} is running - destroy failed`
        : `unable to destroy CT ${vmid} - container is running`,
    );
  }
  return start(context, {
    node,
    type: kind === "qemu" ? "qmdestroy" : "vzdestroy",
    id: String(vmid),
    seconds: 2,
    begin: () => checkLock(found),
    finish: (log) => {
      const guest = guestOn(state, node, kind, vmid);
      checkLock(guest);
      guest.run = undefined;
      destroyGuest(state, guest, params["destroy-unreferenced-disks"] ?? false);
      if (!purge) return;
      log(`purging ${noun} ${vmid} from related configurations..`);
      for (const job of state.jobs.values()) {
        const list = job.options.get("vmid");
        if (list !== undefined) {
          job.options.set(
            "vmid",
            splitList(String(list)).filter((id) => id !== String(vmid)).join(","),
          );
        }
      }
    },
  });
}

export const qemuDelete: Route<"DELETE /nodes/{node}/qemu/{vmid}"> = (context, params) =>
  destroy(context, "qemu", params, false);

export const lxcDelete: Route<"DELETE /nodes/{node}/lxc/{vmid}"> = (context, params) =>
  destroy(context, "lxc", params, params.force ?? false);
