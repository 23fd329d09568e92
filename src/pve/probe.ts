/** Looks at the way to a host, step by step, without sending it anything: name, connection, certificate, trust. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Target } from "../config/settings.ts";
import { PveError } from "../errors.ts";
import { Fault, networkError } from "./faults.ts";
import { createConnector } from "./trust.ts";

/** What a host shows of itself before anything is sent. */
export interface Certificate {
  /** SHA-256, as in "AA:BB:…". */
  readonly fingerprint: string;
  readonly subject: string;
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** How far the way goes; `failure` is what stopped it, with its remedy. */
export interface Probe {
  /** The addresses of the name; empty where it did not resolve. */
  readonly addresses: readonly string[];
  readonly reached: "nothing" | "name" | "port" | "tls" | "trust";
  readonly certificate: Certificate | undefined;
  readonly failure: PveError | undefined;
}

/** Where, how patiently, and whom to trust. */
export type ProbeTarget = Pick<Target, "host" | "port" | "trust" | "timeoutSeconds">;

/** Resolves with the address once connected. Rejects with the socket's error, or a Fault after `seconds`. */
function open(socket: Socket, event: "connect" | "secureConnect", seconds: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new Fault("connect-timeout", `no answer within ${seconds} s`)),
    seconds * 1000,
  );
  socket.on("error", reject);
  socket.once("close", () => reject(Object.assign(new Error("closed"), { code: "ECONNRESET" })));
  socket.once(event, resolve);
  return promise.finally(() => clearTimeout(timer));
}

function nameOf(name: { CN?: string | string[]; O?: string | string[] } | undefined): string {
  const found = name?.CN ?? name?.O ?? "unnamed";
  return Array.isArray(found) ? found.join(" ") : found;
}

async function readCertificate({ host, port }: ProbeTarget, seconds: number): Promise<Certificate> {
  // Nothing is sent over this connection, so that it matters to nobody who answers.
  const socket = connectTls({ host, port, ca: [], rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
  try {
    await open(socket, "secureConnect", seconds);
    const { fingerprint256, subject, issuer, valid_to } = socket.getPeerCertificate();
    return {
      fingerprint: fingerprint256,
      subject: nameOf(subject),
      issuer: nameOf(issuer),
      until: Date.parse(valid_to),
    };
  } finally {
    socket.destroy();
  }
}

/** Looks at the whole way. Never throws: what goes wrong is in the answer. */
export async function probe(target: ProbeTarget): Promise<Probe> {
  const seconds = Math.min(target.timeoutSeconds, 10);
  const addresses = new Set<string>();
  let reached: Probe["reached"] = "nothing";
  let certificate: Certificate | undefined;
  try {
    const socket = connectTcp({ host: target.host, port: target.port });
    socket.on("lookup", (_error, address) => {
      if (typeof address === "string" && address !== "") addresses.add(address);
    });
    try {
      await open(socket, "connect", seconds);
      if (socket.remoteAddress !== undefined) addresses.add(socket.remoteAddress);
    } catch (error) {
      if (addresses.size > 0) reached = "name";
      throw error;
    } finally {
      socket.destroy();
    }
    reached = "port";
    certificate = await readCertificate(target, seconds);
    reached = "tls";
    await trusted(target);
    reached = "trust";
    return { addresses: [...addresses], reached, certificate, failure: undefined };
  } catch (error) {
    const failure = networkError(error, { ...target, timeoutSeconds: seconds }, "GET /version");
    return { addresses: [...addresses], reached, certificate, failure: withoutCall(failure) };
  }
}

/** Makes a connection as the client does, and drops it. Rejects with a Fault that names the remedy. */
function trusted(target: ProbeTarget): Promise<void> {
  const connector = createConnector({ ...target, tokenId: "", tokenValue: "", maxConnections: 1 }, () => {});
  return new Promise((resolve, reject) => {
    connector.connect((...[failed, socket]) => {
      if (failed !== null) return reject(failed);
      socket.destroy();
      resolve();
    });
  });
}

/** Nothing was asked yet, so that no call has failed. */
function withoutCall(error: PveError): PveError {
  return new PveError(error.message.replace(/^GET \/version failed: /, ""), error.details, { cause: error.cause });
}
