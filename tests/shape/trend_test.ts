/** Series of values in a few figures: what must hold of any series, and what people would call a trend. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { COLUMNS, downSampled, trendIn } from "../../src/shape/trend.ts";

// Below 1e-308 doubles lose digits, and no figure has three left to compare.
const value = fc.oneof(fc.constant(0), fc.double({ min: 1e-300, max: 1e12, noNaN: true }));
const series = fc.array(fc.option(value, { nil: undefined }), { maxLength: 300 });

Deno.test("the figures of any series agree with it", () => {
  fc.assert(fc.property(series, (values) => {
    const known = values.filter((one) => one !== undefined);
    const trend = trendIn(values);
    if (trend === undefined) return assert.equal(known.length, 0);
    const near = (a: number, b: number) => assert.ok(Math.abs(a - b) <= Math.abs(b) * 0.006, `${a} is not ${b}`);
    near(trend.min, Math.min(...known));
    near(trend.max, Math.max(...known));
    near(trend.last, known.at(-1) ?? -1);
    near(trend.mean, known.reduce((sum, one) => sum + one / known.length, 0));
    assert.equal([...trend.course].length, Math.min(COLUMNS, values.length));
    assert.match(trend.course, /^[▁▂▃▄▅▆▇█·]+$/);
  }));
});

Deno.test("down-sampling keeps every value in one stretch, in their order", () => {
  fc.assert(fc.property(series, fc.integer({ min: 1, max: 60 }), (values, count) => {
    const samples = downSampled(values, count);
    assert.equal(samples.length, Math.min(count, values.length));
    const known = values.filter((one) => one !== undefined);
    const [least, most] = [Math.min(...known), Math.max(...known)];
    for (const sample of samples) {
      assert.ok(sample === undefined || (sample >= least * 0.999 && sample <= most * 1.001));
    }
    if (count >= values.length) assert.deepEqual(samples, values);
    assert.equal(samples.some((one) => one !== undefined), known.length > 0);
  }));
});

Deno.test("a trend is what rises or falls by more than it scatters", () => {
  const of = (count: number, value: (index: number) => number | undefined) =>
    trendIn(Array.from({ length: count }, (_, index) => value(index)))?.trend;
  assert.equal(of(60, (index) => 10 + index), "rising");
  assert.equal(of(60, (index) => 100 - index), "falling");
  assert.equal(of(60, () => 42), "steady");
  assert.equal(of(60, (index) => 42 + index / 60), "steady", "a fortieth is no trend");
  assert.equal(of(60, (index) => index % 2 === 0 ? 0 : 50), "steady", "noise is none");
  assert.equal(of(60, (index) => index < 50 ? undefined : index), "rising");
  assert.equal(of(1440, (index) => 50 + 40 * Math.sin(index / 1440 * 2 * Math.PI)), "steady", "a day's wave is none");
  assert.equal(of(1, () => 5), "steady");
  assert.equal(of(2, () => 0), "steady");
});

Deno.test("a course starts at nought: what hardly changes looks flat", () => {
  assert.equal(trendIn([60, 61, 62, 63])?.course, "████");
  assert.equal(trendIn([0, 10, undefined, 70])?.course, "▁▂·█");
  assert.equal(trendIn([0, 0])?.course, "▁▁");
  assert.equal(trendIn([undefined, undefined]), undefined);
  assert.equal(trendIn([]), undefined);
});
