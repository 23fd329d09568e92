/** Volumes and new disks as a caller names them, STORAGE:rest: the storage, and what may be meant where it was left out. */
import { PveError, UsageError } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { type Need, type PlaceCall, places, storageOf } from "./places.ts";

export type VolumeCall = PlaceCall | "GET /nodes/{node}/storage/{storage}/content";

/** So many storages are searched at most for a file without its storage. */
const MOST_SEARCHED = 12;

/** So many files are named at most. */
const MOST_NAMED = 8;

/** What stands before the first comma: the volume, or the storage and the size of a new one. */
function headOf(value: string): string {
  return value.split(",", 1)[0] ?? value;
}

/**
 * What a value needs of storages.
 * @param name the parameter that holds it, as in "iso"
 * @throws {UsageError} where it names no storage; says which file was meant, if there is one like it
 */
export async function needOf(
  pve: PveClient<VolumeCall>,
  { name, value, content }: { readonly name: string; readonly value: string; readonly content: Need["content"] },
  options: SendOptions,
): Promise<Need> {
  const head = headOf(value);
  if (head.includes(":")) return { storage: storageOf(head), content };
  const message = `${name}=${JSON.stringify(value)} names no storage`;
  if (content === "images" || content === "rootdir") {
    throw new UsageError(message, "Write STORAGE:GiB, as in local-lvm:32; list_storage shows the storages");
  }
  const alike = await filesLike(pve, head, content, options);
  const [only] = alike;
  const like = only === undefined
    ? ""
    : alike.length === 1
    ? `Probably meant: ${only}. `
    : `There are ${alike.slice(0, MOST_NAMED).join(", ")}${
      alike.length > MOST_NAMED ? ` and ${alike.length - MOST_NAMED} more` : ""
    }. `;
  const listed = content === "import" ? "" : ", as list_templates does";
  throw new UsageError(message, `${like}Write STORAGE:${content}/FILE${listed}`);
}

/** The files whose name is the one that is given; where there is none, those whose name holds it. */
async function filesLike(
  pve: PveClient<VolumeCall>,
  given: string,
  content: Need["content"],
  options: SendOptions,
): Promise<string[]> {
  const wanted = given.slice(given.lastIndexOf("/") + 1).toLowerCase();
  const there = (await places(pve, options)).filter((place) => place.content.includes(content));
  // Every storage once, before any is looked at from a second node.
  const again = new Set(there.filter(({ storage }, at) => there.findIndex((one) => one.storage === storage) < at));
  const searched = [...there.filter((place) => !again.has(place)), ...again].slice(0, MOST_SEARCHED);
  const rows = await Promise.all(
    searched.map(({ node, storage }) =>
      pve.call("GET /nodes/{node}/storage/{storage}/content", { node, storage, content }, options)
        .catch((error: unknown) => {
          // One storage that does not answer; the others may.
          if (!(error instanceof PveError) || error.details.kind === "cancelled") throw error;
          return [];
        })
    ),
  );
  const all = [...new Set(rows.flat().map(({ volid }) => volid))].sort();
  const named = (volid: string) => volid.slice(volid.lastIndexOf("/") + 1).toLowerCase();
  const same = all.filter((volid) => named(volid) === wanted);
  return same.length > 0 ? same : all.filter((volid) => wanted !== "" && named(volid).includes(wanted));
}
