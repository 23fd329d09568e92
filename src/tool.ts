/** The contract of a tool: one declaration from which everything else about it is derived. */
import type { z } from "zod";
import type { Call, PveClient } from "./pve/client.ts";
import type { GuestQueue } from "./pve/queue.ts";
import type { GuestShell } from "./ssh/shell.ts";
import type { TaskWatch } from "./pve/watch.ts";

/** How far a tool reaches. There is no tier for destroying. */
export type Tier = "read" | "lifecycle" | "provision" | "exec";

/** A named group of tools that can be switched on together. */
export type Toolset =
  | "core"
  | "inside"
  | "snapshots"
  | "backups"
  | "images"
  | "cloudinit"
  | "grow"
  | "cluster"
  | "exec";

/** A privilege that a tool needs: one of `any`, on the path, with its variables as in PVE's documentation. */
export interface Privilege {
  /** As in "/vms/{vmid}". */
  readonly path: string;
  readonly any: readonly string[];
  /** When it is needed only for some arguments: which. */
  readonly when?: string;
}

/** What a running tool is given. */
export interface ToolContext<in C extends Call = Call> {
  readonly pve: PveClient<C>;
  /** Aborted when the client cancels the call. */
  readonly signal: AbortSignal;
  /** Reports progress to a client that asked for it; `ratio` is 0–1, or undefined where the end is not known. */
  readonly progress: ((message: string, ratio?: number) => void) | undefined;
  /** What creating calls have started in this process, so that a repeated call does not start a second task. */
  readonly started: Map<string, Promise<StartedTask>>;
  /** The numbers that creating calls of this process are just asking PVE for. */
  readonly claimed: Set<number>;
  /** Waits for tasks, with one poller for each. */
  readonly watch: TaskWatch;
  /** Lets writes to one guest through one after the other. */
  readonly queue: GuestQueue;
  readonly server: ServerFacts;
  /** Puts a picture beside the answer, for the person; the answer itself has to be complete without it. */
  show(picture: Picture): void;
  /** Given to tools of tier exec only. */
  readonly exec: ExecContext | undefined;
  /** After how many milliseconds, and how often, a write is sent again that a short lock held up. */
  readonly lockPauses: readonly number[];
  /** Milliseconds since the epoch. */
  now(): number;
}

/** What a client can show beside an answer. */
export interface Picture {
  readonly mimeType: "image/png";
  readonly bytes: Uint8Array;
}

/** The way into guests, as the settings allow it. */
export interface ExecContext {
  /** How VMs are entered. */
  readonly vm: "agent" | "ssh";
  /** Whether privileged containers may be entered. */
  readonly privileged: boolean;
  /** Undefined where the settings give no way to log in to a node. */
  readonly shell: GuestShell | undefined;
}

/** What the server can tell about itself; nothing of it is secret. */
export interface ServerFacts extends SessionFacts {
  readonly version: string;
  readonly readOnly: boolean;
  /** The tools that the settings allow. */
  readonly tools: readonly Pick<Tool, "name" | "tier" | "toolset" | "privileges">[];
}

/** What only the one who reads the settings knows. */
export interface SessionFacts {
  /** "pve.lan:8006"; undefined while nothing is configured. */
  readonly host?: string | undefined;
  /** The token's id, never its secret. */
  readonly token?: string | undefined;
  /** How the host's certificate is checked; "demo": there is no host. */
  readonly trust?: "none" | "system" | "ca" | "pin" | "demo" | undefined;
  /** The file that settings were read from. */
  readonly settingsFile?: string | undefined;
}

/** A task that a creating call has started. */
export interface StartedTask {
  readonly upid: string;
  readonly node: string;
  readonly vmid: number;
}

export interface Tool<
  I extends z.ZodObject = z.ZodObject,
  O extends z.ZodObject = z.ZodObject,
  C extends Call = Call,
> {
  readonly name: string;
  readonly title: string;
  /** The first sentence is complete in itself. */
  readonly description: string;
  readonly tier: Tier;
  readonly toolset: Toolset;
  /** A second identical call has no further effect. */
  readonly idempotent?: boolean;
  readonly input: I;
  readonly output: O;
  /** The only requests its client can make, by type and at run time. */
  readonly calls: readonly C[];
  readonly privileges: readonly Privilege[];
  run(input: z.output<I>, context: ToolContext<C>): Promise<z.output<O>>;
}

/** Carries the types of a declaration; does nothing at run time. */
export function defineTool<I extends z.ZodObject, O extends z.ZodObject, const C extends Call>(
  tool: Tool<I, O, C>,
): Tool<I, O, C> {
  return tool;
}
