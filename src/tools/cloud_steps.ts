/** Makes a VM from a cloud image, step by step, and goes on where an earlier call stopped. */
import { PveError, Refusal, UsageError } from "../errors.ts";
import type { Params } from "../pve/client.ts";
import { type Guest, listGuests } from "../pve/guests.ts";
import { within } from "../pve/queue.ts";
import { readUpid } from "../pve/tasks.ts";
import { refuseLack } from "../safety/checks.ts";
import type { StartedTask, ToolContext } from "../tool.ts";
import { type CloudVmWish, settingsOf } from "./cloud_wish.ts";
import { mebibytesOf } from "./grow.ts";
import { recogniseCalls, refuseForeign, refuseStrange, strange, wasStarted } from "./half_made.ts";
import { newGuestCalls, withFreeVmid } from "./new_guest.ts";
import { choosePlace } from "./places.ts";
import { needOf } from "./volumes.ts";
import { deadlineOf, inTurn, type Outcome, settle } from "./waiting.ts";

/** The tool's name. */
export const NAME = "create_cloudinit_vm";

/** All requests that the steps take. */
export const calls = [
  ...newGuestCalls,
  ...recogniseCalls,
  "GET /nodes/{node}/storage",
  "GET /nodes/{node}/qemu/{vmid}/config",
  "POST /nodes/{node}/qemu",
  "PUT /nodes/{node}/qemu/{vmid}/resize",
  "POST /nodes/{node}/qemu/{vmid}/status/start",
] as const;
type Context = ToolContext<(typeof calls)[number]>;

/** In their order. */
export const STEPS = ["create", "grow", "start"] as const;
type Step = (typeof STEPS)[number];
type Progress = Partial<Record<Step, "done" | "running" | "not done">>;

const GIB = 1024 ** 3;

/** One call: what it was given, how far it has come, what is worth saying. */
export class Work {
  readonly #progress: Progress = {};
  readonly #notes: string[] = [];
  readonly #warnings: string[] = [];
  readonly #deadline: number;
  #disk: number | undefined;

  constructor(readonly given: CloudVmWish, readonly context: Context) {
    this.#deadline = deadlineOf(given);
  }

  /**
   * The guest that the caller names, if there is one.
   * @throws {UsageError} where a new VM would be the second one of that name: after a call that broke off, it would be meant
   */
  async lookFor(): Promise<Guest | undefined> {
    const { pve, signal } = this.context;
    const { vmid, name } = this.given;
    const guests = await listGuests(pve, { signal });
    if (vmid !== undefined) return guests.find((guest) => guest.vmid === vmid);
    const same = guests.find((guest) => guest.name === name);
    if (same === undefined) return undefined;
    throw new UsageError(
      `There is a guest called ${JSON.stringify(name)} already: ${same.vmid} on ${same.node}`,
      `If an earlier call has begun it, go on with vmid=${same.vmid}; to make another one, choose another name`,
    );
  }

  /** Has PVE make the VM, with the image as its disk. */
  async begin(): Promise<StartedTask> {
    const { pve, signal } = this.context;
    const { image, storage, vmid, pool, node, disk_size } = this.given;
    const source = await needOf(pve, { name: "image", value: image, content: "import" }, { signal });
    const needs = [source, { storage, content: "images" }] as const;
    const place = await choosePlace(pve, node, needs, { signal });
    if (place.note !== undefined) this.#notes.push(place.note);
    // PVE would import the image first, and nothing here takes a VM away whose disk cannot grow then.
    await refuseLack(new Map([[storage, disk_size * GIB]]), place.node, pve, { signal });
    const send = async (free: number) => {
      const request: Params<"POST /nodes/{node}/qemu"> = {
        ...settingsOf(this.given),
        scsi0: `${storage}:0,import-from=${image},discard=on,iothread=1`,
        ide2: `${storage}:cloudinit`,
        node: place.node,
        vmid: free,
        ...(pool === undefined ? {} : { pool }),
      };
      return { node: place.node, upid: await pve.call("POST /nodes/{node}/qemu", request, { signal }) };
    };
    const begun = vmid === undefined
      ? await withFreeVmid(this.context, this.#notes, send)
      : { vmid, ...await send(vmid) };
    this.context.queue.hold([begun.vmid], begun.upid);
    return begun;
  }

  /** Waits for the image to be imported, then does the rest; `resumed`: an earlier call has begun it, whenever that was. */
  async afterImport(begun: Promise<StartedTask>, resumed: boolean) {
    const { signal } = this.context;
    const task = await within(begun, { deadline: this.#deadline, signal }, stillBegins, gaveUp);
    const outcome = await settle(this.context, task.upid, this.given, this.#deadline);
    this.#note("create", outcome);
    if (outcome.state === "running") return this.#answer(task, outcome);
    return await this.#rest(task, resumed);
  }

  /** Goes on with a VM that an earlier call has begun; any other is left alone. */
  async goOn(guest: Guest) {
    if (guest.kind !== "vm" || guest.template) {
      throw strange(guest.vmid, `it is a ${guest.kind === "vm" ? "template" : "container"}`);
    }
    const { vmid } = guest;
    const lock = await this.#lockOf(guest);
    if (typeof lock === "object") return this.#answer(guest, lock);
    if (lock === "create") {
      throw new PveError(`VM ${vmid} is just being made: PVE still imports its disk`, {
        kind: "locked",
        lock,
        remedy: `Wait for its task (list_tasks with vmid=${vmid}), then call ${NAME} again`,
      });
    }
    this.#progress.create = "done";
    return await this.#rest(guest, true);
  }

  /** Its lock, when what an earlier call has begun is over; where PVE still imports the image, that. */
  async #lockOf(guest: { readonly node: string; readonly vmid: number }): Promise<string | undefined | Outcome> {
    const { pve, signal } = this.context;
    const { node, vmid } = guest;
    try {
      const read = () => pve.call("GET /nodes/{node}/qemu/{vmid}/status/current", { node, vmid }, { signal });
      return (await inTurn(this.context, vmid, this.#deadline, read)).lock;
    } catch (error) {
      const upid = error instanceof PveError && error.details.kind === "conflict" ? error.details.upid : undefined;
      if (upid === undefined || readUpid(upid)?.type !== "qmcreate") throw error;
      this.#progress.create = "running";
      return { state: "running", upid };
    }
  }

  /** Enlarges the disk and starts the VM, as far as that is not done. */
  async #rest(guest: { readonly node: string; readonly vmid: number }, resumed: boolean) {
    try {
      const before = await this.#grow(guest, resumed);
      if (before === "used") return this.#answer(guest, { state: "unchanged" });
      if (before?.state === "running") return this.#answer(guest, before);
      const started = this.given.start ? await this.#start(guest) : undefined;
      if (started?.state === "running") return this.#answer(guest, started);
      const outcome = started ?? before;
      const none: Outcome = { state: resumed ? "unchanged" : "ok" };
      return this.#answer(guest, outcome ?? none);
    } catch (error) {
      throw this.#told(error, guest.vmid);
    }
  }

  /** @returns undefined where it was large enough; "used" for a VM that has been started before: that one is made */
  async #grow(guest: { readonly node: string; readonly vmid: number }, resumed: boolean) {
    const { context, given } = this;
    const { pve, signal } = context;
    const { node, vmid } = guest;
    const upid = await inTurn(context, vmid, this.#deadline, async () => {
      const config = await pve.call("GET /nodes/{node}/qemu/{vmid}/config", { node, vmid }, { signal });
      if (resumed && await this.#recognised(guest, config)) return "used";
      const present = mebibytesOf(config.scsi0);
      const added = given.disk_size * 1024 - (present ?? 0);
      if (present === undefined || added < 1) {
        this.#disk = present === undefined ? undefined : present / 1024;
        if (added <= -1) this.#notes.push(`Its disk has ${(present ?? 0) / 1024} GiB, as the image has`);
        return undefined;
      }
      const size = `+${Math.floor(added)}M`;
      const digest = config.digest;
      const call = "PUT /nodes/{node}/qemu/{vmid}/resize";
      const task = await pve.call(call, { node, vmid, disk: "scsi0", size, digest }, { signal });
      context.queue.hold([vmid], task);
      return task;
    });
    if (upid === "used") return upid;
    if (upid === undefined) {
      this.#progress.grow = "done";
      return undefined;
    }
    const outcome = await settle(context, upid, given, this.#deadline);
    this.#note("grow", outcome);
    if (outcome.state !== "running") this.#disk = given.disk_size;
    return outcome;
  }

  /**
   * Holds a VM against what this call would have made, and asks who made it.
   * @returns whether it has been started since: then it is made
   * @throws {UsageError} where anything differs: it is somebody else's then, or has been changed
   */
  async #recognised(
    guest: { readonly node: string; readonly vmid: number },
    config: Readonly<Record<string, unknown>>,
  ): Promise<boolean> {
    const { pve, signal, server } = this.context;
    const { storage, disk_size } = this.given;
    const { vmid } = guest;
    await refuseStrange(pve, guest, config, settingsOf(this.given), { vmid, storage }, { signal });
    await refuseForeign(pve, guest, config, server.token, { signal });
    const started = await wasStarted(pve, guest, config, { signal });
    if (started === undefined) return false;
    const present = (mebibytesOf(config.scsi0) ?? 0) / 1024;
    const small = present < disk_size;
    this.#disk = present;
    this.#progress.grow = small ? "not done" : "done";
    this.#progress.start = "done";
    this.#notes.push(
      started === "running"
        ? "It runs already: nothing was done"
        : "It has been started before, and is off now: start_vm starts it",
      ...(small ? ["Its disk is smaller than disk_size: resize_vm_disk enlarges it"] : []),
    );
    return true;
  }

  async #start(guest: { readonly node: string; readonly vmid: number }): Promise<Outcome | undefined> {
    const { pve, signal, queue } = this.context;
    const { node, vmid } = guest;
    const upid = await inTurn(this.context, vmid, this.#deadline, async () => {
      const now = await pve.call("GET /nodes/{node}/qemu/{vmid}/status/current", { node, vmid }, { signal });
      if (now.status === "running") return undefined;
      const task = await pve.call("POST /nodes/{node}/qemu/{vmid}/status/start", { node, vmid }, { signal });
      queue.hold([vmid], task);
      return task;
    });
    if (upid === undefined) {
      this.#progress.start = "done";
      return undefined;
    }
    const outcome = await settle(this.context, upid, this.given, this.#deadline);
    this.#note("start", outcome);
    return outcome;
  }

  #note(step: Step, outcome: Outcome): void {
    this.#progress[step] = outcome.state === "running" ? "running" : "done";
    this.#warnings.push(...outcome.warnings ?? []);
    if (outcome.unseen !== undefined) this.#notes.push(`PVE could not be asked the last time: ${outcome.unseen}`);
  }

  #steps(): { step: Step; state: "done" | "running" | "not done" }[] {
    return STEPS.filter((step) => step !== "start" || this.given.start)
      .map((step) => ({ step, state: this.#progress[step] ?? "not done" }));
  }

  #answer(guest: { readonly node: string; readonly vmid: number }, outcome: Outcome) {
    const { vmid, node } = guest;
    const { name, ipconfig0 } = this.given;
    const steps = this.#steps();
    const open = outcome.state === "running";
    const warned = !open && this.#warnings.length > 0;
    const address = /(?:^|,)ip6?=([^,]*\/\d+)/.exec(ipconfig0)?.[1];
    const notes = [
      ...this.#notes,
      ...(open
        ? [`Not done yet: call ${NAME} again with vmid=${vmid} and the same arguments; it goes on where it stopped`]
        : []),
      ...(this.#progress.start !== "done" ? [] : [
        address === undefined
          ? "Its address: guest_network, as soon as its guest agent answers; images without qemu-guest-agent leave that to the DHCP server"
          : `Its address: ${address}`,
      ]),
    ];
    return {
      vmid,
      name,
      node,
      state: warned ? "warnings" as const : outcome.state,
      steps,
      ...(this.#disk === undefined ? {} : { disk_gib: this.#disk }),
      ...(outcome.upid === undefined ? {} : { upid: outcome.upid }),
      ...(this.#warnings.length > 0 ? { warnings: this.#warnings } : {}),
      ...(notes.length > 0 ? { notes } : {}),
    };
  }

  /** An error with how far the VM has come, and how to go on. */
  #told(error: unknown, vmid: number): unknown {
    const steps = this.#steps().map(({ step, state }) => `${step} ${state}`).join(", ");
    // On another storage, or with the same size, it would be refused again.
    const lacks = error instanceof Refusal && /do not fit on storage/.test(error.message);
    const again = lacks
      ? `Call ${NAME} again with vmid=${vmid}, the same storage and a smaller disk_size: it goes on where it stopped`
      : `Then call ${NAME} again with vmid=${vmid} and the same arguments: it goes on where it stopped`;
    const told = (message: string) => message.replace(/\n|$/, (end) => ` (VM ${vmid}: ${steps})${end}`);
    const remedy = (present: string | undefined) => present === undefined ? again : `${present}. ${again}`;
    if (error instanceof PveError) {
      const details = { ...error.details, remedy: remedy(error.details.remedy) };
      return new PveError(told(error.message), details, { cause: error });
    }
    if (!(error instanceof Refusal)) return error;
    return new Refusal(told(error.message), lacks ? again : remedy(error.remedy));
  }
}

function stillBegins(): PveError {
  return new PveError("An earlier call with the same arguments has not been answered by PVE yet", {
    kind: "busy",
    remedy: "Look with list_tasks, then call again",
  });
}

function gaveUp(): PveError {
  return new PveError("Cancelled while PVE was asked to make the VM; it may still make it", { kind: "cancelled" });
}
