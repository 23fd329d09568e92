/** The JSON Schemas of a tool, made once, lean and portable between clients. */
import { z } from "zod";
import type { Tool } from "../tool.ts";
import { isRecord } from "./coerce.ts";

/** A JSON Schema as a plain object. */
export type JsonSchema = Record<string, unknown>;

const made = new WeakMap<Tool, { input: JsonSchema; output: JsonSchema }>();

/** Input and output schema of a tool. Output objects say nothing about further fields: that costs tokens and tells nothing. */
export function schemasOf(tool: Tool): { input: JsonSchema; output: JsonSchema } {
  const present = made.get(tool);
  if (present !== undefined) return present;
  const input: JsonSchema = { ...z.toJSONSchema(tool.input, { io: "input" }) };
  const output: JsonSchema = { ...z.toJSONSchema(tool.output, { io: "output" }) };
  delete input.$schema;
  delete output.$schema;
  const schemas = { input, output: without(output, "additionalProperties") };
  made.set(tool, schemas);
  return schemas;
}

/** A copy without a keyword that is false, at every depth. */
function without(schema: JsonSchema, keyword: string): JsonSchema {
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key, value]) => key !== keyword || value !== false)
      .map(([key, value]) => [key, isRecord(value) ? without(value, keyword) : value]),
  );
}
