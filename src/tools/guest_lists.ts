/** Tools that list guests: filtered, with the fields that are asked for, and cut to what a model can read. */
import { z } from "zod";
import { listed, visibleCalls, visibleNotes } from "../access/visible.ts";
import { UsageError } from "../errors.ts";
import { type Guest, guestOf } from "../pve/guests.ts";
import { gib, percent, rounded, uptime, usedPercent } from "../shape/numbers.ts";
import { pageOf } from "../shape/page.ts";
import { defineTool } from "../tool.ts";
import { guestRow } from "./guests.ts";
import * as params from "./params.ts";

/** What a list shows where nothing else is asked for; lock and template only where they are set. */
const usualFields: readonly string[] = [
  "vmid",
  "name",
  "node",
  "status",
  "cpu_percent",
  "memory_gib",
  "memory_used_percent",
  "tags",
  "lock",
  "template",
];

/** The fields that a list is to show; vmid always. */
function fieldsIn(text: string | undefined): readonly string[] {
  if (text === undefined) return usualFields;
  const known = Object.keys(guestRow.shape);
  const wanted = text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  if (wanted.includes("all")) return known;
  const wrong = wanted.find((name) => !known.includes(name));
  if (wrong !== undefined) {
    throw new UsageError(
      `fields names ${JSON.stringify(wrong)}, which no guest has`,
      `There are ${known.join(", ")}, and all`,
    );
  }
  return known.filter((name) => name === "vmid" || wanted.includes(name));
}

const lists = [
  { ...params.guestKinds.vm, name: "list_vms", other: "list_containers" },
  { ...params.guestKinds.container, name: "list_containers", other: "list_vms" },
] as const;

export const guestLists = lists.map((list) =>
  defineTool({
    name: list.name,
    title: `List ${list.plural}`,
    description:
      `Lists the ${list.plural} of the cluster, or those that match the filters; ${list.other} lists the other guests.`,
    tier: "read",
    toolset: "core",
    input: z.strictObject({
      node: params.node.optional(),
      status: z.enum(["running", "stopped", "paused", "unknown"]).optional(),
      name: z.string().max(255).optional().describe("Only names that contain this, in any case"),
      tag: z.string().max(255).optional(),
      pool: z.string().max(100).optional(),
      limit: params.limit,
      cursor: z.string().regex(/^\d{1,9}$/).optional().describe("The next_cursor of the answer before"),
      fields: z.string().max(300).optional().describe("As in name,cpus,uptime,pool, or all"),
      detail: z.enum(["full"]).optional().describe("full: PVE's own fields"),
    }),
    output: z.object({
      guests: z.array(guestRow.partial({ node: true })).optional(),
      pve: z.array(z.looseObject({ vmid: z.number() })).meta({ untold: true }).optional(),
      total: z.number().describe("How many match"),
      next_cursor: z.string().optional(),
      notes: params.notes,
    }),
    calls: ["GET /cluster/resources", ...visibleCalls],
    privileges: [{ path: "/vms/{vmid}", any: ["VM.Audit"] }],
    async run(input, { pve, signal, server }) {
      const rows = await pve.call("GET /cluster/resources", { type: "vm" }, { signal });
      const all = rows.filter((row) => row.type === list.api && row.vmid !== undefined);
      const matching = all
        .flatMap((row) => {
          const guest = guestOf(row);
          return guest !== undefined && matches(guest, input) ? { guest, row } : [];
        })
        .sort((a, b) => a.guest.vmid - b.guest.vmid);
      const from = input.cursor === undefined ? 0 : Number(input.cursor);
      const after = matching.filter(({ guest }) => guest.vmid > from);
      const shown = fieldsIn(input.fields);
      const page = pageOf(
        after.slice(0, input.limit).map(({ guest, row }) =>
          input.detail === "full" ? { ...row, vmid: guest.vmid } : picked(rowOf(guest, row), shown)
        ),
        input.limit,
      );
      const last = page.at(-1);
      const left = after.length - page.length;
      const notes: string[] = [];
      if (left > 0 && last !== undefined) {
        notes.push(
          `${left} more: narrow with node, status, name, tag or pool, or call again with cursor="${last.vmid}"`,
        );
      }
      const hidden = await visibleNotes(pve, listed.guests, rows.length, server.token, { signal });
      notes.push(...hidden);
      if (rows.length > 0 && matching.length === 0) {
        notes.push(
          all.length === 0
            ? `There are no ${list.plural} that this token may see`
            : `None of the ${all.length} ${list.plural} matches${nodesOf(all, input.node)}`,
        );
        if (input.pool !== undefined && all.every((row) => row.pool === undefined)) {
          notes.push("PVE names no guest's pool: the token may lack Pool.Audit on /pool");
        }
      }
      return {
        ...(input.detail === "full" ? { pve: page } : { guests: page }),
        total: matching.length,
        ...(left > 0 && last !== undefined ? { next_cursor: String(last.vmid) } : {}),
        ...(notes.length > 0 ? { notes } : {}),
      };
    },
  })
);

/** One row with all its fields. */
function rowOf(guest: Guest, row: Resource): z.output<typeof guestRow> {
  // A paused one still holds its memory.
  const running = guest.status === "running" || guest.status === "paused";
  return {
    vmid: guest.vmid,
    name: guest.name,
    node: guest.node,
    status: guest.status,
    cpus: row.maxcpu,
    cpu_percent: running ? rounded(percent(row.cpu)) : undefined,
    memory_gib: gib(row.maxmem),
    memory_used_percent: running ? rounded(usedPercent(row.mem, row.maxmem)) : undefined,
    uptime: uptime(row.uptime),
    tags: guest.tags.length > 0 ? guest.tags.join(";") : undefined,
    pool: guest.pool,
    lock: guest.lock,
    template: guest.template ? true : undefined,
  };
}

/** A copy with the fields that were asked for, in their own order. */
function picked(row: z.output<typeof guestRow>, fields: readonly string[]): Record<string, unknown> & { vmid: number } {
  const part = Object.entries(row).filter(([name, value]) => fields.includes(name) && value !== undefined);
  return { ...Object.fromEntries(part), vmid: row.vmid };
}

/** A row of /cluster/resources, as far as lists show it. */
interface Resource {
  readonly maxcpu?: number | undefined;
  readonly cpu?: number | undefined;
  readonly maxmem?: number | undefined;
  readonly mem?: number | undefined;
  readonly uptime?: number | undefined;
}

function nodesOf(rows: readonly { node?: string | undefined }[], node: string | undefined): string {
  if (node === undefined) return "";
  const nodes = [...new Set(rows.flatMap((row) => row.node ?? []))].sort();
  return nodes.includes(node) ? "" : `: no guest is on a node ${node}; there are guests on ${nodes.join(", ")}`;
}

interface Filter {
  readonly node?: string | undefined;
  readonly status?: string | undefined;
  readonly name?: string | undefined;
  readonly tag?: string | undefined;
  readonly pool?: string | undefined;
}

function matches(guest: Guest, filter: Filter): boolean {
  return (filter.node === undefined || guest.node === filter.node) &&
    (filter.status === undefined || guest.status === filter.status) &&
    (filter.name === undefined || (guest.name ?? "").toLowerCase().includes(filter.name.toLowerCase())) &&
    (filter.tag === undefined || guest.tags.includes(filter.tag.toLowerCase())) &&
    (filter.pool === undefined || guest.pool === filter.pool);
}
