/** Renders any structured answer as lean text; keys read as in the structure, so that both forms agree. */
import { type Fields, isRecord, setField } from "./fields.ts";
import { flat, oneLine, type Row, table } from "./table.ts";
import { untrusted } from "./untrusted.ts";

/** Lists of plain values up to this many characters stand on one line. */
const shortList = 80;

/** Texts that guests and other people supply: in text they stand in quotes wherever they are more than a plain word. */
const freeText: ReadonlySet<string> = new Set([
  "name",
  "hostname",
  "description",
  "comment",
  "tags",
  "warnings",
  "exit_status",
  "old",
  "new",
  "in_force",
]);

const plainWord = /^[\p{L}\p{M}\p{N}_.:;,=+@/()-]*$/u;

/** The most characters of a text, by its key. Old values are complete, as an answer may be all that keeps them. */
const LONGEST: ReadonlyMap<string, number> = new Map([
  ["name", 255],
  ["hostname", 255],
  ["warnings", 300],
  ["old", 10_000],
  ["new", 10_000],
  ["in_force", 10_000],
  // What a command puts out, and what stands in a file: the tools that bring it cut it themselves.
  ["stdout", 1_500_000],
  ["stderr", 1_500_000],
  ["content", 1_500_000],
]);
const LONGEST_OTHER = 1000;
const LONGEST_KEY = 100;

/**
 * The text of an answer: plain values as `key: value`, lists of objects as tables under `key (count):`, nested objects
 * indented below `key:`, lists of sentences as lines. What is undefined or null is left out. Free text stands in quotes,
 * as JSON; other text of several lines is indented below its key: so it cannot pose as another key. `tableOf` draws the
 * tables.
 */
export function renderText(
  value: Fields,
  tableOf: (rows: readonly Row[]) => string = table,
): string {
  return properties(mapped(value, (text, key, shown) => quoted(clean(text, key), shown)), tableOf).join("\n");
}

/** The same with all its text cleaned and cut, piece by piece: joined, an escape sequence could swallow its neighbours. */
export function cleaned(value: Fields): Fields {
  return mapped(value, clean);
}

function clean(text: string, key: string): string {
  return untrusted(text, LONGEST.get(key) ?? LONGEST_OTHER);
}

function quoted(text: string, key: string): string {
  return freeText.has(key) && !plainWord.test(text) ? JSON.stringify(text) : text;
}

/** What becomes of a text under a key; `shown` is the key as it is written. */
type Change = (text: string, key: string, shown: string) => string;

/** A copy with every text replaced; texts in a list go by the list's key. */
function mapped(value: Fields, change: Change): Fields {
  const copy: Record<string, unknown> = {};
  // Every answer goes through here: with Object.entries() and Object.fromEntries() it would take four times as long.
  for (const key of Object.keys(value)) {
    const shown = oneLine(untrusted(key, LONGEST_KEY));
    setField(copy, shown, mappedPart(value[key], key, shown, change));
  }
  return copy;
}

function mappedPart(value: unknown, key: string, shown: string, change: Change): unknown {
  if (typeof value === "string") return change(value, key, shown);
  if (Array.isArray(value)) return value.map((item) => mappedPart(item, key, shown, change));
  return isRecord(value) ? mapped(value, change) : value;
}

function properties(value: Fields, tableOf: (rows: readonly Row[]) => string): string[] {
  return Object.keys(value).flatMap((key) => property(key, value[key], tableOf));
}

function property(key: string, value: unknown, tableOf: (rows: readonly Row[]) => string): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return list(key, value, tableOf);
  if (isRecord(value)) {
    const lines = properties(value, tableOf);
    return lines.length === 0 ? [`${key}: none`] : [`${key}:`, ...indented(lines)];
  }
  const lines = String(value).trimEnd().split("\n");
  return lines.length === 1 ? [`${key}: ${lines[0]}`.trimEnd()] : [`${key}:`, ...indented(lines)];
}

function list(key: string, values: readonly unknown[], tableOf: (rows: readonly Row[]) => string): string[] {
  if (values.length === 0) return [`${key}: none`];
  const rows = values.filter(isRecord);
  if (rows.length === values.length) {
    return [`${key} (${rows.length}):`, ...indented(tableOf(rows).split("\n"))];
  }
  const texts = values.map((value) => oneLine(flat(value)));
  const line = texts.join(", ");
  const plain = line.length <= shortList && texts.every((text) => !/[\s,]/.test(text));
  return plain ? [`${key}: ${line}`] : [`${key}:`, ...texts.map((text) => `- ${text}`)];
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
