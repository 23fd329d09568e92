/** Admits or refuses one request; knows nothing of tools. Nothing reaches the network that admit() has not built. */
import { Refusal } from "../errors.ts";
import { type Call, catalogue, type Entry, type Method, requestOf } from "./catalogue.ts";
import { refuse, type Rule, type Scalar } from "./rules.ts";
import { nodeName, storageName, upid, vmid } from "./values.ts";

/** What may stand in each path variable. */
const pathRules: Readonly<Record<string, Rule>> = Object.freeze({ node: nodeName, storage: storageName, upid, vmid });

/** The highest number of each family of slots that this program writes. */
const slotLimits: Readonly<Record<string, number>> = Object.freeze({
  net: 31,
  ipconfig: 31,
  scsi: 30,
  virtio: 15,
  sata: 5,
  ide: 3,
  mp: 255,
  serial: 0,
});

/** A request as it goes over the wire. Only this file can make one that isAdmitted() accepts. */
export interface Admitted {
  readonly call: Call;
  readonly method: Method;
  /** Below /api2/json, with its variables filled in, as in "/nodes/pve1/qemu". */
  readonly path: string;
  /** Parameters of a GET, URL-encoded, without the question mark. */
  readonly query: string;
  /** The form-encoded body of a POST or PUT. */
  readonly body: string | undefined;
}

const admitted = new WeakSet<Admitted>();

/** Whether this very object came out of admit(). */
export function isAdmitted(request: Admitted): boolean {
  return admitted.has(request);
}

export function isCall(call: string): call is Call {
  return Object.hasOwn(catalogue, call);
}

/**
 * The catalogue's entry of a call.
 * @throws {Refusal} for what is no call at all, whatever its type says
 */
export function entryOf(call: Call): Entry {
  if (!isCall(call)) throw new Refusal(`Refused ${String(call)}: this program never sends it`);
  return catalogue[call];
}

function ruleFor(entry: Entry, name: string): Rule | undefined {
  if (Object.hasOwn(entry.params, name) && !name.endsWith("[n]")) return entry.params[name];
  const slot = /^([a-z]+)(0|[1-9]\d{0,2})$/.exec(name);
  const family = slot?.[1];
  if (family === undefined || Number(slot?.[2]) > (slotLimits[family] ?? -1)) return undefined;
  return Object.hasOwn(entry.params, `${family}[n]`) ? entry.params[`${family}[n]`] : undefined;
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** What a value is, without touching it: text made from it could be anything. */
function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
}

/**
 * Builds the request of a call from its parameters, or refuses it. PVE unescapes the whole path, splits bodies on ";" as
 * well as "&", and lets the query override the body: so path values are matched against an ASCII allowlist, everything
 * else is percent-encoded, and a POST or PUT never carries a query.
 * @throws {Refusal} for a call, parameter or value that is not in the catalogue
 */
export function admit(call: string, params: Readonly<Record<string, unknown>>): Admitted {
  if (!isCall(call)) throw new Refusal(`Refused ${call}: this program never sends it`);
  const entry = entryOf(call);
  const wire = requestOf(call);
  const space = wire.indexOf(" ");
  const method = methodOf(wire.slice(0, space));
  const inPath = new Set<string>();
  const path = wire.slice(space + 1).replaceAll(/\{(\w+)\}/g, (_match, name: string) => {
    inPath.add(name);
    const rule = Object.hasOwn(pathRules, name) ? pathRules[name] : undefined;
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    if (rule === undefined || !isScalar(value)) throw new Refusal(`Refused ${call}: ${name} is missing`);
    return rule(value, name);
  });
  const sent = new Map<string, string>();
  const repeated: (readonly [string, string])[] = [];
  for (const [name, value] of Object.entries(params)) {
    if (inPath.has(name) || value === undefined) continue;
    const rule = ruleFor(entry, name);
    if (rule === undefined) {
      throw new Refusal(`Refused ${call}: the parameter ${JSON.stringify(name)} is never sent with it`);
    }
    if (entry.repeated?.includes(name) === true) {
      if (!Array.isArray(value)) refuse(name, kindOf(value), "it must be a list of texts");
      const parts: unknown[] = value;
      if (parts.length === 0) refuse(name, "", "it must not be empty");
      for (const part of parts) {
        if (typeof part !== "string") refuse(name, kindOf(part), "it must be a list of texts");
        repeated.push([name, rule(part, name)]);
      }
      continue;
    }
    if (!isScalar(value)) refuse(name, kindOf(value), "it must be text, a number or a boolean");
    sent.set(name, rule(value, name));
  }
  for (const name of entry.required ?? []) {
    if (!sent.has(name) && !repeated.some(([other]) => other === name)) {
      throw new Refusal(`Refused ${call}: it is never sent without ${name}`);
    }
  }
  const encoded = [...sent, ...repeated].map(([name, value]) =>
    `${encodeURIComponent(name)}=${encodeURIComponent(value)}`
  ).join(
    "&",
  );
  const request: Admitted = Object.freeze({
    call,
    method,
    path,
    query: method === "GET" ? encoded : "",
    body: method === "GET" ? undefined : encoded,
  });
  admitted.add(request);
  return request;
}

function methodOf(word: string): Method {
  if (word === "GET" || word === "POST" || word === "PUT") return word;
  throw new Refusal(`Refused ${word}: this program sends GET, POST and PUT only`);
}
