/** `tools`: the toolsets and their tools, what each costs a model and needs of the token, for people or as JSON. */
import { annotationsOf } from "../mcp/told.ts";
import { schemasOf } from "../mcp/schemas.ts";
import { type ToolsetName, toolsets } from "../safety/toolsets.ts";
import type { Tool } from "../tool.ts";
import { tools } from "../tools/mod.ts";
import { alignTable, out, styled } from "./terminal.ts";

/** Measured over all tools with o200k: characters of JSON for one token. */
const CHARACTERS_PER_TOKEN = 4;

const WIDEST = 70;

/** What a model is sent of a tool in every conversation, in tokens, about. */
function tokensOf(tool: Tool): number {
  const { name, description } = tool;
  const sent = JSON.stringify({ name, description, inputSchema: schemasOf(tool).input });
  return Math.round(sent.length / CHARACTERS_PER_TOKEN);
}

/** The privileges of which a tool needs all, as far as they fit; those of which it needs one are joined by "or". */
function needsOf(tool: Tool): string {
  const needs = [...new Set(tool.privileges.map(({ any }) => any.join(" or ")))].join(", ");
  return needs.length > WIDEST ? `${needs.slice(0, WIDEST)}…` : needs;
}

function toolsText(): string {
  const names = Object.keys(toolsets).filter((name): name is ToolsetName => Object.hasOwn(toolsets, name));
  return names.map((name) => {
    const { what, byDefault } = toolsets[name];
    const own = tools.filter(({ toolset }) => toolset === name);
    const sum = own.reduce((total, tool) => total + tokensOf(tool), 0);
    const rows = own.map((tool) => ({
      tool: tool.name,
      tier: tool.tier,
      tokens: tokensOf(tool),
      needs: needsOf(tool),
    }));
    const head = `${name}${byDefault ? " (on by default)" : ""}: ${own.length} tools, about ${sum} tokens`;
    return `${styled("bold", head)}\n${what}\n\n${alignTable(rows)}`;
  }).join("\n\n");
}

export function toolsCommand({ json }: { readonly json: boolean }): void {
  if (!json) {
    out(
      `${toolsText()}\n\nPROXMOX_TOOLSETS, PROXMOX_TOOLS and PROXMOX_EXCLUDE_TOOLS choose; --json shows all there is.`,
    );
    return;
  }
  const listed = tools.map((tool) => ({
    name: tool.name,
    title: tool.title,
    description: tool.description,
    tier: tool.tier,
    toolset: tool.toolset,
    tokens: tokensOf(tool),
    annotations: annotationsOf(tool),
    calls: tool.calls,
    privileges: tool.privileges,
    inputSchema: schemasOf(tool).input,
    outputSchema: schemasOf(tool).output,
  }));
  out(JSON.stringify(listed, undefined, 2));
}
