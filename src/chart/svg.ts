/** Draws figures over time as an SVG: panels below each other over one axis of time, on a dark ground of its own. */
// @ts-types="@types/d3-scale"
import { scaleLinear, scaleUtc } from "d3-scale";
// @ts-types="@types/d3-shape"
import { area, line } from "d3-shape";
import { cleanText } from "../shape/untrusted.ts";
import { type Bucket, type ChartData, type Line, type Panel, panelsOf } from "./panels.ts";

/** How large a picture is, in pixels, and its letters. */
interface Layout {
  readonly width: number;
  readonly height: number;
  readonly text: number;
}

export const SIZES = {
  small: { width: 480, height: 360, text: 10 },
  medium: { width: 800, height: 560, text: 12 },
  large: { width: 1080, height: 720, text: 13 },
} as const satisfies Readonly<Record<string, Layout>>;

export type ChartSize = keyof typeof SIZES;

/** The font that the picture is drawn with. */
export const FONT = "Roboto";

/**
 * The picture brings its own ground, so that it does not matter what the client's is. The lines are the colours of Okabe
 * and Ito, which people tell apart who see few colours.
 */
export const COLOURS = {
  ground: "#16181d",
  edge: "#4a505c",
  grid: "#2b2f37",
  text: "#e4e7ec",
  quiet: "#a3aab6",
  lines: ["#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00"],
} as const;

/** Longer titles are cut. */
const LONGEST_TITLE = 60;

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Text as it may stand in XML, on one line. */
function escaped(text: string): string {
  return cleanText(text).replace(/\s+/g, " ").replace(/[\ufffe\uffff]/g, "")
    .replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

/** About how wide a text is: never less than it is drawn, but for rare letters. */
function widthOf(text: string, size: number): number {
  return [...text].reduce((sum, letter) => sum + (/[a-z0-9 .,:·/-]/.test(letter) ? 0.56 : 0.9), 0) * size;
}

/** As much of a text as fits, and "…" where it was cut. */
function fitting(text: string, size: number, width: number): string {
  const letters = [...text];
  const cut = letters.slice(0, LONGEST_TITLE);
  while (cut.length > 1 && widthOf(cut.join(""), size) > width) cut.pop();
  return cut.length === letters.length ? text : `${cut.join("")}…`;
}

function words(text: string, x: number, y: number, size: number, colour: string, anchor = "start"): string {
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}" text-anchor="${anchor}">${escaped(text)}</text>`;
}

function rule(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  return `<path d="M${x1},${y1}L${x2},${y2}" stroke="${colour}" stroke-width="1"/>`;
}

/** The nearest middle of a pixel: a line of one pixel is sharp there. */
function sharp(position: number): number {
  return Math.floor(position) + 0.5;
}

/** How moments are written: the hour within some days, the day within some months, then the month. */
function momentsOf(seconds: number): (time: Date) => string {
  const month = (time: Date) => time.toLocaleString("en-US", { month: "short", timeZone: "UTC" });
  const day = (time: Date) => `${month(time)} ${time.getUTCDate()}`;
  const clock = (time: Date) => time.toISOString().slice(11, 16);
  if (seconds <= 3 * DAY) return (time) => clock(time) === "00:00" ? day(time) : clock(time);
  if (seconds <= 100 * DAY) return day;
  return (time) => time.getUTCMonth() === 0 ? String(time.getUTCFullYear()) : month(time);
}

/** Seconds as "1 min", "30 min", "6 h", "7 days". */
function duration(seconds: number): string {
  const [value, unit] = seconds < 2 * HOUR
    ? [seconds / MINUTE, "min"]
    : seconds < 2 * DAY
    ? [seconds / HOUR, "h"]
    : [seconds / DAY, "days"];
  return `${Math.round(value * 10) / 10} ${unit}`;
}

function periodOf(times: readonly number[]): string {
  const [first, last] = [times[0] ?? 0, times.at(-1) ?? 0].map((time) => {
    const date = new Date(time * 1000);
    return Number.isNaN(date.getTime()) ? "unknown" : date.toISOString().slice(0, 16).replace("T", " ");
  });
  return `${first} – ${last} UTC`;
}

/** d3's figures have separators of thousands; numbers that would be too long for the margin are written shorter. */
function valuesOf(scale: ReturnType<typeof scaleLinear<number>>, count: number): (value: number) => string {
  const most = Math.max(...scale.domain().map(Math.abs));
  const specifier = most >= 1e15 || most < 0.01 ? "~e" : most >= 1e6 ? "~s" : undefined;
  return scale.tickFormat(count, specifier);
}

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly text: number;
}

type TimeScale = ReturnType<typeof scaleUtc<number>>;

/** The curve of one line: its mean, and behind it all between the least and the most. */
function curve(one: Line, x: TimeScale, y: (value: number) => number): string {
  const { buckets } = one;
  const colour = colourOf(one);
  const position = (bucket: Bucket | undefined) => x(bucket?.time ?? 0);
  const there = (bucket: Bucket | undefined) => bucket !== undefined;
  const band = area<Bucket | undefined>().digits(1).defined(there).x(position)
    .y0((bucket) => y(bucket?.least ?? 0)).y1((bucket) => y(bucket?.most ?? 0));
  const middle = line<Bucket | undefined>().digits(1).defined(there).x(position).y((bucket) => y(bucket?.mean ?? 0));
  const wide = buckets.some((bucket) => bucket !== undefined && bucket.most > bucket.least);
  return (wide
    ? `<path d="${band([...buckets]) ?? ""}" fill="${colour}" fill-opacity="0.25" shape-rendering="crispEdges"/>`
    : "") +
    `<path d="${middle([...buckets]) ?? ""}" fill="none" stroke="${colour}" stroke-width="1.5" ` +
    `stroke-linejoin="round" stroke-linecap="round"/>`;
}

/** The names of the lines, each behind a dash of its colour. In one text: who draws it knows how wide letters are. */
function legend(lines: readonly Line[], { right, top, text }: Frame): string {
  const parts = lines.map((one) => {
    const colour = colourOf(one);
    // Spaces that XML keeps.
    return `<tspan fill="${colour}" stroke="${colour}" stroke-width="1.5">—</tspan>\u00a0${escaped(one.what)}`;
  });
  return `<text x="${right}" y="${top - text * 0.6}" font-size="${text}" fill="${COLOURS.text}" text-anchor="end">` +
    `${parts.join("\u00a0\u00a0\u00a0\u00a0")}</text>`;
}

function colourOf({ colour }: Line): string {
  return COLOURS.lines[colour % COLOURS.lines.length] ?? COLOURS.text;
}

function panel({ group, unit, lines, least, most }: Panel, x: TimeScale, ticks: readonly Date[], frame: Frame): string {
  const { left, right, top, bottom, text } = frame;
  const count = Math.max(2, Math.min(5, Math.round((bottom - top) / (text * 2.6))));
  const low = Math.min(0, least);
  const y = scaleLinear().domain([low, most > low ? most : low + 1]).nice(count).range([bottom, top]);
  const written = valuesOf(y, count);
  return [
    words(unit === "" ? group : `${group}, ${unit}`, left, top - text * 0.6, text, COLOURS.quiet),
    legend(lines, frame),
    ...y.ticks(count).map((value) =>
      rule(left, sharp(y(value)), right, sharp(y(value)), COLOURS.grid) +
      words(written(value), left - text * 0.6, y(value) + text * 0.35, text, COLOURS.quiet, "end")
    ),
    ...ticks.map((time) => rule(sharp(x(time)), top, sharp(x(time)), bottom, COLOURS.grid)),
    ...lines.map((one) => curve(one, x, y)),
  ].join("");
}

/** A chart as SVG, with a point on every so many pixels at most; undefined where no figure has a value. */
export function svgOf(data: ChartData, size: ChartSize, spacing: number): string | undefined {
  const { width, height, text }: Layout = SIZES[size];
  const [left, right] = [text * 5, width - text * 2.4];
  const { panels, seconds } = panelsOf(data, Math.max(1, Math.round((right - left) / spacing)));
  if (panels.length === 0) return undefined;
  const [first, last] = [(data.times[0] ?? 0) * 1000, (data.times.at(-1) ?? 0) * 1000];
  const x = scaleUtc().domain(last > first ? [first, last] : [first - HOUR * 1000, first + HOUR * 1000])
    .range([left, right]);
  const ticks = x.ticks(Math.max(2, Math.round((right - left) / (text * 8))));
  const shown = momentsOf((last - first) / 1000);
  const head = text * 4.4;
  const foot = height - text * 2.4;
  const each = (foot - head) / panels.length;
  const parts = panels.map((one, index) =>
    panel(one, x, ticks, {
      left,
      right,
      top: Math.round(head + index * each + text * 2),
      bottom: Math.round(head + (index + 1) * each - text * 0.8),
      text,
    })
  );
  const wide = panels.some(({ lines }) => lines.some(({ buckets }) => buckets.some((b) => b && b.most > b.least)));
  const explained = wide ? ` · means of ${duration(seconds)}, bands from least to most` : "";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="${FONT}">`,
    `<rect width="${width}" height="${height}" fill="${COLOURS.ground}"/>`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" fill="none" stroke="${COLOURS.edge}"/>`,
    words(fitting(data.title, text * 1.4, right - text * 2.4), text * 1.8, text * 2.4, text * 1.4, COLOURS.text),
    words(periodOf(data.times) + explained, text * 1.8, text * 4, text, COLOURS.quiet),
    ...parts,
    ...ticks.map((time) => words(shown(time), x(time), foot + text * 0.9, text, COLOURS.quiet, "middle")),
    "</svg>",
  ].join("");
}
