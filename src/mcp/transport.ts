/**
 * Lines on a pair of streams: cuts what comes in, joins what goes out, and survives whatever the other side sends. The SDK's
 * own transport drops lines that are no messages without an answer, and ends the connection at a line that is too long.
 */
import { Buffer } from "node:buffer";
import type { JSONRPCMessage } from "@modelcontextprotocol/server";
import {
  errorAnswer,
  type Id,
  type Incoming,
  INVALID_REQUEST,
  type Message,
  type Notification,
  PARSE_ERROR,
  readLine,
} from "./message.ts";
import type { Outgoing } from "./outgoing.ts";

/** The two ends of a connection. */
export interface Streams {
  /** What the client says, in chunks that are not written to again. */
  readonly incoming: AsyncIterable<unknown>;
  readonly outgoing: Outgoing;
}

/** Bytes of the longest line. PVE takes half a megabyte at most, so nothing sensible comes near. */
const LONGEST_LINE = 4 * 1024 * 1024;

/** Characters of answers that may wait for a client that does not read; then no more of its requests are read. */
const MOST_WAITING = 16 * 1024 * 1024;

const NEWLINE = 10;

/** A connection in messages. */
export interface Wire {
  /** Whether batches are part of the revision that was agreed on; only 2025-03-26 has them. */
  batches: boolean;
  /** Sends one message; an answer to a request of a batch waits for the others. */
  send(message: JSONRPCMessage): void;
  /** Stops reading and writing. */
  close(): void;
}

/** Answers that go out together. */
interface Batch {
  readonly waiting: Set<Id>;
  readonly answers: JSONRPCMessage[];
}

/**
 * Opens the connection. `receive` gets every request, notification and response; what is none of them has been answered.
 * `ended` is told once when the client has closed its end, or reads no more; a last line without an end is no message.
 * Answers go out until the wire is closed.
 */
export function openWire(
  { incoming, outgoing }: Streams,
  receive: (message: Message) => void,
  ended: () => void,
): Wire {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const batched = new Map<Id, Batch>();
  let parts: Uint8Array[] = [];
  let length = 0;
  let open = true;
  let over = false;

  function write(value: JSONRPCMessage | readonly JSONRPCMessage[]): void {
    if (open) outgoing.write(`${JSON.stringify(value)}\n`);
  }

  function send(message: JSONRPCMessage): void {
    const id = answeredBy(message);
    const batch = id === undefined ? undefined : batched.get(id);
    if (id === undefined || batch === undefined) return write(message);
    batch.answers.push(message);
    settle(id, batch);
  }

  function settle(id: Id, batch: Batch): void {
    batched.delete(id);
    batch.waiting.delete(id);
    if (batch.waiting.size === 0 && batch.answers.length > 0) write(batch.answers);
  }

  function take(message: Incoming): void {
    if (message.kind === "fault") return send(errorAnswer(message.id, message.code, message.message));
    if (message.kind === "notification") {
      // A request that is cancelled gets no answer: its batch must not wait for one.
      const id = cancelledBy(message);
      const batch = id === undefined ? undefined : batched.get(id);
      if (id !== undefined && batch !== undefined) settle(id, batch);
      if (message.method === "") return;
    }
    receive(message);
  }

  function takeBatch(messages: readonly Incoming[]): void {
    if (!wire.batches) {
      return write(errorAnswer(
        undefined,
        INVALID_REQUEST,
        "Invalid request: batches belong to revision 2025-03-26 only; send each message on a line of its own",
      ));
    }
    const batch: Batch = { waiting: new Set(), answers: [] };
    const taken = messages.map((message): Incoming => {
      if (message.kind !== "request") return message;
      const reason = message.method === "initialize"
        ? "initialize cannot be part of a batch"
        : batched.has(message.id)
        ? "the id is in use"
        : undefined;
      if (reason !== undefined) {
        return { ...message, kind: "fault", code: INVALID_REQUEST, message: `Invalid request: ${reason}` };
      }
      batch.waiting.add(message.id);
      batched.set(message.id, batch);
      return message;
    });
    for (const message of taken) {
      if (message.kind === "fault") batch.answers.push(errorAnswer(message.id, message.code, message.message));
    }
    if (batch.waiting.size === 0 && batch.answers.length > 0) write(batch.answers);
    for (const message of taken) if (message.kind !== "fault") take(message);
  }

  function takeLine(): void {
    const bytes = parts.length === 1 ? parts[0] : Buffer.concat(parts);
    const tooLong = length > LONGEST_LINE;
    parts = [];
    length = 0;
    if (tooLong) {
      return write(errorAnswer(
        undefined,
        INVALID_REQUEST,
        `Invalid request: the line is longer than ${LONGEST_LINE} bytes`,
      ));
    }
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      return write(errorAnswer(undefined, PARSE_ERROR, "Parse error: the line is not UTF-8"));
    }
    const line = readLine(text);
    if (line.batch) takeBatch(line.messages);
    else for (const message of line.messages) take(message);
  }

  function keep(part: Uint8Array): void {
    length += part.length;
    if (length > LONGEST_LINE) parts = [];
    else if (part.length > 0) parts.push(part);
  }

  function read(chunk: Uint8Array): void {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0 && open; at = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, at));
      takeLine();
      from = at + 1;
    }
    keep(chunk.subarray(from));
  }

  async function readAll(): Promise<void> {
    const chunks = incoming[Symbol.asyncIterator]();
    while (open) {
      // A broken pipe is an end, too.
      const { done, value } = await chunks.next().catch(() => ({ done: true, value: undefined }));
      if (done === true || !open) break;
      if (value instanceof Uint8Array) read(value);
      if (outgoing.waiting > MOST_WAITING) await outgoing.drained();
    }
    end();
  }

  function end(): void {
    if (!open || over) return;
    over = true;
    ended();
  }

  const wire: Wire = {
    batches: false,
    send,
    close() {
      open = false;
    },
  };
  outgoing.closed.then(end);
  void readAll();
  return wire;
}

/** The id of the request that a message answers. */
function answeredBy(message: JSONRPCMessage): Id | undefined {
  return "method" in message ? undefined : message.id;
}

/** The id of the request that a notification cancels. */
export function cancelledBy(message: Notification): Id | undefined {
  const id = message.method === "notifications/cancelled" ? message.params?.requestId : undefined;
  return typeof id === "string" || typeof id === "number" ? id : undefined;
}
