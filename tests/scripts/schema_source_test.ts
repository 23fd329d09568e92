/** PVE's schema is read in every form it comes in, and only its facts are kept. */
import assert from "node:assert/strict";
import { readSource } from "../../scripts/schema_source.ts";

const method = {
  method: "GET",
  description: "Some words.",
  parameters: {
    additionalProperties: 0,
    properties: { vmid: { type: "integer", minimum: 100, description: "Words." } },
  },
  permissions: { check: ["perm", "/vms/{vmid}", ["VM.Audit"]], description: "Words." },
  returns: { type: "array", items: { type: "object", properties: { n: { type: "integer", title: "Words" } } } },
};

/** What a PVE host serves: JavaScript that begins with the tree of the API. */
const apidata = `const apiSchema = ${
  JSON.stringify(
    [{ path: "/nodes", info: {}, children: [{ path: "/nodes/{node}/x", info: { GET: method }, leaf: 1 }] }],
    undefined,
    3,
  )
}
;

let method2cmd = { GET: "get" };
Ext.onReady(function() { [1, 2]; });
`;

Deno.test("readSource() reads apidata.js and drops its words", () => {
  const facts = readSource(apidata);
  assert.deepEqual([...facts.keys()], ["GET /nodes/{node}/x"]);
  const found = facts.get("GET /nodes/{node}/x");
  assert.deepEqual(found?.parameters.vmid, { type: "integer", minimum: 100 });
  assert.deepEqual(found?.permissions, { check: ["perm", "/vms/{vmid}", ["VM.Audit"]] });
  assert.ok(!JSON.stringify(found).toLowerCase().includes("words"));
});

Deno.test("readSource() reads its own facts again without a change", () => {
  const once = Object.fromEntries(readSource(apidata));
  assert.deepEqual(Object.fromEntries(readSource(JSON.stringify(once))), once);
});

Deno.test("readSource() says what it cannot read", () => {
  assert.throws(() => readSource("{}"), /neither apidata.js nor a list of methods/);
  assert.throws(() => readSource("<html>"), SyntaxError);
});
