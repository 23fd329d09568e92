/** Every row of PVE's destructive calls and parameters: refused by the gate, each parameter by itself; and without the gate it destroys. */
import assert from "node:assert/strict";
import { Refusal } from "../../src/errors.ts";
import { catalogue } from "../../src/safety/catalogue.ts";
import { admit, entryOf, isCall } from "../../src/safety/gate.ts";
import { ENTERING, judge, writeIn } from "../../src/safety/policy.ts";
import { simulated } from "../../src/sim/routes/mod.ts";
import { checkOf, destructive, madeAsTheyAre, otherwiseAdmitted, restricted, slotOf } from "./rows.ts";
import { contents, notShown, scenarios, ungated } from "./ungated.ts";

/** Values that PVE takes for a switch, a list or a name. */
const values: readonly unknown[] = [1, true, "1", 0, false, "scsi0", "unused0", "local:snippets/x", "keep-last=1"];

function refusedFor(call: string, name: string, value: unknown): void {
  const base = otherwiseAdmitted(call);
  assert.throws(
    () => admit(call, { ...base, [name]: value }),
    (error) => error instanceof Refusal && error.message.includes(name),
    `${call} with ${name}=${JSON.stringify(value)} was admitted, or refused without naming it`,
  );
}

/** A row's call, and the others that go to the same address. */
function purposesOf(call: string): string[] {
  return [call, ...Object.keys(catalogue).filter((other) => other.startsWith(`${call} (`))];
}

const rows = destructive.flatMap((row) =>
  purposesOf(row.call).map((call) => ({
    ...row,
    call,
    title: row.title.replace(row.call.slice(row.call.indexOf(" ")), call.slice(call.indexOf(" "))),
  }))
);

for (const row of rows) {
  Deno.test(`refused: ${row.title}`, () => {
    const { call } = row;
    if (!isCall(call)) {
      assert.throws(
        () => admit(call, { node: "pve1", vmid: 105 }),
        (error) => error instanceof Refusal && error.message.includes(call),
      );
      return;
    }
    if (ENTERING.includes(call)) {
      const write = writeIn(call, { vmid: 105 }) ?? assert.fail();
      assert.match(judge(write, { readOnly: false }, undefined)?.reason ?? "", /switched off/);
      return;
    }
    admit(call, otherwiseAdmitted(call));
    for (const param of row.params) {
      if (param === "*") {
        assert.ok(Object.hasOwn(madeAsTheyAre, call), `${call} is made, and no reason is given for it`);
        assert.equal(entryOf(call).check, checkOf[call] ?? "pending");
        continue;
      }
      const form = restricted[`${call} ${param}`];
      for (const n of param.includes("[n]") ? [0, 1, 3] : [0]) {
        const name = slotOf(param, n);
        if (form === undefined) { for (const value of values) refusedFor(call, name, value); }
        else {
          for (const value of form.refused) refusedFor(call, name, value);
          admit(call, { ...otherwiseAdmitted(call), [name]: form.admitted });
        }
      }
    }
  });
}

Deno.test("the list of destructive things is whole, and every exception in the table is one of the list", () => {
  assert.equal(destructive.length, 241);
  assert.equal(
    rows.length,
    241 + destructive.filter(({ call }) => /^POST \/nodes\/\{node\}\/(?:qemu|lxc)$/.test(call)).length,
  );
  const known = new Set(rows.flatMap((row) => row.params.map((param) => `${row.call} ${param}`)));
  const slotsOfCreate = ["efidisk0", "tpmstate0"].map((slot) => `POST /nodes/{node}/qemu ${slot}`);
  for (const key of Object.keys(restricted)) assert.ok(known.has(key) || slotsOfCreate.includes(key), key);
  for (const call of Object.keys(madeAsTheyAre)) assert.ok(known.has(`${call} *`), call);
});

/** Parameters with such a name that can be nothing else than this. */
const harmless: Readonly<Record<string, string>> = {
  "POST /nodes/{node}/vzdump remove": "only 0",
  "POST /nodes/{node}/vzdump protected": "only 1",
  "POST /nodes/{node}/qemu/{vmid}/snapshot vmstate": "true or false",
  "POST /nodes/{node}/qemu serial[n]": "only socket",
  "POST /nodes/{node}/qemu (restore) archive":
    "a backup of a VM, as in local:backup/vzdump-qemu-100-2026_11_22-02_00_00.vma.zst",
  "POST /nodes/{node}/lxc (restore) restore": "only 1",
  "POST /nodes/{node}/aplinfo template": "a template as list_available_templates names it",
};

Deno.test("no call of the catalogue has a parameter that only destroys", () => {
  const never =
    /^(?:delete|force|forceStop|revert|skiplock|purge|protection|protected|archive|restore|args|hookscript|lock|unused|remove|prune|parent|vmstate|snaptime|hostpci|usb|serial|parallel|dev|lxc|template|live-restore|keepActive|cicustom)/;
  for (const [call, { params }] of Object.entries(catalogue)) {
    assert.match(call, /^(?:GET|POST|PUT) \//);
    for (const [name, { says }] of Object.entries(params)) {
      if (harmless[`${call} ${name}`] !== says) assert.doesNotMatch(name, never, call);
    }
  }
});

/** Rows whose harm is a guest too many: addresses that clash, a full storage. */
const onlyAdds = /\/clone |POST \/nodes\/\{node\}\/(?:qemu archive|lxc restore)$/;
const inSimulator = new Set<string>(simulated);

for (const row of destructive) {
  if ((row.class !== "DATA" && row.class !== "OVERWRITE") || !inSimulator.has(row.call)) continue;
  Deno.test(`destroys without the gate: ${row.title}`, async () => {
    for (const param of row.params) {
      if (Object.hasOwn(notShown, `${row.call} ${param}`)) continue;
      const scenario = scenarios[row.call]?.[param];
      assert.ok(scenario !== undefined, `${row.call} ${param} has no scenario: its test of the gate proves nothing`);
      const pve = ungated();
      const before = contents(pve.state);
      await scenario(pve);
      const after = contents(pve.state);
      assert.notDeepEqual(after, before, `${row.call} ${param} changed nothing`);
      if (onlyAdds.test(`${row.call} ${param}`)) continue;
      assert.ok([...before].some((line) => !after.has(line)), `${row.call} ${param} lost nothing`);
    }
  });
}

Deno.test("the rows that nothing destroys in the simulator are those whose call it does not have", () => {
  const rows = destructive.filter((row) => row.class === "DATA" || row.class === "OVERWRITE");
  const without = new Set(rows.filter((row) => !inSimulator.has(row.call)).map((row) => row.call));
  // Calls on hosts, Ceph, replication, storages' definitions, and inside guests: none is in the catalogue.
  for (const call of without) assert.ok(!isCall(call), `${call} can be sent, and nothing shows what it does`);
  for (const key of Object.keys(notShown)) assert.ok(rows.some((row) => key.startsWith(`${row.call} `)), key);
});
