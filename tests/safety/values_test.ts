/** What each rule lets through, letter by letter: the nearest values on both sides of every limit. */
import assert from "node:assert/strict";
import { Refusal } from "../../src/errors.ts";
import type { Rule, Scalar } from "../../src/safety/rules.ts";
import * as v from "../../src/safety/values.ts";

/** Values that pass as they are, or as the second of a pair; and values that are refused. */
interface Case {
  readonly rule: Rule;
  readonly passes: readonly (Scalar | readonly [Scalar, string])[];
  readonly refused: readonly Scalar[];
}

const cases: Readonly<Record<string, Case>> = {
  vmid: {
    rule: v.vmid,
    passes: [[100, "100"], "999999999"],
    refused: [99, 1_000_000_000, "1e2", " 100", "100 ", 100.5],
  },
};

for (const [name, { rule, passes, refused }] of Object.entries(cases)) {
  Deno.test(`${name}: what passes and what is refused`, () => {
    for (const one of passes) {
      const [value, sent] = Array.isArray(one) ? one : [one, String(one)];
      assert.equal(rule(value, name), sent);
    }
    for (const value of refused) {
      assert.throws(() => rule(value, name), Refusal, `${name} let ${JSON.stringify(value)} through`);
    }
  });
}
