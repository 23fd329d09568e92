/** Sends admitted requests over HTTPS with undici, the only HTTP client here that never sends a request twice by itself. */
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { Pool } from "undici";
import type { Target } from "../config/settings.ts";
import { Refusal } from "../errors.ts";
import { type Admitted, isAdmitted } from "../safety/gate.ts";
import type { Answer, SendOptions } from "./client.ts";
import type { Transport } from "./connection.ts";
import { authority, Fault, networkError } from "./faults.ts";
import type { Connector } from "./trust.ts";

/** The largest answer that is read, in bytes after decompression. */
const answerLimit = 32 * 1024 * 1024;

/** PVE closes an idle connection after 5 s; a write on one that is being closed could not be repeated. */
const idleMs = 2000;

/** Lets a number of holders in at a time, the others in the order they came. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];
  constructor(count: number) {
    this.#free = count;
  }
  /** Resolves when there is room; rejects when the signal aborts first. */
  async enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal.reason);
      };
      this.#waiting.push(enter);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

/** The body as text; ends the connection at once when it is larger than the limit. */
async function read(body: Readable, gzip: boolean): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  async function collect(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of chunks) {
      size += chunk.byteLength;
      if (size > answerLimit) break;
      text += decoder.decode(chunk, { stream: true });
    }
    text += decoder.decode();
  }
  try {
    await (gzip ? pipeline(body, createGunzip(), collect) : collect(body));
  } catch (error) {
    // A pipeline that is left early reports that as an error of its own.
    if (size <= answerLimit) throw error;
  }
  if (size > answerLimit) throw new Fault("oversize", `more than ${answerLimit / 1024 / 1024} MiB`);
  return text;
}

function header(value: string | string[] | undefined): string {
  return typeof value === "string" ? value : value?.[0] ?? "";
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

  async function exchange(pool: Pool, request: Admitted, signal: AbortSignal): Promise<Answer> {
    const answer = await pool.request({
      method: request.method,
      path: `/api2/json${request.path}${request.query === "" ? "" : `?${request.query}`}`,
      headers: {
        authorization: `PVEAPIToken=${target.tokenId}=${target.tokenValue}`,
        accept: "application/json",
        "accept-encoding": "gzip",
        ...(request.body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
      },
      body: request.body ?? null,
      signal,
    });
    const location = header(answer.headers.location);
    try {
      return {
        status: answer.statusCode,
        reason: answer.statusText,
        contentType: header(answer.headers["content-type"]),
        date: header(answer.headers.date),
        body: await read(answer.body, /\bgzip\b/i.test(header(answer.headers["content-encoding"]))),
        ...(location === "" ? {} : { location }),
      };
    } catch (error) {
      if (error instanceof Fault || signal.aborted) throw error;
      throw new Fault("truncated", error instanceof Error ? error.message : String(error), undefined, { cause: error });
    }
  }

  async function transport(request: Admitted, options: SendOptions): Promise<Answer> {
    if (!isAdmitted(request)) throw new Refusal("Refused a request that the gate has not built");
    opened ??= open();
    const { pool } = await opened;
    const ending = new AbortController();
    const cancel = () => ending.abort(new Fault("cancelled", "the caller gave up"));
    options.signal?.addEventListener("abort", cancel, { once: true });
    if (options.signal?.aborted) cancel();
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await slots.enter(ending.signal);
      try {
        timer = setTimeout(() => ending.abort(new Fault("timeout", "no answer")), target.timeoutSeconds * 1000);
        return await exchange(pool, request, ending.signal);
      } finally {
        slots.leave();
      }
    } catch (error) {
      throw networkError(ending.signal.aborted ? ending.signal.reason : error, target, request.call);
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", cancel);
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
