/** What goes out to a client: kept in order, joined while the client reads, and counted while it does not. */

export interface Outgoing {
  write(text: string): void;
  /** Characters that the client has not taken yet. */
  readonly waiting: number;
  /** Resolves when none are left, or nobody reads any more. */
  drained(): Promise<void>;
  /** Resolves when nobody reads any more; what is written then is dropped. */
  readonly closed: Promise<void>;
}

/** Writes with `put`, one call at a time; it resolves when the text is taken, and rejects when nobody reads any more. */
export function outgoingTo(put: (text: string) => Promise<void>): Outgoing {
  let texts: string[] = [];
  let waiting = 0;
  let writing: Promise<void> | undefined;
  let open = true;
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();

  async function writeAll(): Promise<void> {
    try {
      while (texts.length > 0) {
        const text = texts.join("");
        texts = [];
        await put(text);
        waiting -= text.length;
      }
    } catch {
      open = false;
      texts = [];
      close();
    }
    writing = undefined;
  }

  return {
    write(text) {
      if (!open) return;
      texts.push(text);
      waiting += text.length;
      writing ??= writeAll();
    },
    get waiting() {
      return waiting;
    },
    drained: () => writing ?? Promise.resolve(),
    closed,
  };
}
