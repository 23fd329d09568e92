/** Tools that make a guest as a copy of another one. */
import { z } from "zod";
import { UsageError } from "../errors.ts";
import type { Params, PveClient } from "../pve/client.ts";
import { findGuest, type Guest } from "../pve/guests.ts";
import { defineTool } from "../tool.ts";
import { createWithVmid, newGuest, newGuestCalls } from "./new_guest.ts";
import * as params from "./params.ts";
import { choosePlace } from "./places.ts";
import { toClone } from "./privileges.ts";

const common = {
  node: params.nodeOfGuest,
  source_vmid: params.vmid.describe("The guest or template to copy"),
  newid: params.newVmid.optional(),
  full: z.boolean().default(true).describe("false: a linked clone, which needs a template as its source"),
  storage: params.storage.optional().describe("For the copies of its disks; only with full"),
  target: params.node.optional().describe("Another node for the copy; needs shared storage"),
  description: z.string().max(8192).optional(),
  pool: z.string().max(100).optional().describe("Resource pool to put it in"),
  snapname: z.string().max(40).optional().describe("Copy the state of this snapshot"),
};

interface CloneInput {
  readonly node?: string | undefined;
  readonly source_vmid: number;
  readonly full: boolean;
  readonly storage?: string | undefined;
  readonly target?: string | undefined;
}

/** Finds the source and refuses early what PVE would refuse in words that help nobody. */
async function prepare(
  pve: PveClient<"GET /cluster/resources">,
  input: CloneInput,
  kind: "vm" | "container",
  other: string,
  signal: AbortSignal,
): Promise<Guest> {
  const source = await findGuest(pve, { vmid: input.source_vmid, node: input.node }, kind, other, { signal });
  if (!input.full && input.storage !== undefined) {
    throw new UsageError(
      `storage=${JSON.stringify(input.storage)} was given for a linked clone, which stays on its source's storage`,
      "Leave storage out, or set full=true",
    );
  }
  if (!input.full && !source.template) {
    throw new UsageError(`${source.vmid} is not a template, and only templates have linked clones`, "Set full=true");
  }
  if (input.storage !== undefined || input.target !== undefined) {
    const content = kind === "vm" ? "images" as const : "rootdir" as const;
    const needs = input.storage === undefined ? [] : [{ storage: input.storage, content }];
    await choosePlace(pve, input.target ?? source.node, needs, { signal });
  }
  return source;
}

function place(source: Guest, input: CloneInput): { node: string; source: number } {
  return { node: input.target ?? source.node, source: source.vmid };
}

export const cloneVm = defineTool({
  name: "clone_vm",
  title: "Clone a VM",
  description: "Makes a new VM as a copy of a VM or VM template, and waits until it is done. Start it with start_vm.",
  tier: "provision",
  toolset: "core",
  input: z.strictObject({
    ...common,
    name: z.string().max(255).optional().describe("DNS name of the copy"),
    format: z.enum(["raw", "qcow2", "vmdk"]).optional().describe("Of its disks; only on file storages"),
    ...params.waiting,
  }),
  output: newGuest,
  calls: [...newGuestCalls, "POST /nodes/{node}/qemu/{vmid}/clone"],
  privileges: toClone,
  async run(input, context) {
    const { pve, signal } = context;
    const source = await prepare(pve, input, "vm", "clone_container", signal);
    const { name, newid, full, storage, target, description, pool, snapname, format } = input;
    return await createWithVmid("clone_vm", "vm", input, newid, place(source, input), context, async (free) => {
      const request: Params<"POST /nodes/{node}/qemu/{vmid}/clone"> = {
        node: source.node,
        vmid: source.vmid,
        newid: free,
        ...{ name, full, storage, target, description, pool, snapname, format },
      };
      return {
        node: target ?? source.node,
        upid: await pve.call("POST /nodes/{node}/qemu/{vmid}/clone", request, { signal }),
      };
    });
  },
});

export const cloneContainer = defineTool({
  name: "clone_container",
  title: "Clone a container",
  description:
    "Makes a new container as a copy of a container or container template, and waits until it is done. Start it with start_container.",
  tier: "provision",
  toolset: "core",
  input: z.strictObject({
    ...common,
    hostname: z.string().max(255).optional().describe("DNS name of the copy"),
    ...params.waiting,
  }),
  output: newGuest,
  calls: [...newGuestCalls, "POST /nodes/{node}/lxc/{vmid}/clone"],
  privileges: toClone,
  async run(input, context) {
    const { pve, signal } = context;
    const source = await prepare(pve, input, "container", "clone_vm", signal);
    const { hostname, newid, full, storage, target, description, pool, snapname } = input;
    return await createWithVmid(
      "clone_container",
      "container",
      input,
      newid,
      place(source, input),
      context,
      async (free) => {
        const request: Params<"POST /nodes/{node}/lxc/{vmid}/clone"> = {
          node: source.node,
          vmid: source.vmid,
          newid: free,
          ...{ hostname, full, storage, target, description, pool, snapname },
        };
        return {
          node: target ?? source.node,
          upid: await pve.call("POST /nodes/{node}/lxc/{vmid}/clone", request, { signal }),
        };
      },
    );
  },
});
