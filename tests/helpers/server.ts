/** Starts the server as a client would: a process of its own over stdio, in front of a simulated PVE over HTTPS. */
import { Client, type ClientOptions } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { fileURLToPath } from "node:url";
import { createSimulator, demoToken, type SimulatorOptions } from "../../src/sim/mod.ts";
import type { Simulator } from "../../src/sim/mod.ts";
import type { RequestRecord } from "../../src/sim/mod.ts";
import { serveHttps } from "../../src/sim/https.ts";
import { toolsets } from "../../src/safety/toolsets.ts";
import { tools } from "../../src/tools/mod.ts";
import { givenCommand, isExecutable, runnable } from "./runtime.ts";

export { isExecutable };

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The server's command line without its command. */
export function serverCommand(permissions: readonly string[] = []): [string, ...string[]] {
  const [program, ...args] = givenCommand;
  if (program !== undefined) return [program, ...args];
  return [
    Deno.execPath(),
    "run",
    "--no-prompt",
    "--quiet",
    "--allow-env",
    "--allow-read",
    "--allow-net=127.0.0.1,localhost",
    ...permissions,
    `${ROOT}main.ts`,
  ];
}

/** The tools that a server offers whose settings choose none. */
export const usualTools = tools.filter(({ toolset }) => toolsets[toolset].byDefault);

/** The tools that the demo's server offers. */
export const demoTools = tools.filter(({ toolset }) => toolsets[toolset].byDefault || toolset === "exec");

/** A running server with a client connected to it. */
export interface Running {
  readonly client: Client;
  readonly simulator: Simulator;
  /** Every request that the simulated PVE has answered. */
  readonly requests: readonly RequestRecord[];
  /** What the server has written to stderr. */
  stderr(): string;
  /** Calls a tool. */
  call(name: string, args?: Record<string, unknown>): Promise<Answer>;
  /** Calls a tool and returns its structured answer; fails the test when the call failed. */
  ok(name: string, args?: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** Calls a tool and returns the text of its error; fails the test when there is none. */
  error(name: string, args?: Record<string, unknown>): Promise<string>;
}

export interface Answer {
  readonly text: string;
  readonly structured: Record<string, unknown> | undefined;
  readonly isError: boolean;
}

export interface RunOptions {
  readonly simulator?: SimulatorOptions;
  /** Environment beside, or instead of, the settings that reach the simulator; undefined removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly args?: readonly string[];
  /** A command that starts the server's command, which follows as its arguments. */
  readonly through?: readonly string[];
  /** Permissions beside the usual ones. */
  readonly permissions?: readonly string[];
  readonly client?: ClientOptions;
  /** Puts something between the server and PVE: gets PVE's port, and answers with the one to connect to instead. */
  readonly between?: (port: number) => Promise<number>;
  /** Told of the client before it connects. */
  readonly onClient?: (client: Client) => void;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function answerOf(result: unknown): Answer {
  if (!isRecord(result) || !Array.isArray(result.content)) throw new Error(`No tool result: ${JSON.stringify(result)}`);
  const content: unknown[] = result.content;
  const text = content.map((part) => isRecord(part) && typeof part.text === "string" ? part.text : "").join("\n");
  const structured = isRecord(result.structuredContent) ? result.structuredContent : undefined;
  return { text, structured, isError: result.isError === true };
}

/** The settings that reach a simulated PVE; verified by the pin of its certificate. */
export function settingsFor(server: { port: number; fingerprint: string }): Record<string, string> {
  return {
    PROXMOX_HOST: `127.0.0.1:${server.port}`,
    PROXMOX_USER: demoToken.id,
    PROXMOX_TOKEN_VALUE: demoToken.secret,
    PROXMOX_FINGERPRINT: server.fingerprint,
  };
}

/** Runs a test with a server of its own, and ends it whatever happens. */
export async function withServer(options: RunOptions, test: (running: Running) => Promise<void>): Promise<void> {
  const requests: RequestRecord[] = [];
  const simulator = createSimulator({
    pace: 0,
    ...options.simulator,
    onRequest: (record) => void requests.push(record),
  });
  const https = await serveHttps(simulator, {});
  const port = await options.between?.(https.port) ?? https.port;
  const env = Object.fromEntries(
    Object.entries({ ...settingsFor({ fingerprint: https.fingerprint, port }), ...options.env }).flatMap((
      [name, value],
    ) => value === undefined ? [] : [[name, value]]),
  );
  const [command = "", ...args] = [...options.through ?? [], ...serverCommand(options.permissions)];
  const transport = new StdioClientTransport({
    command,
    args: [...args, "serve", ...options.args ?? []],
    stderr: "pipe",
    env: { ...inherited(), ...env },
  });
  let stderr = "";
  transport.stderr?.on("data", (chunk: unknown) => stderr += String(chunk));
  const client = new Client({ name: "tests", version: "1" }, options.client);
  options.onClient?.(client);
  const call = async (name: string, given: Record<string, unknown> = {}) =>
    answerOf(await client.callTool({ name, arguments: given }));
  try {
    await client.connect(transport);
    await test({
      client,
      simulator,
      requests,
      stderr: () => stderr,
      call,
      async ok(name, given) {
        const answer = await call(name, given);
        if (answer.isError || answer.structured === undefined) {
          throw new Error(`${name} failed: ${answer.text}\n${stderr}`);
        }
        return answer.structured;
      },
      async error(name, given) {
        const answer = await call(name, given);
        if (!answer.isError) throw new Error(`${name} did not fail: ${answer.text}`);
        return answer.text;
      },
    });
  } finally {
    await client.close();
    await https.close();
  }
}

/** Opens a test's file or folder to everybody: an executable may be tested as another user. */
export async function shareWithServer(path: string): Promise<void> {
  if (isExecutable && Deno.build.os !== "windows") await Deno.chmod(path, 0o777);
}

/** What a process needs to start, and nothing that could configure the server. */
export function inherited(): Record<string, string> {
  const names = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR", "SystemRoot", "LOCALAPPDATA"];
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

/**
 * A test that starts the server. The MCP clients leak a timer of 2 s in close() and the child's pipes end late: the
 * sanitizers are off for these tests, and for these only.
 */
export function serverTest(name: string, options: RunOptions, test: (running: Running) => Promise<void>): void {
  Deno.test({ ...runnable(name), sanitizeOps: false, sanitizeResources: false, fn: () => withServer(options, test) });
}
