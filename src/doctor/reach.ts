/** The checks of the way to PVE: the name, the connection, the certificate. */
import type { Target } from "../config/settings.ts";
import type { PveError } from "../errors.ts";
import { authority } from "../pve/faults.ts";
import type { Probe } from "../pve/probe.ts";
import { type Check, failed, ok, skipped, warning } from "./check.ts";

const DAY = 86_400_000;
/** PVE renews its own certificates two weeks before they end. */
const SOON = 14 * DAY;

/** What to know on a Mac: its permission for the local network belongs to each program that starts others. */
const MAC_HINT = "On macOS, a terminal and a client such as Claude Desktop need the permission for the local network " +
  "each for itself: System Settings, Privacy & Security, Local Network";

function remedies(failure: PveError, os: string): string[] {
  const { kind, remedy = "" } = failure.details;
  // Who is refused has reached the host; and without a route the remedy says it already.
  const local = os === "darwin" && kind === "unreachable" && !/ refused,/.test(failure.message) &&
    !remedy.includes("Local Network");
  return [...remedy === "" ? [] : [remedy], ...local ? [MAC_HINT] : []];
}

function nameCheck({ host }: Target, { addresses, failure }: Probe, os: string): Check {
  if (addresses.length === 0 && failure !== undefined && /resolved|name/i.test(failure.message)) {
    return failed("name", failure.message, ...remedies(failure, os));
  }
  if (addresses.includes(host)) return ok("name", `${host} is an address: there is no name to resolve`);
  if (addresses.length === 0) return ok("name", `${host} is an address, or was resolved`);
  return ok("name", `${host} is ${addresses.join(", ")}`);
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** Whether the certificate is checked, and how. */
function trustCheck(target: Target, { certificate, failure, reached }: Probe, now: number, os: string): Check {
  if (reached !== "trust" || certificate === undefined) {
    return failure === undefined
      ? skipped("trust", "The certificate was not looked at")
      : failed("trust", failure.message, ...remedies(failure, os));
  }
  const left = certificate.until - now;
  const shown = `the certificate of ${certificate.subject}, valid until ${day(certificate.until)}`;
  if (target.trust.mode === "none") {
    return warning(
      "trust",
      `The certificate is not verified: the API token goes to whoever answers at ${authority(target)}`,
      `Compare with the host (web UI: node, System, Certificates; or pvenode cert info), then set PROXMOX_FINGERPRINT=${certificate.fingerprint}`,
    );
  }
  const how = { system: "A CA that this machine knows vouches for", ca: "The CA file vouches for", pin: "Pinned:" };
  const says = `${how[target.trust.mode]} ${shown}`;
  if (left < SOON && target.trust.mode !== "pin") {
    return warning("trust", `${says}, which is soon`, "Renew it on the host (pvecm updatecerts, or order a new one)");
  }
  return ok("trust", says);
}

/** The checks of everything before the first request. */
export function reachChecks(target: Target, probe: Probe, now: number, os: string): Check[] {
  const where = authority(target);
  const name = nameCheck(target, probe, os);
  if (name.status === "failed") {
    return [name, skipped("connection", "Not tried without an address"), skipped("trust", "No connection")];
  }
  if (probe.reached === "nothing" || probe.reached === "name") {
    const { failure } = probe;
    const said = failure?.message ?? `No connection to ${where}`;
    return [
      name,
      failed("connection", said, ...failure ? remedies(failure, os) : []),
      skipped("trust", "No connection"),
    ];
  }
  const connection = ok("connection", `${where} takes connections`);
  const mac = os === "darwin" ? [ok("local-network", `Reached from here. ${MAC_HINT}`)] : [];
  return [name, connection, ...mac, trustCheck(target, probe, now, os)];
}
