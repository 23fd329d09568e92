/** Puts the pieces together for one run: settings, the way to PVE (or to the simulator), the dispatch of tools. */
import type { Settings } from "../config/settings.ts";
import { UsageError } from "../errors.ts";
import { createDispatch, type Dispatch } from "../mcp/dispatch.ts";
import { createClient, type PveClient } from "../pve/client.ts";
import { connect, type RequestRecord } from "../pve/connection.ts";
import { undiciTransport } from "../pve/transport.ts";
import { faultsOf } from "../safety/names.ts";
import { tools } from "../tools/mod.ts";
import { auditLogIn, openAuditFile } from "./audit_file.ts";
import { readSettings } from "./settings.ts";
import { clean, err } from "./terminal.ts";

export interface SessionOptions {
  readonly demo: boolean;
  readonly envFile: string | undefined;
  readonly trace: boolean;
}

/** A client that says what is missing; tools are listed all the same. */
function unconfigured(settings: Settings): PveClient {
  return {
    call: () =>
      Promise.reject(
        new UsageError(
          `This server is not configured yet: ${settings.missing.join(", ")} ${
            settings.missing.length === 1 ? "is" : "are"
          } not set`,
          "Set them in the environment (with a client: in the env part of its configuration of this server), then restart it; the README shows how to make a token",
        ),
      ),
  };
}

function traceLine(record: RequestRecord): void {
  err(`→ ${record.method} ${record.path} ${record.status ?? "no answer"} (${Math.round(record.durationMs)} ms)`);
}

async function demoClient(onRequest: { onRequest?: typeof traceLine }): Promise<PveClient> {
  const { createSimulator, demoToken } = await import("../sim/mod.ts");
  const { simulatorTransport } = await import("../sim/transport.ts");
  const simulator = createSimulator({ pace: 0.1 });
  const header = `PVEAPIToken=${demoToken.id}=${demoToken.secret}`;
  return createClient(connect(simulatorTransport(simulator, header), onRequest));
}

function realClient(settings: Settings, onRequest: { onRequest?: typeof traceLine }): PveClient {
  const { target } = settings;
  if (target === undefined) return unconfigured(settings);
  // Deno builds its store of CAs once, at the first TLS connection: this has to come before it.
  if (target.trust.mode === "system") Deno.env.set("DENO_TLS_CA_STORE", "mozilla,system");
  return createClient(connect(undiciTransport(target, (message) => err(clean(`Warning: ${message}`))), onRequest));
}

/**
 * Opens a session.
 * @throws {UsageError} for settings that are wrong; missing ones are told at the first call
 */
export async function openSession(options: SessionOptions): Promise<Dispatch> {
  const faults = faultsOf(tools);
  if (faults.length > 0) throw new Error(`The tools break a promise of this program: ${faults.join("; ")}`);
  const settings = options.demo ? undefined : readSettings(options.envFile);
  for (const warning of settings?.warnings ?? []) err(clean(`Warning: ${warning}`));
  if (settings?.file !== undefined) err(`Settings read from ${settings.file}`);
  const onRequest = options.trace ? { onRequest: traceLine } : {};
  const pve = settings === undefined ? await demoClient(onRequest) : realClient(settings, onRequest);
  const auditFile = settings?.auditFile;
  const secret = settings?.target?.tokenValue;
  return createDispatch({
    tools,
    pve,
    settings: settings ?? { readOnly: false },
    audit: auditFile === undefined ? undefined : auditLogIn(openAuditFile(auditFile)),
    secrets: secret === undefined ? [] : [secret],
    onBug: (error, redact) => err(clean(redact(error instanceof Error ? error.stack ?? error.message : String(error)))),
    ...(options.trace ? { onDone: (tool: string) => err(`= ${tool}`) } : {}),
  });
}
