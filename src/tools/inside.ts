/** Tools that look inside a guest: its addresses, and what a VM's guest agent tells of its system. */
import { z } from "zod";
import { PveError } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { findGuest, type Guest } from "../pve/guests.ts";
import { type Fields, isRecord, numberOf, rowsOf, textOf } from "../shape/fields.ts";
import { gib, usedPercent } from "../shape/numbers.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";

/** Rows of one answer: a container host has hundreds of interfaces and mounts. */
const MOST_ROWS = 60;

const agentPrivilege = {
  path: "/vms/{vmid}",
  // PVE 8 has VM.Monitor for it.
  any: ["VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted", "VM.Monitor"],
};

/** Whether the configuration switches the agent on, as in "1" or "enabled=1,fstrim_cloned_disks=1". */
function hasAgent(agent: string | undefined): boolean {
  return /^(?:enabled=)?1/.test(agent ?? "0");
}

// ---- guest_network ----------------------------------------------------------------------------------------------------

interface Interface {
  readonly interface: string;
  readonly mac: string | undefined;
  readonly addresses: string[];
}

/** What one asks for comes first: IPv4, then IPv6, then what is valid on the link only. */
function rank(address: string): number {
  if (/^fe[89ab]/i.test(address)) return 2;
  return address.includes(":") ? 1 : 0;
}

/** The interfaces that a container or a guest agent tells of, which use the same field names, without loopback. */
export function interfacesIn(value: unknown): Interface[] {
  return rowsOf(value).flatMap((row): Interface[] => {
    const told = rowsOf(row["ip-addresses"]).flatMap((one) => {
      const [ip, { prefix }] = [textOf(one["ip-address"]), one];
      // A number from an agent, a text from a container.
      const known = typeof prefix === "number" || typeof prefix === "string";
      return ip === undefined ? [] : [known ? `${ip}/${prefix}` : ip];
    });
    // PVE 8 tells containers' addresses in inet and inet6 only.
    const addresses = told.length > 0 ? told : [row.inet, row.inet6].flatMap((one) => textOf(one) ?? []);
    const name = textOf(row.name) ?? "";
    if (name === "lo" || (addresses.length > 0 && addresses.every((one) => /^(?:127\.|::1(?:\/|$))/.test(one)))) {
      return [];
    }
    return [{
      interface: name,
      mac: textOf(row["hardware-address"]) ?? textOf(row.hwaddr),
      addresses: addresses.sort((a, b) => rank(a) - rank(b)),
    }];
  });
}

/** The network devices of a configuration with the addresses that it gives them: dhcp means that it is not known here. */
export function devicesIn(config: Fields): Interface[] {
  return Object.keys(config).filter((key) => /^net\d+$/.test(key)).sort((a, b) =>
    a.localeCompare(b, "en", { numeric: true })
  ).map((slot) => {
    const device = String(config[slot]);
    const given = `${device},${String(config[slot.replace("net", "ipconfig")] ?? "")}`;
    return {
      interface: /(?:^|,)name=([^,]+)/.exec(device)?.[1] ?? slot,
      mac: /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/i.exec(device)?.[0]?.toLowerCase(),
      addresses: [...given.matchAll(/(?:^|,)ip6?=([^,]+)/g)].flatMap(([, address]) => address ?? []),
    };
  });
}

type NetworkCall =
  | "GET /nodes/{node}/qemu/{vmid}/config"
  | "GET /nodes/{node}/lxc/{vmid}/config"
  | "GET /nodes/{node}/lxc/{vmid}/interfaces"
  | "GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces";

interface Network {
  readonly source: "agent" | "interfaces" | "config";
  readonly interfaces: Interface[];
  /** Why the settings had to do. */
  readonly why?: string;
}

async function networkOf(pve: PveClient<NetworkCall>, guest: Guest, options: SendOptions): Promise<Network> {
  const { kind, node, vmid } = guest;
  const running = guest.status === "running";
  const off = `It is ${guest.status ?? "not running"}`;
  /** Why the guest itself does not tell; what ends the call ends it here, too. */
  const why = (error: unknown): string => {
    if (!(error instanceof PveError) || error.details.kind === "cancelled") throw error;
    return [error.message, error.details.remedy].filter((part) => part !== undefined).join(". ");
  };
  if (kind === "container") {
    let reason = off;
    if (running) {
      try {
        const rows = await pve.call("GET /nodes/{node}/lxc/{vmid}/interfaces", { node, vmid }, options);
        return { source: "interfaces", interfaces: interfacesIn(rows) };
      } catch (error) {
        reason = why(error);
      }
    }
    const config = await pve.call("GET /nodes/{node}/lxc/{vmid}/config", { node, vmid }, options);
    return { source: "config", interfaces: devicesIn(config), why: reason };
  }
  const config = await pve.call("GET /nodes/{node}/qemu/{vmid}/config", { node, vmid }, options);
  const settings = { source: "config", interfaces: devicesIn(config) } as const;
  if (!running) return { ...settings, why: off };
  if (!hasAgent(config.agent)) {
    return { ...settings, why: "Its guest agent is off in its settings; guest_agent_info tells more" };
  }
  try {
    const call = "GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces";
    const { result } = await pve.call(call, { node, vmid }, options);
    return { source: "agent", interfaces: interfacesIn(result) };
  } catch (error) {
    return { ...settings, why: why(error) };
  }
}

export const guestNetwork = defineTool({
  name: "guest_network",
  title: "Network of a guest",
  description:
    "Tells the IP and MAC addresses of a VM or container, and from where: its guest agent, its interfaces, or only its settings.",
  tier: "read",
  toolset: "inside",
  input: z.strictObject(params.guestToRead),
  output: z.object({
    vmid: z.number(),
    node: z.string(),
    source: z.enum(["agent", "interfaces", "config"]).describe("config: what is set, not what is in use"),
    interfaces: z.array(
      z.object({ interface: z.string(), mac: z.string().optional(), addresses: z.array(z.string()) }),
    ),
    notes: params.notes,
  }),
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/qemu/{vmid}/config",
    "GET /nodes/{node}/lxc/{vmid}/config",
    "GET /nodes/{node}/lxc/{vmid}/interfaces",
    "GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces",
  ],
  privileges: [
    { path: "/vms/{vmid}", any: ["VM.Audit"] },
    { ...agentPrivilege, when: "to ask a VM's agent" },
  ],
  async run(input, { pve, signal }) {
    const guest = await findGuest(pve, input, undefined, "", { signal });
    const { source, interfaces, why } = await networkOf(pve, guest, { signal });
    const dhcp = source === "config" && interfaces.some(({ addresses }) => !addresses.some((one) => /\d/.test(one)));
    const notes = [
      ...(why === undefined ? [] : [`Only its settings are known. ${why}`]),
      ...(dhcp ? ["What has no address here gets one by DHCP, or from inside the guest"] : []),
      ...(interfaces.length > MOST_ROWS ? [`${interfaces.length - MOST_ROWS} more interfaces are left out`] : []),
    ];
    return {
      vmid: guest.vmid,
      node: guest.node,
      source,
      interfaces: interfaces.slice(0, MOST_ROWS),
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});

// ---- guest_agent_info -------------------------------------------------------------------------------------------------

type AgentCall =
  | "GET /nodes/{node}/qemu/{vmid}/agent/get-osinfo"
  | "GET /nodes/{node}/qemu/{vmid}/agent/get-host-name"
  | "GET /nodes/{node}/qemu/{vmid}/agent/get-fsinfo";

const STATES = ["running", "silent", "off", "stopped"] as const;

/** Undefined where the agent does not take this one command, as an old one or one that is told to; the reason goes to `refused`. */
async function ask(
  pve: PveClient<AgentCall>,
  call: AgentCall,
  { node, vmid }: Guest,
  options: SendOptions,
  refused: PveError[],
): Promise<unknown> {
  try {
    const { result } = await pve.call(call, { node, vmid }, options);
    return result;
  } catch (error) {
    if (!(error instanceof PveError) || !/^(?:agent|busy|conflict|failed)$/.test(error.details.kind)) throw error;
    refused.push(error);
    return undefined;
  }
}

/** Which state the agent's silence means, in PVE's words. */
function stateOf({ details }: PveError): (typeof STATES)[number] {
  const reason = details.reason ?? "";
  if (/No QEMU guest agent configured/i.test(reason)) return "off";
  if (/^VM \d+ (?:is )?not running/i.test(reason)) return "stopped";
  // "Agent error: …" comes from an agent that is there.
  return /^Agent error/i.test(reason) ? "running" : "silent";
}

export const guestAgentInfo = defineTool({
  name: "guest_agent_info",
  title: "What the guest agent tells",
  description:
    "Tells a VM's operating system, hostname and file systems as its QEMU guest agent sees them, or why the agent does not answer.",
  tier: "read",
  toolset: "inside",
  input: z.strictObject(params.guestToRead),
  output: z.object({
    vmid: z.number(),
    node: z.string(),
    agent: z.enum(STATES).describe("silent: on in the settings, but nothing answers; stopped: the VM is"),
    hostname: z.string().optional(),
    os: z.string().optional(),
    kernel: z.string().optional(),
    file_systems: z.array(z.object({
      mountpoint: z.string(),
      type: z.string().optional(),
      size_gib: z.number().optional(),
      used_percent: z.number().optional(),
    })).optional(),
    notes: params.notes,
  }),
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/qemu/{vmid}/config",
    "GET /nodes/{node}/qemu/{vmid}/agent/get-osinfo",
    "GET /nodes/{node}/qemu/{vmid}/agent/get-host-name",
    "GET /nodes/{node}/qemu/{vmid}/agent/get-fsinfo",
  ],
  privileges: [{ path: "/vms/{vmid}", any: ["VM.Audit"] }, agentPrivilege],
  async run(input, { pve, signal }) {
    const guest = await findGuest(pve, input, "vm", "guest_network and container_status: containers need no agent", {
      signal,
    });
    const { vmid, node } = guest;
    const config = await pve.call("GET /nodes/{node}/qemu/{vmid}/config", { node, vmid }, { signal });
    const told = (agent: (typeof STATES)[number], ...notes: string[]) => ({ vmid, node, agent, notes });
    if (!hasAgent(config.agent)) {
      return told(
        "off",
        "Install qemu-guest-agent inside, switch it on with set_vm_config (agent: true), then stop and start the VM",
      );
    }
    if (guest.status === "stopped") return told("stopped", "The VM is stopped: start_vm starts it");
    if (guest.status === "paused") {
      return told("silent", `The VM is paused, and answers nobody: ${params.goesOn}`);
    }
    const refused: PveError[] = [];
    const os = await ask(pve, "GET /nodes/{node}/qemu/{vmid}/agent/get-osinfo", guest, { signal }, refused);
    const [first] = refused;
    const why = (error: PveError) =>
      [error.message, error.details.remedy ?? ""].filter((part) => part !== "").join(". ");
    if (first !== undefined && stateOf(first) !== "running") return told(stateOf(first), why(first));
    const [name, mounts] = await Promise.all([
      ask(pve, "GET /nodes/{node}/qemu/{vmid}/agent/get-host-name", guest, { signal }, refused),
      ask(pve, "GET /nodes/{node}/qemu/{vmid}/agent/get-fsinfo", guest, { signal }, refused),
    ]);
    const system = isRecord(os) ? os : {};
    const all = rowsOf(mounts).map((row) => fileSystem(row));
    const notes = [
      ...refused.map(why),
      ...(all.length > MOST_ROWS ? [`${all.length - MOST_ROWS} more file systems are left out`] : []),
    ];
    return {
      vmid,
      node,
      agent: "running" as const,
      hostname: isRecord(name) ? textOf(name["host-name"]) : undefined,
      os: textOf(system["pretty-name"]) ?? textOf(system.name),
      kernel: textOf(system["kernel-release"]),
      ...(mounts === undefined ? {} : { file_systems: all.slice(0, MOST_ROWS) }),
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});

/** A row of GuestFilesystemInfo, as QEMU's agent protocol names it; older agents tell no sizes. */
function fileSystem(row: Fields) {
  const [total, used] = [numberOf(row["total-bytes"]), numberOf(row["used-bytes"])];
  return {
    mountpoint: textOf(row.mountpoint) ?? "",
    type: textOf(row.type),
    size_gib: gib(total),
    used_percent: usedPercent(used, total),
  };
}
