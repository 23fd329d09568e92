/** Name and version of the program: the one place they come from is deno.json. */
import config from "../deno.json" with { type: "json" };

export const NAME = "proxmox-mcp";
export const VERSION: string = config.version;
