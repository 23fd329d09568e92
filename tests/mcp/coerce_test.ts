/** Exact texts are converted to what the schema declares; everything else stays as it came, for the validation to refuse. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { coerce, type Declared } from "../../src/mcp/coerce.ts";

const integer: Declared = { type: "integer" };
const number: Declared = { type: "number" };
const boolean: Declared = { type: "boolean" };
const text: Declared = { type: "string" };
const object: Declared = {
  type: "object",
  properties: {
    memory: integer,
    onboot: boolean,
    name: text,
    config: { type: "object", properties: { cores: integer } },
  },
};

Deno.test("every safe integer in plain decimal becomes that number", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      assert.equal(coerce(String(value), integer), value);
      assert.equal(coerce(String(value), number), value);
    }),
  );
});

Deno.test("a text that became a number is exactly how that number is written", () => {
  const nearly = fc.oneof(
    fc.string(),
    fc.double().map(String),
    fc.stringMatching(/^[ +-]?[0-9xXeE._]{1,20}[ n]?$/),
  );
  fc.assert(
    fc.property(nearly, (value) => {
      const converted = coerce(value, number);
      if (converted === value) return;
      assert.equal(typeof converted, "number");
      assert.equal(String(converted), value);
    }),
  );
});

Deno.test("inexact numbers stay texts", () => {
  const inexact = [
    "",
    " ",
    " 5",
    "5 ",
    "+5",
    "05",
    "-0",
    "1e2",
    "0x10",
    "0b1",
    "1_000",
    "1,5",
    "1.0",
    ".5",
    "5.",
    "5n",
    "NaN",
    "Infinity",
    "9007199254740993",
    "12345678901234567890",
    "٥",
    "5\n",
    "five",
  ];
  for (const value of inexact) assert.equal(coerce(value, integer), value);
});

Deno.test("only the words true and false become booleans", () => {
  assert.equal(coerce("true", boolean), true);
  assert.equal(coerce("false", boolean), false);
  for (const value of ["True", "FALSE", "yes", "no", "on", "1", "0", "", " true", "true "]) {
    assert.equal(coerce(value, boolean), value);
  }
});

Deno.test("what is declared as text stays text, whatever it looks like", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.constant("true"), fc.json()), (value) => {
      assert.equal(coerce(value, text), value);
    }),
  );
});

Deno.test("values that are no texts are never changed, except inside objects", () => {
  const other = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constant(undefined),
    fc.array(fc.string()),
  );
  fc.assert(
    fc.property(other, fc.constantFrom(integer, number, boolean, text, object), (value, declared) => {
      assert.ok(Object.is(coerce(value, declared), value));
    }),
  );
});

Deno.test("a JSON object as text is the object itself, at every depth", () => {
  assert.deepEqual(coerce('{"memory": "512", "onboot": "true", "config": "{\\"cores\\": \\"2\\"}"}', object), {
    memory: 512,
    onboot: true,
    config: { cores: 2 },
  });
  for (const value of ["", "memory=512", "[1]", "null", '"{}"', '{"memory": 512', "{memory: 512}", '{"a":1} {"b":2}']) {
    assert.equal(coerce(value, object), value);
  }
});

Deno.test("converting twice changes nothing more, and the argument itself stays as it was", () => {
  const keys = fc.constantFrom("memory", "onboot", "name", "config", "other");
  fc.assert(
    fc.property(fc.dictionary(keys, fc.json(), { noNullPrototype: true }), (value) => {
      const before = structuredClone(value);
      const once = coerce(value, object);
      assert.deepEqual(coerce(once, object), once);
      assert.deepEqual(value, before);
    }),
  );
});

Deno.test("unknown keys are kept for the validation to refuse, those of prototypes included", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("__proto__", "constructor", "toString", "prototype", "bogus"),
      fc.jsonValue(),
      (key, value) => {
        const given: unknown = JSON.parse(`{${JSON.stringify(key)}: ${JSON.stringify(value)}}`);
        const converted = coerce(given, object);
        assert.ok(typeof converted === "object" && converted !== null && Object.hasOwn(converted, key));
        assert.equal(Object.getPrototypeOf(converted), Object.prototype);
      },
    ),
  );
});
