/** Keeps the beginning and the end of a program's output, however long it is, and says what is missing between them. */
import { Buffer } from "node:buffer";

/** What was kept, as text. */
export interface Kept {
  readonly text: string;
  /** The bytes that were left out. */
  readonly cut: number;
}

/** Takes output piece by piece; holds no more than `limit` bytes, and makes next to no rubbish however much comes. */
export class Capture {
  readonly #half: number;
  readonly #head: Uint8Array[] = [];
  /** What came last goes round in it; `#at` is where the oldest of it is, once it is full. */
  #ring: Uint8Array | undefined;
  #at = 0;
  #headSize = 0;
  #size = 0;

  constructor(limit: number) {
    this.#half = Math.ceil(limit / 2);
  }

  /** All bytes that came. */
  get size(): number {
    return this.#size;
  }

  add(chunk: Uint8Array): void {
    this.#size += chunk.length;
    const room = Math.min(this.#half - this.#headSize, chunk.length);
    if (room > 0) {
      // A copy: the piece may be a part of something large.
      this.#head.push(chunk.slice(0, room));
      this.#headSize += room;
    }
    const rest = chunk.subarray(Math.max(room, chunk.length - this.#half));
    if (rest.length === 0) return;
    this.#ring ??= new Uint8Array(this.#half);
    const straight = Math.min(rest.length, this.#half - this.#at);
    this.#ring.set(rest.subarray(0, straight), this.#at);
    this.#ring.set(rest.subarray(straight), 0);
    this.#at = (this.#at + rest.length) % this.#half;
  }

  /** What came last, behind the head. */
  #tail(): Uint8Array {
    const ring = this.#ring ?? new Uint8Array();
    const size = this.#size - this.#headSize;
    return size < this.#half ? ring.subarray(0, size) : joined([ring.subarray(this.#at), ring.subarray(0, this.#at)]);
  }

  /** Everything that came; only where nothing was left out. */
  bytes(): Uint8Array {
    return joined([...this.#head, this.#tail()]);
  }

  /** As text in UTF-8, with a line in place of what was left out. */
  kept(): Kept {
    const tail = this.#tail();
    const cut = this.#size - this.#headSize - tail.length;
    const decoder = new TextDecoder();
    if (cut === 0) return { text: decoder.decode(this.bytes()), cut };
    // A character that the cut goes through is no fault of the program's.
    const before = decoder.decode(joined(this.#head)).replace(/\ufffd$/, "");
    const after = decoder.decode(tail).replace(/^\ufffd{1,3}/, "");
    return { text: `${before}\n… (${cut} bytes left out) …\n${after}`, cut };
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * The bytes of a text of PVE's. Its agent calls hand on bytes as if each were a character (qemu-server decodes base64, and
 * JSON encodes the result): a text of such characters alone, that reads as UTF-8, was that.
 */
export function agentBytes(text: string): Uint8Array {
  // deno-lint-ignore no-control-regex
  if (!/^[\x00-\xff]*$/.test(text)) return new TextEncoder().encode(text);
  return Uint8Array.from(Buffer.from(text, "latin1"));
}
