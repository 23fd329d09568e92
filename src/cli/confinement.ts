/** `doctor --confinement`: has the worker try what it must not be able to do, and prints what was refused. */
import { parseHost } from "../config/host.ts";
import { WorkerFault } from "../confine/launcher.ts";
import { isRecord } from "../confine/messages.ts";
import type { Finding } from "../confine/probe.ts";
import { UsageError } from "../errors.ts";
import { type SessionOptions, startJob } from "./confined.ts";
import { alignTable, out } from "./terminal.ts";

export interface ConfinementOptions extends SessionOptions {
  readonly json: boolean;
  /** As in "192.0.2.1:443". */
  readonly elsewhere: string | undefined;
}

/** Prints the findings and returns the exit code: 0, or 1 when anything was allowed. */
export async function checkConfinement(options: ConfinementOptions): Promise<number> {
  const elsewhere = options.elsewhere === undefined ? undefined : addressOf(options.elsewhere);
  const findings = findingsIn(await startJob({ kind: "probe", elsewhere }, options).result);
  const [refused, open, allowed] = (["refused", "open", "allowed"] as const)
    .map((outcome) => findings.filter((finding) => finding.outcome === outcome));
  const confined = allowed?.length === 0;
  if (options.json) {
    out(JSON.stringify({ confined, findings }, undefined, 2));
    return confined ? 0 : 1;
  }
  out(alignTable(findings.map(({ outcome, attempt, detail }) => ({ outcome, attempt, detail }))));
  const counts = `${refused?.length} refused, ${open?.length} left open by Deno itself, ${allowed?.length} allowed`;
  out(
    `\n${counts}. ${confined ? "The server is confined." : "The server is NOT confined: it could do the last ones."}`,
  );
  return confined ? 0 : 1;
}

function addressOf(text: string): { host: string; port: number } {
  try {
    const { host, port } = parseHost(text);
    return { host, port: port ?? 443 };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(
      `--elsewhere is ${JSON.stringify(text)}, which is not the name or address of one host.`,
      "Write it as in 192.0.2.1:443.",
    );
  }
}

function isFinding(value: unknown): value is Finding {
  return isRecord(value) && typeof value.attempt === "string" && typeof value.detail === "string" &&
    (value.outcome === "refused" || value.outcome === "allowed" || value.outcome === "open");
}

function findingsIn(result: unknown): Finding[] {
  // An empty list would look like a clean bill.
  if (!Array.isArray(result) || result.length === 0 || !result.every(isFinding)) {
    throw new WorkerFault("The server did not say what was refused");
  }
  return result;
}
