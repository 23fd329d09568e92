/** Tools that show load over time, from PVE's own records: few enough figures for a model to read. */
import { z } from "zod";
import { findGuest } from "../pve/guests.ts";
import { type Fields, numberOf } from "../shape/fields.ts";
import { moment } from "../shape/times.ts";
import { type Series, trendIn } from "../shape/trend.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import { withKnownNodes } from "./nodes.ts";
import * as params from "./params.ts";

/** How one line of an answer comes out of a row of PVE's. */
interface Figure {
  readonly what: string;
  /** What it is drawn together with. */
  readonly group: "Usage" | "Load" | "Network" | "Disk" | "Pressure";
  readonly unit: "%" | "KiB/s" | "";
  /** Where a chart of nodes and one of guests would else colour the same thing differently (src/chart/panels.ts). */
  readonly colour?: number;
  readonly of: (row: Fields) => number | undefined;
  /** Left out where it is nought all the time. */
  readonly seldom?: true;
}

/** Less than nothing is no figure. */
function numberIn(value: unknown): number | undefined {
  const number = numberOf(value);
  return number !== undefined && number >= 0 ? number : undefined;
}

/** A share of something that stands in another field, or in none, in percent. */
function share(field: string, total?: string): Figure["of"] {
  return (row) => {
    const [part, whole] = [numberIn(row[field]), total === undefined ? 1 : numberIn(row[total])];
    return part === undefined || whole === undefined || whole === 0 ? undefined : part / whole * 100;
  };
}

const plain = (field: string): Figure["of"] => (row) => numberIn(row[field]);
const rate = (field: string): Figure["of"] => (row) => {
  const bytes = numberIn(row[field]);
  return bytes === undefined ? undefined : bytes / 1024;
};

/** Time in which something had to wait for it; since PVE 9. */
const pressures: readonly Figure[] = ["cpu", "io", "memory"].map((what) => ({
  what: `${what} pressure`,
  group: "Pressure",
  unit: "%",
  of: plain(`pressure${what}some`),
  seldom: true,
}));

const traffic: readonly Figure[] = [
  { what: "network in", group: "Network", unit: "KiB/s", of: rate("netin") },
  { what: "network out", group: "Network", unit: "KiB/s", of: rate("netout") },
];

// The names of the fields are those of PVE's statistics daemon (pvestatd).
const ofGuests: readonly Figure[] = [
  { what: "cpu", group: "Usage", unit: "%", of: share("cpu") },
  { what: "memory", group: "Usage", unit: "%", of: share("mem", "maxmem") },
  // Of a VM, PVE does not know how full its disks are: always nought.
  { what: "disk used", group: "Usage", unit: "%", colour: 3, of: share("disk", "maxdisk"), seldom: true },
  { what: "disk read", group: "Disk", unit: "KiB/s", of: rate("diskread") },
  { what: "disk write", group: "Disk", unit: "KiB/s", of: rate("diskwrite") },
  ...traffic,
  ...pressures,
];

const ofNodes: readonly Figure[] = [
  { what: "cpu", group: "Usage", unit: "%", of: share("cpu") },
  { what: "io wait", group: "Usage", unit: "%", colour: 2, of: share("iowait") },
  { what: "load", group: "Load", unit: "", of: plain("loadavg") },
  { what: "memory", group: "Usage", unit: "%", colour: 1, of: share("memused", "memtotal") },
  { what: "swap", group: "Usage", unit: "%", colour: 4, of: share("swapused", "swaptotal"), seldom: true },
  { what: "root file system", group: "Usage", unit: "%", colour: 3, of: share("rootused", "roottotal") },
  ...traffic,
  ...pressures,
];

const input = {
  timeframe: z.enum(["hour", "day", "week", "month", "year"]).default("day"),
  chart: z.enum(["small", "medium", "large"]).optional().describe("Adds a picture for the user"),
};

const output = {
  period: z.string().describe("From, to, and over how long each value is an average"),
  metrics: z.array(z.object({
    metric: z.string(),
    unit: z.string().optional(),
    min: z.number(),
    mean: z.number(),
    max: z.number(),
    last: z.number(),
    trend: z.string(),
    course: z.string(),
  })),
  notes: params.notes,
};

/** Seconds as "1 min", "30 min", "6 h". */
function duration(seconds: number): string {
  return seconds >= 3600 ? `${Math.round(seconds / 360) / 10} h` : `${Math.round(seconds / 6) / 10} min`;
}

/** The series of each figure that has any value, in PVE's order of time. */
export function seriesIn(
  rows: readonly Fields[],
  figures: readonly Figure[],
): { readonly times: number[]; readonly series: { readonly figure: Figure; readonly values: Series }[] } {
  const sorted = rows.flatMap((row) => {
    const time = numberIn(row.time);
    return time === undefined ? [] : [{ time, row }];
  }).sort((a, b) => a.time - b.time);
  return {
    times: sorted.map(({ time }) => time),
    series: figures.flatMap((figure) => {
      const values = sorted.map(({ row }) => figure.of(row));
      const known = values.filter((value) => value !== undefined);
      if (known.length === 0 || (figure.seldom === true && known.every((value) => value === 0))) return [];
      return [{ figure, values }];
    }),
  };
}

/** Whom an answer is about, and how it is wanted. */
interface Wish {
  readonly title: string;
  readonly chart: "small" | "medium" | "large" | undefined;
  /** What it means that there is no figure. */
  readonly why: string;
}

/** The answer to either tool but for whom it is about, and its picture. */
async function answerOf(
  rows: readonly Fields[],
  figures: readonly Figure[],
  { title, chart, why }: Wish,
  { show }: Pick<ToolContext, "show">,
) {
  const { times, series } = seriesIn(rows, figures);
  if (chart !== undefined && series.length > 0) {
    const { drawChart } = await import("../chart/png.ts");
    const drawn = series.map(({ figure: { what, group, unit, colour }, values }) => ({
      what,
      group,
      unit,
      colour,
      values,
    }));
    const bytes = await drawChart({ title, times, figures: drawn }, chart);
    if (bytes !== undefined) show({ mimeType: "image/png", bytes });
  }
  const [first, second] = times;
  const last = times.at(-1);
  const metrics = series.flatMap(({ figure: { what, unit }, values }) => {
    const trend = trendIn(values);
    return trend === undefined ? [] : [{ metric: what, ...(unit === "" ? {} : { unit }), ...trend }];
  });
  const silent = series[0]?.values.filter((value) => value === undefined).length ?? 0;
  const notes = [
    ...(metrics.length === 0
      ? [`PVE has no figures for this time: ${why}${chart === undefined ? "" : "; there is nothing to draw"}`]
      : []),
    ...(silent > 0 ? [`No figures for ${silent} of ${times.length} moments ("·"): ${why}`] : []),
  ];
  return {
    period: first === undefined || last === undefined || second === undefined
      ? "unknown"
      : `${moment(first)} to ${moment(last)}, ${duration(second - first)} each`,
    metrics,
    ...(notes.length > 0 ? { notes } : {}),
  };
}

export const guestMetrics = defineTool({
  name: "guest_metrics",
  title: "Load of a guest over time",
  description:
    "Shows CPU, memory, disk and network of a VM or container over an hour up to a year: min, mean, max, trend, and the course as a line of bars.",
  tier: "read",
  toolset: "inside",
  input: z.strictObject({ ...params.guestToRead, ...input }),
  output: z.object({ vmid: z.number(), node: z.string(), ...output }),
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/qemu/{vmid}/rrddata",
    "GET /nodes/{node}/lxc/{vmid}/rrddata",
  ],
  privileges: [{ path: "/vms/{vmid}", any: ["VM.Audit"] }],
  async run({ timeframe, chart, ...address }, { pve, signal, show }) {
    const { vmid, node, kind, name } = await findGuest(pve, address, undefined, "", { signal });
    const rows: readonly Fields[] = kind === "vm"
      ? await pve.call("GET /nodes/{node}/qemu/{vmid}/rrddata", { node, vmid, timeframe }, { signal })
      : await pve.call("GET /nodes/{node}/lxc/{vmid}/rrddata", { node, vmid, timeframe }, { signal });
    const title = `${name ?? "A guest"} · ${params.guestKinds[kind].word} ${vmid} on ${node}`;
    const why = "the guest was off, or did not exist yet";
    return { vmid, node, ...await answerOf(rows, ofGuests, { title, chart, why }, { show }) };
  },
});

export const nodeMetrics = defineTool({
  name: "node_metrics",
  title: "Load of a node over time",
  description:
    "Shows CPU, I/O wait, load, memory, disk and network of a node over an hour up to a year, as guest_metrics does of a guest.",
  tier: "read",
  toolset: "inside",
  input: z.strictObject({ node: params.node, ...input }),
  output: z.object({ node: z.string(), ...output }),
  calls: ["GET /nodes", "GET /nodes/{node}/rrddata"],
  privileges: [{ path: "/nodes/{node}", any: ["Sys.Audit"] }],
  async run({ node, timeframe, chart }, { pve, signal, show }) {
    const rows: readonly Fields[] = await pve.call("GET /nodes/{node}/rrddata", { node, timeframe }, { signal })
      .catch(async (error: unknown) => {
        throw await withKnownNodes(
          error,
          async () => (await pve.call("GET /nodes", {}, { signal })).map((row) => row.node),
        );
      });
    const why = "the node was off, or is new";
    return { node, ...await answerOf(rows, ofNodes, { title: `Node ${node}`, chart, why }, { show }) };
  },
});
