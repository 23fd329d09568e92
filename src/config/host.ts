/** Reads the address of the PVE host: only a plain DNS name or address passes, as it becomes a permission of the process. */
import { UsageError } from "../errors.ts";

const examples = "Write a name or an address, as in pve.lan, 192.0.2.10:8006 or [2001:db8::10]:8006.";

/** The parts of an address; `host` is in lower case, an IPv6 address without its brackets. */
export interface HostAndPort {
  readonly host: string;
  /** Undefined where the value carries none. */
  readonly port: number | undefined;
}

/**
 * Reads `host`, `host:port`, `[IPv6]`, `[IPv6]:port`; PROXMOX_HOST may be any of them pasted as `https://…/…`.
 * @throws UsageError for anything else.
 */
export function parseHost(value: string, variable = "PROXMOX_HOST"): HostAndPort {
  // Before anything is quoted: what stands in front of an @ may be a password.
  if (value.includes("@")) {
    const user = variable === "PROXMOX_HOST" ? "PROXMOX_USER" : "PROXMOX_SSH_USER";
    throw new UsageError(`${variable} holds an @.`, `The user belongs into ${user}. ${examples}`);
  }
  const address = variable === "PROXMOX_HOST" ? withoutScheme(value) : value;
  if (isIPv6(address)) {
    throw new UsageError(
      `${variable} holds the IPv6 address ${JSON.stringify(value)} without brackets.`,
      `Write [${address}], or [${address}]:8006 with a port.`,
    );
  }
  const parts = /^(?:\[([^\[\]]*)\]|([^\[\]:]*))(?::(.*))?$/s.exec(address);
  if (parts === null) throw invalid(value, variable);
  const [, bracketed, plain, portText] = parts;
  const host = (bracketed ?? plain ?? "").toLowerCase();
  const valid = bracketed === undefined
    ? isIPv4(host) || isDnsName(host) && isReadAlike(host)
    : /^[0-9a-f:.]+$/.test(host) && isIPv6(host);
  if (!valid) throw invalid(value, variable);
  return { host, port: portText === undefined ? undefined : parsePort(variable, portText) };
}

/**
 * Reads a TCP port, 1 to 65535; `variable` is named in the error.
 * @throws UsageError for anything else.
 */
export function parsePort(variable: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) {
    throw new UsageError(
      `${variable} holds the port ${JSON.stringify(text)}.`,
      `Give a whole number from 1 to 65535; ${variable.includes("SSH") ? "SSH listens on 22" : "PVE listens on 8006"}.`,
    );
  }
  return port;
}

/** As node:net has it, whose loading costs more than everything else at the start. */
function isIPv4(text: string): boolean {
  const byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  return new RegExp(`^${byte}(?:\\.${byte}){3}$`).test(text);
}

/** An IPv6 address without brackets and without a zone. */
function isIPv6(text: string): boolean {
  return /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) && URL.canParse(`http://[${text}]/`);
}

function withoutScheme(value: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(value);
  if (scheme === null) return value;
  if (scheme[1]?.toLowerCase() !== "https") {
    throw new UsageError(
      `PROXMOX_HOST starts with ${scheme[0]}, and PVE is reached by https only.`,
      "Write the name alone, as in pve.lan, or https://pve.lan:8006/.",
    );
  }
  return value.slice(scheme[0].length).replace(/[/?#].*$/s, "");
}

/** Whether URLs take the name as it stands; the punycode of nothing (xn--0) would only fail at the first request. */
function isReadAlike(host: string): boolean {
  return URL.parse(`https://${host}/`)?.hostname === host;
}

/**
 * Whether `host` (in lower case) is a DNS name. A last label that reads as a number is refused, as resolvers take "127.1"
 * and "0x7f000001" for addresses, which would be another host than the permission names.
 */
function isDnsName(host: string): boolean {
  const labels = host.split(".");
  return host.length <= 253 &&
    labels.every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label)) &&
    !/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "");
}

function invalid(value: string, variable: string): UsageError {
  return new UsageError(
    `${variable} is ${JSON.stringify(value)}, which is not the name or address of one host.`,
    examples,
  );
}
