/** Puts the pieces together that run tools: the way to PVE, or to the simulator, and the dispatch. Loaded at the first call. */
import type { Settings } from "../config/settings.ts";
import { UsageError } from "../errors.ts";
import { createDispatch } from "../mcp/dispatch.ts";
import type { ListedTool } from "../mcp/listed.ts";
import { createClient, type PveClient } from "../pve/client.ts";
import { connect, type RequestRecord } from "../pve/connection.ts";
import { authority } from "../pve/faults.ts";
import { undiciTransport } from "../pve/transport.ts";
import { faultsOf } from "../safety/names.ts";
import { cleanText } from "../shape/untrusted.ts";
import type { GuestShell } from "../ssh/shell.ts";
import type { ExecContext, SessionFacts, Tool } from "../tool.ts";
import { tools } from "../tools/mod.ts";
import { DEMO_POLICY, type Loaded, type SessionOptions } from "./session.ts";

/** A client that says what is missing; tools are listed all the same. */
function unconfigured(missing: Settings["missing"]): PveClient {
  return {
    call: () =>
      Promise.reject(
        new UsageError(
          `This server is not configured yet: ${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not set`,
          "Set them in the environment (with a client: in the env part of its configuration of this server), then restart it; the README shows how to make a token",
        ),
      ),
  };
}

function traceLine(record: RequestRecord): string {
  return `→ ${record.method} ${record.path} ${record.status ?? "no answer"} (${Math.round(record.durationMs)} ms)`;
}

type Watch = { onRequest?: (record: RequestRecord) => void };

/** A simulated PVE, and the way into its guests. */
async function openDemo(watch: Watch): Promise<{ pve: PveClient; shell: GuestShell }> {
  const { createSimulatedShell, createSimulator, demoToken } = await import("../sim/mod.ts");
  const { simulatorTransport } = await import("../sim/transport.ts");
  const simulator = createSimulator({ pace: 0.1 });
  const header = `PVEAPIToken=${demoToken.id}=${demoToken.secret}`;
  return {
    pve: createClient(connect(simulatorTransport(simulator, header), watch)),
    shell: createSimulatedShell(simulator),
  };
}

/** The way into guests; undefined unless exec is on. ssh2 itself is loaded with the first command. */
async function execOf(settings: Settings | undefined, demo: GuestShell | undefined): Promise<ExecContext | undefined> {
  if (settings === undefined) return { vm: "agent", privileged: false, shell: demo };
  const { exec, target } = settings;
  if (exec === undefined) return undefined;
  const { vm, privileged, ssh } = exec;
  if (ssh === undefined) return { vm, privileged, shell: undefined };
  const { createSshShell } = await import("../ssh/ssh_shell.ts");
  return { vm, privileged, shell: createSshShell(ssh, target?.timeoutSeconds ?? 30) };
}

function realClient(settings: Settings | undefined, watch: Watch, log: (line: string) => void): PveClient {
  const target = settings?.target;
  if (target === undefined) return unconfigured(settings?.missing ?? []);
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

/** What decides about a tool has to be what it was listed with: the start-up assertion has judged the listing. */
function loadedAs({ name, tier, toolset, calls, title }: ListedTool): Tool {
  const tool = tools.find((tool) => tool.name === name);
  const same = tool !== undefined && tool.tier === tier && tool.toolset === toolset && tool.title === title &&
    tool.calls.length === calls.length && tool.calls.every((call) => calls.includes(call));
  if (!same) throw new Error(`The tool ${name} is not what it is listed as. Run: deno task gen`);
  return tool;
}

/** @throws where a tool is not what it is listed as, or breaks a promise of this program */
export async function openLoaded(
  chosen: readonly ListedTool[],
  { settings, trace, audit, log }: SessionOptions,
): Promise<Loaded> {
  const own = chosen.map(loadedAs);
  const faults = faultsOf(own);
  if (faults.length > 0) throw new Error(`The tools break a promise of this program: ${faults.join("; ")}`);
  const watch: Watch = trace ? { onRequest: (record) => log(traceLine(record)) } : {};
  const demo = settings === undefined ? await openDemo(watch) : undefined;
  const pve = demo?.pve ?? realClient(settings, watch, log);
  const secrets = [settings?.target?.tokenValue, settings?.exec?.ssh?.passphrase, settings?.exec?.ssh?.password];
  const dispatch = createDispatch({
    tools: own,
    pve,
    settings: settings ?? DEMO_POLICY,
    exec: await execOf(settings, demo?.shell),
    audit,
    secrets: secrets.filter((secret) => secret !== undefined),
    session: factsOf(settings),
    onBug: (error, redact) =>
      log(cleanText(redact(error instanceof Error ? error.stack ?? error.message : String(error)))),
    ...(trace ? { onDone: (tool: string) => log(`= ${tool}`) } : {}),
  });
  return { dispatch, pve };
}
