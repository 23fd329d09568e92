/** Turns what PVE sends (0/1 for booleans, numbers as text) into the types its schema declares. */

/** The declared shape of a result; unknown fields pass as they are. */
export type Shape =
  | "number"
  | "boolean"
  | "string"
  | "null"
  | "record"
  | "any"
  | { readonly items: Shape }
  | {
    readonly fields: Readonly<Record<string, Shape>>;
    readonly slots?: Readonly<Record<string, Shape>>;
    readonly required?: readonly string[];
  };

/** A value that cannot be what the schema declares. `path` says where it stood, as in `[3].vmid`. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Undefined where a scalar does not fit: optional fields are then left out, required ones are an error. */
function scalar(value: unknown, shape: "number" | "boolean" | "string"): unknown {
  if (shape === "string") {
    if (typeof value === "string") return value;
    return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
  }
  if (shape === "number") {
    if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
    // A state check must not miss a switch because it came as true instead of 1.
    if (typeof value === "boolean") return Number(value);
    return typeof value === "string" && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value) ? Number(value) : undefined;
  }
  if (value === 1 || value === "1" || value === true) return true;
  return value === 0 || value === "0" || value === "" || value === false ? false : undefined;
}

/**
 * Decodes a value along its declared shape: in its own place, as what was parsed for it belongs to nobody else.
 * @throws {DecodeError} when a list is no list, an object no object, or a field that identifies a row is missing
 */
export function decode(value: unknown, shape: Shape, path = "data"): unknown {
  if (shape === "any") return value;
  if (shape === "null") return null;
  if (typeof shape === "string" && shape !== "record") {
    const found = scalar(value, shape);
    if (found === undefined) throw new DecodeError(`${path} is ${kindOf(value)} where a ${shape} is declared`);
    return found;
  }
  if (typeof shape === "object" && "items" in shape) {
    if (!Array.isArray(value)) throw new DecodeError(`${path} is ${kindOf(value)} where a list is declared`);
    for (let index = 0; index < value.length; index++) {
      value[index] = decode(value[index], shape.items, `${path}[${index}]`);
    }
    return value;
  }
  if (!isRecord(value)) throw new DecodeError(`${path} is ${kindOf(value)} where an object is declared`);
  if (shape === "record") return value;
  const known = fieldsOf(shape);
  // Ten thousand guests make two hundred thousand fields: no copies, no pairs, and one look-up for each.
  for (const name of Object.keys(value)) {
    const field = value[name];
    const declared = known.get(name) ?? slotOf(shape, name);
    if (field === null || name === "__proto__") delete value[name];
    else if (declared === "number" || declared === "boolean" || declared === "string") {
      const found = scalar(field, declared);
      if (found === undefined) delete value[name];
      else if (found !== field) value[name] = found;
    } else if (declared !== undefined) {
      const found = decode(field, declared, `${path}.${name}`);
      if (found !== field) value[name] = found;
    }
  }
  for (const name of shape.required ?? []) {
    if (!Object.hasOwn(value, name)) throw new DecodeError(`${path} has no ${name}`);
  }
  return value;
}

type Fields = Extract<Shape, { readonly fields: unknown }>;

const fieldsKnown = new WeakMap<Fields, ReadonlyMap<string, Shape>>();

function fieldsOf(shape: Fields): ReadonlyMap<string, Shape> {
  const present = fieldsKnown.get(shape);
  if (present !== undefined) return present;
  const fields = new Map(Object.entries(shape.fields));
  fieldsKnown.set(shape, fields);
  return fields;
}

/** The shape of net0, net1, … */
function slotOf({ slots }: Fields, name: string): Shape | undefined {
  if (slots === undefined) return undefined;
  const family = /^([a-z]+)\d+$/.exec(name)?.[1];
  return family !== undefined && Object.hasOwn(slots, family) ? slots[family] : undefined;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "missing";
  if (typeof value === "object") return Array.isArray(value) ? "a list" : "an object";
  return `a ${typeof value}`;
}
