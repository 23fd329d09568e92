/** What each parameter of PVE may be that is no device: names, numbers, addresses, files, keys. */
import { integer, matching, oneOf, properties, refuse, type Rule, rule, text } from "./rules.ts";

export const STORAGE = "[A-Za-z][A-Za-z0-9._-]{0,98}[A-Za-z0-9]";
export const MAC = "(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}";
const IPV4 = "(?:\\d{1,3}\\.){3}\\d{1,3}";
const IPV6 = "[0-9A-Fa-f:.]{2,45}";
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const LOWER_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const IMAGE_PART = "[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*";
const IMAGE_REFERENCE = `(${LOWER_LABEL}(?:(?:\\.${LOWER_LABEL})+(?::\\d{1,5})?|:\\d{1,5}))` +
  `/${IMAGE_PART}(?:/${IMAGE_PART})*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`;

function whole(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`);
}

export const nodeName = matching(new RegExp(LABEL), "a node's name: letters, digits and hyphens", 63);
export const storageName = matching(new RegExp(STORAGE), "a storage's name: letters, digits, hyphens, dots", 100);
export const vmid = integer(100, 999_999_999);
export const bridgeName = matching(/[A-Za-z][A-Za-z0-9_.-]{0,31}/, "a bridge's name, as in vmbr0");
export const macAddress = matching(new RegExp(MAC), "a MAC address, as in BC:24:11:00:00:01");
export const dnsName = matching(new RegExp(`${LABEL}(?:\\.${LABEL})*`), "a DNS name: letters, digits, hyphens, dots");
export const poolName = matching(/[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+){0,2}/, "a pool's name", 100);
/** A path of the access list, as in /vms/100 or /sdn/zones/localnetwork/vmbr0. */
export const aclPath = matching(/\/|(?:\/[A-Za-z0-9._-]+){1,8}/, "a path of the access list, as in /vms/100");
export const digest = matching(/[0-9a-f]{40}/, "the digest that a read of the configuration gave");
export const userName = matching(/[a-z_][a-z0-9_-]{0,31}/, "a user's name");
export const timezone = matching(/[A-Za-z]+(?:\/[A-Za-z0-9_+-]+){0,2}/, "a time zone, as in Europe/Vienna");
/** What a storage holds. */
export const contentType = oneOf("images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import");
export const configId = matching(
  /[A-Za-z][A-Za-z0-9_-]{1,39}/,
  "a name that starts with a letter: letters, digits, _ and -",
);
/** Names that PVE uses itself; the snapshot that its backups of containers make, and remove, is called vzdump. */
const RESERVED_SNAPSHOTS = ["current", "pending", "vzdump"];
export const snapshotName: Rule = rule(
  "a name that starts with a letter: letters, digits, _ and -, but not current, pending or vzdump",
  (value, name) => {
    const plain = configId(value, name);
    return RESERVED_SNAPSHOTS.includes(plain.toLowerCase())
      ? refuse(name, value, "PVE uses that name itself; choose another")
      : plain;
  },
);

/** A template of PVE's index of appliances, which is the name of its file. */
export const applianceName = matching(
  /[A-Za-z0-9][A-Za-z0-9._+-]{0,200}\.tar\.(?:gz|xz|zst|bz2)/,
  "a template as list_available_templates names it",
);
/** PVE would write other letters as _, and so to another file than the one that was looked for. */
export const downloadName = matching(
  /[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.(?:iso|img|tar\.(?:gz|xz|zst|bz2)|qcow2|raw|vmdk|ova)/,
  "a file name of letters, digits, . _ -, ending in .iso, .img, .tar.gz, .tar.xz, .tar.zst, .tar.bz2, .qcow2, .raw, .vmdk or .ova",
);
/** The host and its port, if it is not 443, of an address that is fetched; undefined for what is no such address. */
export function hostIn(address: unknown): string | undefined {
  if (typeof address !== "string" || address.length > 2000) return undefined;
  // No user, no fragment, nothing that one reader of addresses takes otherwise than another.
  const plain = /^https:\/\/([a-z0-9.-]+(?::\d{1,5})?)\/[A-Za-z0-9._~!$()*+,;=:@%\/?&-]*$/.exec(address);
  return plain !== null && URL.parse(address)?.href === address ? plain[1] : undefined;
}
export const downloadUrl: Rule = rule(
  "an https address whose host PROXMOX_DOWNLOAD_HOSTS names, without user or fragment",
  (value, name) =>
    typeof value === "string" && hostIn(value) !== undefined
      ? value
      : refuse(name, value, "it must be a plain https address, as in https://cloud.debian.org/images/x.qcow2"),
);
/** The registry, and its port, that an image's reference names; undefined for what is no such reference, or names none. */
export function registryIn(reference: unknown): string | undefined {
  if (typeof reference !== "string" || reference.length > 400) return undefined;
  return whole(IMAGE_REFERENCE).exec(reference)?.[1];
}
/** The registry comes first, with a dot or a port: without one, PVE's skopeo would choose the registry itself. */
export const imageReference: Rule = rule(
  "an image with its registry, which PROXMOX_DOWNLOAD_HOSTS names, and its tag, as in docker.io/library/debian:13",
  (value, name) =>
    registryIn(value) === undefined
      ? refuse(name, value, "it must be REGISTRY/NAME:TAG, as in docker.io/library/debian:13")
      : String(value),
);
/** PVE adds .tar, and would write other letters as _. */
export const imageFileName = matching(
  /[A-Za-z0-9](?:[A-Za-z0-9._-]{0,190}[A-Za-z0-9])?/,
  "a file name of letters, digits, . _ -, without its ending .tar, which PVE adds",
);
export const checksum = matching(/[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}/, "a SHA-2 checksum in lower-case hex");

/** A disk of a VM that can grow, by its slot. */
export const vmDisk = matching(
  /scsi(?:\d|[12]\d|30)|virtio(?:\d|1[0-5])|sata[0-5]|ide[0-3]/,
  "the slot of a disk, as in scsi0",
);
export const containerDisk = matching(
  /rootfs|mp(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])/,
  "rootfs, or the slot of a mount point, as in mp0",
);
/** By how much a disk grows. A size by itself could be a smaller one. */
export const growth = matching(/\+[1-9]\d{0,7}M/, "what is added in MiB, as in +1024M; never a size by itself");

const noteText = text(500);
/** A backup's notes. PVE wants them in one line with \n and \\ escaped, and fills in {{guestname}} and its like. */
export const backupNotes: Rule = rule("text of at most 500 characters without {{", (value, name) => {
  const plain = noteText(value, name);
  if (plain.includes("{{")) return refuse(name, value, 'it must not hold "{{"');
  return plain.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
});

export const upid = matching(
  /UPID:[A-Za-z0-9-]{1,63}:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[A-Za-z0-9_-]{1,64}:[A-Za-z0-9@._-]{0,128}:[A-Za-z0-9@!._-]{3,128}:/,
  "a UPID",
  512,
);
export const taskType = matching(/[A-Za-z0-9_-]{1,64}/, "a task's type, as in qmstart");
/** As PVE takes it for a node's log: in the node's own time. */
export const localMoment = matching(
  /\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2})?)?/,
  "a day or a moment, as in 2026-11-22 12:00",
);
export const serviceName = matching(/[A-Za-z0-9][A-Za-z0-9@_.-]{0,63}/, "a service's name, as in pveproxy");
export const taskStates = matching(
  /(?:ok|warning|error|unknown)(?:,(?:ok|warning|error|unknown)){0,3}/,
  "task states, as in error,unknown",
);
export const tags = matching(
  /[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:[;, ][A-Za-z0-9_][A-Za-z0-9_.+-]*)*|/,
  'tags joined by ";": letters, digits, _ + - .',
  1024,
);
export const address = matching(new RegExp(`${IPV4}|${IPV6}`), "an IP address");
export const addressList = matching(
  new RegExp(`(?:${IPV4}|${IPV6})(?:[ ,;](?:${IPV4}|${IPV6}))*`),
  "IP addresses, separated by spaces",
  512,
);
export const cidr4 = matching(
  new RegExp(`dhcp|manual|${IPV4}/\\d{1,2}`),
  "dhcp, manual, or an address with its prefix, as in 192.0.2.10/24",
);
export const cidr6 = matching(
  new RegExp(`auto|dhcp|manual|${IPV6}/\\d{1,3}`),
  "auto, dhcp, manual, or an address with its prefix, as in 2001:db8::10/64",
);
export const startupOrder: Rule = properties({
  first: "order",
  keys: { order: integer(0, 100_000), up: integer(0, 86_400), down: integer(0, 86_400) },
});

/** A container template of a storage: never a backup, which `ostemplate` would restore. */
export const containerTemplate = matching(
  new RegExp(`${STORAGE}:vztmpl/[A-Za-z0-9][A-Za-z0-9._+-]{0,200}\\.(?:tar\\.(?:gz|xz|zst|bz2)|tar|txz|tgz)`),
  "a container template, as in local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst",
);

const OWNER = "[1-9]\\d{2,8}";
const STAMP = "\\d{4}_\\d{2}_\\d{2}-\\d{2}_\\d{2}_\\d{2}";
/** As a backup server names its snapshots. */
const MOMENT = "\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z";
const vmBackup =
  `${STORAGE}:backup/(?:vzdump-qemu-${OWNER}-${STAMP}\\.vma(?:\\.(?:gz|lzo|zst))?|vm/${OWNER}/${MOMENT})`;
const containerBackup =
  `${STORAGE}:backup/(?:vzdump-lxc-${OWNER}-${STAMP}\\.(?:tgz|tar(?:\\.(?:gz|lzo|zst|bz2))?)|ct/${OWNER}/${MOMENT})`;

/** Backups by the names that PVE gives them: no path, no pipe, nothing that is not one file of a storage. */
export const vmArchive = matching(
  new RegExp(vmBackup),
  "a backup of a VM, as in local:backup/vzdump-qemu-100-2026_11_22-02_00_00.vma.zst",
);
export const containerArchive = matching(
  new RegExp(containerBackup),
  "a backup of a container, as in local:backup/vzdump-lxc-200-2026_11_22-02_00_00.tar.zst",
);
export const archive = matching(new RegExp(`${vmBackup}|${containerBackup}`), "a backup, as list_backups names it");

/** SSH public keys, one per line, as `authorized_keys` has them; private keys do not match. */
export const publicKeys: Rule = rule("SSH public keys, one a line", (value, name) => {
  if (typeof value !== "string" || value.length > 16_384) {
    return refuse(name, "…", "it must be public keys, one a line");
  }
  const lines = value.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
  for (const line of lines) {
    if (
      !/^(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-[a-z0-9-]+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]+(?: [\x20-\x7e]*)?$/.test(line)
    ) {
      return refuse(name, `${line.slice(0, 16)}…`, "each line must be a public key, as in ssh-ed25519 AAAA… comment");
    }
  }
  if (lines.length === 0) return refuse(name, value, "it holds no public key");
  return `${lines.join("\n")}\n`;
});

/** The same keys as `sshkeys` wants them: URL-encoded inside the value (captured 464, 465). */
export const encodedPublicKeys: Rule = rule(
  publicKeys.says,
  (value, name) =>
    encodeURIComponent(publicKeys(value, name)).replace(
      /[!'()*]/g,
      (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
    ),
);
