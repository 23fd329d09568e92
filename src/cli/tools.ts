/** `tools`: what clients are offered, for people or as JSON. */
import { annotationsOf } from "../mcp/server.ts";
import { schemasOf } from "../mcp/schemas.ts";
import { tools } from "../tools/mod.ts";
import { alignTable, out } from "./terminal.ts";

export function toolsCommand({ json }: { readonly json: boolean }): void {
  if (!json) {
    const rows = tools.map(({ name, tier, description }) => ({
      name,
      tier,
      description: description.split(/(?<=\.)\s/)[0],
    }));
    out(alignTable(rows));
    return;
  }
  const listed = tools.map((tool) => ({
    name: tool.name,
    title: tool.title,
    description: tool.description,
    tier: tool.tier,
    toolset: tool.toolset,
    annotations: annotationsOf(tool),
    calls: tool.calls,
    privileges: tool.privileges,
    inputSchema: schemasOf(tool).input,
    outputSchema: schemasOf(tool).output,
  }));
  out(JSON.stringify(listed, undefined, 2));
}
