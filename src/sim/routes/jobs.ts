/** Backups: taken by request or by schedule, with the pruning that comes by default. */
import type { Identity } from "../access.ts";
import { addVolume, nextUuid, stamp } from "../build.ts";
import { applyPending } from "../config.ts";
import { archiveOf } from "../disks.ts";
import type { Engine, Log, Plan } from "../engine.ts";
import { die } from "../failure.ts";
import { splitList } from "../property.ts";
import { backupGroups, type Keep, limitOf, parseKeep, prune } from "../prune.ts";
import { nameOf } from "../rows.ts";
import { nextRun } from "../schedule.ts";
import { type Guest, type Job, type State, storageOn, text, type Value, volumeId } from "../state.ts";
import { given, type Route, start } from "./context.ts";
import { useUpMemory } from "./power.ts";
import { dropSnapshot } from "./snapshots.ts";

interface Order {
  readonly node: string;
  readonly vmids: readonly number[];
  readonly storage: string;
  readonly remove: boolean;
  readonly keep: Keep | undefined;
  readonly protected: boolean;
  /** How many protected backups of a guest there may be; undefined: any number. */
  readonly mostProtected: number | undefined;
  readonly notes: string | undefined;
  readonly mode: string;
  readonly compress: string;
  readonly words: string;
}

function backupOne(state: State, order: Order, guest: Guest, at: number, log: Log): void {
  const storage = storageOn(state, order.node, order.storage);
  if (!storage.content.has("backup")) die(`storage '${storage.id}' does not support content-type 'backup'`);
  const lock = text(guest.config, "lock");
  if (lock !== undefined) die(`${guest.kind === "qemu" ? "VM" : "CT"} is locked (${lock})`);
  const keep = order.keep ?? storage.prune;
  const limit = limitOf(keep);
  const present = [...backupGroups(storage, order.node, guest.vmid, guest.kind).values()].flat();
  const most = order.mostProtected;
  if (order.protected && most !== undefined && present.filter((volume) => volume.protected).length >= most) {
    die(`The number of protected backups per guest is limited to ${most} on storage '${storage.id}'`);
  }
  if (!order.remove && limit !== undefined && !order.protected) {
    if (present.filter((volume) => !volume.protected).length >= limit) {
      die(
        `There is a max backup limit of ${limit} enforced by the target storage or the vzdump parameters. ` +
          "Either increase the limit or delete old backups.",
      );
    }
  }
  const suffix = order.compress === "zstd"
    ? ".zst"
    : order.compress === "gzip" || order.compress === "1"
    ? ".gz"
    : order.compress === "lzo"
    ? ".lzo"
    : "";
  const format = `${guest.kind === "qemu" ? "vma" : "tar"}${suffix}`;
  let stamped = at;
  const name = () => `backup/vzdump-${guest.kind}-${guest.vmid}-${stamp(stamped)}.${format}`;
  while (storage.volumes.get(storage.shared ? "" : order.node)?.has(name()) === true) stamped += 1000;
  log(`INFO: Backup started at ${new Date(at).toISOString().slice(0, 19).replace("T", " ")}`);
  log(`INFO: status = ${guest.run === undefined ? "stopped" : "running"}`);
  log(`INFO: backup mode: ${guest.run === undefined ? "stop" : order.mode}`);
  log(`INFO: ${guest.kind === "qemu" ? "VM" : "CT"} Name: ${nameOf(guest)}`);
  log(`INFO: creating vzdump archive '${storage.path}/dump/${name().slice(7)}'`);
  // Mode stop ends and starts the guest, and a stopped VM gets a process for its backup, which resumes from saved memory:
  // both apply what is pending.
  if (guest.run === undefined && guest.kind === "qemu") useUpMemory(state, guest);
  if (guest.run === undefined ? guest.kind === "qemu" : order.mode === "stop") applyPending(state, guest, true);
  const snapshots = guest.kind === "lxc" && guest.run !== undefined && order.mode === "snapshot";
  if (snapshots && guest.snapshots.has("vzdump")) {
    log("INFO: found old vzdump snapshot (force removal)");
    dropSnapshot(state, guest, "vzdump");
  }
  const backup = archiveOf(state, guest);
  let size = 1024 * 1024;
  for (const volume of backup.volumes.values()) size += Math.round(volume.size * 0.12);
  addVolume(state, storage, order.node, {
    name: name(),
    content: "backup",
    format,
    size,
    ctime: Math.floor(stamped / 1000),
    vmid: guest.vmid,
    protected: order.protected,
    backup,
    ...(order.notes === undefined ? {} : {
      notes: order.notes.replaceAll(/\\([n\\])/g, (_match, escaped) => escaped === "n" ? "\n" : "\\").replaceAll(
        "{{guestname}}",
        nameOf(guest),
      ).replaceAll("{{vmid}}", String(guest.vmid))
        .replaceAll("{{node}}", order.node),
    }),
  });
  // The default: after a good backup, older ones go by the storage's retention.
  if (order.remove && limit !== undefined) {
    log(
      `INFO: prune older backups with retention: ${
        [...keep ?? []].map(([key, count]) => `${key}=${count}`).join(", ")
      }`,
    );
    for (const volume of prune(storage, order.node, keep, guest.vmid, guest.kind)) {
      log(`INFO: removing backup '${volumeId(volume)}'`);
    }
  }
}

/** What vzdump tells while it copies the disks of a VM, in steps of 10 %; of containers it tells nothing. */
function copying(state: State, { vmids }: Order): string[] {
  const [only, ...more] = vmids;
  const guest = more.length > 0 || only === undefined ? undefined : state.guests.get(only);
  if (guest?.kind !== "qemu" || text(guest.config, "lock") !== undefined) return [];
  return Array.from({ length: 11 }, (_, step) => {
    const percent = String(step * 10).padStart(3);
    return `INFO: ${percent}% (${
      (step * 0.8).toFixed(1)
    } GiB of 8.0 GiB) in ${step}s, read: 800.0 MiB/s, write: 90.0 MiB/s`;
  });
}

function plan(engine: Engine, order: Order): Plan {
  const { state } = engine;
  return {
    node: order.node,
    type: "vzdump",
    id: order.vmids.length === 1 ? String(order.vmids[0]) : "",
    seconds: 6 + 3 * order.vmids.length,
    lines: [`INFO: starting new backup job: vzdump ${order.words}`, ...copying(state, order)],
    finish: (log) => {
      let failed = false;
      for (const vmid of order.vmids) {
        const guest = state.guests.get(vmid);
        try {
          if (guest === undefined || guest.node !== order.node) die(`unable to find VM '${vmid}'`);
          log(`INFO: Starting Backup of VM ${vmid} (${guest.kind})`);
          backupOne(state, order, guest, engine.now(), log);
          log(`INFO: Finished Backup of VM ${vmid} (00:00:04)`);
        } catch (error) {
          if (!(error instanceof Error)) throw error;
          failed = true;
          log(`ERROR: Backup of VM ${vmid} failed - ${error.message}`);
        }
      }
      log(failed ? "INFO: Backup job finished with errors" : "INFO: Backup job finished successfully");
      if (failed) die("job errors"); // captured 385
    },
  };
}

/** PVE's own limit for those who may not allocate on the storage. */
const MOST_PROTECTED = 5;

function orderOf(
  state: State,
  node: string,
  options: ReadonlyMap<string, unknown>,
  mayAllocate: (storage: string) => boolean = () => true,
): Order {
  const word = (name: string) => {
    const value = options.get(name);
    return value === undefined ? undefined : String(value);
  };
  const off = (name: string) => options.get(name) === false || options.get(name) === 0;
  const on = (name: string) => options.get(name) === true || options.get(name) === 1;
  const pool = state.pools.get(word("pool") ?? "");
  const excluded = new Set(splitList(word("exclude") ?? "").map(Number));
  const all = [...state.guests.values()].filter((guest) => guest.node === node && !excluded.has(guest.vmid)).map((
    guest,
  ) => guest.vmid);
  const vmids = on("all")
    ? all
    : pool !== undefined
    ? all.filter((vmid) => pool.guests.has(vmid))
    : splitList(word("vmid") ?? "").map(Number);
  const keep = word("prune-backups");
  const storage = word("storage") ?? "local";
  const words = [...options].filter(([name]) => !["node", "vmid", "schedule", "id", "enabled"].includes(name))
    .map(([name, value]) => `--${name} ${typeof value === "boolean" ? Number(value) : value}`);
  return {
    node,
    vmids,
    storage,
    remove: !off("remove"),
    keep: keep === undefined ? undefined : parseKeep(keep),
    protected: on("protected"),
    mostProtected: mayAllocate(storage) ? undefined : MOST_PROTECTED,
    notes: word("notes-template"),
    mode: word("mode") ?? "snapshot",
    compress: word("compress") ?? "0",
    words: [...vmids, ...words, `--node ${node}`].join(" "),
  };
}

export const vzdump: Route<"POST /nodes/{node}/vzdump"> = (context, params) => {
  const { state, rights } = context;
  const order = orderOf(
    state,
    params.node,
    given(params),
    (id) => rights.can(`/storage/${id}`, ["Datastore.Allocate"]),
  );
  if (order.vmids.length === 0) die("no VMs/CTs selected for backup job");
  for (const vmid of order.vmids) context.rights.check(`/vms/${vmid}`, ["VM.Backup"]);
  storageOn(context.state, params.node, order.storage);
  context.rights.check(`/storage/${order.storage}`, ["Datastore.AllocateSpace"]);
  if (params["prune-backups"] !== undefined) context.rights.check(`/storage/${order.storage}`, ["Datastore.Allocate"]);
  return start(context, plan(context.engine, order));
};

export const list: Route<"GET /cluster/backup"> = ({ state }) =>
  [...state.jobs.values()].map((job) => ({
    id: job.id,
    type: "vzdump",
    schedule: job.schedule,
    enabled: job.enabled ? 1 : 0,
    ...(job.enabled ? { "next-run": Math.floor(job.next / 1000) } : {}),
    ...Object.fromEntries(job.options),
    // Kept as a property string, shown as an object, as the schema has it.
    ...(job.options.has("prune-backups")
      ? { "prune-backups": Object.fromEntries(parseKeep(String(job.options.get("prune-backups")))) }
      : {}),
  }));

/** Guests that no enabled job takes along; those that the caller may not see are left out. */
export const notBackedUp: Route<"GET /cluster/backup-info/not-backed-up"> = ({ state, rights }) => {
  const taken = new Set<number>();
  for (const job of state.jobs.values()) {
    if (!job.enabled) continue;
    for (const node of state.nodes.keys()) for (const vmid of orderOf(state, node, job.options).vmids) taken.add(vmid);
  }
  return [...state.guests.values()].filter(({ vmid }) => !taken.has(vmid) && rights.can(`/vms/${vmid}`, ["VM.Audit"]))
    .map((guest) => ({ vmid: guest.vmid, name: nameOf(guest), type: guest.kind }));
};

export const create: Route<"POST /cluster/backup"> = ({ state, engine }, params) => {
  const options = new Map<string, Value>();
  for (const [name, value] of given(params)) {
    if (["id", "schedule", "enabled", "starttime", "dow"].includes(name)) continue;
    options.set(name, typeof value === "boolean" ? Number(value) : String(value));
  }
  const id = params.id === undefined ? nextUuid(state) : String(params.id);
  if (state.jobs.has(id)) die(`Job '${id}' already exists`);
  const schedule = String(params.schedule ?? params.starttime ?? "00:00");
  state.jobs.set(id, { id, schedule, enabled: params.enabled ?? true, options, next: nextRun(schedule, engine.now()) });
  return null;
};

/** The job that is to run next. */
export function dueJob(state: State): Job | undefined {
  let next: Job | undefined;
  for (const job of state.jobs.values()) if (job.enabled && (next === undefined || job.next < next.next)) next = job;
  return next;
}

const SCHEDULER: Identity = { user: "root@pam", token: undefined };

/** Runs the job that is due, on every node that has guests of it, and sets when it runs again. */
export function runJobs(engine: Engine): void {
  const job = dueJob(engine.state);
  if (job === undefined) return;
  job.next = nextRun(job.schedule, job.next);
  for (const node of engine.state.nodes.values()) {
    if (!node.online) continue;
    const order = orderOf(engine.state, node.name, job.options);
    const vmids = order.vmids.filter((vmid) => engine.state.guests.get(vmid)?.node === node.name);
    if (vmids.length > 0) engine.start(SCHEDULER, plan(engine, { ...order, vmids }));
  }
}
