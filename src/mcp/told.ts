/** What the server tells of itself and of its tools, for all who tell it: the SDK's server, and the greeting before it. */
import type { ToolAnnotations } from "@modelcontextprotocol/server";
import { onlyAdds } from "../safety/policy.ts";
import type { Dispatch } from "./dispatch.ts";
import type { ListedTool } from "./listed.ts";
import { offeredPrompts } from "./prompts.ts";
import { offeredResources } from "./resource_kinds.ts";

/** Lists are the same for the life of the process; what they name is read again each time. */
export const CACHE_HINTS = {
  "server/discover": { ttlMs: 300_000, cacheScope: "private" },
  "tools/list": { ttlMs: 300_000, cacheScope: "private" },
  "prompts/list": { ttlMs: 300_000, cacheScope: "private" },
  "resources/list": { ttlMs: 300_000, cacheScope: "private" },
  "resources/templates/list": { ttlMs: 300_000, cacheScope: "private" },
  "resources/read": { ttlMs: 2000, cacheScope: "private" },
} as const;

/** What there is does not change while the process lives: no listChanged. */
export function capabilitiesOf(dispatch: Pick<Dispatch, "offered">) {
  return {
    tools: { listChanged: false },
    ...(offeredResources(dispatch).length === 0 ? {} : { resources: { subscribe: true } }),
    ...(offeredPrompts(dispatch).length === 0 ? {} : { prompts: {} }),
    completions: {},
  };
}

/**
 * Hints for clients, derived from the tier; what is the protocol's default (destructive, not idempotent, open world) or
 * means nothing beside readOnlyHint is not sent. Destructive in the protocol's sense: not purely additive.
 */
export function annotationsOf(tool: Pick<ListedTool, "name" | "tier" | "idempotent">): ToolAnnotations {
  if (tool.tier === "read") return { readOnlyHint: true, openWorldHint: false };
  return {
    ...(onlyAdds(tool) ? { destructiveHint: false } : {}),
    ...(tool.idempotent === true ? { idempotentHint: true } : {}),
    ...(tool.tier === "exec" ? {} : { openWorldHint: false }),
  };
}
