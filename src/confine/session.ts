/** Opens one run inside the worker: which tools are offered at once, and what runs them when the first is called. */
import type { Settings } from "../config/settings.ts";
import type { Dispatch } from "../mcp/dispatch.ts";
import { lazyDispatch } from "../mcp/lazy.ts";
import { listedTools } from "../mcp/listed.gen.ts";
import type { ListedTool } from "../mcp/listed.ts";
import type { PveClient } from "../pve/client.ts";
import type { AuditLog } from "../safety/audit.ts";
import { offers, type PolicySettings } from "../safety/policy.ts";
import { cleanText } from "../shape/untrusted.ts";
import { chooseTools } from "../safety/toolsets.ts";
import { prepareForPackages } from "./packages.ts";

export interface SessionOptions {
  /** Undefined: a simulated PVE in memory. */
  readonly settings: Settings | undefined;
  /** Whether the demo has every tool; otherwise it has what a server has whose settings choose nothing, and exec. */
  readonly every?: boolean;
  readonly trace: boolean;
  /** Undefined: no record is kept. */
  readonly audit: AuditLog | undefined;
  /** Gets lines for stderr. */
  readonly log: (line: string) => void;
}

export interface Session {
  /** The tools that the settings choose; PROXMOX_READ_ONLY leaves fewer, and says so when another is called. */
  readonly chosen: readonly ListedTool[];
  readonly dispatch: Dispatch;
  /** Loads what runs the tools, unless a call has done so. */
  load(): Promise<Loaded>;
}

/** What only a call needs: the tools themselves, the way to PVE. */
export interface Loaded {
  readonly dispatch: Dispatch;
  readonly pve: PveClient;
}

/** In the demo's guests anybody may do anything. */
export const DEMO_POLICY: PolicySettings = { readOnly: false, exec: { guests: undefined } };

const NO_CHOICE = { toolsets: undefined, tools: undefined, exclude: undefined };

/**
 * Opens a session.
 * @throws {UsageError} where the settings choose tools that do not exist
 */
export function openSession(options: SessionOptions): Session {
  const { settings, every = false, log } = options;
  const chosen = settings === undefined
    ? every ? listedTools : chooseTools(listedTools, NO_CHOICE, true)
    : chooseTools(listedTools, settings.selection, settings.exec !== undefined);
  const offered = chosen.filter((tool) => offers(tool, settings ?? DEMO_POLICY));
  let loaded: Promise<Loaded> | undefined;
  function load(): Promise<Loaded> {
    // A module that could not be loaded may be there the next time.
    loaded ??= prepareForPackages().then(() => import("./loaded.ts")).then(({ openLoaded }) =>
      openLoaded(chosen, options)
    ).catch((error: unknown) => {
      loaded = undefined;
      throw error;
    });
    return loaded;
  }
  const onBug = (error: unknown) =>
    log(cleanText(error instanceof Error ? error.stack ?? error.message : String(error)));
  return { chosen, dispatch: lazyDispatch(offered, async () => (await load()).dispatch, onBug), load };
}
