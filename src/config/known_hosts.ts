/** Reads known_hosts files, which the SSH library does not know. The format is that of sshd(8). */
import type { KnownHost } from "./settings.ts";

/** The lines that hold a key. Comments, keys of certificate authorities and what cannot be read are left out: nothing is trusted for them. */
export function parseKnownHosts(text: string): KnownHost[] {
  return text.replace(/^\uFEFF/, "").split(/\r?\n/).flatMap((line) => {
    if (line.trim() === "" || line.trimStart().startsWith("#")) return [];
    const words = line.trim().split(/[ \t]+/);
    const marker = words[0]?.startsWith("@") === true ? words.shift() : undefined;
    const [hosts = "", type = "", key = ""] = words;
    if (marker !== undefined && marker !== "@revoked") return [];
    if (!/^[a-z0-9][a-z0-9@.-]+$/.test(type) || !/^[A-Za-z0-9+/]{16,}={0,2}$/.test(key)) return [];
    return [{ hosts: hosts.split(","), revoked: marker === "@revoked", type, key }];
  });
}
