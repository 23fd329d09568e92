/** Renders any structured answer as lean text; keys read as in the structure, so that both forms agree. */
import { flat, oneLine, type Row, table } from "./table.ts";
import { cleanText } from "./untrusted.ts";

/** Lists of plain values up to this many characters stand on one line. */
const shortList = 80;

/**
 * The text of an answer: plain values as `key: value`, lists of objects as tables under `key (count):`, nested objects
 * indented below `key:`, lists of sentences as lines. What is undefined or null is left out. Text of several lines is
 * indented below its key, so that guest-supplied text cannot pose as another key. `tableOf` draws the tables.
 */
export function renderText(
  value: Readonly<Record<string, unknown>>,
  tableOf: (rows: readonly Row[]) => string = table,
): string {
  return properties(cleaned(value), tableOf).join("\n");
}

/** The same with all its text cleaned, piece by piece: in the joined text an escape sequence could swallow its neighbours. */
export function cleaned(value: object): object {
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [oneLine(cleanText(key)), cleanedPart(part)]));
}

function cleanedPart(value: unknown): unknown {
  if (typeof value === "string") return cleanText(value);
  if (Array.isArray(value)) return value.map(cleanedPart);
  return typeof value === "object" && value !== null ? cleaned(value) : value;
}

function properties(value: object, tableOf: (rows: readonly Row[]) => string): string[] {
  return Object.entries(value).flatMap(([key, part]) => property(key, part, tableOf));
}

function property(key: string, value: unknown, tableOf: (rows: readonly Row[]) => string): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return list(key, value, tableOf);
  if (typeof value === "object") {
    const lines = properties(value, tableOf);
    return lines.length === 0 ? [`${key}: none`] : [`${key}:`, ...indented(lines)];
  }
  const lines = String(value).trimEnd().split("\n");
  return lines.length === 1 ? [`${key}: ${lines[0]}`.trimEnd()] : [`${key}:`, ...indented(lines)];
}

function list(key: string, values: readonly unknown[], tableOf: (rows: readonly Row[]) => string): string[] {
  if (values.length === 0) return [`${key}: none`];
  const rows = values.filter(isRow);
  if (rows.length === values.length) {
    return [`${key} (${rows.length}):`, ...indented(tableOf(rows).split("\n"))];
  }
  const texts = values.map((value) => oneLine(flat(value)));
  const line = texts.join(", ");
  const plain = line.length <= shortList && texts.every((text) => !/[\s,]/.test(text));
  return plain ? [`${key}: ${line}`] : [`${key}:`, ...texts.map((text) => `- ${text}`)];
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
