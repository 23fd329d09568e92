/** Looks at pictures: decodes a PNG, finds colours in it, and reads the scale of a chart's panels from its grid. */
import assert from "node:assert/strict";
import { decode } from "fast-png";
import { COLOURS } from "../../src/chart/svg.ts";

export type Colour = readonly [red: number, green: number, blue: number];

export interface Bitmap {
  readonly width: number;
  readonly height: number;
  at(x: number, y: number): Colour;
}

/** @throws where it is no PNG, or one that lets what is behind it shine through */
export function bitmapOf(png: Uint8Array): Bitmap {
  const { width, height, data, palette, channels, depth, transparency } = decode(png);
  assert.deepEqual([channels, depth, transparency], [1, 8, undefined]);
  assert.ok(palette !== undefined && palette.every((colour) => colour.length === 3));
  return {
    width,
    height,
    at(x, y) {
      const [red = 0, green = 0, blue = 0] = palette[data[y * width + x] ?? -1] ?? assert.fail(`nothing at ${x}, ${y}`);
      return [red, green, blue];
    },
  };
}

export function colour(hex: string): Colour {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return [red, green, blue];
}

/** The contrast of two colours as WCAG defines it, from 1 to 21. */
export function contrast(a: Colour, b: Colour): number {
  const luminance = (one: Colour) => {
    const [red = 0, green = 0, blue = 0] = one.map((part) =>
      part <= 10 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** Whether a colour is another one to the eye: shades are rounded in the picture. */
export function like([a, b, c]: Colour, [x, y, z]: Colour): boolean {
  return Math.abs(a - x) < 12 && Math.abs(b - y) < 12 && Math.abs(c - z) < 12;
}

/** A panel's lines of the grid, from the highest value to nought. */
export type Grid = readonly number[];

/** The panels of a chart, from the top: rows of pixels that are grid for the most part; the lines of one are equally far apart. */
export function gridsOf(bitmap: Bitmap): Grid[] {
  const grid = colour(COLOURS.grid);
  const rows = Array.from({ length: bitmap.height }, (_, y) => y).filter((y) => {
    const row = Array.from({ length: bitmap.width }, (_, x) => like(bitmap.at(x, y), grid));
    return row.filter((is) => is).length > bitmap.width * 0.3;
  });
  const grids: number[][] = [];
  for (const y of rows) {
    const last = grids.at(-1);
    const [before, end] = [last?.at(-2), last?.at(-1)];
    const step = before === undefined || end === undefined ? undefined : end - before;
    if (last === undefined || step !== undefined && end !== undefined && Math.abs(y - end - step) > 2) grids.push([y]);
    else last.push(y);
  }
  return grids;
}

/** The highest row between two others that shows one of the colours right of `left`. */
export function highest(
  bitmap: Bitmap,
  colours: readonly Colour[],
  [from, to]: readonly [number, number],
  left: number,
) {
  for (let y = from; y <= to; y++) {
    for (let x = left; x < bitmap.width; x++) {
      const here = bitmap.at(x, y);
      if (colours.some((one) => like(one, here))) return y;
    }
  }
  return undefined;
}

/** The colour of a line's band on the ground. */
export function bandOf(line: Colour): Colour {
  const ground = colour(COLOURS.ground);
  const [red = 0, green = 0, blue = 0] = line.map((part, index) => (ground[index] ?? 0) * 0.75 + part * 0.25);
  return [red, green, blue];
}
