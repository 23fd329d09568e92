/** Checks the parameters of a call against PVE's schema, with PVE's own complaints. */
import { FormatError, splitProperties } from "./property.ts";
import { checkFormat } from "./formats.ts";
import { type Field, fieldFor, type Format } from "./schema.ts";

/** A parameter as it came: form values are strings, JSON brings more. */
export type Raw = string | number | boolean | null | readonly Raw[] | { readonly [key: string]: Raw };

type Complain = (path: string, complaint: string) => void;

function got(value: Raw): string {
  if (Array.isArray(value)) return "ARRAY"; // captured 158
  return typeof value === "object" ? "HASH" : `'${String(value)}'`; // captured 427
}

const NUMBER = /^[+-]?(?=\d|\.\d)\d*(\.\d*)?(e[+-]?\d+)?$/i;

function hasType(type: string, value: string): boolean {
  if (type === "integer") return /^[+-]?\d+$/.test(value); // captured 451: "1.0" is none
  if (type === "number") return NUMBER.test(value);
  return type !== "boolean" || value === "0" || value === "1"; // captured 145–147
}

function checkText(field: Field, value: string, path: string, complain: Complain): void {
  if (field.type !== undefined && !hasType(field.type, value)) {
    return complain(path, `type check ('${field.type}') failed - got '${value}'`);
  }
  if (field.format !== undefined) {
    try {
      if (typeof field.format === "string") checkFormat(field.format, value);
      else checkProperties(field.format, value, path);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return complain(path, `invalid format - ${error.message}\n`);
    }
  }
  if (field.pattern !== undefined && !field.pattern.test(value)) {
    return complain(path, "value does not match the regex pattern");
  }
  const length = [...value].length;
  if (field.maxLength !== undefined && length > field.maxLength) {
    return complain(path, `value may only be ${field.maxLength} characters long`);
  }
  if (field.minLength !== undefined && length < field.minLength) {
    return complain(path, `value must be at least ${field.minLength} characters long`);
  }
  if (NUMBER.test(value)) {
    if (field.maximum !== undefined && Number(value) > field.maximum) {
      return complain(path, `value must have a maximum value of ${field.maximum}`);
    }
    if (field.minimum !== undefined && Number(value) < field.minimum) {
      return complain(path, `value must have a minimum value of ${field.minimum}`);
    }
  }
  if (field.enum !== undefined && !field.enum.includes(value)) {
    complain(path, `value '${value}' does not have a value in the enumeration '${field.enum.join(", ")}'`);
  }
}

/** @throws {FormatError} with one line per sub-key, as in captured 109 */
function checkProperties(format: Format, value: string, path: string): void {
  const values = splitProperties(format, value);
  const errors = new Map<string, string>();
  checkObject(format, values, path, (at, complaint) => errors.set(at, complaint));
  if (errors.size === 0) return;
  const lines = [...errors].sort(([a], [b]) => a < b ? -1 : 1).map(([at, complaint]) => `${at}: ${complaint}`);
  throw new FormatError(`format error\n${lines.join("\n")}`);
}

function checkObject(format: Format, values: ReadonlyMap<string, Raw>, path: string, complain: Complain): void {
  const at = (name: string) => path === "" ? name : `${path}.${name}`;
  for (const [name, field] of Object.entries(format)) {
    if (name.endsWith("[n]") || field.alias !== undefined) continue;
    const value = values.get(name);
    if (!field.optional && (value === undefined || value === null)) {
      complain(at(name), "property is missing and it is not optional");
    }
  }
  for (const [name, value] of values) {
    const field = fieldFor(format, name);
    if (field === undefined) {
      complain(at(name), "property is not defined in schema and the schema does not allow additional properties");
      continue;
    }
    if (field.requires !== undefined && !values.has(field.requires)) {
      complain(at(field.requires), `missing property - '${at(name)}' requires this property`);
    }
    if (value === null) continue;
    if (field.type === "array") {
      for (const item of Array.isArray(value) ? value : [value]) {
        if (typeof item === "object") complain(at(name), `type check ('string') failed - got ${got(item)}`);
        else if (field.items !== undefined) checkText(field.items, String(item), at(name), complain);
      }
    } else if (typeof value === "object") complain(at(name), `type check ('${field.type}') failed - got ${got(value)}`);
    else checkText(field, typeof value === "boolean" ? (value ? "1" : "0") : String(value), at(name), complain);
  }
}

function decodeValue(field: Field, value: Raw): unknown {
  if (value === null) return undefined;
  if (field.type === "array") return Array.isArray(value) ? value.map(String) : [String(value)];
  if (field.type === "boolean") return value === true || value === 1 || value === "1";
  if (field.type === "integer" || field.type === "number") return Number(value);
  return typeof value === "boolean" ? (value ? "1" : "0") : String(value);
}

/** Complaints by parameter, or the parameters as the routes want them: numbers, booleans, strings. */
export function validate(
  parameters: Format,
  given: ReadonlyMap<string, Raw>,
): { readonly errors: Readonly<Record<string, string>> } | { readonly values: Readonly<Record<string, unknown>> } {
  const errors: Record<string, string> = {};
  let failed = false;
  checkObject(parameters, given, "", (path, complaint) => {
    failed = true;
    errors[path] ??= complaint;
  });
  if (failed) return { errors };
  const values: Record<string, unknown> = {};
  for (const [name, value] of given) {
    const field = fieldFor(parameters, name);
    if (field !== undefined) values[name] = decodeValue(field, value);
  }
  return { values };
}
