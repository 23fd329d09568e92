/** `install`: puts this server into a client's configuration, or prints what belongs there; it starts nothing. */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { closest } from "../config/closest.ts";
import { UsageError } from "../errors.ts";
import { blockFor, claudeLine } from "../install/block.ts";
import { differences, merged } from "../install/changes.ts";
import { type Client, clientOf, clients, type SecretWay } from "../install/clients.ts";
import { added, entriesFor, removed, slotOf } from "../install/entry.ts";
import { isRecord, read } from "../install/jsonc.ts";
import { fileOf, isClaudeRunning, type System } from "../install/locate.ts";
import { entryOf, installation, type Program, stablePath, type Wishes } from "../install/server.ts";
import { backupOf, backupPath, discard, load, replace, type Stored, textOf } from "../install/store.ts";
import { demoWishes, wishesFrom } from "../install/wishes.ts";
import { gatherSettings } from "./settings.ts";
import { alignTable, askYesNo, clean, err, isTerminal, out } from "./terminal.ts";

/** What the command line asks for. */
export interface InstallOptions {
  readonly client: string | undefined;
  /** The name of the entry; undefined for the usual one. */
  readonly name: string | undefined;
  /** The client's file, where it is not at its usual place. */
  readonly file: string | undefined;
  readonly print: boolean;
  readonly remove: boolean;
  readonly list: boolean;
  readonly force: boolean;
  readonly inlineSecret: boolean;
  readonly demo: boolean;
  readonly envFile: string | undefined;
  /** NAME=value settings. */
  readonly words: readonly string[];
}

/** Everything about one call of the command. */
interface Job {
  readonly client: Client;
  readonly name: string;
  /** As it was given or worked out: links are not followed yet. */
  readonly file: string;
  readonly system: System;
  readonly options: InstallOptions;
}

/** @throws {UsageError} for an unknown client, settings that are wrong, and a file that cannot be changed safely */
export function installCommand(options: InstallOptions): void {
  const system = thisSystem();
  if (options.list) return list(options, system);
  const client = chosen(options.client);
  const name = entryName(options.name);
  const file = options.file === undefined ? fileOf(client, system) : resolve(options.file);
  const job: Job = { client, name, file, system, options };
  if (options.remove) return remove(job);
  if (options.print || client.way !== "written") return print(job);
  write(job);
}

function chosen(id: string | undefined): Client {
  const ids = clients.map((client) => client.id).join(", ");
  if (id === undefined) throw new UsageError("install needs a client.", `Name one with --client: ${ids}.`);
  const client = clientOf(id);
  if (client !== undefined) return client;
  const meant = closest(id, clients.map((one) => one.id));
  throw new UsageError(
    `There is no client ${JSON.stringify(id)}.`,
    meant === undefined
      ? `There are: ${ids}. For another one, --print --client cursor shows the usual form.`
      : `Did you mean ${meant}?`,
  );
}

/** Clients build the names of tools from it, and Cursor allows 60 characters for both together. */
function entryName(name = "proxmox"): string {
  if (/^[A-Za-z][A-Za-z0-9_-]{0,23}$/.test(name)) return name;
  throw new UsageError(
    `--name is ${JSON.stringify(name)}.`,
    "Give up to 24 letters, digits, - and _, with a letter first, as in proxmox-lab.",
  );
}

function write(job: Job): void {
  const { client, name, file, system, options } = job;
  const stored = load(file);
  if (stored.bytes === undefined && !system.isFolder(dirname(file))) missingFolder(job);
  const { text, mark } = textOf(stored);
  const old = read(text, slotOf(client, name), file);
  const way: SecretWay = options.inlineSecret ? { kind: "plain" } : client.secret;
  const made = installation(name, program(system), wishes(options, false), way, false);
  const value = merged(old, entryOf(client, name, made));
  const env = isRecord(value.env) ? value.env : {};
  const lost = made.plain.filter((variable) => typeof env[variable] !== "string");
  if (lost.length > 0) {
    throw new UsageError(
      `${lost.join(", ")} is not set, and ${client.title} can take it from its file only.`,
      "Set it in the environment, or name a file of settings with --env-file: then no secret stands in the client's file.",
    );
  }
  // A question of this id that somebody has worded anew is left so.
  const inputs = made.inputs.filter(({ id }) =>
    !isRecord(read(text, { container: "inputs", kind: "array", key: id }, file))
  );
  const after = added(text, entriesFor(client, name, value, inputs), file);
  if (after === text) {
    return out(`${name} is already in ${client.title}, as it should be. Nothing was changed: ${stored.path}`);
  }
  const changes = old === undefined ? [] : differences(old, value);
  if (changes.length > 0) agree(job, changes);
  const backup = backupPath(stored.path, name, old !== undefined);
  if (options.force) Deno.mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  replace(stored, new TextEncoder().encode(mark + after), backup);
  out(clean(`${old === undefined ? `Added ${name} to` : `Changed ${name} in`} ${client.title}: ${file}`));
  report(job, stored, made.plain, made.referred, way);
  if (stored.bytes !== undefined) out(clean(`The file as it was before: ${backup}`));
  if (client.id === "claude-desktop" && isClaudeRunning(file, system)) {
    out(
      "Claude Desktop seems to be running. It writes this file again when it quits, and may lose the new entry: quit it, then run this again.",
    );
  }
  out(`What to do next: ${client.after}`);
}

/** @throws {UsageError} unless the folder is to be made */
function missingFolder({ client, file, options }: Job): void {
  if (options.force) return;
  throw new UsageError(
    `${client.title} does not seem to be installed: there is no folder ${dirname(file)}.`,
    "Start it once, which makes the folder; or name its file with --file; or make the folder with --force.",
  );
}

/** @throws {UsageError} unless the person who runs this agrees */
function agree({ client, name, options }: Job, changes: readonly string[]): void {
  err(clean(`${client.title} has another entry ${name}. It would change like this:\n${changes.join("\n")}`));
  if (options.force) return;
  if (isTerminal("stdin") && isTerminal("stderr") && askYesNo("Change it?")) return;
  throw new UsageError(
    `${name} in ${client.title} was left as it is.`,
    "Run this again with --force to change it, or with --name NAME to add another cluster beside it.",
  );
}

/** Says where the secret is now, and what that means. */
function report(job: Job, stored: Stored, plain: readonly string[], referred: readonly string[], way: SecretWay): void {
  if (stored.linked) out(clean(`That is a link; the file behind it was changed: ${stored.path}`));
  if (plain.length > 0) {
    out(
      `The file holds ${plain.join(", ")} in plain text${
        stored.linked ? ", and may be part of a folder that you share" : ""
      }.`,
    );
    const mode = stored.info?.mode ?? 0;
    if (Deno.build.os !== "windows" && (mode & 0o044) !== 0) {
      out(clean(`Other users of this computer can read it. To prevent that: chmod 600 ${JSON.stringify(stored.path)}`));
    }
  }
  if (referred.length > 0 && way.kind === "asked") {
    out(`${job.client.title} asks for ${referred.join(", ")} and keeps it safe.`);
  }
  if (referred.length > 0 && (way.kind === "reference" || way.kind === "listed")) {
    const other = job.client.way === "written"
      ? " Or put it into a file that --env-file names, or use --inline-secret."
      : "";
    out(`${job.client.title} takes ${referred.join(", ")} from ${way.where}: set it there.${other}`);
  }
}

function remove(job: Job): void {
  const { client, name, file, options } = job;
  if (client.id === "claude-code") return out(`claude mcp remove --scope user ${name}`);
  if (client.way !== "written" || options.print) {
    return out(clean(`Remove ${name} from ${client.container} in ${file}`));
  }
  const stored = load(file);
  const { text, mark } = textOf(stored);
  if (read(text, slotOf(client, name), file) === undefined) {
    return out(clean(`${name} is not in ${client.title}. Nothing was changed: ${stored.path}`));
  }
  const backup = backupOf(stored.path, name);
  const before = backup === undefined
    ? undefined
    : textOf({ ...stored, path: backupPath(stored.path, name), bytes: backup });
  const after = removed(text, client, name, file, before?.text);
  if (after === undefined) discard(stored.path);
  else replace(stored, new TextEncoder().encode((before?.text === after ? before : { mark }).mark + after), undefined);
  // The one from before a change holds the entry still, and with it a secret.
  discard(backupPath(stored.path, name, true));
  if (after === undefined || after === before?.text) discard(backupPath(stored.path, name));
  out(clean(`Removed ${name} from ${client.title}: ${file}${after === undefined ? " (nothing else was in it)" : ""}`));
  if (client.id === "claude-desktop" && isClaudeRunning(file, job.system)) {
    out("Claude Desktop seems to be running. It writes this file again when it quits: quit it, then run this again.");
  }
}

function print(job: Job): void {
  const { client, name, file, system, options } = job;
  // Claude Code's line takes secrets from the shell's variables.
  const way: SecretWay = options.inlineSecret ? { kind: "plain" } : client.secret;
  const made = installation(name, program(system), wishes(options, true), way, true);
  if (client.way === "command") {
    const from = made.referred.length === 0
      ? ""
      : `, with ${
        made.referred.join(", ")
      } set in the shell; it ends up in ${file}, and stays out of it with --env-file FILE`;
    err(clean(`Run this line${from}:`));
    out(claudeLine(name, made.server, made.referred, system.os));
  } else {
    err(clean(`This belongs into ${file}, beside what is there:`));
    out(blockFor(client, name, entryOf(client, name, made), made.inputs));
    if (made.plain.length > 0) {
      err(`Put the secret itself in the place of <…>; ${client.title} can take it from its file only.`);
    } else if (made.referred.length > 0 && way.kind !== "asked" && "where" in way) {
      err(`${client.title} takes ${made.referred.join(", ")} from ${way.where}: set it there.`);
    }
  }
  err(`What to do next: ${client.after}`);
}

function list(options: InstallOptions, system: System): void {
  const name = entryName(options.name);
  out(
    alignTable(
      clients.map((client) => ({
        client: client.id,
        how: client.way,
        state: stateOf(client, name, system),
        file: place(client, system),
      })),
    ),
  );
}

function place(client: Client, system: System): string {
  try {
    return fileOf(client, system);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

/** What can be said of a client in a word or two. */
function stateOf(client: Client, name: string, system: System): string {
  try {
    const file = fileOf(client, system);
    const stored = load(file);
    if (stored.bytes === undefined) return system.isFolder(dirname(file)) ? "found" : "not found";
    if (client.format !== "json") return "found";
    return read(textOf(stored).text, slotOf(client, name), file) === undefined ? "found" : `has ${name}`;
  } catch (error) {
    if (error instanceof UsageError) return "unreadable";
    throw error;
  }
}

function wishes(options: InstallOptions, example: boolean): Wishes {
  if (options.demo) return demoWishes;
  const { sources } = gatherSettings(options.envFile);
  // Settings on the command line stand alone: a .env that happens to lie in this folder is not meant.
  const file = options.envFile === undefined && options.words.length > 0 ? undefined : sources.file;
  return wishesFrom({ env: sources.env, words: options.words, file }, (path) => Deno.readTextFileSync(path), example);
}

function program({ os }: System): Program {
  const executable = stablePath(Deno.execPath(), isFile);
  const main = Deno.build.standalone ? undefined : fileURLToPath(Deno.mainModule);
  return { os, executable, main, deno: Deno.version.deno };
}

function thisSystem(): System {
  const { os } = Deno.build;
  return {
    os: os === "darwin" || os === "windows" ? os : "linux",
    env: (name) => {
      if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") return undefined;
      const value = Deno.env.get(name);
      return value === "" ? undefined : value;
    },
    isFolder: (path) => infoOf(path)?.isDirectory === true,
    names: (folder) => {
      try {
        return [...Deno.readDirSync(folder)].map((entry) => entry.name);
      } catch {
        return [];
      }
    },
  };
}

function isFile(path: string): boolean {
  return infoOf(path)?.isFile === true;
}

function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}
