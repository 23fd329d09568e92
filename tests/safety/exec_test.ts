/** The gate of commands over SSH: one line of plain characters in two shapes, or a refusal. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Refusal } from "../../src/errors.ts";
import { admitExec, checkLine, type ExecRequest, isAdmittedExec, LONGEST_ARGV } from "../../src/safety/exec.ts";

const base: ExecRequest = { kind: "container", vmid: 250, node: "pve1", seconds: 60, input: false, argv: ["true"] };

/** What the host reads: the last three words, and what goes ahead of the input. */
function readBack({ line, lead }: { line: string; lead: Uint8Array }) {
  const [kind, vmid, data = ""] = line.split(" ").slice(-3);
  const plain = Buffer.concat([Buffer.from(data, "base64url"), lead]);
  const end = plain.indexOf(0);
  const head = plain.subarray(0, end).toString().split(" ");
  const [seconds, input, more] = head.map(Number);
  const node = head[3];
  return { kind, vmid: Number(vmid), node, seconds, input, more, argv: plain.subarray(end + 1).toString().split("\0") };
}

const text = fc.string({ unit: "grapheme", maxLength: 200 }).filter((text) =>
  !text.includes("\0") && text.isWellFormed()
);

Deno.test("whatever the arguments are, the line holds plain characters only, and they come out as they went in", () => {
  fc.assert(fc.property(
    fc.constantFrom("container" as const, "vm" as const),
    fc.integer({ min: 100, max: 999_999_999 }),
    fc.integer({ min: 1, max: 86_400 }),
    fc.boolean(),
    fc.array(fc.oneof(text, fc.string({ minLength: 20_000, maxLength: 30_000 }).map((t) => t.replaceAll("\0", ""))), {
      maxLength: 3,
    }),
    (kind, vmid, seconds, input, rest) => {
      const argv = ["prog", ...rest];
      const command = admitExec({ kind, vmid, node: "pve-2", seconds, input, argv });
      assert.match(command.line, /^[A-Za-z0-9_./=+ -]+$/);
      assert.ok(command.line.length < 131_072, "Linux takes no longer argument");
      const { more, ...read } = readBack(command);
      assert.equal(more, command.lead.length);
      assert.deepEqual(read, { kind, vmid, node: "pve-2", seconds, input: input ? 1 : 0, argv });
      assert.ok(isAdmittedExec(command));
    },
  ));
});

Deno.test("numbers, kinds, times and arguments that cannot be are refused", () => {
  const wrong: readonly Record<string, unknown>[] = [
    { vmid: 99 },
    { vmid: -1 },
    { vmid: 1e9 },
    { vmid: 250.5 },
    { vmid: NaN },
    { vmid: "250" },
    { vmid: "100 --" },
    { vmid: "250;reboot" },
    { kind: "node" },
    { node: "" },
    { node: undefined },
    { node: ["pve1"] },
    { node: "pve1 250" },
    { node: "pve1\0" },
    { node: "../pve1" },
    { node: "-pve1" },
    { kind: "container 100 x" },
    { seconds: 0 },
    { seconds: 1.5 },
    { seconds: 86_401 },
    { argv: [] },
    { argv: [""] },
    { argv: ["a\0b"] },
    { argv: ["\ud800"] },
    { argv: ["x".repeat(LONGEST_ARGV + 1)] },
    { argv: ["ü".repeat(LONGEST_ARGV / 2 + 1)] },
  ];
  for (const more of wrong) {
    const request = { ...base };
    Object.assign(request, more);
    assert.throws(() => admitExec(request), Refusal, JSON.stringify(more));
  }
});

Deno.test("the longest command and what goes into the line are as stated, to the byte", () => {
  const admit = (length: number) => admitExec({ ...base, argv: ["prog", "x".repeat(length)] });
  assert.equal(LONGEST_ARGV, 120_000);
  // Each argument counts with the NUL behind it.
  assert.equal(admit(119_994).lead.length, 119_999 - 40_000);
  assert.throws(() => admit(119_995), Refusal);
  assert.equal(admit(39_995).lead.length, 0);
  assert.equal(admit(39_996).lead.length, 1);
});

Deno.test("what is wrong is named, and the nearest that is right is taken", () => {
  assert.throws(() => admitExec({ ...base, vmid: 99 }), /Refused vmid="99"/);
  assert.throws(() => admitExec({ ...base, node: "a b" }), /Refused node="a b"/);
  assert.throws(() => admitExec({ ...base, seconds: 86_401 }), /timeout=86401/);
  for (const seconds of [1, 86_400]) assert.equal(readBack(admitExec({ ...base, seconds })).seconds, seconds);
  for (const vmid of [100, 999_999_999]) assert.equal(readBack(admitExec({ ...base, vmid })).vmid, vmid);
});

Deno.test("a line is sent exactly if every character in it is plain", () => {
  const plain = [..."ABYZabyz0189_./=+ -"];
  for (const line of ["a", "pct exec", ...plain]) assert.equal(checkLine(line), line);
  assert.throws(() => checkLine(""), Refusal);
  for (let code = 0; code < 0x250; code++) {
    const character = String.fromCharCode(code);
    if (/[A-Za-z0-9]/.test(character) || plain.includes(character)) continue;
    for (const line of [character, `a${character}`, `${character}a`, `a${character}a`]) {
      assert.throws(() => checkLine(line), Refusal, JSON.stringify(line));
    }
  }
});

Deno.test("only the gate makes what may be sent, and nobody changes it afterwards", () => {
  const command = admitExec(base);
  assert.ok(!isAdmittedExec({ ...command }));
  assert.ok(Object.isFrozen(command));
});
