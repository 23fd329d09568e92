/** Examines the way to PVE and the token's privileges from inside the worker, with nothing but the worker's permission. */
import type { ExecSettings, Settings } from "../config/settings.ts";
import { type Check, failed, ok, skipped } from "../doctor/check.ts";
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
  const checks = await examine({
    target: settings.target,
    settings,
    tools: dispatch.offered,
    pve,
    os: Deno.build.os,
    now: Date.now,
    onCheck: ({ says }) => onSays(says),
  });
  const more = await execChecks(settings.exec, settings.target.timeoutSeconds);
  more.forEach(({ says }) => onSays(says));
  return [...checks, ...more];
}

/** Whether guests can be entered, where that is switched on; a host that is not known is named with its fingerprint. */
export async function execChecks(exec: ExecSettings | undefined, timeoutSeconds: number): Promise<Check[]> {
  if (exec === undefined) return [];
  const { ssh } = exec;
  if (ssh === undefined) {
    return [
      skipped("ssh", "Not tried: no key and no password is set, so that only VMs are entered, by the guest agent"),
    ];
  }
  const { checkHosts } = await import("../ssh/check.ts");
  return (await checkHosts(ssh, timeoutSeconds * 1000)).map(({ host, user, error }) =>
    error === undefined
      ? ok("ssh", `${host} is the host it should be, and lets ${user} in by SSH`)
      : failed("ssh", error.message, ...error.details.remedy === undefined ? [] : [error.details.remedy])
  );
}
