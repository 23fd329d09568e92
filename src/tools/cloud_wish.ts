/** What create_cloudinit_vm may be asked for, and the settings of PVE that this becomes. */
import { z } from "zod";
import { cloudInitOptions } from "./cloudinit.ts";
import * as options from "./options.ts";
import * as params from "./params.ts";

/** What a caller may ask for. */
export const cloudVmInput = z.strictObject({
  image: z.string().max(300).describe(
    "As download_url answers it, as in nas:import/debian-13-genericcloud-amd64.qcow2",
  ),
  name: options.vmOptions.name.unwrap(),
  vmid: params.newVmid.optional().describe(
    "Left out: the next free number. To go on with a VM that is half made: its number",
  ),
  storage: params.storage.describe("For its disk, as in local-lvm"),
  disk_size: z.int().min(1).max(90_000).default(16).describe("GiB; an image that is larger stays as it is"),
  node: params.node.optional().describe("Left out: the node with most free memory that has image and storage"),
  cores: options.vmOptions.cores.unwrap().default(2),
  memory: options.vmOptions.memory.unwrap().default(2048),
  cpu: options.vmOptions.cpu.unwrap().default("x86-64-v2-AES").meta({ rare: true }),
  ...cloudInitOptions,
  ipconfig0: z.string().max(300).default("ip=dhcp").describe("Or as in ip=192.0.2.10/24,gw=192.0.2.1"),
  net0: z.string().max(300).default("virtio,bridge=vmbr0"),
  tags: options.vmOptions.tags,
  description: options.vmOptions.description,
  onboot: options.vmOptions.onboot,
  pool: z.string().max(100).optional().describe("Resource pool to put it in"),
  start: z.boolean().default(true).describe("Start it when it is ready"),
  ...params.waiting,
});
/** What a caller asks for. */
export type CloudVmWish = z.output<typeof cloudVmInput>;

/** What the VM is made of; what is not given stays PVE's own. */
export function settingsOf(given: CloudVmWish) {
  const { cores, memory, cpu, ciuser, cipassword, sshkeys, ipconfig0, nameserver, searchdomain, ciupgrade } = given;
  return {
    name: given.name,
    cores,
    memory,
    cpu,
    ostype: "l26" as const,
    scsihw: "virtio-scsi-single" as const,
    agent: "1",
    // Many cloud images write to it while they boot, and some do not boot without it.
    serial0: "socket",
    boot: "order=scsi0",
    net0: given.net0,
    ciuser,
    cipassword,
    sshkeys,
    ipconfig0,
    nameserver,
    searchdomain,
    ciupgrade,
    tags: given.tags,
    description: given.description,
    onboot: given.onboot,
  };
}
