/** Guests that move to another node: with the volumes that only the old one has, which are gone there afterwards. */
import { applyPending, checkLock } from "../config.ts";
import { allocate, free, isCdrom, isSlot, isUnused, parseSlot, printSlot, referenced, volidOf } from "../disks.ts";
import type { Log } from "../engine.ts";
import { die, forbidden, invalid } from "../failure.ts";
import { isRoot } from "../access.ts";
import { findVolume, type Guest, guestOn, type Kind, type State, storageOn, volumeId } from "../state.ts";
import { type Context, type Route, start, word } from "./context.ts";
import { startNow } from "./power.ts";

interface Order {
  readonly kind: Kind;
  readonly node: string;
  readonly vmid: number;
  readonly target: string;
  /** Of a VM that runs: it moves running; of a container: it is shut down and started. */
  readonly live: boolean;
  readonly withLocalDisks: boolean;
  readonly storage: string | undefined;
}

/** Volumes on storages that are not shared, with what refers to them. */
function localVolumes(state: State, guest: Guest): string[] {
  return [...referenced(guest)].filter((volid) => {
    const storage = state.storages.get(volid.split(":")[0] ?? "");
    return storage !== undefined && !storage.shared && findVolume(state, guest.node, volid) !== undefined;
  });
}

/** The drive of a guest that holds a volume. */
function slotOf(guest: Guest, volid: string): { slot: string; drive: Map<string, string> } | undefined {
  for (const [slot, value] of guest.config) {
    if (!isSlot(guest.kind, slot)) continue;
    const drive = parseSlot(guest.kind, slot, String(value));
    if (volidOf(drive) === volid) return { slot, drive };
  }
  return undefined;
}

/** Fields as captured 258 has them. */
export const preconditions: Route<"GET /nodes/{node}/qemu/{vmid}/migrate"> = ({ state }, { node, vmid, target }) => {
  const guest = guestOn(state, node, "qemu", vmid);
  const others = [...state.nodes.keys()].filter((name) => name !== node && (target === undefined || name === target));
  const needed = [...new Set([...referenced(guest)].map((volid) => volid.split(":")[0] ?? ""))];
  const missing = new Map(
    others.map((name) => [name, needed.filter((id) => state.storages.get(id)?.nodes?.includes(name) === false)]),
  );
  const flag = (value: boolean) => value ? 1 : 0;
  return {
    running: flag(guest.run !== undefined),
    local_disks: localVolumes(state, guest).map((volid) => {
      const found = slotOf(guest, volid);
      const unused = [...guest.config].some(([option, value]) => isUnused(option) && value === volid);
      return {
        volid,
        cdrom: flag(found !== undefined && isCdrom(found.drive)),
        is_attached: flag(found !== undefined),
        is_unused: flag(unused),
        is_cloudinit: flag(/-cloudinit(?:\.\w+)?$/.test(volid)),
        is_tpmstate: flag(found?.slot === "tpmstate0"),
        is_vmstate: flag(/-state-/.test(volid)),
        replicate: flag(found?.drive.get("replicate") !== "0"),
        shared: 0,
      };
    }),
    local_resources: [...guest.config.keys()].filter((option) => /^(?:hostpci|parallel)\d+$/.test(option)),
    "mapped-resources": [],
    "mapped-resource-info": {},
    allowed_nodes: others.filter((name) => missing.get(name)?.length === 0),
    not_allowed_nodes: Object.fromEntries(
      [...missing].filter(([, storages]) => storages.length > 0)
        .map(([name, storages]) => [name, { unavailable_storages: storages }]),
    ),
    "has-dbus-vmstate": 1,
  };
};

/** Copies what only this node has to the other one, and removes it here: PVE does both. */
function carryOver(state: State, guest: Guest, order: Order, at: number, log: Log): void {
  const { node, target } = order;
  for (const volid of localVolumes(state, guest)) {
    const volume = findVolume(state, node, volid);
    if (volume === undefined) continue;
    if (volume.content === "iso") die(`can't migrate local disk '${volid}': local cdrom image`);
    log(`found local disk '${volid}'`);
    const { content, size, mark, vmid = guest.vmid } = volume;
    const storage = storageOn(state, target, order.storage ?? volume.storage);
    const copy = allocate(state, { storage, node: target, vmid, content, size, mark, now: at });
    const found = slotOf(guest, volid);
    if (found !== undefined) {
      found.drive.set(guest.kind === "qemu" ? "file" : "volume", volumeId(copy));
      guest.config.set(found.slot, printSlot(guest.kind, found.slot, found.drive));
    }
    for (const [option, value] of guest.config) if (value === volid) guest.config.set(option, volumeId(copy));
    free(state, node, volid);
    log(`volume '${volid}' is '${volumeId(copy)}' on the target`);
  }
}

/** What PVE refuses before it starts a task. */
function refuse({ state }: Context, order: Order): void {
  const { node, vmid, kind, target, storage } = order;
  if (target === node) invalid({ target: "target is local node." }); // captured 256
  if (!state.nodes.has(target)) die(`no such cluster node '${target}'`); // captured 257
  const guest = guestOn(state, node, kind, vmid);
  checkLock(guest);
  if (guest.run !== undefined && !order.live) {
    die(`can't migrate running ${kind === "qemu" ? "VM without --online" : "container without --online or --restart"}`);
  }
  for (const volid of storage === undefined ? referenced(guest) : []) {
    const id = volid.split(":")[0] ?? "";
    if (state.storages.has(id)) storageOn(state, target, id);
  }
}

function migrate(context: Context, order: Order): string {
  const { state, engine } = context;
  const { node, vmid, kind, target } = order;
  refuse(context, order);
  const managed = state.guests.get(vmid)?.managed === true;
  return start(context, {
    node,
    type: managed ? "hamigrate" : kind === "qemu" ? "qmigrate" : "vzmigrate",
    id: String(vmid),
    seconds: 6,
    lines: [`starting migration of ${kind === "qemu" ? "VM" : "CT"} ${vmid} to node '${target}'`],
    finish: (log) => {
      const guest = guestOn(state, node, kind, vmid);
      checkLock(guest);
      if (state.nodes.get(target)?.online !== true) die("migration aborted");
      const local = localVolumes(state, guest);
      if (kind === "qemu" && guest.run !== undefined && local.length > 0 && !order.withLocalDisks) {
        log(
          `can't migrate local disk '${
            local[0]
          }': can't live migrate attached local disks without with-local-disks option`,
        );
        die("migration aborted");
      }
      const ran = guest.run;
      if (kind === "lxc" && ran !== undefined) {
        guest.run = undefined;
        applyPending(state, guest, true);
      }
      carryOver(state, guest, order, engine.now(), log);
      guest.node = target;
      if (kind === "lxc" && ran !== undefined) startNow(state, guest, engine.now());
      log("migration finished successfully (duration 00:00:06)");
    },
  });
}

export const qemu: Route<"POST /nodes/{node}/qemu/{vmid}/migrate"> = (context, params) => {
  if (params.force === true && !isRoot(context.identity)) forbidden("Only root may use this option.");
  return migrate(context, {
    kind: "qemu",
    node: params.node,
    vmid: params.vmid,
    target: String(params.target),
    live: params.online ?? false,
    withLocalDisks: params["with-local-disks"] ?? false,
    storage: word(params.targetstorage),
  });
};

export const lxc: Route<"POST /nodes/{node}/lxc/{vmid}/migrate"> = (context, params) => {
  if (params.online === true && params.restart !== true) die("lxc live migration is currently not implemented");
  return migrate(context, {
    kind: "lxc",
    node: params.node,
    vmid: params.vmid,
    target: String(params.target),
    live: params.restart ?? false,
    withLocalDisks: true,
    storage: word(params["target-storage"]),
  });
};
