/** What is kept of a program's output, whatever its pieces: the beginning and the end, and the count of what is missing. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { agentBytes, Capture } from "../../src/tools/output.ts";

Deno.test("beginning and end are kept, and what is missing is counted, whatever the pieces", () => {
  const piece = fc.integer({ min: 0, max: 60 });
  fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 1, max: 80 }), (sizes, limit) => {
    const capture = new Capture(limit);
    const all: number[] = [];
    for (const size of sizes) {
      const chunk = Uint8Array.from({ length: size }, (_, index) => 97 + (all.length + index) % 26);
      capture.add(chunk);
      all.push(...chunk);
      // Who handed it in may use it again.
      chunk.fill(0);
    }
    const text = String.fromCharCode(...all);
    const half = Math.ceil(limit / 2);
    const { text: kept, cut } = capture.kept();
    assert.equal(capture.size, all.length);
    if (all.length <= 2 * half) {
      assert.deepEqual([kept, cut], [text, 0]);
      assert.deepEqual([...capture.bytes()], all);
    } else {
      assert.equal(cut, all.length - 2 * half);
      assert.equal(kept, `${text.slice(0, half)}\n… (${cut} bytes left out) …\n${text.slice(-half)}`);
    }
  }));
});

Deno.test("a character that the cut goes through is left out whole", () => {
  const capture = new Capture(10);
  capture.add(new TextEncoder().encode("abcdüxxxxxxxxxxü€€"));
  assert.match(capture.kept().text, /^abcd\n… \(\d+ bytes left out\) …\n€$/);
});

Deno.test("PVE's text of bytes becomes those bytes again; other text is UTF-8", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    assert.deepEqual(agentBytes(String.fromCharCode(...bytes)), Uint8Array.from(bytes));
  }));
  assert.deepEqual(agentBytes("€"), new TextEncoder().encode("€"));
});
