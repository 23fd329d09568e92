/** The clients: where each keeps its servers, the shape of an entry, and how it can refer to a secret. */

/** Operating systems by Deno's names; every other one is treated as Linux. */
export type Os = "darwin" | "linux" | "windows";

/** What a client is to start: a program, its arguments, and its environment. */
export interface Server {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The variables that hold a secret and are not in `env`: the client refers to each in its own way. */
  readonly secrets: readonly string[];
}

/** How a client gets a secret that must not stand in its file. */
export type SecretWay =
  /** It can refer to nothing: the secret stands in the file. */
  | { readonly kind: "plain" }
  /** It asks once and keeps the answer in the system's store of secrets. */
  | { readonly kind: "asked" }
  /** `VAR` in `template` is replaced by the variable; `where` says from where the client takes the value. */
  | { readonly kind: "reference"; readonly template: string; readonly where: string }
  /** The entry lists the names of the variables; `where` says from where the client takes the values. */
  | { readonly kind: "listed"; readonly where: string };

/** One client. Paths: `~` is the home folder, `$CONFIG` is XDG_CONFIG_HOME or ~/.config. */
export interface Client {
  readonly id: string;
  readonly title: string;
  /** `written`: this program edits the file; `command`: it prints a line to run; `block`: it prints what to put into the file. */
  readonly way: "written" | "command" | "block";
  readonly files: Readonly<Record<Os, string>>;
  readonly format: "json" | "toml" | "yaml";
  /** The key of the file's root that holds the servers. */
  readonly container: string;
  /** Whether the servers are a map from names, or a list of entries with a name in each. */
  readonly listed?: boolean;
  readonly secret: SecretWay;
  /** The entry as the client wants it; `env` holds the references to secrets already. */
  entry(name: string, server: Server): Record<string, unknown>;
  /** What a person does next, one sentence. */
  readonly after: string;
}

function everywhere(file: string): Record<Os, string> {
  return { darwin: `~/${file}`, linux: `~/${file}`, windows: `~\\${file.replaceAll("/", "\\")}` };
}

/** `env` is left out where it is empty. */
function env(server: Server, key = "env"): Record<string, unknown> {
  return Object.keys(server.env).length === 0 ? {} : { [key]: server.env };
}

function plainEntry(_name: string, server: Server): Record<string, unknown> {
  return { command: server.command, args: server.args, ...env(server) };
}

function stdioEntry(_name: string, server: Server): Record<string, unknown> {
  return { type: "stdio", command: server.command, args: server.args, ...env(server) };
}

const shellOnly = "its own environment, which is not your shell's where it is started from a dock or a menu";

/** All clients, in the order in which they are listed. Facts are from each client's documentation as of November 2026. */
export const clients = [
  {
    id: "claude-desktop",
    title: "Claude Desktop",
    way: "written",
    // The Windows Store's variant is found in locate.ts.
    files: {
      darwin: "~/Library/Application Support/Claude/claude_desktop_config.json",
      linux: "$CONFIG/Claude/claude_desktop_config.json",
      windows: "%APPDATA%\\Claude\\claude_desktop_config.json",
    },
    format: "json",
    container: "mcpServers",
    secret: { kind: "plain" },
    entry: plainEntry,
    after: "Quit Claude Desktop completely (not only its window) and start it again.",
  },
  {
    id: "cursor",
    title: "Cursor",
    way: "written",
    files: everywhere(".cursor/mcp.json"),
    format: "json",
    container: "mcpServers",
    secret: { kind: "reference", template: "${env:VAR}", where: shellOnly },
    entry: stdioEntry,
    after: "Cursor shows it under Settings, MCP; switch it on there.",
  },
  {
    id: "vscode",
    title: "VS Code",
    way: "written",
    files: {
      darwin: "~/Library/Application Support/Code/User/mcp.json",
      linux: "$CONFIG/Code/User/mcp.json",
      windows: "%APPDATA%\\Code\\User\\mcp.json",
    },
    format: "json",
    container: "servers",
    secret: { kind: "asked" },
    entry: stdioEntry,
    after: "Run MCP: List Servers in VS Code's command palette and start it there.",
  },
  {
    id: "claude-code",
    title: "Claude Code",
    way: "command",
    files: everywhere(".claude.json"),
    format: "json",
    container: "mcpServers",
    secret: { kind: "reference", template: "VAR", where: "the shell that you run the command in" },
    entry: stdioEntry,
    after: "In Claude Code, /mcp shows it.",
  },
  {
    id: "windsurf",
    title: "Windsurf",
    way: "block",
    files: everywhere(".codeium/windsurf/mcp_config.json"),
    format: "json",
    container: "mcpServers",
    secret: { kind: "reference", template: "${env:VAR}", where: shellOnly },
    entry: plainEntry,
    after: "Refresh the MCP servers in Windsurf's Cascade panel.",
  },
  {
    id: "zed",
    title: "Zed",
    way: "block",
    files: {
      darwin: "~/.config/zed/settings.json",
      linux: "$CONFIG/zed/settings.json",
      windows: "%APPDATA%\\Zed\\settings.json",
    },
    format: "json",
    container: "context_servers",
    secret: { kind: "plain" },
    entry: plainEntry,
    after: "Zed's agent panel shows it in its settings.",
  },
  {
    id: "codex",
    title: "Codex",
    way: "block",
    files: everywhere(".codex/config.toml"),
    format: "toml",
    container: "mcp_servers",
    secret: { kind: "listed", where: "the environment that Codex is started in" },
    entry: (_name, server) => ({
      command: server.command,
      args: server.args,
      ...(server.secrets.length === 0 ? {} : { env_vars: server.secrets }),
      ...env(server),
    }),
    after: "In Codex, /mcp shows it.",
  },
  {
    id: "gemini-cli",
    title: "Gemini CLI",
    way: "block",
    files: everywhere(".gemini/settings.json"),
    format: "json",
    container: "mcpServers",
    secret: { kind: "reference", template: "${VAR}", where: "the environment that Gemini CLI is started in" },
    entry: plainEntry,
    after: "Start Gemini CLI again; /mcp shows it.",
  },
  {
    id: "goose",
    title: "Goose",
    way: "block",
    files: {
      darwin: "~/.config/goose/config.yaml",
      linux: "$CONFIG/goose/config.yaml",
      windows: "%APPDATA%\\Block\\goose\\config\\config.yaml",
    },
    format: "yaml",
    container: "extensions",
    secret: { kind: "listed", where: "its environment or the system's keyring (goose configure puts it there)" },
    entry: (name, server) => ({
      name,
      type: "stdio",
      enabled: true,
      cmd: server.command,
      args: server.args,
      timeout: 300,
      ...env(server, "envs"),
      ...(server.secrets.length === 0 ? {} : { env_keys: server.secrets }),
    }),
    after: "Start a new session in Goose.",
  },
  {
    id: "cline",
    title: "Cline",
    way: "block",
    files: everywhere(".cline/data/settings/cline_mcp_settings.json"),
    format: "json",
    container: "mcpServers",
    secret: { kind: "plain" },
    entry: plainEntry,
    after: "Older versions of Cline keep the file elsewhere: MCP Servers, Configure opens it.",
  },
  {
    id: "lm-studio",
    title: "LM Studio",
    way: "block",
    files: everywhere(".lmstudio/mcp.json"),
    format: "json",
    container: "mcpServers",
    secret: { kind: "plain" },
    entry: plainEntry,
    after: "LM Studio opens the file itself under Program, Install, Edit mcp.json.",
  },
  {
    id: "opencode",
    title: "opencode",
    way: "block",
    // opencode takes ~/.config on every operating system.
    files: {
      darwin: "~/.config/opencode/opencode.json",
      linux: "$CONFIG/opencode/opencode.json",
      windows: "~\\.config\\opencode\\opencode.json",
    },
    format: "json",
    container: "mcp",
    secret: { kind: "reference", template: "{env:VAR}", where: "the environment that opencode is started in" },
    entry: (_name, server) => ({
      type: "local",
      command: [server.command, ...server.args],
      enabled: true,
      ...env(server, "environment"),
    }),
    after: "From version 2 on, opencode wants the entry one level deeper, under mcp.servers.",
  },
  {
    id: "continue",
    title: "Continue",
    way: "block",
    files: everywhere(".continue/config.yaml"),
    format: "yaml",
    container: "mcpServers",
    listed: true,
    secret: { kind: "reference", template: "${{ secrets.VAR }}", where: "the file .continue/.env in your home folder" },
    entry: (name, server) => ({ name, type: "stdio", command: server.command, args: server.args, ...env(server) }),
    after: "Reload Continue's configuration; it offers tools in agent mode only.",
  },
] as const satisfies readonly Client[];

/** The client of this id, or undefined. */
export function clientOf(id: string): Client | undefined {
  return clients.find((client) => client.id === id);
}
