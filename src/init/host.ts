/** Finds the PVE host behind what a person typed, and settles how its certificate is to be trusted. */
import { parseHost } from "../config/host.ts";
import type { Trust } from "../config/settings.ts";
import { authority } from "../pve/faults.ts";
import { type Probe, probe } from "../pve/probe.ts";
import type { Prompts } from "./prompts.ts";
import type { Values } from "./settings_file.ts";

/** A host that can be reached and trusted, and the settings that say so. */
export interface Found {
  readonly host: string;
  readonly port: number;
  readonly trust: Trust;
  readonly values: Values;
}

/** What a look at one address came to. */
export interface Reached {
  readonly host: string;
  readonly port: number;
  readonly probe: Probe;
  /** The ports at which it was looked for. */
  readonly tried: readonly number[];
}

/** Seconds for each step of the way. */
const PATIENCE = 10;

/** Whether an address was pasted without a port: it is often that of a reverse proxy. @throws {UsageError} for no address */
export function lacksPort(typed: string): boolean {
  return /^https:/i.test(typed) && parseHost(typed).port === undefined;
}

/** The ports that are tried. */
function portsFor(typed: string, port: number | undefined): readonly number[] {
  if (port !== undefined) return [port];
  return lacksPort(typed) ? [8006, 443] : [8006];
}

/** Whether something speaks TLS there, trusted or not. */
export function answers({ probe }: Pick<Reached, "probe">): boolean {
  return probe.reached === "tls" || probe.reached === "trust";
}

function isUnresolved({ failure }: Probe): boolean {
  return / cannot be resolved /.test(failure?.message ?? "");
}

/**
 * Looks at the address; at the second port only where nothing listens at the first.
 * @param usual the port where the address has none
 * @throws {UsageError} for no address
 */
export async function reach(typed: string, usual?: number): Promise<Reached> {
  const { host, port = usual } = parseHost(typed);
  const ports = portsFor(typed, port);
  const trust: Trust = { mode: "system" };
  let first: Reached | undefined;
  for (const port of ports) {
    const found = { host, port, probe: await probe({ host, port, trust, timeoutSeconds: PATIENCE }), tried: ports };
    if (answers(found)) return found;
    first ??= found;
    // A name that is unknown is so for each port.
    if (isUnresolved(found.probe)) break;
  }
  if (first === undefined) throw new Error("No port was tried");
  return first;
}

/** Whether nothing is wrong with the certificate but that nobody whom this machine knows vouches for it. */
export function isUnknown({ failure }: Probe): boolean {
  return / which neither Mozilla nor /.test(failure?.message ?? "");
}

/** What is wrong, and what to do about it. */
export function wordsOf({ probe, tried }: Reached): string {
  const { failure } = probe;
  if (failure === undefined) return "It cannot be reached.";
  const { remedy } = failure.details;
  const [, second] = answers({ probe }) || isUnresolved(probe) ? [] : tried;
  const message = second === undefined ? failure.message : `${failure.message}; nor does PVE answer on port ${second}`;
  return remedy === undefined ? message : `${message}\nWhat to do: ${remedy}`;
}

/** The same for a person who was asked for the host, and has set no variable yet. */
function wordsForPerson(reached: Reached): string {
  return wordsOf(reached).replaceAll("PROXMOX_HOST and PROXMOX_PORT", "the host and the port (as in pve.lan:8006)")
    .replaceAll("PROXMOX_HOST", "the host");
}

/** How PROXMOX_HOST is written; the usual port needs no word. */
export function hostValues({ host, port }: { readonly host: string; readonly port: number }): Values {
  const name = host.includes(":") ? `[${host}]` : host;
  return { PROXMOX_HOST: port === 8006 ? name : `${name}:${port}` };
}

/** Where the person finds the fingerprint on the other side. */
export const COMPARE = "in PVE's web interface: the node, System, Certificates, the certificate in use, Fingerprint; " +
  "or on the host: pvenode cert info";

const PLACEHOLDER = "pve.lan";

function checkHost(typed: string): string | undefined {
  try {
    parseHost(typed);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replace("PROXMOX_HOST", "It") : String(error);
  }
}

/** Asks until a host is found and trusted; `start` is what Enter alone stands for. */
export async function askHost(prompts: Prompts, start = PLACEHOLDER): Promise<Found> {
  for (let typed = start;;) {
    typed = await prompts.text("Where is Proxmox VE? A name, an address, or what the browser shows", typed, checkHost);
    prompts.begin(`Looking for it; without an answer, for ${PATIENCE} seconds a port …`);
    const reached = await reach(typed);
    if (!answers(reached)) {
      prompts.fault(wordsForPerson(reached));
      continue;
    }
    prompts.tell(`${authority(reached)} answers`);
    const found = await askTrust(prompts, reached);
    if (found !== undefined) return found;
  }
}

/** Undefined: the person wants another host. */
async function askTrust(prompts: Prompts, reached: Reached): Promise<Found | undefined> {
  const { host, port } = reached;
  const { certificate } = reached.probe;
  if (reached.probe.reached === "trust") {
    prompts.tell("Its certificate verifies. Nothing is pinned: a pin would break at each renewal.");
    return { host, port, trust: { mode: "system" }, values: { ...hostValues(reached), PROXMOX_VERIFY_SSL: "true" } };
  }
  const { failure } = reached.probe;
  // That no CA is known yet is what the next question is about; all else has a remedy of its own.
  prompts.fault(
    isUnknown(reached.probe) ? `${failure?.message}: as every PVE that made its own` : wordsForPerson(reached),
  );
  for (;;) {
    const how = await prompts.choose("How shall its certificate be checked?", [
      { value: "ca", label: "By the cluster's own CA", hint: "best: it outlives renewals; needs a copy of one file" },
      { value: "pin", label: "By its fingerprint", hint: "quick; has to be set anew at each renewal" },
      { value: "again", label: "Look again, or at another host" },
    ]);
    if (how === "again") return undefined;
    const found = how === "ca"
      ? await askCa(prompts, reached)
      : await askPin(prompts, reached, certificate?.fingerprint ?? "");
    if (found !== undefined) return found;
  }
}

async function askCa(prompts: Prompts, { host, port }: Reached): Promise<Found | undefined> {
  prompts.copy("Copy the CA from the host, in another terminal:", [`scp root@${host}:/etc/pve/pve-root-ca.pem .`]);
  const file = await prompts.text("Where is the copy?", `${Deno.cwd()}/pve-root-ca.pem`);
  let pem: string;
  try {
    pem = Deno.readTextFileSync(file);
  } catch (error) {
    prompts.fault(`${file} cannot be read: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    prompts.fault(`${file} holds no certificate in PEM, as /etc/pve/pve-root-ca.pem does`);
    return undefined;
  }
  const path = Deno.realPathSync(file);
  const trust: Trust = { mode: "ca", pem, file: path };
  const again = { host, port, probe: await probe({ host, port, trust, timeoutSeconds: PATIENCE }), tried: [port] };
  if (again.probe.reached !== "trust") {
    prompts.fault(wordsForPerson(again));
    return undefined;
  }
  prompts.tell("The CA vouches for it.");
  return { host, port, trust, values: { ...hostValues({ host, port }), PROXMOX_CA_FILE: path } };
}

async function askPin(prompts: Prompts, { host, port }: Reached, fingerprint: string): Promise<Found | undefined> {
  prompts.copy(`This is the fingerprint that ${host} shows. Compare it ${COMPARE}.`, [fingerprint]);
  if (!await prompts.confirm("Is it the same there?")) {
    prompts.fault("Then something else answers in the place of your host: do not go on before you know what.");
    return undefined;
  }
  const trust: Trust = { mode: "pin", fingerprint };
  return { host, port, trust, values: { ...hostValues({ host, port }), PROXMOX_FINGERPRINT: fingerprint } };
}
