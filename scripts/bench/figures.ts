/** How the bench sums up and prints: percentiles, ratios, tables in Markdown. */

/** The value below which `share` (0–1) of the samples lie: the nearest rank. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** How many times the floor a value is, as in "2.4×". */
export function ratio(value: number, floor: number): string {
  const times = value / floor;
  return `${times < 10 ? times.toFixed(1) : whole(times)}×`;
}

/** Milliseconds, as in "104" or "1.52". */
export function ms(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

/** A whole number with separators, as in "12,345". */
export function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** A table in Markdown whose first column is text and whose others are figures. */
export function figureTable(title: string, header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(3, ...lines.map((line) => [...line[column] ?? ""].length)));
  const drawn = lines.map((line) =>
    `| ${
      widths.map((width, column) => {
        const cell = line[column] ?? "";
        return column === 0 ? cell + " ".repeat(width - [...cell].length) : cell.padStart(width);
      }).join(" | ")
    } |`
  );
  const rule = `| ${
    widths.map((width, column) => column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")
  } |`;
  return [`### ${title}`, "", drawn[0], rule, ...drawn.slice(1), ""].join("\n");
}

/** A figure, and what it should be. */
export interface Goal {
  readonly what: string;
  readonly value: string;
  readonly goal: string;
  readonly reached: boolean;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}
