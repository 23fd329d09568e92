/** find_guest: from what a person calls a guest (a number, a name, a tag, an address) to its vmid. */
import { z } from "zod";
import { type Addressed, canonicalAddress, lookForAddress } from "../pve/addresses.ts";
import { type Guest, guestOf } from "../pve/guests.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";

/** Why a guest is found by a text; undefined where it is not. Exact matches rank before those that only contain it. */
function match(guest: Guest, text: string): { matched: string; rank: number } | undefined {
  const name = (guest.name ?? "").toLowerCase();
  if (String(guest.vmid) === text) return { matched: "vmid", rank: 0 };
  if (name === text) return { matched: "name", rank: 1 };
  if (guest.tags.some((tag) => tag.toLowerCase() === text)) return { matched: "tag", rank: 2 };
  return name.includes(text) ? { matched: "part of the name", rank: 3 } : undefined;
}

function rowOf(guest: Guest, matched: string) {
  return {
    vmid: guest.vmid,
    name: guest.name,
    kind: guest.kind === "vm" ? "VM" : "container",
    node: guest.node,
    status: guest.status,
    ...(guest.tags.length > 0 ? { tags: guest.tags.join(";") } : {}),
    ...(guest.template ? { template: true } : {}),
    matched,
  };
}

export const guestFinder = defineTool({
  name: "find_guest",
  title: "Find a guest",
  description:
    "Finds VMs and containers by vmid, name or part of it, tag, or IP address. By address only a limited number of guests is asked: give node to narrow it.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({
    query: z.string().min(1).max(255).describe("As in 102, web, prod, 192.0.2.10"),
    node: params.node.optional(),
    limit: params.limit,
  }),
  output: z.object({
    guests: z.array(z.object({
      vmid: z.number(),
      name: z.string().optional(),
      kind: z.string(),
      node: z.string(),
      status: z.string().optional(),
      tags: z.string().optional(),
      template: z.boolean().optional(),
      matched: z.string(),
    })),
    total: z.number(),
    notes: params.notes,
  }),
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/qemu/{vmid}/config",
    "GET /nodes/{node}/lxc/{vmid}/config",
    "GET /nodes/{node}/lxc/{vmid}/interfaces",
    "GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces",
  ],
  privileges: [
    { path: "/vms/{vmid}", any: ["VM.Audit"] },
    {
      path: "/vms/{vmid}",
      // PVE 8 has VM.Monitor for it.
      any: ["VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted", "VM.Monitor"],
      when: "to ask a VM's agent for an address",
    },
  ],
  async run({ query, node, limit }, { pve, signal }) {
    const rows = await pve.call("GET /cluster/resources", { type: "vm" }, { signal });
    const guests = rows.flatMap((row) => guestOf(row) ?? [])
      .filter((guest) => node === undefined || guest.node === node)
      .sort((a, b) => a.vmid - b.vmid);
    const text = query.trim().toLowerCase();
    const address = canonicalAddress(text);
    const notes: string[] = [];
    const ranked = guests.flatMap((guest) => {
      const found = match(guest, text);
      return found === undefined ? [] : [{ row: rowOf(guest, found.matched), rank: found.rank }];
    }).sort((a, b) => a.rank - b.rank || a.row.vmid - b.row.vmid);
    const found = ranked.map(({ row }) => row);
    if (address !== undefined) {
      const search = await lookForAddress(pve, guests, address, { signal });
      found.push(...search.found.map(({ guest, where }: Addressed) => rowOf(guest, `address: ${where}`)));
      notes.push(search.lookedAt);
    }
    if (guests.length === 0) {
      notes.push(
        rows.length === 0
          ? "No guest is visible to this token: it may lack VM.Audit on /vms"
          : `No guest is on a node ${JSON.stringify(node)}; list_nodes shows the nodes`,
      );
    } else if (found.length === 0 && address === undefined) {
      notes.push(`None of ${guests.length} guests has this number, name or tag`);
    }
    if (found.length > limit) notes.push(`${found.length - limit} more: give more of the name, or a node`);
    return { guests: found.slice(0, limit), total: found.length, ...(notes.length > 0 ? { notes } : {}) };
  },
});
