/** Tries to log in to each host that guests are entered from; runs nothing there. */
import type { SshSettings } from "../config/settings.ts";
import { PveError } from "../errors.ts";
import { nameOf, openConnection } from "./connection.ts";

/** What came of one host. */
export interface HostFinding {
  readonly host: string;
  readonly user: string;
  /** Undefined: it is the one it should be, and lets us in. */
  readonly error: PveError | undefined;
}

export async function checkHosts(settings: SshSettings, timeoutMs: number): Promise<HostFinding[]> {
  const findings: HostFinding[] = [];
  for (const host of settings.hosts) {
    const facts = { host: nameOf(host), user: settings.user };
    try {
      (await openConnection(host, settings, timeoutMs)).end();
      findings.push({ ...facts, error: undefined });
    } catch (error) {
      if (!(error instanceof PveError)) throw error;
      findings.push({ ...facts, error });
    }
  }
  return findings;
}
