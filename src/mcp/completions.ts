/** Completes the arguments of prompts and resource templates with what there is in the cluster. */
import { flat, oneLine } from "../shape/table.ts";
import { untrusted } from "../shape/untrusted.ts";
import type { Dispatch } from "./dispatch.ts";
import { type LookedUp, lookUp, type Source as From } from "./look_up.ts";
import { vmidIn } from "./resource_kinds.ts";

/** A completion as MCP has it: at most 100 values. */
export interface Completion {
  readonly values: string[];
  readonly total: number;
  readonly hasMore: boolean;
}

/** The arguments that were filled in before this one. */
export type Filled = Readonly<Record<string, string>>;

const MOST_VALUES = 100;

/** Clients ask at every keystroke: what was read stays good for this long. */
const FRESH_MS = 10_000;

/** Names of guests beside their number are for the eye. */
const LONGEST_NAME = 60;

const NOTHING: Completion = { values: [], total: 0, hasMore: false };

/** How an argument is completed: what to look up, and the value that each row offers, if any. */
interface Source {
  readonly from: From;
  /** What to look it up with; undefined where too little is filled in. */
  readonly args?: (filled: Filled) => Readonly<Record<string, unknown>> | undefined;
  /** Whether the rows come in an order that says something. */
  readonly ordered?: boolean;
  readonly value: (row: LookedUp, filled: Filled) => string | undefined;
}

const guest: Source["value"] = ({ vmid, name }) =>
  name === undefined ? flat(vmid) : `${flat(vmid)} (${oneLine(untrusted(flat(name), LONGEST_NAME))})`;

/** By the argument's name, which means the same wherever it is used. */
const sources: Readonly<Record<string, Source>> = {
  node: { from: "nodes", value: ({ node }) => flat(node) },
  vmid: { from: "guests", value: guest },
  source: { from: "guests", value: (row, filled) => row.template === true ? guest(row, filled) : undefined },
  storage: {
    from: "places",
    value: ({ storage, node, content }, filled) =>
      typeof storage === "string" && /images|rootdir/.test(flat(content)) &&
        (filled.node === undefined || filled.node === "" || filled.node === node)
        ? storage
        : undefined,
  },
  pool: { from: "places", value: ({ pool }) => typeof pool === "string" ? pool : undefined },
  snapshot: {
    from: "snapshots",
    args: ({ vmid, source }) => {
      const number = vmidIn(vmid ?? source ?? "");
      return number === undefined ? undefined : { vmid: number };
    },
    value: ({ snapshot }) => flat(snapshot),
    ordered: true,
  },
  template: {
    from: "list_templates",
    args: () => ({ kind: "container_template", limit: 500 }),
    value: ({ kind, volid }) => kind === "container_template" ? flat(volid) : undefined,
  },
  upid: { from: "tasks", value: ({ upid }) => flat(upid), ordered: true },
};

/** Completes arguments by their names; what cannot be read offers nothing, as nobody would see an error. */
export type Complete = (argument: string, text: string, filled: Filled, signal: AbortSignal) => Promise<Completion>;

export function createCompletions(dispatch: Dispatch, now: () => number = Date.now): Complete {
  const kept = new Map<string, { readonly until: number; readonly rows: Promise<LookedUp[] | undefined> }>();

  function rowsOf(from: From, args: object, signal: AbortSignal): Promise<LookedUp[] | undefined> {
    for (const [key, { until }] of kept) if (until <= now()) kept.delete(key);
    const key = JSON.stringify([from, args]);
    const present = kept.get(key);
    if (present !== undefined) return present.rows;
    const rows = lookUp(dispatch, from, { ...args }, signal);
    kept.set(key, { until: now() + FRESH_MS, rows });
    // A failure is not kept: the next keystroke may find PVE again.
    rows.then((found) => found === undefined && kept.delete(key));
    return rows;
  }

  return async (argument, text, filled, signal) => {
    const source = Object.hasOwn(sources, argument) ? sources[argument] : undefined;
    if (source === undefined) return NOTHING;
    const args = source.args === undefined ? {} : source.args(filled);
    if (args === undefined) return NOTHING;
    const rows = await rowsOf(source.from, args, signal) ?? [];
    const values = [...new Set(rows.flatMap((row) => source.value(row, filled) ?? []))];
    return matching(values, text, source.ordered !== true);
  };
}

/** The values that hold the text in any case, those that begin with it first; sorted, or in the order they came. */
export function matching(values: readonly string[], text: string, sort: boolean): Completion {
  const wanted = text.trim().toLowerCase();
  const found = values.filter((value) => value.toLowerCase().includes(wanted));
  const ordered = sort ? found.sort((a, b) => a.localeCompare(b, "en", { numeric: true })) : found;
  const first = ordered.filter((value) => value.toLowerCase().startsWith(wanted));
  const all = [...first, ...ordered.filter((value) => !value.toLowerCase().startsWith(wanted))];
  return { values: all.slice(0, MOST_VALUES), total: all.length, hasMore: all.length > MOST_VALUES };
}
