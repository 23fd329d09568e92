/** The one way of a call to the network: through admit(), then to the transport; only reads are ever repeated. */
import { admit, type Admitted } from "../safety/gate.ts";
import type { Answer, RequestRecord, Send, SendOptions } from "./client.ts";
import { cancelled, isBrokenConnection } from "./faults.ts";

export type { RequestRecord } from "./client.ts";

/** Sends one admitted request once. Throws a PveError when no whole answer came. */
export type Transport = (request: Admitted, options: SendOptions) => Promise<Answer>;

export interface ConnectOptions {
  /** How often a GET is repeated at most: after 100 ms, 300 ms, 900 ms. */
  readonly retries?: number;
  /** Told of every request that was sent, repeated ones included. */
  readonly onRequest?: (record: RequestRecord) => void;
}

/** Answers of a proxy, or of PVE about a node behind it, that are often gone a moment later. */
const passing: ReadonlySet<number> = new Set([502, 503, 595, 596]);

/** A GET that was this slow (ms) is not repeated: the client would give up before the next answer. */
const patienceMs = 10_000;

function names(encoded: string | undefined): string[] {
  return encoded === undefined || encoded === "" ? [] : [...new URLSearchParams(encoded).keys()];
}

/** Resolves after `ms` milliseconds, or at once when the signal aborts. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
    if (signal?.aborted) done();
  });
}

/**
 * Joins the gate and a transport. The function it returns throws a Refusal for what the gate does not admit, and a
 * PveError when no whole answer came.
 */
export function connect(transport: Transport, options: ConnectOptions = {}): Send {
  const { retries = 3, onRequest } = options;

  async function once(request: Admitted, sendOptions: SendOptions): Promise<Answer> {
    const started = performance.now();
    let status: number | undefined;
    let date: string | undefined;
    try {
      const answer = await transport(request, sendOptions);
      ({ status, date } = answer);
      return answer;
    } finally {
      const record: RequestRecord = {
        call: request.call,
        method: request.method,
        path: request.path,
        query: names(request.query),
        body: names(request.body),
        status,
        ...(date === undefined ? {} : { date }),
        durationMs: performance.now() - started,
      };
      sendOptions.onRequest?.(record);
      onRequest?.(record);
    }
  }

  return async (call, params, sendOptions) => {
    const request = admit(call, params);
    const started = performance.now();
    for (let attempt = 0;; attempt++) {
      if (sendOptions.signal?.aborted) throw cancelled(call);
      const last = request.method !== "GET" || attempt >= retries;
      try {
        const answer = await once(request, sendOptions);
        if (last || !passing.has(answer.status) || performance.now() - started > patienceMs) return answer;
      } catch (error) {
        if (last || !isBrokenConnection(error) || performance.now() - started > patienceMs) throw error;
      }
      await pause(100 * 3 ** attempt, sendOptions.signal);
    }
  };
}
