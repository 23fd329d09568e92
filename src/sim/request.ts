/** Reads a request as PVE's API daemon does: one unescape over the whole path, "&" and ";", the query over the body. */
import { bare } from "./failure.ts";
import { isRecord } from "./schema.ts";
import type { Raw } from "./validate.ts";

/** A request as it stands on the wire; header names are in lower case. */
export interface SimulatedRequest {
  readonly method: string;
  /** Path with query, as on the request line. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** PVE answers no other verbs (captured 094, 438, 439). */
export const METHODS: readonly string[] = ["GET", "POST", "PUT", "DELETE"];

/** PVE turns every %XX into a byte and reads the bytes as UTF-8; nothing is malformed. */
function unescape(text: string): string {
  if (!text.includes("%")) return text;
  const bytes: number[] = [];
  const source = new TextEncoder().encode(text);
  for (let i = 0; i < source.length; i++) {
    const pair = source[i] === 0x25 ? String.fromCharCode(source[i + 1] ?? 0, source[i + 2] ?? 0) : "";
    if (/^[0-9a-f]{2}$/i.test(pair)) {
      bytes.push(Number.parseInt(pair, 16));
      i += 2;
    } else bytes.push(source[i] ?? 0);
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** Path below /api2/json, unescaped as a whole, empty segments dropped (captured 436, 437). */
export function pathOf(url: string): { readonly segments: readonly string[]; readonly query: string } | undefined {
  const mark = url.indexOf("?");
  const path = unescape(mark < 0 ? url : url.slice(0, mark));
  const segments = path.split("/").filter((segment) => segment !== "");
  if (segments[0] !== "api2" || segments[1] !== "json") return undefined;
  return { segments: segments.slice(2), query: mark < 0 ? "" : url.slice(mark + 1) };
}

/** A parameter that comes twice becomes an array (captured 158). */
export function decodeForm(data: string): Map<string, Raw> {
  const found = new Map<string, Raw>();
  for (const part of data.split(/[&;]/)) {
    const equals = part.indexOf("=");
    if (equals < 0) continue;
    const name = unescape(part.slice(0, equals).replaceAll("+", " "));
    const value = unescape(part.slice(equals + 1).replaceAll("+", " "));
    const old = found.get(name);
    if (old === undefined) found.set(name, value);
    else found.set(name, Array.isArray(old) ? [...old, value] : [old, value]);
  }
  return found;
}

function isRaw(value: unknown): value is Raw {
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return true;
  return Array.isArray(value) ? value.every(isRaw) : isRecord(value) && Object.values(value).every(isRaw);
}

function decodeJson(body: string): Map<string, Raw> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // Captured 149; where in the text the error is only matters to people.
    bare(
      500,
      "malformed JSON string, neither tag, array, object, number, string or atom, at character offset " +
        `${body.trim().length} (before "(end of string)") at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.`,
    );
  }
  const found = new Map<string, Raw>();
  if (isRecord(parsed)) {
    for (const [name, value] of Object.entries(parsed)) {
      if (isRaw(value)) found.set(name, value);
    }
  }
  return found;
}

const BODY_LIMIT = 512 * 1024;

function decodeBody(type: string, body: string): Map<string, Raw> {
  if (type === "application/json") return decodeJson(body);
  if (type === "application/x-www-form-urlencoded") return decodeForm(body);
  bare(506, `upload 'Content-Type '${type}' not implemented`); // captured 150
}

/** All parameters of a request except those in its path. */
export function parametersOf(request: SimulatedRequest, query: string): Map<string, Raw> {
  const isWrite = request.method === "POST" || request.method === "PUT";
  if (request.body !== "" && !isWrite) bare(501, `Unexpected content for method '${request.method}'`); // captured 441
  if (request.body.length > BODY_LIMIT) bare(501, "for data too large"); // captured 450
  const [type = ""] = (request.headers["content-type"] ?? "application/x-www-form-urlencoded").split(";");
  // An empty JSON body is malformed, an empty form is not.
  const found = request.body === "" && !(isWrite && type.trim() === "application/json")
    ? new Map<string, Raw>()
    : decodeBody(type.trim(), request.body);
  for (const [name, value] of decodeForm(query)) found.set(name, value);
  return found;
}
