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
  // One value can break several rules: it is named once.
  const issues = [...new Map(parsed.error.issues.toReversed().map((issue) => [placeOf(issue), issue])).values()];
  issues.reverse();
  const problems = issues.map((issue) => problem(tool, issue, input));
  throw new UsageError(`Cannot call ${tool.name}: ${problems.join("; ")}`, remedyFor(tool, issues, input));
}

type Issue = z.core.$ZodIssue;

function placeOf({ code, path }: Issue): string {
  return JSON.stringify([code === "unrecognized_keys", ...path.map(String)]);
}

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
  const schema = schemaAt(tool, path);
  // A pattern tells a reader less than what stands beside it, and the remedy says that.
  const must = inWords(schema) ? "as its description says" : expectation(schema) ?? issue.message;
  return secretLike(name) || secretLike(text) ? `${name}: it must be ${must}` : `${name}=${text}: it must be ${must}`;
}

/** Whether a value has to fit a pattern that is described, too. */
function inWords(schema: unknown): boolean {
  return isRecord(schema) && typeof schema.pattern === "string" && typeof schema.description === "string";
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

/** Describes what is missing, the first that is wrong, and all that is wrong in its form; names the known arguments, too. */
function remedyFor(tool: Tool, issues: readonly Issue[], input: unknown): string | undefined {
  const unknown = issues.find((issue) => issue.code === "unrecognized_keys");
  const isMissing = (issue: Issue) => issue !== unknown && valueAt(input, issue.path) === undefined;
  const missing = issues.filter(isMissing);
  const first = unknown === undefined && missing.length === 0 ? issues[0] : undefined;
  const told = issues.filter((issue) =>
    issue === first || issue.code !== "unrecognized_keys" && (isMissing(issue) || inWords(schemaAt(tool, issue.path)))
  ).flatMap(({ path }) => {
    const description = property(schemaAt(tool, path), "description");
    return typeof description === "string" ? [`${path.map(String).join(".")}: ${description}`] : [];
  });
  const known = property(schemaAt(tool, unknown?.path ?? []), "properties");
  const names = isRecord(known) ? Object.keys(known) : [];
  // Who is told of all of them needs no list of their names.
  if (unknown !== undefined || missing.length > 0 && names.length > told.length) {
    told.push(names.length === 0 ? "It takes no arguments" : `Known are ${names.join(", ")}`);
  }
  return told.length === 0 ? undefined : told.join(". ");
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
