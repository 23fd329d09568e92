/** Sends admitted requests over HTTPS with undici, the only HTTP client here that never sends a request twice by itself. */
import type { Pool } from "undici";
import type { Target } from "../config/settings.ts";
import { Refusal } from "../errors.ts";
import { type Admitted, isAdmitted } from "../safety/gate.ts";
import type { Answer, SendOptions } from "./client.ts";
import type { Transport } from "./connection.ts";
import { exchange } from "./exchange.ts";
import { authority, Fault, networkError } from "./faults.ts";
import type { Connector } from "./trust.ts";

/** PVE closes an idle connection after 5 s; a write on one that is being closed could not be repeated. */
const idleMs = 2000;

function cancelled(): Fault {
  return new Fault("cancelled", "the caller gave up");
}

/** Lets a number of holders in at a time, the others in the order they came. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];
  constructor(count: number) {
    this.#free = count;
  }
  /** Resolves when there is room; rejects with a Fault when the signal aborts first. */
  async enter(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw cancelled();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(cancelled());
      };
      this.#waiting.push(enter);
      signal?.addEventListener("abort", giveUp, { once: true });
    });
  }
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

/**
 * The way to one PVE host. undici is loaded, and the first connection made, at the first request; `warn` is told once
 * when the host's certificate is not verified. A request throws a Refusal if the gate has not built it, and a PveError if
 * no whole answer came within target.timeoutSeconds.
 */
export function undiciTransport(
  target: Target,
  warn: (message: string) => void,
): Transport & { close(): Promise<void> } {
  const slots = new Slots(target.maxConnections);
  let opened: Promise<{ pool: Pool; connector: Connector }> | undefined;

  async function open() {
    // By its default export: a bundle offers nothing else of a CommonJS package that is loaded late.
    const [{ default: undici }, trust] = await Promise.all([import("undici"), import("./trust.ts")]);
    const connector = trust.createConnector(target, warn);
    const pool = new undici.Pool(`https://${authority(target)}`, {
      connect: (_options, done) => connector.connect(done),
      connections: target.maxConnections,
      pipelining: 1,
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: idleMs,
      // undici's own timers are late by up to a second; ours below covers the whole request.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return { pool, connector };
  }

  const authorization = `PVEAPIToken=${target.tokenId}=${target.tokenValue}`;

  async function transport(request: Admitted, { signal }: SendOptions): Promise<Answer> {
    if (!isAdmitted(request)) throw new Refusal("Refused a request that the gate has not built");
    opened ??= open();
    const { pool } = await opened;
    let giveUp: (() => void) | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await slots.enter(signal);
      // The turn may have come in the moment of the abort, which nobody heard.
      if (signal?.aborted) {
        slots.leave();
        throw cancelled();
      }
      const { answer, over, end } = exchange(pool, request, authorization);
      void over.then(() => slots.leave());
      giveUp = () => end(cancelled());
      signal?.addEventListener("abort", giveUp, { once: true });
      timer = setTimeout(() => end(new Fault("timeout", "no answer")), target.timeoutSeconds * 1000);
      return await answer;
    } catch (error) {
      throw networkError(error, target, request.call);
    } finally {
      clearTimeout(timer);
      if (giveUp !== undefined) signal?.removeEventListener("abort", giveUp);
    }
  }

  return Object.assign(transport, {
    /** Drops all connections; requests still under way fail. */
    async close(): Promise<void> {
      if (opened === undefined) return;
      const { pool, connector } = await opened;
      connector.close();
      await pool.destroy();
    },
  });
}
