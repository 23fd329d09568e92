/** Rules for values: each parses one value and rebuilds the text that is sent, or refuses it. */
import { Refusal } from "../errors.ts";

/** What a tool may hand to the client as a parameter. */
export type Scalar = string | number | boolean;

/** Judges one value, and says in words what it accepts. */
export interface Rule {
  /**
   * Parses one value and returns the text that goes over the wire.
   * @throws {Refusal} naming the parameter, the value and what is allowed
   */
  (value: Scalar, name: string): string;
  /** What the value may be, as part of a sentence. */
  readonly says: string;
}

/** A rule that nobody can change any more. */
export function rule(says: string, judge: (value: Scalar, name: string) => string): Rule {
  return Object.freeze(Object.assign((value: Scalar, name: string) => judge(value, name), { says }));
}

/** Refuses a value: `Refused net0="…": why`. The value is cut, as it may be anything a model wrote. */
export function refuse(name: string, value: unknown, why: string): never {
  const shown = String(value);
  const cut = shown.length > 80 ? `${shown.slice(0, 80)}…` : shown;
  throw new Refusal(`Refused ${name}=${JSON.stringify(cut)}: ${why}`);
}

/** A boolean; PVE's form encoding knows 0 and 1 only (captured 145–147). */
export const flag: Rule = rule("true or false", (value, name) => {
  if (value === true || value === 1 || value === "1") return "1";
  if (value === false || value === 0 || value === "0") return "0";
  return refuse(name, value, "it must be true or false");
});

/** Exactly this value and no other. */
export function only(expected: string): Rule {
  return rule(`only ${expected}`, (value, name) => {
    const text = value === true ? "1" : value === false ? "0" : String(value);
    return text === expected ? text : refuse(name, value, `only ${expected} is allowed`);
  });
}

/** An integer in a range. Text counts only in plain decimal digits, never "1e2" or " 5". */
export function integer(minimum: number, maximum: number): Rule {
  return rule(`${minimum} to ${maximum}`, (value, name) => {
    const number = typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
    if (typeof number !== "number" || !Number.isInteger(number) || number < minimum || number > maximum) {
      return refuse(name, value, `it must be an integer from ${minimum} to ${maximum}`);
    }
    return String(number);
  });
}

/** A decimal number in a range, without an exponent. */
export function decimal(minimum: number, maximum: number): Rule {
  return rule(`${minimum} to ${maximum}, with decimals`, (value, name) => {
    const number = typeof value === "string" && /^\d{1,9}(\.\d{1,6})?$/.test(value) ? Number(value) : value;
    // 1e-7 is a number that JavaScript writes with an exponent.
    const plain = !String(number).includes("e");
    if (typeof number !== "number" || !plain || !(number >= minimum && number <= maximum)) {
      return refuse(name, value, `it must be a number from ${minimum} to ${maximum}`);
    }
    return String(number);
  });
}

export function oneOf(...allowed: readonly string[]): Rule {
  return rule(
    allowed.join(", ").replace(/, (?=[^,]*$)/, " or "),
    (value, name) =>
      typeof value === "string" && allowed.includes(value)
        ? value
        : refuse(name, value, `it must be one of ${allowed.join(", ")}`),
  );
}

/** Text that matches a whole pattern; `what` says in words what the pattern accepts. */
export function matching(pattern: RegExp, what: string, maximum = 255): Rule {
  const whole = new RegExp(`^(?:${pattern.source})$`, pattern.flags);
  return rule(what, (value, name) => {
    const text = typeof value === "number" ? String(value) : value;
    return typeof text === "string" && text.length <= maximum && whole.test(text)
      ? text
      : refuse(name, value, `it must be ${what}`);
  });
}

/** Free text in at most `maximum` characters; no control characters but newline and tab. */
export function text(maximum: number): Rule {
  return rule(`text of at most ${maximum} characters`, (value, name) => {
    if (typeof value !== "string") return refuse(name, value, "it must be text");
    if (value.length > maximum) return refuse(name, value, `it has more than ${maximum} characters`);
    // deno-lint-ignore no-control-regex
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(value)) return refuse(name, value, "it holds control characters");
    if (!value.isWellFormed()) return refuse(name, value, "it is not valid Unicode");
    return value;
  });
}

/** One argument of a program: any text but the NUL that ends it. */
export function argument(maximum: number): Rule {
  return rule(`any text of at most ${maximum} characters, without NUL`, (value, name) => {
    if (typeof value !== "string") return refuse(name, value, "it must be text");
    if (value.length > maximum) return refuse(name, value, `it has more than ${maximum} characters`);
    if (value.includes("\0")) return refuse(name, value, "it holds a NUL character");
    if (!value.isWellFormed()) return refuse(name, value, "it is not valid Unicode");
    return value;
  });
}

/** Input of a program in ASCII: PVE encodes it byte by byte, and would fail at any other character. */
export function ascii(maximum: number): Rule {
  return rule(`ASCII text of at most ${maximum} characters`, (value, name) => {
    if (typeof value !== "string") return refuse(name, value, "it must be text");
    if (value.length > maximum) return refuse(name, value, `it has more than ${maximum} characters`);
    // deno-lint-ignore no-control-regex
    return /^[\x01-\x7f]*$/.test(value) ? value : refuse(name, value, "it must be ASCII, without NUL");
  });
}

/**
 * A secret: one line of text that never appears in the message of a refusal. YAML knows more line ends than \n, and PVE
 * writes what looks like a password's hash into cloud-init's YAML as it is.
 */
export function secret(minimum: number, maximum: number): Rule {
  return rule(`a secret: one line of ${minimum} to ${maximum} characters`, (value, name) => {
    // deno-lint-ignore no-control-regex
    const oneLine = typeof value === "string" && !/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(value);
    const safe = oneLine && value.isWellFormed() && (!value.startsWith("$") || /^[A-Za-z0-9./$=,_-]+$/.test(value));
    if (!safe || value.length < minimum || value.length > maximum) {
      throw new Refusal(`Refused ${name}: it must be one line of ${minimum} to ${maximum} characters`);
    }
    return value;
  });
}

/** A property string of PVE (`virtio,bridge=vmbr0`): parsed into sub-keys, each judged by its own rule, and rebuilt. */
export interface PropertyFormat {
  /** The sub-key that may stand first without its name, and whose value is sent without it. */
  readonly first?: string;
  readonly keys: Readonly<Record<string, Rule>>;
  /** Sub-keys that have to be there. */
  readonly required?: readonly string[];
  /** Sub-keys that are added when they are not named. */
  readonly added?: Readonly<Record<string, string>>;
}

/**
 * Splits a property string into its sub-keys.
 * PVE would take `file=…` for an unnamed first value, and the last of two equal keys: here an unknown or repeated sub-key
 * is refused, so that what is judged is what PVE reads.
 * @throws {Refusal}
 */
export function parseProperties(value: Scalar, name: string, format: PropertyFormat): Map<string, string> {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
    return refuse(name, value, "it must be text");
  }
  const source = value === true ? "1" : value === false ? "0" : String(value);
  if (source.length > 1024 || !/^[\x20-\x7e]*$/.test(source)) {
    return refuse(name, value, "it must be at most 1024 printable ASCII characters");
  }
  const found = new Map<string, string>();
  for (const [index, part] of source.split(",").entries()) {
    const at = part.indexOf("=");
    const bare = at < 0;
    if (bare && (index > 0 || format.first === undefined)) {
      return refuse(name, value, `"${part}" is not of the form key=value`);
    }
    const key = bare && format.first !== undefined ? format.first : part.slice(0, at);
    const sub = bare ? part : part.slice(at + 1);
    if (!bare && key === format.first) return refuse(name, value, `write the ${key} first and without "${key}="`);
    if (!Object.hasOwn(format.keys, key)) {
      return refuse(name, value, `"${key}" is not allowed in it; allowed are ${Object.keys(format.keys).join(", ")}`);
    }
    if (found.has(key)) return refuse(name, value, `"${key}" stands in it twice`);
    const rule = format.keys[key];
    if (rule === undefined) return refuse(name, value, `"${key}" is not allowed in it`);
    found.set(key, rule(sub, `${name}.${key}`));
  }
  for (const [key, fixed] of Object.entries(format.added ?? {})) if (!found.has(key)) found.set(key, fixed);
  for (const key of format.required ?? []) {
    if (!found.has(key)) return refuse(name, value, `it needs ${key}`);
  }
  return found;
}

/** Rebuilds a property string: the unnamed first value, then `key=value` in the order found. */
export function buildProperties(found: ReadonlyMap<string, string>, first?: string): string {
  const parts: string[] = [];
  const leading = first === undefined ? undefined : found.get(first);
  if (leading !== undefined) parts.push(leading);
  for (const [key, sub] of found) if (key !== first) parts.push(`${key}=${sub}`);
  return parts.join(",");
}

export function properties(format: PropertyFormat): Rule {
  return rule(
    sayProperties(format),
    (value, name) => buildProperties(parseProperties(value, name, format), format.first),
  );
}

/** What a property string may be, in words: the first value, then the sub-keys; those that are true or false stand alone. */
export function sayProperties({ first, keys, required = [], added = {} }: PropertyFormat): string {
  const leading = first === undefined ? undefined : keys[first]?.says;
  const others = Object.entries(keys).filter(([key]) => key !== first).map(([key, { says }]) => {
    const notes = [
      ...says === flag.says ? [] : [says],
      ...required.includes(key) ? ["required"] : [],
      ...Object.hasOwn(added, key) ? ["always sent"] : [],
    ];
    return notes.length === 0 ? key : `${key} (${notes.join("; ")})`;
  });
  if (others.length === 0) return leading ?? "nothing";
  return leading === undefined ? `of ${others.join(", ")}` : `${leading}; with ${others.join(", ")}`;
}
