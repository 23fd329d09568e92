/** Reads the arguments of a call, and says in words what is wrong with them. */
import type { z } from "zod";
import { UsageError } from "../errors.ts";
import type { Tool } from "../tool.ts";
import { coerce, isRecord } from "./coerce.ts";
import { schemasOf } from "./schemas.ts";

/**
 * The arguments of a call, converted where they are exact text, and validated.
 * @throws {UsageError} naming every argument that is wrong, what it must be, and the known ones when one is unknown
 */
export function parse(tool: Tool, args: unknown): z.output<Tool["input"]> {
  const input = coerce(args ?? {}, schemasOf(tool).checked);
  const parsed = tool.input.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => problem(tool, issue, input));
  throw new UsageError(`Cannot call ${tool.name}: ${problems.join("; ")}`, remedyFor(tool, parsed.error.issues, input));
}

type Issue = z.core.$ZodIssue;

function problem(tool: Tool, issue: Issue, input: unknown): string {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return `unknown ${path.length > 0 ? `setting in ${path.join(".")}` : "argument"} ${
      issue.keys.map(shown).join(", ")
    }`;
  }
  const value = valueAt(input, path);
  const name = path.join(".") || "the arguments";
  if (value === undefined) return `${name} is missing`;
  const text = shown(value);
  const must = expectation(schemaAt(tool, path)) ?? issue.message;
  return secretLike(name) || secretLike(text) ? `${name}: it must be ${must}` : `${name}=${text}: it must be ${must}`;
}

/** What a JSON Schema asks for, in words; undefined where it says more than these words can. */
function expectation(schema: unknown): string | undefined {
  if (!isRecord(schema)) return undefined;
  const { type, minimum, maximum, minLength, maxLength, pattern } = schema;
  if (Array.isArray(schema.enum)) return `one of ${schema.enum.join(", ")}`;
  if (type === "integer") return `a whole number from ${minimum} to ${maximum}`;
  if (type === "number") return `a number from ${minimum} to ${maximum}`;
  if (type === "boolean") return "true or false";
  if (type === "object") return 'a JSON object, as in {"memory": 4096}';
  if (type !== "string") return undefined;
  if (pattern !== undefined) return `text like ${pattern}`;
  return minLength === undefined
    ? `text of at most ${maxLength} characters`
    : `text of ${minLength} to ${maxLength} characters`;
}

function secretLike(text: string): boolean {
  return /password|sshkeys|ssh_public_keys/.test(text);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Names the known arguments where one is unknown or missing, and says what the first wrong one is. */
function remedyFor(tool: Tool, issues: readonly Issue[], input: unknown): string | undefined {
  const unknown = issues.find((issue) => issue.code === "unrecognized_keys");
  const missing = issues.some((issue) => valueAt(input, issue.path) === undefined);
  if (unknown === undefined && !missing) {
    const path = issues[0]?.path.map(String) ?? [];
    const schema = schemaAt(tool, path);
    return isRecord(schema) && typeof schema.description === "string"
      ? `${path.join(".")}: ${schema.description}`
      : undefined;
  }
  const known = property(schemaAt(tool, unknown?.path ?? []), "properties");
  if (typeof known !== "object" || known === null) return undefined;
  const names = Object.keys(known);
  return names.length === 0 ? "It takes no arguments" : `Known are ${names.join(", ")}`;
}

function schemaAt(tool: Tool, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (schema, key) => property(property(schema, "properties"), String(key)),
    schemasOf(tool).checked,
  );
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((part, key) => property(part, String(key)), input);
}

function property(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}
