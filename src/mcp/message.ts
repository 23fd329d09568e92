/** Reads one line of JSON-RPC: the messages in it, or the error that the specification has for what is none. */
import type { JSONRPCMessage } from "@modelcontextprotocol/server";
import { isRecord } from "./coerce.ts";

/** JSON-RPC's codes for what never reaches a handler. */
export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;

/** MCP allows a text or a whole number, and unlike JSON-RPC never null. */
export type Id = string | number;

/** Validation and rendering call themselves for each level: deeper messages would exhaust the stack. */
const DEEPEST = 64;

/** The one revision without a handshake. */
export const STATELESS_REVISION = "2026-07-28";

/** The only revision that has batches. */
export const BATCH_REVISION = "2025-03-26";

/** What a stateless request says in its _meta: its revision, and what its client can do and is. */
export const REVISION_KEY = "io.modelcontextprotocol/protocolVersion";
export const CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities";
export const CLIENT_KEY = "io.modelcontextprotocol/clientInfo";

type Params = Record<string, unknown>;

export interface Request {
  readonly kind: "request";
  readonly id: Id;
  readonly method: string;
  readonly params: Params | undefined;
}

export interface Notification {
  readonly kind: "notification";
  readonly method: string;
  readonly params: Params | undefined;
}

/** A client's answer to a request of ours; it is never answered, however wrong. */
export interface Response {
  readonly kind: "response";
  readonly message: JSONRPCMessage;
}

/** What is wrong with a message; the id only where it could be read. */
export interface Fault {
  readonly kind: "fault";
  readonly id: Id | undefined;
  readonly code: number;
  readonly message: string;
}

/** What a connection hands on. */
export type Message = Request | Notification | Response;

export type Incoming = Message | Fault;

/** What a line holds: nothing (it is blank), one message, or a batch of them, as JSON-RPC has it. */
export type Line = { readonly batch: false; readonly messages: Incoming[] } | {
  readonly batch: true;
  readonly messages: Incoming[];
};

/** Reads a line. Members that JSON-RPC does not know are left out, as it does not forbid them. */
export function readLine(text: string): Line {
  if (text.trim() === "") return { batch: false, messages: [] };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { batch: false, messages: [fault(PARSE_ERROR, "Parse error: the line is not JSON")] };
  }
  if (!Array.isArray(value)) return { batch: false, messages: [readMessage(value)] };
  if (value.length === 0) {
    return { batch: false, messages: [fault(INVALID_REQUEST, "Invalid request: an empty batch")] };
  }
  return { batch: true, messages: value.map(readMessage) };
}

function readMessage(value: unknown): Incoming {
  if (!isRecord(value)) return fault(INVALID_REQUEST, "Invalid request: a message is a JSON object");
  if (isDeeperThan(value, DEEPEST)) {
    const { jsonrpc, id, method } = value;
    const shallow = readMessage({ jsonrpc, method, ...(Object.hasOwn(value, "id") ? { id } : {}) });
    if (shallow.kind !== "request") return shallow;
    return fault(INVALID_PARAMS, `Invalid params: nested more than ${DEEPEST} deep`, shallow.id);
  }
  const { method, params, jsonrpc } = value;
  const id = idOf(value.id);
  if (method === undefined && (Object.hasOwn(value, "result") || Object.hasOwn(value, "error"))) {
    return readResponse(value, id);
  }
  if (jsonrpc !== "2.0") return fault(INVALID_REQUEST, 'Invalid request: jsonrpc must be "2.0"', id);
  if (typeof method !== "string") return fault(INVALID_REQUEST, "Invalid request: method must be a text", id);
  const known = params === undefined ? undefined : isRecord(params) ? { ...params } : null;
  if (!Object.hasOwn(value, "id")) {
    // A notification is never answered: one that cannot be read is dropped.
    return known === null ? { kind: "notification", method: "", params: undefined } : {
      kind: "notification",
      method,
      params: known,
    };
  }
  if (id === undefined) {
    return fault(INVALID_REQUEST, "Invalid request: the id must be a text, or a whole number below 2^53");
  }
  if (known === null) return fault(INVALID_PARAMS, "Invalid params: params must be a JSON object", id);
  return { kind: "request", id, method, params: known };
}

/** Whether objects and lists stand in one another more than so many times; itself without recursion. */
function isDeeperThan(value: object, limit: number): boolean {
  let level: object[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    const below: object[] = [];
    for (const inner of level) {
      for (const part of Object.values(inner)) if (typeof part === "object" && part !== null) below.push(part);
    }
    level = below;
  }
  return false;
}

function readResponse(value: Readonly<Record<string, unknown>>, id: Id | undefined): Incoming {
  const dropped: Notification = { kind: "notification", method: "", params: undefined };
  if (id === undefined || value.jsonrpc !== "2.0") return dropped;
  if (isRecord(value.result)) {
    return { kind: "response", message: { jsonrpc: "2.0", id, result: { ...value.result } } };
  }
  const { error } = value;
  if (!isRecord(error) || !Number.isSafeInteger(error.code) || typeof error.message !== "string") return dropped;
  const { message, data } = error;
  return { kind: "response", message: { jsonrpc: "2.0", id, error: { code: Number(error.code), message, data } } };
}

/** Numbers beyond 2^53 lose digits in parsing: the answer would carry another id than the request. */
function idOf(value: unknown): Id | undefined {
  if (typeof value === "string") return value;
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

function fault(code: number, message: string, id?: Id): Fault {
  return { kind: "fault", id, code, message };
}

/** The revision that a message names; any value counts, and the SDK refuses what is no text. */
export function claimOf({ params }: Request | Notification): unknown {
  const meta = params?._meta;
  return isRecord(meta) ? meta[REVISION_KEY] : undefined;
}

/** An error as an answer. MCP's schema has no null id: where none could be read, there is none. */
export function errorAnswer(id: Id | undefined, code: number, message: string, data?: unknown): JSONRPCMessage {
  const error = data === undefined ? { code, message } : { code, message, data };
  return id === undefined ? { jsonrpc: "2.0", error } : { jsonrpc: "2.0", id, error };
}
