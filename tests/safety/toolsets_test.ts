/** Which tools the settings choose. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Selection } from "../../src/config/settings.ts";
import { UsageError } from "../../src/errors.ts";
import { chooseTools, toolsets } from "../../src/safety/toolsets.ts";
import { tools } from "../../src/tools/mod.ts";

const nothing: Selection = { toolsets: undefined, tools: undefined, exclude: undefined };
const choose = (selection: Partial<Selection>) =>
  chooseTools(tools, { ...nothing, ...selection }, false).map(({ name }) => name);
const names = tools.filter(({ tier }) => tier !== "exec").map(({ name }) => name);
const byDefault = tools.filter(({ toolset }) => toolsets[toolset].byDefault).map(({ name }) => name);

Deno.test("what is on by default is said here once more, as every further one costs each user tokens", () => {
  const on = Object.entries(toolsets).filter(([, { byDefault }]) => byDefault).map(([name]) => name);
  assert.deepEqual(on, ["core", "inside", "snapshots"]);
  for (const [name, { what, byDefault }] of Object.entries(toolsets)) {
    assert.match(what, /\w{4}/, `what ${name} is for`);
    assert.equal(typeof byDefault, "boolean");
  }
});

Deno.test("without a choice the default toolsets are offered", () => {
  assert.deepEqual(choose({}), byDefault);
  assert.deepEqual(choose({ toolsets: ["default"] }), byDefault);
  assert.deepEqual(choose({ toolsets: ["all"] }), names);
});

Deno.test("tools named alone are all there is; beside toolsets they are added", () => {
  assert.deepEqual(choose({ tools: ["stop_vm", "list_nodes"] }), ["list_nodes", "stop_vm"]);
  assert.deepEqual(choose({ tools: ["stop_vm"], toolsets: ["default"] }), byDefault);
});

Deno.test("what is left out is out, whatever else is said, and nothing else goes with it", () => {
  const subset = fc.uniqueArray(fc.constantFrom(...names));
  const sets = fc.option(fc.uniqueArray(fc.constantFrom("core", "default", "all")), {
    nil: undefined,
  });
  fc.assert(fc.property(sets, fc.option(subset, { nil: undefined }), subset, (toolsets, tools, exclude) => {
    const safely = (selection: Partial<Selection>): string[] => {
      try {
        return choose(selection);
      } catch (error) {
        assert.ok(error instanceof UsageError && /leave no tool/.test(error.message));
        return [];
      }
    };
    const all = safely({ toolsets, tools });
    assert.deepEqual(safely({ toolsets, tools, exclude }), all.filter((name) => !exclude.includes(name)));
  }));
});

Deno.test("a name that does not exist stops the start, with the variable and what was meant", () => {
  const failure = (selection: Partial<Selection>) => {
    try {
      choose(selection);
    } catch (error) {
      assert.ok(error instanceof UsageError);
      return `${error.message} ${error.remedy}`;
    }
    return assert.fail("it was taken");
  };
  assert.match(
    failure({ exclude: ["stop_vms"] }),
    /PROXMOX_EXCLUDE_TOOLS names "stop_vms", and there is no such tool\. Did you mean stop_vm\?/,
  );
  assert.match(
    failure({ tools: ["zzzzzz"] }),
    /PROXMOX_TOOLS names "zzzzzz", and there is no such tool\. The command tools lists them/,
  );
  assert.match(
    failure({ toolsets: ["everything"] }),
    /PROXMOX_TOOLSETS names "everything", and there is no such toolset\. There are core,.*all/,
  );
  assert.match(failure({ tools: ["stop_vm"], exclude: ["stop_vm"] }), /leave no tool.* Choose at least one/);
});

Deno.test("commands in guests are offered exactly where they are switched on", () => {
  const exec = tools.filter(({ tier }) => tier === "exec").map(({ name }) => name);
  const with_ = (selection: Partial<Selection>) =>
    chooseTools(tools, { ...nothing, ...selection }, true).map(({ name }) => name);
  assert.deepEqual(with_({}), [...byDefault, ...exec]);
  assert.deepEqual(with_({ toolsets: ["core"] }), [
    ...tools.filter(({ toolset }) => toolset === "core").map(({ name }) => name),
    ...exec,
  ]);
  assert.deepEqual(with_({ toolsets: ["exec"] }), exec);
  assert.deepEqual(
    with_({ toolsets: ["core"], tools: ["list_nodes"] }),
    with_({ toolsets: ["core"] }),
    "toolsets bring commands in guests with them, also beside tools that are named",
  );
  assert.deepEqual(with_({ toolsets: ["all"] }), tools.map(({ name }) => name));
  assert.deepEqual(with_({ tools: ["list_nodes"] }), ["list_nodes"], "tools named alone are all there is");
  assert.deepEqual(with_({ tools: ["exec_in_vm"] }), ["exec_in_vm"]);
  assert.ok(!with_({ exclude: ["push_file"] }).includes("push_file"));
  assert.throws(() => choose({ toolsets: ["exec"] }), /PROXMOX_TOOLSETS names exec, and commands in guests are off/);
  assert.throws(
    () => choose({ toolsets: ["exec"] }),
    (error) => error instanceof UsageError && /PROXMOX_ENABLE_EXEC=true/.test(error.remedy ?? ""),
  );
  assert.throws(() => choose({ tools: ["exec_in_vm"] }), /PROXMOX_TOOLS names exec_in_vm, and commands/);
});
