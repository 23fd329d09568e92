/** Tools that find a number for a new guest. */
import { z } from "zod";
import { PveError } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { findLeftovers } from "../safety/checks.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";

export const vmidCalls = [
  "GET /cluster/nextid",
  "GET /cluster/resources",
  "GET /nodes/{node}/storage/{storage}/content",
] as const;
type VmidCall = (typeof vmidCalls)[number];

/** How many numbers in a row may have leftovers before we give up. */
const MOST_SKIPPED = 50;

/** A free vmid, and the numbers that PVE would have given out although something of an earlier guest is left. */
export interface FreeVmid {
  readonly vmid: number;
  readonly skipped: readonly { readonly vmid: number; readonly left: string }[];
}

/**
 * The lowest vmid that no guest has and of which no volume or backup is left.
 * @throws {PveError} when there is none within reach
 */
export async function freeVmid(
  pve: PveClient<VmidCall>,
  options: SendOptions,
  taken: ReadonlySet<number> = new Set(),
): Promise<FreeVmid> {
  const skipped: { vmid: number; left: string }[] = [];
  let candidate = await pve.call("GET /cluster/nextid", {}, options);
  while (skipped.length < MOST_SKIPPED) {
    if (!taken.has(candidate)) {
      const left = (await findLeftovers(candidate, pve, options))[0];
      if (left === undefined) return { vmid: candidate, skipped };
      skipped.push({ vmid: candidate, left: left.volid });
    }
    candidate = await nextFree(pve, candidate + 1, options);
  }
  throw new PveError(`No vmid found: something is left of ${skipped.length} earlier guests in a row`, {
    kind: "conflict",
    remedy: "Give a vmid yourself, or let a person remove what is left",
  });
}

/** How many guests that the token may not see are passed over in a row. */
const MOST_HIDDEN = 500;

/** The next number from `from` on that no guest has: PVE refuses a taken one with 400. */
async function nextFree(pve: PveClient<VmidCall>, from: number, options: SendOptions): Promise<number> {
  const used = new Set((await pve.call("GET /cluster/resources", { type: "vm" }, options)).map((row) => row.vmid));
  let hidden = 0;
  for (let vmid = from; vmid <= 999_999_999 && hidden < MOST_HIDDEN; vmid++) {
    if (used.has(vmid)) continue;
    try {
      return await pve.call("GET /cluster/nextid", { vmid }, options);
    } catch (error) {
      // A guest that the token may not see.
      if (!(error instanceof PveError) || error.details.status !== 400) throw error;
      hidden++;
    }
  }
  throw new PveError(
    `No free vmid found from ${from} on: ${hidden} numbers in a row belong to guests that the token may not see`,
    {
      kind: "conflict",
      remedy: "Give a vmid yourself",
    },
  );
}

/** What to say about numbers that were passed over. */
export function skippedNotes(free: FreeVmid): string[] {
  return free.skipped.map(({ vmid, left }) => `Passed over ${vmid}: ${left} is left of an earlier guest`);
}

const free = z.object({ vmid: z.number(), notes: params.notes });

export const vmidTools = [
  {
    name: "next_vmid",
    title: "Next vmid",
    description:
      "Names the lowest number that a new guest can have. It reserves nothing: another client may take it first. create_* and clone_* find one by themselves.",
  },
  {
    name: "allocate_vmid",
    title: "Find a vmid for a new guest",
    description:
      "The same as next_vmid, kept for those who know it by this name: names a free number and reserves nothing, as PVE has no reservations.",
  },
].map((tool) =>
  defineTool({
    ...tool,
    tier: "read",
    toolset: "core",
    input: z.strictObject({}),
    output: free,
    calls: vmidCalls,
    privileges: [],
    async run(_input, { pve, signal, claimed }) {
      const found = await freeVmid(pve, { signal }, claimed);
      return { vmid: found.vmid, notes: ["Nothing is reserved: use it soon", ...skippedNotes(found)] };
    },
  })
);
