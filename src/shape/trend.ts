/** Many values over time in a few words: least, mean, most, last, where it is going, and its course in one line. */

/** What is left of a series of values; figures have three significant digits. */
export interface Trend {
  readonly min: number;
  readonly mean: number;
  readonly max: number;
  readonly last: number;
  readonly trend: "rising" | "falling" | "steady";
  /** Its course from the first moment to the last, from nought (▁) to its maximum (█); "·" where nothing is known. */
  readonly course: string;
}

/** A value for each moment, the oldest first; undefined where there is none. */
export type Series = readonly (number | undefined)[];

const BARS = "▁▂▃▄▅▆▇█";
const UNKNOWN = "·";

/** Columns of a course: enough to see a day's shape, and each costs a model tokens. */
export const COLUMNS = 20;

/** Smaller changes than this share of the mean are no trend. */
const NOTABLE = 0.1;

/** A change of less than so many standard deviations around the line is none: a day's wave is no trend. */
const CLEAR = 5;

function short(value: number): number {
  return Number(value.toPrecision(3));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The means of at most `count` stretches of equal length; undefined for a stretch without a value. */
export function downSampled(series: Series, count: number): (number | undefined)[] {
  const columns = Math.min(count, series.length);
  return Array.from({ length: columns }, (_, column) => {
    const from = Math.floor(column * series.length / columns);
    const to = Math.floor((column + 1) * series.length / columns);
    const known = series.slice(from, to).filter((value) => value !== undefined);
    return known.length === 0 ? undefined : mean(known);
  });
}

/** Where a line through all values leads: up or down by a notable part of the mean, and far more than they scatter. */
function trendOf(series: Series, average: number): Trend["trend"] {
  const points = series.flatMap((y, x) => y === undefined ? [] : [{ x, y }]);
  const middle = mean(points.map(({ x }) => x));
  const spread = points.reduce((sum, { x }) => sum + (x - middle) ** 2, 0);
  if (spread === 0) return "steady";
  const slope = points.reduce((sum, { x, y }) => sum + (x - middle) * (y - average), 0) / spread;
  const change = slope * (series.length - 1);
  const scatter = Math.sqrt(mean(points.map(({ x, y }) => (y - average - slope * (x - middle)) ** 2)));
  if (Math.abs(change) <= Math.max(CLEAR * scatter, Math.abs(average) * NOTABLE)) return "steady";
  return change > 0 ? "rising" : "falling";
}

/** A series in a few figures; undefined where it has no value at all. Values are finite and not negative. */
export function trendIn(series: Series, columns = COLUMNS): Trend | undefined {
  const known = series.filter((value) => value !== undefined);
  const last = known.at(-1);
  if (last === undefined) return undefined;
  const average = mean(known);
  const samples = downSampled(series, columns);
  const top = Math.max(...samples.filter((value) => value !== undefined));
  const course = samples.map((value) => {
    if (value === undefined) return UNKNOWN;
    return BARS[top > 0 ? Math.round(value / top * (BARS.length - 1)) : 0] ?? UNKNOWN;
  }).join("");
  const [min, max] = known.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [
    last,
    last,
  ]);
  return {
    min: short(min),
    mean: short(average),
    max: short(max),
    last: short(last),
    trend: trendOf(series, average),
    course,
  };
}
