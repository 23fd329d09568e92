/** `doctor`: looks at everything that has to be right, says what is not, and what to do; changes nothing. */
import type { Settings } from "../config/settings.ts";
import { settingRows } from "../config/settings.ts";
import type { Sources } from "../config/sources.ts";
import { launch, WorkerFault } from "../confine/launcher.ts";
import { type Check, exitCode, failed, isCheck, ok, type Status, warning } from "../doctor/check.ts";
import { summary } from "../doctor/summary.ts";
import { UsageError } from "../errors.ts";
import { gatherSettings } from "./settings.ts";
import { clean, err, out, progressBar, styled } from "./terminal.ts";

export interface DoctorCommand {
  readonly envFile: string | undefined;
  readonly json: boolean;
  readonly demo: boolean;
  /** Log each request on stderr. */
  readonly trace: boolean;
}

const marks: Readonly<Record<Status, readonly [string, "green" | "yellow" | "red" | "dim"]>> = {
  ok: ["✓", "green"],
  warning: ["!", "yellow"],
  failed: ["✗", "red"],
  skipped: ["–", "dim"],
};

/** A check as lines for people. */
function shown({ status, says, remedy }: Check): string {
  const [mark, style] = marks[status];
  return [`${styled(style, mark)} ${clean(says)}`, ...remedy.map((line) => `    ${clean(line)}`)].join("\n");
}

/** The names of the settings, by where they came from; never a value. */
function origins(sources: Sources): string {
  const fromFile = (name: string) => sources.env[name] === undefined && sources.file?.content.includes(name) === true;
  const names: readonly string[] = settingRows.map(({ variable }) => variable);
  const environment = names.filter((name) => sources.env[name] !== undefined);
  const file = names.filter(fromFile);
  return [
    ...(environment.length > 0 ? [`${environment.join(", ")} from the environment`] : []),
    ...(file.length > 0 && sources.file !== undefined ? [`${file.join(", ")} from ${sources.file.path}`] : []),
  ].join("; ") || "none set";
}

function settingsChecks(settings: Settings, sources: Sources): Check[] {
  const { missing, warnings } = settings;
  const checks = missing.length === 0 ? [ok("settings", `Settings: ${origins(sources)}`)] : [failed(
    "settings",
    `Not set: ${missing.join(", ")} (${origins(sources)})`,
    "Run proxmox-mcp init, which asks for them one by one; or set them in the environment or in a file behind --env-file",
  )];
  return [...checks, ...warnings.map((text) => warning("settings", text))];
}

async function inWorker(
  settings: Settings,
  sources: Sources,
  trace: boolean,
  onSays: (says: string) => void,
): Promise<Check[]> {
  const { result } = launch({
    assignment: { job: { kind: "doctor" }, sources, trace },
    target: settings.target,
    ssh: settings.exec?.ssh?.hosts ?? [],
    audit: undefined,
    // What the worker would warn of is one of the checks.
    onLog: trace ? err : () => {},
    onProgress: onSays,
  });
  const checks = await result;
  if (!Array.isArray(checks) || !checks.every(isCheck)) throw new WorkerFault("The checks came back garbled");
  return checks;
}

async function examined({ envFile, trace }: DoctorCommand, onSays: (says: string) => void): Promise<Check[]> {
  let gathered: { settings: Settings; sources: Sources };
  try {
    gathered = gatherSettings(envFile);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return [failed("settings", error.message, error.remedy ?? "Correct them where they are set, as each line says")];
  }
  const { settings, sources } = gathered;
  const checks = settingsChecks(settings, sources);
  return settings.target === undefined ? checks : [...checks, ...await inWorker(settings, sources, trace, onSays)];
}

/** Prints the checks and returns the exit code: 0 all is well, 1 something is worth a look, 2 something does not work. */
export async function doctorCommand(command: DoctorCommand): Promise<number> {
  if (command.demo) {
    throw new UsageError(
      "doctor --demo goes with --confinement only: there is no host to look at.",
      "To see doctor at work, run simulate in one terminal, and doctor with the settings that it prints in another.",
    );
  }
  const bar = progressBar();
  const checks = await examined(command, (says) => bar.update(clean(says))).finally(bar.done);
  const code = exitCode(checks);
  if (command.json) {
    out(JSON.stringify({ status: (["ok", "warning", "failed"] as const)[code], checks }, undefined, 2));
    return code;
  }
  out(summary(checks).map(shown).join("\n"));
  const count = (status: Status) => checks.filter((check) => check.status === status).length;
  out(
    code === 0
      ? "\nAll is well."
      : `\nNot working: ${count("failed")}; worth a look: ${count("warning")}. Each says what to do.`,
  );
  return code;
}
