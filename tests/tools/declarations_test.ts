/** What must be true of every tool's declaration, whoever adds one. */
import assert from "node:assert/strict";
import { annotationsOf } from "../../src/mcp/told.ts";
import { schemasOf } from "../../src/mcp/schemas.ts";
import { entryOf, isCall } from "../../src/safety/gate.ts";
import { DESTRUCTIVE_VERBS, faultsOf } from "../../src/safety/names.ts";
import { defineTool } from "../../src/tool.ts";
import { tools } from "../../src/tools/mod.ts";
import { z } from "zod";

/** Every schema below a schema, with its path. */
function* within(schema: unknown, path = ""): Generator<{ path: string; schema: Record<string, unknown> }> {
  if (Array.isArray(schema)) { for (const [index, part] of schema.entries()) yield* within(part, `${path}[${index}]`); }
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return;
  const record = Object.fromEntries(Object.entries(schema));
  yield { path, schema: record };
  for (const [key, part] of Object.entries(record)) yield* within(part, `${path}.${key}`);
}

for (const tool of tools) {
  const { input, output } = schemasOf(tool);
  Deno.test(`${tool.name}: name, title and description are fit for clients`, () => {
    assert.match(tool.name, /^[a-z][a-z_]{2,44}$/);
    assert.ok(tool.title.length > 0 && tool.title.length < 60);
    assert.ok(tool.description.length <= 1024);
    assert.match(tool.description, /^[A-Z][^.]*\./, "the first sentence is complete");
  });
  Deno.test(`${tool.name}: every parameter is described, bounded and portable`, () => {
    assert.equal(input.type, "object");
    if (input.additionalProperties !== false) {
      assert.match(String(input.description), /^Also: /, "unknown arguments are refused, and known ones named");
    }
    for (const { path, schema } of [...within(input, "input"), ...within(output, "output")]) {
      for (const key of ["$ref", "anyOf", "oneOf", "allOf", "exclusiveMinimum", "exclusiveMaximum", "not", "if"]) {
        assert.ok(!(key in schema), `${path} has ${key}`);
      }
      assert.ok(!Array.isArray(schema.type), `${path} has a list of types`);
      if (schema.type === "array") assert.ok(typeof schema.items === "object", `${path} has no items`);
    }
    for (const { path, schema } of within(input, "input")) {
      if (schema.type === "integer") {
        assert.ok(typeof schema.minimum === "number" && typeof schema.maximum === "number", `${path} has no bounds`);
        assert.ok(Math.abs(schema.maximum) < 2 ** 53 - 1, `${path} is not bounded`);
      }
      const parameter = /\.properties\.[^.]+$/.test(path) && !/\.(?:enum|default)$/.test(path);
      if (parameter && schema.enum === undefined && schema.default === undefined) {
        assert.ok(
          typeof schema.description === "string" ||
            /(?:node|tag|pool|status|description|stdin|cwd|env|user|content)$/.test(path),
          `${path} is not described`,
        );
      }
    }
  });
  Deno.test(`${tool.name}: its tier is honest`, () => {
    const writes = tool.calls.filter((call) => !call.startsWith("GET "));
    // A command in a container goes by SSH, and asks PVE nothing but where the container is.
    const changes = writes.length > 0 || tool.name === "exec_in_container";
    assert.equal(tool.tier === "read", !changes);
    const hints = annotationsOf(tool);
    assert.equal(hints.readOnlyHint === true, !changes);
    // Left out, destructiveHint is true; beside readOnlyHint it means nothing.
    const additive = /^(?:start|resume|create|clone|download|pull_oci|restore)_/.test(tool.name);
    assert.equal(hints.destructiveHint, additive ? false : undefined);
    assert.equal(hints.openWorldHint, tool.tier === "exec" ? undefined : false);
    for (const call of writes) {
      assert.ok(isCall(call));
      if (tool.tier !== "exec") assert.notEqual(entryOf(call).check, undefined, `${call} has no state check`);
    }
    assert.ok(!changes || tool.privileges.length > 0);
  });
}

Deno.test("faultsOf() finds nothing wrong with the tools as they are", () => {
  assert.deepEqual(faultsOf(tools), []);
});

function tool(over: { name?: string; title?: string; tier?: "read" | "provision" }) {
  return defineTool({
    name: over.name ?? "look",
    title: over.title ?? "Look",
    description: "Looks.",
    tier: over.tier ?? "read",
    toolset: "core",
    input: z.strictObject({}),
    output: z.object({}),
    calls: ["POST /nodes/{node}/qemu/{vmid}/status/start"],
    privileges: [],
    run: () => Promise.resolve({}),
  });
}

Deno.test("faultsOf() stops a tool of tier read that writes", () => {
  assert.match(faultsOf([tool({})]).join(), /tier read and declares POST/);
  assert.deepEqual(faultsOf([tool({ tier: "provision" })]), []);
});

Deno.test("faultsOf() stops destructive names and titles, and two tools of one name", () => {
  for (const verb of DESTRUCTIVE_VERBS) {
    assert.match(faultsOf([tool({ name: `${verb}_vm`, tier: "provision" })]).join(), /destructive verb/, verb);
    assert.match(faultsOf([tool({ title: `${verb} a VM`, tier: "provision" })]).join(), /destructive verb/, verb);
  }
  const twice = tool({ tier: "provision" });
  assert.match(faultsOf([twice, twice]).join(), /Two tools are called look/);
});
