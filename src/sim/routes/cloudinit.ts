/** What PVE generates for a VM's cloud-init drive, from its configuration (PVE::QemuServer::Cloudinit). */
import { createHash } from "node:crypto";
import { splitProperties } from "../property.ts";
import { optionFormat } from "../schema.ts";
import { type Config, guestOn, text } from "../state.ts";
import type { Route } from "./context.ts";

/** What the node's own resolv.conf holds, which stands in where the VM has nothing. */
const HOST = { nameserver: "192.0.2.1", searchdomain: "lan" };

function userData(config: Config, vmid: number): string {
  const [user, password, keys] = ["ciuser", "cipassword", "sshkeys"].map((key) => text(config, key));
  const name = text(config, "name") ?? `VM${vmid}`;
  const [host = name] = name.split(".");
  const search = text(config, "searchdomain");
  const fqdn = name.includes(".") || search === undefined ? name : `${name}.${search}`;
  const lines = keys === undefined ? [] : decodeURIComponent(keys).split("\n").filter((line) => line.trim() !== "");
  return [
    "#cloud-config",
    `hostname: ${host}`,
    "manage_etc_hosts: true",
    `fqdn: ${fqdn}`,
    ...user === undefined ? [] : [`user: ${user}`],
    ...user === "root" ? ["disable_root: False"] : [],
    ...password === undefined ? [] : [`password: ${hashed(password)}`],
    ...lines.length === 0 ? [] : ["ssh_authorized_keys:", ...lines.map((line) => `  - ${line}`)],
    "chpasswd:",
    "  expire: False",
    ...user === "root" ? [] : ["users:", "  - default"],
    ...Number(config.get("ciupgrade") ?? 1) === 1 ? ["package_upgrade: true"] : [],
    "",
  ].join("\n");
}

/** PVE keeps no password, only its hash. */
function hashed(password: string): string {
  return `$5$${createHash("sha1").update(password).digest("hex").slice(0, 8)}$${
    createHash("sha256").update(password).digest("base64url")
  }`;
}

interface Device {
  readonly number: string;
  readonly mac: string;
  readonly ip: ReadonlyMap<string, string>;
}

/** "ip=dhcp,gw=…" by key; its format is only a name in PVE's schema. */
function pairsOf(value: string): Map<string, string> {
  return new Map(
    value.split(",").map((part) => {
      const at = part.indexOf("=");
      return [part.slice(0, at), part.slice(at + 1)] as const;
    }),
  );
}

function devices(config: Config): Device[] {
  return [...config.keys()].filter((key) => /^net\d+$/.test(key)).sort().flatMap((key) => {
    const number = key.slice(3);
    const given = text(config, `ipconfig${number}`);
    if (given === undefined) return [];
    const mac = splitProperties(optionFormat("qemu", key), text(config, key) ?? "").get("macaddr") ?? "";
    return [{ number, mac, ip: pairsOf(given) }];
  });
}

function dns(config: Config): { servers: string[]; domains: string[] } {
  return {
    servers: (text(config, "nameserver") ?? HOST.nameserver).split(/\s+/),
    domains: (text(config, "searchdomain") ?? HOST.searchdomain).split(/\s+/),
  };
}

function netmask(prefix: string): string {
  const bits = 2 ** 32 - 2 ** (32 - Number(prefix));
  return [24, 16, 8, 0].map((shift) => Math.floor(bits / 2 ** shift) % 256).join(".");
}

/** Format "nocloud", which Linux gets. */
function noCloudNetwork(config: Config): string {
  const lines = ["version: 1", "config:"];
  for (const { number, mac, ip } of devices(config)) {
    lines.push(
      "    - type: physical",
      `      name: eth${number}`,
      `      mac_address: '${mac.toLowerCase()}'`,
      "      subnets:",
    );
    const [four, six] = [ip.get("ip"), ip.get("ip6")];
    if (four === "dhcp") lines.push("      - type: dhcp4");
    else if (four !== undefined) {
      const [address = "", prefix = ""] = four.split("/");
      lines.push("      - type: static", `        address: '${address}'`, `        netmask: '${netmask(prefix)}'`);
      if (ip.has("gw")) lines.push(`        gateway: '${ip.get("gw")}'`);
    }
    if (six === "dhcp") lines.push("      - type: dhcp6");
    else if (six === "auto") lines.push("      - type: ipv6_slaac");
    else if (six !== undefined) {
      lines.push("      - type: static6", `        address: '${six}'`);
      if (ip.has("gw6")) lines.push(`        gateway: '${ip.get("gw6")}'`);
    }
  }
  const { servers, domains } = dns(config);
  lines.push("    - type: nameserver", "      address:", ...servers.map((one) => `      - '${one}'`));
  lines.push("      search:", ...domains.map((one) => `      - '${one}'`));
  return `${lines.join("\n")}\n`;
}

/** Format "configdrive2", which Windows gets: Debian's old interfaces file. */
function configDriveNetwork(config: Config): string {
  const lines = ["auto lo", "iface lo inet loopback", ""];
  const { servers, domains } = dns(config);
  lines.push(`        dns_nameservers ${servers.join(" ")}`, `        dns_search ${domains.join(" ")}`);
  for (const { number, ip } of devices(config)) {
    const four = ip.get("ip");
    lines.push(`auto eth${number}`);
    if (four === "dhcp") lines.push(`iface eth${number} inet dhcp`);
    else if (four !== undefined) {
      const [address = "", prefix = ""] = four.split("/");
      lines.push(`iface eth${number} inet static`, `        address ${address}`, `        netmask ${netmask(prefix)}`);
      if (ip.has("gw")) lines.push(`        gateway ${ip.get("gw")}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Answered from the settings alone: whether the VM has a drive, PVE does not ask here. */
export const dump: Route<"GET /nodes/{node}/qemu/{vmid}/cloudinit/dump"> = ({ state }, { node, vmid, type }) => {
  const { config } = guestOn(state, node, "qemu", vmid);
  const noCloud = (text(config, "citype") ?? (/^w/.test(text(config, "ostype") ?? "") ? "configdrive2" : "nocloud")) ===
    "nocloud";
  const network = noCloud ? noCloudNetwork(config) : configDriveNetwork(config);
  const user = userData(config, vmid);
  if (type === "user") return user;
  if (type === "network") return network;
  const id = createHash("sha1").update(user + network).digest("hex");
  return noCloud
    ? `instance-id: ${id}\n`
    : `{\n     "uuid": "${id}",\n     "network_config": { "content_path": "/content/0000" }\n}\n`;
};
