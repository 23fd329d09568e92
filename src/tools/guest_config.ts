/** Tools that change the settings of a guest that exists. */
import { z } from "zod";
import { UsageError } from "../errors.ts";
import type { Params } from "../pve/client.ts";
import { findGuest } from "../pve/guests.ts";
import { defineTool } from "../tool.ts";
import { NOT_SET, type PendingRow } from "./guests.ts";
import * as options from "./options.ts";
import * as params from "./params.ts";
import { toSetContainer, toSetVm } from "./privileges.ts";
import { changeInTurn, taskCalls } from "./waiting.ts";

/** The answer of every tool that changes settings. */
export const changed = z.object({
  vmid: z.number(),
  name: z.string().meta({ untold: true }).optional(),
  node: z.string(),
  state: z.enum(["ok", "unchanged"]),
  changes: z.array(z.object({
    key: z.string(),
    old: z.string().optional(),
    new: z.string().optional(),
    after_restart: z.boolean().optional().describe("PVE applies it when the guest is shut down and started again"),
    // What holds until then, where old waited for that as well.
    in_force: z.string().meta({ untold: true }).optional(),
  })),
  notes: params.notes,
});

type Config = Readonly<Record<string, unknown>>;
type Changes = z.output<typeof changed>["changes"];

/** Values that are never repeated in an answer. */
const SECRETS = new Set(["cipassword"]);

function shown(key: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (SECRETS.has(key)) return "(not shown)";
  if (key === "sshkeys") return plainKeys(value);
  return value === true ? "1" : value === false ? "0" : String(value);
}

/** SSH keys as people write them: PVE keeps them URL-encoded. */
export function plainKeys(value: unknown): string {
  const text = String(value);
  try {
    return decodeURIComponent(text).trim();
  } catch {
    return text;
  }
}

/** What a write has changed: the configuration before it, beside what is live and what is pending after it. */
export function compare(keys: readonly string[], before: Config, after: readonly PendingRow[]): Changes {
  return keys.flatMap((key) => {
    const row = after.find((row) => row.key === key);
    const old = shown(key, before[key]);
    const now = shown(key, row?.pending ?? row?.value);
    const waits = row?.pending !== undefined;
    // What PVE's configuration shows, and so `old`, may never have come into force.
    const live = shown(key, row?.value);
    if (old === now && !waits && !SECRETS.has(key)) return [];
    return [{
      key,
      ...(old === undefined ? {} : { old }),
      ...(now === undefined ? {} : { new: now }),
      ...(waits ? { after_restart: true } : {}),
      ...(waits && live !== old ? { in_force: live ?? NOT_SET } : {}),
    }];
  });
}

/** The state and the notes of an answer about changes. */
export function answerOf(
  changes: Changes,
  kind: "vm" | "container",
): { state: "ok" | "unchanged"; changes: Changes; notes?: string[] } {
  if (changes.length === 0) return { state: "unchanged", changes, notes: ["Everything had these values already"] };
  const waiting = changes.filter((change) => change.after_restart === true).map((change) => change.key);
  return {
    state: "ok",
    changes,
    ...(waiting.length > 0
      ? { notes: [`${waiting.join(", ")}: in effect after shutdown_${kind} and start_${kind}, or reboot_${kind}`] }
      : {}),
  };
}

function needSomething(config: Readonly<Record<string, unknown>>): string[] {
  const keys = Object.keys(config).filter((key) => config[key] !== undefined);
  if (keys.length > 0) return keys;
  throw new UsageError("config is empty", 'Name at least one setting, as in config={"memory": 4096}');
}

function networksKept<T extends Readonly<Record<string, unknown>>>(
  config: T,
  before: Config,
  kind: "vm" | "container",
): Record<`net${number}`, string> {
  const kept: Record<`net${number}`, string> = {};
  for (const [key, value] of Object.entries(config)) {
    const slot = /^net(\d+)$/.exec(key)?.[1];
    if (slot === undefined || typeof value !== "string") continue;
    const present = before[key];
    kept[`net${Number(slot)}`] = options.keepIdentity(typeof present === "string" ? present : undefined, value, kind);
  }
  return kept;
}

export const setVmConfig = defineTool({
  name: "set_vm_config",
  title: "Change a VM",
  description:
    "Changes settings of one VM: CPU, memory, name, tags, network, cloud-init, or adds a disk in a free slot. The answer gives the old values. Disks are never removed, replaced or shrunk.",
  tier: "provision",
  toolset: "core",
  idempotent: true,
  input: z.strictObject({
    ...params.guestToChange,
    config: z.strictObject(options.vmOptions).meta({ keysAs: "create_vm" }),
  }),
  output: changed,
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/qemu/{vmid}/config",
    "GET /nodes/{node}/qemu/{vmid}/pending",
    "PUT /nodes/{node}/qemu/{vmid}/config",
    ...taskCalls,
  ],
  privileges: toSetVm,
  async run(input, context) {
    const { pve, signal } = context;
    needSomething(input.config);
    const { vmid, node, name } = await findGuest(pve, input, "vm", "set_container_config", { signal });
    return await changeInTurn(context, vmid, async () => {
      const before = await pve.call("GET /nodes/{node}/qemu/{vmid}/config", { node, vmid }, { signal });
      const { agent, iso, cloudinit, ...plain } = input.config;
      const extra: Record<`ide${number}` | `sata${number}` | `scsi${number}`, string> = {};
      if (iso !== undefined) {
        const value = iso === "none" ? "none,media=cdrom" : `${iso},media=cdrom`;
        const slot = options.cdromSlot(before) ?? options.freeIde(before);
        const [family, number] = [/^[a-z]+/.exec(slot ?? "")?.[0], Number(/\d+$/.exec(slot ?? "")?.[0])];
        if (family === "ide" || family === "sata" || family === "scsi") extra[`${family}${number}`] = value;
        else throw new UsageError(`VM ${vmid} has no CD-ROM drive and no free IDE slot`, "A person has to free a slot");
      }
      if (cloudinit !== undefined) {
        const slot = options.freeIde({ ...before, ...extra });
        const number = Number(slot?.slice(3));
        if (slot === undefined) {
          throw new UsageError(`VM ${vmid} has no free IDE slot for a cloud-init drive`, "A person has to free a slot");
        }
        extra[`ide${number}`] = `${cloudinit}:cloudinit`;
      }
      const request: Params<"PUT /nodes/{node}/qemu/{vmid}/config"> = {
        ...plain,
        ...extra,
        ...networksKept(plain, before, "vm"),
        ...(agent === undefined ? {} : { agent: options.switchAgent(before.agent, agent) }),
        node,
        vmid,
        digest: before.digest,
      };
      await pve.call("PUT /nodes/{node}/qemu/{vmid}/config", request, { signal });
      const after = await pve.call("GET /nodes/{node}/qemu/{vmid}/pending", { node, vmid }, { signal });
      const keys = Object.entries(request).filter(([key, value]) =>
        value !== undefined && !["node", "vmid", "digest"].includes(key)
      );
      const answer = answerOf(compare(keys.map(([key]) => key), before, after), "vm");
      const drive = cloudinit !== undefined || options.cloudInitSlot(before, vmid) !== undefined;
      const notes = [...answer.notes ?? [], ...options.idleNotes(plain, drive)];
      return {
        vmid,
        name: plain.name ?? name,
        node,
        ...answer,
        ...(notes.length > 0 ? { notes } : {}),
      };
    });
  },
});

export const setContainerConfig = defineTool({
  name: "set_container_config",
  title: "Change a container",
  description:
    "Changes settings of one container: CPU, memory, swap, hostname, tags, network, or adds a mount point in a free slot. The answer gives the old values. Volumes are never removed, replaced or shrunk.",
  tier: "provision",
  toolset: "core",
  idempotent: true,
  input: z.strictObject({
    ...params.guestToChange,
    config: z.strictObject(options.containerOptions).meta({ keysAs: "create_container" }),
  }),
  output: changed,
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/lxc/{vmid}/config",
    "GET /nodes/{node}/lxc/{vmid}/pending",
    "PUT /nodes/{node}/lxc/{vmid}/config",
    ...taskCalls,
  ],
  privileges: toSetContainer,
  async run(input, context) {
    const { pve, signal } = context;
    needSomething(input.config);
    const { vmid, node, name } = await findGuest(pve, input, "container", "set_vm_config", { signal });
    return await changeInTurn(context, vmid, async () => {
      const before = await pve.call("GET /nodes/{node}/lxc/{vmid}/config", { node, vmid }, { signal });
      const { features, ...plain } = input.config;
      const request: Params<"PUT /nodes/{node}/lxc/{vmid}/config"> = {
        ...plain,
        ...networksKept(plain, before, "container"),
        ...(features === undefined ? {} : { features: options.mergeFeatures(before.features, features) }),
        node,
        vmid,
        digest: before.digest,
      };
      await pve.call("PUT /nodes/{node}/lxc/{vmid}/config", request, { signal });
      const after = await pve.call("GET /nodes/{node}/lxc/{vmid}/pending", { node, vmid }, { signal });
      const keys = Object.entries(request).filter(([key, value]) =>
        value !== undefined && !["node", "vmid", "digest"].includes(key)
      );
      return {
        vmid,
        name: plain.hostname ?? name,
        node,
        ...answerOf(compare(keys.map(([key]) => key), before, after), "container"),
      };
    });
  },
});
