/** Tools that keep the present state of a guest as a snapshot; going back to one is for people. */
import { z } from "zod";
import { UsageError } from "../errors.ts";
import { findGuest } from "../pve/guests.ts";
import type { Params, PveClient, SendOptions } from "../pve/client.ts";
import { defineTool, type Privilege, type ToolContext } from "../tool.ts";
import * as params from "./params.ts";
import { deadlineOf, inTurn, runningNote, settle, taskCalls, type Waiting } from "./waiting.ts";

const answer = z.object({
  vmid: z.number(),
  name: z.string().meta({ untold: true }).optional(),
  node: z.string().meta({ untold: true }),
  ...params.outcome,
  notes: params.notes,
});

const common = {
  ...params.guestToChange,
  snapname: z.string().min(2).max(40).describe("As in before-upgrade"),
  description: z.string().max(8192).optional(),
};

const privileges: readonly Privilege[] = [
  { path: "/vms/{vmid}", any: ["VM.Snapshot"] },
  { path: "/vms/{vmid}", any: ["VM.Audit"] },
  {
    path: "/storage/{storage}",
    any: ["Datastore.Audit"],
    when: "to see what is free and which storage has no snapshots",
  },
];

type Kind = "vm" | "container";
type Config = Readonly<Record<string, unknown>>;
type SeenCall =
  | "GET /nodes/{node}/qemu/{vmid}/config"
  | "GET /nodes/{node}/lxc/{vmid}/config"
  | "GET /nodes/{node}/storage";

const SLOT = { vm: /^(?:(?:scsi|virtio|sata|ide)\d+|efidisk0|tpmstate0)$/, container: /^(?:rootfs|mp\d+)$/ } as const;

/** Kinds of storage that keep whole files, so that only the file's format can hold a snapshot. */
const FILES = ["dir", "nfs", "cifs", "glusterfs", "cephfs", "lvm"];
const NEVER = ["iscsi", "iscsidirect"];

/**
 * The disks that stand in the way of a snapshot, each with its storage. What PVE would say about them is one sentence
 * without a name (captured 333); storages of a kind that is not known here are left to it.
 */
function unfit(kind: Kind, config: Config, types: ReadonlyMap<string, string | undefined>): string[] {
  return Object.entries(config).flatMap(([slot, value]) => {
    const text = String(value);
    if (!SLOT[kind].test(slot) || text === "none" || /,media=cdrom(?:,|$)/.test(text)) return [];
    const volume = text.split(",", 1)[0] ?? "";
    const [storage = ""] = volume.split(":", 1);
    if (volume.startsWith("/")) return [`${slot} is ${volume} of the host itself`];
    const type = types.get(storage) ?? "";
    return NEVER.includes(type) || (FILES.includes(type) && !volume.endsWith(".qcow2"))
      ? [`${slot} is on ${storage} (${type})`]
      : [];
  });
}

/** @throws {UsageError} naming the disks that cannot have a snapshot */
async function refuseUnfit(
  pve: PveClient<SeenCall>,
  kind: Kind,
  guest: { readonly node: string; readonly vmid: number },
  options: SendOptions,
): Promise<void> {
  const { node, vmid } = guest;
  const config: Config = kind === "vm"
    ? await pve.call("GET /nodes/{node}/qemu/{vmid}/config", { node, vmid }, options)
    : await pve.call("GET /nodes/{node}/lxc/{vmid}/config", { node, vmid }, options);
  const storages = await pve.call("GET /nodes/{node}/storage", { node }, options);
  const found = unfit(kind, config, new Map(storages.map((row) => [row.storage, row.type])));
  if (found.length === 0) return;
  throw new UsageError(
    `${params.guestKinds[kind].word} ${vmid} can have no snapshot: ${found.join("; ")}, which has none`,
    "Make a backup instead (create_backup); or a person moves the disk to a storage that has snapshots, as LVM-thin, ZFS or Ceph",
  );
}

interface Wish extends Waiting {
  readonly vmid: number;
  readonly node?: string | undefined;
  readonly snapname: string;
}

/** Takes the snapshot when everything before it is done, and says how a person goes back to it. */
async function take(
  context: ToolContext<SeenCall | "GET /cluster/resources" | (typeof taskCalls)[number]>,
  kind: Kind,
  input: Wish,
  withMemory: boolean,
  send: (guest: { readonly node: string; readonly vmid: number }) => Promise<string>,
): Promise<z.output<typeof answer>> {
  const { pve, signal } = context;
  const deadline = deadlineOf(input);
  const other = kind === "vm" ? "create_container_snapshot" : "create_vm_snapshot";
  const guest = await findGuest(pve, input, kind, other, { signal });
  const { vmid, node, name } = guest;
  const upid = await inTurn(context, vmid, deadline, async () => {
    await refuseUnfit(pve, kind, guest, { signal });
    const task = await send({ node, vmid });
    context.queue.hold([vmid], task);
    return task;
  });
  const { unseen, ...outcome } = await settle(context, upid, input, deadline);
  const notes = runningNote({ ...outcome, unseen }, `${kind}_status`);
  notes.push(
    `To go back to it, a person uses PVE's web interface: guest ${vmid}, Snapshots, ${input.snapname}, Rollback. ` +
      "What was written since is then lost",
  );
  if (kind === "vm" && guest.status !== "stopped" && !withMemory) {
    notes.push("It holds the disks without the memory: after going back the VM starts as after a power cut");
  }
  return { vmid, ...(name === undefined ? {} : { name }), node, ...outcome, notes };
}

const createVmSnapshot = defineTool({
  name: "create_vm_snapshot",
  title: "Make a snapshot of a VM",
  description: "Keeps a VM's present state, to go back to after a change. No backup: it is lost with the storage.",
  tier: "provision",
  toolset: "snapshots",
  input: z.strictObject({
    ...common,
    memory: z.boolean().default(false).describe("Its memory, too"),
    ...params.waiting,
  }),
  output: answer,
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/qemu/{vmid}/config",
    "GET /nodes/{node}/lxc/{vmid}/config",
    "GET /nodes/{node}/storage",
    "POST /nodes/{node}/qemu/{vmid}/snapshot",
    ...taskCalls,
  ],
  privileges,
  async run(input, context) {
    const { snapname, description, memory } = input;
    return await take(context, "vm", input, memory, (guest) => {
      const request: Params<"POST /nodes/{node}/qemu/{vmid}/snapshot"> = {
        ...guest,
        snapname,
        description,
        ...(memory ? { vmstate: true } : {}),
      };
      return context.pve.call("POST /nodes/{node}/qemu/{vmid}/snapshot", request, { signal: context.signal });
    });
  },
});

const createContainerSnapshot = defineTool({
  name: "create_container_snapshot",
  title: "Make a snapshot of a container",
  description: "Keeps a container's present state, as create_vm_snapshot does.",
  tier: "provision",
  toolset: "snapshots",
  input: z.strictObject({ ...common, ...params.waiting }),
  output: answer,
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/qemu/{vmid}/config",
    "GET /nodes/{node}/lxc/{vmid}/config",
    "GET /nodes/{node}/storage",
    "POST /nodes/{node}/lxc/{vmid}/snapshot",
    ...taskCalls,
  ],
  privileges,
  async run(input, context) {
    const { snapname, description } = input;
    return await take(
      context,
      "container",
      input,
      false,
      (guest) =>
        context.pve.call("POST /nodes/{node}/lxc/{vmid}/snapshot", { ...guest, snapname, description }, {
          signal: context.signal,
        }),
    );
  },
});

export const snapshotTools = [createVmSnapshot, createContainerSnapshot] as const;
