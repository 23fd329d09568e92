/** Writes what the declarations already say into README.md, .env.example, docs/ and src/mcp/listed.gen.ts; with --check it only compares. */
import { z } from "zod";
import { settingRows } from "../src/config/settings.ts";
import type { SettingRow } from "../src/config/settings.ts";
import type { Tool } from "../src/tool.ts";
import { clients, type SecretWay } from "../src/install/clients.ts";
import { cursorLink, vscodeLink } from "../src/install/links.ts";
import { FORCED } from "../src/safety/exec_program.ts";
import { guarantee } from "../src/safety/guarantee.ts";
import { guaranteeDocument } from "./generate_guarantee.ts";
import { markdownTable } from "./markdown.ts";

/** What the table of tools is made from. */
export type ToolRow = Pick<Tool, "name" | "description" | "tier" | "input">;

const rows: readonly SettingRow[] = settingRows;

/** The table of settings in Markdown. */
export function settingsTable(): string {
  return markdownTable(
    ["Variable", "Default", "What it sets"],
    rows.map((row) => [
      `\`${row.variable}\``,
      row.required ? "required" : row.default === "" ? "" : `\`${row.default}\``,
      row.help,
    ]),
  );
}

/** The links that install with one click. */
export function installLinks(): string {
  return `- [Add to Cursor](${cursorLink("proxmox")})\n- [Add to VS Code](${vscodeLink("proxmox")})`;
}

/** The table of clients in Markdown. */
export function clientsTable(): string {
  const how = { written: "written for you", command: "a line to run", block: "a block to paste" };
  return markdownTable(
    ["Client", "`--client`", "How", "The token's secret"],
    clients.map(({ title, id, way, secret }) => [title, `\`${id}\``, how[way], secretText(secret)]),
  );
}

function secretText(secret: SecretWay): string {
  switch (secret.kind) {
    case "plain":
      return "in the file, or in a file of yours with `--env-file`";
    case "asked":
      return "asked for once, and kept by the client";
    default:
      return `taken from ${secret.where}`;
  }
}

/** The table of tools in Markdown: parameters in their order, optional ones in brackets, and the first sentence. */
export function toolsTable(tools: readonly ToolRow[]): string {
  return markdownTable(
    ["Tool", "Tier", "Parameters", "What it does"],
    tools.map((tool) => [
      `\`${tool.name}\``,
      tool.tier,
      parameters(tool.input),
      firstSentence(tool.description),
    ]),
  );
}

/** The text of .env.example: required variables are there to be filled in, the others are commented out. */
export function envExample(): string {
  const entries = rows.map((row) => `# ${row.help}\n${row.required ? "" : "# "}${row.variable}=${row.default}\n`);
  return [
    "# Copy to .env, which is read from the working directory if the environment sets no PROXMOX_* variable at all.\n",
    ...entries,
  ].join("\n");
}

/**
 * Replaces what stands between `<!-- generated: NAME -->` and the next `<!-- end -->`.
 * @throws Error if a marker is missing.
 */
export function replaceGenerated(text: string, name: string, content: string): string {
  const marker = `<!-- generated: ${name} -->`;
  const start = text.indexOf(marker);
  const end = start < 0 ? -1 : text.indexOf("<!-- end -->", start);
  if (end < 0) {
    throw new Error(`There is no ${marker} followed by <!-- end -->. Add both lines where the table belongs.`);
  }
  return `${text.slice(0, start + marker.length)}\n\n${content}\n\n${text.slice(end)}`;
}

/** Up to the first full stop that ends a word; "e.g." and the like end no sentence here, so descriptions avoid them. */
function firstSentence(description: string): string {
  return /^.*?[.!?](?=\s|$)/s.exec(description)?.[0] ?? description;
}

/** Tools that take more parameters than this are cut: `tools --json` lists all. */
const MOST_PARAMETERS = 10;

/** The names of the parameters, required ones first, optional ones in brackets, cut where there are many. */
function parameters(input: Tool["input"]): string {
  const schema = z.toJSONSchema(input, { io: "input" });
  const names = Object.keys(schema.properties ?? {});
  const required = names.filter((name) => schema.required?.includes(name));
  const shown = [...required, ...names.filter((name) => !required.includes(name)).map((name) => `[${name}]`)];
  const more = shown.length - MOST_PARAMETERS;
  return more > 1 ? `${shown.slice(0, MOST_PARAMETERS).join(", ")} and ${more} more` : shown.join(", ");
}

async function main(): Promise<void> {
  // Loaded here, so that the functions above can be tested without all tools.
  const { tools } = await import("../src/tools/mod.ts");
  const { toolsDocument } = await import("./generate_tools.ts");
  const { listedModule } = await import("./generate_listed.ts");
  const readme = Deno.readTextFileSync("README.md");
  const wanted = {
    "README.md": Object.entries({
      settings: settingsTable(),
      tools: toolsTable(tools),
      clients: clientsTable(),
      links: installLinks(),
    }).reduce((text, [name, content]) => replaceGenerated(text, name, content), readme),
    ".env.example": envExample(),
    "docs/guarantee.md": guaranteeDocument(guarantee(tools)),
    "docs/tools.md": toolsDocument(tools),
    "docs/proxmox-mcp-exec": FORCED,
    "src/mcp/listed.gen.ts": listedModule(tools),
  };
  const lagging = Object.entries(wanted).filter(([path, text]) => read(path) !== text);
  if (!Deno.args.includes("--check")) {
    for (const [path, text] of lagging) Deno.writeTextFileSync(path, text);
    return;
  }
  for (const [path] of lagging) report(`${path} lags behind the declarations. Run: deno task gen\n`);
  if (lagging.length > 0) Deno.exit(1);
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function report(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}

if (import.meta.main) await main();
