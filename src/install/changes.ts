/** Compares an entry that a client has already with the one that it should have. */
import { isDeepStrictEqual } from "node:util";
import { isRecord } from "./jsonc.ts";
import { isSecret } from "./server.ts";
import { settingRows } from "../config/settings.ts";

/**
 * The wanted entry, with what the client or a person has added to the old one: other keys, such as a list of approved tools,
 * and other variables. A secret that is not known this time stays.
 */
export function merged(old: unknown, wanted: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (!isRecord(old)) return { ...wanted };
  const { env: oldEnv, ...rest } = old;
  const kept = Object.entries(isRecord(oldEnv) ? oldEnv : {}).filter(([name]) =>
    !name.startsWith("PROXMOX_") || isSecret(name) && wantsSecrets(wanted)
  );
  const env = { ...Object.fromEntries(kept), ...(isRecord(wanted.env) ? wanted.env : {}) };
  const all = { ...rest, ...wanted };
  delete all.env;
  return Object.keys(env).length === 0 ? all : { ...all, env };
}

/** Whether the entry carries settings of its own, and does not leave them all to a file. */
function wantsSecrets(wanted: Readonly<Record<string, unknown>>): boolean {
  return isRecord(wanted.env) && "PROXMOX_HOST" in wanted.env;
}

/** One or two lines for each part in which two entries differ; values that may be secrets are not shown. */
export function differences(old: unknown, now: Readonly<Record<string, unknown>>): string[] {
  const [before, after] = [parts(old), parts(now)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [one, other] = [before.get(key), after.get(key)];
    if (isDeepStrictEqual(one, other)) return [];
    return [
      ...(one === undefined ? [] : [`  - ${key}: ${shown(key, one)}`]),
      ...(other === undefined ? [] : [`  + ${key}: ${shown(key, other)}`]),
    ];
  });
}

function parts(entry: unknown): Map<string, unknown> {
  if (!isRecord(entry)) return new Map([["entry", entry]]);
  const { env, ...rest } = entry;
  const variables = Object.entries(isRecord(env) ? env : {}).map(([name, value]) => [`env ${name}`, value] as const);
  return new Map([...Object.entries(rest), ...variables]);
}

/** Settings that are no secret are shown, and so is a reference; nothing is known of other variables. */
function shown(key: string, value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  const name = key.startsWith("env ") ? key.slice(4) : undefined;
  const open = name === undefined || settingRows.some(({ variable }) => variable === name && !isSecret(variable)) ||
    /^\$\{(?:env|input):[\w-]+\}$/.test(text);
  return open ? text.replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, "(not shown)") : "(not shown)";
}
