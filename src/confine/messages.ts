/** What crosses the boundary between launcher and worker: the types, and the guards that hold each message against them. */
import type { Sources } from "../config/sources.ts";
import type { Address } from "./probe.ts";

/** What the worker is started for. Another command that needs PVE adds its kind here, to isJob, and to worker.ts. */
export type Job =
  /** MCP on stdin and stdout, or in messages, where the client sits in the launcher. */
  | { readonly kind: "serve"; readonly over: "stdio" | "messages" }
  /** Look at everything that has to be right. */
  | { readonly kind: "doctor" }
  | {
    readonly kind: "call";
    readonly tool: string;
    readonly input: Readonly<Record<string, unknown>>;
    /** Whether somebody watches. */
    readonly progress: boolean;
    /** Whether a person can be asked. */
    readonly able: boolean;
  }
  /** Tries to get out; `elsewhere` is an address to try, beside the worker's own. */
  | { readonly kind: "probe"; readonly elsewhere: Address | undefined };

/** A job, and what it needs. */
export interface Assignment {
  readonly job: Job;
  /** Undefined: a simulated PVE in memory. */
  readonly sources: Sources | undefined;
  readonly trace: boolean;
}

export type ToWorker =
  | { readonly type: "assignment"; readonly assignment: Assignment }
  /** An entry of the audit log is on the disk, or why it is not. */
  | { readonly type: "audited"; readonly id: number; readonly failure: string | undefined }
  /** The person's answer to the last question. */
  | { readonly type: "answer"; readonly yes: boolean }
  /** Stop waiting for the job. */
  | { readonly type: "cancel" }
  /** A message of MCP in JSON, from a client in the launcher. */
  | { readonly type: "mcp"; readonly text: string };

export type FromWorker =
  /** All modules are loaded: permissions may go, and settings may come. */
  | { readonly type: "ready" }
  /** A line for stderr, made safe for a terminal. */
  | { readonly type: "log"; readonly line: string }
  | { readonly type: "progress"; readonly message: string; readonly ratio: number | undefined }
  | { readonly type: "audit"; readonly id: number; readonly line: string }
  | { readonly type: "question"; readonly text: string }
  | { readonly type: "mcp"; readonly text: string }
  /** The job is over; its command knows what the value is. */
  | { readonly type: "result"; readonly value: unknown }
  /** The person who started the program has to change something. */
  | { readonly type: "usage"; readonly message: string; readonly remedy: string | undefined }
  /** The worker cannot go on, and says why. */
  | { readonly type: "fault"; readonly message: string }
  /** Nobody is at the other end of stdin or stdout any more. A worker cannot end its process. */
  | { readonly type: "eof" };

type Raw = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isTextOrNothing(value: unknown): value is string | undefined {
  return value === undefined || isText(value);
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return isRecord(value) && Object.values(value).every(isText);
}

function isSources(value: unknown): value is Sources {
  return isRecord(value) && isTexts(value.env) && isTexts(value.files) &&
    (value.file === undefined || isRecord(value.file) && isText(value.file.path) && isText(value.file.content));
}

function isAddress(value: unknown): value is Address {
  return isRecord(value) && isText(value.host) && typeof value.port === "number";
}

function isJob(value: unknown): value is Job {
  if (!isRecord(value)) return false;
  switch (value.kind) {
    case "serve":
      return value.over === "stdio" || value.over === "messages";
    case "doctor":
      return true;
    case "call":
      return isText(value.tool) && isRecord(value.input) && typeof value.progress === "boolean" &&
        typeof value.able === "boolean";
    case "probe":
      return value.elsewhere === undefined || isAddress(value.elsewhere);
    default:
      return false;
  }
}

function isAssignment(value: unknown): value is Assignment {
  return isRecord(value) && isJob(value.job) && typeof value.trace === "boolean" &&
    (value.sources === undefined || isSources(value.sources));
}

/** Whether a message may be what the launcher sends. */
export function isToWorker(value: unknown): value is ToWorker {
  if (!isRecord(value)) return false;
  switch (value.type) {
    case "assignment":
      return isAssignment(value.assignment);
    case "audited":
      return typeof value.id === "number" && isTextOrNothing(value.failure);
    case "answer":
      return typeof value.yes === "boolean";
    case "mcp":
      return isText(value.text);
    case "cancel":
      return true;
    default:
      return false;
  }
}

/** Whether a message may be what the worker sends. */
export function isFromWorker(value: unknown): value is FromWorker {
  if (!isRecord(value)) return false;
  switch (value.type) {
    case "ready":
    case "eof":
    case "result":
      return true;
    case "mcp":
      return isText(value.text);
    case "log":
      return isText(value.line);
    case "progress":
      return isText(value.message) && (value.ratio === undefined || typeof value.ratio === "number");
    case "audit":
      return typeof value.id === "number" && isText(value.line);
    case "question":
      return isText(value.text);
    case "usage":
      return isText(value.message) && isTextOrNothing(value.remedy);
    case "fault":
      return isText(value.message);
    default:
      return false;
  }
}
