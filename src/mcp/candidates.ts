/** Looks up what there is in the place of what was named and is not there. */
import { listed, visibleNotes } from "../access/visible.ts";
import { closest } from "../config/closest.ts";
import type { PveErrorDetails } from "../errors.ts";
import { listGuests } from "../pve/guests.ts";
import { parseUpid } from "../pve/tasks.ts";
import type { Found, Options, Reader, Scene } from "./explain.ts";

const MOST_CANDIDATES = 8;

/** The names there are, the one that was probably meant first. */
export async function whatThereIs(
  details: PveErrorDetails,
  { token, pool }: Pick<Scene, "token" | "pool">,
  pve: Reader,
  options: Options,
): Promise<Found | undefined> {
  const { absent, subject, candidates: known } = details;
  if (absent === undefined) return undefined;
  // A call that names another one is refused: only the setting's is sent.
  if (absent.what === "pool" && absent.name === pool) {
    return {
      remedy:
        `PROXMOX_POOL names it, for every new guest: a person makes it on the PVE host (pveum pool add ${pool}), ` +
        "or changes the setting. No other call helps",
    };
  }
  if (known !== undefined && absent.what !== "guest") {
    const meant = closest(absent.name, known);
    return meant === undefined ? undefined : { remedy: `Probably meant: ${meant}. ${details.remedy ?? ""}` };
  }
  // Looked for among all that are visible: others may be there.
  if (known !== undefined) {
    const meant = await guestLike(absent.name, pve, options);
    if (meant !== undefined) return { remedy: `Probably meant: ${meant}. ${details.remedy ?? ""}` };
    const notes = await visibleNotes(pve, listed.guests, Math.min(known.length, 1), token, options);
    return notes.length === 0
      ? undefined
      : { remedy: [notes.join(". "), ...known.length > 0 ? [details.remedy] : []].join(". ") };
  }
  const node = typeof subject?.node === "string" ? subject.node : undefined;
  const names = [...new Set(await namesOf(absent, node, details, pve, options))].sort((a, b) =>
    a.localeCompare(b, "en", { numeric: true })
  );
  if (names.length === 0) {
    if (absent.what !== "snapshot" || subject?.vmid === undefined) return undefined;
    return {
      candidates: [],
      remedy: `Guest ${subject.vmid} has no snapshot: leave snapname out for its present state`,
    };
  }
  const meant = closest(absent.name, names);
  const candidates = (meant === undefined ? names : [meant, ...names.filter((name) => name !== meant)])
    .slice(0, MOST_CANDIDATES);
  const left = names.length - candidates.length;
  const list = `There ${names.length === 1 ? "is only" : "are"} ${candidates.join(", ")}${
    left > 0 ? ` and ${left} more` : ""
  }`;
  return {
    candidates,
    remedy: `${meant === undefined ? "" : `Probably meant: ${meant}. `}${list}. ${details.remedy ?? ""}`,
  };
}

/** The guest whose name is nearly the one that was given. */
async function guestLike(name: string, pve: Reader, options: Options): Promise<string | undefined> {
  if (/^\d*$/.test(name)) return undefined;
  const guests = await listGuests(pve, options);
  const like = closest(name, guests.flatMap((guest) => guest.name ?? []));
  const found = guests.find((guest) => like !== undefined && guest.name === like);
  return found === undefined ? undefined : `${found.vmid} ${JSON.stringify(found.name)}`;
}

/** The names of a guest's snapshots, without the pseudo-entry for its present state. */
async function snapshotsOf(details: PveErrorDetails, pve: Reader, options: Options): Promise<string[]> {
  const { subject, call = "", upid } = details;
  const [node, vmid] = [subject?.node, subject?.vmid];
  if (typeof node !== "string" || typeof vmid !== "number") return [];
  const isContainer = upid === undefined ? call.includes("/lxc/") : parseUpid(upid).type.startsWith("vz");
  const rows = isContainer
    ? await pve.call("GET /nodes/{node}/lxc/{vmid}/snapshot", { node, vmid }, options)
    : await pve.call("GET /nodes/{node}/qemu/{vmid}/snapshot", { node, vmid }, options);
  return rows.flatMap(({ name }) => name === undefined || name === "current" ? [] : [name]);
}

/** Which names of snapshots are taken. */
export async function namesTaken(details: PveErrorDetails, pve: Reader, options: Options): Promise<Found | undefined> {
  const names = await snapshotsOf(details, pve, options);
  if (names.length === 0) return undefined;
  const shown = names.slice(-MOST_CANDIDATES).join(", ");
  return { remedy: `${details.remedy ?? "Choose another name"}; taken are ${shown}` };
}

async function namesOf(
  { what, name }: NonNullable<PveErrorDetails["absent"]>,
  node: string | undefined,
  details: PveErrorDetails,
  pve: Reader,
  options: Options,
): Promise<string[]> {
  switch (what) {
    case "node":
      return (await pve.call("GET /nodes", {}, options)).map((row) => row.node);
    case "storage": {
      const rows = await pve.call("GET /cluster/resources", { type: "storage" }, options);
      return rows.flatMap((row) =>
        row.storage !== undefined && row.storage !== name && row.status === "available" &&
          (node === undefined || row.node === node)
          ? [row.storage]
          : []
      );
    }
    case "guest":
      return (await listGuests(pve, options)).map(({ vmid, node }) => `${vmid} on ${node}`);
    case "snapshot":
      return await snapshotsOf(details, pve, options);
    case "pool":
      return (await pve.call("GET /cluster/resources", {}, options)).flatMap((row) =>
        row.type === "pool" && row.pool !== undefined ? [row.pool] : []
      );
    case "bridge":
      if (node === undefined) return [];
      return (await pve.call("GET /nodes/{node}/network", { node }, options)).flatMap((row) =>
        /bridge$/i.test(row.type ?? "") && row.iface !== undefined ? [row.iface] : []
      );
    case "template":
    case "volume": {
      const [, storage, content] = /^([^:/]+):(vztmpl|iso)\//.exec(name) ?? [];
      if (node === undefined || storage === undefined || content === undefined) return [];
      const path = { node, storage, content };
      return (await pve.call("GET /nodes/{node}/storage/{storage}/content", path, options)).map((row) => row.volid);
    }
    default:
      return [];
  }
}
