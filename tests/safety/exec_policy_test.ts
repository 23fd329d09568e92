/** Where commands may be run, whatever a tool or a model says: the policy of tier exec. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decide, ENTERING, type GuestFacts, judge, needsFacts, offers, writeIn } from "../../src/safety/policy.ts";
import type { PolicySettings } from "../../src/safety/policy.ts";
import { tools } from "../../src/tools/mod.ts";

const exec = tools.filter(({ tier }) => tier === "exec");
const writes = tools.filter(({ tier }) => tier !== "exec" && tier !== "read");

function guest(vmid: number, more: Partial<GuestFacts> = {}): GuestFacts {
  return { vmid, kind: "vm", node: "pve1", status: "running", name: "x", tags: [], ...more };
}

function settings(vmids: readonly number[], tags: readonly string[], pools: readonly string[]): PolicySettings {
  return { readOnly: false, exec: { guests: { vmids, tags, pools } } };
}

Deno.test("nothing is entered while exec is off, or where the server only reads", () => {
  assert.equal(exec.length, 4);
  for (const tool of exec) {
    assert.ok(!offers(tool, { readOnly: false }));
    const off = decide(tool, { vmid: 100 }, { readOnly: false }, guest(100));
    assert.match(off.verdict === "refuse" ? off.reason : "", /switched off/);
    const reading = { readOnly: true, exec: { guests: undefined } };
    assert.ok(!offers(tool, reading));
    assert.equal(decide(tool, { vmid: 100 }, reading, guest(100)).verdict, "refuse");
  }
  for (const call of ENTERING) {
    const write = writeIn(call, { vmid: 100 }) ?? assert.fail();
    assert.match(judge(write, { readOnly: false }, guest(100))?.reason ?? "", /switched off/);
  }
});

Deno.test("a guest is entered exactly if its number, one of its tags or its pool is named, and never if it is protected", () => {
  const tag = fc.constantFrom("a", "b", "C");
  const pool = fc.constantFrom("p", "q", "p/q");
  const number = fc.integer({ min: 100, max: 103 });
  fc.assert(fc.property(
    fc.record({ vmids: fc.array(number), tags: fc.array(tag), pools: fc.array(pool) }),
    fc.record({ vmids: fc.array(number, { maxLength: 1 }), tags: fc.array(tag, { maxLength: 1 }) }),
    number,
    fc.array(tag),
    fc.option(pool, { nil: undefined }),
    (named, shielded, vmid, tags, of) => {
      const lower = (list: readonly string[]) => list.map((tag) => tag.toLowerCase());
      const rules: PolicySettings = {
        ...settings(named.vmids, lower(named.tags), named.pools),
        protected: { vmids: shielded.vmids, tags: lower(shielded.tags) },
      };
      const held = shielded.vmids.includes(vmid) || lower(tags).some((tag) => lower(shielded.tags).includes(tag));
      const open = named.vmids.includes(vmid) || lower(tags).some((tag) => lower(named.tags).includes(tag)) ||
        (of !== undefined && named.pools.includes(of));
      const facts = guest(vmid, { tags, pool: of });
      const expected = open && !held ? "allow" : "refuse";
      for (const tool of exec) assert.equal(decide(tool, { vmid }, rules, facts).verdict, expected);
      for (const call of ENTERING) {
        const refused = judge(writeIn(call, { vmid }) ?? assert.fail(), rules, facts);
        assert.equal(refused === undefined ? "allow" : "refuse", expected);
      }
    },
  ));
});

Deno.test("a guest that cannot be seen is not entered where tags or pools decide, and those are looked up", () => {
  for (const rules of [settings([], ["a"], []), settings([], [], ["p"])]) {
    for (const tool of exec) {
      assert.ok(needsFacts(tool, rules));
      for (const facts of [undefined, guest(101, { tags: ["a"], pool: "p" })]) {
        assert.equal(decide(tool, { vmid: 100 }, rules, facts).verdict, "refuse");
      }
    }
  }
  for (const tool of exec) assert.ok(!needsFacts(tool, settings([100], [], [])));
  const why = (rules: PolicySettings) =>
    judge(writeIn(ENTERING[0] ?? "", { vmid: 100 }) ?? assert.fail(), rules, undefined);
  assert.match(why(settings([], ["a"], []))?.reason ?? "", /not visible/);
  assert.match(why(settings([], [], ["p"]))?.reason ?? "", /not visible/);
  assert.match(
    why(settings([101], [], []))?.reason ?? "",
    /not among those that may be entered/,
    "what it is does not matter",
  );
  for (const tool of writes) {
    assert.ok(!needsFacts(tool, settings([], [], ["p"])), "a pool decides of commands only");
    assert.ok(needsFacts(tool, settings([], ["a"], [])));
  }
});

Deno.test("no other tool gives or takes a tag that lets commands in, or puts a guest into such a pool", () => {
  const rules = settings([], ["open"], ["lab"]);
  const verdict = (
    name: string,
    input: Record<string, unknown>,
    facts?: GuestFacts,
    more: Partial<PolicySettings> = {},
  ) =>
    decide(writes.find((tool) => tool.name === name) ?? assert.fail(name), input, { ...rules, ...more }, facts).verdict;
  for (const params of [{ vmid: 100, tags: "open" }, { vmid: 100, pool: "lab" }]) {
    const write = writeIn("POST /nodes/{node}/qemu", params) ?? assert.fail();
    assert.match(judge(write, rules, undefined)?.remedy ?? "", /PROXMOX_EXEC_GUESTS/);
  }
  for (const kind of ["vm", "container"]) {
    for (const tags of ["open", "a;OPEN", "a, open", "a,open", "open a"]) {
      assert.equal(verdict(`create_${kind}`, { tags }), "refuse", tags);
      assert.equal(verdict(`set_${kind}_config`, { vmid: 100, config: { tags } }, guest(100)), "refuse", tags);
      assert.equal(
        verdict(`set_${kind}_config`, { vmid: 100, config: { tags } }, guest(100, { tags: ["open"] })),
        "allow",
      );
    }
    for (const tags of ["", "other"]) {
      assert.equal(
        verdict(`set_${kind}_config`, { vmid: 100, config: { tags } }, guest(100, { tags: ["Open"] })),
        "refuse",
      );
      assert.equal(verdict(`set_${kind}_config`, { vmid: 100, config: { tags } }, guest(100)), "allow");
    }
    assert.equal(verdict(`set_${kind}_config`, { vmid: 100, config: { tags: "x" } }), "refuse", "not visible");
    assert.equal(verdict(`set_${kind}_config`, { vmid: 100, config: { cores: 2 } }, guest(100)), "allow");
    assert.equal(verdict(`create_${kind}`, { pool: "lab" }), "refuse");
    assert.equal(verdict(`clone_${kind}`, { source_vmid: 100, newid: 101, pool: "lab" }), "refuse");
    assert.equal(verdict(`create_${kind}`, { pool: "lab" }, undefined, { pool: "lab" }), "allow", "a person chose it");
    assert.equal(verdict(`create_${kind}`, { pool: "other" }), "allow");
    // What is made has no tags yet, whatever is known of another guest.
    for (const facts of [guest(100), guest(100, { tags: ["open"] })]) {
      assert.equal(verdict(`create_${kind}`, { tags: "x" }, facts), "allow");
    }
    const pools = settings([], [], ["lab"]);
    const tagging = { vmid: 100, config: { tags: "x" } };
    assert.equal(verdict(`set_${kind}_config`, tagging, undefined, pools), "allow", "no tag decides");
  }
});

Deno.test("PROXMOX_CONFIRM asks before every one of them", () => {
  for (const tool of exec) {
    for (const confirm of ["disruptive", "writes"] as const) {
      const rules = { readOnly: false, confirm, exec: { guests: undefined } };
      assert.ok(needsFacts(tool, rules));
      assert.equal(decide(tool, { vmid: 100 }, rules, guest(100)).verdict, "ask");
      assert.equal(decide(tool, { vmid: 100 }, rules, undefined).verdict, "refuse");
    }
  }
});
