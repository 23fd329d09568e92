/** Draws docs/tools.md from the declarations of the tools; generate_docs.ts writes and checks the file. */
import { z } from "zod";
import { toolsets } from "../src/safety/toolsets.ts";
import type { Tool } from "../src/tool.ts";
import { isRecord } from "../src/mcp/coerce.ts";
import { markdownTable, wrapped } from "./markdown.ts";
import { tokenTable, toolTokens } from "./tokens.ts";

/** The whole document. */
export function toolsDocument(tools: readonly Tool[]): string {
  const sets = Object.entries(toolsets).map(([name, { what, byDefault }]) => {
    const own = tools.filter(({ toolset }) => toolset === name);
    return `## Toolset \`${name}\`${byDefault ? " (on by default)" : ""}\n\n${what}.\n\n${
      own.map(toolText).join("\n\n")
    }`;
  });
  return `# The tools

<!-- Made by \`deno task gen\` from src/tools. Do not edit. -->

Every tool with all its parameters. \`PROXMOX_TOOLSETS\`, \`PROXMOX_TOOLS\` and \`PROXMOX_EXCLUDE_TOOLS\` choose among them,
\`PROXMOX_READ_ONLY=true\` leaves those of the tier read. A parameter in italics is taken and checked, and models are not
told of it, as they do without it.

${tokenTable()}

${sets.join("\n\n")}
`;
}

function toolText(tool: Tool): string {
  const needs = tool.privileges.map(({ path, any, when }) =>
    `${any.join(" or ")} on \`${path}\`${when === undefined ? "" : ` (${when})`}`
  );
  const facts = [
    `Tier ${tool.tier}; ${toolTokens(tool).sent} tokens.`,
    needs.length === 0 ? "Needs no privilege." : `Needs ${needs.join(", ")}.`,
  ];
  const rows = parameterRows(tool.input);
  const table = rows.length === 0
    ? "It takes no parameters."
    : markdownTable(["Parameter", "What it may be", "What it means"], rows);
  return `### \`${tool.name}\`\n\n${wrapped(tool.description)}\n\n${wrapped(facts.join(" "))}\n\n${table}`;
}

function parameterRows(input: Tool["input"]): string[][] {
  const schema = z.toJSONSchema(input, { io: "input" });
  const required: readonly string[] = schema.required ?? [];
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    if (!isRecord(field)) return [];
    const shown = field.untold === true ? `_${name}_` : `\`${name}\``;
    const settings = typeof field.keysAs === "string" ? `an object of settings, as \`${field.keysAs}\` takes them` : "";
    const meaning = typeof field.description === "string" ? field.description : "";
    return [[shown, settings || `${kindOf(field)}${required.includes(name) ? ", required" : ""}`, meaning]];
  });
}

/** What a parameter may be, in words. */
function kindOf(field: Readonly<Record<string, unknown>>): string {
  const { type, minimum, maximum, maxLength } = field;
  const preset = field.default === undefined ? "" : ` (left out: \`${JSON.stringify(field.default)}\`)`;
  if (Array.isArray(field.enum)) return `${field.enum.map((value) => `\`${value}\``).join(", ")}${preset}`;
  if (type === "integer" || type === "number") return `${minimum} to ${maximum}${preset}`;
  if (type === "boolean") return `true or false${preset}`;
  if (type === "string") return `text${maxLength === undefined ? "" : ` of at most ${maxLength} characters`}${preset}`;
  return `${type}${preset}`;
}
