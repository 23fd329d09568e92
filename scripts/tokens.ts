/** What the tools cost a model, in tokens of o200k; run by itself it prints the table (deno task tokens). */
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { out } from "../src/cli/terminal.ts";
import { schemasOf } from "../src/mcp/schemas.ts";
import { annotationsOf } from "../src/mcp/told.ts";
import { toolsets } from "../src/safety/toolsets.ts";
import type { Tool } from "../src/tool.ts";
import { tools } from "../src/tools/mod.ts";
import { figureTable, whole } from "./bench/figures.ts";

/** The tools of the server that this one re-creates; their budget is held by tests/tokens_test.ts. */
export const ORIGINAL_TOOLS: readonly string[] = [
  ...["list_nodes", "node_status", "cluster_resources", "list_vms", "list_containers", "vm_status", "container_status"],
  ...["vm_config", "container_config", "list_storage", "list_templates", "next_vmid", "allocate_vmid"],
  ...["start", "stop", "shutdown", "reboot"].flatMap((verb) => [`${verb}_vm`, `${verb}_container`]),
  ...["create", "clone"].flatMap((verb) => [`${verb}_vm`, `${verb}_container`]),
  ...["set_vm_config", "set_container_config"],
];

/** The tokens of a text, or of a value as JSON. */
export function tokensIn(value: unknown): number {
  return countTokens(typeof value === "string" ? value : JSON.stringify(value));
}

/** The tokens of one tool. `sent`: what clients put before a model in every conversation; `whole`: all of tools/list. */
export function toolTokens(tool: Tool): { readonly sent: number; readonly whole: number } {
  const { name, title, description } = tool;
  const { input, output } = schemasOf(tool);
  return {
    sent: tokensIn({ name, description, inputSchema: input }),
    whole: tokensIn({
      name,
      title,
      description,
      inputSchema: input,
      outputSchema: output,
      annotations: annotationsOf(tool),
    }),
  };
}

/** The tokens of several tools together. */
export function sumTokens(some: readonly Tool[]): { readonly sent: number; readonly whole: number } {
  return some.map(toolTokens).reduce((a, b) => ({ sent: a.sent + b.sent, whole: a.whole + b.whole }), {
    sent: 0,
    whole: 0,
  });
}

/** Groups of tools that have a budget, or a name in PROXMOX_TOOLSETS. */
export function tokenTable(): string {
  const groups: readonly (readonly [string, readonly Tool[]])[] = [
    ["the 27 tools of the original", tools.filter(({ name }) => ORIGINAL_TOOLS.includes(name))],
    ["the default toolsets", tools.filter(({ toolset }) => toolsets[toolset].byDefault)],
    ...Object.keys(toolsets).map((name) =>
      [`toolset ${name}`, tools.filter(({ toolset }) => toolset === name)] as const
    ),
    ["all tools", tools],
  ];
  return figureTable(
    "What the tools cost (tokens of o200k)",
    ["", "tools", "sent to a model", "whole tools/list"],
    groups.map(([what, some]) => {
      const sum = sumTokens(some);
      return [what, whole(some.length), whole(sum.sent), whole(sum.whole)];
    }),
  ).trimEnd();
}

if (import.meta.main) {
  out(tokenTable());
  const rows = tools.map((tool) => [tool.name, whole(toolTokens(tool).sent), whole(toolTokens(tool).whole)]);
  out(`\n${figureTable("Each tool", ["", "sent to a model", "whole"], rows)}`);
}
