/** Chooses and checks where a new guest goes: the node, and a storage that can hold what is to be put there. */
import { PveError, UsageError } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { contentOf } from "./storage.ts";

export type PlaceCall = "GET /cluster/resources";

/** One storage on one node. */
interface Place {
  readonly node: string;
  readonly storage: string;
  readonly content: readonly string[];
}

/** What a new guest needs of storages: the storage's name, and the content type it must hold. */
export interface Need {
  readonly storage: string;
  readonly content: "images" | "rootdir" | "vztmpl" | "iso" | "import" | "backup";
}

/** The storage in `STORAGE:rest`. */
export function storageOf(volume: string): string {
  return volume.split(":", 1)[0] ?? volume;
}

/** The storages that are at hand, each on each of its nodes. */
export async function places(pve: PveClient<PlaceCall>, options: SendOptions): Promise<Place[]> {
  const rows = await pve.call("GET /cluster/resources", { type: "storage" }, options);
  return rows.flatMap((row) =>
    row.node === undefined || row.storage === undefined || row.status !== "available"
      ? []
      : [{ node: row.node, storage: row.storage, content: contentOf(row.content) }]
  );
}

const CONTENT_WORDS = {
  images: "VM disks",
  rootdir: "containers",
  vztmpl: "container templates",
  iso: "ISO images",
  import: "images to import",
  backup: "backups",
} as const;

/** @throws {PveError} for a node that is not among the known ones; a token that is shown no node cannot tell */
export function refuseStrangeNode(node: string | undefined, known: readonly string[]): void {
  if (node === undefined || known.length === 0 || known.includes(node)) return;
  throw new PveError(`No node ${JSON.stringify(node)}`, {
    kind: "missing",
    remedy: `The nodes are ${known.toSorted().join(", ")}`,
  });
}

/**
 * The node a new guest is put on: the one that is named, or the one with most free memory of those that have every storage
 * it needs.
 * @throws {PveError} kind "missing": no such node, storage, or no node that has all of them
 * @throws {UsageError} when a storage does not hold the content that is needed; names those that do
 */
export async function choosePlace(
  pve: PveClient<PlaceCall>,
  node: string | undefined,
  needs: readonly Need[],
  options: SendOptions,
): Promise<{ node: string; note: string | undefined }> {
  const nodes = (await pve.call("GET /cluster/resources", { type: "node" }, options))
    .flatMap((row) =>
      row.node === undefined
        ? []
        : [{ node: row.node, online: row.status !== "offline", free: (row.maxmem ?? 0) - (row.mem ?? 0) }]
    );
  refuseStrangeNode(node, nodes.map((row) => row.node));
  const all = await places(pve, options);
  // A token without Datastore.Audit sees no storage at all: then PVE has to judge.
  for (const need of all.length === 0 ? [] : needs) checkNeed(need, node, all);
  if (node !== undefined) return { node, note: undefined };
  const fitting = nodes
    .filter((row) => row.online && needs.every((need) => all.length === 0 || has(all, row.node, need)))
    .sort((a, b) => b.free - a.free || (a.node < b.node ? -1 : 1));
  const best = fitting[0];
  if (best === undefined) {
    throw new PveError(
      `No node that is online has all of ${needs.map((need) => need.storage).join(", ") || "what is needed"}`,
      {
        kind: "missing",
        remedy: "See list_storage for what each node has, and give a node",
      },
    );
  }
  return {
    node: best.node,
    note: fitting.length > 1 ? `Put on ${best.node}, the node with most free memory` : undefined,
  };
}

/**
 * Where a new file goes: the storage that is named, or the shared one, or the one with most space, of those for its content.
 * @throws {PveError} kind "missing" and {UsageError} as choosePlace() does
 */
export async function chooseStorage(
  pve: PveClient<PlaceCall>,
  wish: {
    readonly node?: string | undefined;
    readonly storage?: string | undefined;
    readonly content: Need["content"];
  },
  options: SendOptions,
): Promise<{ node: string; storage: string }> {
  const { node, content } = wish;
  if (wish.storage !== undefined) {
    const place = await choosePlace(pve, node, [{ storage: wish.storage, content }], options);
    return { node: place.node, storage: wish.storage };
  }
  const rows = await pve.call("GET /cluster/resources", { type: "storage" }, options);
  const free = (row: (typeof rows)[number]) => (row.maxdisk ?? 0) - (row.disk ?? 0);
  const best = rows
    .filter((row) =>
      (node === undefined || row.node === node) && row.status === "available" &&
      contentOf(row.content).includes(content)
    )
    .sort((a, b) =>
      Number(b.shared ?? false) - Number(a.shared ?? false) || free(b) - free(a) ||
      ((a.node ?? "") < (b.node ?? "") ? -1 : 1)
    )[0];
  if (best?.node !== undefined && best.storage !== undefined) return { node: best.node, storage: best.storage };
  throw new PveError(
    `No storage ${node === undefined ? "" : `of ${node} `}holds ${CONTENT_WORDS[content]} (${content})`,
    {
      kind: "missing",
      remedy: "A person can allow it in PVE (Datacenter, Storage, Edit, Content), or the token may not see the storage",
    },
  );
}

function has(all: readonly Place[], node: string, need: Need): boolean {
  return all.some((place) =>
    place.node === node && place.storage === need.storage && place.content.includes(need.content)
  );
}

function checkNeed(need: Need, node: string | undefined, all: readonly Place[]): void {
  const here = all.filter((place) => node === undefined || place.node === node);
  const at = node === undefined ? "" : ` on ${node}`;
  const named = here.filter((place) => place.storage === need.storage);
  if (named.some((place) => place.content.includes(need.content))) return;
  const fitting = [
    ...new Set(here.filter((place) => place.content.includes(need.content)).map((place) => place.storage)),
  ].sort();
  const remedy = fitting.length > 0
    ? `Storages${at} for ${CONTENT_WORDS[need.content]}: ${fitting.join(", ")}`
    : `No storage${at} holds ${CONTENT_WORDS[need.content]}; see list_storage`;
  const first = named[0];
  if (first === undefined) {
    throw new PveError(`No storage ${JSON.stringify(need.storage)}${at} is available`, { kind: "missing", remedy });
  }
  throw new UsageError(
    `Storage ${need.storage}${at} holds ${first.content.join(", ")}, not ${
      CONTENT_WORDS[need.content]
    } (${need.content})`,
    remedy,
  );
}
