/** The named groups of tools, and which tools the settings choose from them. */
import { closest } from "../config/closest.ts";
import type { Selection } from "../config/settings.ts";
import { UsageError } from "../errors.ts";
import type { Tool, Toolset as ToolsetName } from "../tool.ts";

export type { ToolsetName };

/** What a toolset is for, and whether it is on where the settings name none. */
export interface ToolsetRow {
  readonly what: string;
  readonly byDefault: boolean;
}

export const toolsets: Readonly<Record<ToolsetName, ToolsetRow>> = {
  core: { what: "Nodes, guests, storages and tasks; power, creating, cloning, configuring", byDefault: true },
  inside: { what: "Looking inside guests: addresses, guest agent, load over time", byDefault: true },
  snapshots: { what: "Snapshots and backups: making them, and who has any", byDefault: true },
  backups: { what: "Backup jobs; backups restored as new guests", byDefault: false },
  images: { what: "Downloading container templates, ISO images and cloud images", byDefault: false },
  cloudinit: { what: "VMs from cloud images, set up by cloud-init", byDefault: false },
  grow: { what: "Enlarging disks; pausing VMs; moving guests to other nodes", byDefault: false },
  cluster: { what: "High availability, replication, logs, pools, networks, firewall, disks", byDefault: false },
  exec: {
    what: "Commands and files inside guests; on exactly when PROXMOX_ENABLE_EXEC is true, whatever toolsets are named",
    byDefault: false,
  },
};

/**
 * The tools that the settings choose, in the order of `all`; those of tier exec only with `exec`.
 * @throws {UsageError} for a name that does not exist, and where nothing is left: a typo must never widen access
 */
export function chooseTools<T extends Pick<Tool, "name" | "tier" | "toolset">>(
  all: readonly T[],
  { toolsets: sets, tools, exclude = [] }: Selection,
  exec: boolean,
): readonly T[] {
  const names = all.map(({ name }) => name);
  known("PROXMOX_TOOLSETS", "toolset", sets ?? [], [...Object.keys(toolsets), "default", "all"]);
  known("PROXMOX_TOOLS", "tool", tools ?? [], names);
  known("PROXMOX_EXCLUDE_TOOLS", "tool", exclude, names);
  const off = exec ? undefined : all.find(({ name, tier }) => tier === "exec" && (tools ?? []).includes(name));
  if (off !== undefined || (!exec && sets?.includes("exec") === true)) {
    throw new UsageError(
      `${
        off === undefined ? "PROXMOX_TOOLSETS names exec" : `PROXMOX_TOOLS names ${off.name}`
      }, and commands in guests are off.`,
      "Set PROXMOX_ENABLE_EXEC=true, after reading what that grants (docs/exec.md), or leave it out.",
    );
  }
  const wanted = new Set(sets ?? (tools === undefined ? ["default"] : []));
  // Without exec the tier keeps its tools out.
  if (sets !== undefined || tools === undefined) wanted.add("exec");
  const chosen = all.filter(({ name, tier, toolset }) =>
    (exec || tier !== "exec") && !exclude.includes(name) &&
    (wanted.has("all") || wanted.has(toolset) || (wanted.has("default") && toolsets[toolset].byDefault) ||
      (tools ?? []).includes(name))
  );
  if (chosen.length > 0) return chosen;
  throw new UsageError(
    "The settings leave no tool: PROXMOX_EXCLUDE_TOOLS takes out all that PROXMOX_TOOLSETS and PROXMOX_TOOLS choose.",
    "Choose at least one; the command tools lists them.",
  );
}

function known(
  variable: string,
  what: string,
  given: readonly string[],
  names: readonly string[],
): void {
  for (const name of given) {
    if (names.includes(name)) continue;
    const near = closest(name, names);
    const remedy = near !== undefined
      ? `Did you mean ${near}?`
      : what === "tool"
      ? "The command tools lists them."
      : `There are ${names.join(", ")}.`;
    throw new UsageError(`${variable} names ${JSON.stringify(name)}, and there is no such ${what}.`, remedy);
  }
}
