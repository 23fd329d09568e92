/** Starts a job in the worker for a command: reads the settings, opens the audit log, says what is worth a warning. */
import type { Settings } from "../config/settings.ts";
import type { Sources } from "../config/sources.ts";
import { launch, type Launched, type LaunchOptions } from "../confine/launcher.ts";
import type { Job } from "../confine/messages.ts";
import { auditLinesIn, openAuditFile } from "./audit_file.ts";
import { gatherSettings, namesSet } from "./settings.ts";
import { clean, err } from "./terminal.ts";

/** The flags that all commands take that reach PVE. */
export interface SessionOptions {
  readonly demo: boolean;
  readonly envFile: string | undefined;
  readonly trace: boolean;
}

type Handlers = Pick<LaunchOptions, "onProgress" | "onQuestion" | "onMcp"> & Partial<Pick<LaunchOptions, "onLog">>;

/**
 * Starts the job, with network to the host that the settings name; with `demo` there is none, and no setting is read.
 * @throws {UsageError} for settings that are wrong, and permissions that are missing; missing settings are told at the first call
 */
export function startJob(job: Job, options: SessionOptions, handlers: Handlers = {}): Launched {
  const gathered: { settings: Settings; sources: Sources } | undefined = options.demo
    ? undefined
    : gatherSettings(options.envFile);
  const { settings, sources } = gathered ?? {};
  if (options.demo) warnOfUnused(options.envFile);
  for (const warning of settings?.warnings ?? []) err(clean(`Warning: ${warning}`));
  if (settings?.file !== undefined) err(`Settings read from ${settings.file}`);
  return launch({
    assignment: { job, sources, trace: options.trace },
    target: settings?.target,
    ssh: settings?.exec?.ssh?.hosts ?? [],
    // The launcher keeps the file open: the permission to write is gone when the first line comes.
    audit: settings?.auditFile === undefined ? undefined : auditLinesIn(openAuditFile(settings.auditFile)),
    onLog: err,
    ...handlers,
  });
}

/** Somebody may rely on a limit that the demo does not know. */
function warnOfUnused(envFile: string | undefined): void {
  const names = [...(envFile === undefined ? [] : ["--env-file"]), ...namesSet()];
  if (names.length > 0) err(clean(`Warning: --demo uses no settings, and leaves out ${names.join(", ")}`));
}
