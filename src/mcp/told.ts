/** What the server tells of itself and of its tools, for all who tell it: the SDK's server, and the greeting before it. */
import type { ToolAnnotations } from "@modelcontextprotocol/server";
import { onlyAdds } from "../safety/policy.ts";
import type { Dispatch } from "./dispatch.ts";
import type { ListedTool } from "./listed.ts";
import { offeredPrompts } from "./prompts.ts";
import { offeredResources, RESOURCE_TYPE } from "./resource_kinds.ts";

type Offers = Pick<Dispatch, "offered">;

/** Lists are the same for the life of the process; what they name is read again each time. */
export const LIST_HINT = { ttlMs: 300_000, cacheScope: "private" } as const;

export const CACHE_HINTS = {
  "server/discover": LIST_HINT,
  "tools/list": LIST_HINT,
  "prompts/list": LIST_HINT,
  "resources/list": LIST_HINT,
  "resources/templates/list": LIST_HINT,
  "resources/read": { ttlMs: 2000, cacheScope: "private" },
} as const;

/** What there is does not change while the process lives: no listChanged. */
export function capabilitiesOf(dispatch: Offers) {
  return {
    tools: { listChanged: false },
    ...(offeredResources(dispatch).length === 0 ? {} : { resources: { subscribe: true } }),
    ...(offeredPrompts(dispatch).length === 0 ? {} : { prompts: {} }),
    completions: {},
  };
}

function resources(dispatch: Offers) {
  return offeredResources(dispatch).map(({ uri, name, title, description }) => ({
    uri,
    told: { name, title, description, mimeType: RESOURCE_TYPE },
  }));
}

/** The lists beside that of the tools, by their methods. */
export const lists = {
  "prompts/list": (dispatch: Offers) => ({
    prompts: offeredPrompts(dispatch).map(({ name, title, description, arguments: args }) => ({
      ...{ name, title, description },
      arguments: args.map((argument) => ({ ...argument })),
    })),
  }),
  "resources/list": (dispatch: Offers) => ({
    resources: resources(dispatch).filter(({ uri }) => !uri.includes("{")).map(({ uri, told }) => ({ uri, ...told })),
  }),
  "resources/templates/list": (dispatch: Offers) => ({
    resourceTemplates: resources(dispatch).filter(({ uri }) => uri.includes("{"))
      .map(({ uri, told }) => ({ uriTemplate: uri, ...told })),
  }),
} as const;

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
