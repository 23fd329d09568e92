/** What has to be true of a guest before it moves to another node: none of its volumes may have to move with it. */
import { Refusal } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import type { Call } from "./catalogue.ts";
import { guestOf, type PendingCall, refusePending, volumeOf } from "./pending.ts";

/** The requests that tell it. */
export type MoveCall =
  | PendingCall
  | "GET /cluster/resources"
  | "GET /nodes/{node}/storage/{storage}/content"
  | "GET /nodes/{node}/qemu/{vmid}/config"
  | "GET /nodes/{node}/lxc/{vmid}/config"
  | "GET /nodes/{node}/qemu/{vmid}/status/current"
  | "GET /nodes/{node}/lxc/{vmid}/status/current"
  | "GET /nodes/{node}/qemu/{vmid}/migrate";

type Given = Readonly<Record<string, unknown>>;

/** Everything that can name a volume, detached ones and saved memory included. */
const HOLDS_VOLUME = /^(?:(?:scsi|virtio|sata|ide|mp|unused)\d+|efidisk0|tpmstate0|rootfs|vmstate)$/;

const COPIED = "PVE would copy it and remove the one that is here, so it is for a person to move";

/** The volumes that a configuration names, with their slots; an empty drive is none. */
export function volumesIn(config: Given): [slot: string, volume: string][] {
  return Object.entries(config).filter(([name]) => HOLDS_VOLUME.test(name))
    .map(([name, value]): [string, string] => [name, volumeOf(value)])
    .filter(([, volume]) => volume !== "none");
}

/**
 * Refuses a migration by which a volume would be copied and removed where it was. PVE does so without being asked for it
 * whenever a guest that is off has a disk on a storage that is not shared, and of a replicated guest, too.
 * @throws {Refusal}
 * @throws {PveError} when the state cannot be read
 */
export async function refuseMove(
  call: Call,
  given: Given,
  pve: PveClient<MoveCall>,
  options: SendOptions,
): Promise<void> {
  const guest = guestOf(given);
  const { node, vmid } = guest;
  const { target } = given;
  if (typeof target !== "string") throw new Refusal("Refused: the target is missing");
  if (target === node) throw new Refusal(`Refused: guest ${vmid} is on ${node} already`, "Name another node");
  const container = call.includes("/lxc/");
  const status = container
    ? await pve.call("GET /nodes/{node}/lxc/{vmid}/status/current", guest, options)
    : await pve.call("GET /nodes/{node}/qemu/{vmid}/status/current", guest, options);
  if (status.lock !== undefined) {
    throw new Refusal(
      `Refused: guest ${vmid} is locked (${status.lock})`,
      status.lock === "suspended"
        ? "It is hibernated: start_vm resumes it, and then it can move"
        : "Wait until the task that holds the lock has ended",
    );
  }
  if (status.ha?.managed === true) {
    throw new Refusal(
      `Refused: guest ${vmid} is managed by HA, whose manager would move it later, by rules of its own and by force`,
      `A person moves it in PVE's web interface, or by ha-manager migrate ${container ? "ct" : "vm"}:${vmid} ${target}`,
    );
  }
  // Said of a guest that is off, online means nothing; left out of one that runs, PVE refuses. What it needs is for the tool.
  const nodes = await pve.call("GET /cluster/resources", { type: "node" }, options);
  const online = nodes.flatMap((row) => row.status === "online" && row.node !== undefined ? [row.node] : []);
  if (!online.includes(target)) {
    const others = online.filter((name) => name !== node).sort();
    throw new Refusal(
      `Refused target=${JSON.stringify(target)}: no such node is online`,
      others.length > 0 ? `Online besides ${node}: ${others.join(", ")}` : "No other node is online",
    );
  }
  const config: Given = container
    ? await pve.call("GET /nodes/{node}/lxc/{vmid}/config", guest, options)
    : await pve.call("GET /nodes/{node}/qemu/{vmid}/config", guest, options);
  const storages = await pve.call("GET /cluster/resources", { type: "storage" }, options);
  const volumes = volumesIn(config);
  const isImage = (volume: string) => volume.includes(":iso/");
  // Images last: who has taken one out is not told then that a disk keeps the guest here all the same.
  for (const [slot, volume] of [...volumes.filter(([, one]) => !isImage(one)), ...volumes]) {
    const storage = /^([^:/]+):./.exec(volume)?.[1];
    const row = storages.find((row) => row.storage === storage && row.node === node);
    if (storage === undefined || row?.shared !== true) {
      const why = storage === undefined
        ? "which belongs to the node itself"
        : row === undefined
        ? `and the token does not see whether the storage ${storage} is shared`
        : `on a storage that only ${node} has`;
      throw new Refusal(
        `Refused: ${slot} of guest ${vmid} is ${volume}, ${why}`,
        storage === undefined
          ? "Only a person can move what is bound to a node"
          : isImage(volume)
          ? "set_vm_config with iso=none takes the image out"
          : row === undefined
          ? "The token needs Datastore.Audit on it"
          : COPIED,
      );
    }
    if (storages.some((row) => row.storage === storage && row.node === target && row.status === "available")) continue;
    throw new Refusal(
      `Refused: ${slot} of guest ${vmid} is on the storage ${storage}, which is not available on ${target}`,
      "Name a node that has it; list_storage shows where each is",
    );
  }
  // What no configuration names, older versions of PVE move as well.
  for (const { storage, shared, content = "images", node: place } of storages) {
    if (place !== node || storage === undefined || shared === true || !/images|rootdir/.test(content)) continue;
    const volumes = await pve.call("GET /nodes/{node}/storage/{storage}/content", { node, storage, vmid }, options);
    const left = volumes.find((row) => row.vmid === vmid && row.content !== "backup");
    if (left === undefined) continue;
    throw new Refusal(`Refused: ${left.volid} is guest ${vmid}'s, on a storage that only ${node} has`, COPIED);
  }
  if (!container) await refuseByPreflight(guest, target, pve, options);
  // Last: a container that is restarted takes what is pending with it, and no digest would notice what came after the look.
  await refusePending(container, guest, pve, options);
}

/** What PVE itself finds: it knows the snapshots' disks and the devices, too. */
async function refuseByPreflight(
  guest: { readonly node: string; readonly vmid: number },
  target: string,
  pve: PveClient<MoveCall>,
  options: SendOptions,
): Promise<void> {
  const found = await pve.call("GET /nodes/{node}/qemu/{vmid}/migrate", { ...guest, target }, options);
  const disk = found.local_disks?.find(({ volid }) => volid !== "none");
  if (disk !== undefined) {
    throw new Refusal(`Refused: VM ${guest.vmid} has ${disk.volid}, which only ${guest.node} has`, COPIED);
  }
  const [device] = found.local_resources ?? [];
  if (device !== undefined) {
    throw new Refusal(
      `Refused: VM ${guest.vmid} uses ${device}, a device of ${guest.node}`,
      "Only a person can give it another, or move it without",
    );
  }
  const hindered: Given = { ...found.not_allowed_nodes };
  if (hindered[target] === undefined) return;
  throw new Refusal(
    `Refused: PVE says that VM ${guest.vmid} cannot go to ${target}: ${JSON.stringify(hindered[target])}`,
    "Name another node",
  );
}
