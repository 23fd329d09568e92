/** Words what went wrong on the way to PVE: no connection, no trust, no whole answer. */
import { PveError, type PveErrorKind } from "../errors.ts";
import type { Target } from "../config/settings.ts";
import type { Call } from "./client.ts";

/** Where a request was to go. */
export type Endpoint = Pick<Target, "host" | "port" | "timeoutSeconds">;

/** Why a request ended without a whole answer, as far as the transport itself decided it. */
export type FaultKind = "timeout" | "connect-timeout" | "cancelled" | "oversize" | "truncated" | "certificate";

/** Thrown below the transport only; networkError() words it. A certificate's message says which one and why. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly fault: FaultKind;
  readonly remedy: string | undefined;
  constructor(fault: FaultKind, message: string, remedy?: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
    this.remedy = remedy;
  }
}

/** What is known about a failure; `left`: the request may have reached PVE. */
interface Finding {
  readonly kind: PveErrorKind;
  readonly message: string;
  readonly remedy?: string;
  readonly left: boolean;
}

/** The code of an error of node:net, node:tls, node:zlib or undici; it may be that of a cause or of one of several. */
function codeOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth > 4) return "";
  if ("code" in error && typeof error.code === "string") return error.code;
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0], depth + 1);
  return error.cause === undefined ? error.name : codeOf(error.cause, depth + 1) || error.name;
}

const broken = /^(ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_SOCKET|ERR_STREAM_PREMATURE_CLOSE|UnexpectedEof)$/;

/** Whether a connection was made and then broke: the one network error that a GET is repeated for. */
export function isBrokenConnection(error: unknown): boolean {
  if (!(error instanceof PveError)) return false;
  return error.cause instanceof Fault ? error.cause.fault === "truncated" : broken.test(codeOf(error.cause));
}

/** The error of a call that the caller gave up. */
export function cancelled(call: Call): PveError {
  const late = call.startsWith("GET ") ? "" : "; if it had left already, PVE carries it out";
  return new PveError(`Cancelled ${call} on request${late}`, {
    kind: "cancelled",
    call,
    ...(late === "" ? {} : { remedy: "Look at the state before repeating it" }),
  });
}

/** "pve.lan:8006" or "[2001:db8::10]:8006". */
export function authority(at: Pick<Target, "host" | "port">): string {
  return at.host.includes(":") ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`;
}

function faultFinding(fault: Fault, at: Endpoint, where: string): Finding {
  switch (fault.fault) {
    case "connect-timeout":
      return {
        kind: "unreachable",
        message: `Cannot reach PVE at ${where}: ${fault.message}`,
        remedy: "Check PROXMOX_HOST and PROXMOX_PORT, and that no firewall drops the connection",
        left: false,
      };
    case "certificate":
      return {
        kind: "untrusted",
        message: `Sent nothing to ${where}: ${fault.message}`,
        ...(fault.remedy === undefined ? {} : { remedy: fault.remedy }),
        left: false,
      };
    case "oversize":
      return {
        kind: "unreadable",
        message: `The answer of ${where} is too large: ${fault.message}`,
        remedy: "Ask for less at once",
        left: true,
      };
    case "truncated":
      return {
        kind: "unreadable",
        message: `The answer of ${where} broke off: ${fault.message}`,
        remedy: "Try again; if it stays, check the network and any proxy in between",
        left: true,
      };
    default:
      return {
        kind: "unreachable",
        message: `PVE at ${where} did not answer within ${at.timeoutSeconds} s`,
        remedy: "Check that the host is not overloaded, or raise PROXMOX_TIMEOUT",
        left: true,
      };
  }
}

/** What macOS does to programs that may not see the local network looks like a missing route. */
const macPrivacy =
  "On macOS the app that starts this server (the terminal, the client) needs its own permission for the local network: System Settings, Privacy & Security, Local Network; where it works in a terminal and not in a client, this is it. Else: ";

function codeFinding(error: unknown, at: Endpoint, where: string, os: string): Finding {
  const code = codeOf(error);
  const said = error instanceof Error && error.message !== "" ? error.message : code;
  const cannot = `Cannot reach PVE at ${where}`;
  const checkTarget = "Check PROXMOX_HOST and PROXMOX_PORT";
  // Deno reports a forbidden address as NotCapable, and the look-up of a forbidden name as EPERM.
  if (code === "NotCapable" || code === "EPERM") {
    return {
      kind: "unreachable",
      message: `${cannot}: this process may connect only to the host and port it was started for (${said})`,
      remedy: `Restart the server so that it asks for ${where}, or give --allow-net=${where}`,
      left: false,
    };
  }
  if (code === "ECONNREFUSED") {
    return {
      kind: "unreachable",
      message: `${cannot}: the connection was refused, nothing listens there`,
      remedy: `${checkTarget}, and that pveproxy runs on the host`,
      left: false,
    };
  }
  if (/^(ENOTFOUND|EAI_\w+|ENODATA)$/.test(code)) {
    return {
      kind: "unreachable",
      message: `${cannot}: the name ${JSON.stringify(at.host)} cannot be resolved (${code})`,
      remedy: "Check PROXMOX_HOST, or use the host's IP address",
      left: false,
    };
  }
  if (code === "ETIMEDOUT") {
    return {
      kind: "unreachable",
      message: `${cannot}: nothing answers at that address (${code})`,
      remedy: `${checkTarget}, that the host is switched on, and that no firewall drops the connection`,
      // A connection that was there may time out, too.
      left: !/\bconnect\b/.test(said),
    };
  }
  if (/^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/.test(code)) {
    return {
      kind: "unreachable",
      message: `${cannot}: there is no way to that address (${code})`,
      remedy: `${os === "darwin" ? macPrivacy : ""}${checkTarget}, the network (VPN, VLAN) and firewalls on the way`,
      left: false,
    };
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || /wrong version number|InvalidContentType/.test(said)) {
    return {
      kind: "unreachable",
      message: `${cannot}: what listens there does not speak TLS (${code})`,
      remedy: `${checkTarget}: the port must be that of the PVE web interface, which is HTTPS`,
      left: false,
    };
  }
  if (broken.test(code)) {
    return {
      kind: "unreachable",
      message: `The connection to PVE at ${where} broke before the answer came (${code})`,
      remedy: `Try again; if it stays, check pveproxy on the host and any proxy in between`,
      left: true,
    };
  }
  if (/^(HPE_|HTTPParserError|UND_ERR_HEADERS|UND_ERR_RES|Z_|ERR_ZLIB)/.test(code)) {
    return {
      kind: "unreadable",
      message: `The answer of ${where} is not proper HTTP (${code})`,
      remedy: `${checkTarget}: they must name the PVE API itself`,
      left: true,
    };
  }
  return { kind: "unreachable", message: `${cannot}: ${said}`, remedy: checkTarget, left: true };
}

/**
 * The error for a request that got no whole answer. Never carries headers or bodies, so no secrets.
 * @param os as Deno names it
 */
export function networkError(error: unknown, at: Endpoint, call: Call, os: string = Deno.build.os): PveError {
  if (error instanceof PveError) return error;
  if (error instanceof Fault && error.fault === "cancelled") return cancelled(call);
  const where = authority(at);
  const finding = error instanceof Fault ? faultFinding(error, at, where) : codeFinding(error, at, where, os);
  const mayHaveActed = finding.left && !call.startsWith("GET ");
  return new PveError(
    `${call} failed: ${finding.message}${mayHaveActed ? "; PVE may still have carried it out" : ""}`,
    {
      kind: finding.kind,
      call,
      remedy: mayHaveActed
        ? "Look at the state and the tasks before repeating it: it was not sent again"
        : finding.remedy ?? "Try again",
    },
    { cause: error },
  );
}
