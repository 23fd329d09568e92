/** `init`: guides from nothing to settings that work; with PROXMOX_…=value words, or without a terminal, it asks nothing. */
import { resolve } from "node:path";
import { closest } from "../config/closest.ts";
import { parsePort } from "../config/host.ts";
import { loadSettings } from "../config/load.ts";
import { settingRows } from "../config/settings.ts";
import { trustSystem } from "../confine/environment.ts";
import { exitCode } from "../doctor/check.ts";
import { UsageError } from "../errors.ts";
import { check, guide, problems } from "../init/guide.ts";
import { answers, COMPARE, hostValues, isUnknown, lacksPort, reach, wordsOf } from "../init/host.ts";
import { Cancelled, type Prompts, terminalPrompts } from "../init/prompts.ts";
import { type Values, whatIsAt, writeSettings } from "../init/settings_file.ts";
import { clients } from "../install/clients.ts";
import { offers } from "../safety/policy.ts";
import { chooseTools, toolsets } from "../safety/toolsets.ts";
import { tools } from "../tools/mod.ts";
import { installCommand } from "./install.ts";
import { clean, err, isTerminal, out } from "./terminal.ts";

export interface InitCommand {
  /** PROXMOX_…=value settings. */
  readonly words: readonly string[];
  /** Where the settings go; undefined for the usual place. */
  readonly output: string | undefined;
  /** The client to install into, too. */
  readonly client: string | undefined;
  /** Replace a file that is there; write settings that do not work yet. */
  readonly force: boolean;
}

/** The exit code of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

/** Returns the exit code: 0; 1 where the settings do not work and were not written; 130 after Ctrl-C. */
export async function initCommand(command: InitCommand): Promise<number> {
  // Deno builds its store of CAs once, at the first TLS connection.
  if (granted("DENO_TLS_CA_STORE")) trustSystem();
  if (command.words.length > 0 || !isTerminal("stdin") || !isTerminal("stdout")) return await unattended(command);
  let written: string | undefined;
  try {
    const prompts = await terminalPrompts(
      "Setting up proxmox-mcp. Ctrl-C ends it at any question",
      out,
    );
    // The role is made for the tools that are offered where the settings choose none; commands in guests are asked about.
    const offered = tools.filter(({ tier, toolset }) => toolsets[toolset].byDefault || tier === "exec");
    const values = await guide(prompts, offered);
    const path = await askPath(prompts, command, values);
    writeSettings(path, values, true);
    written = path;
    prompts.tell(`Written, for your eyes only: ${path}`);
    const client = command.client ?? await askClient(prompts);
    prompts.end(`To look at everything again: proxmox-mcp doctor --env-file ${path}`);
    if (client !== "none") install(client, path);
    return 0;
  } catch (error) {
    if (!(error instanceof Cancelled)) throw error;
    err(
      written === undefined
        ? "Cancelled. Nothing was written."
        : `Cancelled. No client was changed; the settings are in ${written}.`,
    );
    return INTERRUPTED;
  }
}

function granted(variable: string): boolean {
  return Deno.permissions.querySync({ name: "env", variable }).state === "granted";
}

function env(variable: string): string | undefined {
  const value = granted(variable) ? Deno.env.get(variable) : undefined;
  return value === "" ? undefined : value;
}

/** The place for a user's settings on this system. */
function usualPath(values: Values): string {
  const host = (values.PROXMOX_HOST ?? "pve").replaceAll(/[^A-Za-z0-9.-]/g, "_");
  const home = env("HOME") ?? env("USERPROFILE") ?? ".";
  const folder = Deno.build.os === "windows" ? env("APPDATA") ?? home : env("XDG_CONFIG_HOME") ?? `${home}/.config`;
  return resolve(folder, "proxmox-mcp", `${host}.env`);
}

/** Asks until there is a place that nothing is lost at. */
async function askPath(prompts: Prompts, { output, force }: InitCommand, values: Values): Promise<string> {
  for (let given = output;; given = undefined) {
    const path = resolve(given ?? await prompts.text("Where shall the settings go?", usualPath(values)));
    const there = whatIsAt(path);
    if (there === "nothing" || (there === "file" && (force || await prompts.confirm(`Replace ${path}?`)))) return path;
    if (there === "else") prompts.fault(`${path} is a link or no regular file: name another.`);
  }
}

async function askClient(prompts: Prompts): Promise<string> {
  return await prompts.choose("Put the server into a client now?", [
    { value: "none", label: "No", hint: "later: proxmox-mcp install --client NAME" },
    ...clients.map(({ id, title, way }) => ({
      value: String(id),
      label: title,
      hint: way === "written" ? "its file is edited" : "shows what to run or paste",
    })),
  ]);
}

function install(client: string, envFile: string): void {
  const rest = { name: undefined, file: undefined, inlineSecret: false, demo: false, words: [] };
  installCommand({ client, envFile, print: false, remove: false, list: false, force: false, ...rest });
}

/** The settings that were given: words over the environment, and the secret from stdin where it is nowhere else. */
async function givenValues(words: readonly string[]): Promise<Record<string, string>> {
  const names: readonly string[] = settingRows.map(({ variable }) => variable);
  const values: Record<string, string> = {};
  for (const name of names) {
    const value = env(name)?.trim();
    if (value !== undefined && value !== "") values[name] = value;
  }
  for (const word of words) {
    const [, name = "", value = ""] = /^([A-Z_]+)=(.*)$/s.exec(word) ?? [];
    if (!names.includes(name)) {
      const [given = ""] = word.split("=", 1);
      const near = closest(given.toUpperCase(), names);
      throw new UsageError(
        `${JSON.stringify(given)} is no setting.`,
        near === undefined ? "Write it as in PROXMOX_HOST=pve.lan." : `Did you mean ${near}?`,
      );
    }
    if (name === "PROXMOX_TOKEN_VALUE") {
      throw new UsageError(
        "The token's secret stands on the command line, where others can see it.",
        "Give it on stdin, or in the environment as PROXMOX_TOKEN_VALUE.",
      );
    }
    values[name] = value;
  }
  if (values.PROXMOX_TOKEN_VALUE === undefined && !isTerminal("stdin")) {
    const secret = (await new Response(Deno.stdin.readable).text()).trim();
    if (secret !== "") values.PROXMOX_TOKEN_VALUE = secret;
  }
  return values;
}

/** Settles trust where the settings do not: by the system's CAs, or not at all without a person. */
async function trusted(values: Record<string, string>): Promise<Record<string, string>> {
  const { PROXMOX_HOST: typed = "", PROXMOX_PORT: port } = values;
  const trust = ["PROXMOX_FINGERPRINT", "PROXMOX_CA_FILE", "PROXMOX_VERIFY_SSL"];
  const settled = trust.some((name) => values[name] !== undefined);
  if (settled && (port !== undefined || !lacksPort(typed))) return values;
  const reached = await reach(typed, port === undefined ? undefined : parsePort("PROXMOX_PORT", port));
  if (settled) return answers(reached) ? { ...values, ...hostValues(reached) } : values;
  const { probe } = reached;
  if (probe.reached === "trust") return { ...values, ...hostValues(reached), PROXMOX_VERIFY_SSL: "true" };
  const { certificate } = probe;
  if (certificate === undefined) throw new UsageError(wordsOf(reached));
  if (!isUnknown(probe)) throw new UsageError(wordsOf(reached));
  throw new UsageError(
    probe.failure?.message ?? "Its certificate does not verify",
    `Add PROXMOX_CA_FILE=pve-root-ca.pem (scp root@${reached.host}:/etc/pve/pve-root-ca.pem .), or, once you have compared it ` +
      `(${COMPARE}), PROXMOX_FINGERPRINT=${certificate.fingerprint}.`,
  );
}

async function unattended({ words, output, client, force }: InitCommand): Promise<number> {
  const given = await givenValues(words);
  if (given.PROXMOX_HOST === undefined) {
    throw new UsageError(
      "init asks nothing without a terminal, and PROXMOX_HOST is not set.",
      "Run it on a terminal, or as in proxmox-mcp init PROXMOX_HOST=pve.lan PROXMOX_USER='agent@pve!mcp' < secret.txt.",
    );
  }
  const values = await trusted(given);
  if (values.PROXMOX_CA_FILE !== undefined) values.PROXMOX_CA_FILE = resolve(values.PROXMOX_CA_FILE);
  const settings = loadSettings(values, undefined, (path) => Deno.readTextFileSync(path));
  const { target, missing, pool } = settings;
  if (target === undefined) {
    throw new UsageError(`Not given: ${missing.join(", ")}.`, "Give the secret on stdin, the others as NAME=value.");
  }
  const chosen = chooseTools(tools, settings.selection, settings.exec !== undefined).filter((tool) =>
    offers(tool, settings)
  );
  const { execChecks } = await import("../confine/doctor_job.ts");
  const checks = [
    ...await check(target, chosen, pool),
    ...await execChecks(settings.exec, target.timeoutSeconds),
  ];
  const bad = problems(checks);
  if (bad !== "") err(clean(bad));
  if (exitCode(checks) === 2 && !force) {
    err("Nothing was written. Do what it says, or add --force to write the settings as they are.");
    return 1;
  }
  const path = resolve(output ?? usualPath(values));
  writeSettings(path, values, force);
  out(`Written, for your eyes only: ${path}`);
  if (client === undefined) out(`Next: proxmox-mcp install --client NAME --env-file ${path}`);
  else install(client, path);
  return 0;
}
