/** A tool that makes a running VM from a cloud image in one call. */
import { z } from "zod";
import { PveError, UsageError } from "../errors.ts";
import { defineTool } from "../tool.ts";
import { calls, NAME, STEPS, Work } from "./cloud_steps.ts";
import { cloudVmInput } from "./cloud_wish.ts";
import * as params from "./params.ts";
import { toCreateCloudVm } from "./privileges.ts";
import { callKey } from "./waiting.ts";

export const createCloudInitVm = defineTool({
  name: NAME,
  title: "Create a VM from a cloud image",
  description:
    "Makes a running VM from a downloaded cloud image: imports it, enlarges its disk, sets user, SSH keys and network by cloud-init, starts it. When the answer says that it is not done, call it again with its vmid and the same arguments: it goes on where it stopped. Further cloud-config (snippets) cannot be set through PVE's API.",
  tier: "provision",
  toolset: "cloudinit",
  idempotent: true,
  input: cloudVmInput,
  output: z.object({
    vmid: z.number(),
    name: z.string(),
    node: z.string(),
    state: z.enum(["ok", "running", "warnings", "unchanged"]).describe(
      "ok: all is done; running: not yet, call again with vmid; unchanged: it was done before",
    ),
    steps: z.array(z.object({ step: z.enum(STEPS), state: z.enum(["done", "running", "not done"]) })),
    disk_gib: z.number().optional(),
    upid: params.outcome.upid,
    warnings: params.outcome.warnings,
    notes: params.notes,
  }),
  calls,
  privileges: toCreateCloudVm,
  async run(given, context) {
    if (given.sshkeys === undefined && given.cipassword === undefined) {
      throw new UsageError(
        "Neither sshkeys nor cipassword was given: nobody could log in",
        "Give sshkeys, the person's public SSH key",
      );
    }
    const work = new Work(given, context);
    const key = callKey(NAME, given);
    let earlier = context.started.get(key);
    if (earlier === undefined) {
      const there = await work.lookFor();
      if (there !== undefined) return await work.goOn(there);
      // Another call may have begun it while this one was looking.
      earlier = context.started.get(key);
    }
    const begun = earlier ?? work.begin();
    context.started.set(key, begun);
    try {
      const answer = await work.afterImport(begun, earlier !== undefined);
      if (answer.state !== "running") context.started.delete(key);
      return answer;
    } catch (error) {
      const cancelled = error instanceof PveError && error.details.kind === "cancelled";
      if (!cancelled && context.started.get(key) === begun) context.started.delete(key);
      throw error;
    }
  },
});
