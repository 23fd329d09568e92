/** Reads the arguments of a tool from the command line. */
import { UsageError } from "../errors.ts";

/**
 * Reads the arguments of a tool: one JSON object, or any number of `key=value`. A value that is a JSON object, list, number
 * or boolean is taken as such, anything else as text.
 * @throws UsageError for a word that is neither, or a key that comes twice.
 */
export function parseInput(words: readonly string[]): Record<string, unknown> {
  const [first] = words;
  if (first !== undefined && words.length === 1 && first.trimStart().startsWith("{")) return parseObject(first);
  const input = new Map<string, unknown>();
  for (const word of words) {
    const [, key, text] = /^([A-Za-z_][\w-]*)=(.*)$/s.exec(word) ?? [];
    if (key === undefined || text === undefined) {
      throw new UsageError(
        `${JSON.stringify(word)} is not an argument of a tool.`,
        "Write arguments as in vmid=102, or all of them as one JSON object.",
      );
    }
    if (input.has(key)) throw new UsageError(`The argument ${key} is given twice.`, "Give it once.");
    input.set(key, parseValue(text));
  }
  return Object.fromEntries(input);
}

function parseObject(text: string): Record<string, unknown> {
  const value = json(text);
  if (!isObject(value)) {
    throw new UsageError("The argument starts with { and is not a JSON object.", `Write it as in '{"vmid": 102}'.`);
  }
  return value;
}

function parseValue(text: string): unknown {
  const value = json(text);
  if (typeof value === "boolean" || (typeof value === "object" && value !== null)) return value;
  // Digits that a number cannot hold exactly, and 1e5, are more likely an id than a quantity.
  return typeof value === "number" && /^-?\d+(?:\.\d+)?$/.test(text) && Math.abs(value) <= Number.MAX_SAFE_INTEGER
    ? value
    : text;
}

/** The parsed JSON, or undefined where the text is none. */
function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
