/** PVE's named formats, as far as the simulated calls use them, with PVE's own complaints. */
import { FormatError, splitList, splitProperties } from "./property.ts";

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$/;
const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const DNS = new RegExp(`^(?:${LABEL}\\.)*${LABEL}$`);
const VOLUME = /^[a-z][a-z0-9\-_.]*[a-z0-9]:.+$/i;

/** Whether a text is an IPv6 address, an embedded IPv4 part included. */
export function isIPv6(text: string): boolean {
  if (!/^[0-9a-f:.]+$/i.test(text) || !text.includes(":")) return false;
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => half === "" ? [] : half.split(":"));
  const v4 = groups.at(-1)?.includes(".") === true ? 1 : 0;
  if (v4 === 1 && !IPV4.test(groups.at(-1) ?? "")) return false;
  if (!groups.slice(0, groups.length - v4).every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  const count = groups.length + v4;
  return halves.length === 2 ? count < 8 : count === 8;
}

function isCidr(text: string): boolean {
  const [address = "", bits = "", more] = text.split("/");
  if (more !== undefined || !/^\d{1,3}$/.test(bits)) return false;
  return (IPV4.test(address) && Number(bits) <= 32) || (isIPv6(address) && Number(bits) <= 128);
}

function matching(pattern: RegExp, complaint: string | ((value: string) => string)): (value: string) => void {
  return (value) => {
    if (!pattern.test(value)) throw new FormatError(typeof complaint === "string" ? complaint : complaint(value));
  };
}

function holding(test: (value: string) => boolean, complaint: string): (value: string) => void {
  return (value) => {
    if (!test(value)) throw new FormatError(complaint);
  };
}

/** "key=value,…" whose format map the schema does not carry: keys → a test of their values. */
function properties(keys: Readonly<Record<string, RegExp>>, first?: string): (value: string) => void {
  return (value) => {
    const format = Object.fromEntries(
      Object.keys(keys).map((key) => [key, { ...ANY, default_key: key === first }]),
    );
    const errors: string[] = [];
    for (const [key, found] of splitProperties(format, value)) {
      if (keys[key]?.test(found) !== true) errors.push(`${key}: value does not match the regex pattern`);
    }
    if (errors.length > 0) throw new FormatError(`format error\n${errors.join("\n")}`);
  };
}

const ANY = {
  type: "string",
  optional: true,
  enum: undefined,
  minimum: undefined,
  maximum: undefined,
  minLength: undefined,
  maxLength: undefined,
  pattern: undefined,
  format: undefined,
  default_key: false,
  alias: undefined,
  keyAlias: undefined,
  requires: undefined,
  items: undefined,
};

const CPU_MODELS = new Set(
  ("486 Broadwell Broadwell-IBRS Broadwell-noTSX Cascadelake-Server Cascadelake-Server-noTSX Conroe Cooperlake EPYC " +
    "EPYC-Genoa EPYC-IBPB EPYC-Milan EPYC-Rome EPYC-Turin GraniteRapids Haswell Haswell-IBRS Haswell-noTSX " +
    "Icelake-Client Icelake-Server Icelake-Server-noTSX IvyBridge IvyBridge-IBRS KnightsMill Nehalem Nehalem-IBRS " +
    "Opteron_G1 Opteron_G2 Opteron_G3 Opteron_G4 Opteron_G5 Penryn SandyBridge SandyBridge-IBRS SapphireRapids " +
    "SierraForest Skylake-Client Skylake-Client-IBRS Skylake-Client-noTSX-IBRS Skylake-Server Skylake-Server-IBRS " +
    "Skylake-Server-noTSX-IBRS Westmere Westmere-IBRS athlon core2duo coreduo host kvm32 kvm64 max pentium pentium2 " +
    "pentium3 phenom qemu32 qemu64 x86-64-v2 x86-64-v2-AES x86-64-v3 x86-64-v4").split(" "),
);

/** Captured 462: the type stands first or as cputype=…; everything else is left alone. */
function cpu(value: string): void {
  for (const part of value.split(",")) {
    const type = part.startsWith("cputype=") ? part.slice(8) : part.includes("=") ? undefined : part;
    if (type === undefined || type.startsWith("custom-") || CPU_MODELS.has(type)) continue;
    throw new FormatError(`Built-in cputype '${type}' is not defined (missing 'custom-' prefix?)`);
  }
}

function boot(value: string): void {
  if (/^[acdn]{1,4}$/.test(value.trim())) return;
  properties({ order: /^[a-z]+\d+(;[a-z]+\d+)*$/, legacy: /^[acdn]{1,4}$/ }, "legacy")(value);
}

const DRIVE_PATH = /^(?:none|cdrom|\/.+|[a-z][a-z0-9\-_.]*[a-z0-9]:.+)$/i;
const ipv4 = (value: string) => IPV4.test(value);
const address = (value: string) => ipv4(value) || isIPv6(value) || DNS.test(value);

const formats: Readonly<Record<string, (value: string) => void>> = {
  "pve-vmid": matching(/^[1-9][0-9]{2,8}$/, "value does not look like a valid VM ID"),
  "pve-node": matching(new RegExp(`^${LABEL}$`), "value does not look like a valid node name"),
  "pve-configid": matching(/^[a-z][a-z0-9_-]+$/i, (value) => `invalid configuration ID '${value}'`),
  "pve-storage-id": matching(
    /^[a-z][a-z0-9\-_.]*[a-z0-9]$/i,
    (value) => `storage ID '${value}' contains illegal characters`,
  ),
  "pve-storage-content": matching(/^[a-z]+$/, (value) => `invalid content type '${value}'`),
  "pve-poolid": matching(
    /^[A-Za-z0-9.\-_]+(?:\/[A-Za-z0-9.\-_]+){0,2}$/,
    (value) => `pool name '${value}' contains invalid characters`,
  ),
  "pve-tag": matching(/^[a-z0-9_][a-z0-9_\-+.]*$/i, "invalid characters in tag"),
  "dns-name": matching(DNS, "value does not look like a valid DNS name"),
  "address": (value) => {
    if (!address(value)) throw new FormatError(`value does not look like a valid IP address: ${value}`);
  },
  "lxc-ip-with-ll-iface": (value) => {
    const [ip = ""] = value.split("%");
    if (!ipv4(ip) && !isIPv6(ip) && value !== "host") {
      throw new FormatError("value does not look like a valid IP address");
    }
  },
  "ipv4": holding(ipv4, "value does not look like a valid IPv4 address"),
  "ipv6": holding(isIPv6, "value does not look like a valid IPv6 address"),
  "CIDR": holding(isCidr, "value does not look like a valid CIDR network"),
  "pve-ipv4-config": holding(
    (value) => value === "dhcp" || value === "manual" || (isCidr(value) && !value.includes(":")),
    "value does not look like a valid ipv4 network configuration",
  ),
  "pve-ipv6-config": holding(
    (value) => value === "dhcp" || value === "auto" || value === "manual" || (isCidr(value) && value.includes(":")),
    "value does not look like a valid ipv6 network configuration",
  ),
  "pve-qm-ipconfig": properties({
    ip: /^(?:dhcp|[0-9.]+\/\d{1,2})$/,
    gw: IPV4,
    ip6: /^(?:dhcp|auto|[0-9a-f:]+\/\d{1,3})$/i,
    gw6: /^[0-9a-f:]+$/i,
  }),
  "pve-qm-boot": boot,
  "pve-vm-cpu-conf": cpu,
  "pve-startup-order": holding(
    (value) => value !== "" && value.split(",").every((part) => /^(?:(?:order|up|down)=\d+|\d+)$/.test(part)),
    "unable to parse startup options",
  ),
  "mac-addr": matching(
    /^[a-f0-9][02468ace](?::[a-f0-9]{2}){5}$/i,
    "value does not look like a valid unicast MAC address",
  ),
  "disk-size": matching(/^\d+(?:\.\d+)?[KMGT]?$/, "value does not look like a valid disk size"),
  "urlencoded": matching(/^[-%a-zA-Z0-9_.!~*'()]*$/, (value) => `invalid urlencoded string: ${value}`),
  "pve-volume-id": matching(VOLUME, (value) => `unable to parse volume ID '${value}'`),
  "pve-volume-id-or-qm-path": matching(DRIVE_PATH, (value) => `unable to parse volume ID '${value}'`),
  "pve-volume-id-or-absolute-path": matching(/^(?:\/.+|.+:.+)$/, (value) => `unable to parse volume ID '${value}'`),
  "pve-lxc-mp-string": matching(/^[^\0]+$/, "invalid mount point"),
  "pve-bridge-id": matching(/^[a-zA-Z0-9][\w.:-]{0,14}$/, (value) => `invalid bridge id '${value}'`),
  "pve-ct-timezone": matching(/^[\w/+-]+$/, (value) => `invalid time zone '${value}'`),
  "pve-calendar-event": matching(/^[\w\s:*/.,-]+$/, (value) => `unable to parse calendar event '${value}'`),
  "prune-backups": properties({
    "keep-all": /^[01]$/,
    "keep-last": /^\d+$/,
    "keep-hourly": /^\d+$/,
    "keep-daily": /^\d+$/,
    "keep-weekly": /^\d+$/,
    "keep-monthly": /^\d+$/,
    "keep-yearly": /^\d+$/,
  }),
};

/** @throws {FormatError} when the value does not have the named format; formats that are only names pass */
export function checkFormat(name: string, value: string): void {
  const check = formats[name];
  if (check !== undefined) check(value);
  else if (name.endsWith("-list")) { for (const item of splitList(value)) checkFormat(name.slice(0, -5), item); }
}
