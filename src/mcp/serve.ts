/** Serves a client: greets it at once, and loads the SDK for all that is more than a greeting. */
import type { Dispatch } from "./dispatch.ts";
import type { Eras } from "./eras.ts";
import { createGreeting } from "./greeting.ts";
import { BATCH_REVISION, type Message } from "./message.ts";
import { openWire, type Streams } from "./transport.ts";

export interface ServeOptions {
  readonly streams: Streams;
  readonly onError: (error: Error) => void;
  /** The client is gone, and what could be answered is. */
  readonly onEnd?: () => void;
  /** Between two looks at what is subscribed to; tests set it. */
  readonly pauseMs?: number;
  /** Loads what speaks through the SDK. */
  readonly load?: () => Promise<Pick<typeof import("./server.ts"), "openEras">>;
}

export interface Serving {
  /** Loads the SDK, unless a message has done so. Rejects where that fails. */
  load(): Promise<void>;
  close(): Promise<void>;
}

/** Serves until the client ends. A greeting that fails to load the rest ends with an unhandled rejection, as any bug does. */
export function serve(dispatch: Dispatch, options: ServeOptions): Serving {
  const { streams, onError, onEnd, pauseMs, load = () => import("./server.ts") } = options;
  const greeting = createGreeting(dispatch);
  /** Messages that wait for the SDK. */
  const waiting: Message[] = [];
  let eras: Eras | undefined;
  let loading: Promise<void> | undefined;

  const wire = openWire(streams, receive, () => void finish());

  function receive(message: Message): void {
    if (eras !== undefined) return eras.receive(message);
    const taken = loading === undefined ? greeting.take(message) : undefined;
    if (taken === undefined) {
      waiting.push(message);
      void start();
      return;
    }
    if (message.kind === "request" && message.method === "initialize") {
      // The next line may be one.
      wire.batches = message.params?.protocolVersion === BATCH_REVISION;
    }
    if (taken.answer !== undefined) wire.send(taken.answer);
  }

  function start(): Promise<void> {
    return loading ??= load().then(({ openEras }) => {
      eras = openEras(wire, dispatch, { onError, pauseMs });
      greeting.heard.forEach(eras.heard);
      waiting.splice(0).forEach(eras.receive);
    });
  }

  async function finish(): Promise<void> {
    if (waiting.length > 0) {
      await loading;
      // What needs no more than the SDK is answered by then.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await close();
    onEnd?.();
  }

  async function close(): Promise<void> {
    await eras?.close();
    wire.close();
  }

  return { load: start, close };
}
