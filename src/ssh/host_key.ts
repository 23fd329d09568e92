/** Decides whether the key that a host shows is the one that the settings trust. */
import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import type { HostKeys, KnownHost, SshHost } from "../config/settings.ts";

/** As `ssh-keygen -l` prints it: "SHA256:…" without padding. */
export function fingerprintOf(key: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** As in "ssh-ed25519"; the name stands at the start of every key. */
export function typeOf(key: Uint8Array): string {
  const length = new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(0);
  return new TextDecoder("latin1").decode(key.subarray(4, 4 + Math.min(length, 64)));
}

/** The name under which a host stands in a known_hosts file: other ports than 22 are part of it. */
function nameOf({ host, port }: Pick<SshHost, "host" | "port">): string {
  return port === 22 ? host : `[${host}]:${port}`;
}

function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.toLowerCase().replaceAll(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll(
    "?",
    ".",
  );
  return new RegExp(`^${source}$`, "s").test(name);
}

/** Hashed names are `|1|salt|HMAC-SHA1 of the name|`, in base64. */
function matchesHash(hashed: string, name: string): boolean {
  const [, salt, digest] = /^\|1\|([A-Za-z0-9+/=]+)\|([A-Za-z0-9+/=]+)$/.exec(hashed) ?? [];
  if (salt === undefined || digest === undefined) return false;
  return createHmac("sha1", new Uint8Array(Buffer.from(salt, "base64"))).update(name).digest("base64") === digest;
}

/** Whether a line is about a host; a pattern with a "!" in front takes it out again. */
function isAbout({ hosts }: KnownHost, name: string): boolean {
  if (hosts.some((host) => host.startsWith("!") && matchesPattern(host.slice(1), name))) return false;
  return hosts.some((host) => host.startsWith("|") ? matchesHash(host, name) : matchesPattern(host, name));
}

/** The lines about a host. */
export function entriesFor(keys: HostKeys, host: Pick<SshHost, "host" | "port">): readonly KnownHost[] {
  return keys.kind === "fingerprints" ? [] : keys.entries.filter((entry) => isAbout(entry, nameOf(host)));
}

export type Verdict = "trusted" | "unknown" | "changed" | "revoked";

/** What is to be thought of a key. `unknown`: nothing is known of this host; `changed`: it should have another one. */
export function judgeKey(
  key: Uint8Array,
  host: Pick<SshHost, "host" | "port">,
  keys: HostKeys | undefined,
): Verdict {
  if (keys === undefined) return "unknown";
  if (keys.kind === "fingerprints") return keys.fingerprints.includes(fingerprintOf(key)) ? "trusted" : "changed";
  const known = entriesFor(keys, host);
  const same = (entry: KnownHost) => Buffer.from(entry.key, "base64").equals(key);
  if (keys.entries.some((entry) => entry.revoked && same(entry))) return "revoked";
  if (known.some((entry) => !entry.revoked && same(entry))) return "trusted";
  return known.length === 0 ? "unknown" : "changed";
}
