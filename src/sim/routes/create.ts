/** Making guests: from scratch, from a template, from an archive. */
import { checkLock } from "../config.ts";
import { free, isSlot, owns, parseSlot, volidOf } from "../disks.ts";
import { checkSlot, checkVolumeAccess, realizeSlot } from "../drives.ts";
import type { Log } from "../engine.ts";
import { die, Failure, forbidden } from "../failure.ts";
import { checkBridge, checkOption, defaultBoot, normalizeOption, stampIdentity } from "../options.ts";
import { findVolume, forget, type Guest, type Kind, type State, storageOn } from "../state.ts";
import { type Context, given, type Route, start, word } from "./context.ts";
import { startNow } from "./power.ts";
import { restore } from "./restore.ts";

const NO_OPTIONS = new Set([
  ..."node vmid pool start archive storage force unique bwlimit live-restore ostemplate restore password".split(" "),
  ..."ssh-public-keys ignore-unpack-errors import-working-storage ha-managed".split(" "),
]);

/** A creation or restoration, read from the parameters. */
export interface Order {
  readonly kind: Kind;
  readonly node: string;
  readonly vmid: number;
  readonly pool: string | undefined;
  readonly storage: string | undefined;
  readonly start: boolean;
  readonly force: boolean;
  /** New addresses and identifiers for what is restored. */
  readonly unique: boolean;
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

/** Puts a guest into a pool, if one is named. */
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
  for (const [option, value] of order.options) {
    // Read-only later on, and so no option to PVE when it asks for privileges.
    if (option !== "unprivileged") checkOption(context, kind, vmid, pool, option, String(value));
  }
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
    forget(state, guest.vmid);
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
    unique: params.unique ?? false,
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
    unique: params.unique ?? false,
    options,
    source: String(params.ostemplate),
    restore: restoring,
  });
};
