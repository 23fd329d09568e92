/** Examines the way to PVE and the token's privileges from inside the worker, with nothing but the worker's permission. */
import type { Settings } from "../config/settings.ts";
import type { Check } from "../doctor/check.ts";
import { examine } from "../doctor/examine.ts";
import type { Session } from "./session.ts";

/** The checks; `onSays` is told what was found as it is found. */
export async function doctorJob(
  settings: Settings | undefined,
  { dispatch, load }: Pick<Session, "dispatch" | "load">,
  onSays: (says: string) => void,
): Promise<Check[]> {
  if (settings?.target === undefined) throw new Error("There is nothing to examine without settings");
  const { pve } = await load();
  return await examine({
    target: settings.target,
    settings,
    tools: dispatch.offered,
    pve,
    os: Deno.build.os,
    now: Date.now,
    onCheck: ({ says }) => onSays(says),
  });
}
