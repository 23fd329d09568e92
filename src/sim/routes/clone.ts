/** Copies of guests, full and linked. */
import { checkLock } from "../config.ts";
import {
  allocate,
  copyVolume,
  formatSize,
  formatting,
  isCdrom,
  isCloudinit,
  isSlot,
  parseSlot,
  printSlot,
  volidOf,
} from "../disks.ts";
import type { Log } from "../engine.ts";
import { die } from "../failure.ts";
import { checkBridge, renewMacs, stampIdentity } from "../options.ts";
import {
  type Config,
  findVolume,
  type Guest,
  guestOn,
  isTemplate,
  type Kind,
  storageOn,
  type Volume,
} from "../state.ts";
import { type Context, type Route, start, word } from "./context.ts";
import { addToPool, placeholder } from "./create.ts";

interface CloneOrder {
  readonly kind: Kind;
  readonly node: string;
  readonly vmid: number;
  readonly newid: number;
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly full: boolean | undefined;
  readonly pool: string | undefined;
  readonly snapname: string | undefined;
  readonly storage: string | undefined;
  readonly format: string | undefined;
  readonly target: string | undefined;
}

/** Whether another node can read all that is copied: of a VM where it is, CD-ROMs included, of a container where it goes. */
function reachesOtherNodes({ state }: Context, { kind, node, storage: given }: CloneOrder, config: Config): boolean {
  return [...config].every(([option, value]) => {
    const volid = isSlot(kind, option) ? volidOf(parseSlot(kind, option, String(value))) : "";
    const own = volid.includes(":") ? volid.split(":", 1)[0] : undefined;
    const storage = own === undefined || kind === "qemu" ? own : given ?? own;
    return storage === undefined || storageOn(state, node, storage).shared;
  });
}

/** The slots that are copied, with their volumes. */
function disksOf(
  context: Context,
  guest: Guest,
  config: Config,
): { option: string; drive: Map<string, string>; volume: Volume }[] {
  return [...config].flatMap(([option, value]) => {
    if (!isSlot(guest.kind, option)) return [];
    const drive = parseSlot(guest.kind, option, String(value));
    const volume = findVolume(context.state, guest.node, volidOf(drive));
    return volume === undefined || (isCdrom(drive) && !isCloudinit(drive)) ? [] : [{ option, drive, volume }];
  });
}

function check(context: Context, order: CloneOrder, guest: Guest, full: boolean, config: Config): void {
  const { state, rights } = context;
  const { kind, newid, target } = order;
  const noun = kind === "qemu" ? "VM" : "CT";
  if (target !== undefined && !state.nodes.has(target)) die(`no such cluster node '${target}'`); // captured 467
  checkLock(guest);
  if (order.pool !== undefined && !state.pools.has(order.pool)) die(`pool '${order.pool}' does not exist`);
  const away = target !== undefined && target !== order.node;
  if (order.storage !== undefined) {
    const { shared } = storageOn(state, away ? target : order.node, order.storage);
    if (away && !shared) die(`can't clone to non-shared storage '${order.storage}'`);
    if (!full) die("parameter 'storage' not allowed for linked clones"); // captured 181
  }
  const disks = disksOf(context, guest, config);
  for (const storage of new Set(disks.map(({ volume }) => order.storage ?? volume.storage))) {
    rights.check(`/storage/${storage}`, ["Datastore.AllocateSpace"]);
  }
  for (const [option, value] of config) if (/^net\d+$/.test(option)) checkBridge(context, kind, option, String(value));
  if (away && !reachesOtherNodes(context, order, config)) {
    die(`can't clone ${noun} to node '${target}' (${noun} uses local storage)`);
  }
  if (state.guests.has(newid)) die(`unable to create ${noun} ${newid}: config file already exists`); // captured 182
  if (full) return;
  const unfit = disks.find(({ drive, volume }) => !isCloudinit(drive) && !/(?:^|\/)base-/.test(volume.name));
  if (unfit !== undefined) {
    die(
      kind === "qemu"
        ? `Linked clone feature is not supported for '${volidOf(unfit.drive)}' (${unfit.option})`
        : `Linked clone feature for '${volidOf(unfit.drive)}' is not available`,
    );
  }
}

/** One volume of the copy; a linked one names its base in front ("base-9000-disk-0/vm-120-disk-0"). */
function copyDisk(
  context: Context,
  order: CloneOrder,
  node: string,
  disk: { option: string; drive: Map<string, string>; volume: Volume },
  full: boolean,
  log: Log,
): string {
  const { state, engine } = context;
  const { option, drive, volume } = disk;
  const linked = !full && !isCloudinit(drive);
  const storage = storageOn(state, node, linked ? volume.storage : order.storage ?? volume.storage);
  const request = { storage, node, vmid: order.newid, now: engine.now(), format: order.format ?? volume.format };
  const what = order.kind === "qemu" ? `drive ${option}` : `mountpoint ${option}`;
  // A VM's full copy has told that while it ran.
  if (linked || order.kind === "lxc" || isCloudinit(drive)) {
    log(`create ${linked ? "linked" : "full"} clone of ${what} (${volidOf(drive)})`);
  }
  const copy = linked
    ? allocate(state, {
      ...request,
      content: volume.content,
      size: volume.size,
      mark: volume.mark,
      parent: volume.name,
    })
    : copyVolume(state, volume, request);
  for (const line of formatting(storage, copy)) log(line);
  if (!linked && order.kind === "qemu") log(`allocated target volume '${copy.storage}:${copy.name}'`);
  drive.set(order.kind === "qemu" ? "file" : "volume", `${copy.storage}:${copy.name}`);
  if (!isCdrom(drive)) drive.set("size", formatSize(copy.size));
  return printSlot(order.kind, option, drive);
}

/** What the log says while disks are copied in full, in steps of 5 % (captured 176). */
function transfers(disks: ReturnType<typeof disksOf>): string[] {
  return disks.filter(({ drive }) => !isCloudinit(drive)).flatMap(({ option, drive, volume }) => {
    const gib = (share: number) => `${(volume.size * share / 1024 ** 3).toFixed(1)} GiB`;
    const steps = Array.from({ length: 21 }, (_, step) => step / 20);
    return [
      `create full clone of drive ${option} (${volidOf(drive)})`,
      ...steps.map((share) => `transferred ${gib(share)} of ${gib(1)} (${(share * 100).toFixed(2)}%)`),
    ];
  });
}

function clone(context: Context, order: CloneOrder): string {
  const { state, engine } = context;
  const { kind, node, vmid, newid } = order;
  const source = guestOn(state, node, kind, vmid);
  const snapshot = order.snapname === undefined ? undefined : source.snapshots.get(order.snapname);
  if (order.snapname !== undefined && snapshot === undefined) die(`snapshot '${order.snapname}' does not exist`);
  const full = order.full ?? !isTemplate(source);
  const config = snapshot?.config ?? source.config;
  check(context, order, source, full, config);
  if (kind === "lxc" && full && source.run !== undefined && snapshot === undefined) {
    die("Full clone of a running container is only possible from a snapshot");
  }
  const home = order.target ?? node;
  const copy = placeholder(state, kind, home, newid, kind === "qemu" ? "clone" : "create");
  addToPool(state, order.pool, newid);
  // A container is locked while it is copied (captured 480).
  if (kind === "lxc") source.config.set("lock", "disk");
  return start(context, {
    node,
    type: kind === "qemu" ? "qmclone" : "vzclone",
    id: String(vmid),
    seconds: full ? 12 : 2,
    lines: [
      `creating a clone of ${kind === "qemu" ? "VM" : "container"} ${vmid} with ID ${newid}`,
      ...(full && kind === "qemu" ? transfers(disksOf(context, source, config)) : []),
    ],
    finish: (log) => {
      const disks = disksOf(context, source, config);
      for (const [option, value] of config) {
        const left = isSlot(kind, option) ||
          /^(?:lock|template|protection|unused\d+|vmstate|parent|onboot)$/.test(option);
        if (!left || (isSlot(kind, option) && !disks.some((disk) => disk.option === option))) {
          copy.config.set(option, value);
        }
      }
      copy.config.delete("template");
      for (const disk of disks) copy.config.set(disk.option, copyDisk(context, order, home, disk, full, log));
      renewMacs(state, kind, copy.config);
      if (kind === "qemu") stampIdentity(state, copy.config, engine.now());
      const name = order.name ??
        (kind === "qemu" ? `Copy-of-VM-${config.get("name") ?? vmid}` : `Copy-of-CT-${config.get("hostname") ?? vmid}`);
      copy.config.set(kind === "qemu" ? "name" : "hostname", name);
      if (order.description !== undefined) copy.config.set("description", order.description);
      copy.config.delete("lock");
      if (kind === "lxc") source.config.delete("lock");
    },
  });
}

export const qemuClone: Route<"POST /nodes/{node}/qemu/{vmid}/clone"> = (context, params) =>
  clone(context, {
    kind: "qemu",
    node: params.node,
    vmid: params.vmid,
    newid: params.newid,
    name: word(params.name),
    description: word(params.description),
    full: params.full,
    pool: word(params.pool),
    snapname: word(params.snapname),
    storage: word(params.storage),
    format: params.format,
    target: word(params.target),
  });

export const lxcClone: Route<"POST /nodes/{node}/lxc/{vmid}/clone"> = (context, params) =>
  clone(context, {
    kind: "lxc",
    node: params.node,
    vmid: params.vmid,
    newid: params.newid,
    name: word(params.hostname),
    description: word(params.description),
    full: params.full,
    pool: word(params.pool),
    snapname: word(params.snapname),
    storage: word(params.storage),
    format: undefined,
    target: word(params.target),
  });
