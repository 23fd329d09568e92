/** PVE's property strings ("virtio,bridge=vmbr0"): parsed and printed along a format. */
import type { Field, Format } from "./schema.ts";

/** Complaints of a property string: one sentence, and perhaps one per sub-key. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

/** PVE reads these words inside property strings; as parameters only 0 and 1 count. */
export function parseBoolean(word: string): string {
  if (/^(1|on|yes|true)$/i.test(word)) return "1";
  return /^(0|off|no|false)$/i.test(word) ? "0" : word;
}

function defaultKey(format: Format): string | undefined {
  return Object.keys(format).find((key) => format[key]?.default_key === true);
}

/** Splits without checking the values. @throws {FormatError} with PVE's words (captured 110) */
export function splitProperties(format: Format, data: string): Map<string, string> {
  const found = new Map<string, string>();
  let usedDefault: string | undefined;
  for (const part of data.split(",")) {
    if (/^\s*$/.test(part)) continue;
    const pair = /^([^=]+)=(.+)$/s.exec(part);
    if (pair !== null) {
      let key = pair[1] ?? "";
      let value = pair[2] ?? "";
      if (found.has(key)) throw new FormatError(`duplicate key in comma-separated list property: ${key}`);
      let field: Field | undefined = Object.hasOwn(format, key) ? format[key] : undefined;
      if (field?.alias !== undefined) {
        if (field.keyAlias !== undefined) {
          if (found.has(field.keyAlias)) throw new FormatError(`key alias '${field.keyAlias}' is already defined`);
          found.set(field.keyAlias, key);
        }
        key = field.alias;
        field = format[key];
      }
      if (field === undefined) throw new FormatError(`invalid key in comma-separated list property: ${key}`);
      if (field.type === "boolean") value = parseBoolean(value);
      found.set(key, value);
    } else if (!part.includes("=")) {
      const key = defaultKey(format);
      if (usedDefault !== undefined || (key !== undefined && found.has(key))) {
        throw new FormatError(`duplicate key in comma-separated list property: ${key}`);
      }
      if (key === undefined) throw new FormatError("value without key, but schema does not define a default key");
      usedDefault = key;
      found.set(key, part);
    } else throw new FormatError("missing key in comma-separated list property");
  }
  return found;
}

/** Prints with the default key first, then required keys, then the rest by name, as PVE does (captured 066). */
export function printProperties(format: Format, values: ReadonlyMap<string, string>): string {
  const parts: string[] = [];
  const left = new Map(values);
  // "virtio=BC:24:…" stands for model=virtio,macaddr=BC:24:…
  for (const [key, field] of Object.entries(format)) {
    if (field.keyAlias === undefined || field.alias === undefined) continue;
    const value = left.get(field.alias);
    if (left.get(field.keyAlias) !== key || value === undefined) continue;
    parts.push(`${key}=${value}`);
    left.delete(field.keyAlias);
    left.delete(field.alias);
  }
  const first = defaultKey(format);
  const value = first === undefined ? undefined : left.get(first);
  if (first !== undefined && value !== undefined) {
    parts.push(value);
    left.delete(first);
  }
  const rest = [...left.keys()].sort();
  const required = rest.filter((key) => format[key]?.optional === false);
  for (const key of [...required, ...rest.filter((key) => !required.includes(key))]) {
    parts.push(`${key}=${left.get(key)}`);
  }
  return parts.join(",");
}

/** A list as PVE splits it: by comma, semicolon or white space. */
export function splitList(list: string): string[] {
  return list.split(/[,;\s\0]+/).filter((item) => item !== "");
}
