/** Changing guests' configuration, which also attaches, detaches and frees volumes. */
import { applyPending, checkDigest, checkLock } from "../config.ts";
import { deallocate, isSlot, isUnused, keepUnused } from "../disks.ts";
import { checkSlot, realizeSlot } from "../drives.ts";
import { die, invalid } from "../failure.ts";
import { checkBridge, checkOption, normalizeOption } from "../options.ts";
import { splitList } from "../property.ts";
import { optionField } from "../schema.ts";
import { findVolume, type Guest, guestOn, type Kind } from "../state.ts";
import { type Context, given, type Route, start } from "./context.ts";
import { refuseSkiplock } from "./power.ts";

const NO_OPTIONS = new Set([
  "node",
  "vmid",
  "digest",
  "delete",
  "revert",
  "force",
  "skiplock",
  "background_delay",
  "import-working-storage",
]);

interface Change {
  readonly kind: Kind;
  readonly node: string;
  readonly vmid: number;
  readonly set: ReadonlyMap<string, unknown>;
  readonly remove: readonly string[];
  readonly revert: readonly string[];
  readonly force: boolean;
  readonly digest: unknown;
}

/** Reads a change and checks everything that needs no lock, in PVE's order. */
function readChange(context: Context, kind: Kind, params: { node: string; vmid: number }): Change {
  const all = given(params);
  const { node, vmid } = params;
  const list = (name: string) => splitList(String(all.get(name) ?? ""));
  const set = new Map([...all].filter(([name]) => !NO_OPTIONS.has(name)));
  // A JSON null counts as an option that changes nothing (captured 426).
  const nulls = Object.entries(params).some(([name, value]) => value === undefined && !NO_OPTIONS.has(name));
  const change: Change = {
    kind,
    node,
    vmid,
    set,
    remove: list("delete"),
    revert: list("revert"),
    force: all.get("force") === true,
    digest: all.get("digest"),
  };
  if (set.size === 0 && change.remove.length === 0 && change.revert.length === 0 && !nulls) die("no options specified");
  const hook = set.get("hookscript");
  if (hook !== undefined && findVolume(context.state, node, String(hook)) === undefined) {
    invalid({ hookscript: `script '${hook}' does not exist\n` });
  }
  for (const option of change.remove) {
    if (set.has(option)) invalid({ delete: `you can't use '-${option}' and -delete ${option}' at the same time` });
    if (optionField(kind, option) === undefined || NO_OPTIONS.has(option)) {
      invalid({ delete: `unknown option '${option}'` });
    }
    if (kind === "lxc" && (option === "rootfs" || option === "memory")) {
      invalid({ delete: `unable to delete required option '${option}'` });
    }
    checkOption(context, kind, vmid, undefined, option);
  }
  for (const [option, value] of set) checkOption(context, kind, vmid, undefined, option, String(value));
  for (const [option, value] of set) {
    if (isSlot(kind, option)) checkSlot(context, { kind, node, vmid }, option, String(value));
    else if (/^net\d+$/.test(option)) checkBridge(context, kind, option, String(value));
  }
  return change;
}

/** Removes an unusedN for good: its volume is freed at once. @throws {Failure} when the guest is protected */
function removeUnused(context: Context, guest: Guest, option: string): void {
  const volid = String(guest.config.get(option));
  if (guest.config.get("protection") === 1) die(`can't remove unused disk '${volid}' - protection mode enabled`);
  deallocate(context.state, guest, volid);
  guest.config.delete(option);
}

function noteRemoval(context: Context, guest: Guest, option: string, force: boolean): void {
  const known = guest.config.has(option) || guest.pending.has(option);
  if (!known) return; // only a warning in PVE's log (captured 140)
  if (isUnused(option)) return removeUnused(context, guest, option);
  const pending = guest.pending.get(option);
  if (isSlot(guest.kind, option)) {
    if (guest.config.get("protection") === 1) die(`can't remove drive '${option}' - protection mode enabled`);
    if (pending !== undefined) keepUnused(context.state, guest, option, String(pending));
  }
  guest.pending.delete(option);
  if (guest.config.has(option)) guest.pendingDelete.set(option, force);
}

/** Writes a change to the guest: into the pending section first, and what can take effect now does. */
function writeChange(context: Context, change: Change): void {
  const { state, engine } = context;
  const guest = guestOn(state, change.node, change.kind, change.vmid);
  checkDigest(guest, change.digest);
  checkLock(guest);
  for (const option of change.revert) {
    const pending = guest.pending.get(option);
    if (pending !== undefined && isSlot(guest.kind, option)) keepUnused(state, guest, option, String(pending));
    guest.pending.delete(option);
    guest.pendingDelete.delete(option);
  }
  for (const option of change.remove) noteRemoval(context, guest, option, change.force);
  for (const [option, value] of change.set) {
    guest.pendingDelete.delete(option);
    if (value === "" && option === "description") {
      guest.pending.delete(option);
      guest.config.delete(option);
    } else if (isSlot(guest.kind, option)) {
      const pending = guest.pending.get(option);
      if (pending !== undefined) keepUnused(state, guest, option, String(pending));
      const where = { kind: guest.kind, node: guest.node, vmid: guest.vmid, now: engine.now() };
      guest.pending.set(option, replaceSlot(context, guest, where, option, String(value)));
    } else {
      guest.pending.set(option, normalizeOption(state, guest.kind, option, value, guest.config.get(option)));
    }
  }
  for (const [option, value] of [...guest.pending]) {
    if (guest.config.get(option) === value) guest.pending.delete(option);
  }
  applyPending(state, guest, guest.run === undefined);
}

/** A cloud-init drive in the slot makes room first: the new one would bear the same name. */
function replaceSlot(
  context: Context,
  guest: Guest,
  where: { readonly kind: Kind; readonly node: string; readonly vmid: number; readonly now: number },
  option: string,
  value: string,
): string {
  const old = guest.config.get(option);
  if (old !== undefined && /:cloudinit(?:,|$)/.test(value) && /vm-\d+-cloudinit/.test(String(old))) {
    keepUnused(context.state, guest, option, String(old));
  }
  return realizeSlot(context.state, where, option, value, () => {});
}

export const qemuPut: Route<"PUT /nodes/{node}/qemu/{vmid}/config"> = (context, params) => {
  refuseSkiplock(context, params.skiplock);
  writeChange(context, readChange(context, "qemu", params));
  return null;
};

export const lxcPut: Route<"PUT /nodes/{node}/lxc/{vmid}/config"> = (context, params) => {
  writeChange(context, readChange(context, "lxc", params));
  return null;
};

export const qemuPost: Route<"POST /nodes/{node}/qemu/{vmid}/config"> = (context, params) => {
  refuseSkiplock(context, params.skiplock);
  const change = readChange(context, "qemu", params);
  const words = [...given(params)].filter(([name]) => !["node", "vmid", "digest"].includes(name)).sort(([a], [b]) =>
    a < b ? -1 : 1
  )
    .map(([name, value]) => `-${name} ${value === true ? 1 : value === false ? 0 : value}`);
  return start(context, {
    node: params.node,
    type: "qmconfig",
    id: String(params.vmid),
    seconds: 1,
    lines: [`update VM ${params.vmid}: ${words.join(" ")}`],
    begin: () => checkDigest(guestOn(context.state, params.node, "qemu", params.vmid), change.digest),
    finish: () => writeChange(context, { ...change, digest: undefined }),
  });
};

export const qemuUnlink: Route<"PUT /nodes/{node}/qemu/{vmid}/unlink"> = (context, { node, vmid, idlist, force }) => {
  const params = { node, vmid, delete: String(idlist), force };
  writeChange(context, readChange(context, "qemu", params));
  return null;
};
