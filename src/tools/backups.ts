/** The tool that makes a backup: one that removes no other, and that no retention takes away. */
import { z } from "zod";
import { PveError, UsageError } from "../errors.ts";
import { findGuest, type GuestKind, listGuests } from "../pve/guests.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";
import { callKey, deadlineOf, inTurn, runningNote, settle, startOnce, taskCalls } from "./waiting.ts";

/** @throws {UsageError} when no storage of the node takes backups */
async function chooseStorage(
  pve: PveClient<"GET /nodes/{node}/storage">,
  node: string,
  options: SendOptions,
): Promise<string> {
  const rows = await pve.call("GET /nodes/{node}/storage", { node, content: "backup" }, options);
  const best = rows.filter((row) => row.active !== false && row.enabled !== false)
    .sort((a, b) => Number(b.shared ?? false) - Number(a.shared ?? false) || (b.avail ?? 0) - (a.avail ?? 0))[0];
  if (best !== undefined) return best.storage;
  throw new UsageError(
    `${node} has no storage for backups that the token may use`,
    "A person has to set one up in PVE (Datacenter, Storage), or grant Datastore.AllocateSpace on it",
  );
}

export const createBackup = defineTool({
  name: "create_backup",
  title: "Make a backup",
  description: "Backs up one guest. The backup is protected, and no other one goes for it.",
  tier: "provision",
  toolset: "snapshots",
  input: z.strictObject({
    ...params.guestToChange,
    storage: params.storage.optional().describe("Left out: one that takes backups"),
    mode: z.enum(["snapshot", "suspend", "stop"]).default("snapshot").describe(
      "The others interrupt it",
    ),
    notes: z.string().max(500).optional().describe("Kept with it"),
    ...params.waiting,
  }),
  output: z.object({
    vmid: z.number(),
    name: z.string().meta({ untold: true }).optional(),
    node: z.string().meta({ untold: true }),
    volid: z.string().optional(),
    ...params.outcome,
    notes: params.notes,
  }),
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/storage",
    "GET /nodes/{node}/storage/{storage}/content",
    "POST /nodes/{node}/vzdump",
    ...taskCalls,
  ],
  privileges: [
    { path: "/vms/{vmid}", any: ["VM.Backup"] },
    { path: "/vms/{vmid}", any: ["VM.Audit"] },
    { path: "/storage/{storage}", any: ["Datastore.AllocateSpace"] },
  ],
  async run(input, context) {
    const { pve, signal } = context;
    if (input.notes?.includes("{{") === true) {
      throw new UsageError(
        `notes=${JSON.stringify(input.notes)} must not hold "{{", by which PVE would fill in values of its own`,
        "Write what is meant instead, as in the guest's name",
      );
    }
    const deadline = deadlineOf(input);
    const kind: GuestKind = (await listGuests(pve, { signal })).find(({ vmid }) => vmid === input.vmid)?.kind ?? "vm";
    const { vmid, node, name } = await findGuest(pve, input, kind, "create_backup", { signal });
    const storage = input.storage ?? await chooseStorage(pve, node, { signal });
    const key = callKey("create_backup", input);
    const { task, repeated } = await startOnce(
      context,
      key,
      deadline,
      () =>
        inTurn(context, vmid, deadline, async () => {
          const upid = await pve.call("POST /nodes/{node}/vzdump", {
            node,
            vmid,
            storage,
            remove: false,
            protected: true,
            mode: input.mode,
            compress: "zstd",
            ...(input.notes === undefined ? {} : { "notes-template": input.notes }),
          }, { signal });
          context.queue.hold([vmid], upid);
          return { vmid, node, upid };
        }),
    );
    const { unseen, ...outcome } = await settle(context, task.upid, input, deadline).catch((error: unknown) => {
      // A task that failed may be tried again; one whose waiting was cancelled goes on.
      if (error instanceof PveError && error.details.kind === "task") context.started.delete(key);
      throw error;
    });
    const notes = repeated
      ? ["An earlier call with the same arguments started this task: nothing was started again"]
      : [];
    notes.push(...runningNote({ ...outcome, unseen }, `${kind}_status`));
    let volid: string | undefined;
    if (outcome.state !== "running") {
      context.started.delete(key);
      const query = { node, storage, content: "backup", vmid } as const;
      const volumes = await pve.call("GET /nodes/{node}/storage/{storage}/content", query, { signal }).catch(() => []);
      volid = volumes.toSorted((a, b) => (b.ctime ?? 0) - (a.ctime ?? 0))[0]?.volid;
    }
    notes.push("It is protected: it stays until a person lifts the protection and removes it");
    return {
      vmid,
      ...(name === undefined ? {} : { name }),
      node,
      ...(volid === undefined ? {} : { volid }),
      ...outcome,
      notes,
    };
  },
});
