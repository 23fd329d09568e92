/**
 * Writes the types and constraints of PVE's API for the calls of the catalogue and the simulator.
 *
 *   deno task gen                     from the facts kept in src/sim/schema.gen.json
 *   deno task gen:schema --from FILE  from a PVE host's own schema: its apidata.js
 *                                     (https://HOST:8006/pve-docs/api-viewer/apidata.js), or a list of methods as JSON
 *   deno task gen:check               writes nothing, fails when a generated file lags
 *
 * Only facts are taken: names, types, limits, permissions; no description text.
 */
import { parseArgs } from "node:util";
import process from "node:process";
import { overlay } from "../src/pve/overlay.ts";
import { type Call, catalogue, requestOf } from "../src/safety/catalogue.ts";
import { isCall } from "../src/safety/gate.ts";
import { simulatorCalls } from "../src/sim/calls.ts";
import { readSource } from "./schema_source.ts";
import type { Facts, Field } from "./schema_source.ts";

const FACTS = "src/sim/schema.gen.json";

/**
 * Fields that are there in every row of a list, as they name what the row is about. All others are optional, whatever the schema says: a token without
 * privileges gets rows without figures (captured 084–086), and older versions of PVE lack fields.
 */
const IDENTITY = new Set(["vmid", "node", "storage", "volid", "upid", "key", "n", "t", "version"]);

function isRequired(name: string, field: Field, inRow: boolean): boolean {
  return inRow && IDENTITY.has(name) && field.optional !== 1;
}

function quote(name: string): string {
  return /^[a-z_][a-z0-9_]*$/i.test(name) ? name : JSON.stringify(name);
}

/** The TypeScript type of a parameter. */
function parameterType(field: Field): string {
  if (field.enum !== undefined) return field.enum.map((value) => JSON.stringify(value)).join(" | ");
  switch (field.type) {
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "array":
      return "readonly string[]";
    default:
      // PVE calls `memory` a string with a format; 4096 is what everybody writes.
      return "string | number";
  }
}

/** Optional parameters accept undefined, so that a tool can hand over its own optional input as it is. */
function parameter(name: string, field: Field, inPath: boolean): string {
  if (name.endsWith("[n]")) return `[slot: \`${name.slice(0, -3)}\${number}\`]: ${parameterType(field)} | undefined`;
  if (inPath) return `${quote(name)}: ${field.type === "integer" ? "number" : "string"}`;
  return field.optional
    ? `${quote(name)}?: ${parameterType(field)} | undefined`
    : `${quote(name)}: ${parameterType(field)}`;
}

/** A parameter outside the allowlist: naming it does not compile, in a literal or in a variable. */
function forbidden(name: string): string {
  return name.endsWith("[n]") ? `[slot: \`${name.slice(0, -3)}\${number}\`]: undefined` : `${quote(name)}?: never`;
}

function pathVariables(call: string): string[] {
  return [...call.matchAll(/\{(\w+)\}/g)].flatMap((match) => match[1] ?? []);
}

/** A slot family such as `net[n]` must not swallow a plain parameter such as `numa`: template types match digits only. */
function narrowParameters(call: string, facts: Facts): string {
  const variables = pathVariables(call);
  const entry: { params: Readonly<Record<string, unknown>>; required?: readonly string[]; check?: string } | undefined =
    Object.entries(catalogue).find(([key]) => key === call)?.[1];
  const lines: string[] = [];
  for (const [name, field] of Object.entries(facts.parameters)) {
    const inPath = variables.includes(name);
    if (inPath || (entry !== undefined && Object.hasOwn(entry.params, name))) {
      // `digest` is added by the state check where the gate requires it.
      const required = name !== "digest" && (entry?.required?.includes(name) ?? false);
      lines.push(parameter(name, { ...field, optional: required ? 0 : field.optional }, inPath));
    } else lines.push(forbidden(name));
  }
  return `{ ${lines.join("; ")} }`;
}

/** The overlay's fields put into a copy of the schema's result. */
function withOverlay(call: string, returns: Field): Field {
  const copy: Field = structuredClone(returns);
  for (const [path, extra] of Object.entries(overlay[call] ?? {})) {
    let here: Field = copy;
    const steps = path.split(".");
    const last = steps.pop() ?? "";
    for (const step of steps) {
      const next = step === "[]" ? here.items : here.properties?.[step];
      if (next !== undefined) here = next;
      else {
        const created: Field = { type: "object", properties: {}, optional: 1 };
        here.properties = { ...here.properties, [step]: created };
        here = created;
      }
    }
    if (here.properties?.[last]?.type === extra.type) {
      throw new Error(`Overlay of ${call}: the schema has ${path} already`);
    }
    here.properties = { ...here.properties, [last]: { type: extra.type, optional: 1 } };
  }
  return copy;
}

function resultType(field: Field | undefined, inRow = false): string {
  switch (field?.type) {
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "string":
      return "string";
    case "null":
      return "null";
    case "array":
      return `readonly ${wrap(resultType(field.items, true))}[]`;
    case "object": {
      if (field.properties === undefined) return "Readonly<Record<string, unknown>>";
      const lines = Object.entries(field.properties).map(([name, sub]) =>
        name.endsWith("[n]")
          ? `readonly [slot: \`${name.slice(0, -3)}\${number}\`]: ${resultType(sub)} | undefined`
          : `readonly ${quote(name)}${isRequired(name, sub, inRow) ? "" : "?"}: ${resultType(sub)}${
            isRequired(name, sub, inRow) ? "" : " | undefined"
          }`
      );
      return `{ ${lines.join("; ")} }`;
    }
    default:
      return "unknown";
  }
}

function wrap(type: string): string {
  return type.includes("|") || type.startsWith("readonly ") ? `(${type})` : type;
}

/** What decode.ts reads at run time; see the type Shape there. */
function shape(field: Field | undefined, inRow = false): unknown {
  switch (field?.type) {
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "string":
      return "string";
    case "null":
      return "null";
    case "array":
      return { items: shape(field.items, true) };
    case "object": {
      if (field.properties === undefined) return "record";
      const fields: Record<string, unknown> = {};
      const slots: Record<string, unknown> = {};
      const required: string[] = [];
      for (const [name, sub] of Object.entries(field.properties)) {
        if (name.endsWith("[n]")) slots[name.slice(0, -3)] = shape(sub);
        else fields[name] = shape(sub);
        if (isRequired(name, sub, inRow)) required.push(name);
      }
      return {
        fields,
        ...(Object.keys(slots).length > 0 ? { slots } : {}),
        ...(required.length > 0 ? { required } : {}),
      };
    }
    default:
      return "any";
  }
}

function wanted(facts: ReadonlyMap<string, Facts>, call: string): Facts {
  const found = facts.get(call);
  if (found === undefined) throw new Error(`PVE's schema has no call ${call}; run: deno task gen:schema --from FILE`);
  return found;
}

function generate(facts: ReadonlyMap<string, Facts>): Map<string, string> {
  const calls = Object.keys(catalogue).filter(isCall);
  const factsOf = (call: Call) => wanted(facts, requestOf(call));
  for (const call of calls) {
    const known = factsOf(call).parameters;
    for (const name of Object.keys(catalogue[call].params)) {
      if (!Object.hasOwn(known, name)) throw new Error(`${call} has no parameter ${name} in PVE's schema`);
    }
  }
  const head = (from: string) => `// Generated by scripts/generate_schema.ts from ${from}; do not edit.\n`;
  const results = new Map(calls.map((call) => [call, withOverlay(call, factsOf(call).returns)]));

  let api = head("PVE's API schema, the catalogue and the overlay") +
    "/** Parameters and results of every call in the catalogue. */\nexport interface PveApi {\n";
  for (const call of calls) {
    api += `  ${JSON.stringify(call)}: {\n    params: ${narrowParameters(call, factsOf(call))};\n    result: ${
      resultType(results.get(call))
    };\n  };\n`;
  }
  api += "}\n";

  const shapes = Object.fromEntries(calls.map((call) => [call, shape(results.get(call))]));
  const decoder = head("PVE's API schema and the overlay") +
    'import type { Shape } from "./decode.ts";\nimport type { PveApi } from "./schema.gen.ts";\n' +
    "/** The shape of every call's result, for the decoder. */\n" +
    `export const shapes: Readonly<Record<keyof PveApi, Shape>> = ${JSON.stringify(shapes)};\n`;

  const all = [...new Set(calls.map(requestOf)), ...simulatorCalls];
  let sim = head("PVE's API schema") +
    "/** All parameters of every call that the simulator answers, the destructive ones included. */\nexport interface SimulatorApi {\n";
  for (const call of all) {
    const variables = pathVariables(call);
    const lines = Object.entries(wanted(facts, call).parameters).map(([name, field]) =>
      parameter(name, field, variables.includes(name))
    );
    sim += `  ${JSON.stringify(call)}: { ${lines.join("; ")} };\n`;
  }
  sim += "}\n";
  const kept = JSON.stringify(Object.fromEntries(all.map((call) => [call, wanted(facts, call)])), undefined, 1) + "\n";
  return new Map([
    ["src/pve/schema.gen.ts", api],
    ["src/pve/shapes.gen.ts", decoder],
    ["src/sim/schema.gen.ts", sim],
    [FACTS, kept],
  ]);
}

const { values: flags } = parseArgs({
  args: Deno.args,
  options: { from: { type: "string" }, check: { type: "boolean" } },
});
const files = generate(readSource(await Deno.readTextFile(flags.from ?? FACTS)));
const stale: string[] = [];
for (const [path, content] of files) {
  const present = await Deno.readTextFile(path).catch(() => "");
  if (present === content) continue;
  stale.push(path);
  if (flags.check !== true) await Deno.writeTextFile(path, content);
}
const verdict = flags.check === true ? "lags: run deno task gen" : "written";
process.stderr.write(
  stale.length === 0 ? "Generated files are up to date\n" : stale.map((path) => `${path} ${verdict}\n`).join(""),
);
if (flags.check === true && stale.length > 0) process.exit(1);
