/** A child process on the other end of JSON-RPC lines, as an MCP client sees a server over stdio. */
import { isRecord } from "../../src/mcp/coerce.ts";

export interface Peer {
  readonly pid: number;
  /** Resolves with the result; rejects with an error answer, or when the process ends first. */
  request(method: string, params?: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>>;
  notify(method: string): Promise<void>;
  /** Ends its input, and the process itself if that does not end it within 2 s. */
  close(): Promise<void>;
}

/** Environment that a child needs to find its caches, and nothing of the caller's settings. */
export function bareEnvironment(): Record<string, string> {
  const kept = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR", "SystemRoot", "LOCALAPPDATA", "USERPROFILE"];
  return Object.fromEntries(kept.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

/** Starts a command with exactly the environment given. */
export function startChild(
  [program, ...args]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
): Deno.ChildProcess {
  return new Deno.Command(program, {
    args,
    env: { ...env },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
}

/** The lines of a stream, without their ends. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** Ends the input of a child and waits for its end; a child that stays is ended by its id. */
export async function endChild(child: Deno.ChildProcess, closeInput: () => Promise<void>): Promise<void> {
  await closeInput().catch(() => {});
  const timer = setTimeout(() => child.kill("SIGKILL"), 2000);
  await child.status;
  clearTimeout(timer);
}

interface Waiting {
  resolve(result: Readonly<Record<string, unknown>>): void;
  reject(error: Error): void;
}

export function startPeer(command: readonly [string, ...string[]], env: Readonly<Record<string, string>>): Peer {
  const child = startChild(command, env);
  const input = child.stdin.getWriter();
  const waiting = new Map<number, Waiting>();
  let last = 0;

  function receive(line: string): void {
    const message: unknown = JSON.parse(line);
    if (!isRecord(message) || typeof message.id !== "number") return;
    const asker = waiting.get(message.id);
    waiting.delete(message.id);
    if (isRecord(message.result)) asker?.resolve(message.result);
    else asker?.reject(new Error(`The server answered with an error: ${line.slice(0, 500)}`));
  }

  async function listen(): Promise<void> {
    try {
      for await (const line of linesOf(child.stdout)) receive(line);
    } finally {
      for (const { reject } of waiting.values()) reject(new Error("The server ended before it answered"));
    }
  }
  const listening = listen();
  listening.catch(() => {});

  async function send(message: Readonly<Record<string, unknown>>): Promise<void> {
    await input.write(new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n"));
  }

  return {
    pid: child.pid,
    request(method, params = {}) {
      const id = ++last;
      const { promise, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>();
      waiting.set(id, { resolve, reject });
      send({ id, method, params }).catch(reject);
      return promise;
    },
    notify: (method) => send({ method }),
    async close() {
      await endChild(child, () => input.close());
      await listening;
    },
  };
}

/** Resident memory in MB; undefined where the system does not say. */
export function residentMb(pid: number): number | undefined {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(said("cat", `/proc/${pid}/status`))?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024 / 1e6;
}

/** Milliseconds that all threads of a process have run; undefined where the system does not say. */
export function cpuMs(pid: number): number | undefined {
  const lines = said("find", `/proc/${pid}/task`, "-name", "schedstat", "-exec", "cat", "{}", "+").match(/^\d+/gm);
  return lines === null ? undefined : lines.reduce((sum, ns) => sum + Number(ns), 0) / 1e6;
}

/** What a program prints: Deno itself opens files of /proc only with all permissions. */
function said(program: string, ...args: string[]): string {
  if (Deno.build.os !== "linux") return "";
  const { stdout } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
  return new TextDecoder().decode(stdout);
}
