/** Finds guests in the cluster, so that a vmid is enough to address one. */
import { PveError, UsageError } from "../errors.ts";
import type { PveClient, Result, SendOptions } from "./client.ts";

/** PVE's two kinds of guests. */
export type GuestKind = "vm" | "container";

/** Where a guest is and what it is called. */
export interface Guest {
  readonly vmid: number;
  readonly kind: GuestKind;
  readonly node: string;
  readonly name: string | undefined;
  /** running, stopped, or unknown before PVE's first statistics pass; of a VM also what QEMU says, as in paused or io-error. */
  readonly status: string | undefined;
  readonly template: boolean;
  readonly pool: string | undefined;
  readonly tags: readonly string[];
  readonly lock: string | undefined;
}

export type GuestRow = Result<"GET /cluster/resources">[number];

/** PVE joins tags by ";"; older versions took "," and blanks. */
export function splitTags(tags: string | undefined): string[] {
  return (tags ?? "").split(/[;, ]+/).filter((tag) => tag !== "");
}

export function guestOf(row: GuestRow): Guest | undefined {
  if (row.vmid === undefined || row.node === undefined || (row.type !== "qemu" && row.type !== "lxc")) return undefined;
  return {
    vmid: row.vmid,
    kind: row.type === "lxc" ? "container" : "vm",
    node: row.node,
    name: row.name,
    status: row.status,
    template: row.template === true,
    pool: row.pool,
    tags: splitTags(row.tags),
    lock: row.lock,
  };
}

/** All guests that the token may see, by vmid. */
export async function listGuests(
  pve: PveClient<"GET /cluster/resources">,
  options: SendOptions = {},
): Promise<Guest[]> {
  const rows = await pve.call("GET /cluster/resources", { type: "vm" }, options);
  return rows.flatMap((row) => guestOf(row) ?? []).sort((a, b) => a.vmid - b.vmid);
}

/** How a caller names a guest: by vmid, or (reads only) by a name that one guest has. */
export interface GuestAddress {
  readonly vmid?: number | undefined;
  readonly name?: string | undefined;
  readonly node?: string | undefined;
}

/** An error names so many guests. */
const MOST_SHOWN = 8;

function words(kind: GuestKind | undefined): string {
  return kind === undefined ? "guest" : kind === "vm" ? "VM" : "container";
}

function described(guest: Guest): string {
  return `${guest.vmid} ${JSON.stringify(guest.name ?? "")} (${words(guest.kind)} on ${guest.node})`;
}

function several(guests: readonly Guest[]): string {
  const shown = guests.slice(0, MOST_SHOWN).map(described).join(", ");
  return guests.length > MOST_SHOWN ? `${shown} and ${guests.length - MOST_SHOWN} more` : shown;
}

/**
 * Finds the one guest that is meant, of the kind that is meant.
 * @param kind undefined: either kind will do
 * @param otherTool the tool for the other kind, named in the error
 * @throws {UsageError} wrong kind, wrong node, a name that several guests share, neither vmid nor name
 * @throws {PveError} kind "missing": no such guest that the token may see
 */
export async function findGuest(
  pve: PveClient<"GET /cluster/resources">,
  address: GuestAddress,
  kind: GuestKind | undefined,
  otherTool: string,
  options: SendOptions = {},
): Promise<Guest> {
  const { vmid, name, node } = address;
  if (vmid === undefined && name === undefined) {
    throw new UsageError(
      "Neither vmid nor name was given",
      "Give the vmid of the guest; list_vms and list_containers show them",
    );
  }
  const guests = await listGuests(pve, options);
  const matches = guests.filter((guest) =>
    (vmid === undefined || guest.vmid === vmid) && (name === undefined || guest.name === name)
  );
  const ofKind = matches.filter((guest) => kind === undefined || guest.kind === kind);
  const here = ofKind.filter((guest) => node === undefined || guest.node === node);
  const found = here[0];
  if (found !== undefined && here.length === 1) return found;
  if (here.length > 1) {
    throw new UsageError(
      `${here.length} guests are called ${JSON.stringify(name)}: ${several(here)}`,
      "Give the vmid of the one you mean",
    );
  }
  const elsewhere = ofKind[0];
  if (elsewhere !== undefined) {
    throw new UsageError(
      `${
        kind === "container" ? "Container" : kind === "vm" ? "VM" : "Guest"
      } ${elsewhere.vmid} is on ${elsewhere.node}, not on ${node}`,
      `Leave node out, or give node="${elsewhere.node}"`,
    );
  }
  const other = matches[0];
  if (other !== undefined) {
    throw new UsageError(
      `${other.vmid} ${JSON.stringify(other.name ?? "")} is a ${words(other.kind)} on ${other.node}`,
      `Use ${otherTool}`,
    );
  }
  const sameVmid = vmid === undefined ? undefined : guests.find((guest) => guest.vmid === vmid);
  if (sameVmid !== undefined) {
    throw new UsageError(
      `Guest ${vmid} is called ${JSON.stringify(sameVmid.name ?? "")}, not ${JSON.stringify(name)}`,
      "Give the vmid alone",
    );
  }
  const wanted = vmid === undefined ? `called ${JSON.stringify(name)}` : String(vmid);
  const near = nearest(guests.filter((guest) => kind === undefined || guest.kind === kind), vmid, name);
  throw new PveError(
    `No ${words(kind)} ${wanted} is visible to this token${near.length > 0 ? `; there are ${several(near)}` : ""}`,
    {
      kind: "missing",
      absent: { what: "guest", name: name ?? wanted },
      candidates: near.slice(0, MOST_SHOWN).map(described),
      remedy: guests.length === 0
        ? "The token sees no guest at all: it lacks VM.Audit on /vms (a token with privilege separation needs ACLs of its own)"
        : `See ${
          kind === undefined ? "list_vms and list_containers" : kind === "vm" ? "list_vms" : "list_containers"
        } for what there is`,
    },
  );
}

/** The guests that may have been meant: all where none is like it. */
function nearest(guests: readonly Guest[], vmid: number | undefined, name: string | undefined): Guest[] {
  const text = (vmid === undefined ? name ?? "" : String(vmid)).toLowerCase();
  const alike = guests.filter((guest) =>
    (guest.name ?? "").toLowerCase().includes(text) || String(guest.vmid).startsWith(text.slice(0, 2))
  );
  return alike.length > 0 ? alike : [...guests];
}
