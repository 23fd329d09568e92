/** The command line that a client is to start the server with, and the environment it gives it. */
import { settingRows } from "../config/settings.ts";
import type { Client, Os, SecretWay, Server } from "./clients.ts";
import { pathsOf } from "./locate.ts";

/** How this program itself runs. */
export interface Program {
  readonly os: Os;
  /** The running executable: Deno, or this program where it is compiled. */
  readonly executable: string;
  /** The full path of main.ts; undefined where it is compiled. */
  readonly main: string | undefined;
  /** The version of Deno, for npx. */
  readonly deno: string;
}

/** What the server is to be started with. */
export interface Wishes {
  readonly demo: boolean;
  /** The full path of a file with settings that the server reads itself. */
  readonly envFile: string | undefined;
  /** The settings that do not stand in that file; secrets may be among them. */
  readonly values: Readonly<Record<string, string>>;
  /** What it connects to, as Deno's permission names it: PVE's host and port, and the SSH hosts' where exec is on. */
  readonly hosts: readonly string[];
  /** Files that the settings name and the server reads. */
  readonly reads: readonly string[];
  /** The audit log, which the server writes. */
  readonly writes: readonly string[];
  /** Whether the token's secret comes from somewhere else than that file. */
  readonly needsToken: boolean;
}

const secretVariables: readonly string[] = settingRows.flatMap((row) => "secret" in row ? [row.variable] : []);

/** Whether a setting is a secret. */
export function isSecret(variable: string): boolean {
  return secretVariables.includes(variable);
}

/**
 * The path to write into a configuration for an executable: package managers keep each version in a folder of its own, which
 * is gone after the next upgrade, beside a path that stays. `exists` says whether that one is there.
 */
export function stablePath(executable: string, exists: (path: string) => boolean): string {
  const homebrew = /^(.*)\/Cellar\/[^/]+\/[^/]+\/bin\/([^/]+)$/.exec(executable);
  const scoop = /^(.*[\\/]scoop[\\/]apps[\\/][^\\/]+[\\/])[^\\/]+([\\/].+)$/i.exec(executable);
  const stable = homebrew === null
    ? scoop === null ? executable : `${scoop[1]}current${scoop[2]}`
    : `${homebrew[1]}/bin/${homebrew[2]}`;
  return exists(stable) ? stable : executable;
}

/** The command line. A compiled program carries its permissions in it; Deno is told them. */
export function commandLine(program: Program, wishes: Wishes): { command: string; args: string[] } {
  const serve = [
    "serve",
    ...(wishes.demo ? ["--demo"] : []),
    ...(wishes.envFile === undefined ? [] : ["--env-file", wishes.envFile]),
  ];
  if (program.main === undefined) return { command: program.executable, args: serve };
  const path = pathsOf(program.os);
  const root = path.dirname(program.main);
  const run = [
    "run",
    "--no-prompt",
    "--quiet",
    "--cached-only",
    "--frozen",
    "--config",
    path.join(root, "deno.json"),
    "--allow-env",
    `--allow-read=${
      list([root, ...(wishes.envFile === undefined ? [] : [wishes.envFile]), ...wishes.reads, ...wishes.writes])
    }`,
    ...(wishes.hosts.length === 0 ? [] : [`--allow-net=${list(wishes.hosts)}`]),
    ...(wishes.writes.length === 0 ? [] : [`--allow-write=${list(wishes.writes)}`]),
    program.main,
    ...serve,
  ];
  // npx keeps Deno in a cache that it empties when it likes.
  if (!/[\\/]_npx[\\/]/.test(program.executable)) return { command: program.executable, args: run };
  const npx = ["-y", `deno@${program.deno}`, ...run];
  // On Windows npx is a script, which clients cannot start by itself.
  return program.os === "windows" ? { command: "cmd", args: ["/c", "npx", ...npx] } : { command: "npx", args: npx };
}

/** Deno separates paths and hosts by commas, and takes two for one that belongs to a path. */
function list(places: readonly string[]): string {
  return [...new Set(places)].map((place) => place.replaceAll(",", ",,")).join(",");
}

/** A secret that a client asks for: an element of VS Code's `inputs`. */
export interface Input {
  readonly [key: string]: unknown;
  readonly type: "promptString";
  readonly id: string;
  readonly description: string;
  readonly password: true;
}

/** An entry for a client, and what goes with it. */
export interface Installation {
  readonly server: Server;
  /** What the client asks a person for. */
  readonly inputs: readonly Input[];
  /** The secrets that stand in the entry in plain text. */
  readonly plain: readonly string[];
  /** The secrets that the entry refers to. */
  readonly referred: readonly string[];
}

/** What stands for a secret in something that is printed. */
export function placeholder(variable: string): string {
  return variable === "PROXMOX_TOKEN_VALUE"
    ? "<token-secret>"
    : `<${variable.slice(8).toLowerCase().replaceAll("_", "-")}>`;
}

/** The id of the question for a secret. */
export function inputId(name: string, variable: string): string {
  return `${name}-${variable.slice(8).toLowerCase().replaceAll("_", "-")}`;
}

/**
 * What to give to a client, with each secret in the way that `way` says; one that is not known is left out. `show` tells that
 * it is printed: then a placeholder stands where a secret would.
 */
export function installation(
  name: string,
  program: Program,
  wishes: Wishes,
  way: SecretWay,
  show: boolean,
): Installation {
  const given = Object.keys(wishes.values).filter(isSecret);
  const secrets = [...new Set([...given, ...(wishes.needsToken && !wishes.demo ? ["PROXMOX_TOKEN_VALUE"] : [])])]
    .sort();
  const env = Object.fromEntries(settingRows.flatMap(({ variable }) => {
    if (!secrets.includes(variable)) {
      const value = wishes.values[variable];
      return value === undefined ? [] : [[variable, value]];
    }
    if (way.kind === "listed") return [];
    if (way.kind === "asked") return [[variable, `\${input:${inputId(name, variable)}}`]];
    if (way.kind === "reference") return [[variable, way.template.replace("VAR", variable)]];
    const value = show ? placeholder(variable) : wishes.values[variable];
    return value === undefined ? [] : [[variable, value]];
  }));
  const plain = way.kind === "plain";
  return {
    server: { ...commandLine(program, wishes), env, secrets: way.kind === "listed" ? secrets : [] },
    inputs: way.kind === "asked" ? secrets.map((variable) => input(name, variable)) : [],
    plain: plain ? secrets : [],
    referred: plain ? [] : secrets,
  };
}

function input(name: string, variable: string): Input {
  const what = variable === "PROXMOX_TOKEN_VALUE" ? "Secret of the PVE API token" : variable;
  return { type: "promptString", id: inputId(name, variable), description: `${what} (${name})`, password: true };
}

/** The entry of a client, in the shape that it wants. */
export function entryOf(client: Client, name: string, { server }: Installation): Record<string, unknown> {
  return client.entry(name, server);
}
