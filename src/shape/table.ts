/** Rows as a table in text: one line each, `a | b | c`, without padding, as a model pays for every space. */

/** One row: its cells by the name of their column. */
export type Row = Readonly<Record<string, unknown>>;

/** A header line and a line for each row; columns stand in the order in which they first appear, empty cells at the end are left out; no rows give "". */
export function table(rows: readonly Row[]): string {
  return cells(rows).map((line) => line.slice(0, line.findLastIndex((cell) => cell !== "") + 1).join(" | ")).join("\n");
}

/** The header and the rows as text cells, each of one line and with its pipes escaped. */
export function cells(rows: readonly Row[]): string[][] {
  const seen = new Set<string>();
  for (const row of rows) {
    for (const key of Object.keys(row)) if (row[key] !== undefined) seen.add(key);
  }
  if (seen.size === 0) return [];
  const columns = [...seen];
  return [columns.map(cell), ...rows.map((row) => columns.map((column) => cell(row[column])))];
}

function cell(value: unknown): string {
  return typeof value === "number" ? String(value) : oneLine(flat(value)).replaceAll("|", "\\|");
}

/** Any value on one line: lists as `a, b`, objects as `key=value`, nothing as "". */
export function flat(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map(nested).join(", ");
  if (typeof value === "object") return Object.entries(value).map(([key, part]) => `${key}=${nested(part)}`).join(", ");
  return String(value);
}

function nested(value: unknown): string {
  return typeof value === "object" && value !== null ? `(${flat(value)})` : flat(value);
}

const severalLines = /[\r\n\t\u2028\u2029]/;

/** The text with its line ends and tabs turned into spaces. */
export function oneLine(text: string): string {
  return (severalLines.test(text) ? text.replace(/\s*[\r\n\t\u2028\u2029]+\s*/g, " ") : text).trim();
}
