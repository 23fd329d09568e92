/** Charts without a server: what is drawn of which figures, and that nothing that PVE could send breaks it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { exampleChart } from "../../scripts/chart.ts";
import { indexed } from "../../src/chart/palette.ts";
import { type ChartFigure, panelsOf } from "../../src/chart/panels.ts";
import { drawChart, LARGEST_PNG } from "../../src/chart/png.ts";
import { type ChartSize, COLOURS, SIZES, svgOf } from "../../src/chart/svg.ts";
import type { Series } from "../../src/shape/trend.ts";
import { ROOT } from "../helpers/server.ts";
import { bitmapOf, colour, contrast, gridsOf, like } from "../helpers/picture.ts";

const START = Date.UTC(2026, 10, 22, 12) / 1000;

/** `count` moments, a minute apart. */
function minutes(count: number, step = 60): number[] {
  return Array.from({ length: count }, (_, index) => START + index * step);
}

function figure(values: Series, over: Partial<ChartFigure> = {}): ChartFigure {
  return { what: "cpu", group: "Usage", unit: "%", values, ...over };
}

function svg(values: Series, over: Partial<ChartFigure> = {}, step = 60, size: ChartSize = "medium"): string {
  const data = { title: "web", times: minutes(values.length, step), figures: [figure(values, over)] };
  return svgOf(data, size, 5) ?? assert.fail("nothing was drawn");
}

/** The texts of an SVG with a certain anchor: "end" are the values of the scale, "middle" the moments. */
function texts(drawing: string, anchor: string): string[] {
  return [...drawing.matchAll(new RegExp(`text-anchor="${anchor}">([^<]*)</text>`, "g"))].map(([, text = ""]) => text);
}

Deno.test("a chart is readable on its own ground, whatever the client's is", () => {
  const ground = colour(COLOURS.ground);
  assert.ok(contrast(colour(COLOURS.text), ground) >= 7);
  assert.ok(contrast(colour(COLOURS.quiet), ground) >= 7);
  for (const line of COLOURS.lines) assert.ok(contrast(colour(line), ground) >= 4.5, line);
  // The grid is seen, and does not compete.
  const grid = contrast(colour(COLOURS.grid), ground);
  assert.ok(grid > 1.2 && grid < 2, String(grid));
  // Where the picture ends can be seen in a dark client and in a light one.
  for (const [client, least] of [["#ffffff", 3], ["#1e1e1e", 1.8]] as const) {
    assert.ok(contrast(colour(COLOURS.edge), colour(client)) >= least, client);
  }
  for (const [index, one] of COLOURS.lines.entries()) {
    for (const other of COLOURS.lines.slice(index + 1)) assert.ok(!like(colour(one), colour(other)));
  }
});

Deno.test("scales begin at nought, end just above the highest value, and have separators and a unit", () => {
  const rate = { group: "Network", unit: "KiB/s" } as const;
  assert.deepEqual(texts(svg([10, 62, 41]), "end"), ["0", "10", "20", "30", "40", "50", "60", "70"]);
  assert.deepEqual(texts(svg([10, 62, 41], {}, 60, "small"), "end").slice(-1), ["70"]);
  assert.deepEqual(texts(svg([100, 1953], rate), "end"), ["0", "500", "1,000", "1,500", "2,000"]);
  assert.match(svg([100, 1953], rate), />Network, KiB&#47;s<|>Network, KiB\/s</);
  assert.match(svg([100, 20_000], rate), />Network, MiB\/s</);
  assert.match(svg([2 ** 40], rate), />Network, PiB\/s<|>Network, TiB\/s</);
  assert.deepEqual(texts(svg([0.05, 0.31], { group: "Load", unit: "" }), "end").slice(-1), ["0.35"]);
  assert.match(svg([0.05, 0.31], { group: "Load", unit: "" }), />Load</);
  assert.deepEqual(texts(svg([0, 0, 0]), "end"), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
});

Deno.test("moments are written as their distance asks for, in UTC", () => {
  const ramp = Array.from({ length: 60 }, (_, index) => index);
  assert.deepEqual(texts(svg(ramp, {}, 60), "middle").slice(0, 3), ["12:00", "12:05", "12:10"]);
  assert.deepEqual(texts(svg(ramp, {}, 1440), "middle").slice(3, 6), ["21:00", "Nov 23", "03:00"]);
  assert.deepEqual(texts(svg(ramp, {}, 43_200), "middle").slice(0, 2), ["Nov 29", "Dec 6"]);
  const year = texts(svg(ramp, {}, 6 * 86_400), "middle");
  assert.ok(year.includes("2027") && year.includes("Apr"), year.join());
  assert.match(svg(ramp, {}, 60), />2026-11-22 12:00 – 2026-11-22 12:59 UTC</);
});

Deno.test("a line breaks where nothing is known, and a lone value is a dot", async () => {
  const values = [...Array(20).fill(37), ...Array(20).fill(undefined), 37, ...Array(19).fill(undefined)];
  const data = { title: "web", times: minutes(60), figures: [figure(values)] };
  const bitmap = bitmapOf(await drawChart(data, "medium") ?? assert.fail());
  const [grid = []] = gridsOf(bitmap);
  const [line] = COLOURS.lines.map(colour);
  assert.ok(line !== undefined);
  const shown = (minute: number) => {
    const x = Math.round(60 + minute / 59 * (800 - 60 - 28.8));
    return Array.from({ length: (grid.at(-1) ?? 0) - (grid[0] ?? 0) }, (_, y) => y + (grid[0] ?? 0))
      .some((y) => [-1, 0, 1].some((by) => like(bitmap.at(x + by, y), line)));
  };
  assert.deepEqual([0, 10, 19, 20.5, 30, 39, 40, 41, 59].filter(shown), [0, 10, 19, 40]);
});

Deno.test("many values become few points, and the least and the most of them stay", () => {
  const values = Array.from({ length: 1440 }, (_, index) => index === 700 ? 97 : index === 300 ? 1 : 50);
  const { panels: [panel], seconds } = panelsOf({ title: "", times: minutes(1440), figures: [figure(values)] }, 140);
  assert.equal(seconds, 900, "a stretch that people know");
  assert.deepEqual([panel?.least, panel?.most, panel?.lines[0]?.buckets.length], [1, 97, 96]);
  const points = panel?.lines[0]?.buckets ?? [];
  assert.equal(points.filter((point) => point?.most === 97).length, 1);
  assert.equal(points.filter((point) => Math.abs((point?.mean ?? 0) - 50) < 1e-9).length, 94);
  // A row that PVE left out is a gap, too.
  const holed = minutes(10).filter((_, index) => index !== 4);
  const { panels: [other] } = panelsOf({ title: "", times: holed, figures: [figure(Array(9).fill(5))] }, 140);
  assert.deepEqual(
    other?.lines[0]?.buckets.map((point) => point === undefined),
    [...Array(10).keys()].map((i) => i === 4),
  );
});

Deno.test("few shades stand for many, and the commonest stay as they are", () => {
  const pixels = new Uint8Array(4 * 5000).map((_, index) => index % 4 === 3 ? 255 : index * 7919 % 256);
  pixels.fill(0x16, 0, 3);
  const { data, palette } = indexed(pixels);
  assert.ok(palette.length <= 256 && data.length === 5000 && data.every((place) => place < palette.length));
  const plain = indexed(Uint8Array.from([0x56, 0xb4, 0xe9, 255, 0x16, 0x18, 0x1d, 255, 0x56, 0xb4, 0xe9, 255]));
  assert.deepEqual(plain, { data: Uint8Array.from([0, 1, 0]), palette: [[0x56, 0xb4, 0xe9], [0x16, 0x18, 0x1d]] });
});

/** Values as no PVE should send them, too. */
const value = fc.oneof(
  { weight: 3, arbitrary: fc.double({ min: 0, max: 100, noNaN: true }) },
  { weight: 1, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.constantFrom(undefined, NaN, Infinity, -1, 0, 1e-300, 1e308, Number.MAX_VALUE) },
);

const times = fc.oneof(
  fc.integer({ min: 0, max: 4000 }).map((count) => minutes(count)),
  fc.array(fc.oneof(fc.double({ min: 0, max: 1e13, noNaN: true }), fc.integer({ min: START, max: START + 9e6 })), {
    maxLength: 40,
  }).map((some) => some.sort((a, b) => a - b)),
);

const charts = fc.record({
  title: fc.string({ unit: "binary", maxLength: 200 }),
  times,
  figures: fc.array(
    fc.record({
      what: fc.constantFrom("cpu", "memory", "root file system", "network in"),
      group: fc.constantFrom("Usage", "Load", "Network", "Disk", "Pressure"),
      unit: fc.constantFrom("%", "KiB/s", "" as const),
      values: fc.array(value, { maxLength: 60 }),
    }),
    { maxLength: 8 },
  ),
});

Deno.test("whatever the figures are, they are drawn, within the picture and its size", async () => {
  await fc.assert(
    fc.asyncProperty(charts, fc.constantFrom<ChartSize>("small", "medium"), async (data, size) => {
      const drawing = svgOf(data, size, 5);
      const png = await drawChart(data, size);
      assert.equal(png === undefined, drawing === undefined);
      if (png === undefined || drawing === undefined) return;
      assert.doesNotMatch(drawing, /NaN|Infinity|undefined/);
      for (const [, path = ""] of drawing.matchAll(/ d="([^"]*)"/g)) {
        for (const [, y = ""] of path.matchAll(/[ML]-?[\d.]+,(-?[\d.e+-]+)/g)) {
          assert.ok(Number(y) >= 0 && Number(y) <= SIZES[size].height, path.slice(0, 200));
        }
      }
      assert.ok(png.length <= LARGEST_PNG);
      assert.deepEqual([bitmapOf(png).width, bitmapOf(png).height], [SIZES[size].width, SIZES[size].height]);
    }),
    { numRuns: 60 },
  );
});

Deno.test("noise in every figure makes no picture too large, nor does a year of steps", async () => {
  let seed = 1;
  const noise = () => (seed = seed * 48_271 % 2_147_483_647) / 2_147_483_647 * 100;
  const values = Array.from({ length: 1460 }, noise);
  const groups = ["Usage", "Network", "Disk", "Pressure"];
  const figures = groups.flatMap((group) =>
    ["a", "b", "c", "d"].map((what) => figure(values.map(noise), { group, what }))
  );
  for (const size of ["small", "medium", "large"] as const) {
    const png = await drawChart({ title: "noise", times: minutes(1460, 21_600), figures }, size);
    assert.ok(png !== undefined && png.length <= LARGEST_PNG, `${size}: ${png?.length}`);
  }
});

Deno.test("the README shows a chart as it is drawn, in its size", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const [, path, width, height] = /<img src="(docs\/[a-z.]+)" width="(\d+)" height="(\d+)"/.exec(readme) ?? [];
  const bitmap = bitmapOf(await Deno.readFile(`${ROOT}${path}`));
  assert.deepEqual([bitmap.width, bitmap.height], [Number(width), Number(height)]);
  assert.deepEqual([bitmap.width, bitmap.height], [SIZES.medium.width, SIZES.medium.height]);
  assert.equal(gridsOf(bitmap).length, 4);
  const drawn = bitmapOf(Uint8Array.fromBase64(await exampleChart()));
  assert.deepEqual(gridsOf(drawn), gridsOf(bitmap), "docs/chart.png lags behind. Run: deno task chart");
});
