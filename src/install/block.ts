/** What is printed for a person to put into a file or to run: JSON, TOML, YAML, or a line for a shell. */
import { stringify as toml } from "smol-toml";
import { stringify as yaml } from "yaml";
import type { Client, Os, Server } from "./clients.ts";

/** The part of a client's file that holds the entry, from the file's root on. */
export function blockFor(
  client: Client,
  name: string,
  entry: Readonly<Record<string, unknown>>,
  inputs: readonly Readonly<Record<string, unknown>>[],
): string {
  const servers = client.listed === true ? [entry] : { [name]: entry };
  const root = { [client.container]: servers, ...(inputs.length === 0 ? {} : { inputs }) };
  switch (client.format) {
    case "json":
      return JSON.stringify(root, undefined, 2);
    case "toml":
      return toml(root).trimEnd();
    case "yaml":
      return yaml(root, { lineWidth: 0 }).trimEnd();
  }
}

/**
 * The line that registers the server with Claude Code, for a POSIX shell or for PowerShell. The variables in `referred` are
 * taken from the shell, so that no secret gets into its history.
 */
export function claudeLine(name: string, server: Server, referred: readonly string[], os: Os): string {
  const quote = os === "windows" ? quotePowerShell : quotePosix;
  const variable = (one: string) => os === "windows" ? `"${one}=$env:${one}"` : `"${one}=$${one}"`;
  const env = Object.entries(server.env).flatMap(([key, value]) => [
    "--env",
    referred.includes(key) ? variable(key) : quote(`${key}=${value}`),
  ]);
  // The name stands first: --env takes every word that follows it.
  return ["claude mcp add --scope user", name, ...env, "--", quote(server.command), ...server.args.map(quote)].join(
    " ",
  );
}

/** One word of a POSIX shell's command line. */
export function quotePosix(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** One word of PowerShell's command line; it takes typographic apostrophes for the plain one. */
export function quotePowerShell(word: string): string {
  return /^[\w+=:./\\-]+$/.test(word) && !word.startsWith("-")
    ? word
    : `'${word.replace(/['\u2018-\u201b]/g, "$&$&")}'`;
}
