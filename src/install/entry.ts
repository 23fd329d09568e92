/** Puts an entry with what goes with it into a client's text, and takes it out so that the text is what it was before. */
import { isDeepStrictEqual } from "node:util";
import type { Client } from "./clients.ts";
import { type Entry, hasContainer, isRecord, members, put, read, type Slot, take, takeEmpty } from "./jsonc.ts";
import type { Input } from "./server.ts";

/** Where the entry of a client stands. */
export function slotOf(client: Client, name: string): Slot {
  return { container: client.container, kind: "object", key: name };
}

/** The entry and its questions, as they go into a file. */
export function entriesFor(
  client: Client,
  name: string,
  value: Readonly<Record<string, unknown>>,
  inputs: readonly Input[],
): Entry[] {
  return [
    { ...slotOf(client, name), value },
    ...inputs.map((input): Entry => ({ container: "inputs", kind: "array", key: input.id, value: input })),
  ];
}

/**
 * The text with all entries in it; one that is there already is left alone to the byte.
 * @throws {UsageError} for a malformed file
 */
export function added(text: string, entries: readonly Entry[], file: string): string {
  return entries.reduce(
    (now, entry) => isDeepStrictEqual(read(now, entry, file), entry.value) ? now : put(now, entry, file),
    text,
  );
}

/**
 * The text without the entry and the questions that only it asks; undefined where the whole file was made for it. `before` is
 * the text from before it was added, where that is known: then the outcome is that text to the byte, if nothing else changed.
 * @throws {UsageError} for a malformed file, and a malformed `before`
 */
export function removed(
  text: string,
  client: Client,
  name: string,
  file: string,
  before: string | undefined,
): string | undefined {
  const found = present(text, client, name, file);
  if (found.length === 0) return text;
  if (before === undefined) {
    if (added("", found, file) === text) return undefined;
    return found.reduce((now, entry) => take(now, entry, file), text);
  }
  // A question that was there before stays.
  const entries = found.filter((entry) => entry.kind === "object" || read(before, entry, file) === undefined);
  const wasThere = read(before, slotOf(client, name), file) !== undefined;
  if (!wasThere && added(before, entries, file) === text) return before;
  return entries.reduce((now, entry) => {
    const rest = take(now, entry, file);
    return hasContainer(before, entry, file) ? rest : takeEmpty(rest, entry, file);
  }, text);
}

/** The entry as it stands in the text, with the questions that its variables refer to and no other entry does. */
function present(text: string, client: Client, name: string, file: string): Entry[] {
  const value = read(text, slotOf(client, name), file);
  if (value === undefined) return [];
  const others = [...members(text, client.container, file)].filter(([key]) => key !== name).map(([, other]) => other);
  const taken = questions(others);
  const inputs = [...questions(value)].filter((id) => !taken.has(id)).flatMap((id): Entry[] => {
    const slot: Slot = { container: "inputs", kind: "array", key: id };
    const input = read(text, slot, file);
    return isRecord(input) ? [{ ...slot, value: input }] : [];
  });
  return [{ ...slotOf(client, name), value: isRecord(value) ? value : {} }, ...inputs];
}

/** The ids of all questions that stand somewhere in a value, as in "${input:ID}". */
function questions(value: unknown): Set<string> {
  return new Set([...(JSON.stringify(value) ?? "").matchAll(/\$\{input:([^}"\\]+)\}/g)].map(([, id = ""]) => id));
}
