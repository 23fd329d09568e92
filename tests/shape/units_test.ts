import assert from "node:assert/strict";
import { bytes, duration, ratio, timestamp } from "../../src/shape/units.ts";

Deno.test("bytes takes the largest unit and at most one decimal", () => {
  const cases = { 0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1610612736: "1.5 GiB", 17179869184: "16 GiB" };
  for (const [count, text] of Object.entries(cases)) assert.equal(bytes(Number(count)), text);
  assert.equal(bytes(2 ** 20 - 1), "1 MiB");
  assert.equal(bytes(2 ** 60), "1024 PiB");
});

Deno.test("ratio is a percentage with at most one decimal", () => {
  assert.deepEqual([0, 0.083, 0.5, 1].map(ratio), ["0 %", "8.3 %", "50 %", "100 %"]);
});

Deno.test("duration names the two largest units", () => {
  assert.deepEqual([0, 45, 60, 3605, 18300, 273600, 86400].map(duration), [
    "0 s",
    "45 s",
    "1 min",
    "1 h",
    "5 h 5 min",
    "3 d 4 h",
    "1 d",
  ]);
});

Deno.test("timestamp is ISO 8601 in UTC", () => {
  assert.equal(timestamp(1769860800), "2026-01-31T12:00:00Z");
  assert.equal(timestamp(1e15), "1000000000000000");
});
