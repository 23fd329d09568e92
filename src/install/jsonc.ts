/**
 * Adds an entry to a JSON file with comments and takes it out again, and leaves every other byte alone. The library parses
 * and says where things stand; its own way of writing reformats whole lines, with what others have put there.
 */
import { isDeepStrictEqual } from "node:util";
import { type Node, parse, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { UsageError } from "../errors.ts";

/** A place in the file: a key of an object, or the element of an array with this `id`, under a key of the root. */
export interface Slot {
  readonly container: string;
  readonly kind: "object" | "array";
  readonly key: string;
}

/** What is to stand in a slot. */
export interface Entry extends Slot {
  readonly value: Readonly<Record<string, unknown>>;
}

/** The value in a slot, or undefined. @throws {UsageError} for a file that holds something else than such slots */
export function read(text: string, slot: Slot, file: string): unknown {
  const member = memberOf(containerOf(rootOf(text, file), slot, file), slot, file);
  return member === undefined ? undefined : valueOf(text, member);
}

/** Whether the root has the key of the slot's container. @throws {UsageError} as read */
export function hasContainer(text: string, slot: Slot, file: string): boolean {
  return containerOf(rootOf(text, file), slot, file) !== undefined;
}

/**
 * The names of the members of an object under a key of the root, with their values; none where it is not there.
 * @throws {UsageError} as read
 */
export function members(text: string, container: string, file: string): ReadonlyMap<string, unknown> {
  const node = containerOf(rootOf(text, file), { container, kind: "object", key: "" }, file);
  return new Map((node?.children ?? []).map((member) => [nameOf(member), valueOf(text, member)]));
}

/**
 * The text with the entry in its slot, in the place of another value that stands there.
 * @throws {UsageError} for a file that is malformed or holds something else under the container's key
 */
export function put(text: string, entry: Entry, file: string): string {
  const root = rootOf(text, file);
  const style = styleOf(text, root);
  const value = (depth: number) => indented(entry.value, style, depth);
  const named = (depth: number) =>
    entry.kind === "array" ? value(depth) : `${JSON.stringify(entry.key)}: ${value(depth)}`;
  if (root === undefined) {
    const [open, close] = entry.kind === "array" ? "[]" : "{}";
    const inner = `${style.unit}${JSON.stringify(entry.container)}: ${open}${style.eol}${style.unit.repeat(2)}${
      named(2)
    }`;
    const gap = text === "" || /[\n\r]$/.test(text) ? "" : style.eol;
    return `${text}${gap}{${style.eol}${inner}${style.eol}${style.unit}${close}${style.eol}}${style.eol}`;
  }
  const container = containerOf(root, entry, file);
  if (container === undefined) {
    const [open, close] = entry.kind === "array" ? "[]" : "{}";
    const inside = `${style.eol}${style.unit.repeat(2)}${named(2)}${style.eol}${style.unit}`;
    const piece = `${JSON.stringify(entry.container)}: ${open}${inside}${close}`;
    return checked(text, insert(text, root, piece, style, 0), entry, file);
  }
  const member = memberOf(container, entry, file);
  if (member === undefined) {
    const depth = depthAt(text, container.offset, style);
    return checked(text, insert(text, container, named(depth + 1), style, depth), entry, file);
  }
  const node = entry.kind === "array" ? member : valueNode(member);
  const depth = depthAt(text, node.offset, style);
  return checked(text, text.slice(0, node.offset) + value(depth) + text.slice(node.offset + node.length), entry, file);
}

/** The text without what stands in the slot. @throws {UsageError} as put */
export function take(text: string, slot: Slot, file: string): string {
  const container = containerOf(rootOf(text, file), slot, file);
  const member = memberOf(container, slot, file);
  if (container === undefined || member === undefined) return text;
  return without(text, container, member, slot, file);
}

/** The text without a container that holds nothing any more. @throws {UsageError} as put */
export function takeEmpty(text: string, slot: Slot, file: string): string {
  const root = rootOf(text, file);
  const container = containerOf(root, slot, file);
  const property = container?.parent;
  if (root === undefined || container === undefined || property === undefined) return text;
  const inner = text.slice(container.offset + 1, container.offset + container.length - 1);
  return inner.trim() === "" ? without(text, root, property, undefined, file, slot.container) : text;
}

interface Style {
  readonly eol: string;
  /** One step of indentation. */
  readonly unit: string;
}

function rootOf(text: string, file: string): Node | undefined {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const [first] = errors;
  if (first !== undefined) {
    const what = printParseErrorCode(first.error).replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
    throw malformed(text, first.offset, what, file);
  }
  if (root !== undefined && root.type !== "object") throw malformed(text, root.offset, "not an object", file);
  return root;
}

function containerOf(root: Node | undefined, slot: Slot, file: string): Node | undefined {
  const property = unique(root?.children ?? [], (child) => nameOf(child) === slot.container, slot.container, file);
  if (property === undefined) return undefined;
  const node = valueNode(property);
  if (node.type === slot.kind) return node;
  throw new UsageError(
    `${file}: ${JSON.stringify(slot.container)} is no ${slot.kind} there. The file was left as it is.`,
    `Make it ${slot.kind === "object" ? "{}" : "[]"}, or see with --print what to put into the file.`,
  );
}

function memberOf(container: Node | undefined, slot: Slot, file: string): Node | undefined {
  const is = (child: Node) => slot.kind === "object" ? nameOf(child) === slot.key : idOf(child) === slot.key;
  return unique(container?.children ?? [], is, slot.key, file);
}

/** Of two equal keys clients take the last one and others the first one. */
function unique(nodes: readonly Node[], is: (node: Node) => boolean, key: string, file: string): Node | undefined {
  const [first, second] = nodes.filter(is);
  if (second === undefined) return first;
  throw new UsageError(
    `${file} holds ${JSON.stringify(key)} twice. The file was left as it is.`,
    "Remove one of them, then run this again.",
  );
}

function nameOf(property: Node): string {
  return String(property.children?.[0]?.value);
}

function valueNode(property: Node): Node {
  const node = property.children?.[1];
  if (node === undefined) throw new Error("a property without a value passed the parser");
  return node;
}

function idOf(element: Node): unknown {
  return element.children?.find((child) => nameOf(child) === "id")?.children?.[1]?.value;
}

function valueOf(text: string, member: Node): unknown {
  const node = member.type === "property" ? valueNode(member) : member;
  return parse(text.slice(node.offset, node.offset + node.length), [], { allowTrailingComma: true });
}

/** Indentation and line ends as the file has them; two blanks and \n where it tells nothing. */
function styleOf(text: string, root: Node | undefined): Style {
  const first = root?.children?.[0];
  const before = first === undefined ? "" : /[\n\r]([ \t]+)$/.exec(text.slice(0, first.offset))?.[1] ?? "";
  const eol = /\r\n|\n|\r/.exec(text)?.[0] ?? "\n";
  return { eol, unit: before.startsWith("\t") ? "\t" : before === "" ? "  " : before };
}

/** How many steps the line that holds this place is indented. */
function depthAt(text: string, offset: number, style: Style): number {
  const line = /(?:^|[\n\r])([ \t]*)[^\n\r]*$/.exec(text.slice(0, offset))?.[1] ?? "";
  return Math.round(line.length / style.unit.length);
}

function indented(value: unknown, style: Style, depth: number): string {
  return JSON.stringify(value, undefined, style.unit).replaceAll("\n", style.eol + style.unit.repeat(depth));
}

/** Puts a piece behind everything that stands in an object or array, comments included, which stay where they belong. */
function insert(text: string, node: Node, piece: string, style: Style, depth: number): string {
  const close = node.offset + node.length - 1;
  const last = node.children?.at(-1);
  const end = last === undefined ? node.offset + 1 : last.offset + last.length;
  const tail = text.slice(end, close);
  const comma = last === undefined || hasComma(tail) ? "" : ",";
  const rest = tail.trimEnd();
  // What closes it stands on a line of its own already, or has to be put there.
  const space = tail.slice(rest.length);
  const closing = /[\n\r]/.test(space) ? space : style.eol + style.unit.repeat(depth);
  const lead = style.eol + style.unit.repeat(depth + 1);
  return `${text.slice(0, end)}${comma}${rest}${lead}${piece}${closing}${text.slice(close)}`;
}

function without(text: string, container: Node, member: Node, slot: Slot | undefined, file: string, key = ""): string {
  const siblings = container.children ?? [];
  const at = siblings.indexOf(member);
  const previous = siblings[at - 1];
  const close = container.offset + container.length - 1;
  const start = previous === undefined ? container.offset + 1 : previous.offset + previous.length;
  const end = member.offset + member.length;
  let before = text.slice(start, member.offset);
  let after = text.slice(end, siblings[at + 1]?.offset ?? close);
  if (hasComma(after)) after = withoutComma(after);
  else before = withoutComma(before);
  const tries = [before.trimEnd(), before].map((kept) => {
    const inner = siblings.length === 1 && kept.trim() === "" && after.trim() === "" ? "" : kept + after;
    return text.slice(0, start) + inner + text.slice(end + (text.slice(end, siblings[at + 1]?.offset ?? close)).length);
  });
  // Where a line comment stands before it, its line has to end.
  const good = tries.find((one) =>
    differsOnlyIn(text, one, slot ?? { container: key, kind: "object", key: "" }, undefined)
  );
  if (good === undefined) throw unsafe(file);
  return good;
}

/** Blanks out comments, so that a comma in one of them is none. */
function bare(text: string): string {
  return text.replace(/\/\/[^\n\r]*|\/\*[^]*?\*\//g, (comment) => " ".repeat(comment.length));
}

function hasComma(between: string): boolean {
  return bare(between).includes(",");
}

function withoutComma(between: string): string {
  const at = bare(between).indexOf(",");
  return at < 0 ? between : between.slice(0, at) + between.slice(at + 1);
}

function checked(before: string, after: string, entry: Entry, file: string): string {
  if (!differsOnlyIn(before, after, entry, entry.value)) throw unsafe(file);
  return after;
}

/** Whether the second text parses, and says what the first one says but for one slot; an empty container counts as none. */
function differsOnlyIn(before: string, after: string, slot: Slot, value: unknown): boolean {
  const errors: ParseError[] = [];
  const now = normal(parse(after, errors, { allowTrailingComma: true }), slot);
  const then = normal(parse(before, [], { allowTrailingComma: true, allowEmptyContent: true }), slot);
  return errors.length === 0 && isDeepStrictEqual(now.rest, then.rest) && isDeepStrictEqual(now.value, value);
}

function normal(root: unknown, slot: Slot): { rest: unknown; value: unknown } {
  const { [slot.container]: container, ...others } = isRecord(root) ? root : {};
  if (slot.kind === "object") {
    const { [slot.key]: value, ...rest } = isRecord(container) ? container : {};
    return { rest: [Object.entries(others), Object.entries(rest)], value };
  }
  const elements: unknown[] = Array.isArray(container) ? container : [];
  const own = (element: unknown) => isRecord(element) && element.id === slot.key;
  return { rest: [Object.entries(others), elements.filter((one) => !own(one))], value: elements.find(own) };
}

/** Whether a value is an object with keys. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(text: string, offset: number, what: string, file: string): UsageError {
  const lines = text.slice(0, offset).split(/\r\n|\n|\r/);
  const place = `line ${lines.length}, column ${(lines.at(-1) ?? "").length + 1}`;
  return new UsageError(
    `${file} is not valid JSON: ${what} at ${place}. The file was left as it is.`,
    "Correct it there, then run this again; --print shows what to put into it by hand.",
  );
}

function unsafe(file: string): UsageError {
  return new UsageError(
    `${file} is written in a way that this program cannot change without touching more than its own entry.`,
    "Change it by hand; --print shows what belongs into it.",
  );
}
