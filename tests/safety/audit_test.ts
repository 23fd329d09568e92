/** The record of writes: a line before, a line after, none lost while the log is away, and none that a terminal obeys. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Refusal } from "../../src/errors.ts";
import { type AuditAfter, type AuditBefore, type AuditEntry, auditLine, createAudit } from "../../src/safety/audit.ts";

const before = (tool: string): AuditBefore => ({ event: "before", tool, arguments: { vmid: 100 } });
const after = (tool: string): AuditAfter => ({ event: "after", tool, outcome: "ok", requests: [] });

/** A log in memory; `away.reason` is what it throws as long as it is set. `slow`: writes take several turns. */
function memoryLog(slow = false) {
  const entries: AuditEntry[] = [];
  const away: { reason: unknown } = { reason: undefined };
  let writing = 0;
  const audit = createAudit({
    async write(entry) {
      assert.equal(writing++, 0, "two lines are written at once");
      for (let turn = 0; slow && turn < 3; turn++) await Promise.resolve();
      writing--;
      if (away.reason !== undefined) throw away.reason;
      entries.push(entry);
    },
  });
  const lines = () => entries.map(({ event, tool }) => `${event} ${tool}`);
  return { audit, entries, away, lines };
}

Deno.test("the two lines of a call have one number and the time, and those of another call another number", async () => {
  const { audit, entries } = memoryLog();
  const started = new Date().toISOString();
  const first = await audit.open({ ...before("stop_vm"), confirmed: true });
  const second = await audit.open(before("start_vm"));
  assert.equal(await second.close(after("start_vm")), undefined);
  assert.equal(await first.close({ ...after("stop_vm"), upid: "UPID" }), undefined);
  const [stop, start, started2, stopped] = entries;
  assert.deepEqual({ ...stop, time: "", call: "" }, { ...before("stop_vm"), confirmed: true, time: "", call: "" });
  assert.deepEqual({ ...stopped, time: "", call: "" }, { ...after("stop_vm"), upid: "UPID", time: "", call: "" });
  assert.equal(stop?.call, stopped?.call);
  assert.equal(start?.call, started2?.call);
  assert.notEqual(stop?.call, start?.call);
  for (const { time } of entries) assert.ok(started <= time && time <= new Date().toISOString(), time);
});

Deno.test("no write begins while the log is away, and the reason is named", async () => {
  for (const [reason, said] of [[new Error("No space left"), "No space left"], ["gone", "gone"]] as const) {
    const { audit, away, lines } = memoryLog();
    away.reason = reason;
    await assert.rejects(
      audit.open(before("stop_vm")),
      (error) =>
        error instanceof Refusal && error.message.includes(`cannot be written (${said})`) &&
        /Nothing was done\. .*PROXMOX_AUDIT_FILE/.test(error.remedy ?? ""),
    );
    away.reason = undefined;
    await audit.open(before("start_vm"));
    assert.deepEqual(lines(), ["before start_vm"]);
  }
});

Deno.test("a line that could not be written is owed: the caller is told, and no write begins before it", async () => {
  const { audit, entries, away, lines } = memoryLog();
  const [one, two] = [await audit.open(before("one")), await audit.open(before("two"))];
  away.reason = new Error("No space left");
  const told = await one.close(after("one"));
  assert.match(told ?? "", /not in the audit log.*\(No space left\)\. Further writes are refused/);
  assert.match(await two.close(after("two")) ?? "", /No space left/);
  await assert.rejects(audit.open(before("three")), Refusal);
  assert.deepEqual(lines(), ["before one", "before two"]);
  away.reason = undefined;
  await audit.open(before("four"));
  assert.deepEqual(lines(), ["before one", "before two", "after one", "after two", "before four"]);
  assert.equal(entries[2]?.call, entries[0]?.call);
});

Deno.test("lines that are owed are written once and in their order, whatever comes at the same time", async () => {
  const { audit, away, lines } = memoryLog(true);
  const names = ["a", "b", "c", "d"];
  const open = [];
  for (const name of names) open.push(await audit.open(before(name)));
  away.reason = new Error("away");
  await Promise.all(open.map((record, index) => record.close(after(names[index] ?? ""))));
  away.reason = undefined;
  const last = await audit.open(before("e"));
  assert.equal(await last.close(after("e")), undefined);
  const all = [
    ...names.map((name) => `before ${name}`),
    ...names.map((name) => `after ${name}`),
    "before e",
    "after e",
  ];
  assert.deepEqual(lines(), all);
  const open2 = await audit.open(before("f"));
  const [told, other] = await Promise.all([open2.close(after("f")), last.close(after("e"))]);
  assert.deepEqual([told, other], [undefined, undefined]);
  assert.deepEqual(lines().slice(all.length), ["before f", "after f", "after e"]);
});

const entry: AuditEntry = { ...after("set_vm_config"), call: "1", time: "2026-11-22T12:00:00.000Z" };

Deno.test("a line begins with the time and the number of its call", () => {
  assert.equal(
    auditLine(entry),
    '{"time":"2026-11-22T12:00:00.000Z","call":"1","event":"after","tool":"set_vm_config","outcome":"ok","requests":[]}',
  );
});

Deno.test("a line is one line, reads back as what was written, and holds nothing that a terminal obeys", () => {
  const ranges = [[0, 31], [0x7f, 0x9f], [0xad, 0xad], [0x61c, 0x61c], [0x200b, 0x200f], [0x2028, 0x202e], [
    0x2060,
    0x206f,
  ]];
  const hidden =
    ranges.flatMap(([first = 0, last = 0]) =>
      Array.from({ length: last - first + 1 }, (_, index) => String.fromCharCode(first + index))
    ).join("") + "\ufeff";
  const shown = "~\u00a0\u00ac\u00ae\u061b\u061d\u200a\u2010\u2027\u202f\u205f\u2070\ufefe\uff00aä日";
  const line = auditLine({ ...entry, error: hidden + shown });
  assert.ok(line.includes(shown), line);
  for (const char of hidden) assert.ok(!line.includes(char), `\\u${char.charCodeAt(0).toString(16)}`);
  assert.equal(JSON.parse(line).error, hidden + shown);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (error) => {
    const text = auditLine({ ...entry, error });
    assert.ok(!/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(text));
    assert.deepEqual(JSON.parse(text), { ...entry, error });
  }));
});
