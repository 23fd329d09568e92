/** What stops the start: destructive names, calls outside the catalogue, reading tools that do more than read. */
import assert from "node:assert/strict";
import { z } from "zod";
import { type Call, catalogue } from "../../src/safety/catalogue.ts";
import { ENTERING } from "../../src/safety/policy.ts";
import { isCall } from "../../src/safety/gate.ts";
import { DESTRUCTIVE_VERBS, faultsOf } from "../../src/safety/names.ts";
import { defineTool, type Tier, type Tool } from "../../src/tool.ts";

function tool(over: { name?: string; title?: string; tier?: Tier; calls?: readonly Call[] }): Tool {
  return defineTool({
    name: over.name ?? "look",
    title: over.title ?? "Look",
    description: "Looks.",
    tier: over.tier ?? "lifecycle",
    toolset: "core",
    input: z.strictObject({}),
    output: z.object({}),
    calls: over.calls ?? ["GET /version", "POST /nodes/{node}/qemu/{vmid}/status/start"],
    privileges: [],
    run: () => Promise.resolve({}),
  });
}

/** A tool whose calls the compiler would not let through. */
function declaring(tier: Tier, ...calls: readonly string[]): Tool {
  const made = tool({ tier });
  return new Proxy(made, { get: (target, key) => key === "calls" ? calls : Reflect.get(target, key) });
}

/** Kept here by hand, so that no verb is lost. */
const VERBS =
  "clear delete deallocate destroy detach discard drop erase format free kill nuke overwrite prune purge remove reset " +
  "restore revert rm rollback shrink terminate trash trim truncate uninstall unlink wipe zap";

Deno.test("no verb has been lost", () => {
  for (const verb of VERBS.split(" ")) assert.ok(DESTRUCTIVE_VERBS.some((known) => known === verb), verb);
});

Deno.test("a destructive verb in a name or title stops the start", () => {
  for (const verb of DESTRUCTIVE_VERBS) {
    for (
      const name of [
        verb,
        `${verb}_vm`,
        `vm_${verb}`,
        `vm_${verb}_now`,
        `${verb.toUpperCase()}_VM`,
        `${verb}2`,
        `${verb}-vm`,
      ]
    ) {
      assert.deepEqual(faultsOf([tool({ name })]), [
        `Tool ${name} has the destructive verb "${verb}" in its name or title`,
      ]);
    }
    for (const title of [`${verb} a VM`, `Look, then ${verb}`, `${verb[0]?.toUpperCase()}${verb.slice(1)} it`]) {
      assert.deepEqual(faultsOf([tool({ title })]), [
        `Tool look has the destructive verb "${verb}" in its name or title`,
      ]);
    }
  }
});

Deno.test("a tool may be called by restoring when that is all it writes, and by no other verb besides", () => {
  const [vm, container] = ["POST /nodes/{node}/qemu (restore)", "POST /nodes/{node}/lxc (restore)"] as const;
  const name = "restore_vm_backup";
  const read = "GET /version";
  for (const calls of [[vm], [read, container], [vm, container, read]] as const) {
    assert.deepEqual(faultsOf([tool({ name, title: "Restore a backup", calls })]), []);
  }
  const create = "POST /nodes/{node}/qemu";
  for (const calls of [[], [read], [create], [vm, create], [create, vm]] as const) {
    assert.deepEqual(faultsOf([tool({ name, calls })]), [
      `Tool ${name} has the destructive verb "restore" in its name or title`,
    ]);
  }
  for (const other of DESTRUCTIVE_VERBS.filter((verb) => verb !== "restore")) {
    assert.equal(faultsOf([tool({ name: `restore_${other}`, calls: [vm] })]).length, 1, other);
    assert.equal(faultsOf([tool({ name, title: `${other}, then restore`, calls: [vm] })]).length, 1, other);
  }
});

Deno.test("a tool is of tier exec exactly when it is of toolset exec", () => {
  const fault = ["Tool look is of one of tier exec and toolset exec, and not of the other"];
  assert.deepEqual(faultsOf([tool({ tier: "exec" })]), fault);
  assert.deepEqual(faultsOf([{ ...tool({}), toolset: "exec" }]), fault);
  assert.deepEqual(faultsOf([{ ...tool({ tier: "exec" }), toolset: "exec" }]), []);
});

Deno.test("words that only hold a verb stop nothing", () => {
  for (const name of ["information", "freedom_vm", "preformat2ed", "armed", "look"]) {
    assert.deepEqual(faultsOf([tool({ name })]), []);
  }
});

Deno.test("two tools of one name stop the start", () => {
  const [a, b] = [tool({ name: "a" }), tool({ name: "b" })];
  assert.deepEqual(faultsOf([a, b]), []);
  assert.deepEqual(faultsOf([a, b, a]), ["Two tools are called a"]);
  assert.deepEqual(faultsOf([]), []);
});

Deno.test("a call outside the catalogue stops the start, whatever the tier", () => {
  for (
    const call of [
      "DELETE /nodes/{node}/qemu/{vmid}",
      "POST /cluster/backup",
      "GET /access/users",
      "constructor",
      "__proto__",
    ]
  ) {
    for (const tier of ["read", "lifecycle", "provision"] as const) {
      assert.deepEqual(faultsOf([declaring(tier, "GET /version", call)]), [
        `Tool look declares ${call}, which is not in the catalogue`,
      ]);
    }
  }
});

Deno.test("a reading tool that writes stops the start", () => {
  const start = "POST /nodes/{node}/qemu/{vmid}/status/start";
  const config = "PUT /nodes/{node}/qemu/{vmid}/config";
  for (const call of Object.keys(catalogue).filter(isCall)) {
    const faults = faultsOf([tool({ tier: "read", calls: [call] })]);
    const expected = ENTERING.includes(call) ? 2 : call.startsWith("GET ") ? 0 : 1;
    assert.equal(faults.length, expected, call);
  }
  assert.deepEqual(faultsOf([tool({ tier: "read", calls: ["GET /version", start, config] })]), [
    `Tool look is of tier read and declares ${start}`,
    `Tool look is of tier read and declares ${config}`,
  ]);
  assert.deepEqual(
    faultsOf([tool({ tier: "read", calls: ["GET /version", "GET /nodes/{node}/qemu/{vmid}/config"] })]),
    [],
  );
  assert.deepEqual(
    faultsOf([tool({ tier: "lifecycle", calls: [start] }), tool({ name: "b", tier: "provision", calls: [config] })]),
    [],
  );
});
