/** One request with undici, from its turn until its answer is whole. */
import { Buffer } from "node:buffer";
import { gunzipSync } from "node:zlib";
import type { Dispatcher, Pool } from "undici";
import type { Admitted } from "../safety/gate.ts";
import type { Answer } from "./client.ts";
import { Fault } from "./faults.ts";

/** The largest answer that is read, in bytes after decompression. */
const LARGEST = 32 * 1024 * 1024;

export interface Exchange {
  /** Rejects with a Fault, or with an error of undici, node:net or node:tls where no answer has begun. */
  readonly answer: Promise<Answer>;
  /** Resolves when undici is done with it: one that is given up keeps its place until its connection is made, or is not. */
  readonly over: Promise<void>;
  /** Gives up: what has not left stays here, and the connection of what has is closed. */
  end(fault: Fault): void;
}

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler["onResponseStart"]>>[2];

interface Head {
  readonly status: number;
  readonly reason: string;
  readonly headers: Headers;
}

/**
 * Sends a request with the token in `authorization`. With undici's dispatch(), which hands over the bytes as they come: its
 * request() makes a stream of them first, at the price of all that is done with an answer here.
 */
export function exchange(pool: Pool, request: Admitted, authorization: string): Exchange {
  const { promise: answer, resolve, reject } = Promise.withResolvers<Answer>();
  const { promise: over, resolve: letGo } = Promise.withResolvers<void>();
  const chunks: Buffer[] = [];
  let size = 0;
  let head: Head | undefined;
  let controller: Dispatcher.DispatchController | undefined;
  let ended: Fault | undefined;

  function end(fault: Fault): void {
    ended ??= fault;
    reject(fault);
    controller?.abort(fault);
  }

  pool.dispatch({
    method: request.method,
    path: `/api2/json${request.path}${request.query === "" ? "" : `?${request.query}`}`,
    headers: {
      authorization,
      accept: "application/json",
      "accept-encoding": "gzip",
      ...(request.body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
    },
    body: request.body ?? null,
  }, {
    onRequestStart(started) {
      controller = started;
      if (ended !== undefined) started.abort(ended);
    },
    onResponseStart(_controller, status, headers, reason = "") {
      // One below 200 announces another.
      if (status >= 200) head = { status, reason, headers };
    },
    onResponseData(_controller, chunk) {
      size += chunk.byteLength;
      if (size > LARGEST) end(oversize());
      else chunks.push(chunk);
    },
    onResponseEnd() {
      letGo();
      try {
        if (head !== undefined) resolve(answered(head, chunks));
      } catch (error) {
        reject(error);
      }
    },
    onResponseError(_controller, error) {
      letGo();
      reject(head === undefined ? error : truncated(error));
    },
  });
  return { answer, over, end };
}

/** In one go, unzipping included: to wait for another thread would cost more. */
function answered({ status, reason, headers }: Head, chunks: readonly Buffer[]): Answer {
  const location = header(headers.location);
  return {
    status,
    reason,
    contentType: header(headers["content-type"]),
    date: header(headers.date),
    body: textOf(chunks, /\bgzip\b/i.test(header(headers["content-encoding"]))),
    ...(location === "" ? {} : { location }),
  };
}

const decoder = new TextDecoder();

function textOf(chunks: readonly Buffer[], packed: boolean): string {
  const [first = Buffer.of()] = chunks;
  const whole = chunks.length > 1 ? Buffer.concat(chunks) : first;
  if (!packed) return decoder.decode(whole);
  try {
    return decoder.decode(gunzipSync(whole, { maxOutputLength: LARGEST }));
  } catch (error) {
    const large = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    throw large ? oversize() : truncated(error);
  }
}

function oversize(): Fault {
  return new Fault("oversize", `more than ${LARGEST / 1024 / 1024} MiB`);
}

function truncated(cause: unknown): Fault {
  return new Fault("truncated", cause instanceof Error ? cause.message : String(cause), undefined, { cause });
}

function header(value: string | string[] | undefined): string {
  return typeof value === "string" ? value : value?.[0] ?? "";
}
