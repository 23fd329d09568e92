/** Tools that create guests from nothing: a VM, a container. */
import { z } from "zod";
import { UsageError } from "../errors.ts";
import type { Params } from "../pve/client.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import { addressCalls, addressesOf } from "./address.ts";
import { createWithVmid, newGuest, type NewGuestCall, newGuestCalls } from "./new_guest.ts";
import * as options from "./options.ts";
import * as params from "./params.ts";
import { choosePlace, type Need, storageOf } from "./places.ts";
import { toCreateContainer, toCreateVm } from "./privileges.ts";
import { needOf } from "./volumes.ts";

const start = z.boolean().default(false).describe("Start it when it is ready");
/** The size of a new VM's disk where none is named. */
const USUAL_GIB = 32;
const pool = z.string().max(100).optional().describe("Resource pool to put it in");

export const createVm = defineTool({
  name: "create_vm",
  title: "Create a VM",
  description:
    "Creates a new VM: with a disk when storage is named, with an installation ISO when iso is. To copy a template instead use clone_vm.",
  tier: "provision",
  toolset: "core",
  input: z.strictObject({
    node: params.node.optional().describe("Left out: the node with most free memory that has the storages"),
    vmid: params.newVmid.optional(),
    storage: params.storage.optional().describe("Gives it a disk scsi0 of disk_size on this storage"),
    disk_size: z.int().min(1).max(100_000).optional().describe("GiB; left out: 32"),
    ...options.vmOptions,
    cores: options.vmOptions.cores.unwrap().default(1),
    memory: options.vmOptions.memory.unwrap().default(512),
    ostype: options.vmOptions.ostype.unwrap().default("l26"),
    net0: z.string().max(300).default("virtio,bridge=vmbr0").describe("none: no network; net1 to net7 alike"),
    scsihw: options.vmOptions.scsihw.unwrap().default("virtio-scsi-single"),
    agent: options.vmOptions.agent.unwrap().default(true),
    pool,
    start,
    ...params.waiting,
  }),
  output: newGuest,
  calls: [...newGuestCalls, "POST /nodes/{node}/qemu"],
  privileges: toCreateVm,
  async run(input, context) {
    const { node: wanted, vmid, wait: _wait, wait_timeout: _timeout, storage, disk_size, ...rest } = input;
    const { agent, iso, cloudinit, net0, ...settings } = rest;
    if (storage !== undefined && settings.scsi0 !== undefined) {
      throw new UsageError("Both storage and scsi0 were given", "Give one of them: storage with disk_size, or scsi0");
    }
    if (storage === undefined && disk_size !== undefined) {
      throw new UsageError(
        `disk_size=${disk_size} was given, and no storage for that disk`,
        "Give storage too, as in local-lvm (list_storage shows them), or leave disk_size out",
      );
    }
    const disks: Record<`scsi${number}` | `ide${number}`, string> = {};
    const slots: Readonly<Record<string, unknown>> = settings;
    if (storage !== undefined) {
      disks.scsi0 = settings.scsihw === "virtio-scsi-single"
        ? `${storage}:${disk_size ?? USUAL_GIB},iothread=1`
        : `${storage}:${disk_size ?? USUAL_GIB}`;
    }
    if (iso !== undefined) disks.ide2 = `${iso},media=cdrom`;
    if (cloudinit !== undefined) disks[iso === undefined ? "ide2" : "ide0"] = `${cloudinit}:cloudinit`;
    const { pve, signal } = context;
    const needs: Need[] = [];
    for (const [slot, value] of Object.entries({ ...slots, ...disks })) {
      if (typeof value !== "string" || !/^(?:(?:scsi|virtio|sata|ide)\d+|efidisk0|tpmstate0)$/.test(slot)) continue;
      if (value.startsWith("none")) continue;
      const given = slot === "ide2" && iso !== undefined ? { name: "iso", value: iso } : { name: slot, value };
      needs.push(await needOf(pve, { ...given, content: /media=cdrom/.test(value) ? "iso" : "images" }, { signal }));
    }
    const place = await choosePlace(pve, wanted, needs, { signal });
    const boot = settings.boot ?? bootOrder({ ...slots, ...disks }, net0 !== "none");
    const made = await createWithVmid("create_vm", "vm", input, vmid, place, context, async (free) => {
      const request: Params<"POST /nodes/{node}/qemu"> = {
        ...settings,
        ...disks,
        node: place.node,
        vmid: free,
        agent: agent ? "1" : "0",
        ...(net0 === "none" ? {} : { net0 }),
        ...(boot === undefined ? {} : { boot }),
      };
      return { node: place.node, upid: await pve.call("POST /nodes/{node}/qemu", request, { signal }) };
    });
    const notes = [
      ...made.notes ?? [],
      ...(hasDisk({ ...slots, ...disks })
        ? []
        : ['It has no disk: set_vm_config adds one, as in config={"scsi0": "STORAGE:32"}']),
      ...options.idleNotes(settings, cloudinit !== undefined),
    ];
    return { ...made, ...(notes.length > 0 ? { notes } : {}) };
  },
});

function hasDisk(settings: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(settings).some(([slot, value]) =>
    /^(?:scsi|virtio|sata)\d+$/.test(slot) && value !== undefined
  );
}

/** Disk first, then the CD-ROM, then the network: the installer runs while the disk is empty. */
function bootOrder(settings: Readonly<Record<string, unknown>>, network: boolean): string | undefined {
  const given = Object.keys(settings).filter((slot) => settings[slot] !== undefined);
  const disks = given.filter((slot) => /^(?:scsi|virtio|sata)\d+$/.test(slot)).sort().slice(0, 1);
  const drives = given.filter((slot) => /^ide\d+$/.test(slot) && !String(settings[slot]).includes("cloudinit"));
  const order = [...disks, ...drives, ...(network ? ["net0"] : [])];
  return order.length === 0 ? undefined : `order=${order.join(";")}`;
}

export const createContainer = defineTool({
  name: "create_container",
  title: "Create a container",
  description:
    "Creates a new container from a container template, as list_templates names them. To copy a guest instead use clone_container.",
  tier: "provision",
  toolset: "core",
  input: z.strictObject({
    node: params.node.optional().describe("Left out: the node with most free memory that has template and storage"),
    vmid: params.newVmid.optional(),
    ostemplate: z.string().max(255).describe("As in local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst"),
    storage: params.storage.optional().describe("For the root file system, 8 GiB unless rootfs says otherwise"),
    ...options.containerOptions,
    cores: options.containerOptions.cores.unwrap().default(1),
    memory: options.containerOptions.memory.unwrap().default(512),
    rootfs: z.string().max(300).optional().describe("STORAGE:GiB, as in local-lvm:8"),
    net0: z.string().max(300).default("name=eth0,bridge=vmbr0,ip=dhcp")
      .describe("Or …,ip=192.0.2.10/24,gw=192.0.2.1; none: no network; net1 to net7 alike"),
    unprivileged: z.boolean().default(true).describe(
      "false needs PROXMOX_ALLOW_PRIVILEGED: such a container's root is close to root on the node",
    ),
    password: z.string().min(5).max(128).optional().describe("For root inside; ssh_public_keys are better"),
    ssh_public_keys: z.string().max(16_384).optional().describe("For root inside, one a line"),
    pool,
    start,
    ...params.waiting,
  }),
  output: newGuest.extend({ addresses: z.array(z.string()).meta({ untold: true }).optional() }),
  calls: [...newGuestCalls, ...addressCalls, "POST /nodes/{node}/lxc"],
  privileges: toCreateContainer,
  async run(input, context) {
    const { node: wanted, vmid, wait: _wait, wait_timeout: _timeout, storage, ssh_public_keys, ...settings } = input;
    const { net0, features, rootfs: givenRoot, ...rest } = settings;
    const rootfs = givenRoot ?? (storage === undefined ? undefined : `${storage}:8`);
    if (rootfs === undefined) {
      throw new UsageError(
        "Neither storage nor rootfs was given",
        "Give the storage for its root file system, as in local-lvm; list_storage shows them",
      );
    }
    const { pve, signal } = context;
    const { ostemplate } = input;
    const needs: Need[] = [
      await needOf(pve, { name: "ostemplate", value: ostemplate, content: "vztmpl" }, { signal }),
      await needOf(pve, { name: "rootfs", value: rootfs, content: "rootdir" }, { signal }),
    ];
    const slots: Readonly<Record<string, unknown>> = rest;
    for (const [name, value] of Object.entries(slots)) {
      if (/^mp\d+$/.test(name) && typeof value === "string") {
        needs.push(await needOf(pve, { name, value, content: "rootdir" }, { signal }));
      }
    }
    const place = await choosePlace(pve, wanted, needs, { signal });
    await checkTemplate(context, place.node, ostemplate);
    const made = await createWithVmid("create_container", "container", input, vmid, place, context, async (free) => {
      const request: Params<"POST /nodes/{node}/lxc"> = {
        ...rest,
        node: place.node,
        vmid: free,
        rootfs,
        ...(net0 === "none" ? {} : { net0 }),
        ...(features === undefined ? {} : { features: options.mergeFeatures(undefined, features) }),
        ...(ssh_public_keys === undefined ? {} : { "ssh-public-keys": ssh_public_keys }),
      };
      return { node: place.node, upid: await pve.call("POST /nodes/{node}/lxc", request, { signal }) };
    });
    if (!input.start || made.state === "running" || net0 === "none") return made;
    const addresses = await addressesOf(context, made);
    if (addresses.length > 0) return { ...made, addresses };
    return { ...made, notes: [...made.notes ?? [], "It has no address yet: guest_network tells it"] };
  },
});

/** PVE accepts a template that is not there and lets the task fail: better to say at once what there is. */
async function checkTemplate(context: ToolContext<NewGuestCall>, node: string, ostemplate: string): Promise<void> {
  const storage = storageOf(ostemplate);
  const query = { node, storage, content: "vztmpl" };
  const volumes = await context.pve.call("GET /nodes/{node}/storage/{storage}/content", query, {
    signal: context.signal,
  });
  if (volumes.length === 0 || volumes.some((volume) => volume.volid === ostemplate)) return;
  const there = volumes.map((volume) => volume.volid).sort();
  throw new UsageError(
    `No container template ${JSON.stringify(ostemplate)} on ${node}`,
    `There are ${there.slice(0, 10).join(", ")}${there.length > 10 ? ` and ${there.length - 10} more` : ""}`,
  );
}
