/** What every route gets, and how it answers. */
import type { Identity, Rights } from "../access.ts";
import type { Engine, Plan } from "../engine.ts";
import type { SimulatorCall } from "../schema.ts";
import type { SimulatorApi } from "../schema.gen.ts";
import type { State } from "../state.ts";
import type { Raw } from "../validate.ts";

/** The cluster, and who asks. */
export interface Context {
  readonly state: State;
  readonly engine: Engine;
  readonly identity: Identity;
  readonly rights: Rights;
  /** Answers another call in the same breath, for batches. */
  dispatch(method: string, path: readonly string[], params: ReadonlyMap<string, Raw>): unknown;
}

/** Answers one call: what it returns becomes `data`, a Failure becomes PVE's error. */
export type Route<C extends SimulatorCall> = (context: Context, params: SimulatorApi[C]) => unknown;

/** Rows with their `total` beside `data`; PVE leaves a total of 0 out (captured 078). */
export class Total {
  constructor(readonly data: readonly unknown[], readonly total: number) {}
}

/** Starts a task of the caller. */
export function start(context: Context, plan: Plan): string {
  return context.engine.start(context.identity, plan);
}

/** All parameters by name, those left out excepted. */
export function given(params: object): Map<string, unknown> {
  return new Map(Object.entries(params).filter(([, value]) => value !== undefined));
}

/** A parameter that PVE calls a string, as a string. */
export function word(value: string | number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}
