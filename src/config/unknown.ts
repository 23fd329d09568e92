/** Judges variables that start with PROXMOX_ and are not settings of this version: mostly typos. */
import { UsageError } from "../errors.ts";
import { closest } from "./closest.ts";
import { settingRows } from "./settings.ts";

const prefix = "PROXMOX_";

const restrictions: readonly string[] = [
  "PROXMOX_READ_ONLY",
  "PROXMOX_PROTECTED",
  "PROXMOX_CONFIRM",
  "PROXMOX_POOL",
  "PROXMOX_AUDIT_FILE",
  "PROXMOX_VERIFY_SSL",
  "PROXMOX_CA_FILE",
  "PROXMOX_FINGERPRINT",
  "PROXMOX_TOOLSETS",
  "PROXMOX_TOOLS",
  "PROXMOX_EXCLUDE_TOOLS",
  "PROXMOX_EXEC_GUESTS",
  "PROXMOX_SSH_HOST_KEY",
];

/** Words that promise a limit, in names that this version does not know, or that another program's settings have. */
const LIMITING =
  /(?:^|_)(?:READ_?ONLY|ONLY|PROTECT\w*|DENY|DENIED|ALLOW\w*|FORBID\w*|BLOCK\w*|NO|DISABLE\w*|EXCLUDE\w*|RESTRICT\w*|LIMIT\w*|CONFIRM\w*|APPROV\w*|SAFE\w*|GUESTS?|VMIDS?|TOOLS?|TOOLSETS?|POOLS?|AUDIT\w*)(?:_|$)/;

/** What is to be said about names that are not settings. */
export interface Judgement {
  readonly problems: readonly UsageError[];
  readonly warnings: readonly string[];
}

/** Judges the names of all variables that are set; known ones, and names without the prefix, pass in silence. */
export function judgeNames(names: readonly string[]): Judgement {
  const known = settingRows.map((row): string => row.variable);
  const problems: UsageError[] = [];
  const warnings: string[] = [];
  for (const name of names) {
    if (!name.startsWith(prefix) || known.includes(name)) continue;
    const meant = closestName(name, known);
    const question = meant === undefined ? "Run with --help to see all settings." : `Did you mean ${meant}?`;
    // A mistyped restriction stops the start: the client hides warnings from the person who wrote it.
    if (meant !== undefined && restrictions.includes(meant)) {
      problems.push(new UsageError(`${name} is not a setting of this program.`, question));
    } else if (LIMITING.test(name.slice(prefix.length))) {
      problems.push(
        new UsageError(
          `${name} is not a setting of this program, and by its name it limits something.`,
          "Run with --help to see the settings that do, and take this one out.",
        ),
      );
    } else {
      warnings.push(`${name} is not a setting of this program and is ignored. ${question}`);
    }
  }
  return { problems, warnings };
}

/** Compares what follows the prefix, as the prefix itself would make every name similar. */
function closestName(name: string, candidates: readonly string[]): string | undefined {
  const rest = closest(name.slice(prefix.length), candidates.map((candidate) => candidate.slice(prefix.length)));
  return rest === undefined ? undefined : prefix + rest;
}
