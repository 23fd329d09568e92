/** Servers on 127.0.0.1 that misbehave byte by byte, as no HTTP server would let a test do. */
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Target } from "../../src/config/settings.ts";
import type { Identity } from "./certificates.ts";

/** A request as it came over the wire. */
export interface Received {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Counted from 1: which connection it came over, and which request on that connection it is. */
  readonly connection: number;
  readonly onConnection: number;
}

export interface RawServer extends AsyncDisposable {
  readonly port: number;
  readonly requests: readonly Received[];
  /** Connections made; behind TLS, those whose handshake succeeded. */
  connections(): number;
  /** Bytes received inside TLS. */
  bytes(): number;
  /** Resolves when the clients have closed all their connections: whatever they sent is counted by then. */
  drained(): Promise<void>;
}

/** Answers a request, or does not. */
export type Behaviour = (request: Received, socket: Socket) => void;

function start(
  server: Server,
  sockets: Set<Socket>,
  counts: Pick<RawServer, "requests" | "connections" | "bytes">,
): Promise<RawServer> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve({
        ...counts,
        async drained() {
          for (const socket of sockets) await new Promise((closed) => socket.once("close", closed));
        },
        port: typeof address === "object" && address !== null ? address.port : 0,
        [Symbol.asyncDispose]: () =>
          new Promise<void>((closed) => {
            server.close(() => closed());
            for (const socket of sockets) socket.destroy();
          }),
      });
    });
  });
}

function keep(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => sockets.delete(socket));
}

/** Takes whole requests off the start of the text; returns what is left. */
function takeRequests(text: string, found: (request: Omit<Received, "connection" | "onConnection">) => void): string {
  let rest = text;
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) return rest;
    const [first = "", ...lines] = rest.slice(0, end).split("\r\n");
    const headers = Object.fromEntries(lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }));
    const length = Number(headers["content-length"] ?? 0);
    if (rest.length < end + 4 + length) return rest;
    const [method = "", path = ""] = first.split(" ");
    found({ method, path, headers, body: rest.slice(end + 4, end + 4 + length) });
    rest = rest.slice(end + 4 + length);
  }
}

/** A TLS server that reads requests and answers each as `behave` says. */
export function tlsServer(identity: Identity, behave: Behaviour): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const requests: Received[] = [];
  let connections = 0;
  let bytes = 0;
  const server = createTlsServer({ key: identity.key, cert: identity.cert }, (socket) => {
    const connection = ++connections;
    let onConnection = 0;
    let text = "";
    keep(sockets, socket);
    socket.on("data", (chunk: Uint8Array) => {
      bytes += chunk.byteLength;
      text = takeRequests(text + new TextDecoder().decode(chunk), (request) => {
        const received = { ...request, connection, onConnection: ++onConnection };
        requests.push(received);
        behave(received, socket);
      });
    });
  });
  server.on("connection", (socket: Socket) => keep(sockets, socket));
  server.on("tlsClientError", () => {});
  return start(server, sockets, { requests, connections: () => connections, bytes: () => bytes });
}

/** A server without TLS: `accept` gets each connection. */
export function tcpServer(accept: (socket: Socket) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createTcpServer((socket) => {
    connections++;
    keep(sockets, socket);
    accept(socket);
  });
  return start(server, sockets, { requests: [], connections: () => connections, bytes: () => 0 });
}

/** An answer with its length, ready to be written. */
export function http(status: string, body = "", headers: Readonly<Record<string, string>> = {}): string {
  const all = { "content-type": "application/json;charset=UTF-8", ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${status}\r\n${lines}content-length: ${new TextEncoder().encode(body).byteLength}\r\n\r\n${body}`;
}

/** A port of 127.0.0.1 that nothing listens on. */
export async function closedPort(): Promise<number> {
  await using server = await tcpServer(() => {});
  return server.port;
}

/** A complete target on 127.0.0.1; trusts anybody unless told otherwise. */
export function targetAt(port: number, over: Partial<Target> = {}): Target {
  return {
    host: "127.0.0.1",
    port,
    tokenId: "agent@pve!mcp",
    tokenValue: "5c0ffee5-0000-4000-8000-00000000feed",
    trust: { mode: "none" },
    timeoutSeconds: 20,
    maxConnections: 8,
    ...over,
  };
}
