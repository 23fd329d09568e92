/** MCPB bundles, which Claude Desktop and other clients install with a double click: one for each system. */
import { packExtension } from "@anthropic-ai/mcpb";
import { tools } from "../../src/tools/mod.ts";
import { NAME, VERSION } from "../../src/version.ts";
import { HOME, LICENSE, SUMMARY } from "./project.ts";
import { bundleOf, fileOf, type Target } from "./targets.ts";

/** Node's names for the systems, which MCPB takes. */
const PLATFORMS = { linux: "linux", macos: "darwin", windows: "win32" } as const;

/** What the client asks a person for, and the setting each answer becomes. A `${…}` that is left in place counts as not set. */
const questions = {
  host: {
    variable: "PROXMOX_HOST",
    type: "string",
    title: "PVE host",
    description: "A name or an address, as in pve.lan or 192.0.2.10; :8006 is added where no port is given",
    required: true,
  },
  user: {
    variable: "PROXMOX_USER",
    type: "string",
    title: "Token ID",
    description: "User and token name, as in agent@pve!mcp",
    required: true,
  },
  token: {
    variable: "PROXMOX_TOKEN_VALUE",
    type: "string",
    title: "Token secret",
    description: "What PVE showed when the token was made; the client keeps it in the system's store of secrets",
    required: true,
    sensitive: true,
  },
  fingerprint: {
    variable: "PROXMOX_FINGERPRINT",
    type: "string",
    title: "Certificate fingerprint",
    description: "SHA-256, AA:BB:…; with it, nothing is sent to a host that shows another certificate",
    required: false,
    default: "",
  },
  read_only: {
    variable: "PROXMOX_READ_ONLY",
    type: "boolean",
    title: "Only reading",
    description: "Offer only the tools that read",
    required: false,
    default: false,
  },
  protected: {
    variable: "PROXMOX_PROTECTED",
    type: "string",
    title: "Protected guests",
    description: "Guests that no call may change: numbers and tags, as in 100,101,tag:prod",
    required: false,
    default: "",
  },
} as const;

/** The manifest of the bundle for a target. */
export function mcpbManifest(target: Target): Record<string, unknown> {
  const executable = `server/${NAME}${target.os === "windows" ? ".exe" : ""}`;
  const asked = Object.entries(questions);
  return {
    // 0.4 is not known to older versions of Claude Desktop, and holds nothing that is needed here.
    manifest_version: "0.3",
    name: NAME,
    display_name: "Proxmox VE",
    version: VERSION,
    description: `${SUMMARY}.`,
    long_description:
      "Looks at a Proxmox VE cluster, switches guests on and off, creates, clones and configures them. No tool deletes " +
      `anything, and the process can reach nothing but the PVE host. For ${target.os} on ${target.arch}.`,
    author: { name: `${NAME} contributors`, url: HOME },
    repository: { type: "git", url: `${HOME}.git` },
    homepage: HOME,
    documentation: `${HOME}#readme`,
    support: `${HOME}/issues`,
    license: LICENSE,
    keywords: ["proxmox", "virtualization", "homelab"],
    server: {
      type: "binary",
      entry_point: executable,
      mcp_config: {
        command: `\${__dirname}/${executable}`,
        args: ["serve"],
        env: Object.fromEntries(asked.map(([key, { variable }]) => [variable, `\${user_config.${key}}`])),
      },
    },
    tools: tools.map(({ name, title }) => ({ name, description: title })),
    user_config: Object.fromEntries(asked.map(([key, { variable: _, ...question }]) => [key, question])),
    compatibility: { platforms: [PLATFORMS[target.os]] },
  };
}

/** Packs the executable in `folder` into a bundle beside it. @throws {Error} where the official tool refuses the manifest */
export async function packBundle(folder: string, target: Target): Promise<void> {
  const staging = await Deno.makeTempDir();
  try {
    const manifest = mcpbManifest(target);
    await Deno.mkdir(`${staging}/server`);
    const executable = `${staging}/server/${NAME}${target.os === "windows" ? ".exe" : ""}`;
    await Deno.copyFile(`${folder}/${fileOf(target)}`, executable);
    // The mode goes into the archive.
    if (Deno.build.os !== "windows") await Deno.chmod(executable, 0o755);
    await Deno.writeTextFile(`${staging}/manifest.json`, `${JSON.stringify(manifest, undefined, 2)}\n`);
    const outputPath = `${folder}/${bundleOf(target)}`;
    if (!await packExtension({ extensionPath: staging, outputPath, silent: true })) {
      throw new Error(`The MCPB tool refused the manifest of ${bundleOf(target)}; mcpb validate says why`);
    }
  } finally {
    await Deno.remove(staging, { recursive: true });
  }
}
