/** Reads from the settings what a client has to be told, and checks them as the server will. */
import { isAbsolute, resolve } from "node:path";
import { parseEnv } from "node:util";
import { loadSettings, type SettingsFile } from "../config/load.ts";
import { settingRows, type Settings } from "../config/settings.ts";
import { UsageError } from "../errors.ts";
import { isSecret, type Wishes } from "./server.ts";

/** Where settings come from. */
export interface Given {
  /** The PROXMOX_* variables of the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** NAME=value words of the command line, which win over the environment. */
  readonly words: readonly string[];
  readonly file: SettingsFile | undefined;
}

/** What stands for a setting that is missing in something that is only printed. */
const examples: Readonly<Record<string, string>> = {
  PROXMOX_HOST: "pve.lan",
  PROXMOX_USER: "agent@pve",
  PROXMOX_TOKEN_NAME: "mcp",
};

/**
 * What the server is to be started with. The token may be missing: some clients ask for it. `example` fills in what is missing
 * instead of complaining.
 * @throws {UsageError} for settings that are wrong or missing, and a secret on the command line
 */
export function wishesFrom(given: Given, readFile: (path: string) => string, example: boolean): Wishes {
  const fromFile = given.file === undefined ? {} : parseEnv(given.file.content.replace(/^\uFEFF/, ""));
  const own: Record<string, string> = { ...given.env, ...parseWords(given.words) };
  const known = (values: Readonly<Record<string, string | undefined>>, name: string) =>
    (values[name] ?? "").trim() !== "";
  const needsToken = !known(own, "PROXMOX_TOKEN_VALUE") && !known(fromFile, "PROXMOX_TOKEN_VALUE");
  const reads: string[] = [];
  const load = (): Settings => {
    reads.length = 0;
    // Whether the token is there is judged apart; with any value the rest can be.
    const env = needsToken ? { ...own, PROXMOX_TOKEN_VALUE: "later" } : own;
    return loadSettings(env, given.file, (path) => {
      reads.push(path);
      return readFile(path);
    });
  };
  let settings = load();
  if (settings.missing.length > 0 && example) {
    for (const name of settings.missing) own[name] = examples[name] ?? "";
    settings = load();
  }
  const { target, missing } = settings;
  if (target === undefined) {
    throw new UsageError(
      `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not set.`,
      "Set them in the environment, give them as NAME=value, or name a file of settings with --env-file; --demo needs none.",
    );
  }
  // The client starts the server in another folder.
  for (const [name, value] of Object.entries({ ...fromFile, ...own })) {
    const path = value?.trim() ?? "";
    if (reads.includes(path) && !isAbsolute(path)) own[name] = resolve(path);
  }
  const values = Object.fromEntries(settingRows.flatMap(({ variable }) => {
    const value = (own[variable] ?? "").trim();
    return value === "" || /^\$\{[^}]*\}$/.test(value) ? [] : [[variable, value]];
  }));
  return {
    demo: false,
    envFile: given.file === undefined ? undefined : resolve(given.file.path),
    values,
    hosts: [target, ...settings.exec?.ssh?.hosts ?? []].map(({ host, port }) =>
      `${host.includes(":") ? `[${host}]` : host}:${port}`
    ),
    reads: reads.map((path) => resolve(path)),
    writes: settings.auditFile === undefined ? [] : [settings.auditFile],
    needsToken,
  };
}

/** What `--demo` starts: a simulated PVE, without any setting. */
export const demoWishes: Wishes = {
  demo: true,
  envFile: undefined,
  values: {},
  hosts: [],
  reads: [],
  writes: [],
  needsToken: false,
};

function parseWords(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => {
    const at = word.indexOf("=");
    const name = word.slice(0, Math.max(0, at));
    if (isSecret(name)) {
      throw new UsageError(
        `${name} is a secret, and the command line is kept in the shell's history.`,
        "Put it into the environment or into a file that --env-file names.",
      );
    }
    if (!settingRows.some(({ variable }) => variable === name)) {
      throw new UsageError(
        `${at < 0 ? "A word" : name} is no setting.`,
        "Write settings as in PROXMOX_HOST=pve.lan; --help shows them all.",
      );
    }
    return [name, word.slice(at + 1)];
  }));
}
