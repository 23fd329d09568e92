/** What people see on a terminal: bars, tables, no control characters of strangers. */
import assert from "node:assert/strict";
import { alignTable, progressLine } from "../../src/cli/terminal.ts";

Deno.test("alignTable pads columns for people", () => {
  assert.equal(alignTable([{ vmid: 100, name: "web" }, { vmid: 1000, name: "" }]), "vmid  name\n100   web\n1000");
  assert.equal(alignTable([]), "");
});

Deno.test("progressLine fits its line and shows a bar only where the end is known", () => {
  assert.equal(progressLine("Cloning\n disk", undefined, 80), "Cloning disk");
  assert.equal(progressLine("Cloning", 0.5, 80), `${"█".repeat(10)}${"░".repeat(10)} Cloning`);
  assert.equal(progressLine("Cloning", 7, 10), "█".repeat(9));
});
