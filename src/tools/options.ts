/** The settings of guests that create_* and set_* take, and how they become PVE's parameters. */
import { z } from "zod";

const text = (maximum: number, description: string) => z.string().max(maximum).describe(description);
/** Clients are not told of it: the first slot's description stands for the whole family. */
const like = (slot: string) => text(300, `Like ${slot}`).meta({ likeSlot: slot }).optional();

const furtherNetworks = {
  net1: like("net0"),
  net2: like("net0"),
  net3: like("net0"),
  net4: like("net0"),
  net5: like("net0"),
  net6: like("net0"),
  net7: like("net0"),
};

const shared = {
  cores: z.int().min(1).max(1024).describe("CPU cores").optional(),
  memory: z.int().min(16).max(16_777_216).describe("MiB").optional(),
  tags: text(1024, "As in web;prod").optional(),
  description: text(8192, "Notes").optional(),
  onboot: z.boolean().describe("Start with the node").optional(),
  startup: text(100, "As in order=2,up=30").meta({ rare: true }).optional(),
  cpulimit: z.number().min(0).max(1024).describe("Cores' worth of CPU time, 0: no limit").meta({ rare: true })
    .optional(),
  cpuunits: z.int().min(1).max(262_144).describe("Weight against other guests").meta({ rare: true }).optional(),
  nameserver: text(512, "DNS servers, blank-separated").meta({ rare: true }).optional(),
  searchdomain: text(255, "DNS search domain").meta({ rare: true }).optional(),
};

/** Settings of a VM that may be given at creation and changed later. */
export const vmOptions = {
  name: text(255, "DNS name").optional(),
  ...shared,
  sockets: z.int().min(1).max(64).describe("CPU sockets").optional(),
  vcpus: z.int().min(1).max(1024).describe("Hot-plugged vCPUs").meta({ rare: true }).optional(),
  cpu: text(255, "As in host or x86-64-v2-AES").optional(),
  numa: z.boolean().describe("Needed to hot-plug memory").meta({ rare: true }).optional(),
  balloon: z.int().min(0).max(16_777_216).describe("Least MiB, 0: off").meta({ rare: true }).optional(),
  agent: z.boolean().describe("QEMU guest agent").optional(),
  ostype: z.enum([
    "l26",
    "l24",
    "win11",
    "win10",
    "win8",
    "win7",
    "wvista",
    "w2k8",
    "w2k3",
    "w2k",
    "wxp",
    "solaris",
    "other",
  ])
    .describe("l26 is Linux").optional(),
  boot: text(255, "As in order=scsi0;ide2;net0").optional(),
  scsihw: z.enum(["virtio-scsi-single", "virtio-scsi-pci", "lsi", "lsi53c810", "megasas", "pvscsi"])
    .describe("SCSI controller").optional(),
  bios: z.enum(["seabios", "ovmf"]).describe("ovmf is UEFI, wants efidisk0").optional(),
  machine: text(64, "As in q35").meta({ rare: true }).optional(),
  vga: text(64, "As in std or virtio").meta({ rare: true }).optional(),
  tablet: z.boolean().describe("USB tablet pointer").meta({ rare: true }).optional(),
  localtime: z.boolean().describe("Clock in local time (Windows)").meta({ rare: true }).optional(),
  ciuser: text(32, "Cloud-init").optional(),
  cipassword: z.string().min(1).max(128).describe("Cloud-init; sshkeys are better").optional(),
  ciupgrade: z.boolean().describe("Cloud-init: upgrade packages").optional(),
  sshkeys: text(16_384, "Cloud-init, one a line").optional(),
  ipconfig0: text(300, "Cloud-init, as in ip=dhcp or ip=192.0.2.10/24,gw=192.0.2.1; ipconfig1 to ipconfig3 alike")
    .optional(),
  ipconfig1: like("ipconfig0"),
  ipconfig2: like("ipconfig0"),
  ipconfig3: like("ipconfig0"),
  net0: text(300, "As in virtio,bridge=vmbr0,tag=20; a change keeps the MAC address; net1 to net7 alike").optional(),
  ...furtherNetworks,
  scsi0: text(
    300,
    "New disk STORAGE:GiB, as in local-lvm:32; scsi1 to scsi7, virtio0 to virtio3, sata0 and sata1 alike",
  ).optional(),
  scsi1: like("scsi0"),
  scsi2: like("scsi0"),
  scsi3: like("scsi0"),
  scsi4: like("scsi0"),
  scsi5: like("scsi0"),
  scsi6: like("scsi0"),
  scsi7: like("scsi0"),
  virtio0: like("scsi0"),
  virtio1: like("scsi0"),
  virtio2: like("scsi0"),
  virtio3: like("scsi0"),
  sata0: like("scsi0"),
  sata1: like("scsi0"),
  efidisk0: text(300, "As in local-lvm:1,efitype=4m,pre-enrolled-keys=1").optional(),
  tpmstate0: text(300, "As in local-lvm:1,version=v2.0").optional(),
  iso: text(300, "CD-ROM: as in local:iso/debian-13.iso, or none").optional(),
  cloudinit: text(100, "Storage for a cloud-init drive").optional(),
};

/** Settings of a container that may be given at creation and changed later. */
export const containerOptions = {
  hostname: text(255, "DNS name").optional(),
  ...shared,
  swap: z.int().min(0).max(16_777_216).describe("MiB").optional(),
  timezone: text(64, "As in Europe/Vienna, or host").meta({ rare: true }).optional(),
  features: text(100, "As in nesting=1").optional(),
  net0: text(
    300,
    "As in name=eth0,bridge=vmbr0,ip=dhcp or …,ip=192.0.2.10/24,gw=192.0.2.1; a change keeps the MAC address; net1 to net7 alike",
  ).optional(),
  ...furtherNetworks,
  mp0: text(300, "New mount point, as in local-lvm:8,mp=/srv/data; mp1 to mp7 alike").optional(),
  mp1: like("mp0"),
  mp2: like("mp0"),
  mp3: like("mp0"),
  mp4: like("mp0"),
  mp5: like("mp0"),
  mp6: like("mp0"),
  mp7: like("mp0"),
};

/** A property string as pairs; a part without "=" has the empty key. */
export function splitProperties(value: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const part of value.split(",")) {
    const at = part.indexOf("=");
    pairs.set(at < 0 ? "" : part.slice(0, at), at < 0 ? part : part.slice(at + 1));
  }
  return pairs;
}

const MAC = /^(?:[0-9A-F]{2}:){5}[0-9A-F]{2}$/i;

/** What of a network device stays when it is edited without being named: its MAC address and its firewall flag. */
export function keepIdentity(present: string | undefined, wanted: string, kind: "vm" | "container"): string {
  if (present === undefined) return wanted;
  const old = splitProperties(present);
  const fresh = splitProperties(wanted);
  let kept = wanted;
  if (kind === "vm") {
    // PVE writes the model as a key whose value is the MAC address: virtio=BC:24:…
    const mac = old.get("macaddr") ?? [...old.values()].find((value) => MAC.test(value));
    const named = fresh.has("macaddr") || [...fresh.values()].some((value) => MAC.test(value));
    if (mac !== undefined && !named) kept += `,macaddr=${mac}`;
  } else {
    for (const key of ["name", "hwaddr", "type"]) {
      const value = old.get(key);
      if (value !== undefined && !fresh.has(key)) {
        kept = key === "name" ? `name=${value},${kept}` : `${kept},${key}=${value}`;
      }
    }
  }
  const firewall = old.get("firewall");
  return firewall === undefined || fresh.has("firewall") ? kept : `${kept},firewall=${firewall}`;
}

/** "nesting" alone means nesting=1; features that are not named stay as they are. */
export function mergeFeatures(present: string | undefined, wanted: string): string {
  const merged = present === undefined ? new Map<string, string>() : splitProperties(present);
  for (const part of wanted.split(",")) {
    const [key = "", value = "1"] = part.split("=");
    merged.set(key.trim(), value.trim());
  }
  return [...merged].map(([key, value]) => `${key}=${value}`).join(",");
}

/** The guest agent switched on or off, its other settings kept. */
export function switchAgent(present: string | undefined, on: boolean): string {
  const rest = (present ?? "").split(",").filter((part) => part.includes("=") && !part.startsWith("enabled="));
  return [on ? "1" : "0", ...rest].join(",");
}

/** The first slot of an IDE drive that is free; 2 comes first, as PVE's own web interface does it. */
export function freeIde(config: Readonly<Record<string, unknown>>): string | undefined {
  return ["ide2", "ide0", "ide3", "ide1"].find((slot) => config[slot] === undefined);
}

/** The slot of the CD-ROM drive (not the cloud-init drive), if the VM has one. */
export function cdromSlot(config: Readonly<Record<string, unknown>>): string | undefined {
  return Object.keys(config).sort().find((slot) => {
    const value = config[slot];
    return /^(?:ide|sata|scsi)\d+$/.test(slot) && typeof value === "string" && /media=cdrom/.test(value) &&
      !value.includes("cloudinit");
  });
}

/** The slot of a VM's cloud-init drive, if it has one. */
export function cloudInitSlot(config: Readonly<Record<string, unknown>>, vmid: number): string | undefined {
  return Object.keys(config).find((slot) =>
    /^(?:ide|sata|scsi|virtio)\d+$/.test(slot) && String(config[slot]).includes(`vm-${vmid}-cloudinit`)
  );
}

const CLOUD_INIT = /^(?:ciuser|cipassword|ciupgrade|sshkeys|nameserver|searchdomain|ipconfig\d+)$/;

/** What to say of a VM without a cloud-init drive that has been given settings which only that drive carries. */
export function idleNotes(settings: Readonly<Record<string, unknown>>, drive: boolean): string[] {
  const idle = drive ? [] : Object.keys(settings).filter((key) => CLOUD_INIT.test(key) && settings[key] !== undefined);
  if (idle.length === 0) return [];
  return [
    `It has no cloud-init drive: ${idle.join(", ")} ${idle.length === 1 ? "reaches" : "reach"} ` +
    'nobody until set_vm_config adds one, as in config={"cloudinit": "STORAGE"}',
  ];
}
