/** What has to be true of a storage before a file is downloaded to it. */
import { Refusal } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";

/** The requests that tell it. */
export type FileCall = "GET /nodes/{node}/storage" | "GET /nodes/{node}/storage/{storage}/content";

const GIB = 1024 ** 3;
/** How large a file or a backup is, nobody knows before it is there: a storage with less than this gets none. */
const LEAST_FREE = 2 * GIB;

/**
 * Refuses what would be written to a storage that is nearly full: one that runs full harms whatever else writes there.
 * @throws {Refusal}
 */
export function refuseNearlyFull(
  row: { readonly storage: string; readonly avail?: number | undefined },
  node: string,
  what: "download" | "backup",
): void {
  // Where PVE does not tell what is free, it has to judge itself: NaN is not less.
  const free = Number(row.avail);
  if (!(free < LEAST_FREE)) return;
  throw new Refusal(
    `Refused: storage ${row.storage} of ${node} has ${(free / GIB).toFixed(1)} GiB free, and a ${what} may take more`,
    "Name another storage; list_storage shows what each has free",
  );
}

/**
 * Refuses a download where a file of that name is already, where the storage does not hold such files, or is nearly full.
 * @throws {Refusal}
 */
export async function refuseExisting(
  given: Readonly<Record<string, unknown>>,
  pve: PveClient<FileCall>,
  options: SendOptions,
): Promise<void> {
  const { node, storage, content = "vztmpl" } = given;
  const filename = given.reference === undefined ? given.filename ?? given.template : `${String(given.filename)}.tar`;
  if (typeof node !== "string" || typeof storage !== "string" || typeof content !== "string") {
    throw new Refusal("Refused: node, storage or content is missing");
  }
  const rows = await pve.call("GET /nodes/{node}/storage", { node }, options);
  const fitting = rows.filter((row) => row.content?.split(",").includes(content) === true);
  const place = fitting.find((row) => row.storage === storage);
  if (place === undefined) {
    throw new Refusal(
      `Refused storage=${JSON.stringify(storage)}: it does not hold ${content} on ${node}, or the token may not see it`,
      fitting.length > 0
        ? `Storages for ${content} on ${node}: ${fitting.map((row) => row.storage).sort().join(", ")}`
        : `No storage of ${node} holds ${content}: a person can allow it (Datacenter, Storage, Edit, Content)`,
    );
  }
  refuseNearlyFull(place, node, "download");
  const volid = `${storage}:${content}/${String(filename)}`;
  const volumes = await pve.call("GET /nodes/{node}/storage/{storage}/content", { node, storage, content }, options);
  // To a file server of Windows, names that differ in capitals only are one file.
  const there = volumes.find((volume) => volume.volid.toLowerCase() === volid.toLowerCase());
  if (there === undefined) return;
  throw new Refusal(
    `Refused: ${there.volid} is there already, and nothing here replaces a file`,
    "Use it, or give another filename",
  );
}
