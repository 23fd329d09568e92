/** Puts one request through a PVE in memory, in the order in which PVE looks at it. */
import { authenticate, type Identity, idOf, permit, Rights } from "./access.ts";
import { type Clock, Engine } from "./engine.ts";
import { demoCluster } from "./demo.ts";
import { bare, die, Failure, invalid } from "./failure.ts";
import { METHODS, parametersOf, pathOf, type SimulatedRequest } from "./request.ts";
import { createRouter } from "./router.ts";
import { dueJob, runJobs } from "./routes/jobs.ts";
import { type Context, invoke, simulated, Total } from "./routes/mod.ts";
import { schemaOf } from "./schema.ts";
import type { State } from "./state.ts";
import { type Raw, validate } from "./validate.ts";

/** An answer as it stands on the wire. */
export interface SimulatedAnswer {
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What was asked and how it was answered, without secrets. */
export interface RequestRecord {
  readonly method: string;
  /** Below /api2/json, without the query. */
  readonly path: string;
  /** The call of the schema; undefined where there is none. */
  readonly call: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
  readonly status: number;
  /** "user@realm!token"; undefined where nobody was recognised. */
  readonly user: string | undefined;
}

/** Everything is optional: by default the demo cluster, on the system clock, ten times as fast. */
export interface SimulatorOptions {
  /** Multiplies the duration of tasks: 1 = a few seconds each as on a small PVE, 0 = done at once. Default 0.1 */
  readonly pace?: number;
  /** Tests hand in a clock that they turn. Default: the system's. */
  readonly clock?: Clock;
  /** Default: demoCluster(). */
  readonly state?: State;
  /** Told of every request after it was answered. */
  readonly onRequest?: (record: RequestRecord) => void;
}

/** A PVE in memory. */
export interface Simulator {
  /** Answers like PVE's API daemon. */
  answer(request: SimulatedRequest): Promise<SimulatedAnswer>;
  readonly state: State;
  /** Its clock, in milliseconds since the epoch. */
  now(): number;
  /** Runs what is due (scheduled backups with their pruning, finished tasks) up to the clock's now. */
  tick(): void;
}

/** A record while the request is under way. */
type Draft = { -readonly [K in keyof RequestRecord]: RequestRecord[K] };

const SECRETS = new Set(["password", "cipassword", "sshkeys", "ssh-public-keys"]);
const find = createRouter(simulated);
const JSON_TYPE = "application/json;charset=UTF-8";

function failed(failure: Failure): SimulatedAnswer {
  if (failure.body.form === "empty") {
    return { status: failure.status, reason: failure.reason, headers: { connection: "close" }, body: "" };
  }
  const message = failure.reason + (failure.body.newline ? "\n" : "");
  const { errors } = failure.body;
  return {
    status: failure.status,
    reason: failure.reason,
    headers: { "content-type": JSON_TYPE },
    body: JSON.stringify({ data: null, message, ...(errors === undefined ? {} : { errors }) }),
  };
}

function succeeded(result: unknown): SimulatedAnswer {
  const body = result instanceof Total
    ? { data: result.data, ...(result.total > 0 ? { total: result.total } : {}) }
    : { data: result ?? null };
  return { status: 200, reason: "OK", headers: { "content-type": JSON_TYPE }, body: JSON.stringify(body) };
}

/** @throws {Failure} for a node that does not exist (captured 095) or is off */
function reachNode(state: State, name: string): void {
  const node = state.nodes.get(name);
  if (node === undefined) {
    die(
      `hostname lookup '${name}' failed - failed to get address info for: ${name}: Temporary failure in name resolution`,
    );
  }
  if (!node.online) bare(595, "No route to host");
}

/** A PVE in memory, ready to answer. */
export function createSimulator(options: SimulatorOptions = {}): Simulator {
  const clock = options.clock ?? { now: () => Date.now() };
  const state = options.state ?? demoCluster(clock.now());
  const engine = new Engine(state, clock, options.pace ?? 0.1);
  const tick = () => engine.catchUp(() => dueJob(state)?.next, () => runJobs(engine));

  function handle(
    request: SimulatedRequest,
    record: Draft,
  ): unknown {
    if (!METHODS.includes(request.method)) bare(501, `method '${request.method}' not available`);
    const path = pathOf(request.url);
    if (path === undefined) bare(501, `no such file '${request.url}'`);
    record.path = `/${path.segments.join("/")}`;
    const identity: Identity = authenticate(state, request.method, request.headers, clock.now());
    record.user = idOf(identity);
    const given = parametersOf(request, path.query);
    record.params = Object.fromEntries(
      [...given].map(([name, value]) => [name, SECRETS.has(name) ? "<hidden>" : value]),
    );
    return dispatch(identity, request.method, path.segments, given, (call) => record.call = call);
  }

  function dispatch(
    identity: Identity,
    method: string,
    segments: readonly string[],
    given: ReadonlyMap<string, Raw>,
    note: (call: string) => void,
  ): unknown {
    const found = find(method, segments);
    if (found === undefined) {
      const reason = `Method '${method} /${segments.join("/")}' not implemented`;
      throw new Failure(501, reason, { form: "json", newline: false });
    }
    note(found.call);
    const params = new Map<string, Raw>(found.variables);
    for (const [name, value] of given) {
      const fixed = found.variables.get(name);
      if (fixed !== undefined && fixed !== value) {
        invalid({ [name]: "duplicate parameter (already defined in URI) with conflicting values!" }); // captured 111
      }
      params.set(name, value);
    }
    const schema = schemaOf(found.call);
    const rights = new Rights(state, identity);
    permit(rights, schema.permissions, params);
    const node = found.variables.get("node");
    if (node !== undefined) reachNode(state, node);
    const checked = validate(schema.parameters, params);
    if ("errors" in checked) invalid(checked.errors);
    const context: Context = {
      state,
      engine,
      identity,
      rights,
      dispatch: (verb, path, more) => dispatch(identity, verb, path, more, () => {}),
    };
    return invoke(found.call, context, checked.values);
  }

  function answer(request: SimulatedRequest): SimulatedAnswer {
    tick();
    const record: Draft = {
      method: request.method,
      path: request.url.split("?")[0] ?? "",
      call: undefined,
      params: {},
      status: 200,
      user: undefined,
    };
    let result: SimulatedAnswer;
    try {
      result = succeeded(handle(request, record));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      result = failed(error);
    }
    options.onRequest?.({ ...record, status: result.status });
    return result;
  }
  return { answer: (request) => Promise.try(answer, request), state, now: () => clock.now(), tick };
}
