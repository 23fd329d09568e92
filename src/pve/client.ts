/** The typed client: one call function for everything in the catalogue. Order: narrow, state check, gate, network, decode. */
import { PveError, Refusal } from "../errors.ts";
import { runCheck } from "../safety/checks.ts";
import { entryOf } from "../safety/gate.ts";
import type { Call } from "../safety/catalogue.ts";
import { decode, DecodeError } from "./decode.ts";
import { answerError } from "./errors.ts";
import type { PveApi } from "./schema.gen.ts";
import { shapes } from "./shapes.gen.ts";

export type { Call } from "../safety/catalogue.ts";
export type Params<C extends Call> = PveApi[C]["params"];
export type Result<C extends Call> = PveApi[C]["result"];

/** An answer of PVE with its body read. */
export interface Answer {
  readonly status: number;
  /** The reason phrase: PVE puts its error text there. */
  readonly reason: string;
  readonly contentType: string;
  readonly body: string;
  /** PVE's clock, as its Date header says. */
  readonly date?: string;
  /** Where a redirect leads. */
  readonly location?: string;
}

/** What a request was, for tracing and auditing: names of parameters, never their values. */
export interface RequestRecord {
  readonly call: string;
  readonly method: string;
  /** With its variables filled in, as in "/nodes/pve1/qemu". */
  readonly path: string;
  /** The names of the parameters in the query. */
  readonly query: readonly string[];
  /** The names of the parameters in the body. */
  readonly body: readonly string[];
  /** The HTTP status; undefined when no answer came. */
  readonly status: number | undefined;
  /** PVE's clock, as the Date header of its answer says. */
  readonly date?: string;
  readonly durationMs: number;
}

export interface SendOptions {
  /** Cancels the request; a write that has left may still take effect. */
  readonly signal?: AbortSignal | undefined;
  /** Told of every request that is sent for this call, those of state checks and repeated ones included. */
  readonly onRequest?: ((record: RequestRecord) => void) | undefined;
  /** Told how many rows there are in all, where PVE puts that beside a page of them. */
  readonly onTotal?: ((total: number) => void) | undefined;
}

/** Puts a call through the gate and to PVE. */
export type Send = (call: Call, params: Readonly<Record<string, unknown>>, options: SendOptions) => Promise<Answer>;

/** `in`: a client for more calls serves as a client for fewer, never the other way round. */
export interface PveClient<in C extends Call = Call> {
  /**
   * @throws {Refusal} when the catalogue or a state check forbids it
   * @throws {PveError} when PVE, or the way to it, fails
   */
  call<K extends C>(call: K, params: Params<K>, options?: SendOptions): Promise<Result<K>>;
}

export function createClient(send: Send): PveClient {
  async function raw(call: Call, params: Readonly<Record<string, unknown>>, options: SendOptions): Promise<unknown> {
    const answer = await send(call, params, options);
    if (answer.status !== 200) throw answerError(answer, call, params);
    try {
      const body: unknown = JSON.parse(answer.body);
      const data = typeof body === "object" && body !== null && "data" in body ? body.data : undefined;
      if (typeof body === "object" && body !== null && "total" in body) options.onTotal?.(Number(body.total));
      return decode(data, shapes[call]);
    } catch (error) {
      if (!(error instanceof SyntaxError) && !(error instanceof DecodeError)) throw error;
      // A proxy's login page is no answer of PVE's: say so.
      if (!(error instanceof DecodeError) && /html/i.test(answer.contentType)) throw answerError(answer, call, params);
      const wrong = error instanceof DecodeError ? error.message : "it is not JSON";
      const write = !call.startsWith("GET ");
      throw new PveError(
        `Cannot read the answer to ${call}: ${wrong}${write ? "; PVE may still have carried it out" : ""}`,
        {
          kind: "unreadable",
          status: answer.status,
          call,
          remedy: (write ? "Look at the state and the tasks before repeating it. " : "") +
            "Check that PROXMOX_HOST and PROXMOX_PORT name the PVE API itself, not a proxy or another service",
        },
        { cause: error },
      );
    }
  }
  const client: PveClient = {
    async call<K extends Call>(call: K, params: Params<K>, options: SendOptions = {}): Promise<Result<K>> {
      const given: Readonly<Record<string, unknown>> = { ...params };
      const check = entryOf(call).check;
      const added = check === undefined ? {} : await runCheck(check, call, given, client, options);
      const data = await raw(call, { ...given, ...added }, options);
      // deno-lint-ignore proxmox-mcp/no-as -- decode() has just checked the answer against the declared shape
      return data as Result<K>;
    },
  };
  return client;
}

/** A client for the calls that a tool declares; everything else does not compile, and is refused at run time. */
export function narrow<C extends Call>(pve: PveClient, calls: readonly C[]): PveClient<C> {
  return {
    call(call, params, options) {
      if (!calls.includes(call)) {
        return Promise.reject(new Refusal(`Refused ${call}: the tool does not declare it`));
      }
      return pve.call(call, params, options);
    },
  };
}
