/** The errors that callers handle: what failed, with which value, what to do. Everything else is a bug. */

/** What kind of failure a PveError reports; the remedy depends on it. */
export type PveErrorKind =
  | "unreachable" // no connection: refused, unresolvable, reset, silent
  | "untrusted" // the certificate does not verify or does not match the pin
  | "unauthenticated" // 401
  | "forbidden" // 403
  | "invalid" // 400: PVE refused a parameter
  | "missing" // no such guest, node, storage, pool, task
  | "conflict" // taken vmid, running or not, digest changed, protected
  | "locked" // a task holds the guest's or the storage's lock
  | "full" // no space on the storage, no memory on the node
  | "quorum" // the cluster has lost its majority: nothing can be written
  | "agent" // the QEMU guest agent is off, silent, or does not take the command
  | "unsupported" // 501: this PVE does not know the call
  | "busy" // PVE or a node behind it did not answer in time
  | "unreadable" // an answer that is not PVE's: HTML, truncated, too large, wrong shape
  | "task" // PVE accepted the request and the task failed
  | "cancelled" // the client cancelled the call
  | "failed"; // PVE failed in words that nobody has foreseen

/** Facts of a failed request that a program may act on; all of them also stand in the message. */
export interface PveErrorDetails {
  readonly kind: PveErrorKind;
  /** HTTP status, where there was an answer. */
  readonly status?: number;
  /** PVE's own words, without a trailing newline. */
  readonly reason?: string;
  /** The call of the catalogue, as in "GET /nodes". */
  readonly call?: string;
  /** PVE's complaints by parameter (status 400). */
  readonly fields?: Readonly<Record<string, string>>;
  /** What to do next, one sentence. */
  readonly remedy?: string;
  readonly upid?: string;
  /** The last lines of a failed task's log. */
  readonly log?: readonly string[];
  /** The path variables of the call, as in { node: "pve1", vmid: 100 }. */
  readonly subject?: Readonly<Record<string, string | number>>;
  /** What is not there, and the name that was given for it. */
  readonly absent?: { readonly what: Absent; readonly name: string };
  /** What there is instead, the likeliest first; a few of them. */
  readonly candidates?: readonly string[];
  /** The missing privileges (status 403): one of them is enough. */
  readonly privileges?: readonly string[];
  /** The path they are missing on, as in "/vms/100". */
  readonly path?: string;
  /** The command that a person can run on the PVE host to grant them. */
  readonly grant?: string;
  /** Which lock it is, as in "backup". */
  readonly lock?: string;
  /** The UPIDs of the tasks that hold it. */
  readonly holders?: readonly string[];
}

/** What a request can name that is not there. */
export type Absent = "node" | "guest" | "storage" | "volume" | "template" | "bridge" | "pool" | "snapshot" | "task";

/** A request that reached, or tried to reach, PVE and failed. */
export class PveError extends Error {
  override readonly name = "PveError";
  readonly details: PveErrorDetails;
  constructor(message: string, details: PveErrorDetails, options?: ErrorOptions) {
    super(message, options);
    this.details = details;
  }
}

/** Something this program declines to do, whoever asks; no request was sent. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  /** What to do instead, one sentence. */
  readonly remedy: string | undefined;
  constructor(message: string, remedy?: string) {
    super(message);
    this.remedy = remedy;
  }
}

/** Settings or arguments that have to be corrected by the person who started the program, or by the model that called. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly remedy: string | undefined;
  constructor(message: string, remedy?: string) {
    super(message);
    this.remedy = remedy;
  }
}
