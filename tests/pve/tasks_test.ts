/** What a UPID, an exit status and a line of a log tell. */
import assert from "node:assert/strict";
import fc from "fast-check";
import captured from "../fixtures/captured/answers.json" with { type: "json" };
import { PveError } from "../../src/errors.ts";
import { parseUpid, phaseOf, ratioIn, readUpid, remedyFor } from "../../src/pve/tasks.ts";
import { upid as gateRule } from "../../src/safety/values.ts";

const hex = (digits: number) =>
  fc.integer({ min: 0, max: 16 ** digits - 1 }).map((n) => n.toString(16).toUpperCase().padStart(digits, "0"));
const parts = fc.record({
  node: fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?$/),
  pid: hex(8),
  pstart: fc.oneof(hex(8), hex(9)),
  start: hex(8),
  type: fc.stringMatching(/^[a-z0-9]{2,20}$/),
  id: fc.stringMatching(/^[A-Za-z0-9@._-]{0,30}$/),
  user: fc.stringMatching(/^[a-z]{1,10}@(pam|pve)(![A-Za-z][A-Za-z0-9._-]{1,10})?$/),
});

Deno.test("a UPID is read into its parts, and the gate takes what is read", () => {
  fc.assert(fc.property(parts, ({ node, pid, pstart, start, type, id, user }) => {
    const text = `UPID:${node}:${pid}:${pstart}:${start}:${type}:${id}:${user}:`;
    assert.deepEqual(readUpid(text), { node, type, id, user, started: Number.parseInt(start, 16) });
    assert.equal(gateRule(text, "upid"), text);
  }));
});

Deno.test("what is no UPID is none, and never reaches a path", () => {
  const upid = "UPID:pve1:000003E8:00058E12:6B033EAB:qmstart:100:root@pam:";
  assert.ok(readUpid(upid) !== undefined);
  for (
    const text of [
      "",
      "x",
      "UPID:",
      upid.slice(0, -1),
      upid.toLowerCase(),
      ` ${upid}`,
      `${upid}\n`,
      upid.replace("pve1", "../.."),
      upid.replace("pve1", ""),
      upid.replace("6B033EAB", "6B03"),
      upid.replace("qmstart", "qm start"),
      upid.replace("root@pam", ""),
      upid.replace("100", "1".repeat(600)),
    ]
  ) {
    assert.equal(readUpid(text), undefined, text);
    assert.throws(() => parseUpid(text), (error) => error instanceof PveError && error.details.kind === "unreadable");
  }
  fc.assert(fc.property(fc.string(), (text) => readUpid(text) === undefined || text.startsWith("UPID:")));
});

Deno.test("the phase of a task follows from PVE's own words", () => {
  const phases = ["OK", "WARNINGS: 3", "RUNNING", "", undefined, "job errors", "unexpected status", "WARNINGS", "ok"]
    .map(phaseOf);
  assert.deepEqual(phases, [
    "ok",
    "warnings",
    "running",
    "running",
    "running",
    "failed",
    "failed",
    "failed",
    "failed",
  ]);
});

Deno.test("progress is read from the lines that tell it, and from no other", () => {
  const lines: readonly (readonly [string, number | undefined])[] = [
    ["transferred 0.0 B of 1.0 GiB (0.00%)", 0],
    ["transferred 1.0 GiB of 4.0 GiB (25.00%)", 0.25],
    ["drive-scsi0: transferred 1.5 GiB of 32.0 GiB (4.50%) in 5s", 0.045],
    ["mirror-scsi0: transferred 32.0 GiB of 32.0 GiB (100.00%) in 7m 23s, ready", 1],
    ["INFO:   4% (2.4 GiB of 50.0 GiB) in 4s, read: 614.4 MiB/s, write: 48.0 KiB/s", 0.04],
    ["INFO: 100% (8.0 GiB of 8.0 GiB) in 46s, read: 108.0 MiB/s, write: 16.0 MiB/s", 1],
    ["INFO: status: 3% (1105723392/34359738368), sparse 0% (12288), duration 3, read/write 368/1 MB/s", 0.03],
    ["progress 10% (read 859832320 bytes, zeroes = 62% (541065216 bytes), duration 1 sec)", 0.1],
    [
      "transferred: 0 bytes remaining: 34359738368 bytes total: 34359738368 bytes progression: 12.50 % busy: true",
      0.125,
    ],
    ["     0K ........ ........ ........ ........ 25%  112M 1s", 0.25],
    [" 32768K ........ ........ ........ ........ 100%  241M=0.3s", 1],
    // No progress, although there is a percentage.
    ["INFO: backup is sparse: 1.92 GiB (24%) total zero data", undefined],
    ["INFO: backup was done incrementally, reused 2.61 GiB (32%)", undefined],
    ["INFO: transferred 8.00 GiB in 46 seconds (178.1 MiB/s)", undefined],
    ["creating a clone of VM 110 with ID 120", undefined],
    ["transferred 9.0 GiB of 1.0 GiB (900.00%)", undefined],
    ["/vm-200-disk-0.raw: 331/65536 files (0.0% non-contiguous), 13539/262144 blocks", undefined],
    ["INFO: 100 % of people", undefined],
  ];
  for (const [line, ratio] of lines) assert.equal(ratioIn(line), ratio, line);
});

Deno.test("a ratio lies between 0 and 1 whatever a log says, and is quickly found", () => {
  const piece = fc.constantFrom(
    "transferred ",
    " of ",
    "GiB ",
    "(",
    "%)",
    "INFO: ",
    "progress ",
    "0K ",
    "....",
    "9",
    ".",
    "%",
  );
  const line = fc.oneof(fc.string(), fc.array(piece, { maxLength: 200 }).map((list) => list.join("")));
  fc.assert(fc.property(line, (text) => {
    const ratio = ratioIn(text);
    assert.ok(ratio === undefined || (ratio >= 0 && ratio <= 1), `${text}: ${ratio}`);
  }));
  assert.equal(ratioIn(`0K${" .".repeat(200_000)}`), undefined);
});

Deno.test("the percentages of captured copies are progress, and end with 1", () => {
  const found: number[] = [];
  for (const { path, answer } of captured) {
    if (!/\/tasks\/UPID[^/]*\/log$/.test(path) || typeof answer !== "object" || !("data" in answer)) continue;
    const rows: unknown = answer.data;
    if (!Array.isArray(rows)) continue;
    for (const row of rows) {
      const line = String(row?.t);
      const ratio = ratioIn(line);
      // What a check of a file system tells in percent is no progress.
      assert.equal(ratio !== undefined, /\d%/.test(line) && !line.includes("non-contiguous"), line);
      if (ratio !== undefined) found.push(ratio);
    }
  }
  assert.ok(found.length >= 4, `only ${found.length} lines with a percentage`);
  assert.equal(
    found.filter((ratio) => ratio === 1).length * 2,
    found.length,
    "each copy begins with 0 and ends with 1",
  );
});

Deno.test("what helps is told by what PVE says, and nothing is made up", () => {
  assert.match(remedyFor("VM quit/powerdown failed - got timeout", []) ?? "", /stop_\* cuts its power/);
  assert.doesNotMatch(
    remedyFor("job errors", ["ERROR: Backup of VM 104 failed - got timeout"]) ?? "",
    /cuts its power/,
  );
  assert.match(remedyFor("can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", []) ?? "", /has ended/);
  assert.match(remedyFor("unexpected status", []) ?? "", /\w/);
  assert.equal(remedyFor("something that nobody has seen", []), undefined);
});
