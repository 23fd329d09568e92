/** Tools that move a guest to another node; its disks stay where they are. */
import { z } from "zod";
import { UsageError } from "../errors.ts";
import { findGuest } from "../pve/guests.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import * as params from "./params.ts";
import { toMigrate } from "./privileges.ts";
import { deadlineOf, inTurn, runningNote, settle, taskCalls, type Waiting } from "./waiting.ts";

const target = params.node.describe("Node to move it to");

const moved = z.object({
  vmid: z.number(),
  from: z.string(),
  target: z.string(),
  ...params.outcome,
  notes: params.notes,
});

/** Sends one migration in its turn, and waits for it. */
async function move(
  context: ToolContext<(typeof taskCalls)[number]>,
  kind: "vm" | "container",
  guest: { readonly vmid: number; readonly node: string },
  input: Waiting & { readonly target: string },
  send: () => Promise<{ upid: string; note: string }>,
): Promise<z.output<typeof moved>> {
  const deadline = deadlineOf(input);
  const facts = { vmid: guest.vmid, from: guest.node, target: input.target };
  if (guest.node === input.target) return { ...facts, state: "unchanged", notes: ["It is there already"] };
  const { upid, note } = await inTurn(context, guest.vmid, deadline, async () => {
    const begun = await send();
    context.queue.hold([guest.vmid], begun.upid);
    return begun;
  });
  const { unseen, ...outcome } = await settle(context, upid, input, deadline);
  return { ...facts, ...outcome, notes: [...runningNote({ ...outcome, unseen }, `${kind}_status`), note] };
}

export const migrateVm = defineTool({
  name: "migrate_vm",
  title: "Move a VM to another node",
  description:
    "Moves a VM to another node, running where it runs. Refused where a disk or device is bound to its node: disks never move.",
  tier: "lifecycle",
  toolset: "grow",
  idempotent: true,
  input: z.strictObject({ ...params.guestToChange, target, ...params.waiting }),
  output: moved,
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/qemu/{vmid}/status/current",
    "POST /nodes/{node}/qemu/{vmid}/migrate",
    ...taskCalls,
  ],
  privileges: toMigrate,
  async run(input, context) {
    const { pve, signal } = context;
    const { vmid, node } = await findGuest(pve, input, "vm", "migrate_container", { signal });
    return await move(context, "vm", { vmid, node }, input, async () => {
      const now = await pve.call("GET /nodes/{node}/qemu/{vmid}/status/current", { node, vmid }, { signal });
      const { status, qmpstatus } = now;
      const online = status === "running";
      const request = { node, vmid, target: input.target, ...(online ? { online } : {}) };
      const upid = await pve.call("POST /nodes/{node}/qemu/{vmid}/migrate", request, { signal });
      const stays = qmpstatus === "paused" ? "It stays paused" : "It keeps running while it moves";
      return { upid, note: online ? stays : "It was off, and stays so" };
    });
  },
});

export const migrateContainer = defineTool({
  name: "migrate_container",
  title: "Move a container to another node",
  description:
    "Moves a container to another node; one that runs is shut down and started there, where restart says so. Disks never move.",
  tier: "lifecycle",
  toolset: "grow",
  idempotent: true,
  input: z.strictObject({
    ...params.guestToChange,
    target,
    restart: z.boolean().default(false).describe("Interrupt it, if it runs: containers cannot move running"),
    ...params.waiting,
  }),
  output: moved,
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/lxc/{vmid}/status/current",
    "POST /nodes/{node}/lxc/{vmid}/migrate",
    ...taskCalls,
  ],
  privileges: toMigrate,
  async run(input, context) {
    const { pve, signal } = context;
    const { vmid, node } = await findGuest(pve, input, "container", "migrate_vm", { signal });
    return await move(context, "container", { vmid, node }, input, async () => {
      const { status } = await pve.call("GET /nodes/{node}/lxc/{vmid}/status/current", { node, vmid }, { signal });
      const runs = status === "running";
      if (runs && !input.restart) {
        throw new UsageError(
          `Container ${vmid} runs, and containers cannot move running`,
          "Ask whether it may be interrupted; then set restart=true, which shuts it down and starts it on the other node",
        );
      }
      const request = { node, vmid, target: input.target, ...(runs ? { restart: true } : {}) };
      const upid = await pve.call("POST /nodes/{node}/lxc/{vmid}/migrate", request, { signal });
      return { upid, note: runs ? "It is off while it moves, and started there" : "It was off, and stays so" };
    });
  },
});
