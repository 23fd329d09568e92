/** Which guest has an IP address: what their settings and running systems tell, from a bounded number of requests. */
import { PveError } from "../errors.ts";
import type { PveClient, SendOptions } from "./client.ts";
import type { Guest } from "./guests.ts";

export type AddressCall =
  | "GET /nodes/{node}/qemu/{vmid}/config"
  | "GET /nodes/{node}/lxc/{vmid}/config"
  | "GET /nodes/{node}/lxc/{vmid}/interfaces"
  | "GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces";

/** A guest that has the address, and where that stands, as in "net0" or "eth0 (guest agent)". */
export interface Addressed {
  readonly guest: Guest;
  readonly where: string;
}

/** PVE is asked no more often than this for one address; a guest takes one request, or two with its agent. */
const MOST_REQUESTS = 80;

/** An agent that hangs holds a request up: after this many milliseconds the search ends with what it has. */
const LONGEST_SEARCH = 15_000;

/** Searches beside each other; other calls get through in between. */
const AT_ONCE = 4;

/** An IPv4 or IPv6 address in its one normal form; undefined where the text is none. A prefix ("/24") is dropped. */
export function canonicalAddress(text: string): string | undefined {
  const [bare = ""] = text.trim().toLowerCase().split(/[/%]/);
  if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(bare)) {
    const bytes = bare.split(".").map(Number);
    return bytes.every((byte) => byte <= 255) ? bytes.join(".") : undefined;
  }
  if (!/^[0-9a-f:.]{2,45}$/.test(bare) || !bare.includes(":")) return undefined;
  // A URL brings IPv6 into its normal form, and knows what is none.
  return URL.parse(`http://[${bare}]/`)?.hostname.slice(1, -1);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The slot of a configuration that names the address, as in "ipconfig0". */
function slotWith(config: Readonly<Record<string, unknown>>, address: string): string | undefined {
  return Object.keys(config).find((slot) => {
    const value = config[slot];
    return /^(?:net|ipconfig)\d+$/.test(slot) && typeof value === "string" &&
      [...value.matchAll(/(?:^|,)ip6?=([^,]+)/g)].some(([, given = ""]) => canonicalAddress(given) === address);
  });
}

/** The interface that has the address; containers and the guest agent use the same field names. */
function interfaceWith(rows: unknown, address: string): string | undefined {
  const list: readonly unknown[] = Array.isArray(rows) ? rows : [];
  for (const row of list) {
    if (!isRecord(row)) continue;
    const inner: readonly unknown[] = Array.isArray(row["ip-addresses"]) ? row["ip-addresses"] : [];
    // PVE 8 tells containers' addresses in inet and inet6 only.
    const told = [row.inet, row.inet6, ...inner.map((one) => isRecord(one) ? one["ip-address"] : undefined)];
    if (told.some((one) => typeof one === "string" && canonicalAddress(one) === address)) return String(row.name);
  }
  return undefined;
}

/** Looks for an address among guests, running ones first. */
export async function lookForAddress(
  pve: PveClient<AddressCall>,
  guests: readonly Guest[],
  address: string,
  { signal }: SendOptions,
): Promise<{ readonly found: Addressed[]; readonly lookedAt: string }> {
  const waiting = guests.filter((guest) => !guest.template)
    .sort((a, b) => Number(b.status === "running") - Number(a.status === "running"));
  const count = waiting.length;
  const found: Addressed[] = [];
  let [requests, looked, silent] = [0, 0, 0];
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), LONGEST_SEARCH);
  const options: SendOptions = {
    signal: signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]),
  };

  /** Undefined where the guest, or PVE for it, does not answer. */
  async function ask<T>(question: () => Promise<T>): Promise<T | undefined> {
    requests++;
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof PveError) || signal?.aborted) throw error;
      return undefined;
    }
  }

  async function look(guest: Guest): Promise<string | undefined> {
    const { node, vmid } = guest;
    const running = guest.status === "running";
    if (guest.kind === "container") {
      const rows = running
        ? await ask(() => pve.call("GET /nodes/{node}/lxc/{vmid}/interfaces", { node, vmid }, options))
        : undefined;
      const name = interfaceWith(rows, address);
      if (name !== undefined || rows !== undefined) return name;
      const config = await ask(() => pve.call("GET /nodes/{node}/lxc/{vmid}/config", { node, vmid }, options));
      if (config === undefined) silent++;
      return config === undefined ? undefined : slotWith(config, address);
    }
    const config = await ask(() => pve.call("GET /nodes/{node}/qemu/{vmid}/config", { node, vmid }, options));
    const slot = config === undefined ? undefined : slotWith(config, address);
    if (slot !== undefined) return slot;
    if (!running || !/^(?:enabled=)?1/.test(config?.agent ?? "0")) {
      // Without its agent nobody knows what DHCP gave it.
      if (config === undefined || guest.status !== "stopped") silent++;
      return undefined;
    }
    const answer = await ask(() =>
      pve.call("GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces", { node, vmid }, options)
    );
    if (answer === undefined) silent++;
    const name = interfaceWith(answer?.result, address);
    return name === undefined ? undefined : `${name} (guest agent)`;
  }

  async function worker(): Promise<void> {
    while (requests < MOST_REQUESTS && !ending.signal.aborted) {
      const guest = waiting.shift();
      if (guest === undefined) return;
      const where = await look(guest);
      looked++;
      if (where !== undefined) found.push({ guest, where });
    }
  }

  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    clearTimeout(timer);
  }
  const left = count - looked;
  return {
    found: found.sort((a, b) => a.guest.vmid - b.guest.vmid),
    lookedAt:
      `Looked for ${address} in settings, interfaces of running containers and guest agents: ${looked} of ${count} guests` +
      (silent > 0 ? `; ${silent} of them tell no address (no agent, or no answer)` : "") +
      (left > 0 ? `; ${left} left out: give node to look at fewer` : ""),
  };
}
