/** Tools that fetch container templates of PVE's index; and what they share with those that fetch from elsewhere. */
import { z } from "zod";
import { PveError, UsageError } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import * as params from "./params.ts";
import { chooseStorage } from "./places.ts";
import { callKey, deadlineOf, settle, startOnce, taskCalls, type Waiting } from "./waiting.ts";

/** One line of the index; PVE's schema says nothing of it. */
const appliance = z.object({
  template: z.string(),
  package: z.string().optional(),
  section: z.string().optional(),
  os: z.string().optional(),
  version: z.string().optional(),
  headline: z.string().optional(),
});
type Appliance = z.output<typeof appliance>;

/** The index as a node has it; lines that name no template are passed over. */
async function indexOf(
  pve: PveClient<"GET /nodes/{node}/aplinfo">,
  node: string,
  options: SendOptions,
): Promise<Appliance[]> {
  const rows = await pve.call("GET /nodes/{node}/aplinfo", { node }, options);
  return rows.flatMap((row) => {
    const read = appliance.safeParse(row);
    return read.success ? [read.data] : [];
  }).sort((a, b) => compareNames(a.template, b.template));
}

/** "debian-9" before "debian-12", as people count. */
function compareNames(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

async function someNode(pve: PveClient<"GET /cluster/resources">, options: SendOptions): Promise<string> {
  const rows = await pve.call("GET /cluster/resources", { type: "node" }, options);
  const names = rows.flatMap((row) => row.status === "offline" || row.node === undefined ? [] : [row.node]).sort();
  const [first] = names;
  if (first !== undefined) return first;
  throw new PveError("No node is online, or the token sees none", { kind: "missing", remedy: "See list_nodes" });
}

const NO_INDEX = "The node has no index yet: a person runs `pveam update` there; PVE does it once a day by itself";

export const listAvailableTemplates = defineTool({
  name: "list_available_templates",
  title: "List downloadable templates",
  description:
    "Lists the container templates that download_template can fetch, from PVE's index. list_templates shows those that are there.",
  tier: "read",
  toolset: "images",
  input: z.strictObject({
    name: z.string().max(100).optional().describe("Only what contains this, as in debian-13"),
    section: z.enum(["all", "system", "turnkeylinux", "mail"]).default("system").describe(
      "system: plain distributions; turnkeylinux: applications",
    ),
    node: params.node.optional(),
    limit: params.limit,
  }),
  output: z.object({
    templates: z.array(z.object({ template: z.string(), os: z.string().optional(), headline: z.string().optional() })),
    total: z.number(),
    notes: params.notes,
  }),
  calls: ["GET /cluster/resources", "GET /nodes/{node}/aplinfo"],
  privileges: [],
  async run(input, { pve, signal }) {
    const node = input.node ?? await someNode(pve, { signal });
    const all = await indexOf(pve, node, { signal });
    const text = (input.name ?? "").toLowerCase();
    const named = all.filter((row) => `${row.template} ${row.headline ?? ""}`.toLowerCase().includes(text));
    const found = named.filter((row) =>
      input.section === "all" || row.section === undefined || row.section === input.section
    );
    const notes = [
      ...(all.length === 0 ? [NO_INDEX] : []),
      ...(found.length > input.limit ? [`${found.length - input.limit} more: narrow with name`] : []),
      ...(named.length > found.length ? [`${named.length - found.length} more in other sections: section=all`] : []),
    ];
    return {
      templates: found.slice(0, input.limit).map(({ template, os, headline }) => ({ template, os, headline })),
      total: found.length,
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});

/** The one template that is meant: its whole name, or the newest whose name starts so. */
function pick(all: readonly Appliance[], wanted: string): string {
  if (all.length === 0) throw new UsageError(NO_INDEX);
  const whole = all.find((row) => row.template === wanted);
  if (whole !== undefined) return whole.template;
  const starting = all.filter((row) => row.template.startsWith(wanted));
  const kinds = new Set(starting.map((row) => row.template.split("_")[0]));
  const newest = starting.at(-1);
  if (newest !== undefined && kinds.size === 1) return newest.template;
  const near = starting.length > 0 ? starting : all.filter((row) => row.template.includes(wanted));
  const shown = [...new Set((near.length > 0 ? near : all).map((row) => row.template))];
  throw new UsageError(
    `${starting.length === 0 ? "No" : "More than one"} template of the index starts with ${JSON.stringify(wanted)}`,
    `${near.length > 0 ? "There are" : "See list_available_templates; there are"} ${shown.slice(0, 8).join(", ")}${
      shown.length > 8 ? ` and ${shown.length - 8} more` : ""
    }`,
  );
}

/** The answer of every tool that fetches a file. */
export const fetched = z.object({
  volid: z.string(),
  node: z.string(),
  ...params.outcome,
  notes: params.notes,
});

type FetchCall = "GET /nodes/{node}/storage/{storage}/content" | (typeof taskCalls)[number];

/** Starts a download once, and waits for it; a file that is there already is nothing to do. */
export async function fetchFile(
  tool: string,
  context: ToolContext<FetchCall>,
  input: Waiting & Readonly<Record<string, unknown>>,
  file: { readonly node: string; readonly storage: string; readonly content: string; readonly name: string },
  send: () => Promise<string>,
): Promise<z.output<typeof fetched>> {
  const { pve, signal } = context;
  const { node, storage, content, name } = file;
  const volid = `${storage}:${content}/${name}`;
  const deadline = deadlineOf(input);
  const key = callKey(tool, { node, volid });
  if (!context.started.has(key)) {
    const query = { node, storage, content };
    const there = await pve.call("GET /nodes/{node}/storage/{storage}/content", query, { signal });
    if (there.some((volume) => volume.volid === volid)) {
      return { volid, node, state: "unchanged", notes: ["It is there already; nothing here replaces a file"] };
    }
  }
  const start = async () => ({ upid: await send(), node, vmid: 0 });
  const { task, repeated } = await startOnce(context, key, deadline, start);
  const { unseen, ...outcome } = await settle(context, task.upid, input, deadline).catch((error: unknown) => {
    // A task that failed may be tried again; one whose waiting was cancelled goes on.
    if (error instanceof PveError && error.details.kind === "task") context.started.delete(key);
    throw error;
  });
  if (outcome.state !== "running") context.started.delete(key);
  const notes = [
    ...(repeated ? ["An earlier call started this download: nothing was started again"] : []),
    ...(unseen === undefined ? [] : [`PVE could not be asked the last time: ${unseen}`]),
    ...(outcome.state === "running"
      ? ["The node is still fetching it: wait_task waits for it; do not repeat the call"]
      : []),
  ];
  return { volid, node, ...outcome, ...(notes.length > 0 ? { notes } : {}) };
}

/** Where a file goes. */
export const where = {
  storage: params.storage.optional().describe(
    "Left out: a shared one that holds such files, or the one with most space",
  ),
  node: params.node.optional(),
};

const allocate = { path: "/storage/{storage}", any: ["Datastore.AllocateTemplate"] } as const;
const see = { path: "/storage/{storage}", any: ["Datastore.Audit"] } as const;
/** To fetch a template of PVE's index. */
const toFetch = [allocate, see] as const;
/** To fetch from anywhere else. */
export const toFetchFrom = [...toFetch, { path: "/nodes/{node}", any: ["Sys.AccessNetwork"] }] as const;

export const downloadTemplate = defineTool({
  name: "download_template",
  title: "Download a container template",
  description:
    "Has a node fetch a container template of PVE's index. The answer's volid is what create_container takes as ostemplate.",
  tier: "provision",
  toolset: "images",
  idempotent: true,
  input: z.strictObject({
    template: z.string().min(2).max(255).describe("Its name or the start of it, as in debian-13-standard: the newest"),
    ...where,
    ...params.waiting,
  }),
  output: fetched,
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/aplinfo",
    "GET /nodes/{node}/storage/{storage}/content",
    "POST /nodes/{node}/aplinfo",
    ...taskCalls,
  ],
  privileges: toFetch,
  async run(input, context) {
    const { pve, signal } = context;
    const { node, storage } = await chooseStorage(pve, { ...input, content: "vztmpl" }, { signal });
    const template = pick(await indexOf(pve, node, { signal }), input.template);
    const file = { node, storage, content: "vztmpl", name: template };
    return await fetchFile(
      "download_template",
      context,
      input,
      file,
      () => pve.call("POST /nodes/{node}/aplinfo", { node, storage, template }, { signal }),
    );
  },
});
