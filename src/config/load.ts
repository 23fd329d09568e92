/** Turns environment variables and an optional file into settings: pure, strict, and complete in its complaints. */
import * as util from "node:util";
import { UsageError } from "../errors.ts";
import { loadExec } from "./exec.ts";
import { parseHost, parsePort } from "./host.ts";
import { parseTokenName, parseTokenValue, parseUser, tokenId } from "./identity.ts";
import {
  parseAuditFile,
  parseConfirm,
  parseDownloadHosts,
  parseNames,
  parsePool,
  parseProtected,
} from "./restrictions.ts";
import { parseBoolean, parseWhole } from "./scalars.ts";
import { settingRows, type Settings, type Trust, type Variable } from "./settings.ts";
import { judgeNames } from "./unknown.ts";

/** Variables as `Deno.env.toObject()` or a parsed file gives them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A file of settings that the launcher has read. */
export interface SettingsFile {
  readonly path: string;
  readonly content: string;
}

/** A file of settings to read before loading. */
export interface EnvFile {
  readonly path: string;
  /** False: go on without it when there is no such file. */
  readonly required: boolean;
}

/**
 * Decides which file of settings to read. The working directory's `.env` counts only if the environment sets no PROXMOX_*
 * variable at all: a client starts servers inside whatever folder it has open, and a file there must not widen anything.
 */
export function envFileToRead(env: Environment, explicit: string | undefined): EnvFile | undefined {
  if (explicit !== undefined) return { path: explicit, required: true };
  const configured = Object.entries(env).some(([name, value]) => name.startsWith("PROXMOX_") && value !== undefined);
  return configured ? undefined : { path: ".env", required: false };
}

/**
 * Loads the settings; the environment wins over the file, and an empty value or a `${…}` that the client left in place
 * counts as not set. `readFile` reads the CA file as text.
 * @throws UsageError that lists every problem, a line each; required variables that are not set are no problem here.
 */
export function loadSettings(
  env: Environment,
  file: SettingsFile | undefined,
  readFile: (path: string) => string,
): Settings {
  const problems: UsageError[] = [];
  const warnings: string[] = [];
  function attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      problems.push(error);
      return undefined;
    }
  }

  const values = merge(env, attempt(() => parseFile(file)) ?? {}, warnings);
  function setting<T>(variable: Variable, read: (text: string) => T): T | undefined {
    const text = values.get(variable);
    return text === undefined ? undefined : attempt(() => read(text));
  }
  const judgement = judgeNames([...values.keys()]);
  problems.push(...judgement.problems);
  warnings.push(...judgement.warnings);

  const address = setting("PROXMOX_HOST", (text) => parseHost(text));
  const port = setting("PROXMOX_PORT", (text) => parsePort("PROXMOX_PORT", text));
  const identity = setting("PROXMOX_USER", parseUser);
  const tokenName = setting("PROXMOX_TOKEN_NAME", (text) => parseTokenName("PROXMOX_TOKEN_NAME", text));
  const token = attempt(() => tokenId(identity, tokenName));
  const tokenValue = setting("PROXMOX_TOKEN_VALUE", parseTokenValue);
  const verify = setting("PROXMOX_VERIFY_SSL", (text) => parseBoolean("PROXMOX_VERIFY_SSL", text)) ?? false;
  const fingerprint = setting("PROXMOX_FINGERPRINT", parseFingerprint);
  const ca = setting("PROXMOX_CA_FILE", (path) => readCa(path, readFile));
  const names = (variable: Variable) => setting(variable, (text) => parseNames(variable, text));
  const selection = {
    toolsets: names("PROXMOX_TOOLSETS"),
    tools: names("PROXMOX_TOOLS"),
    exclude: names("PROXMOX_EXCLUDE_TOOLS"),
  };
  const readOnly = setting("PROXMOX_READ_ONLY", (text) => parseBoolean("PROXMOX_READ_ONLY", text)) ?? false;
  const guarded = setting("PROXMOX_PROTECTED", parseProtected) ?? { vmids: [], tags: [] };
  const confirm = setting("PROXMOX_CONFIRM", parseConfirm) ?? "never";
  const pool = setting("PROXMOX_POOL", parsePool);
  const allowPrivileged =
    setting("PROXMOX_ALLOW_PRIVILEGED", (text) => parseBoolean("PROXMOX_ALLOW_PRIVILEGED", text)) ?? false;
  const downloadHosts = setting("PROXMOX_DOWNLOAD_HOSTS", parseDownloadHosts) ?? [];
  const auditFile = setting("PROXMOX_AUDIT_FILE", parseAuditFile);
  const timeoutSeconds = setting("PROXMOX_TIMEOUT", (text) => parseWhole("PROXMOX_TIMEOUT", text, 600, "seconds")) ??
    30;
  const maxConnections =
    setting("PROXMOX_MAX_CONNECTIONS", (text) => parseWhole("PROXMOX_MAX_CONNECTIONS", text, 64, "connections")) ?? 8;
  const exec = loadExec({ setting, attempt, readFile, host: address?.host, set: [...values.keys()], warnings });
  if (problems.length > 0) throw usageError(problems, values);

  if (fingerprint !== undefined && ca !== undefined) {
    warnings.push("PROXMOX_FINGERPRINT and PROXMOX_CA_FILE are both set: the fingerprint decides, the CA is not used.");
  }
  const missing = settingRows.filter((row) => "required" in row && !values.has(row.variable))
    .map((row) => row.variable)
    .filter((variable) => variable !== "PROXMOX_TOKEN_NAME" || identity?.token === undefined);
  const target = address === undefined || token === undefined || tokenValue === undefined ? undefined : {
    host: address.host,
    port: address.port ?? port ?? 8006,
    tokenId: token,
    tokenValue,
    trust: chooseTrust(fingerprint, ca, verify),
    timeoutSeconds,
    maxConnections,
  };
  const policy = { readOnly, protected: guarded, confirm, pool, allowPrivileged, downloadHosts };
  return { target, missing, selection, ...policy, exec, auditFile, file: file?.path, warnings };
}

function parseFile(file: SettingsFile | undefined): Environment {
  if (file === undefined) return {};
  if (file.content.includes("\0")) {
    throw new UsageError(`${file.path} is not a text file in UTF-8.`, "Save it again as UTF-8.");
  }
  // As a whole module, as Deno before 2.7 has no parseEnv: an executable made with it could not even start.
  if (typeof util.parseEnv !== "function") {
    throw new UsageError(`${file.path} cannot be read by this build.`, "Set the variables in the environment.");
  }
  // Editors on Windows start a file with a byte order mark, which would become part of the first name.
  return util.parseEnv(file.content.replace(/^\uFEFF/, ""));
}

/** All PROXMOX_* variables that are set, trimmed; a placeholder that counts as not set is worth a warning. */
function merge(env: Environment, file: Environment, warnings: string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const source of [file, env]) {
    for (const [name, value] of Object.entries(source)) {
      const text = value?.trim() ?? "";
      if (!name.startsWith("PROXMOX_") || text === "") continue;
      if (/^\$\{[^}]*\}$/.test(text)) {
        // The placeholder is not shown: it may carry a default, and that a secret.
        warnings.push(`${name} holds a placeholder that was never replaced; it counts as not set.`);
      } else {
        values.set(name, text);
      }
    }
  }
  return values;
}

/** Accepts what `openssl x509 -fingerprint -sha256`, the web UI and PVE's API print: colons, case and prefix are free. */
function parseFingerprint(text: string): string {
  const hex = text.replace(/^sha-?256(?: fingerprint)?\s*[:=]\s*/i, "").toUpperCase();
  const pairs = /^[0-9A-F]{64}$/.test(hex) || /^[0-9A-F]{2}(?::[0-9A-F]{2}){31}$/.test(hex)
    ? hex.match(/[0-9A-F]{2}/g)
    : null;
  if (pairs === null) {
    throw new UsageError(
      `PROXMOX_FINGERPRINT is ${JSON.stringify(text)}, which is not a SHA-256 fingerprint of 32 bytes.`,
      "Copy it from the web UI (node, System, Certificates) or from `pvenode cert info`, as in AA:BB:….",
    );
  }
  return pairs.join(":");
}

/** Reads the CA file and keeps its certificates only: a private key beside them does not go any further. */
function readCa(file: string, readFile: (path: string) => string): { pem: string; file: string } {
  let content: string;
  try {
    content = readFile(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `PROXMOX_CA_FILE ${file} cannot be read: ${reason}.`,
      "Copy /etc/pve/pve-root-ca.pem from the PVE host and name the copy by its full path.",
    );
  }
  const blocks = content.match(/-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g);
  if (blocks === null) {
    throw new UsageError(
      `PROXMOX_CA_FILE ${file} holds no certificate in PEM.`,
      "It has to contain -----BEGIN CERTIFICATE-----, as /etc/pve/pve-root-ca.pem of the PVE host does.",
    );
  }
  return { pem: blocks.join("\n") + "\n", file };
}

function chooseTrust(
  fingerprint: string | undefined,
  ca: { pem: string; file: string } | undefined,
  verify: boolean,
): Trust {
  if (fingerprint !== undefined) return { mode: "pin", fingerprint };
  if (ca !== undefined) return { mode: "ca", ...ca };
  return verify ? { mode: "system" } : { mode: "none" };
}

function usageError(problems: readonly UsageError[], values: ReadonlyMap<string, string>): UsageError {
  const lines = problems.map((problem) => `- ${problem.message} ${problem.remedy ?? ""}`.trimEnd());
  return new UsageError(`The settings cannot be used:\n${withoutSecrets(lines.join("\n"), values)}`);
}

/** A secret pasted into the wrong variable would be quoted as its value; secrets of PVE are UUIDs. */
function withoutSecrets(text: string, values: ReadonlyMap<string, string>): string {
  const secrets = settingRows.flatMap((row) => "secret" in row ? values.get(row.variable) ?? [] : []);
  return secrets.filter((secret) => secret.length >= 8)
    .reduce((masked, secret) => masked.replaceAll(secret, "(not shown)"), text)
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, "(not shown)");
}
