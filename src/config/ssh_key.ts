/** Tells from its text whether a private key can be used, so that the start says what is wrong and how to mend it. */
import { Buffer } from "node:buffer";

export interface KeyFault {
  /** What follows the name of the file. */
  readonly what: string;
  readonly remedy: string;
}

const NEW = "Make one with: ssh-keygen -t ed25519 -f FILE, and give its path";

/** What is wrong with a private key; undefined where it can be used, as far as can be seen. */
export function faultOfKey(pem: string, file: string, hasPassphrase: boolean): KeyFault | undefined {
  const rewrite = `ssh-keygen -p -f ${file} rewrites it in OpenSSH's own format (an empty new passphrase is possible)`;
  const label = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----/.exec(pem)?.[1];
  if (/^PuTTY-User-Key-File/.test(pem)) {
    return { what: "is a key of PuTTY's", remedy: "Export it with puttygen as an OpenSSH key (ssh-keygen's format)" };
  }
  if (label === undefined) {
    return /^(?:ssh-|ecdsa-|sk-)/.test(pem.trim())
      ? { what: "is a public key", remedy: "Give the file without .pub, which holds the private one" }
      : { what: "holds no private key", remedy: NEW };
  }
  if (label === "EC PRIVATE KEY") return { what: "is an ECDSA key, which cannot be used here", remedy: NEW };
  if (label === "DSA PRIVATE KEY") return { what: "is a DSA key, which no server takes any more", remedy: NEW };
  if (label === "RSA PRIVATE KEY") {
    return /Proc-Type: 4,ENCRYPTED/.test(pem)
      ? { what: "is an old PEM key with a passphrase, which cannot be read here", remedy: rewrite }
      : undefined;
  }
  if (label !== "OPENSSH PRIVATE KEY") {
    return { what: `is in a format that cannot be read here (${label})`, remedy: rewrite };
  }
  const facts = openSshFacts(pem);
  if (facts === undefined) return { what: "is damaged: it is not what OpenSSH writes", remedy: NEW };
  if (!/^(?:ssh-ed25519|ssh-rsa)$/.test(facts.type)) {
    return { what: `is a key of type ${facts.type}, which cannot be used here`, remedy: NEW };
  }
  return facts.encrypted && !hasPassphrase
    ? { what: "has a passphrase", remedy: "Set PROXMOX_SSH_PASSPHRASE" }
    : undefined;
}

/** Type and encryption, which stand in the clear (OpenSSH's PROTOCOL.key). */
function openSshFacts(pem: string): { readonly type: string; readonly encrypted: boolean } | undefined {
  const base64 = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(pem)?.[1] ?? "";
  const bytes = Buffer.from(base64, "base64");
  const magic = "openssh-key-v1\0";
  if (bytes.subarray(0, magic.length).toString("latin1") !== magic) return undefined;
  let at = magic.length;
  const next = (): Buffer | undefined => {
    if (at + 4 > bytes.length) return undefined;
    const length = bytes.readUInt32BE(at);
    if (at + 4 + length > bytes.length) return undefined;
    at += 4 + length;
    return bytes.subarray(at - length, at);
  };
  const cipher = next()?.toString("latin1");
  next();
  next();
  at += 4;
  const publicKey = next();
  if (cipher === undefined || publicKey === undefined || publicKey.length < 8) return undefined;
  const type = publicKey.subarray(4, 4 + publicKey.readUInt32BE(0)).toString("latin1");
  return { type, encrypted: cipher !== "none" };
}
