/**
 * Serves a stdio server over streamable HTTP on 127.0.0.1, as the official conformance suite speaks HTTP only. Each session
 * of the handshake's eras has a process of its own; requests that name their revision share one. Started by hand:
 * `deno run -A tests/conformance/adapter.ts PORT COMMAND ARGS…`
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

type Message = Record<string, unknown>;
type Child = ChildProcessByStdio<Writable, Readable, null>;

function isRecord(value: unknown): value is Message {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One process, and who waits for its messages. */
interface Session {
  readonly child: Child;
  /** Open answers by the id that the process knows, with the client's own id. */
  readonly open: Map<string, { readonly id: unknown; readonly response: ServerResponse }>;
  /** The stream of what belongs to no request. */
  stream: ServerResponse | undefined;
}

const REVISION = "io.modelcontextprotocol/protocolVersion";
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

function metaOf(message: Message): Message | undefined {
  return isRecord(message.params) && isRecord(message.params._meta) ? message.params._meta : undefined;
}

function start(command: string, args: readonly string[]): Session {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const session: Session = { child, open: new Map(), stream: undefined };
  createInterface({ input: child.stdout }).on("line", (line) => {
    const message: unknown = JSON.parse(line);
    if (isRecord(message)) pass(session, message);
  });
  return session;
}

function event(response: ServerResponse | undefined, message: Message): void {
  if (response === undefined) return;
  if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
}

/** Errors that a server over HTTP would have found before it streamed anything. */
function statusOf(error: unknown, modern: boolean): number {
  if (!modern || !isRecord(error)) return 200;
  if (error.code === -32601) return 404;
  return error.code === -32022 || error.code === -32021 || /_meta/.test(String(error.message)) ? 400 : 200;
}

/** Hands a message of the process to the request it belongs to. */
function pass(session: Session, message: Message): void {
  if (typeof message.method === "string") {
    const subscription = metaOf(message)?.[SUBSCRIPTION];
    const entry = subscription === undefined
      ? [...session.open.values()].at(-1)
      : session.open.get(String(subscription));
    const told = subscription === undefined || entry === undefined ? message : {
      ...message,
      params: {
        ...isRecord(message.params) ? message.params : {},
        _meta: { ...metaOf(message), [SUBSCRIPTION]: entry.id },
      },
    };
    return event(entry?.response ?? session.stream, told);
  }
  const waiting = session.open.get(String(message.id));
  if (waiting === undefined) return;
  session.open.delete(String(message.id));
  const answer = { ...message, id: waiting.id };
  const { response } = waiting;
  if (response.headersSent) {
    event(response, answer);
    response.end();
  } else {
    const modern = String(message.id).startsWith("m");
    response.writeHead(statusOf(message.error, modern), { "content-type": "application/json" });
    response.end(JSON.stringify(answer));
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return new TextDecoder().decode(await new Blob(chunks.map((chunk) => new Uint8Array(chunk))).arrayBuffer());
}

/** Starts the adapter; port 0 is any free one. `close` ends it and its processes. */
export async function serveAdapter(
  port: number,
  command: string,
  args: readonly string[],
): Promise<{ port: number; close(): void }> {
  const sessions = new Map<string, Session>();
  let shared: Session | undefined;
  let next = 0;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // As every server on this machine must: a web page must not reach it under another name.
    const host = (request.headers.host ?? "").replace(/:\d+$/, "");
    const origin = request.headers.origin === undefined ? host : new URL(request.headers.origin).hostname;
    if (![host, origin].every((name) => ["127.0.0.1", "localhost"].includes(name))) {
      return void response.writeHead(403).end();
    }
    const sessionId = request.headers["mcp-session-id"];
    const known = typeof sessionId === "string" ? sessions.get(sessionId) : undefined;
    if (request.method === "GET") {
      if (known === undefined) return void response.writeHead(405).end();
      known.stream = response;
      return void response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    }
    if (request.method === "DELETE") {
      if (typeof sessionId !== "string" || !sessions.delete(sessionId)) return void response.writeHead(404).end();
      known?.child.stdin.end();
      return void response.writeHead(200).end();
    }
    const message: unknown = JSON.parse(await bodyOf(request));
    if (!isRecord(message)) return void response.writeHead(400).end();
    if (sessionId !== undefined && known === undefined) return void response.writeHead(404).end();
    // Revisions with a handshake have sessions.
    const modern = known === undefined && message.method !== "initialize" || metaOf(message)?.[REVISION] !== undefined;
    const session = known ?? (message.method === "initialize" ? start(command, args) : shared ??= start(command, args));
    if (known === undefined && message.method === "initialize") {
      const id = crypto.randomUUID();
      sessions.set(id, session);
      response.setHeader("mcp-session-id", id);
    }
    if (message.id === undefined || message.method === undefined) {
      session.child.stdin.write(`${JSON.stringify(message)}\n`);
      return void response.writeHead(202).end();
    }
    const id = `${modern ? "m" : "h"}${next++}`;
    session.open.set(id, { id: message.id, response });
    response.on("close", () => {
      if (!session.open.delete(id)) return;
      const params = { requestId: id };
      session.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params })}\n`);
    });
    session.child.stdin.write(`${JSON.stringify({ ...message, id })}\n`);
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => void (response.headersSent || response.writeHead(400).end()));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close() {
      for (const { child } of [...sessions.values(), ...(shared === undefined ? [] : [shared])]) child.stdin.end();
      server.closeAllConnections();
      server.close();
    },
  };
}

if (import.meta.main) {
  const [port, command, ...args] = Deno.args;
  if (port === undefined || command === undefined) throw new Error("Usage: adapter.ts PORT COMMAND ARGS…");
  await serveAdapter(Number(port), command, args);
}
