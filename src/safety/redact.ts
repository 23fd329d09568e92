/** Takes secrets out of what is shown or written down: those of the settings, and those that a call brings along. */
import { isRecord, setField } from "../shape/fields.ts";

/** What stands in a secret's place. */
export const HIDDEN = "(not shown)";

/** What tools write themselves where they leave a secret out. */
const ALREADY_HIDDEN = /^\([a-z, ]*not shown\)$/;

/** Names of arguments and settings whose values are secrets. */
const SECRET_NAME = /pass(?:word|phrase|wd)|secret|token|private/i;

/** Names of arguments that hold public keys, where a private one may end up by mistake. */
const KEY_NAME = /^(?:sshkeys|ssh[-_]public[-_]keys)$/;

const PUBLIC_KEY = /^(?:#.*|(?:ssh-[a-z0-9-]+|ecdsa-sha2-[a-z0-9-]+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]+(?: .*)?)$/;

const PRIVATE_KEY_BEGIN = "-----BEGIN ";

/** A private key in PEM, to its end or to the end of the text. */
const PRIVATE_KEY =
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(?:[\s\S]*?-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|[\s\S]*)/g;

/** Shorter values are words that stand everywhere: to take them out would garble the text and tell what they are. */
const SHORTEST = 5;

export type Redact = (text: string) => string;

/** Whether every line that holds something is a public key or a comment. */
function onlyPublicKeys(value: string): boolean {
  return value.split("\n").every((line) => line.trim() === "" || PUBLIC_KEY.test(line.trim()));
}

function isSecret(name: string, value: string): boolean {
  const named = SECRET_NAME.test(name) || (KEY_NAME.test(name) && !onlyPublicKeys(value));
  return named && !ALREADY_HIDDEN.test(value);
}

/** All secrets in the arguments of a call, at every depth. */
export function secretsIn(value: unknown, name = ""): string[] {
  if (typeof value === "string") return isSecret(name, value) ? [value] : [];
  if (typeof value === "number") return isSecret(name, String(value)) ? [String(value)] : [];
  if (typeof value !== "object" || value === null) return [];
  const entries = Array.isArray(value) ? value.map((part) => [name, part] as const) : Object.entries(value);
  return entries.flatMap(([key, part]) => secretsIn(part, SECRET_NAME.test(name) ? name : key));
}

/** A function that takes these secrets, and every private key, out of a text; however the secret is encoded there. */
export function redactor(secrets: readonly string[]): Redact {
  const forms = new Set<string>();
  for (const secret of secrets) {
    for (const part of [secret, ...secret.split("\n"), secret.slice(0, 80)]) {
      const trimmed = part.trim();
      if (trimmed.length < SHORTEST) continue;
      const escaped = JSON.stringify(trimmed).slice(1, -1);
      for (const form of [trimmed, escaped, encodeURIComponent(trimmed.toWellFormed())]) forms.add(form);
    }
  }
  const longestFirst = [...forms].sort((a, b) => b.length - a.length);
  return (text) => {
    const keyless = text.includes(PRIVATE_KEY_BEGIN) ? text.replace(PRIVATE_KEY, HIDDEN) : text;
    return longestFirst.reduce((masked, form) => masked.replaceAll(form, HIDDEN), keyless);
  };
}

/** A copy with the values of secret names hidden and all texts redacted, keys included. */
export function redacted(value: unknown, redact: Redact, name = ""): unknown {
  if (typeof value === "string") return isSecret(name, value) ? HIDDEN : redact(value);
  if (Array.isArray(value)) return value.map((part) => redacted(part, redact, name));
  if (isRecord(value)) {
    const copy: Record<string, unknown> = {};
    for (const key of Object.keys(value)) setField(copy, redact(key), redacted(value[key], redact, key));
    return copy;
  }
  return SECRET_NAME.test(name) && typeof value === "number" ? HIDDEN : value;
}
