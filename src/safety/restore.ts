/** What has to be true of a backup before it is restored: PVE makes it a guest just as the backup's configuration says. */
import { Refusal } from "../errors.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";
import type { Call } from "./catalogue.ts";
import { copied, type HeadroomCall, refuseLack } from "./headroom.ts";
import { CONTAINER_SLOT, isPlainCdrom, VM_SLOT, volumeOf } from "./pending.ts";

/** The requests that tell it. */
export type RestoreCall = HeadroomCall | "GET /nodes/{node}/vzdump/extractconfig";

type Given = Readonly<Record<string, unknown>>;

/** The configuration in a backup. */
export interface Archive {
  readonly options: ReadonlyMap<string, string>;
  /** Of a VM: the disks whose content the backup holds. */
  readonly saved: ReadonlySet<string>;
  /** What vzdump never writes, and PVE would read otherwise than it is judged here. */
  readonly odd: string | undefined;
}

const LXC = "lxc.";

/** Reads what PVE extracts from a backup (captured 372). Comments are the guest's description, but for those of vzdump. */
export function readArchive(text: string): Archive {
  const options = new Map<string, string>();
  const saved = new Set<string>();
  let odd: string | undefined;
  for (const line of text.split("\n")) {
    // Snapshots and pending changes: vzdump leaves them out, and PVE would restore them as they stand.
    if (line.startsWith("[")) {
      odd ??= line;
      break;
    }
    // PVE's own pattern takes a colon inside any part, and means another drive then: what is not as vzdump writes it is odd.
    const disk = /^#qmdump#map:(\w+):[^:\s]+:[^:\s]*:[^:\s]*:$/.exec(line);
    if (disk !== null) saved.add(String(disk[1]));
    else if (line.startsWith("#qmdump#map:")) odd ??= JSON.stringify(line);
    // Raw settings of LXC, which PVE takes with "=", too: none is restored, so what they say does not matter.
    if (line.startsWith(LXC)) options.set(line, "");
    // PVE takes any character but a line feed in a value.
    const setting = /^([A-Za-z][\w-]*):\s*(.*?)\s*$/s.exec(line);
    if (setting === null) continue;
    const name = String(setting[1]);
    // An old name of ide2, which PVE still reads: as whatever drive it says.
    if (name === "cdrom") odd ??= "cdrom";
    // Of two PVE takes the last that it can read.
    if (options.has(name)) odd ??= `${name} twice`;
    options.set(name, String(setting[2]));
  }
  return { options, saved, odd };
}

/** Settings that reach the host's devices, directories, memory or programs; no other call sets one either. */
const HOST = /^(?:args|hookscript|(?:hostpci|parallel|virtiofs|dev)\d+|ivshmem|vmstate)$/;

function reachesHost(name: string, value: string): boolean {
  if (/^usb\d+$/.test(name)) return !/^(?:host=)?spice(?:,|$)/.test(value);
  if (/^serial\d+$/.test(name)) return value !== "socket";
  // Those that a new container may have; the others mount, make devices, or write to the host's /sys.
  if (name === "features") return !value.split(",").every((part) => /^(?:nesting|keyctl|fuse)=[01]$/.test(part));
  return HOST.test(name) || name.startsWith(LXC);
}

/** A drive that PVE generates anew for the VM that it restores: on these buses alone. */
function isCloudInit(name: string, value: string): boolean {
  return ["ide", "sata", "scsi"].some((bus) => name.startsWith(bus)) &&
    /[:/]vm-\d+-cloudinit(?:\.(?:raw|qcow2))?$/.test(volumeOf(value));
}

/**
 * The disks that a restore makes, by slot.
 * @throws {Refusal} for a disk that the new guest would share with another, or with the host
 */
export function disksToMake(container: boolean, { options, saved }: Archive): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of options) {
    if (!(container ? CONTAINER_SLOT : VM_SLOT).test(name)) continue;
    if (container) {
      if (!/^[^:/]+:./.test(volumeOf(value))) {
        throw new Refusal(
          `Refused: ${name} of this backup is a directory or device of the host (${value}), which would be the new container's, too`,
          BY_HAND,
        );
      }
    } else {
      const parts = value.split(",");
      // PVE puts no new volume into a line with a blank in it.
      const blank = /\s/.test(value);
      // PVE keeps the lines of CD-ROMs as they are, and leaves disks out that were kept out of the backup.
      if (parts.includes("media=cdrom") && (isPlainCdrom(value) || isCloudInit(name, value) && !blank)) continue;
      if (!saved.has(name) || blank) {
        if (parts.includes("backup=0") && !blank) continue;
        throw new Refusal(
          `Refused: ${name} (${value}) is named in this backup and not in it, so that the new VM would get the volume of the one that was backed up`,
          BY_HAND,
        );
      }
    }
    found.set(name, value);
  }
  return found;
}

const BY_HAND = "A person can restore it, as root@pam on the node (qmrestore, pct restore), and look after that";

/**
 * Refuses a restore whose guest would reach the host, share a disk with another guest, become privileged, or not fit.
 * @throws {Refusal}
 * @throws {PveError} when the backup cannot be read
 */
export async function refuseRestore(
  call: Call,
  given: Given,
  pve: PveClient<RestoreCall>,
  options: SendOptions,
): Promise<void> {
  const { node, archive, ostemplate, storage, unprivileged } = given;
  const container = call.includes("/lxc");
  const volume = container ? ostemplate : archive;
  if (typeof node !== "string" || typeof volume !== "string") throw new Refusal("Refused: node and backup are missing");
  const backup = readArchive(await pve.call("GET /nodes/{node}/vzdump/extractconfig", { node, volume }, options));
  if (backup.odd !== undefined) {
    throw new Refusal(
      `Refused: this backup's configuration has ${backup.odd}, which PVE writes into no backup: somebody has changed it`,
      BY_HAND,
    );
  }
  for (const [name, value] of backup.options) {
    if (!reachesHost(name, value)) continue;
    throw new Refusal(
      `Refused: this backup's configuration has ${name}, which reaches the host: the new guest would, too`,
      BY_HAND,
    );
  }
  if (container && !backup.options.has("rootfs")) {
    throw new Refusal(
      "Refused: this backup's configuration names no rootfs: PVE may read another one that is in the backup, too",
      BY_HAND,
    );
  }
  const privileged = unprivileged === false || unprivileged === 0 || unprivileged === "0";
  if (privileged && backup.options.get("unprivileged") === "1") {
    throw new Refusal(
      "Refused: this backup is of an unprivileged container, and that is what it stays",
      "Leave it out",
    );
  }
  const disks = disksToMake(container, backup);
  await refuseLack(copied(Object.fromEntries(disks), storage), node, pve, options);
}
