/** Serves a simulator over HTTPS on 127.0.0.1, for clients outside this process. */
import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { type Certificates, createCertificates } from "./certificates.ts";
import type { Simulator } from "./simulator.ts";

/** Where to listen. */
export interface HttpsOptions {
  /** 0 or left out: any free port. */
  readonly port?: number;
  readonly hostname?: "127.0.0.1";
  /** What to show instead of a fresh certificate. */
  readonly certificates?: Certificates;
}

/** A running server, and what a client needs to trust it. */
export interface HttpsSimulator {
  readonly port: number;
  /** The CA's certificate in PEM, like /etc/pve/pve-root-ca.pem. */
  readonly ca: string;
  /** SHA-256 of the server's own certificate, "AA:BB:…". */
  readonly fingerprint: string;
  close(): Promise<void>;
}

/** PVE gzips answers that are worth it. */
const GZIP_FROM = 1024;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** A reason phrase goes out as bytes: no line breaks, and UTF-8 where it is not Latin. */
function phrase(reason: string): string {
  return Buffer.from(reason.replaceAll(/[\r\n]+/g, " ").trim(), "utf8").toString("latin1");
}

async function respond(simulator: Simulator, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  const answer = await simulator.answer({
    method: request.method ?? "GET",
    url: request.url ?? "/",
    headers,
    body: await bodyOf(request),
  });
  let body: Uint8Array = Buffer.from(answer.body, "utf8");
  response.statusCode = answer.status;
  response.statusMessage = phrase(answer.reason);
  response.setHeader("server", "pve-api-daemon/3.0");
  response.setHeader("date", new Date(simulator.now()).toUTCString());
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  if (body.length > GZIP_FROM && /\bgzip\b/.test(headers["accept-encoding"] ?? "")) {
    body = gzipSync(body);
    response.setHeader("content-encoding", "gzip");
  }
  if (body.length > 0) response.setHeader("content-length", String(body.length));
  response.end(body);
}

const TLS_HANDSHAKE = 0x16;

/** PVE sends plain HTTP to the same place with https. */
function redirect(socket: Socket, head: string, port: number): void {
  const target = /^\w+ (\S+)/.exec(head)?.[1] ?? "/";
  const host = /^host: *([^\s:]+)/im.exec(head)?.[1] ?? "127.0.0.1";
  socket.end(
    `HTTP/1.1 301 Moved Permanently\r\nLocation: https://${host}:${port}${target}\r\nContent-Length: 0\r\n` +
      "Connection: close\r\n\r\n",
  );
}

function listen(server: Server, port: number, hostname: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("The simulator's server has no port"));
      else resolve(address.port);
    });
  });
}

/** Starts serving. The first byte of a connection tells TLS from plain HTTP. */
export async function serveHttps(simulator: Simulator, options: HttpsOptions = {}): Promise<HttpsSimulator> {
  const hostname = options.hostname ?? "127.0.0.1";
  const names = ["localhost", "127.0.0.1", "pve1", "pve1.lan"];
  const { ca, key, cert, fingerprint } = options.certificates ?? await createCertificates(names);
  const secure = createSecureServer({ key, cert }, (request, response) => {
    respond(simulator, request, response).catch(() => response.destroy());
  });
  const inner = await listen(secure, 0, hostname);
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  };
  let port = 0;
  // TLS goes through to a server on a port of its own: Deno's https server cannot take over a socket.
  const door = createTcpServer((socket) => {
    keep(socket);
    socket.once("data", (first: Uint8Array) => {
      if (first[0] !== TLS_HANDSHAKE) return redirect(socket, Buffer.from(first).toString("latin1"), port);
      socket.pause();
      const onward = connect(inner, hostname, () => {
        onward.setNoDelay(true);
        onward.write(first);
        socket.pipe(onward).pipe(socket);
      });
      keep(onward);
      onward.on("close", () => socket.destroy());
      socket.on("close", () => onward.destroy());
    });
    socket.setNoDelay(true);
  });
  port = await listen(door, options.port ?? 0, hostname);
  return {
    port,
    ca,
    fingerprint,
    async close() {
      const closed = [secure, door].map((server) => new Promise<void>((resolve) => void server.close(() => resolve())));
      for (const socket of sockets) socket.destroy();
      secure.closeAllConnections();
      await Promise.all(closed);
    },
  };
}
