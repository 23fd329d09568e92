/** The simulated PVE in a process of its own, and the settings that lead a server there. */
import { isRecord } from "../../src/mcp/coerce.ts";
import { demoToken } from "../../src/sim/mod.ts";
import { bareEnvironment, endChild, linesOf, startChild } from "./peer.ts";

export interface Simulated {
  readonly port: number;
  readonly ca: string;
  readonly fingerprint: string;
  close(): Promise<void>;
}

/** Starts it; without a number of guests it is the demo's cluster. */
export async function startPve(guests?: number): Promise<Simulated> {
  const path = (file: string) => new URL(file, import.meta.url).pathname;
  const child = startChild([
    ...[Deno.execPath(), "run", "--no-prompt", "--quiet", "--config", path("../../deno.json")] as const,
    ...["--allow-read", "--allow-env", "--allow-net=127.0.0.1", path("pve.ts")],
    ...(guests === undefined ? [] : [String(guests)]),
  ], bareEnvironment());
  const close = () => endChild(child, () => child.stdin.close());
  for await (const line of linesOf(child.stdout)) {
    const said: unknown = JSON.parse(line);
    if (!isRecord(said)) break;
    const { port, ca, fingerprint } = said;
    if (typeof port !== "number" || typeof ca !== "string" || typeof fingerprint !== "string") break;
    return { port, ca, fingerprint, close };
  }
  await close();
  throw new Error("The simulated PVE did not say where it listens");
}

/** The environment of a server that reaches it. */
export function settingsFor(pve: Simulated): Record<string, string> {
  return {
    ...bareEnvironment(),
    PROXMOX_HOST: `127.0.0.1:${pve.port}`,
    PROXMOX_USER: demoToken.id,
    PROXMOX_TOKEN_VALUE: demoToken.secret,
    PROXMOX_FINGERPRINT: pve.fingerprint,
  };
}
