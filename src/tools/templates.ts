/** A tool that looks at what new guests can be made from: container templates, ISO images, template guests. */
import { z } from "zod";
import { listed, visibleCalls, visibleNotes } from "../access/visible.ts";
import { PveError, UsageError } from "../errors.ts";
import type { Result } from "../pve/client.ts";
import { guestOf } from "../pve/guests.ts";
import { gib } from "../shape/numbers.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";
import { contentOf } from "./storage.ts";

type ResourceRow = Result<"GET /cluster/resources">[number];

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
      // Nothing was looked for, and so nothing may have been hidden.
      const apart = input.kind === "template_guest" && input.storage !== undefined;
      const hidden = apart ? [] : await visibleNotes(pve, of, seen, server.token, { signal });
      const offered = new Set(server.tools.map((tool) => tool.name));
      notes.push(...(hidden.length > 0 ? hidden : whyNone(input, volumes.length + templates.length, places, offered)));
    }
    return { templates: found.slice(0, input.limit), total: found.length, ...(notes.length > 0 ? { notes } : {}) };
  },
});

type TemplateKind = "container_template" | "iso" | "template_guest";

/** What to say where nothing was found: why, and how it comes there. */
function whyNone(
  { kind, storage, name }: {
    readonly kind: TemplateKind | "all";
    readonly storage?: string | undefined;
    readonly name?: string | undefined;
  },
  unnamed: number,
  places: readonly TemplatePlace[],
  offered: ReadonlySet<string>,
): string[] {
  if (kind === "template_guest" && storage !== undefined) {
    return ["Template guests are looked for in no storage: leave storage out"];
  }
  const types = kind === "template_guest" ? [] : kind === "all" ? Object.values(templateKinds) : [templateKinds[kind]];
  if (types.length > 0 && !places.some(({ content }) => types.some((type) => content.includes(type)))) {
    const words = types.map((type) => type === "iso" ? "ISO images" : "container templates").join(" or ");
    const none = storage === undefined ? `No storage may hold ${words}` : `Storage ${storage} may not hold ${words}`;
    return [`${none}; list_storage shows what each may hold`];
  }
  return [
    unnamed === 0 ? "There are none" : `None of the ${unnamed} that are there has ${JSON.stringify(name)} in its name`,
    ...kind === "all" ? [wayTo("container_template", offered), wayTo("iso", offered)] : [wayTo(kind, offered)],
  ];
}

/** How what guests are made from comes there. */
function wayTo(kind: TemplateKind, offered: ReadonlySet<string>): string {
  switch (kind) {
    case "container_template":
      return offered.has("download_template")
        ? "download_template fetches the container templates that list_available_templates shows"
        : "A person can download container templates in PVE's web interface: storage, CT Templates";
    case "iso":
      return offered.has("download_url")
        ? "download_url fetches ISO images from hosts that PROXMOX_DOWNLOAD_HOSTS names"
        : "A person can download ISO images in PVE's web interface: storage, ISO Images";
    case "template_guest":
      return "A person makes a template of a guest in PVE's web interface: More, Convert to template";
  }
}

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
