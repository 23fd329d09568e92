/** Reads the settings for commands inside guests; while they are off, nothing of them is read. */
import { UsageError } from "../errors.ts";
import { parseHost, parsePort } from "./host.ts";
import { parseKnownHosts } from "./known_hosts.ts";
import { parseBoolean } from "./scalars.ts";
import type { ExecGuests, ExecSettings, HostKeys, SshHost, SshSettings, Variable } from "./settings.ts";
import { faultOfKey } from "./ssh_key.ts";

export interface ExecSource {
  /** Reads a variable that is set; undefined where it is not, or is wrong. */
  setting<T>(variable: Variable, read: (text: string) => T): T | undefined;
  /** Notes the UsageError that `read` throws, if any. */
  attempt<T>(read: () => T): T | undefined;
  readFile(path: string): string;
  /** The PVE host, which is the SSH host where no other is named. */
  readonly host: string | undefined;
  /** The names of all variables that are set. */
  readonly set: readonly string[];
  readonly warnings: string[];
}

/** The settings for exec; undefined unless PROXMOX_ENABLE_EXEC is true. */
export function loadExec(source: ExecSource): ExecSettings | undefined {
  const { setting, attempt, set, warnings } = source;
  if (setting("PROXMOX_ENABLE_EXEC", (text) => parseBoolean("PROXMOX_ENABLE_EXEC", text)) !== true) {
    const unused = set.filter((name) => /^PROXMOX_(?:SSH|EXEC)_/.test(name));
    if (unused.length > 0) {
      warnings.push(`Nothing is run in guests, as PROXMOX_ENABLE_EXEC is not true; not used: ${unused.join(", ")}.`);
    }
    return undefined;
  }
  const guests = setting("PROXMOX_EXEC_GUESTS", parseExecGuests);
  const privileged = setting("PROXMOX_EXEC_PRIVILEGED", (text) => parseBoolean("PROXMOX_EXEC_PRIVILEGED", text)) ??
    false;
  const vm = setting("PROXMOX_EXEC_VM", parseWay) ?? "agent";
  const ssh = loadSsh(source);
  if (vm === "ssh" && ssh === undefined) {
    attempt(() => {
      throw new UsageError(
        "PROXMOX_EXEC_VM is ssh, and there is no way to log in.",
        "Set PROXMOX_SSH_KEY_FILE or PROXMOX_SSH_PASSWORD, or leave PROXMOX_EXEC_VM out: then the guest agent is used.",
      );
    });
  }
  return { guests, privileged, vm, ssh };
}

function loadSsh({ setting, readFile, host }: ExecSource): SshSettings | undefined {
  const port = setting("PROXMOX_SSH_PORT", (text) => parsePort("PROXMOX_SSH_PORT", text)) ?? 22;
  const named = setting("PROXMOX_SSH_HOST", (text) => parseSshHosts(text, port));
  const user = setting("PROXMOX_SSH_USER", parseSshUser) ?? "root";
  const passphrase = setting("PROXMOX_SSH_PASSPHRASE", (text) => text);
  const key = setting("PROXMOX_SSH_KEY_FILE", (file) => readKey(file, passphrase, readFile));
  const password = setting("PROXMOX_SSH_PASSWORD", (text) => text);
  const hostKeys = setting("PROXMOX_SSH_HOST_KEY", (text) => parseHostKeys(text, readFile));
  const hosts = named ?? (host === undefined ? [] : [{ node: undefined, host, port }]);
  if ((key === undefined && password === undefined) || hosts.length === 0) return undefined;
  return { hosts, user, key, passphrase, password, hostKeys };
}

function parseWay(text: string): "agent" | "ssh" {
  const word = text.toLowerCase();
  if (word === "agent" || word === "ssh") return word;
  throw new UsageError(`PROXMOX_EXEC_VM is ${JSON.stringify(text)}.`, "Set it to agent or ssh.");
}

/** Vmids, tags and pools, separated by commas; an empty part is refused, as it may be a name that got lost. */
export function parseExecGuests(text: string): ExecGuests {
  const [vmids, tags, pools] = [new Set<number>(), new Set<string>(), new Set<string>()];
  for (const part of text.split(",").map((part) => part.trim())) {
    const tag = /^tag:([a-z0-9_][a-z0-9_.+-]*)$/i.exec(part)?.[1];
    const pool = /^pool:([A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+){0,2})$/.exec(part)?.[1];
    if (tag !== undefined) tags.add(tag.toLowerCase());
    else if (pool !== undefined) pools.add(pool);
    else if (/^[1-9]\d{2,8}$/.test(part)) vmids.add(Number(part));
    else {
      throw new UsageError(
        `PROXMOX_EXEC_GUESTS holds ${JSON.stringify(part)}, which is no vmid, tag or pool.`,
        "Write vmids, tag:NAMEs and pool:NAMEs, separated by commas, as in 250,tag:sandbox,pool:agents.",
      );
    }
  }
  return { vmids: [...vmids].sort((a, b) => a - b), tags: [...tags].sort(), pools: [...pools].sort() };
}

/** Hosts, each with its node in front where it is given; the same node twice is an error. */
export function parseSshHosts(text: string, port: number): SshHost[] {
  const hosts: SshHost[] = [];
  for (const part of text.split(",").map((part) => part.trim())) {
    const [, node, address = ""] = /^(?:([A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)=)?(.*)$/s.exec(part) ?? [];
    const parsed = parseHost(address, "PROXMOX_SSH_HOST");
    if (node !== undefined && hosts.some((other) => other.node === node)) {
      throw new UsageError(`PROXMOX_SSH_HOST names the node ${node} twice.`, "Give one host for each node.");
    }
    hosts.push({ node, host: parsed.host, port: parsed.port ?? port });
  }
  return hosts;
}

function parseSshUser(text: string): string {
  if (/^[a-z_][a-z0-9_.-]{0,31}$/i.test(text)) return text;
  throw new UsageError(`PROXMOX_SSH_USER is ${JSON.stringify(text)}.`, "Give the name of a user, as in root.");
}

function readText(variable: Variable, file: string, readFile: (path: string) => string): string {
  try {
    return readFile(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `${variable} ${file} cannot be read: ${reason}.`,
      "Give the full path of a file you may read.",
    );
  }
}

function readKey(
  file: string,
  passphrase: string | undefined,
  readFile: (path: string) => string,
): { file: string; pem: string } {
  const pem = readText("PROXMOX_SSH_KEY_FILE", file, readFile);
  const fault = faultOfKey(pem, file, passphrase !== undefined);
  if (fault !== undefined) throw new UsageError(`PROXMOX_SSH_KEY_FILE ${file} ${fault.what}.`, fault.remedy);
  return { file, pem };
}

/** `SHA256:…` as ssh-keygen -l prints it, several with commas, or the path of a known_hosts file. */
function parseHostKeys(text: string, readFile: (path: string) => string): HostKeys {
  if (/^SHA256:/i.test(text)) {
    const fingerprints = text.split(",").map((part) => {
      const digest = /^SHA256:([A-Za-z0-9+/]{43})=?$/i.exec(part.trim())?.[1];
      if (digest !== undefined) return `SHA256:${digest}`;
      throw new UsageError(
        `PROXMOX_SSH_HOST_KEY holds ${JSON.stringify(part.trim())}, which is not a SHA-256 fingerprint.`,
        "Copy it from `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host, as in SHA256:….",
      );
    });
    return { kind: "fingerprints", fingerprints };
  }
  const entries = parseKnownHosts(readText("PROXMOX_SSH_HOST_KEY", text, readFile));
  if (entries.length > 0) return { kind: "known_hosts", file: text, entries };
  throw new UsageError(
    `PROXMOX_SSH_HOST_KEY ${text} holds no host's key.`,
    "Give SHA256:…, or a known_hosts file, as `ssh-keyscan HOST` writes it (compare it with the host before you trust it).",
  );
}
