/** server.json, the entry in the MCP registry, and the facts of the registry's schema that it has to obey. */
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import { z } from "zod";
import { settingRows } from "../../src/config/settings.ts";
import { VERSION } from "../../src/version.ts";
import type { Sums } from "./checksums.ts";
import { downloadUrl, HOME, REGISTRY_NAME, SUMMARY } from "./project.ts";
import { bundleOf, targets } from "./targets.ts";

export const SERVER_FILE = "server.json";

/** The newest released schema. `release:dry` also holds the file against the schema itself, where it can be fetched. */
export const SCHEMA_URL = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json";

/**
 * What the schema and the registry's own rules ask for (docs/reference/server-json and internal/validators of
 * github.com/modelcontextprotocol/registry): an MCPB package has a SHA-256 and an https address that holds "mcp".
 */
export const serverSchema = z.strictObject({
  $schema: z.literal(SCHEMA_URL),
  name: z.string().min(3).max(200).regex(/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/),
  title: z.string().min(1).max(100),
  description: z.string().min(1).max(100),
  version: z.string().max(255).regex(/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/),
  websiteUrl: z.url({ protocol: /^https$/ }),
  repository: z.strictObject({ url: z.url({ protocol: /^https$/ }), source: z.literal("github") }),
  packages: z.array(z.strictObject({
    registryType: z.literal("mcpb"),
    identifier: z.url({ protocol: /^https$/, hostname: /^github\.com$/ }).regex(/mcp/i),
    version: z.string().min(1).max(255),
    fileSha256: z.string().regex(/^[a-f0-9]{64}$/),
    transport: z.strictObject({ type: z.literal("stdio") }),
    environmentVariables: z.array(z.strictObject({
      name: z.string(),
      description: z.string(),
      isRequired: z.boolean(),
      isSecret: z.boolean(),
      format: z.enum(["string", "number", "boolean", "filepath"]),
      default: z.string().optional(),
    })),
  })).min(1),
});

/** The entry. It lists the bundles that are in `sums`; without any it is undefined. */
export function serverJson(sums: Sums): z.infer<typeof serverSchema> | undefined {
  const packages = targets.flatMap((target) => {
    const fileSha256 = sums.get(bundleOf(target));
    return fileSha256 === undefined ? [] : [{
      registryType: "mcpb" as const,
      identifier: downloadUrl(bundleOf(target)),
      version: VERSION,
      fileSha256,
      transport: { type: "stdio" as const },
      environmentVariables: environment(),
    }];
  });
  if (packages.length === 0) return undefined;
  return serverSchema.parse({
    $schema: SCHEMA_URL,
    name: REGISTRY_NAME,
    title: "Proxmox VE",
    description: `${SUMMARY}.`,
    version: VERSION,
    websiteUrl: HOME,
    repository: { url: HOME, source: "github" },
    packages,
  });
}

function environment() {
  return settingRows.map((row) => ({
    name: row.variable,
    description: row.help,
    // PROXMOX_USER may hold the whole token id.
    isRequired: "required" in row && row.variable !== "PROXMOX_TOKEN_NAME",
    isSecret: "secret" in row,
    format: "string" as const,
    ...(row.default === "" ? {} : { default: row.default }),
  }));
}

/**
 * What the registry's own schema has against an entry; undefined: nothing.
 * @throws {Error} where the schema cannot be fetched
 */
export async function publishedSchemaFaults(text: string): Promise<string | undefined> {
  const response = await fetch(SCHEMA_URL, { signal: AbortSignal.timeout(15_000) });
  if (!response.ok) throw new Error(`${SCHEMA_URL} answers ${response.status}`);
  const schema = z.record(z.string(), z.unknown()).parse(await response.json());
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  return ajv.validate(schema, JSON.parse(text)) ? undefined : ajv.errorsText();
}
