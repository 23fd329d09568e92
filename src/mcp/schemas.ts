/** The JSON Schemas of a tool, made once, lean and portable between clients. */
import { z } from "zod";
import type { Tool } from "../tool.ts";
import { isRecord } from "./coerce.ts";

/** A JSON Schema as a plain object. */
export type JsonSchema = Record<string, unknown>;

interface Schemas {
  /** What arguments are held against. */
  readonly checked: JsonSchema;
  /** What clients are told. */
  readonly input: JsonSchema;
  readonly output: JsonSchema;
}

const made = new WeakMap<Tool, Schemas>();

/** The schemas of a tool; output objects say nothing about further fields, which would cost tokens and tell nothing. */
export function schemasOf(tool: Tool): Schemas {
  const present = made.get(tool);
  if (present !== undefined) return present;
  const checked = { ...z.toJSONSchema(tool.input, { io: "input" }) };
  const output = leanOutput({ ...z.toJSONSchema(tool.output, { io: "output" }) });
  const schemas = { checked, input: leanInput(checked), output };
  made.set(tool, schemas);
  return schemas;
}

/**
 * What a model is sent with every conversation: parameters, their types and meaning. Lengths and patterns of text stay
 * here, where they are checked; an error names them. A family of slots (net1, net2, …) is told by its first one, and the
 * settings of set_* by the names that create_* describes.
 */
function leanInput(schema: JsonSchema): JsonSchema {
  const { $schema: _schema, minLength: _least, maxLength: _most, pattern: _pattern, keysAs, ...whole } = schema;
  // Lists and maps of texts: what their parts may be is checked here, too.
  const { propertyNames: _names, minItems: _fewest, maxItems: _longest, ...rest } = whole;
  if (isRecord(rest.items)) return { ...rest, items: leanInput(rest.items) };
  if (isRecord(rest.additionalProperties)) {
    return { ...rest, additionalProperties: leanInput(rest.additionalProperties) };
  }
  if (!isRecord(rest.properties)) return rest;
  const fields = Object.entries(rest.properties).flatMap(([name, field]) =>
    isRecord(field) ? [[name, field] as const] : []
  );
  const slots = fields.some(([, field]) => field.likeSlot !== undefined);
  const known = fields.filter(([, field]) => field.likeSlot === undefined && field.untold !== true);
  if (typeof keysAs === "string") {
    const names = known.map(([name]) => name).join(", ");
    return {
      type: "object",
      description: `At least one; as ${keysAs} takes them: ${names}`,
      additionalProperties: true,
    };
  }
  const told = known.filter(([, field]) => field.rare !== true);
  const rare = known.filter(([, field]) => field.rare === true).map(([name]) => name);
  return {
    ...rest,
    ...(rare.length > 0 ? { description: `Also: ${rare.join(", ")}, as in PVE` } : {}),
    properties: Object.fromEntries(told.map(([name, field]) => [name, leanInput(field)])),
    ...(slots ? { additionalProperties: true } : {}),
  };
}

/** What programs read, and models never see: names and types. Descriptions stand in the answers, where they are needed. */
function leanOutput(schema: JsonSchema): JsonSchema {
  const { $schema: _schema, description: _description, additionalProperties, propertyNames: _names, ...rest } = schema;
  const bare = additionalProperties === false || additionalProperties === undefined ? {} : { additionalProperties };
  const lean: JsonSchema = { ...rest, ...bare };
  for (const key of ["minimum", "maximum", "minLength", "maxLength", "pattern", "required"]) delete lean[key];
  if (isRecord(lean.items)) lean.items = leanOutput(lean.items);
  if (isRecord(lean.properties)) {
    lean.properties = Object.fromEntries(
      Object.entries(lean.properties).flatMap(([name, field]) =>
        isRecord(field) && field.untold !== true ? [[name, leanOutput(field)]] : []
      ),
    );
  }
  return lean;
}
