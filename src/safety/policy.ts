/** Whether a tool may be used under the present settings: pure, and asked for every call. */
import type { Tool } from "../tool.ts";

/** The settings that say what may be used. */
export interface PolicySettings {
  readonly readOnly: boolean;
}

export type Decision = { readonly allowed: true } | {
  readonly allowed: false;
  readonly reason: string;
  readonly remedy: string;
};

export function decide(tool: Pick<Tool, "name" | "tier">, settings: PolicySettings): Decision {
  if (settings.readOnly && tool.tier !== "read") {
    return {
      allowed: false,
      reason: `${tool.name} changes something, and this server only reads`,
      remedy: "The person who runs it has set PROXMOX_READ_ONLY=true",
    };
  }
  return { allowed: true };
}
