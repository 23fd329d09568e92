/** Whether the number of a new guest is free: of no guest, and of nothing that is left of one. */
import { Refusal } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";

/** The requests that tell it. */
export type VmidCall = "GET /cluster/resources" | "GET /nodes/{node}/storage/{storage}/content";

/** A volume or backup that carries a vmid, although no guest may have it any more. */
export interface Leftover {
  readonly storage: string;
  readonly node: string;
  readonly volid: string;
}

/**
 * What is left, on any storage we can read, of a guest that had this vmid: PVE hands out the numbers of deleted guests, and
 * a new guest's backups would then push the old one's out.
 * @throws {Refusal} when a storage for backups is out of reach although its node is there: it may hold some of that guest
 * @throws {PveError} when a storage cannot be read
 */
export async function findLeftovers(
  vmid: number,
  pve: PveClient<VmidCall>,
  options: SendOptions = {},
): Promise<Leftover[]> {
  const rows = await pve.call("GET /cluster/resources", { type: "storage" }, options);
  const storages = new Map<string, { node: string; storage: string }>();
  const silent = new Map<string, { node: string; storage: string }>();
  // A node's own state comes from the cluster's membership. That of its storages comes from a daemon that one hung NFS
  // server stops: then all of them read "unknown", and nothing may be taken for empty.
  const nodes = await pve.call("GET /cluster/resources", { type: "node" }, options);
  const asleep = new Set(nodes.filter((row) => row.status === "offline").map((row) => row.node));
  for (const row of rows) {
    // A storage that does not say what it holds may hold anything.
    const { node, storage, content = "images,backup" } = row;
    if (node === undefined || storage === undefined || !/images|rootdir|backup/.test(content)) continue;
    const key = row.shared === true ? storage : `${node}/${storage}`;
    if (row.status === "available") storages.set(key, { node, storage });
    else if (!asleep.has(node) && content.includes("backup")) silent.set(key, { node, storage });
  }
  for (const [key, { node, storage }] of silent) {
    if (storages.has(key)) continue;
    throw new Refusal(
      `Refused a new guest: the storage ${storage} of ${node} cannot be read now, and it may hold backups of an earlier ` +
        `guest with the number ${vmid}, which those of the new one would push out`,
      "A person has to bring the storage back, or disable it in PVE",
    );
  }
  const found = await Promise.all([...storages.values()].map(async ({ node, storage }) => {
    const volumes = await pve.call("GET /nodes/{node}/storage/{storage}/content", { node, storage, vmid }, options);
    return volumes.filter((volume) => volume.vmid === vmid).map(({ volid }) => ({ storage, node, volid }));
  }));
  return found.flat();
}

/**
 * A new guest's vmid: no guest has it, and no volume or backup is left of one that had it.
 * @throws {Refusal}
 */
export async function refuseTaken(vmid: unknown, pve: PveClient<VmidCall>, options: SendOptions): Promise<void> {
  if (typeof vmid !== "number") throw new Refusal("Refused: the new guest's vmid is missing");
  const taken = (await pve.call("GET /cluster/resources", { type: "vm" }, options)).find((row) => row.vmid === vmid);
  if (taken !== undefined) {
    throw new Refusal(
      `Refused vmid ${vmid}: the ${taken.type === "lxc" ? "container" : "VM"} ${JSON.stringify(taken.name ?? "")} on ` +
        `${taken.node ?? "?"} has it`,
      "Leave the vmid out to get a free one, or ask next_vmid",
    );
  }
  const leftovers = await findLeftovers(vmid, pve, options);
  const first = leftovers[0];
  if (first !== undefined) {
    throw new Refusal(
      `Refused vmid ${vmid}: no guest has it, but ${leftovers.length} volume(s) of an earlier one remain, such as ${first.volid}`,
      "Leave the vmid out to get one that has nothing left, or ask next_vmid",
    );
  }
}
