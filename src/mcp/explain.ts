/** Adds to a failure what PVE does not say itself: what there is instead, who holds a lock, how to grant what is missing. */
import { Grants } from "../access/grants.ts";
import { grantPaths } from "../access/places.ts";
import { grantLines, subjectOf } from "../access/pveum.ts";
import { judgeTool, type Lack } from "../access/report.ts";
import { PveError, type PveErrorDetails } from "../errors.ts";
import { narrow, type PveClient } from "../pve/client.ts";
import { parseUpid } from "../pve/tasks.ts";
import { meaningOf } from "../pve/reasons.ts";
import type { Tool } from "../tool.ts";
import { namesTaken, whatThereIs } from "./candidates.ts";

/** The only requests that explaining sends. */
const calls = [
  "GET /access/permissions",
  "GET /nodes",
  "GET /nodes/{node}/network",
  "GET /nodes/{node}/storage/{storage}/content",
  "GET /nodes/{node}/tasks",
  "GET /nodes/{node}/qemu/{vmid}/snapshot",
  "GET /nodes/{node}/lxc/{vmid}/snapshot",
  "GET /cluster/resources",
] as const;
/** What explaining reads with. */
export type Reader = PveClient<(typeof calls)[number]>;

/** Beside which call, and for whom, something failed. */
export interface Scene {
  readonly tool: Pick<Tool, "name" | "privileges">;
  /** The arguments of the call, with their defaults where it came so far. */
  readonly args: unknown;
  readonly pve: PveClient;
  /** As in "agent@pve!mcp"; undefined where it is not known. */
  readonly token: string | undefined;
  /** The pool that the settings put every new guest into. */
  readonly pool?: string | undefined;
  readonly signal: AbortSignal;
}

/** An explanation that takes longer (ms) comes too late: the failure is told without it. */
const PATIENCE = 5000;

/** The error with all that can be found out about it; the same error where nothing can. Never throws. */
export async function explained(error: unknown, scene: Scene): Promise<unknown> {
  if (!(error instanceof PveError) || scene.signal.aborted) return error;
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), PATIENCE);
  try {
    const options = { signal: AbortSignal.any([scene.signal, ending.signal]) };
    const details = withCause(error.details);
    const more = await findOut(details, scene, narrow(scene.pve, calls), options);
    if (more === undefined) return error;
    const { message = error.message, ...found } = more;
    return new PveError(message, { ...details, kind: error.details.kind, ...found }, { cause: error });
  } catch {
    return error;
  } finally {
    clearTimeout(timer);
  }
}

/** What was found out, on top of the details. */
export type Found = Partial<PveErrorDetails> & { readonly message?: string };
/** Ends when explaining takes too long. */
export type Options = { readonly signal: AbortSignal };

/** A task's error says by its exit status what an answer's error says by its reason. */
function withCause(details: PveErrorDetails): PveErrorDetails {
  const { kind, upid, reason } = details;
  if (kind !== "task" || upid === undefined || reason === undefined) return details;
  const { node, id } = parseUpid(upid);
  const meaning = meaningOf(reason);
  return {
    ...details,
    kind: meaning?.kind ?? kind,
    subject: { node, ...(/^\d+$/.test(id) ? { vmid: Number(id) } : {}) },
    ...(meaning?.absent === undefined ? {} : { absent: meaning.absent }),
    ...(meaning?.lock === undefined ? {} : { lock: meaning.lock }),
  };
}

async function findOut(
  details: PveErrorDetails,
  scene: Scene,
  pve: Reader,
  options: Options,
): Promise<Found | undefined> {
  switch (details.kind) {
    case "forbidden":
      return details.remedy?.startsWith("No API token") ? undefined : await howToGrant(details, scene, pve, options);
    case "unauthenticated":
      return scene.token === undefined ? undefined : { remedy: forToken(details.remedy ?? "", scene.token) };
    case "locked":
      return await whoLocks(details, pve, options);
    case "missing":
      return await whatThereIs(details, scene, pve, options);
    case "conflict":
      return / name '[^']*' already used$/.test(details.reason ?? "")
        ? await namesTaken(details, pve, options)
        : undefined;
    case "busy":
      return (details.status ?? 0) >= 595 ? await whetherOnline(details, pve, options) : undefined;
    default:
      return undefined;
  }
}

/** Which token it was is half of the answer: a name that is mistyped shows. */
function forToken(remedy: string, token: string): string {
  return `The token is ${token}. ${remedy.replace("token list USER@REALM", `token list ${subjectOf(token).user}`)}`;
}

/** Whether a privilege that is needed only "for cores, sockets" is needed for these arguments. */
function concerns(when: string, args: unknown): boolean {
  if (typeof args !== "object" || args === null) return false;
  const inner = "config" in args && typeof args.config === "object" ? args.config : undefined;
  const words = new Set(when.split(/[^\w-]+/));
  return Object.keys({ ...args, ...inner }).some((name) =>
    words.has(name) || (words.has("network") && /^net\d+$/.test(name)) ||
    (words.has("disks") && /^(?:(?:scsi|virtio|sata|ide|mp)\d+|rootfs|storage|boot)$/.test(name))
  );
}

function worded({ any, path, when }: Lack): string {
  return `${any.join(" or ")} on ${path}${when === undefined ? "" : ` (${when})`}`;
}

/** The privileges that are missing, by what the token has, and the commands that grant them. */
async function howToGrant(details: PveErrorDetails, scene: Scene, pve: Reader, options: Options): Promise<Found> {
  const { tool, token } = scene;
  const { path, privileges = [] } = details;
  const permissions = await pve.call("GET /access/permissions", {}, options).catch(() => ({}));
  const grants = new Grants(permissions);
  const [only] = privileges;
  let lacks: Lack[];
  if (path !== undefined && only !== undefined && privileges.length === 1) {
    lacks = [{ any: privileges, path, when: undefined, grantOn: grantPaths(path, [path], grants) }];
  } else {
    // PVE names one of several, or none at all: what the tool has declared tells which.
    const all = judgeTool(tool, grants, { nodes: [], storages: [], bridges: [] }).lacks
      .filter(({ any }) => any.length === 1 || privileges.length === 0)
      .filter(({ any }) => privileges.length === 0 || any.some((privilege) => privileges.includes(privilege)));
    const needed = all.filter(({ when }) => when === undefined || concerns(when, scene.args));
    lacks = needed.length > 0 ? needed : all;
  }
  if (lacks.length === 0) return { privileges };
  const subject = token === undefined ? undefined : subjectOf(token);
  // Privileges that this PVE does not know are not among those it asks for.
  const grant = grantLines(tool.name, lacks, subject, 9);
  const who = token === undefined ? "the token" : `token ${token}`;
  const moved = lacks.some(({ path, grantOn }) => grantOn.some((one) => path !== one && path.startsWith(one)))
    ? " (on the path that its other privileges come from: an entry further down would replace them there)"
    : "";
  const nothing = grants.empty
    ? " (it has no privilege at all: with privilege separation a token needs ACLs of its own)"
    : "";
  return {
    privileges: [...new Set(lacks.flatMap(({ any }) => any))],
    ...(path === undefined && lacks[0] !== undefined ? { path: lacks[0].path } : {}),
    grant,
    remedy: `For ${tool.name}, ${who} lacks ${lacks.map(worded).join(", ")}${nothing}. ` +
      `A person can grant it on the PVE host${moved}: ${grant}`,
  };
}

/** Which tasks leave which lock. */
const LOCKING: Readonly<Record<string, RegExp>> = {
  backup: /^vzdump$/,
  clone: /^(?:qm|vz)clone$/,
  create: /^(?:qm|vz)(?:create|restore)$/,
  migrate: /^(?:qm|vz)migrate$/,
  rollback: /^(?:qm|vz)rollback$/,
  snapshot: /^(?:qm|vz)snapshot$/,
  "snapshot-delete": /^(?:qm|vz)delsnapshot$/,
  suspending: /^qmsuspend$/,
};

/** The running tasks that may hold the lock of a guest. */
async function whoLocks(details: PveErrorDetails, pve: Reader, options: Options): Promise<Found | undefined> {
  const { node, vmid } = details.subject ?? {};
  if (typeof node !== "string" || vmid === undefined) return undefined;
  const running = (await pve.call("GET /nodes/{node}/tasks", { node, source: "active", limit: 100 }, options))
    .filter(({ upid, status }) => upid !== details.upid && (status === undefined || status === "RUNNING"));
  // A job's backup names no guest, and a clone the guest that it copies.
  const kind = LOCKING[details.lock ?? ""];
  const own = running.filter(({ id }) => id === String(vmid));
  const holders = own.length > 0 ? own : running.filter(({ type }) => kind?.test(type ?? "") === true);
  if (holders.length === 0) {
    return {
      remedy: `${details.remedy ?? ""}. This token sees no running task of ${vmid} on ${node} ` +
        "(others' tasks only with Sys.Audit on the node)",
    };
  }
  const shown = holders.slice(0, 3).map(({ type, upid, user }) =>
    `${type ?? "task"} of ${user ?? "somebody"} (${upid})`
  );
  return {
    holders: holders.slice(0, 3).map(({ upid }) => upid),
    remedy: `Nothing was changed. The lock is held by ${
      shown.join(", ")
    }: wait until that has ended, as with wait_task, then try again`,
  };
}

/** A node that PVE cannot reach is often one that it shows as offline. */
async function whetherOnline(details: PveErrorDetails, pve: Reader, options: Options): Promise<Found | undefined> {
  const node = details.subject?.node;
  const rows = await pve.call("GET /nodes", {}, options);
  const row = rows.find((row) => row.node === node);
  const online = rows.filter(({ status }) => status === "online").map((row) => row.node).sort();
  if (row === undefined) {
    return { candidates: online, remedy: `There is no node ${node}; there are ${online.join(", ")}` };
  }
  if (row.status !== "offline") return undefined;
  return { remedy: `${node} is offline; online are ${online.join(", ")}. ${details.remedy ?? ""}` };
}
