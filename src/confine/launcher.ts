/** The launcher's side: starts the worker with one permission, gives up its own, and only then hands over the settings. */
import type { SshHost, Target } from "../config/settings.ts";
import { UsageError } from "../errors.ts";
import { authority } from "../pve/faults.ts";
import { cleanEnvironment, trustSystem } from "./environment.ts";
import { type Assignment, type FromWorker, isFromWorker, type ToWorker } from "./messages.ts";

/** The worker ended by itself, or broke a promise; a bug of this program, or no memory left. */
export class WorkerFault extends Error {
  override readonly name = "WorkerFault";
}

export interface LaunchOptions {
  readonly assignment: Assignment;
  /** The one host and port to reach; undefined: no network. */
  readonly target: Pick<Target, "host" | "port" | "trust"> | undefined;
  /** The hosts that guests are entered from; none unless exec is on. */
  readonly ssh?: readonly Pick<SshHost, "host" | "port">[];
  /** Appends a line to the audit log, or throws; undefined where none is kept. */
  readonly audit: ((line: string) => void) | undefined;
  readonly onLog: (line: string) => void;
  readonly onProgress?: (message: string, ratio: number | undefined) => void;
  /** Puts a question to the person. */
  readonly onQuestion?: (text: string) => boolean;
  readonly onMcp?: (text: string) => void;
}

/** A worker at its job. */
export interface Launched {
  /** What the job came to; undefined where its client is gone. Rejects with a UsageError or a WorkerFault. */
  readonly result: Promise<unknown>;
  /** Asks the job to stop waiting. */
  cancel(): void;
  sendMcp(text: string): void;
  /** Ends the worker at once. */
  end(): void;
}

/** All there are. A permission that is revoked here cannot be asked for again: the program runs with --no-prompt. */
const PERMISSIONS = ["env", "read", "write", "net", "run", "ffi", "sys", "import"] as const;

/** The worker's permissions. Its hosts have passed parseHost: each one name or address, never a range, a list or a URL. */
export function permissionsFor(
  target: Pick<Target, "host" | "port"> | undefined,
  ssh: readonly Pick<SshHost, "host" | "port">[] = [],
) {
  return {
    net: target === undefined ? false : [target, ...ssh].map(authority),
    ...{ env: false, read: false, write: false, run: false, ffi: false, sys: false, import: false },
  };
}

function start({ target, ssh = [] }: Pick<LaunchOptions, "target" | "ssh">): Worker {
  const options = { type: "module" as const, deno: { permissions: permissionsFor(target, ssh) } };
  try {
    return new Worker(new URL("./worker.ts", import.meta.url), options);
  } catch (error) {
    if (target === undefined || !(error instanceof Deno.errors.NotCapable)) throw error;
    const hosts = [target, ...ssh].map(authority);
    throw new UsageError(
      `This process may not connect to ${hosts.join(" or ")}, which the settings name.`,
      `Start it with deno task start or deno task cli, or with --allow-net=${hosts.join(",")}.`,
    );
  }
}

/**
 * Starts the worker.
 * @throws {UsageError} where this process lacks the permission that the worker needs
 */
export function launch(options: LaunchOptions): Launched {
  const { assignment, target, audit } = options;
  cleanEnvironment();
  if (target?.trust.mode === "system") trustSystem();
  const worker = start(options);
  const send = (message: ToWorker) => worker.postMessage(message);
  const result = Promise.withResolvers<unknown>();
  let loaded = false;

  function fail(error: Error): void {
    worker.terminate();
    result.reject(error);
  }

  function succeed(value: unknown): void {
    worker.terminate();
    result.resolve(value);
  }

  function write(id: number, line: string): void {
    let failure: string | undefined;
    try {
      if (audit === undefined) throw new Error("there is no audit log");
      audit(line);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    send({ type: "audited", id, failure });
  }

  function receive(message: FromWorker): void {
    switch (message.type) {
      case "ready":
        loaded = true;
        // Not before: the worker loads its modules with them.
        for (const name of PERMISSIONS) Deno.permissions.revokeSync({ name });
        return send({ type: "assignment", assignment });
      case "log":
        return options.onLog(message.line);
      case "progress":
        return options.onProgress?.(message.message, message.ratio);
      case "audit":
        return write(message.id, message.line);
      case "question":
        return send({ type: "answer", yes: options.onQuestion?.(message.text) ?? false });
      case "mcp":
        return options.onMcp?.(message.text);
      case "result":
        return succeed(message.value);
      case "eof":
        return succeed(undefined);
      case "usage":
        return fail(new UsageError(message.message, message.remedy));
      case "fault":
        return fail(new WorkerFault(message.message));
    }
  }

  worker.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (isFromWorker(data)) receive(data);
    else fail(new WorkerFault("The server sent a message that the launcher does not know"));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(loaded ? new WorkerFault(`The server broke down: ${event.message}`) : notLoaded(event.message));
  };
  worker.onmessageerror = () => fail(new WorkerFault("The server sent a message that cannot be read"));

  return {
    result: result.promise,
    cancel: () => send({ type: "cancel" }),
    sendMcp: (text) => send({ type: "mcp", text }),
    end: () => succeed(undefined),
  };
}

function notLoaded(reason: string): Error {
  return /Requires read access/.test(reason)
    ? new UsageError(
      "This process may not read its own files.",
      "Start it with deno task start or deno task cli, or with --allow-read.",
    )
    : new WorkerFault(`The server could not be loaded: ${reason}`);
}
