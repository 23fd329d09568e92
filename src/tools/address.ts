/** The addresses of a container that has just been started: PVE starts it in a task of its own, and DHCP takes a moment. */
import { setTimeout as delay } from "node:timers/promises";
import { PveError } from "../errors.ts";
import type { ToolContext } from "../tool.ts";
import { interfacesIn } from "./inside.ts";

export const addressCalls = ["GET /nodes/{node}/lxc/{vmid}/interfaces"] as const;

/** Milliseconds between two looks; a container takes a second or two, and a person who waits for it not much more. */
const PAUSES = [0, 500, 1000, 1500, 2000, 2000];

/** Its addresses with their prefixes, without those that are valid on the link only; none where it has not any in time. */
export async function addressesOf(
  { pve, signal }: Pick<ToolContext<(typeof addressCalls)[number]>, "pve" | "signal">,
  { node, vmid }: { readonly node: string; readonly vmid: number },
): Promise<string[]> {
  for (const pause of PAUSES) {
    await delay(pause, undefined, { signal });
    try {
      // Null while it does not run (captured 069).
      const rows = await pve.call("GET /nodes/{node}/lxc/{vmid}/interfaces", { node, vmid }, { signal });
      const found = interfacesIn(rows).flatMap(({ addresses }) => addresses).filter((one) => !/^fe[89ab]/i.test(one));
      if (found.length > 0) return found;
    } catch (error) {
      // The container is made and started: that its address cannot be told is no failure of that.
      if (!(error instanceof PveError) || error.details.kind === "cancelled") throw error;
      if (error.details.kind === "forbidden") return [];
    }
  }
  return [];
}
