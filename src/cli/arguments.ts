/** Parses the command line: tables of commands and flags feed both the parser and --help. */
import { parseArgs } from "node:util";
import { closest } from "../config/closest.ts";
import { type SettingRow, settingRows } from "../config/settings.ts";
import { UsageError } from "../errors.ts";
import { parseInput } from "./input.ts";

const flags = {
  demo: { type: "boolean", usage: "--demo", help: "Use a simulated PVE in memory; uses no settings and no network" },
  json: { type: "boolean", usage: "--json", help: "Print the structured answer as JSON" },
  png: { type: "boolean", usage: "--png", help: "Write the picture of the answer to stdout, as in --png > chart.png" },
  port: { type: "string", usage: "--port N", help: "Listen on this port of the loopback interface" },
  "env-file": {
    type: "string",
    usage: "--env-file FILE",
    help: "Read settings from FILE; the environment wins over it",
  },
  confinement: {
    type: "boolean",
    usage: "--confinement",
    help: "Try from inside the server what must not work, and show what was refused",
  },
  elsewhere: {
    type: "string",
    usage: "--elsewhere HOST:PORT",
    help: "With --confinement: an address to try, where nothing must arrive (default: 192.0.2.1:443)",
  },
  trace: { type: "boolean", usage: "--trace", help: "Log each request to PVE on stderr" },
  client: { type: "string", usage: "--client NAME", help: "The client to install into; install --list names them" },
  name: {
    type: "string",
    usage: "--name NAME",
    help: "The name of the entry (default: proxmox); one for each cluster",
  },
  file: { type: "string", usage: "--file FILE", help: "The client's file, where it is not at its usual place" },
  output: {
    type: "string",
    usage: "--output FILE",
    help: "Where init writes the settings (default: the user's folder for settings)",
  },
  print: { type: "boolean", usage: "--print", help: "Print what belongs into the client's file, and write nothing" },
  remove: { type: "boolean", usage: "--remove", help: "Take the entry out again" },
  list: { type: "boolean", usage: "--list", help: "List the clients, their files, and where the entry is" },
  force: {
    type: "boolean",
    usage: "--force",
    help: "Change an entry that differs, make a folder that is missing; with init: replace the file, write what fails",
  },
  "inline-secret": {
    type: "boolean",
    usage: "--inline-secret",
    help: "Write the token's secret into the client's file, even where the client can refer to it",
  },
} as const;

type Flag = keyof typeof flags;

const commands = [
  {
    name: "init",
    usage: "init [PROXMOX_…=value …]",
    flags: ["output", "client", "force"],
    help: "Set up: find the host, settle trust, show the commands for a token, check it, write the settings",
  },
  {
    name: "serve",
    usage: "serve",
    flags: ["demo", "env-file", "trace"],
    help: "Serve MCP on stdin and stdout; the default when stdin is not a terminal",
  },
  { name: "demo", usage: "demo", flags: ["trace"], help: "Show a session against a simulated PVE" },
  {
    name: "call",
    usage: "call TOOL [key=value … | JSON]",
    flags: ["demo", "json", "png", "env-file", "trace"],
    help: "Call one tool and print its answer",
  },
  {
    name: "doctor",
    usage: "doctor",
    flags: ["confinement", "elsewhere", "demo", "json", "env-file", "trace"],
    help:
      "Check settings, connection, trust, token and privileges, and say what to do; exits with 0, 1 (worth a look) or 2",
  },
  { name: "tools", usage: "tools", flags: ["json"], help: "List the tools" },
  {
    name: "guarantee",
    usage: "guarantee",
    flags: ["json"],
    help: "Show every request this program can send, what it refuses, and what it does not promise",
  },
  {
    name: "install",
    usage: "install [PROXMOX_…=value …]",
    flags: ["client", "name", "file", "print", "remove", "list", "force", "inline-secret", "demo", "env-file"],
    help: "Put this server into a client's configuration, or print what belongs there",
  },
  { name: "simulate", usage: "simulate", flags: ["port"], help: "Serve a simulated PVE over HTTPS for other clients" },
  { name: "help", usage: "help", flags: [], help: "Show this help; the default on a terminal" },
] as const satisfies readonly {
  readonly name: string;
  readonly usage: string;
  readonly flags: readonly Flag[];
  readonly help: string;
}[];

/** What the command line asks for. */
export type Command =
  | {
    readonly command: "serve";
    readonly demo: boolean;
    readonly envFile: string | undefined;
    readonly trace: boolean;
  }
  | { readonly command: "demo"; readonly trace: boolean }
  | {
    readonly command: "call";
    readonly tool: string;
    readonly input: Readonly<Record<string, unknown>>;
    readonly demo: boolean;
    readonly json: boolean;
    readonly png: boolean;
    readonly envFile: string | undefined;
    readonly trace: boolean;
  }
  | {
    readonly command: "doctor";
    readonly confinement: boolean;
    readonly elsewhere: string | undefined;
    readonly demo: boolean;
    readonly json: boolean;
    readonly envFile: string | undefined;
    readonly trace: boolean;
  }
  | {
    readonly command: "init";
    readonly words: readonly string[];
    readonly output: string | undefined;
    readonly client: string | undefined;
    readonly force: boolean;
  }
  | { readonly command: "tools"; readonly json: boolean }
  | { readonly command: "guarantee"; readonly json: boolean }
  /** `port` is undefined where none was given. */
  | { readonly command: "simulate"; readonly port: number | undefined }
  /** Undefined stands for what was not given. */
  | {
    readonly command: "install";
    readonly client: string | undefined;
    readonly name: string | undefined;
    readonly file: string | undefined;
    readonly print: boolean;
    readonly remove: boolean;
    readonly list: boolean;
    readonly force: boolean;
    readonly inlineSecret: boolean;
    readonly demo: boolean;
    readonly envFile: string | undefined;
    readonly words: readonly string[];
  }
  | { readonly command: "help" }
  | { readonly command: "version" };

/**
 * Parses the arguments that follow the program's name.
 * @throws UsageError for an unknown command, an unknown or misplaced flag, and malformed arguments of a tool.
 */
export function parseArguments(args: readonly string[], stdinIsTerminal: boolean): Command {
  const { words, given } = split(args);
  if (given.has("help")) return { command: "help" };
  if (given.has("version")) return { command: "version" };
  const word = words[0] ?? (stdinIsTerminal && given.size === 0 ? "help" : "serve");
  const command = commands.find(({ name }) => name === word);
  if (command === undefined) {
    throw new UsageError(`There is no command ${JSON.stringify(word)}.`, hint(word, commands.map(({ name }) => name)));
  }
  const allowed: readonly string[] = command.flags;
  for (const name of given.keys()) {
    if (allowed.includes(name)) continue;
    const takers = commands.filter((one) => one.flags.some((flag) => flag === name)).map((one) => one.name);
    throw new UsageError(`--${name} does not go with ${command.name}.`, `It goes with: ${takers.join(", ")}.`);
  }
  const rest = words.slice(1);
  if (!["call", "init", "install"].includes(command.name) && rest.length > 0) {
    throw new UsageError(`${command.name} takes no argument, and ${JSON.stringify(rest[0])} was given.`, seeHelp);
  }
  const [demo, json, trace, envFile] = [
    given.has("demo"),
    given.has("json"),
    given.has("trace"),
    given.get("env-file"),
  ];
  switch (command.name) {
    case "serve":
      return { command: "serve", demo, envFile, trace };
    case "demo":
      return { command: "demo", trace };
    case "call":
      return { command: "call", ...parseCall(rest), demo, json, png: given.has("png"), envFile, trace };
    case "doctor":
      return {
        command: "doctor",
        confinement: given.has("confinement"),
        elsewhere: given.get("elsewhere"),
        demo,
        json,
        envFile,
        trace,
      };
    case "init":
      return {
        command: "init",
        words: rest,
        output: given.get("output"),
        client: given.get("client"),
        force: given.has("force"),
      };
    case "tools":
      return { command: "tools", json };
    case "guarantee":
      return { command: "guarantee", json };
    case "install":
      return {
        command: "install",
        client: given.get("client"),
        name: given.get("name"),
        file: given.get("file"),
        print: given.has("print"),
        remove: given.has("remove"),
        list: given.has("list"),
        force: given.has("force"),
        inlineSecret: given.has("inline-secret"),
        demo,
        envFile,
        words: rest,
      };
    case "simulate":
      return { command: "simulate", port: parsePortFlag(given.get("port")) };
    case "help":
      return { command: "help" };
  }
}

const seeHelp = "Run with --help to see how to call it.";

/** Words and flags, each flag once, known, and with a value exactly if it takes one. */
function split(args: readonly string[]): { words: string[]; given: Map<string, string | undefined> } {
  const options = { ...flags, help: { type: "boolean", short: "h" }, version: { type: "boolean" } } as const;
  // Not strict, and judged here: the errors of parseArgs name no remedy.
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const types = new Map(Object.entries(options).map(([name, { type }]) => [name, type]));
  const words: string[] = [];
  const given = new Map<string, string | undefined>();
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const type = types.get(token.name);
    if (type === undefined) {
      throw new UsageError(`There is no flag ${token.rawName}.`, hint(token.name, [...types.keys()], "--"));
    }
    if (type === "boolean" && token.value !== undefined) {
      throw new UsageError(`${token.rawName} takes no value.`, `Write ${token.rawName} alone.`);
    }
    if (type === "string" && (token.value === undefined || token.value === "" || isFlagLike(token))) {
      throw new UsageError(`${token.rawName} needs a value.`, `Write it as in ${token.rawName}=VALUE.`);
    }
    if (given.has(token.name)) throw new UsageError(`${token.rawName} is given twice.`, "Give it once.");
    given.set(token.name, token.value);
  }
  return { words, given };
}

/** Whether the value of a flag was taken from the next argument and looks like a flag itself. */
function isFlagLike(token: { value?: string | undefined; inlineValue?: boolean | undefined }): boolean {
  return token.inlineValue !== true && (token.value ?? "").startsWith("-");
}

function hint(word: string, known: readonly string[], dashes = ""): string {
  const meant = closest(word, known);
  return meant === undefined
    ? `There are: ${known.map((name) => dashes + name).join(", ")}.`
    : `Did you mean ${dashes}${meant}?`;
}

function parseCall(words: readonly string[]): { tool: string; input: Record<string, unknown> } {
  const [tool, ...rest] = words;
  if (tool === undefined) {
    throw new UsageError("call needs the name of a tool.", "Write it as in call vm_status vmid=102; tools lists them.");
  }
  return { tool, input: parseInput(rest) };
}

function parsePortFlag(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 65535) {
    throw new UsageError(
      `--port is ${JSON.stringify(text)}.`,
      "Give a whole number from 0 to 65535; 0 takes any free one.",
    );
  }
  return port;
}

/** The text of --help, without a newline at its end. */
export function helpText(): string {
  const rows: readonly SettingRow[] = settingRows;
  return [
    "proxmox-mcp: an MCP server for Proxmox VE. It has no tool that deletes.",
    "",
    "Commands:",
    ...columns(commands.map((command) => {
      const own = command.flags.map((flag) => ` [${flags[flag].usage}]`).join("");
      return [command.usage + own, command.help];
    })),
    "",
    "Flags:",
    ...columns([
      ...Object.values(flags).map((flag) => [flag.usage, flag.help] as const),
      ["--version", "Show the version"],
      ["-h, --help", "Show this help"],
    ]),
    "",
    "Settings (environment variables):",
    ...columns(rows.map((row) => {
      const note = row.required ? " (required)" : row.default === "" ? "" : ` (default: ${row.default})`;
      return [row.variable, row.help + note];
    })),
  ].join("\n");
}

/** Two indented columns; a left side that is too long gets a line of its own. */
function columns(pairs: readonly (readonly [string, string])[]): string[] {
  const width = 26;
  return pairs.map(([left, right]) =>
    left.length < width ? `  ${left.padEnd(width)}${right}` : `  ${left}\n  ${"".padEnd(width)}${right}`
  );
}
