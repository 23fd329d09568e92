/** Parses the settings that narrow what may be done; whatever is not exactly known stops the start. */
import { UsageError } from "../errors.ts";
import type { Confirm, Protected } from "./settings.ts";

/** Vmids and tags, separated by commas; an empty part is refused, as it may be a name that got lost. */
export function parseProtected(text: string): Protected {
  const vmids = new Set<number>();
  const tags = new Set<string>();
  for (const part of text.split(",").map((part) => part.trim())) {
    const tag = /^tag:([a-z0-9_][a-z0-9_.+-]*)$/i.exec(part)?.[1];
    if (tag !== undefined) tags.add(tag.toLowerCase());
    else if (/^[1-9]\d{2,8}$/.test(part)) vmids.add(Number(part));
    else {
      throw new UsageError(
        `PROXMOX_PROTECTED holds ${JSON.stringify(part)}, which is neither a vmid nor a tag.`,
        "Write vmids and tag:NAMEs, separated by commas, as in 100,101,tag:prod; a range has to be spelled out.",
      );
    }
  }
  return { vmids: [...vmids].sort((a, b) => a - b), tags: [...tags].sort() };
}

export function parseConfirm(text: string): Confirm {
  const word = text.toLowerCase();
  if (word === "never" || word === "disruptive" || word === "writes") return word;
  throw new UsageError(
    `PROXMOX_CONFIRM is ${JSON.stringify(text)}.`,
    "Set it to never, disruptive (what interrupts, changes, moves or enters a guest) or writes (every write).",
  );
}

export function parsePool(text: string): string {
  if (/^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+){0,2}$/.test(text) && text.length <= 100) return text;
  throw new UsageError(`PROXMOX_POOL is ${JSON.stringify(text)}.`, "Give the name of one pool, as in agents.");
}

/** Hosts separated by commas, each with a port where that is not 443; no wildcard, no scheme. */
export function parseDownloadHosts(text: string): string[] {
  const hosts = text.split(",").map((part) => part.trim().toLowerCase());
  // Written as URLs write it: "0x7f.1" and ":443" would read otherwise there.
  const wrong = hosts.find((host) =>
    !/^(?:[a-z0-9-]+\.)*[a-z0-9-]+(?::\d{1,5})?$/.test(host) || URL.parse(`https://${host}/`)?.host !== host
  );
  if (wrong === undefined) return [...new Set(hosts)];
  throw new UsageError(
    `PROXMOX_DOWNLOAD_HOSTS holds ${JSON.stringify(wrong)}, which is not the name of a host.`,
    "Write names separated by commas, without https:// and without *, as in cloud.debian.org,nas.lan:8443.",
  );
}

/** A full path: a client starts servers in whatever folder it has open. Permission flags are split at commas. */
export function parseAuditFile(text: string): string {
  // deno-lint-ignore no-control-regex
  if (/^(?:\/|[A-Za-z]:[\\/])[^\x00-\x1f,]*[^\x00-\x1f,\\/]$/.test(text)) return text;
  throw new UsageError(
    `PROXMOX_AUDIT_FILE is ${JSON.stringify(text)}.`,
    "Give the full path of a file, without a comma, as in /var/log/proxmox-mcp.jsonl.",
  );
}

/** Names of tools or toolsets, separated by commas. Whether they exist is judged where the tools are known. */
export function parseNames(variable: string, text: string): string[] {
  const names = text.split(",").map((part) => part.trim().toLowerCase());
  const wrong = names.find((name) => !/^[a-z][a-z0-9_]{0,63}$/.test(name));
  if (wrong === undefined) return [...new Set(names)];
  throw new UsageError(
    `${variable} holds ${JSON.stringify(wrong)}, which is not a name.`,
    "Write names separated by commas; the command tools lists them.",
  );
}
