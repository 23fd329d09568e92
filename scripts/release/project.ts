/** What every release file says about the project: its home, its summary, and where a file of a version is downloaded. */
import { VERSION } from "../../src/version.ts";

/** The project's home; the formula, the manifests and the links in the bundles are made from it. */
export const HOME = "https://github.com/proxmox-mcp/proxmox-mcp";

/** The name in the MCP registry, which grants `io.github.OWNER/` to whoever can write to a repository of that owner. */
export const REGISTRY_NAME = HOME.replace("https://github.com/", "io.github.");

/** One sentence; Homebrew takes 80 characters and no full stop, the MCP registry 100. */
export const SUMMARY = "MCP server for Proxmox VE that creates and runs guests and cannot delete";

export const LICENSE = "MIT";

/** The git tag of a version. */
export function tagOf(version: string): string {
  return `v${version}`;
}

/** Where a file of this version is downloaded. */
export function downloadUrl(file: string): string {
  return `${HOME}/releases/download/${tagOf(VERSION)}/${file}`;
}
