/** Switching guests on and off; this is where pending changes take effect. */
import { isRoot } from "../access.ts";
import { applyPending, checkLock, memoryOf } from "../config.ts";
import { allocate, free, isSlot, volidIn } from "../disks.ts";
import type { Log } from "../engine.ts";
import { die, invalid } from "../failure.ts";
import { findVolume, type Guest, guestOn, isTemplate, type Kind, type State, storageOn, text } from "../state.ts";
import { type Context, type Route, start, word } from "./context.ts";

/** @throws {Failure} 400: even root's tokens are refused (captured 262) */
export function refuseSkiplock(context: Context, skiplock: boolean | undefined): void {
  if (skiplock === true && !isRoot(context.identity)) invalid({ skiplock: "Only root may use this option." });
}

const noun = (kind: Kind) => kind === "qemu" ? "VM" : "CT";
/** qmstart, vzstart, …; with high availability the manager does it. */
function taskType(guest: Guest | undefined, kind: Kind, verb: string): string {
  if (guest?.managed === true && (verb === "start" || verb === "stop")) return `ha${verb}`;
  return `${kind === "qemu" ? "qm" : "vz"}${verb}`;
}

function checkStart(guest: Guest, skiplock: boolean): void {
  if (!skiplock) checkLock(guest, "suspended");
  if (isTemplate(guest)) {
    die(guest.kind === "qemu" ? "you can't start a vm if it's a template" : "you can't start a CT if it's a template");
  }
  if (guest.run !== undefined) die(`${noun(guest.kind)} ${guest.vmid} already running`);
}

/** A running guest writes to whatever hangs in its slots: what belongs to others is ruined. */
function writeOver(state: State, guest: Guest): void {
  for (const [option, value] of guest.config) {
    if (!isSlot(guest.kind, option)) continue;
    const volid = volidIn(guest.kind, option, String(value));
    const volume = findVolume(state, guest.node, volid);
    const disk = volume !== undefined && (volume.content === "images" || volume.content === "rootdir");
    if (disk && volume.vmid !== guest.vmid) volume.mark += `-overwritten-by-${guest.vmid}`;
    const node = state.nodes.get(guest.node);
    if (node?.disks.has(volid) === true) node.disks.set(volid, `overwritten-by-${guest.vmid}`);
  }
}

/** A VM resumes from its saved memory whenever its process starts, hibernated or not; the volume is gone then. */
export function useUpMemory(state: State, guest: Guest): void {
  const saved = text(guest.config, "vmstate");
  if (saved === undefined && text(guest.config, "lock") !== "suspended") return;
  if (saved !== undefined) free(state, guest.node, saved);
  for (const key of ["lock", "vmstate", "runningcpu", "runningmachine"]) guest.config.delete(key);
}

/** Starts for real: pending changes come into force, a saved memory image is used up. */
export function startNow(state: State, guest: Guest, at: number): void {
  useUpMemory(state, guest);
  applyPending(state, guest, true);
  for (const [option, value] of guest.config) {
    const bridge = /^net\d+$/.test(option) ? /(?:^|,)bridge=([^,]+)/.exec(String(value))?.[1] : undefined;
    if (bridge !== undefined && bridge !== "vmbr0" && bridge !== "vmbr1") die(`bridge '${bridge}' does not exist`);
  }
  writeOver(state, guest);
  state.counters.pid += 13;
  guest.run = { pid: state.counters.pid, since: at, paused: false };
}

/** Off for real; pending changes come into force now. */
export function stopNow(state: State, guest: Guest): void {
  guest.run = undefined;
  applyPending(state, guest, true);
}

function startTask(context: Context, node: string, kind: Kind, vmid: number, skiplock = false): string {
  const { state, engine } = context;
  if (kind === "lxc") {
    const guest = guestOn(state, node, kind, vmid);
    if (guest.run !== undefined) die(`CT ${vmid} already running`); // at once, unlike VMs (captured 326)
  }
  return start(context, {
    node,
    type: taskType(state.guests.get(vmid), kind, "start"),
    id: String(vmid),
    seconds: 3,
    begin: () => checkStart(guestOn(state, node, kind, vmid), skiplock),
    finish: () => {
      const guest = guestOn(state, node, kind, vmid);
      checkStart(guest, skiplock);
      startNow(state, guest, engine.now());
    },
  });
}

function stopTask(context: Context, node: string, kind: Kind, vmid: number, skiplock = false): string {
  const { state } = context;
  if (kind === "lxc" && guestOn(state, node, kind, vmid).run === undefined) die(`CT ${vmid} not running`); // captured 344
  const work = () => {
    const guest = guestOn(state, node, kind, vmid);
    if (!skiplock) checkLock(guest);
    return guest;
  };
  return start(context, {
    node,
    type: taskType(state.guests.get(vmid), kind, "stop"),
    id: String(vmid),
    seconds: 1,
    begin: () => void work(),
    finish: () => stopNow(state, work()),
  });
}

/** HA's manager shuts a VM down by itself, and cuts its power after the time: the task only tells it to. */
function handOver(context: Context, node: string, vmid: number): string {
  const { state } = context;
  return start(context, {
    node,
    type: "hastop",
    id: String(vmid),
    seconds: 0.5,
    lines: [`Requesting HA stop for VM ${vmid}`],
    finish: () => stopNow(state, guestOn(state, node, "qemu", vmid)),
  });
}

interface Shutdown {
  readonly timeout: number;
  readonly force: boolean;
  readonly again: boolean;
}

/** A paused VM would carry the order out once it goes on: PVE refuses it at once (its vm_shutdown and vm_reboot). */
function refusePaused({ run }: Guest): void {
  if (run?.paused === true) die("VM is paused - cannot shutdown");
}

/** Shutdown and reboot: a guest that does not cooperate runs into the timeout. */
function shutdownTask(context: Context, node: string, kind: Kind, vmid: number, how: Shutdown): string {
  const { state, engine } = context;
  const found = guestOn(state, node, kind, vmid);
  if (!how.force) refusePaused(found);
  const silent = found.run !== undefined && (!found.cooperates || found.run.paused);
  if (found.managed === true && kind === "qemu" && !how.again) return handOver(context, node, vmid);
  const failure = kind === "qemu" ? "VM quit/powerdown failed - got timeout" : "container did not stop - got timeout";
  return start(context, {
    node,
    type: taskType(undefined, kind, how.again ? "reboot" : "shutdown"),
    id: String(vmid),
    seconds: silent ? how.timeout : 4,
    begin: () => checkLock(guestOn(state, node, kind, vmid)),
    finish: (log: Log) => {
      const guest = guestOn(state, node, kind, vmid);
      checkLock(guest);
      if (silent && guest.run !== undefined) {
        if (!how.force) die(failure);
        log("VM still running - terminating now with SIGTERM"); // captured 224
      }
      const was = guest.run;
      stopNow(state, guest);
      if (how.again && was !== undefined) startNow(state, guest, engine.now());
    },
  });
}

export const qemuStart: Route<"POST /nodes/{node}/qemu/{vmid}/status/start"> = (context, { node, vmid, skiplock }) => {
  refuseSkiplock(context, skiplock);
  return startTask(context, node, "qemu", vmid, skiplock);
};

export const lxcStart: Route<"POST /nodes/{node}/lxc/{vmid}/status/start"> = (context, { node, vmid, skiplock }) => {
  refuseSkiplock(context, skiplock);
  return startTask(context, node, "lxc", vmid, skiplock);
};

export const qemuStop: Route<"POST /nodes/{node}/qemu/{vmid}/status/stop"> = (context, { node, vmid, skiplock }) => {
  refuseSkiplock(context, skiplock);
  return stopTask(context, node, "qemu", vmid, skiplock);
};

export const lxcStop: Route<"POST /nodes/{node}/lxc/{vmid}/status/stop"> = (context, { node, vmid, skiplock }) => {
  refuseSkiplock(context, skiplock);
  return stopTask(context, node, "lxc", vmid, skiplock);
};

export const qemuShutdown: Route<"POST /nodes/{node}/qemu/{vmid}/status/shutdown"> = (context, params) => {
  refuseSkiplock(context, params.skiplock);
  const how = { timeout: params.timeout ?? 60, force: params.forceStop ?? false, again: false };
  return shutdownTask(context, params.node, "qemu", params.vmid, how);
};

export const lxcShutdown: Route<"POST /nodes/{node}/lxc/{vmid}/status/shutdown"> = (context, params) => {
  if (guestOn(context.state, params.node, "lxc", params.vmid).run === undefined) die(`CT ${params.vmid} not running`);
  const how = { timeout: params.timeout ?? 60, force: params.forceStop ?? false, again: false };
  return shutdownTask(context, params.node, "lxc", params.vmid, how);
};

function reboot(context: Context, kind: Kind, node: string, vmid: number, timeout = 60): string {
  // Both kinds say "VM" here.
  if (guestOn(context.state, node, kind, vmid).run === undefined) die(`VM ${vmid} not running`);
  return shutdownTask(context, node, kind, vmid, { timeout, force: kind === "lxc", again: true });
}

export const qemuReboot: Route<"POST /nodes/{node}/qemu/{vmid}/status/reboot"> = (context, { node, vmid, timeout }) =>
  reboot(context, "qemu", node, vmid, timeout);

export const lxcReboot: Route<"POST /nodes/{node}/lxc/{vmid}/status/reboot"> = (context, { node, vmid, timeout }) =>
  reboot(context, "lxc", node, vmid, timeout);

/** A task on a running VM that ends at once. */
function onRunning(context: Context, node: string, vmid: number, type: string, work: (guest: Guest) => void): string {
  const guest = guestOn(context.state, node, "qemu", vmid);
  if (guest.run === undefined) die(`VM ${vmid} not running`);
  return start(context, {
    node,
    type,
    id: String(vmid),
    seconds: 0.5,
    begin: () => checkLock(guest),
    finish: () => work(guestOn(context.state, node, "qemu", vmid)),
  });
}

export const qemuReset: Route<"POST /nodes/{node}/qemu/{vmid}/status/reset"> = (context, { node, vmid, skiplock }) => {
  refuseSkiplock(context, skiplock);
  return onRunning(context, node, vmid, "qmreset", () => {});
};

export const qemuSuspend: Route<"POST /nodes/{node}/qemu/{vmid}/status/suspend"> = (context, params) => {
  refuseSkiplock(context, params.skiplock);
  const { node, vmid } = params;
  const { state, engine } = context;
  if (params.todisk !== true) {
    return onRunning(context, node, vmid, "qmpause", (guest) => {
      if (guest.run !== undefined) guest.run.paused = true;
    });
  }
  return onRunning(context, node, vmid, "qmsuspend", (guest) => {
    const disk = [...guest.config].find(([option]) => isSlot("qemu", option));
    const own = disk === undefined ? "local" : volidIn("qemu", disk[0], String(disk[1])).split(":")[0] ?? "local";
    const storage = storageOn(state, node, word(params.statestorage) ?? own);
    const size = memoryOf(guest.config) * 2;
    const role = `state-suspend-${new Date(engine.now()).toISOString().slice(0, 10)}`;
    const volume = allocate(state, { storage, node, vmid, content: "images", size, now: engine.now(), role });
    guest.config.set("vmstate", `${volume.storage}:${volume.name}`);
    guest.config.set("lock", "suspended");
    guest.run = undefined;
  });
};

export const qemuResume: Route<"POST /nodes/{node}/qemu/{vmid}/status/resume"> = (
  context,
  { node, vmid, skiplock },
) => {
  refuseSkiplock(context, skiplock);
  const hibernated = guestOn(context.state, node, "qemu", vmid);
  if (hibernated.run === undefined && text(hibernated.config, "lock") === "suspended") {
    return startTask(context, node, "qemu", vmid);
  }
  return onRunning(context, node, vmid, "qmresume", (guest) => {
    if (guest.run !== undefined) guest.run.paused = false;
  });
};
