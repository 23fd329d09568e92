/** Opens TLS connections to PVE, and hands one over only once the host has proved who it is. */
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { Target } from "../config/settings.ts";
import { authority, Fault } from "./faults.ts";

/** As undici wants it: exactly one of the two. */
export type Connected = (...result: [null, TLSSocket] | [Error, null]) => void;

export interface Connector {
  connect(done: Connected): void;
  /** Drops the connections that are still being made. */
  close(): void;
}

/** A host that takes a connection and says nothing is given up after this long, or half the time for a whole request. */
const connectSeconds = 10;

/** Codes of Deno and Node for a certificate that does not verify. */
const unverified =
  /^(UNABLE_TO_\w+|SELF_SIGNED_\w+|DEPTH_ZERO_\w+|CERT_\w+|ERR_TLS_CERT_\w+|INVALID_PURPOSE|INVALID_CA)$/;

type Certificate = ReturnType<TLSSocket["getPeerCertificate"]>;

/**
 * Options per way of trusting. Each names rejectUnauthorized itself: left out, NODE_TLS_REJECT_UNAUTHORIZED=0 in the
 * environment would decide. Without `ca`, Deno takes its own store; it holds the operating system's CAs if
 * DENO_TLS_CA_STORE=mozilla,system was in the environment (or was set with Deno.env) before the first TLS connection of
 * the whole process. node:tls's rootCertificates and getCACertificates need a `sys` permission that cannot be granted.
 */
function trusting({ host, port, trust }: Target): ConnectionOptions {
  const base = { host, port, ALPNProtocols: ["http/1.1"] };
  switch (trust.mode) {
    case "none":
    case "pin":
      return { ...base, ca: [], rejectUnauthorized: false };
    case "system":
      return { ...base, rejectUnauthorized: true };
    case "ca":
      return { ...base, ca: trust.pem, rejectUnauthorized: true };
  }
}

function nameOf(name: Certificate["subject"] | undefined): string {
  const texts = [name?.CN, name?.O].flat();
  return texts.find((text) => text !== undefined) ?? "an unnamed CA";
}

/** Says why a certificate did not verify: Deno reports an expired one as signed by an unknown CA, so it is read here. */
function explain(certificate: Certificate, code: string, target: Target): Fault {
  const { fingerprint256, valid_from, valid_to, subject, issuer, subjectaltname } = certificate;
  const shown = `its certificate (${fingerprint256})`;
  const now = Date.now();
  const until = Date.parse(valid_to);
  const from = Date.parse(valid_from);
  const pin = `set PROXMOX_FINGERPRINT=${fingerprint256} once you have compared it on the host (pvenode cert info)`;
  if (until < now) {
    return new Fault(
      "certificate",
      `${shown} expired on ${new Date(until).toISOString().slice(0, 10)}`,
      "Renew it on the host (pvecm updatecerts --force, or order a new one), or correct this machine's clock",
    );
  }
  if (from > now) {
    return new Fault(
      "certificate",
      `${shown} is not valid before ${new Date(from).toISOString().slice(0, 10)}`,
      "Correct the clock of this machine or of the host",
    );
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return new Fault(
      "certificate",
      `${shown} is not for ${JSON.stringify(target.host)} but for ${subjectaltname ?? nameOf(subject)}`,
      `Set PROXMOX_HOST to one of those names, or ${pin}`,
    );
  }
  const selfSigned = JSON.stringify(subject) === JSON.stringify(issuer);
  const by = selfSigned ? "is self-signed" : `is signed by ${JSON.stringify(nameOf(issuer))}`;
  if (target.trust.mode === "ca") {
    return new Fault(
      "certificate",
      `${shown} ${by}, which the CA in ${target.trust.file} does not vouch for`,
      `Set PROXMOX_CA_FILE to a copy of the host's /etc/pve/pve-root-ca.pem, or ${pin}`,
    );
  }
  return new Fault(
    "certificate",
    `${shown} ${by}, which neither Mozilla nor the operating system vouches for`,
    `Set PROXMOX_CA_FILE to a copy of the host's /etc/pve/pve-root-ca.pem, or ${pin}`,
  );
}

/**
 * Makes the connections for one target. With a pin, and with CAs, not one byte of HTTP leaves before the certificate
 * holds. Without either, `warn` is told once which fingerprint to pin.
 */
export function createConnector(target: Target, warn: (message: string) => void): Connector {
  const opening = new Set<TLSSocket>();
  let warned = false;

  function open(options: ConnectionOptions, done: Connected): void {
    const socket = connect(options);
    opening.add(socket);
    const settle = (...result: Parameters<Connected>) => {
      if (!opening.delete(socket)) return;
      clearTimeout(timer);
      if (result[1] === null) socket.destroy();
      done(...result);
    };
    const seconds = Math.min(target.timeoutSeconds / 2, connectSeconds);
    const timer = setTimeout(
      () => settle(new Fault("connect-timeout", `no TLS connection within ${seconds} s`), null),
      seconds * 1000,
    );
    socket.setNoDelay(true);
    // "error" stays subscribed: an error between two owners of the socket would otherwise end the process.
    socket.on("error", (error: Error) => settle(error, null));
    socket.once("close", () => settle(Object.assign(new Error("closed"), { code: "ECONNRESET" }), null));
    socket.once("secureConnect", () => settle(null, socket));
  }

  /** Reads the certificate over a connection that carries nothing else. */
  function inspect(error: Error, code: string, done: Connected): void {
    open({ ...trusting(target), ca: [], rejectUnauthorized: false }, (failed, socket) => {
      if (failed !== null) return done(error, null);
      const certificate = socket.getPeerCertificate();
      socket.destroy();
      done(explain(certificate, code, target), null);
    });
  }

  /** The reason not to use a connection that has been made. */
  function objection(socket: TLSSocket): Fault | undefined {
    const { trust } = target;
    if (trust.mode !== "none" && trust.mode !== "pin") return undefined;
    const seen = socket.getPeerCertificate().fingerprint256;
    if (trust.mode === "pin") {
      return seen === trust.fingerprint ? undefined : new Fault(
        "certificate",
        `its certificate has the fingerprint ${seen}, but PROXMOX_FINGERPRINT is ${trust.fingerprint}`,
        "Compare with the host itself (pvenode cert info): if its certificate was renewed, set PROXMOX_FINGERPRINT to " +
          "the new one; if not, something else answers in its place",
      );
    }
    if (!warned) {
      warned = true;
      warn(
        `The certificate of ${authority(target)} is not verified: the API token goes to whoever answers there. ` +
          `To pin it, compare it with the host's (pvenode cert info) and set PROXMOX_FINGERPRINT=${seen}`,
      );
    }
    return undefined;
  }

  return {
    connect(done) {
      open(trusting(target), (failed, socket) => {
        if (failed !== null) {
          const code = "code" in failed && typeof failed.code === "string" ? failed.code : "";
          return unverified.test(code) ? inspect(failed, code, done) : done(failed, null);
        }
        const fault = objection(socket);
        if (fault === undefined) return done(null, socket);
        socket.destroy();
        done(fault, null);
      });
    },
    close() {
      for (const socket of opening) socket.destroy();
    },
  };
}
