/** Writes what is known of each tool without loading it, so that the server can list tools before it has loaded them. */
import { listed } from "../src/mcp/listed.ts";
import type { Tool } from "../src/tool.ts";

/** The module's text. */
export function listedModule(tools: readonly Tool[]): string {
  const rows = tools.map((tool) => `  ${JSON.stringify(listed(tool))},`);
  return `// Generated from src/tools by \`deno task gen\`. Do not edit.
import type { ListedTool } from "./listed.ts";

export const listedTools: readonly ListedTool[] = [
${rows.join("\n")}
];
`;
}
