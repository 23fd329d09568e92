/** The eight tools that switch guests on and off, from one table. */
import { z } from "zod";
import { UsageError } from "../errors.ts";
import { findGuest } from "../pve/guests.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";
import { deadlineOf, inTurn, runningNote, settle, taskCalls } from "./waiting.ts";

/** PVE gives a guest 60 s to go down for a reboot unless it is told otherwise; then a VM stays off, and a container is cut off. */
const REBOOT_SECONDS = 180;

/** What is said of both kinds of guest. */
function same(text: string): Readonly<Record<"vm" | "container", string>> {
  return { vm: text, container: text };
}

const verbs = [
  {
    verb: "start",
    does: "Starts",
    more: { vm: "A hibernated VM resumes, which uses up its saved memory.", container: "" },
    idempotent: true,
    wanted: "running",
  },
  {
    verb: "stop",
    does: "Cuts the power of",
    more: same("Unsaved data may be lost: shutdown comes first."),
    idempotent: true,
    wanted: "stopped",
  },
  {
    verb: "shutdown",
    does: "Shuts down",
    more: {
      vm: "Its own system ends cleanly; it needs ACPI or the guest agent for that.",
      container: "Its own system ends cleanly.",
    },
    idempotent: true,
    wanted: "stopped",
  },
  {
    verb: "reboot",
    does: "Reboots",
    more: {
      vm: "Clean shutdown, then start; changes that wait for a restart take effect.",
      container: "Shutdown, its power cut after 3 minutes, then start; waiting changes take effect.",
    },
    idempotent: false,
    wanted: undefined,
  },
] as const;

const kinds = [params.guestKinds.vm, params.guestKinds.container] as const;

export const powerTools = kinds.flatMap((kind) =>
  verbs.map(({ verb, does, more, idempotent, wanted }) => {
    const other = kind.kind === "vm" ? "container" : "vm";
    const call = `POST /nodes/{node}/${kind.api}/{vmid}/status/${verb}` as const;
    const read = `GET /nodes/{node}/${kind.api}/{vmid}/status/current` as const;
    return defineTool({
      name: `${verb}_${kind.kind}`,
      title: `${verb.charAt(0).toUpperCase()}${verb.slice(1)} a ${kind.word}`,
      description: `${does} one ${kind.word} and waits. ${more[kind.kind]}`.trim(),
      tier: "lifecycle",
      toolset: "core",
      idempotent,
      input: z.strictObject({ ...params.guestToChange, ...params.waiting }),
      output: z.object({
        vmid: z.number(),
        name: z.string().optional(),
        node: z.string(),
        ...params.outcome,
        notes: params.notes,
      }),
      calls: ["GET /cluster/resources", read, call, ...taskCalls],
      privileges: [{ path: "/vms/{vmid}", any: ["VM.PowerMgmt"] }, { path: "/vms/{vmid}", any: ["VM.Audit"] }],
      async run(input, context) {
        const { pve, signal } = context;
        const deadline = deadlineOf(input);
        const guest = await findGuest(pve, input, kind.kind, `${verb}_${other}`, { signal });
        const { vmid, node } = guest;
        if (guest.template) {
          throw new UsageError(
            `${vmid} ${JSON.stringify(guest.name ?? "")} is a template, which cannot run`,
            `Clone it with clone_${kind.kind}`,
          );
        }
        // What an earlier call has begun is over before this one looks.
        const begun = await inTurn(context, vmid, deadline, async () => {
          const now: {
            status?: string | undefined;
            qmpstatus?: string | undefined;
            lock?: string | undefined;
            name?: string | undefined;
          } = await pve.call(read, { node, vmid }, { signal });
          const facts = { vmid, name: now.name ?? guest.name, node };
          const paused = now.qmpstatus === "paused";
          if (wanted !== undefined && now.status === wanted && !paused) {
            return { facts, unchanged: `It is ${wanted} already` };
          }
          if (verb === "start" && paused) {
            return {
              facts,
              unchanged: `It is paused: ${params.goesOn}`,
            };
          }
          if (verb === "reboot" && now.status === "stopped") {
            throw new UsageError(`${kind.first} ${vmid} is not running`, `Use start_${kind.kind}`);
          }
          const patience = verb === "reboot" ? { timeout: REBOOT_SECONDS } : {};
          const upid = await pve.call(call, { node, vmid, ...patience }, { signal });
          context.queue.hold([vmid], upid);
          return { facts, upid, resumes: verb === "start" && now.lock === "suspended" };
        });
        const { facts } = begun;
        if (begun.unchanged !== undefined) return { ...facts, state: "unchanged" as const, notes: [begun.unchanged] };
        const { unseen, ...outcome } = await settle(context, begun.upid, input, deadline);
        const notes = runningNote({ ...outcome, unseen }, `${kind.kind}_status`);
        if (/^UPID:[^:]*:[^:]*:[^:]*:[^:]*:ha(?:start|stop):/.test(begun.upid)) {
          notes.push(
            `HA manages it: the task only tells HA's manager, and ${kind.kind}_status shows when that has done it`,
          );
        }
        if (begun.resumes) {
          notes.push("It was hibernated: it resumed where it was, and its saved memory image is used up");
        }
        return { ...facts, ...outcome, ...(notes.length > 0 ? { notes } : {}) };
      },
    });
  })
);
