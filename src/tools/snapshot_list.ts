/** list_snapshots: the snapshots of a guest, as the tree that they are. */
import { z } from "zod";
import { findGuest } from "../pve/guests.ts";
import { pageOf } from "../shape/page.ts";
import { moment } from "../shape/times.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";

interface Snapshot {
  readonly name?: string | undefined;
  readonly parent?: string | undefined;
  readonly description?: string | undefined;
  /** Seconds since the epoch. */
  readonly snaptime?: number | undefined;
  readonly vmstate?: boolean | undefined;
}

/** PVE's name for the present state, which ends every list. */
const PRESENT = "current";

/**
 * The snapshots in the order of their tree, each after its parent, the oldest branch first. One whose parent is not there
 * stands at the root, and so does a ring of parents, which PVE cannot make and a broken file can hold.
 */
export function treeOf<T extends Snapshot>(rows: readonly T[]): T[] {
  const names = new Set(rows.map(({ name }) => name));
  const sorted = [...rows].sort((a, b) => (a.snaptime ?? 0) - (b.snaptime ?? 0));
  const below = Map.groupBy(sorted, ({ parent }) => parent !== undefined && names.has(parent) ? parent : undefined);
  const seen = new Set<T>();
  const tree: T[] = [];
  const waiting = sorted.toReversed();
  // Without recursion: chains of thousands are possible.
  const stack = (below.get(undefined) ?? []).toReversed();
  while (true) {
    const row = stack.pop() ?? waiting.pop();
    if (row === undefined) return tree;
    if (seen.has(row)) continue;
    seen.add(row);
    tree.push(row);
    if (row.name !== undefined) stack.push(...(below.get(row.name) ?? []).toReversed());
  }
}

export const listSnapshots = defineTool({
  name: "list_snapshots",
  title: "List snapshots",
  description: "Lists the snapshots of a VM or container, each below the one it was taken after.",
  tier: "read",
  toolset: "snapshots",
  input: z.strictObject(params.guestToRead),
  output: z.object({
    vmid: z.number(),
    node: z.string(),
    snapshots: z.array(z.object({
      name: z.string(),
      taken: z.string().optional(),
      parent: z.string().optional(),
      memory: z.boolean().optional().describe("Whether it holds the VM's memory"),
      now_here: z.boolean().optional().describe("The present state comes after this one"),
      description: z.string().optional(),
    })),
    notes: params.notes,
  }),
  calls: ["GET /cluster/resources", "GET /nodes/{node}/qemu/{vmid}/snapshot", "GET /nodes/{node}/lxc/{vmid}/snapshot"],
  privileges: [{ path: "/vms/{vmid}", any: ["VM.Audit"] }],
  async run(input, { pve, signal }) {
    const { vmid, node, kind } = await findGuest(pve, input, undefined, "", { signal });
    const rows: readonly Snapshot[] = kind === "vm"
      ? await pve.call("GET /nodes/{node}/qemu/{vmid}/snapshot", { node, vmid }, { signal })
      : await pve.call("GET /nodes/{node}/lxc/{vmid}/snapshot", { node, vmid }, { signal });
    const present = rows.find(({ name }) => name === PRESENT);
    const all = treeOf(rows.filter(({ name }) => name !== PRESENT)).map((row) => ({
      name: row.name ?? "",
      taken: row.snaptime === undefined ? undefined : moment(row.snaptime),
      parent: row.parent,
      memory: row.vmstate === true ? true : undefined,
      now_here: present?.parent !== undefined && present.parent === row.name ? true : undefined,
      description: row.description?.trim() === "" ? undefined : row.description?.trim(),
    }));
    const snapshots = pageOf(all, 500);
    const notes = [
      ...(all.length === 0 ? ["It has no snapshots"] : []),
      ...(all.length > snapshots.length ? [`${all.length - snapshots.length} more are left out`] : []),
    ];
    return { vmid, node, snapshots, ...(notes.length > 0 ? { notes } : {}) };
  },
});
