/** What is known of a tool without loading it: what clients are told, and what the policy and the reports need. */
import type { Tool } from "../tool.ts";
import { type JsonSchema, schemasOf } from "./schemas.ts";

/** A tool as tools/list shows it, with what decides about it. */
export interface ListedTool
  extends Pick<Tool, "name" | "title" | "description" | "tier" | "toolset" | "calls" | "privileges"> {
  readonly idempotent?: boolean;
  readonly input: JsonSchema;
  readonly output: JsonSchema;
}

/** The same of a tool that is loaded; its schemas are made when they are asked for. */
export function listed(tool: Tool): ListedTool {
  const { name, title, description, tier, toolset, idempotent, calls, privileges } = tool;
  return {
    ...{ name, title, description, tier, toolset, calls, privileges },
    ...(idempotent === undefined ? {} : { idempotent }),
    get input() {
      return schemasOf(tool).input;
    },
    get output() {
      return schemasOf(tool).output;
    },
  };
}
