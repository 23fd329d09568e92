/** Text of guests and strangers can neither steer a terminal nor hide words. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { cleanText, untrusted } from "../../src/shape/untrusted.ts";

Deno.test("cleanText removes escape sequences whole", () => {
  assert.equal(cleanText("a\x1b[31mred\x1b[0m\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c\x1b(Bd\x1b"), "aredbcd");
});

Deno.test("cleanText ends an open escape sequence at the end of its line", () => {
  assert.equal(cleanText("a\x1b]0;b\nc"), "a\nc");
});

Deno.test("cleanText removes bidirectional marks, zero-width characters and tag characters", () => {
  assert.equal(cleanText("a\u202eb\u2066c\u200bd\u{e0041}e\ufefff\u061cg"), "abcdefg");
});

Deno.test("cleanText keeps newlines, tabs, letters of all languages and emoji", () => {
  const text = "Grüße\t世界\nسلام‌ها 👩‍💻";
  assert.equal(cleanText(text), text);
  assert.equal(cleanText("a\r\nb\rc\u2028d"), "a\nb\nc\nd");
});

Deno.test("cleanText never lets a control character pass, and cleaning twice changes nothing", () => {
  const pieces = fc.constantFrom(..."a\x1b[]mP\\;0\x07\n\t\r\x9b\u202e\ud800", "\udc00", "\u{e0001}");
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const clean = cleanText(parts.join(""));
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(clean, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/);
      assert.ok(clean.isWellFormed());
      assert.equal(cleanText(clean), clean);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("untrusted cuts by whole characters and says how many it left out", () => {
  assert.equal(untrusted("👍👍👍", 3), "👍👍👍");
  assert.equal(untrusted("👍👍👍👍", 3), "👍👍👍… (1 characters left out)");
});
