/** Which resources there are: their URIs, and the tools that show them. */
import type { Dispatch } from "./dispatch.ts";

/** A resource, or a template of many, as clients list them. */
export interface ResourceKind {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** With variables in braces: a template. */
  readonly uri: string;
  /** The tools that show it: the first that is offered, for guests by their kind. */
  readonly tools: readonly string[] | { readonly vm: string; readonly container: string };
  /** The variable of the URI as the tools take it. */
  readonly input: (value: string) => Record<string, unknown>;
}

/** All of them are text as tools answer it. */
export const RESOURCE_TYPE = "text/plain";

const guestTools = {
  status: { vm: "vm_status", container: "container_status" },
  config: { vm: "vm_config", container: "container_config" },
} as const;

/** A vmid, also as completions show it: `102 (docker)`. */
export function vmidIn(text: string): number | undefined {
  const digits = /^\s*(\d{3,9})(?:\s+\(.*\))?\s*$/s.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

const kinds: readonly ResourceKind[] = [
  {
    name: "cluster",
    title: "The cluster",
    description: "The nodes of the cluster and how they are",
    uri: "proxmox://cluster",
    tools: ["cluster_status", "list_nodes"],
    input: () => ({}),
  },
  {
    name: "node",
    title: "A node",
    description: "Memory, load, file system and versions of one node",
    uri: "proxmox://node/{node}",
    tools: ["node_status"],
    input: (node) => ({ node }),
  },
  {
    name: "guest",
    title: "A guest",
    description: "What one VM or container is doing now",
    uri: "proxmox://guest/{vmid}",
    tools: guestTools.status,
    input: (vmid) => ({ vmid: vmidIn(vmid) }),
  },
  {
    name: "guest_config",
    title: "Configuration of a guest",
    description: "The settings of one VM or container",
    uri: "proxmox://guest/{vmid}/config",
    tools: guestTools.config,
    input: (vmid) => ({ vmid: vmidIn(vmid) }),
  },
  {
    name: "task",
    title: "A task",
    description: "State and outcome of one of PVE's tasks",
    uri: "proxmox://task/{upid}",
    tools: ["get_task_status"],
    input: (upid) => ({ upid }),
  },
];

/** The resources whose tools are offered. */
export function offeredResources(dispatch: Pick<Dispatch, "offered">): ResourceKind[] {
  const has = (name: string) => dispatch.offered.some((tool) => tool.name === name);
  return kinds.filter(({ tools }) => "vm" in tools ? has(tools.vm) && has(tools.container) : tools.some(has));
}

/** The kind that a URI names, and the value of its variable; undefined where it names none that is offered. */
export function resourceAt(
  dispatch: Pick<Dispatch, "offered">,
  uri: string,
): { readonly kind: ResourceKind; readonly value: string } | undefined {
  for (const kind of offeredResources(dispatch)) {
    const [before = "", after] = kind.uri.split(/\{\w+\}/);
    if (after === undefined) {
      if (uri === before) return { kind, value: "" };
      continue;
    }
    if (uri.length <= before.length + after.length || !uri.startsWith(before) || !uri.endsWith(after)) continue;
    const part = uri.slice(before.length, uri.length - after.length);
    const value = part.includes("/") ? undefined : decoded(part);
    if (value !== undefined) return { kind, value };
  }
  return undefined;
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
