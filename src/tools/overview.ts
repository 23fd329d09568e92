/** Tools that look at the cluster as a whole and at this server itself. */
import { z } from "zod";
import { PveError, Refusal, UsageError } from "../errors.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";

export const clusterStatus = defineTool({
  name: "cluster_status",
  title: "Cluster status",
  description:
    "Shows whether the cluster has quorum, and which of its nodes are online. For their load use list_nodes.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({}),
  output: z.object({
    cluster: z.string().optional(),
    quorate: z.boolean().optional(),
    nodes: z.array(z.object({
      node: z.string(),
      online: z.boolean().optional(),
      address: z.string().optional(),
    })),
    notes: params.notes,
  }),
  calls: ["GET /cluster/status"],
  privileges: [{ path: "/", any: ["Sys.Audit"] }],
  async run(_input, { pve, signal }) {
    const rows = await pve.call("GET /cluster/status", {}, { signal });
    const cluster = rows.find((row) => row.type === "cluster");
    const nodes = rows.filter((row) => row.type === "node")
      .map((row) => ({ node: row.name ?? "", online: row.online, address: row.ip }))
      .sort((a, b) => a.node < b.node ? -1 : 1);
    const offline = nodes.filter((row) => row.online === false).map((row) => row.node);
    const notes = [
      ...(cluster === undefined ? ["A single node, no cluster: there is no quorum to lose"] : []),
      ...(cluster?.quorate === false ? [NO_QUORUM] : []),
      ...(offline.length > 0 ? [`Offline: ${offline.join(", ")}`] : []),
    ];
    return { cluster: cluster?.name, quorate: cluster?.quorate, nodes, ...(notes.length > 0 ? { notes } : {}) };
  },
});

export const NO_QUORUM =
  "No quorum: PVE changes nothing until more than half of the nodes see each other again; a person has to bring nodes back";

/** The guarantee in one sentence. */
const GUARANTEE =
  "No request that deletes, replaces or rolls back guests, disks, snapshots or backups is ever sent; `proxmox-mcp guarantee` lists every request there can be";

const TRUST = {
  none: "none: the certificate is not verified (set PROXMOX_FINGERPRINT, PROXMOX_CA_FILE or PROXMOX_VERIFY_SSL)",
  system: "verified against the CAs of the operating system and Mozilla",
  ca: "verified against PROXMOX_CA_FILE",
  pin: "the certificate must have PROXMOX_FINGERPRINT",
  demo: "demo: a simulated PVE, nothing real is touched",
} as const;

export const serverInfo = defineTool({
  name: "server_info",
  title: "About this server",
  description: "Shows what this server is and may do: versions, PVE host, trust, toolsets, read-only, guarantee.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({}),
  output: z.object({
    server_version: z.string(),
    pve_version: z.string().optional(),
    host: z.string().optional(),
    identity: z.string().optional().describe("USER@REALM!TOKEN"),
    trust: z.string().optional(),
    settings_file: z.string(),
    read_only: z.boolean(),
    exec: z.boolean(),
    toolsets: z.array(z.string()),
    tools: z.number(),
    guarantee: z.string(),
    notes: params.notes,
  }),
  calls: ["GET /version"],
  privileges: [],
  async run(_input, { pve, signal, server }) {
    const notes: string[] = [];
    // Whatever keeps PVE from answering is worth telling here, and no reason to tell nothing.
    const version = await pve.call("GET /version", {}, { signal }).catch((error: unknown) => {
      const expected = error instanceof PveError || error instanceof UsageError || error instanceof Refusal;
      if (!expected || signal.aborted) throw error;
      const remedy = error instanceof PveError ? error.details.remedy : error.remedy;
      notes.push(`PVE does not answer: ${error.message}${remedy === undefined ? "" : `. ${remedy}`}`);
      return undefined;
    });
    return {
      server_version: server.version,
      pve_version: version?.version,
      host: server.host,
      identity: server.token,
      trust: server.trust === undefined ? undefined : TRUST[server.trust],
      settings_file: server.settingsFile ?? "none: the process environment",
      read_only: server.readOnly,
      exec: server.tools.some((tool) => tool.tier === "exec"),
      toolsets: [...new Set(server.tools.map((tool) => tool.toolset))].sort(),
      tools: server.tools.length,
      guarantee: GUARANTEE,
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});
