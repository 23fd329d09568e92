/** Reads PVE's API schema in any of its forms (apidata.js, a list of methods, our own facts) into one map. */

/** A parameter or a part of a result, as PVE's JSON schema dialect describes it. */
export interface Field {
  type?: string;
  optional?: number | undefined;
  enum?: string[];
  items?: Field;
  properties?: Record<string, Field>;
  [fact: string]: unknown;
}

/** What is kept of one call. */
export interface Facts {
  parameters: Record<string, Field>;
  returns: Field;
  permissions?: unknown;
}

/** Keys that hold facts; everything else (descriptions, links, layout hints) is dropped. */
const FACT_KEYS = new Set([
  "type",
  "optional",
  "enum",
  "items",
  "properties",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "pattern",
  "format",
  "default",
  "default_key",
  "alias",
  "keyAlias",
  "requires",
  "additionalProperties",
]);

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Keeps the facts of one field; `format` and `properties` hold maps from names to fields. */
function fieldOf(value: unknown): Field {
  if (!isRecord(value)) return {};
  const field: Field = {};
  for (const [key, fact] of Object.entries(value)) {
    if (!FACT_KEYS.has(key)) continue;
    if (key === "properties" || (key === "format" && isRecord(fact))) field[key] = mapOf(fact);
    else if (key === "items") field.items = fieldOf(fact);
    else field[key] = fact;
  }
  return field;
}

function mapOf(value: unknown): Record<string, Field> {
  return isRecord(value)
    ? Object.fromEntries(Object.keys(value).sort().map((name) => [name, fieldOf(value[name])]))
    : {};
}

function factsOf(method: Record<string, unknown>): Facts {
  const parameters = isRecord(method.parameters) && isRecord(method.parameters.properties)
    ? method.parameters.properties // apidata.js wraps them in a schema
    : method.parameters;
  const facts: Facts = { parameters: mapOf(parameters), returns: fieldOf(method.returns) };
  const permissions = method.permissions;
  if (isRecord(permissions)) {
    facts.permissions = permissions.check === undefined ? { user: permissions.user } : { check: permissions.check };
  }
  return facts;
}

/** Walks the tree of apidata.js: `{ path, info: { GET: {…} }, children: […] }`. */
function walk(nodes: unknown, found: Map<string, Facts>): void {
  if (!Array.isArray(nodes)) return;
  for (const node of nodes) {
    if (!isRecord(node)) continue;
    if (isRecord(node.info)) {
      for (const [verb, method] of Object.entries(node.info)) {
        if (isRecord(method)) found.set(`${verb} ${String(node.path)}`, factsOf(method));
      }
    }
    walk(node.children, found);
  }
}

/** @throws {SyntaxError} when the text is no form of PVE's schema */
export function readSource(text: string): Map<string, Facts> {
  const found = new Map<string, Facts>();
  const tree = /^\s*(?:const|var|let)\s+\w+\s*=\s*(\[[\s\S]*?\n\])\s*;?/m.exec(text)?.[1];
  const json: unknown = JSON.parse(tree ?? text);
  if (Array.isArray(json) && json.some((row) => isRecord(row) && ("children" in row || "info" in row))) {
    walk(json, found);
  } else if (Array.isArray(json)) {
    for (const row of json) if (isRecord(row)) found.set(`${String(row.method)} ${String(row.path)}`, factsOf(row));
  } else if (isRecord(json)) {
    for (const [call, facts] of Object.entries(json)) if (isRecord(facts)) found.set(call, factsOf(facts));
  }
  if (found.size === 0) throw new SyntaxError("Cannot read PVE's schema: neither apidata.js nor a list of methods");
  return found;
}
