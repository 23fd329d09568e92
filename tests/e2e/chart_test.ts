/** The pictures of guest_metrics and node_metrics, as a client gets them. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { LARGEST_PNG } from "../../src/chart/png.ts";
import { COLOURS, SIZES } from "../../src/chart/svg.ts";
import { initialize, request, stateless, withConnection } from "../helpers/connection.ts";
import { bandOf, type Bitmap, bitmapOf, colour, gridsOf, highest, like } from "../helpers/picture.ts";
import { type Running, serverTest } from "../helpers/server.ts";

const lines = COLOURS.lines.map(colour);

/** The figures follow the clock: at some moments a band covers a line of the grid from end to end. */
const NOON = Date.UTC(2026, 10, 22, 12);
const atNoon = { simulator: { clock: { now: () => NOON } } };

interface Drawn {
  readonly text: string;
  readonly structured: unknown;
  readonly png: Uint8Array | undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The one picture behind the text of an answer; undefined where there is none. */
function pictureIn(content: unknown): Uint8Array | undefined {
  assert.ok(Array.isArray(content) && content.length <= 2);
  const [text, image]: unknown[] = content;
  assert.ok(isRecord(text) && text.type === "text");
  if (image === undefined) return undefined;
  assert.ok(isRecord(image) && image.type === "image" && image.mimeType === "image/png");
  assert.deepEqual(image.annotations, { audience: ["user"] });
  assert.ok(typeof image.data === "string");
  const bytes = Buffer.from(image.data, "base64");
  assert.equal(bytes.toString("base64"), image.data);
  return new Uint8Array(bytes);
}

async function ask({ client }: Running, name: string, args: Record<string, unknown>): Promise<Drawn> {
  // The client itself holds the structured part against the output schema.
  const { content, structuredContent } = await client.callTool({ name, arguments: args });
  const png = pictureIn(content);
  const text: unknown = Array.isArray(content) ? content[0] : undefined;
  return { text: isRecord(text) ? String(text.text) : "", structured: structuredContent, png };
}

async function drawn(running: Running, name: string, args: Record<string, unknown>): Promise<Bitmap> {
  const { png } = await ask(running, name, args);
  return bitmapOf(png ?? assert.fail("no picture"));
}

function figure(structured: unknown, metric: string): Record<string, unknown> {
  const metrics: unknown[] = isRecord(structured) && Array.isArray(structured.metrics) ? structured.metrics : [];
  return { ...Object(metrics.find((one) => isRecord(one) && one.metric === metric) ?? assert.fail(metric)) };
}

/** A round number: 1, 2 or 5, and noughts. The scale has `steps` of them, and the least that the highest value fits under. */
function topOf(steps: number, most: number): number {
  for (let power = 0.001;; power *= 10) {
    for (const digit of [1, 2, 5]) if (digit * power * steps >= most * 0.9999) return digit * power * steps;
  }
}

serverTest("a picture comes beside the answer, in three sizes and for each timeframe", atNoon, async (running) => {
  for (const [size, { width, height }] of Object.entries(SIZES)) {
    for (const timeframe of ["hour", "day", "year"]) {
      for (const [name, whom] of [["guest_metrics", { vmid: 102 }], ["node_metrics", { node: "pve1" }]] as const) {
        const { png, text, structured } = await ask(running, name, { ...whom, timeframe, chart: size });
        assert.ok(png !== undefined && png.length < LARGEST_PNG, `${name} ${timeframe} ${size}: ${png?.length} bytes`);
        const bitmap = bitmapOf(png);
        assert.deepEqual([bitmap.width, bitmap.height], [width, height]);
        assert.doesNotMatch(text + JSON.stringify(structured), /base64|iVBOR/, "the picture is not said twice");
        const grids = gridsOf(bitmap);
        const found = new Set<number>();
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            const index = lines.findIndex((line) => like(line, bitmap.at(x, y)));
            if (index >= 0) found.add(index);
          }
        }
        // CPU and memory have the same colours in both; a node has I/O wait and a root file system, too.
        const own = name === "guest_metrics" ? [0, 1] : [0, 1, 2, 3];
        assert.deepEqual([...found].sort(), own, `${name} ${timeframe} ${size}`);
        assert.equal(grids.length, 4, `${name} ${timeframe} ${size}: ${JSON.stringify(grids)}`);
      }
    }
  }
});

serverTest("the answer is the same with a picture as without one", atNoon, async (running) => {
  const withoutTime = (text: string) => text.replace(/\d{4}-\d\d-\d\dT[\d:]+Z/g, "TIME").replace(/\d+(?:\.\d+)?/g, "N");
  const [plain, more] = [{ vmid: 102 }, { vmid: 102, chart: "small" }];
  const [one, other] = [await ask(running, "guest_metrics", plain), await ask(running, "guest_metrics", more)];
  assert.equal(one.png, undefined);
  assert.ok(other.png !== undefined);
  assert.equal(withoutTime(one.text), withoutTime(other.text));
  assert.deepEqual(Object.keys(Object(one.structured)), Object.keys(Object(other.structured)));
});

serverTest("the highest value is drawn where the figures say", atNoon, async (running) => {
  for (const timeframe of ["hour", "day", "week"]) {
    const args = { node: "pve1", timeframe, chart: "large" };
    const { png, structured } = await ask(running, "node_metrics", args);
    const bitmap = bitmapOf(png ?? assert.fail("no picture"));
    const [, load = []] = gridsOf(bitmap);
    const [top = 0, bottom = 0] = [load[0], load.at(-1)];
    const [line] = lines;
    assert.ok(line !== undefined && load.length > 2, JSON.stringify(load));
    const peak = highest(bitmap, [line, bandOf(line)], [top, bottom], 70) ?? assert.fail("no line");
    const most = Number(figure(structured, "load").max);
    const said = bottom - most / topOf(load.length - 1, most) * (bottom - top);
    assert.ok(Math.abs(peak - said) <= 3, `${timeframe}: drawn at ${peak}, and ${most} is at ${said}`);
  }
});

serverTest("where a guest was off there is no line", atNoon, async (running) => {
  const bitmap = await drawn(running, "guest_metrics", { vmid: 107, chart: "medium" });
  // It has run for 20 of 24 hours; the first point is the middle of its stretch, and a thin end may be pale.
  const begin = 60 + (800 - 60 - 29) / 6;
  for (const grid of gridsOf(bitmap)) {
    const [from = 0, to = 0] = [grid[0], grid.at(-1)];
    const shown: number[] = [];
    for (let x = 60; x < bitmap.width; x++) {
      for (let y = from; y <= to; y++) if (lines.some((line) => like(line, bitmap.at(x, y)))) shown.push(x);
    }
    assert.ok(shown.length > 500 && Math.abs(Math.min(...shown) - begin) < 25, `${Math.min(...shown)}, not ${begin}`);
  }
});

serverTest("where there are no figures there is no picture, and the answer says why", atNoon, async (running) => {
  const { png, text, structured } = await ask(running, "guest_metrics", { vmid: 105, chart: "large" });
  assert.equal(png, undefined);
  assert.match(text, /no figures for this time: the guest was off.*nothing to draw/);
  assert.match(JSON.stringify(structured), /nothing to draw/);
  const node = running.simulator.state.nodes.get("pve3");
  assert.ok(node !== undefined);
  running.simulator.state.nodes.set("pve3", { ...node, booted: running.simulator.now() });
  assert.equal((await ask(running, "node_metrics", { node: "pve3", chart: "small" })).png, undefined);
  assert.match(await running.error("guest_metrics", { vmid: 102, chart: "huge" }), /chart.*small.*medium.*large/s);
});

serverTest("names of guests can do no harm in a picture", atNoon, async (running) => {
  const guest = running.simulator.state.guests.get(102) ?? assert.fail();
  const titleOf = async (name: string) => {
    guest.config.set("name", name);
    const bitmap = await drawn(running, "guest_metrics", { vmid: 102, timeframe: "year", chart: "small" });
    return Array.from(
      { length: 28 * bitmap.width },
      (_, at) => bitmap.at(at % bitmap.width, Math.trunc(at / 480)).join(),
    );
  };
  const honest = await titleOf("evil web");
  assert.deepEqual(await titleOf("\u202eev\u200bil\n\u0000web\u{e0041}\u001b[31m"), honest);
  assert.notDeepEqual(await titleOf("evil wed"), honest);
  const hostile = [
    `</text><image href="file:///etc/passwd" width="480" height="360"/><text>`,
    `<!DOCTYPE x [<!ENTITY a "b">]>&a;]]>`,
    "\ud800\udfff\ufffe\uffff\ud800",
    "x".repeat(100_000),
    "W".repeat(60),
    "\u0301".repeat(5000),
    "日本語 עברית 🙂",
    "",
  ];
  for (const name of hostile) {
    const cells = await titleOf(name);
    // The right edge is the picture's own: no title runs over it.
    const edge = cells.filter((_, at) => at % 480 > 470 && at % 480 < 479 && at > 480 * 2);
    assert.deepEqual(
      new Set(edge.map((one) => like([...colour(COLOURS.ground)], toColour(one)))),
      new Set([true]),
      name,
    );
  }
});

function toColour(text: string): readonly [number, number, number] {
  const [red = 0, green = 0, blue = 0] = text.split(",").map(Number);
  return [red, green, blue];
}

Deno.test("clients of every revision get the picture", async () => {
  for (const revision of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]) {
    await withConnection({}, async ({ send, answer }) => {
      const params = { name: "guest_metrics", arguments: { vmid: 102, chart: "small" } };
      if (revision === "2026-07-28") send(stateless(2, "tools/call", params));
      else {
        send(initialize(1, revision));
        await answer(1);
        send(request(2, "tools/call", params));
      }
      const { result } = await answer(2);
      assert.ok(isRecord(result) && isRecord(result.structuredContent), JSON.stringify(result));
      assert.equal(bitmapOf(pictureIn(result.content) ?? assert.fail(revision)).width, 480);
    });
  }
});
