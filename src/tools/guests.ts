/** Tools that look at one guest: its status, its configuration. */
import { z } from "zod";
import { findGuest } from "../pve/guests.ts";
import { gib, percent, uptime, usedPercent } from "../shape/numbers.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";

/** One guest, as lists and status tools show it. */
export const guestRow = z.object({
  vmid: z.number(),
  name: z.string().optional(),
  node: z.string(),
  status: z.string().optional(),
  cpus: z.number().optional(),
  cpu_percent: z.number().optional(),
  memory_gib: z.number().optional(),
  memory_used_percent: z.number().optional(),
  uptime: z.string().optional(),
  tags: z.string().optional(),
  pool: z.string().optional(),
  lock: z.string().optional(),
  template: z.boolean().optional(),
});

const looks = [
  {
    ...params.guestKinds.vm,
    status: "vm_status",
    config: "vm_config",
    otherStatus: "container_status",
    otherConfig: "container_config",
  },
  {
    ...params.guestKinds.container,
    status: "container_status",
    config: "container_config",
    otherStatus: "vm_status",
    otherConfig: "vm_config",
  },
] as const;

export const guestStatuses = looks.map((look) => {
  const call = `GET /nodes/{node}/${look.api}/{vmid}/status/current` as const;
  return defineTool({
    name: look.status,
    title: `Status of a ${look.word}`,
    description:
      `Shows what one ${look.word} is doing now: running or not, CPU, memory, uptime, lock. For its settings use ${look.config}.`,
    tier: "read",
    toolset: "core",
    input: z.strictObject(params.guestToRead),
    output: guestRow.extend({
      qemu_state: z.string().optional().describe("When it differs from status, as in paused"),
      disk_gib: z.number().optional(),
      disk_used_percent: z.number().optional(),
      swap_gib: z.number().optional(),
      agent: z.boolean().optional().describe("Whether the guest agent is switched on in the configuration"),
      ha_managed: z.boolean().optional(),
    }),
    calls: ["GET /cluster/resources", call],
    privileges: [{ path: "/vms/{vmid}", any: ["VM.Audit"] }],
    async run(input, { pve, signal }) {
      const guest = await findGuest(pve, input, look.kind, look.otherStatus, { signal });
      const now: Now = await pve.call(call, { node: guest.node, vmid: guest.vmid }, { signal });
      const running = now.status === "running";
      return {
        vmid: guest.vmid,
        name: now.name ?? guest.name,
        node: guest.node,
        status: now.status,
        qemu_state: now.qmpstatus === now.status ? undefined : now.qmpstatus,
        cpus: now.cpus,
        cpu_percent: running ? percent(now.cpu) : undefined,
        memory_gib: gib(now.maxmem),
        memory_used_percent: running ? usedPercent(now.mem, now.maxmem) : undefined,
        swap_gib: gib(now.maxswap),
        disk_gib: gib(now.maxdisk),
        disk_used_percent: look.kind === "container" && running ? usedPercent(now.disk, now.maxdisk) : undefined,
        uptime: uptime(now.uptime),
        tags: guest.tags.length > 0 ? guest.tags.join(";") : undefined,
        pool: guest.pool,
        lock: now.lock,
        template: now.template === true || guest.template ? true : undefined,
        agent: now.agent,
        ha_managed: now.ha?.managed === true ? true : undefined,
      };
    },
  });
});

/** The fields of both kinds' current status. */
interface Now {
  readonly name?: string | undefined;
  readonly status?: string | undefined;
  readonly qmpstatus?: string | undefined;
  readonly cpu?: number | undefined;
  readonly cpus?: number | undefined;
  readonly mem?: number | undefined;
  readonly maxmem?: number | undefined;
  readonly maxswap?: number | undefined;
  readonly disk?: number | undefined;
  readonly maxdisk?: number | undefined;
  readonly uptime?: number | undefined;
  readonly lock?: string | undefined;
  readonly template?: boolean | undefined;
  readonly agent?: boolean | undefined;
  readonly ha?: { readonly managed?: boolean | undefined } | undefined;
}

/** What PVE makes up itself, and no reader acts on. */
const IDS = /^(?:meta|smbios1|vmgenid)$/;

/** A setting with what is pending for it; `delete`: it goes at the next start. */
export interface PendingRow {
  readonly key: string;
  /** What is in force. */
  readonly value?: string | undefined;
  readonly pending?: string | undefined;
  readonly delete?: number | undefined;
}

/** In the place of a value that PVE has none of its own for. */
export const NOT_SET = "(not set)";

/** Configuration values that must not reach a model. */
const SECRET_KEYS = /^cipassword$/;

export const guestConfigs = looks.map((look) => {
  const call = `GET /nodes/{node}/${look.api}/{vmid}/config` as const;
  const pending = `GET /nodes/{node}/${look.api}/{vmid}/pending` as const;
  return defineTool({
    name: look.config,
    title: `Configuration of a ${look.word}`,
    description:
      `Shows the settings of one ${look.word}, with those that wait for a restart; in_force: what holds now. To change them use set_${look.config}.`,
    tier: "read",
    toolset: "core",
    input: z.strictObject({
      ...params.guestToRead,
      detail: z.enum(["full"]).optional().describe("full: with ids that only PVE needs"),
    }),
    output: z.object({
      vmid: z.number(),
      node: z.string(),
      config: z.record(z.string(), z.unknown()),
      // What holds until it is shut down and started again, where config differs.
      in_force: z.record(z.string(), z.unknown()).meta({ untold: true }).optional(),
      left_out: z.string().meta({ untold: true }).optional(),
    }),
    calls: ["GET /cluster/resources", call, pending],
    privileges: [{ path: "/vms/{vmid}", any: ["VM.Audit"] }],
    async run(input, { pve, signal }) {
      const guest = await findGuest(pve, input, look.kind, look.otherConfig, { signal });
      const address = { node: guest.node, vmid: guest.vmid };
      const [config, rows]: [Readonly<Record<string, unknown>>, readonly PendingRow[]] = await Promise.all([
        pve.call(call, address, { signal }),
        pve.call(pending, address, { signal }),
      ]);
      const all = readableConfig(config);
      const in_force = inForce(rows);
      const left = input.detail === "full" ? [] : Object.keys(all).filter((key) => IDS.test(key));
      return {
        vmid: guest.vmid,
        node: guest.node,
        config: Object.fromEntries(Object.entries(all).filter(([key]) => !left.includes(key))),
        ...(Object.keys(in_force).length > 0 ? { in_force } : {}),
        ...(left.length > 0 ? { left_out: left.join(", ") } : {}),
      };
    },
  });
});

/** What is in force of all that waits for a restart; PVE's configuration shows what waits, and leaves out what is to go. */
function inForce(rows: readonly PendingRow[]): Record<string, string | number | boolean> {
  const waiting = rows.filter((row) => row.pending !== undefined || row.delete !== undefined);
  const set = readableConfig(Object.fromEntries(waiting.map((row) => [row.key, row.value])));
  return Object.fromEntries(waiting.map(({ key }) => [key, set[key] ?? NOT_SET] as const));
}

/** A configuration in a stable order, without secrets and without the digest, which serves no reader. */
export function readableConfig(config: Readonly<Record<string, unknown>>): Record<string, string | number | boolean> {
  const shown: Record<string, string | number | boolean> = {};
  for (const key of Object.keys(config).sort((a, b) => a.localeCompare(b, "en", { numeric: true }))) {
    const value = config[key];
    if (key === "digest" || value === undefined || value === null) continue;
    if (SECRET_KEYS.test(key)) shown[key] = "(set, not shown)";
    else if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") shown[key] = value;
    else shown[key] = JSON.stringify(value);
  }
  return shown;
}
