/** What has to be true of a guest and a storage before a backup is made. */
import { Refusal } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import { refuseNearlyFull } from "./files.ts";
import {
  CONTAINER_SLOT,
  type GuestAddress,
  type PendingCall,
  pendingRows,
  refuseFreezing,
  refusePendingLoss,
  savedMemory,
  VM_SLOT,
} from "./pending.ts";

/** The requests that tell it. */
export type BackupCall =
  | PendingCall
  | "GET /cluster/resources"
  | "GET /nodes/{node}/storage"
  | "GET /nodes/{node}/lxc/{vmid}/snapshot";

/** The snapshot that PVE takes of a container while it is backed up; one that is there already it removes by force. */
const OWN_SNAPSHOT = "vzdump";

/**
 * Refuses a backup that would cost something. A backup starts the process of a stopped VM, and one in mode stop stops and
 * starts the guest: both make PVE apply what is pending.
 * @throws {Refusal}
 */
export async function refuseBackup(
  guest: GuestAddress,
  given: Readonly<Record<string, unknown>>,
  pve: PveClient<BackupCall>,
  options: SendOptions,
): Promise<void> {
  const { node, vmid } = guest;
  const guests = await pve.call("GET /cluster/resources", { type: "vm" }, options);
  const found = guests.find((row) => row.vmid === vmid && row.node === node);
  if (found?.type !== "qemu" && found?.type !== "lxc") {
    throw new Refusal(
      `Refused: no guest ${vmid} is visible to this token on ${node}`,
      "list_vms and list_containers show what there is",
    );
  }
  const container = found.type === "lxc";
  await refuseStorage(node, given.storage, pve, options);
  if (container) {
    const snapshots = await pve.call("GET /nodes/{node}/lxc/{vmid}/snapshot", guest, options);
    if (snapshots.some((row) => row.name === OWN_SNAPSHOT)) {
      throw new Refusal(
        `Refused: container ${vmid} has a snapshot named ${OWN_SNAPSHOT}, and a backup would remove it`,
        `It is what an interrupted backup leaves behind, or somebody's own: a person has to look at it and remove it`,
      );
    }
  }
  // Last: no digest goes with a backup, so that nothing would notice what came after the look.
  const rows = await pendingRows(container, guest, pve, options);
  refusePendingLoss(rows, container ? CONTAINER_SLOT : VM_SLOT, vmid);
  const memory = savedMemory(rows);
  if (memory !== undefined) {
    throw new Refusal(
      `Refused: the memory of VM ${vmid} is saved in ${memory}, and a backup would start the VM from it and use it up`,
      "start_vm resumes a hibernated VM; then it can be backed up",
    );
  }
  const runs = found.status === "running" || found.status === "paused";
  const device = rows.find(({ key }) => /^hostpci\d+$/.test(key))?.key;
  if (!runs && device !== undefined) {
    throw new Refusal(
      `Refused: VM ${vmid} is off and has ${device}: a backup starts its process, which would take that device from ` +
        "whoever uses it now",
      "Back it up while it runs, or have a person do it",
    );
  }
  if (runs && given.mode !== "stop") refuseFreezing(rows, vmid, "mode=stop shuts it down for its backup");
}

async function refuseStorage(
  node: string,
  storage: unknown,
  pve: PveClient<BackupCall>,
  options: SendOptions,
): Promise<void> {
  const storages = await pve.call("GET /nodes/{node}/storage", { node }, options);
  const taking = storages.filter((row) => row.content?.split(",").includes("backup") === true);
  const place = taking.find((row) => row.storage === storage);
  if (place !== undefined) return refuseNearlyFull(place, node, "backup");
  const names = taking.map((row) => row.storage).sort();
  throw new Refusal(
    `Refused storage=${JSON.stringify(storage)}: it takes no backups on ${node}, or the token may not use it`,
    names.length > 0
      ? `Storages for backups on ${node}: ${names.join(", ")}`
      : "The token sees no storage for backups there: a person has to set one up, or grant Datastore.AllocateSpace on it",
  );
}
