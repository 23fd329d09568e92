/** The tables of the docs are made from the declarations. */
import assert from "node:assert/strict";
import { parseEnv } from "node:util";
import { z } from "zod";
import { envExample, replaceGenerated, settingsTable, toolsTable } from "../../scripts/generate_docs.ts";
import { loadSettings } from "../../src/config/load.ts";
import { settingRows } from "../../src/config/settings.ts";

Deno.test("toolsTable shows parameters, optional ones in brackets, and the first sentence", () => {
  const input = z.strictObject({ node: z.string().optional(), vmid: z.int(), full: z.boolean().default(true) });
  const description = "Clones 10.5 GiB|s. It takes a while.";
  assert.equal(
    toolsTable([{ name: "clone_vm", tier: "provision", description, input }]),
    [
      "| Tool       | Tier      | Parameters           | What it does        |",
      "| ---------- | --------- | -------------------- | ------------------- |",
      "| `clone_vm` | provision | vmid, [node], [full] | Clones 10.5 GiB\\|s. |",
    ].join("\n"),
  );
});

Deno.test("settingsTable has a row for each setting", () => {
  assert.equal(settingsTable().split("\n").length, settingRows.length + 2);
});

Deno.test("envExample sets nothing before it is filled in", () => {
  assert.deepEqual(loadSettings(parseEnv(envExample()), undefined, () => "").missing, [
    "PROXMOX_HOST",
    "PROXMOX_USER",
    "PROXMOX_TOKEN_NAME",
    "PROXMOX_TOKEN_VALUE",
  ]);
});

Deno.test("replaceGenerated replaces between its own markers only, and repeats itself", () => {
  const text = "a\n<!-- generated: x -->old<!-- end -->\nb <!-- generated: y -->keep<!-- end -->";
  const once = replaceGenerated(text, "x", "new $1");
  assert.equal(once, "a\n<!-- generated: x -->\n\nnew $1\n\n<!-- end -->\nb <!-- generated: y -->keep<!-- end -->");
  assert.equal(replaceGenerated(once, "x", "new $1"), once);
  assert.throws(() => replaceGenerated(text, "z", ""), /generated: z/);
});

Deno.test("envExample is what .env.example holds", () => {
  assert.equal(Deno.readTextFileSync(".env.example"), envExample());
});
