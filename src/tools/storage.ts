/** Tools that look at storages and at what new guests can be made from. */
import { z } from "zod";
import { listed, visibleCalls, visibleNotes } from "../access/visible.ts";
import { PveError, UsageError } from "../errors.ts";
import type { PveClient, Result } from "../pve/client.ts";
import { guestOf } from "../pve/guests.ts";
import { gib, usedPercent } from "../shape/numbers.ts";
import { defineTool } from "../tool.ts";
import { withKnownNodes } from "./nodes.ts";
import * as params from "./params.ts";

type ResourceRow = Result<"GET /cluster/resources">[number];

/** The content types of a storage, as in ["images", "rootdir"]. */
export function contentOf(content: string | undefined): string[] {
  return (content ?? "").split(",").filter((type) => type !== "").sort();
}

export const listStorage = defineTool({
  name: "list_storage",
  title: "List storages",
  description:
    "Lists the storages of the cluster, or of one node, with free space and what each may hold: images (VM disks), rootdir (containers), vztmpl (container templates), iso, backup.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({ node: params.node.optional() }),
  output: z.object({
    storages: z.array(z.object({
      storage: z.string(),
      nodes: z.string().describe("Where it is; a shared storage is one storage on several nodes"),
      type: z.string().optional(),
      content: z.string(),
      size_gib: z.number().optional(),
      free_gib: z.number().optional(),
      used_percent: z.number().optional(),
      shared: z.boolean().optional(),
      state: z.string().optional().describe("When it is not available"),
    })),
    notes: params.notes,
  }),
  calls: ["GET /nodes/{node}/storage", "GET /cluster/resources", "GET /nodes", ...visibleCalls],
  privileges: [{ path: "/storage/{storage}", any: ["Datastore.Audit"] }],
  async run({ node }, { pve, signal, server }) {
    const rows = node === undefined ? await everywhere(pve, signal) : await onNode(pve, node, signal);
    const notes = await visibleNotes(pve, listed.storages, rows.length, server.token, { signal });
    return { storages: rows, ...(notes.length > 0 ? { notes } : {}) };
  },
});

interface StorageRow {
  storage: string;
  nodes: string;
  type: string | undefined;
  content: string;
  size_gib: number | undefined;
  free_gib: number | undefined;
  used_percent: number | undefined;
  shared: boolean | undefined;
  state: string | undefined;
}

async function onNode(
  pve: PveClient<"GET /nodes/{node}/storage" | "GET /nodes">,
  node: string,
  signal: AbortSignal,
): Promise<StorageRow[]> {
  const rows = await pve.call("GET /nodes/{node}/storage", { node }, { signal }).catch(async (error: unknown) => {
    throw await withKnownNodes(
      error,
      async () => (await pve.call("GET /nodes", {}, { signal })).map((row) => row.node),
    );
  });
  return rows.map((row) => ({
    storage: row.storage,
    nodes: node,
    type: row.type,
    content: contentOf(row.content).join(","),
    size_gib: gib(row.total),
    free_gib: gib(row.avail),
    used_percent: usedPercent(row.used, row.total),
    shared: row.shared === true ? true : undefined,
    state: row.enabled === false ? "disabled" : row.active === false ? "not active" : undefined,
  })).sort((a, b) => a.storage.localeCompare(b.storage));
}

async function everywhere(pve: PveClient<"GET /cluster/resources">, signal: AbortSignal): Promise<StorageRow[]> {
  const merged = new Map<string, StorageRow>();
  const rows = [...await pve.call("GET /cluster/resources", { type: "storage" }, { signal })]
    .sort((a, b) => (a.node ?? "").localeCompare(b.node ?? ""));
  for (const row of rows) {
    if (row.storage === undefined || row.node === undefined) continue;
    const key = row.shared === true ? row.storage : `${row.storage}/${row.node}`;
    const present = merged.get(key);
    if (present !== undefined) present.nodes += `,${row.node}`;
    else {
      merged.set(key, {
        storage: row.storage,
        nodes: row.node,
        type: row.plugintype,
        content: contentOf(row.content).join(","),
        size_gib: gib(row.maxdisk),
        free_gib: row.maxdisk === undefined || row.disk === undefined ? undefined : gib(row.maxdisk - row.disk),
        used_percent: usedPercent(row.disk, row.maxdisk),
        shared: row.shared === true ? true : undefined,
        state: row.status === "available" ? undefined : row.status,
      });
    }
  }
  return [...merged.values()].sort((a, b) => a.storage.localeCompare(b.storage) || a.nodes.localeCompare(b.nodes));
}

const templateKinds = { container_template: "vztmpl", iso: "iso" } as const;

export const listTemplates = defineTool({
  name: "list_templates",
  title: "List templates",
  description:
    "Lists what new guests can be made from: container templates (for create_container), ISO images (for create_vm), and template guests (for clone_vm and clone_container).",
  tier: "read",
  toolset: "core",
  input: z.strictObject({
    node: params.node.optional(),
    storage: params.storage.optional(),
    kind: z.enum(["all", "container_template", "iso", "template_guest"]).default("all"),
    name: z.string().max(255).optional().describe("Only names that contain this, as in debian-12"),
    limit: params.limit,
  }),
  output: z.object({
    templates: z.array(z.object({
      kind: z.string(),
      volid: z.string().optional().describe("What create_container takes as ostemplate, create_vm as iso"),
      vmid: z.number().optional().describe("What clone_vm and clone_container take as source_vmid"),
      name: z.string().optional(),
      nodes: z.string().describe("Where it is, or all"),
      size_gib: z.number().optional(),
    })),
    total: z.number(),
    notes: params.notes,
  }),
  calls: ["GET /cluster/resources", "GET /nodes/{node}/storage/{storage}/content", ...visibleCalls],
  privileges: [
    { path: "/storage/{storage}", any: ["Datastore.Audit"] },
    { path: "/vms/{vmid}", any: ["VM.Audit"], when: "to see guests that are templates" },
  ],
  async run(input, { pve, signal, server }) {
    const wanted = (Object.keys(templateKinds)).filter((kind) => input.kind === "all" || input.kind === kind);
    const rows = await pve.call("GET /cluster/resources", { type: "storage" }, { signal });
    const places = templatePlaces(rows, input);
    const contents = await Promise.all(places.flatMap(({ node, nodes, storage, content }) =>
      wanted.flatMap((kind) => {
        const type = kind === "iso" ? templateKinds.iso : templateKinds.container_template;
        if (!content.includes(type)) return [];
        return [
          pve.call("GET /nodes/{node}/storage/{storage}/content", { node, storage, content: type }, { signal })
            .then((volumes) =>
              volumes.map((volume) => ({
                kind,
                volid: volume.volid,
                vmid: undefined,
                name: undefined,
                nodes: nodes.join(","),
                size_gib: gib(volume.size),
              }))
            ),
        ];
      })
    ));
    const guests = input.storage === undefined && (input.kind === "all" || input.kind === "template_guest")
      ? await pve.call("GET /cluster/resources", { type: "vm" }, { signal })
      : [];
    const templates = guests.flatMap((row) => {
      const guest = guestOf(row);
      if (guest === undefined || !guest.template || (input.node !== undefined && guest.node !== input.node)) return [];
      const kind = guest.kind === "vm" ? "vm_template" : "container_template_guest";
      return [{
        kind,
        volid: undefined,
        vmid: guest.vmid,
        name: guest.name,
        nodes: guest.node,
        size_gib: gib(row.maxdisk),
      }];
    });
    const nodesThere = new Set(rows.flatMap((row) => row.node ?? []));
    const text = (input.name ?? "").toLowerCase();
    const volumes = onceEach(contents.flat())
      .map((item) => ({ ...item, nodes: onAll(item.nodes, nodesThere) ? "all" : item.nodes }));
    const found = [...volumes, ...templates]
      .filter((item) => `${item.volid ?? ""} ${item.name ?? ""}`.toLowerCase().includes(text))
      .sort((a, b) =>
        a.kind.localeCompare(b.kind) || (a.volid ?? "").localeCompare(b.volid ?? "") || (a.vmid ?? 0) - (b.vmid ?? 0)
      );
    const notes: string[] = [];
    if (found.length > input.limit) {
      notes.push(`${found.length - input.limit} more: narrow with kind, name, node or storage`);
    }
    if (found.length === 0) {
      const [of, seen] = input.kind === "template_guest"
        ? [listed.guests, guests.length] as const
        : [listed.storages, rows.length] as const;
      const hidden = await visibleNotes(pve, of, seen, server.token, { signal });
      notes.push(
        ...(hidden.length > 0
          ? hidden
          : places.length === 0 && input.kind !== "template_guest"
          ? ["None of the storages holds container templates or ISO images"]
          : ["Nothing found; a person can download templates in PVE's web interface: storage, CT Templates"]),
      );
    }
    return { templates: found.slice(0, input.limit), total: found.length, ...(notes.length > 0 ? { notes } : {}) };
  },
});

/** The same volume on several nodes (local storages hold the same downloads) as one row that names them all. */
function onceEach<T extends { volid: string; nodes: string }>(rows: readonly T[]): T[] {
  const merged = new Map<string, T>();
  for (const row of rows) {
    const present = merged.get(row.volid);
    if (present === undefined) merged.set(row.volid, row);
    else present.nodes = [...present.nodes.split(","), row.nodes].sort().join(",");
  }
  return [...merged.values()];
}

/** Whether a list of nodes names all there are, and there is more than one. */
function onAll(nodes: string, there: ReadonlySet<string>): boolean {
  return there.size > 1 && nodes.split(",").length === there.size;
}

/** A storage to look into, from one node; `nodes`: all those that would show the same. */
interface TemplatePlace {
  readonly node: string;
  readonly nodes: string[];
  readonly storage: string;
  readonly content: string[];
}

/** The storages to look into: those that are meant, a shared one once. */
function templatePlaces(
  rows: readonly ResourceRow[],
  input: { node?: string | undefined; storage?: string | undefined },
): TemplatePlace[] {
  const here = rows.flatMap((row) =>
    row.node === undefined || row.storage === undefined || row.status !== "available"
      ? []
      : [{ node: row.node, storage: row.storage, content: contentOf(row.content), shared: row.shared === true }]
  );
  const names = [...new Set(here.map((place) => place.storage))].sort();
  if (input.storage !== undefined && !names.includes(input.storage)) {
    throw new PveError(`No storage ${JSON.stringify(input.storage)} is visible to this token`, {
      kind: "missing",
      remedy: names.length > 0 ? `The storages are ${names.join(", ")}` : "It may lack Datastore.Audit on /storage",
    });
  }
  const nodes = [...new Set(here.map((place) => place.node))].sort();
  if (input.node !== undefined && !nodes.includes(input.node)) {
    throw new UsageError(
      `No storage of a node ${JSON.stringify(input.node)} is visible`,
      `The nodes are ${nodes.join(", ")}`,
    );
  }
  const places = new Map<string, TemplatePlace>();
  for (const place of here) {
    if (input.node !== undefined && place.node !== input.node) continue;
    if (input.storage !== undefined && place.storage !== input.storage) continue;
    const key = place.shared ? place.storage : `${place.node}/${place.storage}`;
    const present = places.get(key);
    if (present === undefined) places.set(key, { ...place, nodes: [place.node] });
    else present.nodes.push(place.node);
  }
  return [...places.values()];
}
