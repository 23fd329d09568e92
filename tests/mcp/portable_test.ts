/** Every tool's definition, as clients get it, is one that all known clients take. */
import assert from "node:assert/strict";
import { initialize, isMessage, type Message, request, stateless, withConnection } from "../helpers/connection.ts";
import { faultsIn } from "./portable.ts";

async function listed(revision: string): Promise<Message[]> {
  let tools: unknown;
  await withConnection({}, async ({ send, answer }) => {
    const modern = revision === "2026-07-28";
    if (!modern) {
      send(initialize(0, revision));
      await answer(0);
    }
    send(modern ? stateless(1, "tools/list") : request(1, "tools/list"));
    const { result } = await answer(1);
    tools = isMessage(result) ? result.tools : undefined;
  });
  assert.ok(Array.isArray(tools) && tools.length > 20 && tools.every(isMessage));
  return tools;
}

for (const revision of ["2026-07-28", "2025-11-25", "2024-11-05"]) {
  Deno.test(`every tool of tools/list is portable in revision ${revision}`, async () => {
    for (const tool of await listed(revision)) assert.deepEqual(faultsIn(tool), [], String(tool.name));
  });
}

const fine: Message = {
  name: "look",
  title: "Look",
  description: "Looks.",
  inputSchema: {
    type: "object",
    properties: {
      n: { type: "integer", minimum: 1, maximum: 5 },
      not: { type: "string" },
      list: { type: "array", items: { type: "string" } },
      inner: { type: "object", properties: { a: { type: "boolean" } }, additionalProperties: { type: "string" } },
    },
  },
};

function input(properties: Message, more: Message = {}): Message {
  return { ...fine, inputSchema: { type: "object", properties, ...more } };
}

const broken: readonly (readonly [string, Message])[] = [
  ["a name of 46 characters", { ...fine, name: "a".repeat(46) }],
  ["a name with a blank", { ...fine, name: "look at" }],
  ["no title", { ...fine, title: undefined }],
  ["a description of 1,025 characters", { ...fine, description: "x".repeat(1025) }],
  ["a root that is no object", { ...fine, inputSchema: { type: "string" } }],
  ["a root without a type", { ...fine, inputSchema: { anyOf: [{ type: "object" }] } }],
  ["a root combinator", input({}, { oneOf: [{ required: ["a"] }] })],
  ["a combinator below the root", input({ a: { type: "string", anyOf: [{ type: "string" }] } })],
  ["a combinator in items", input({ a: { type: "array", items: { type: "string", allOf: [] } } })],
  ["a $ref", input({ a: { type: "string", $ref: "#/$defs/a" } })],
  ["$defs", input({}, { $defs: {} })],
  ["a list of types", input({ a: { type: ["string", "null"] } })],
  ["exclusiveMinimum", input({ a: { type: "number", exclusiveMinimum: 0 } })],
  ["exclusiveMaximum", input({ a: { type: "number", exclusiveMaximum: 0 } })],
  ["an integer without bounds", input({ a: { type: "integer", minimum: 0 } })],
  [
    "an integer with the bounds of a double",
    input({ a: { type: "integer", minimum: -(2 ** 53 - 1), maximum: 2 ** 53 - 1 } }),
  ],
  ["an array without items", input({ a: { type: "array" } })],
  ["items without a type", input({ a: { type: "array", items: {} } })],
  ["a list of items", input({ a: { type: "array", prefixItems: [{ type: "string" }], items: { type: "string" } } })],
  ["a property without a type", input({ a: { description: "x" } })],
  ["a property with a dot in its name", input({ "a.b": { type: "string" } })],
  ["something deep inside", input({ a: { type: "object", properties: { b: { type: "integer" } } } })],
  ["an output with a root combinator", { ...fine, outputSchema: { type: "object", anyOf: [] } }],
];

Deno.test("the check takes a portable tool", () => assert.deepEqual(faultsIn(fine), []));

for (const [name, tool] of broken) {
  Deno.test(`the check refuses ${name}`, () => assert.notDeepEqual(faultsIn(tool), []));
}
