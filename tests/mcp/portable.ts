/** What breaks a known client in a tool's definition, as tools/list sends it. */
import { isMessage, type Message } from "../helpers/connection.ts";

/** Cursor wants server and tool name within 60 characters; ours is called proxmox-mcp there. */
const LONGEST_NAME = 45;

/** OpenAI's limit. */
const LONGEST_DESCRIPTION = 1024;

/** One of them at the root makes Anthropic's API refuse the whole request; below it, they break others. */
const COMBINATORS = ["anyOf", "oneOf", "allOf", "not", "if", "then", "else"];

/** Keywords that some clients drop, and others refuse. */
const UNPORTABLE = [
  "$ref",
  "$defs",
  "definitions",
  "$dynamicRef",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "prefixItems",
];

const MOST = Number.MAX_SAFE_INTEGER;

/** Everything that is wrong with a tool as it is listed; an empty list is a portable tool. */
export function faultsIn(tool: Message): string[] {
  const { name, title, description, inputSchema, outputSchema } = tool;
  const faults: string[] = [];
  if (typeof name !== "string" || !/^[a-z][a-z0-9_]*$/.test(name)) faults.push("name");
  if (String(name).length > LONGEST_NAME) faults.push("name too long");
  if (typeof title !== "string" || title === "") faults.push("title");
  if (typeof description !== "string" || description === "") faults.push("description");
  if (String(description).length > LONGEST_DESCRIPTION) faults.push("description too long");
  faults.push(...root(inputSchema, "input"));
  if (outputSchema !== undefined) faults.push(...root(outputSchema, "output"));
  return faults;
}

function root(schema: unknown, path: string): string[] {
  if (!isMessage(schema) || schema.type !== "object") return [`${path}: the root is no object`];
  return [...within(schema, path)];
}

function* within(schema: unknown, path: string): Generator<string> {
  if (!isMessage(schema)) return void (yield `${path}: no schema`);
  for (const key of [...COMBINATORS, ...UNPORTABLE]) if (key in schema) yield `${path}: ${key}`;
  const { type, items, properties, additionalProperties, minimum, maximum, description } = schema;
  if (Array.isArray(type)) yield `${path}: a list of types`;
  if (String(description ?? "").length > LONGEST_DESCRIPTION) yield `${path}: description too long`;
  const bounded = (value: unknown) => typeof value === "number" && Math.abs(value) < MOST;
  // What goes out need not be bounded, but must not carry the bounds of a double.
  const said = minimum !== undefined || maximum !== undefined;
  if (type === "integer" && (path.startsWith("input") || said) && !(bounded(minimum) && bounded(maximum))) {
    yield `${path}: an integer without bounds`;
  }
  if (type === "array") {
    if (!isMessage(items) || items.type === undefined) yield `${path}: items without a type`;
    else yield* within(items, `${path}[]`);
  }
  if (properties !== undefined) {
    if (!isMessage(properties)) return void (yield `${path}: properties`);
    for (const [name, inner] of Object.entries(properties)) {
      if (!/^[a-zA-Z0-9_-]{1,64}$/.test(name)) yield `${path}: the property ${name}`;
      if (isMessage(inner) && inner.type === undefined && inner.enum === undefined) yield `${path}.${name}: no type`;
      yield* within(inner, `${path}.${name}`);
    }
  }
  if (isMessage(additionalProperties)) yield* within(additionalProperties, `${path}.*`);
}
