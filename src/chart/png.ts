/** Draws a chart as a PNG. Loaded with the first chart that somebody asks for: what draws is larger than all else here. */
import roboto from "@expo-google-fonts/roboto/400Regular/Roboto_400Regular.ttf" with { type: "bytes" };
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import resvg from "@resvg/resvg-wasm/index_bg.wasm" with { type: "bytes" };
import { encode } from "fast-png";
import { indexed } from "./palette.ts";
import type { ChartData } from "./panels.ts";
import { type ChartSize, FONT, svgOf } from "./svg.ts";

/** In bytes. Clients keep pictures with the conversation, and send them along with each turn of it. */
export const LARGEST_PNG = 60_000;

/** Pixels between two points of a line, where there are more points than fit. */
const SPACING = 5;

/** Wider than that it is no line any more. */
const WIDEST_SPACING = 80;

let loading: Promise<void> | undefined;

/** The chart as a PNG; undefined where no figure has a value. */
export async function drawChart(data: ChartData, size: ChartSize): Promise<Uint8Array | undefined> {
  await (loading ??= initWasm(resvg));
  for (let spacing = SPACING;;) {
    const svg = svgOf(data, size, spacing);
    if (svg === undefined) return undefined;
    const png = drawn(svg);
    if (png.length <= LARGEST_PNG || spacing > WIDEST_SPACING) return png;
    // Wild curves compress badly: fewer points.
    spacing *= Math.max(1.3, png.length / LARGEST_PNG);
  }
}

function drawn(svg: string): Uint8Array {
  const font = { fontBuffers: [roboto], loadSystemFonts: false, defaultFontFamily: FONT };
  const drawing = new Resvg(svg, { font });
  // What lies in the memory of WebAssembly is not collected.
  try {
    const image = drawing.render();
    try {
      const { width, height, pixels } = image;
      return encode({ width, height, channels: 1, ...indexed(pixels) }, { zlib: { level: 8 } });
    } finally {
      image.free();
    }
  } finally {
    drawing.free();
  }
}
