/** What can be attached to a conversation: the cluster, nodes, guests and tasks, read through the tools that show them. */
import { PveError, UsageError } from "../errors.ts";
import type { CallResult } from "./content.ts";
import { failure } from "./content.ts";
import type { Dispatch } from "./dispatch.ts";
import { lookUp } from "./look_up.ts";
import { resourceAt } from "./resource_kinds.ts";

/** What a resource holds, as its tool answers; undefined where there is no such resource. Failures are answers, too. */
export async function readResource(
  dispatch: Dispatch,
  uri: string,
  signal: AbortSignal,
): Promise<CallResult | undefined> {
  const found = resourceAt(dispatch, uri);
  if (found === undefined) return undefined;
  const { kind, value } = found;
  const input = kind.input(value);
  let names: readonly string[];
  if ("vm" in kind.tools) {
    const { vmid } = input;
    if (typeof vmid !== "number") {
      const message = `${JSON.stringify(value.slice(0, 80))} is not the number of a guest`;
      return failure(new UsageError(message, "Write it as in proxmox://guest/102; list_vms shows the numbers"));
    }
    const rows = await lookUp(dispatch, "guests", { vmid }, signal);
    const guest = rows?.[0];
    if (rows !== undefined && guest === undefined) {
      return failure(
        new PveError(`No guest ${vmid} is visible to this token`, {
          kind: "missing",
          remedy: "list_vms and list_containers show what there is; the token may lack VM.Audit on the guest",
        }),
      );
    }
    // Where the lookup failed, the tool fails the same way, and says so.
    names = [guest?.kind === "container" ? kind.tools.container : kind.tools.vm];
  } else {
    names = kind.tools;
  }
  const tool = names.flatMap((name) => dispatch.offered.find((tool) => tool.name === name) ?? [])[0];
  return tool === undefined ? undefined : await dispatch.call(tool, input, { signal, progress: undefined });
}
