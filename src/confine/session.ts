/** Puts the pieces together for one run, inside the worker: the way to PVE (or to the simulator), the dispatch of tools. */
import type { Settings } from "../config/settings.ts";
import { UsageError } from "../errors.ts";
import { createDispatch, type Dispatch } from "../mcp/dispatch.ts";
import { createClient, type PveClient } from "../pve/client.ts";
import { connect, type RequestRecord } from "../pve/connection.ts";
import { authority } from "../pve/faults.ts";
import { undiciTransport } from "../pve/transport.ts";
import type { AuditLog } from "../safety/audit.ts";
import { cleanText } from "../shape/untrusted.ts";
import { chooseTools } from "../safety/toolsets.ts";
import type { SessionFacts, Tool } from "../tool.ts";
import { tools } from "../tools/mod.ts";

export interface SessionOptions {
  /** Undefined: a simulated PVE in memory. */
  readonly settings: Settings | undefined;
  readonly trace: boolean;
  /** Undefined: no record is kept. */
  readonly audit: AuditLog | undefined;
  /** Gets lines for stderr. */
  readonly log: (line: string) => void;
}

export interface Session {
  /** The tools that the settings choose; PROXMOX_READ_ONLY leaves fewer, and says so when another is called. */
  readonly chosen: readonly Tool[];
  readonly dispatch: Dispatch;
  readonly pve: PveClient;
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

function traceLine(record: RequestRecord): string {
  return `→ ${record.method} ${record.path} ${record.status ?? "no answer"} (${Math.round(record.durationMs)} ms)`;
}

type Watch = { onRequest?: (record: RequestRecord) => void };

async function demoClient(watch: Watch): Promise<PveClient> {
  const { createSimulator, demoToken } = await import("../sim/mod.ts");
  const { simulatorTransport } = await import("../sim/transport.ts");
  const simulator = createSimulator({ pace: 0.1 });
  const header = `PVEAPIToken=${demoToken.id}=${demoToken.secret}`;
  return createClient(connect(simulatorTransport(simulator, header), watch));
}

function realClient(settings: Settings, watch: Watch, log: (line: string) => void): PveClient {
  const { target } = settings;
  if (target === undefined) return unconfigured(settings);
  return createClient(connect(undiciTransport(target, (message) => log(cleanText(`Warning: ${message}`))), watch));
}

/** What the tools may tell of the settings. */
function factsOf(settings: Settings | undefined): SessionFacts {
  if (settings === undefined) return { trust: "demo" };
  const { target, file } = settings;
  return target === undefined
    ? { settingsFile: file }
    : { settingsFile: file, host: authority(target), token: target.tokenId, trust: target.trust.mode };
}

/**
 * Opens a session.
 * @throws {UsageError} where the settings choose tools that do not exist
 */
export async function openSession({ settings, trace, audit, log }: SessionOptions): Promise<Session> {
  const watch: Watch = trace ? { onRequest: (record) => log(traceLine(record)) } : {};
  const pve = settings === undefined ? await demoClient(watch) : realClient(settings, watch, log);
  const secret = settings?.target?.tokenValue;
  const chosen = settings === undefined ? tools : chooseTools(tools, settings.selection);
  const dispatch = createDispatch({
    tools: chosen,
    pve,
    settings: settings ?? { readOnly: false },
    audit,
    secrets: secret === undefined ? [] : [secret],
    session: factsOf(settings),
    onBug: (error, redact) =>
      log(cleanText(redact(error instanceof Error ? error.stack ?? error.message : String(error)))),
    ...(trace ? { onDone: (tool: string) => log(`= ${tool}`) } : {}),
  });
  return { chosen, dispatch, pve };
}
