/** The system inside a simulated guest: a few files in memory, packages, services. Nothing of it is any volume's content. */
import type { Guest } from "./state.ts";
import { text } from "./state.ts";

/** A file, or a folder where there is no content. */
export interface Entry {
  content: Uint8Array | undefined;
  mode: string;
  owner: string;
}

/** What a guest is made of. */
export interface System {
  readonly hostname: string;
  /** By full path. */
  readonly files: Map<string, Entry>;
  readonly packages: Set<string>;
  /** Names of services that run. */
  readonly services: Set<string>;
}

const systems = new WeakMap<Guest, System>();
const encoder = new TextEncoder();

export function bytes(content: string): Uint8Array {
  return encoder.encode(content);
}

export function write(system: System, path: string, content: Uint8Array, mode = "644", owner = "root"): void {
  for (let at = path.indexOf("/", 1); at > 0; at = path.indexOf("/", at + 1)) {
    const folder = path.slice(0, at);
    if (!system.files.has(folder)) system.files.set(folder, { content: undefined, mode: "755", owner: "root" });
  }
  system.files.set(path, { content, mode, owner });
}

const NAMES: Readonly<Record<string, string>> = {
  debian: "Debian GNU/Linux 13 (trixie)",
  ubuntu: "Ubuntu 24.04.3 LTS",
};

/** The system of a guest, made at its first command, and there as long as the guest is. */
export function systemOf(guest: Guest): System {
  const present = systems.get(guest);
  if (present !== undefined) return present;
  const hostname = text(guest.config, guest.kind === "lxc" ? "hostname" : "name") ?? `guest${guest.vmid}`;
  const system: System = {
    hostname,
    files: new Map(),
    packages: new Set(["base-files", "dpkg"]),
    services: new Set(["ssh"]),
  };
  const os = text(guest.config, "ostype") ?? "debian";
  const name = NAMES[os] ?? (os === "alpine" ? "Alpine Linux v3.22" : "Debian GNU/Linux 13 (trixie)");
  write(system, "/etc/hostname", bytes(`${hostname}\n`));
  write(system, "/etc/os-release", bytes(`PRETTY_NAME="${name}"\nID=${os === "l26" ? "debian" : os}\n`));
  write(
    system,
    "/etc/passwd",
    bytes("root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"),
  );
  write(system, "/root/.bashrc", bytes("# ~/.bashrc\n"));
  for (const folder of ["/tmp", "/var/log", "/srv", "/home"]) write(system, `${folder}/.keep`, bytes(""));
  for (const path of [...system.files.keys()]) if (path.endsWith("/.keep")) system.files.delete(path);
  systems.set(guest, system);
  return system;
}

/** The path without "." and "..", from the root. */
export function resolved(path: string, folder: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${folder}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
