/** The links that put the installed program into Cursor or VS Code with one click; no setting and no secret stands in them. */
import { settingRows } from "../config/settings.ts";
import { clientOf } from "./clients.ts";
import { type Input, inputId } from "./server.ts";

/** The program as package managers put it on the PATH. */
const command = { command: "proxmox-mcp", args: ["serve"] } as const;

const required = settingRows.filter((row) => "required" in row && row.variable !== "PROXMOX_TOKEN_NAME");

/** Cursor shows the entry before it takes it. It fills in what its environment has; what is left counts as not set. */
export function cursorLink(name: string): string {
  const env = Object.fromEntries(required.map(({ variable }) => [variable, `\${env:${variable}}`]));
  const config = JSON.stringify(clientOf("cursor")?.entry(name, { ...command, env, secrets: [] }));
  return `https://cursor.com/install-mcp?name=${name}&config=${encoded(btoa(config))}`;
}

/** VS Code asks for each value when the server starts for the first time. A web page may not link to `vscode:` itself. */
export function vscodeLink(name: string): string {
  const inputs = required.map((row): Input | Omit<Input, "password"> => ({
    type: "promptString",
    id: inputId(name, row.variable),
    description: row.variable === "PROXMOX_USER" ? "The token's id, as in agent@pve!mcp" : row.help,
    ...("secret" in row ? { password: true } : {}),
  }));
  const env = Object.fromEntries(required.map(({ variable }) => [variable, `\${input:${inputId(name, variable)}}`]));
  const config = clientOf("vscode")?.entry(name, { ...command, env, secrets: [] });
  const query = { name, inputs: JSON.stringify(inputs), config: JSON.stringify(config) };
  const text = Object.entries(query).map(([key, value]) => `${key}=${encoded(value)}`).join("&");
  return `https://vscode.dev/redirect/mcp/install?${text}`;
}

/** As encodeURIComponent, and brackets, too: they would end a link in Markdown. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}
