/** The record of writes: a line before each and one after it, and no write without its line. */
import { Refusal } from "../errors.ts";

/** One request that a call has sent: names of parameters, never their values. */
export interface AuditedRequest {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly string[];
  /** Undefined when no answer came: PVE may still have carried it out. */
  readonly status: number | undefined;
}

/** Written before a call does anything. */
export interface AuditBefore {
  readonly event: "before";
  readonly tool: string;
  readonly arguments: unknown;
  /** Whether a person was asked and agreed. */
  readonly confirmed?: true;
}

/** Written when a call is over. */
export interface AuditAfter {
  readonly event: "after";
  readonly tool: string;
  /** The state that the answer gives (ok, running, warnings, unchanged), or the kind of failure. */
  readonly outcome: string;
  readonly error?: string;
  readonly vmid?: unknown;
  readonly upid?: unknown;
  /** Of a command inside a guest. */
  readonly exit_code?: unknown;
  /** What was changed, with the old values. */
  readonly changes?: unknown;
  readonly requests: readonly AuditedRequest[];
}

/** A line of the record; `call` joins the two lines of one call. */
export type AuditEntry = (AuditBefore | AuditAfter) & { readonly time: string; readonly call: string };

/** Where the record is kept. */
export interface AuditLog {
  /** Returns when the entry is on the disk; throws when it is not. */
  write(entry: AuditEntry): void | Promise<void>;
}

/** Characters that a terminal obeys or that hide others: JSON escapes only some of them. */
const unshown = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** An entry as one line of JSON, without its end; it may be shown on a terminal. */
export function auditLine(entry: AuditEntry): string {
  const { time, call, ...rest } = entry;
  return JSON.stringify({ time, call, ...rest })
    .replace(unshown, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The record of one call that has begun. */
export interface OpenRecord {
  /** Never throws; returns what to tell the caller when the line could not be written. */
  close(entry: AuditAfter): Promise<string | undefined>;
}

/** Keeps a record; a line that could not be written is owed, and no write begins before it is. */
export function createAudit(log: AuditLog): { open(entry: AuditBefore): Promise<OpenRecord> } {
  const owed: AuditEntry[] = [];

  /** Writes what is owed, in its order. One at a time: a log may be asynchronous. */
  let turn: Promise<void> = Promise.resolve();
  function settle(): Promise<void> {
    turn = turn.catch(() => {}).then(async () => {
      for (let entry = owed[0]; entry !== undefined; entry = owed[0]) {
        await log.write(entry);
        owed.shift();
      }
    });
    return turn;
  }

  return {
    async open(entry) {
      const call = crypto.randomUUID();
      const before: AuditEntry = { time: new Date().toISOString(), call, ...entry };
      try {
        await settle();
        await log.write(before);
      } catch (error) {
        throw new Refusal(
          `Refused: the audit log cannot be written (${reasonOf(error)}), and no write is made without it`,
          "Nothing was done. A person has to look at the file that PROXMOX_AUDIT_FILE names, and at the space on its disk",
        );
      }
      return {
        async close(after) {
          owed.push({ time: new Date().toISOString(), call, ...after });
          try {
            await settle();
            return undefined;
          } catch (error) {
            return `This call is not in the audit log, which cannot be written (${reasonOf(error)}). ` +
              "Further writes are refused until it can be";
          }
        },
      };
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
