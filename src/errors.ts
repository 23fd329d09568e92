/** The errors that callers handle: what failed, with which value, what to do. Everything else is a bug. */

/** What kind of failure a PveError reports; the remedy depends on it. */
export type PveErrorKind =
  | "unreachable" // no connection: refused, unresolvable, reset, silent
  | "untrusted" // the certificate does not verify or does not match the pin
  | "unauthenticated" // 401
  | "forbidden" // 403
  | "invalid" // 400: PVE refused a parameter
  | "missing" // no such guest, node, storage, pool, task
  | "conflict" // taken vmid, locked, running, digest changed, protected
  | "unsupported" // 501: this PVE does not know the call
  | "busy" // PVE or a node behind it did not answer in time
  | "unreadable" // an answer that is not PVE's: HTML, truncated, too large, wrong shape
  | "task" // PVE accepted the request and the task failed
  | "cancelled" // the client cancelled the call
  | "failed"; // any other 5xx

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
}

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
