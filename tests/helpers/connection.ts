/** The server in this process, spoken to in raw lines over a pair of streams, in front of a simulated PVE. */
import { PassThrough } from "node:stream";
import { createDispatch } from "../../src/mcp/dispatch.ts";
import { outgoingTo } from "../../src/mcp/outgoing.ts";
import { serve } from "../../src/mcp/serve.ts";
import { createClient } from "../../src/pve/client.ts";
import { connect } from "../../src/pve/connection.ts";
import { createSimulator, demoToken, type Simulator } from "../../src/sim/mod.ts";
import { simulatorTransport } from "../../src/sim/transport.ts";
import { tools } from "../../src/tools/mod.ts";

export type Message = Readonly<Record<string, unknown>>;

export interface Connection {
  readonly simulator: Simulator;
  /** How many requests PVE has got. */
  requests(): number;
  /** Sends a line: a text as it is, anything else as JSON. */
  send(line: unknown): void;
  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array): void;
  /** The next message that fits; those before it are kept for later calls. */
  next(fits?: (message: Message) => boolean): Promise<Message>;
  /** The answer to a request with this id. */
  answer(id: unknown): Promise<Message>;
  /** Everything that has come and nobody has asked for. */
  rest(): readonly unknown[];
  /** Ends the client's side. */
  end(): void;
}

export interface ConnectionOptions {
  readonly readOnly?: boolean;
  readonly pauseMs?: number;
}

export function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Runs a test with a connection of its own, and closes it whatever happens. */
export async function withConnection(
  { readOnly = false, pauseMs }: ConnectionOptions,
  test: (connection: Connection) => Promise<void>,
): Promise<void> {
  const simulator = createSimulator({ pace: 0 });
  const transport = simulatorTransport(simulator, `PVEAPIToken=${demoToken.id}=${demoToken.secret}`);
  let requests = 0;
  const pve = createClient(connect(transport, { onRequest: () => void requests++ }));
  const onBug = (error: unknown) => {
    throw error;
  };
  const dispatch = createDispatch({ tools, pve, settings: { readOnly }, onBug });
  const incoming = new PassThrough();
  const came: unknown[] = [];
  const waiting = new Set<() => void>();
  let text = "";
  const outgoing = outgoingTo((chunk) => {
    const lines = (text + chunk).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) came.push(JSON.parse(line));
    for (const wake of waiting) wake();
    return Promise.resolve();
  });
  const server = serve(dispatch, {
    streams: { incoming, outgoing },
    onError: () => {},
    ...(pauseMs === undefined ? {} : { pauseMs }),
  });
  async function next(fits: (message: Message) => boolean = () => true): Promise<Message> {
    for (;;) {
      const index = came.findIndex((message) => isMessage(message) && fits(message));
      const [message] = index < 0 ? [] : came.splice(index, 1);
      if (isMessage(message)) return message;
      await new Promise<void>((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
      });
    }
  }
  try {
    await test({
      simulator,
      requests: () => requests,
      send: (line) => void incoming.write(`${typeof line === "string" ? line : JSON.stringify(line)}\n`),
      sendBytes: (bytes) => void incoming.write(bytes),
      next,
      answer: (id) => next((message) => message.id === id && !("method" in message)),
      rest: () => came,
      end: () => void incoming.end(),
    });
  } finally {
    await server.close();
    incoming.destroy();
  }
}

/** A request of an era with a handshake. */
export function request(id: unknown, method: string, params?: Message): Message {
  return { jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) };
}

/** A request that names its revision. */
export function stateless(
  id: unknown,
  method: string,
  params: Message = {},
  revision: unknown = "2026-07-28",
): Message {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": revision,
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  return request(id, method, { ...params, _meta });
}

export function initialize(id: unknown, protocolVersion: string): Message {
  return request(id, "initialize", {
    protocolVersion,
    capabilities: {},
    clientInfo: { name: "tests", version: "1" },
  });
}
