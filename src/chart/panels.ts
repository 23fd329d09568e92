/** What a chart shows, made ready to be drawn: figures of a kind in one panel, in a unit that suits them, few enough to see. */
import type { Series } from "../shape/trend.ts";

/** A figure over time, for the same moments as all others of its chart. */
export interface ChartFigure {
  readonly what: string;
  /** Figures of one group share a panel, and its unit. */
  readonly group: string;
  readonly unit: "%" | "KiB/s" | "";
  /** Which of the colours of lines it has in every chart; by default the one of its place in the panel. */
  readonly colour?: number | undefined;
  readonly values: Series;
}

/** What a chart is made from. */
export interface ChartData {
  /** Whose figures these are; a name that a guest supplied may be in it. */
  readonly title: string;
  /** Seconds since the epoch, the earliest first. */
  readonly times: readonly number[];
  readonly figures: readonly ChartFigure[];
}

/** What is drawn of a stretch of time. */
export interface Bucket {
  /** Its middle, in milliseconds since the epoch. */
  readonly time: number;
  readonly least: number;
  readonly mean: number;
  readonly most: number;
}

/** A line of a panel; undefined where there is no value in a whole stretch. */
export interface Line {
  readonly what: string;
  /** Which of the colours. */
  readonly colour: number;
  readonly buckets: readonly (Bucket | undefined)[];
}

/** Lines that share a scale. */
export interface Panel {
  readonly group: string;
  readonly unit: string;
  readonly lines: readonly Line[];
  /** The lowest and the highest value of all lines. */
  readonly least: number;
  readonly most: number;
}

/** The panels of a chart, and how long the stretches are that each point of their lines stands for. */
export interface Panels {
  readonly panels: readonly Panel[];
  readonly seconds: number;
}

/** Each is 1,024 of the one before. */
const RATES = ["KiB/s", "MiB/s", "GiB/s", "TiB/s", "PiB/s"];

/** From here on the next unit is easier to read. */
const TOO_MANY = 10_000;

/** Beyond it a scale would end in infinity. */
const LARGEST = 1e300;

function drawable(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value) && Math.abs(value) <= LARGEST;
}

/** The lowest and highest of many numbers, which may be more than a call takes arguments. */
function extent(values: Iterable<number>): [least: number, most: number] {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  return [least, most];
}

/** Lengths of stretches that people know, in minutes. */
const USUAL = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720, 1440, 2880, 4320, 10_080].map((minutes) =>
  minutes * 60
);

/** Stretches of equal length, at most `columns`, each of as many of PVE's steps as the others. */
function stretches(times: readonly number[], columns: number): { start: number; seconds: number; count: number } {
  const [start, end] = extent(times);
  const steps = times.flatMap((time, index) => {
    const step = time - (times[index - 1] ?? time);
    return step > 0 ? [step] : [];
  });
  if (steps.length === 0) return { start, seconds: 60, count: 1 };
  const [step] = extent(steps);
  const moments = Math.floor((end - start) / step) + 1;
  const shortest = Math.ceil(moments / columns) * step;
  const seconds = USUAL.find((usual) => usual >= shortest && usual % step === 0) ?? shortest;
  return { start: start - step / 2, seconds, count: Math.ceil(moments * step / seconds) };
}

function bucketsOf(
  times: readonly number[],
  values: Series,
  factor: number,
  { start, seconds, count }: ReturnType<typeof stretches>,
): (Bucket | undefined)[] {
  const found = new Map<number, number[]>();
  for (const [index, time] of times.entries()) {
    const value = values[index];
    if (!drawable(value)) continue;
    const column = Math.min(count - 1, Math.max(0, Math.floor((time - start) / seconds)));
    const bucket = found.get(column);
    if (bucket === undefined) found.set(column, [value / factor]);
    else bucket.push(value / factor);
  }
  return Array.from({ length: count }, (_, column) => {
    const known = found.get(column);
    if (known === undefined) return undefined;
    const [least, most] = extent(known);
    // Divided first: the sum may be too large.
    const mean = known.reduce((sum, value) => sum + value / known.length, 0);
    return { time: (start + (column + 0.5) * seconds) * 1000, least, mean, most };
  });
}

/** The unit of a panel, and how many of its figures' own unit it is. */
function unitFor(unit: ChartFigure["unit"], most: number): { unit: string; factor: number } {
  if (unit !== "KiB/s") return { unit, factor: 1 };
  let [index, factor] = [0, 1];
  while (most / factor >= TOO_MANY && index < RATES.length - 1) [index, factor] = [index + 1, factor * 1024];
  return { unit: RATES[index] ?? unit, factor };
}

/** Puts figures into panels, in their order, with at most `columns` points a line; figures without a value are left out. */
export function panelsOf({ times, figures }: ChartData, columns: number): Panels {
  const known = figures.filter(({ values }) => times.some((_, index) => drawable(values[index])));
  const stretch = stretches(times, columns);
  const panels = [...new Set(known.map(({ group }) => group))].map((group) => {
    const own = known.filter((figure) => figure.group === group);
    const [, most] = extent(own.flatMap(({ values }) => values.filter(drawable)));
    const { unit, factor } = unitFor(own[0]?.unit ?? "", most);
    const lines = own.map(({ what, colour, values }, index) => ({
      what,
      colour: colour ?? index,
      buckets: bucketsOf(times, values, factor, stretch),
    }));
    const drawn = lines.flatMap(({ buckets }) => buckets.filter((bucket) => bucket !== undefined));
    const [least] = extent(drawn.map((bucket) => bucket.least));
    return { group, unit, lines, least, most: extent(drawn.map((bucket) => bucket.most))[1] };
  });
  return { panels, seconds: stretch.seconds };
}
