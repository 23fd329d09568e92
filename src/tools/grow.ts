/** Tools that make disks larger, and that halt a VM and let it go on. */
import { z } from "zod";
import { UsageError } from "../errors.ts";
import { findGuest } from "../pve/guests.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";
import { deadlineOf, inTurn, runningNote, settle, taskCalls } from "./waiting.ts";

const UNITS = ["K", "M", "G", "T"];

/** The size in a disk's property string, in MiB; undefined where PVE does not tell it. */
export function mebibytesOf(value: unknown): number | undefined {
  const [, digits, unit = ""] = /,size=(\d+(?:\.\d+)?)([KMGT]?)(?:,|$)/.exec(String(value)) ?? [];
  if (digits === undefined) return undefined;
  return Number(digits) * 1024 ** (UNITS.indexOf(unit) + 1) / 1024 ** 2;
}

const INSIDE = {
  vm:
    "The disk is larger; inside the guest its partition and file system are not yet. Linux: growpart DISK PARTITION, " +
    "then resize2fs or xfs_growfs; Windows: Disk Management, Extend Volume. A cloud image does it at the next boot",
  container: "The file system inside has grown along: nothing is left to do",
} as const;

export const resizeTools = [params.guestKinds.vm, params.guestKinds.container].map((kind) => {
  const config = `GET /nodes/{node}/${kind.api}/{vmid}/config` as const;
  const resize = `PUT /nodes/{node}/${kind.api}/{vmid}/resize` as const;
  return defineTool({
    name: `resize_${kind.kind}_disk`,
    title: `Enlarge a disk of a ${kind.word}`,
    description: `Makes a disk of a ${kind.word} larger, never smaller; there is no way back.`,
    tier: "provision",
    toolset: "grow",
    idempotent: true,
    input: z.strictObject({
      ...params.guestToChange,
      disk: z.string().max(16).describe(kind.kind === "vm" ? "As in scsi0" : "rootfs, or as in mp0"),
      size_gib: z.int().min(1).max(90_000).describe("Its new size in all, above the present one"),
      ...params.waiting,
    }),
    output: z.object({
      vmid: z.number(),
      node: z.string(),
      disk: z.string(),
      before_gib: z.number(),
      size_gib: z.number(),
      ...params.outcome,
      notes: params.notes,
    }),
    calls: ["GET /cluster/resources", config, resize, ...taskCalls],
    privileges: [
      { path: "/vms/{vmid}", any: ["VM.Config.Disk"] },
      { path: "/vms/{vmid}", any: ["VM.Audit"] },
      { path: "/storage/{storage}", any: ["Datastore.AllocateSpace"] },
    ],
    async run(input, context) {
      const { pve, signal } = context;
      const deadline = deadlineOf(input);
      const other = kind.kind === "vm" ? "resize_container_disk" : "resize_vm_disk";
      const { vmid, node } = await findGuest(pve, input, kind.kind, other, { signal });
      const { disk, size_gib } = input;
      const begun = await inTurn(context, vmid, deadline, async () => {
        const now: Readonly<Record<string, unknown>> & { readonly digest?: string | undefined } = await pve.call(
          config,
          { node, vmid },
          { signal },
        );
        // A CD-ROM has a size, too, and is no disk.
        const sizeOf = (slot: string) => /,media=cdrom/.test(String(now[slot])) ? undefined : mebibytesOf(now[slot]);
        const present = sizeOf(disk);
        if (present === undefined) {
          const sized = Object.keys(now).filter((slot) => sizeOf(slot) !== undefined).sort();
          throw new UsageError(
            `${kind.first} ${vmid} has no disk ${JSON.stringify(disk)} whose size PVE tells`,
            sized.length > 0 ? `It has ${sized.join(", ")}` : `${kind.kind}_config shows what it has`,
          );
        }
        const added = size_gib * 1024 - present;
        if (added < 0) {
          throw new UsageError(
            `${disk} of ${vmid} has ${present / 1024} GiB, and a disk can only grow`,
            "Give a size above that",
          );
        }
        // PVE counts in bytes, and a request in whole MiB.
        if (added < 1) return { present, upid: undefined };
        const upid = await pve.call(
          resize,
          { node, vmid, disk, size: `+${Math.floor(added)}M`, digest: now.digest },
          { signal },
        );
        context.queue.hold([vmid], upid);
        return { present, upid };
      });
      const facts = { vmid, node, disk, before_gib: begun.present / 1024, size_gib };
      if (begun.upid === undefined) {
        return { ...facts, state: "unchanged" as const, notes: ["It has that size already"] };
      }
      const { unseen, ...outcome } = await settle(context, begun.upid, input, deadline);
      const notes = [...runningNote({ ...outcome, unseen }, `${kind.kind}_status`), INSIDE[kind.kind]];
      return { ...facts, ...outcome, notes };
    },
  });
});

const halts = [
  {
    verb: "suspend",
    title: "Pause a VM",
    description:
      "Halts a running VM where it is: its memory stays, it takes no CPU time and answers nobody. resume_vm lets it go on.",
    after: "It stands still and answers nobody until resume_vm",
  },
  {
    verb: "resume",
    title: "Let a paused VM go on",
    description: "Lets a paused VM go on where it stood. A hibernated one is resumed by start_vm.",
    after: undefined,
  },
] as const;

export const haltTools = halts.map(({ verb, title, description, after }) => {
  const call = `POST /nodes/{node}/qemu/{vmid}/status/${verb}` as const;
  const read = "GET /nodes/{node}/qemu/{vmid}/status/current";
  return defineTool({
    name: `${verb}_vm`,
    title,
    description,
    tier: "lifecycle",
    toolset: "grow",
    idempotent: true,
    input: z.strictObject({ ...params.guestToChange, ...params.waiting }),
    output: z.object({ vmid: z.number(), node: z.string(), ...params.outcome, notes: params.notes }),
    calls: ["GET /cluster/resources", read, call, ...taskCalls],
    privileges: [{ path: "/vms/{vmid}", any: ["VM.PowerMgmt"] }, { path: "/vms/{vmid}", any: ["VM.Audit"] }],
    async run(input, context) {
      const { pve, signal } = context;
      const deadline = deadlineOf(input);
      const { vmid, node } = await findGuest(pve, input, "vm", "the tools for containers", { signal });
      const facts = { vmid, node };
      const upid = await inTurn(context, vmid, deadline, async () => {
        const now = await pve.call(read, facts, { signal });
        if (now.status !== "running") {
          const hibernated = now.lock === "suspended";
          throw new UsageError(
            `VM ${vmid} is ${hibernated ? "hibernated" : "not running"}`,
            hibernated ? "start_vm resumes it, and uses up its saved memory" : "Use start_vm",
          );
        }
        if ((now.qmpstatus === "paused") === (verb === "suspend")) return undefined;
        const task = await pve.call(call, facts, { signal });
        context.queue.hold([vmid], task);
        return task;
      });
      if (upid === undefined) {
        return {
          ...facts,
          state: "unchanged" as const,
          notes: [verb === "suspend" ? "It is paused already" : "It is not paused"],
        };
      }
      const { unseen, ...outcome } = await settle(context, upid, input, deadline);
      const notes = [...runningNote({ ...outcome, unseen }, "vm_status"), ...(after === undefined ? [] : [after])];
      return { ...facts, ...outcome, ...(notes.length > 0 ? { notes } : {}) };
    },
  });
});
