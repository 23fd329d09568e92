/** Builds the argument vector for a guest from what a caller gives: a shell's line or a vector, with user, folder, variables. */
import { UsageError } from "../errors.ts";

export interface CommandInput {
  readonly command?: string | undefined;
  readonly argv?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly user?: string | undefined;
}

/** A word of a POSIX shell that means exactly this text. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The vector. A command is run by the guest's login shell, so that its PATH is the usual one; folder, variables and user
 * take /bin/sh, and su where there is a user.
 * @throws {UsageError} for neither or both of command and argv, and for what cannot be a program, folder or variable
 */
export function vectorOf({ command, argv, cwd, env = {}, user }: CommandInput): string[] {
  if ((command === undefined) === (argv === undefined)) {
    throw new UsageError(
      command === undefined ? "Neither command nor argv was given" : "Both command and argv were given",
      "Give command, a line for /bin/sh, or argv, a program with its arguments",
    );
  }
  const base = command !== undefined ? ["/bin/sh", "-lc", command] : [...argv ?? []];
  const program = base[0] ?? "";
  if (program === "" || program.startsWith("-")) {
    throw new UsageError(
      `argv begins with ${JSON.stringify(program)}, which is no program`,
      "Begin it with a path or name",
    );
  }
  const lines: string[] = [];
  if (cwd !== undefined) {
    if (!cwd.startsWith("/")) throw new UsageError(`cwd=${JSON.stringify(cwd)} is no full path`, "Begin it with /");
    lines.push(`cd -- ${quoted(cwd)} || exit 126`);
  }
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw new UsageError(
        `env holds ${JSON.stringify(name)}, which is no variable's name`,
        "Use letters, digits and _",
      );
    }
    lines.push(`export ${name}=${quoted(value)}`);
  }
  if (lines.length === 0 && user === undefined) return base;
  const script = [...lines, `exec ${base.map(quoted).join(" ")}`].join("\n");
  // util-linux and busybox both take the options before the name.
  return user === undefined ? ["/bin/sh", "-c", script] : ["su", "-s", "/bin/sh", "-c", script, user];
}

/**
 * The same inside a VM, where nobody outside can end it: `timeout` there does, where the guest has it (an old one knows no
 * -k, and is left out).
 */
export function endingItself(argv: readonly string[], seconds: number): string[] {
  const script = 'timeout -k 5 1 true 2>/dev/null && exec timeout -k 5 "$0" "$@"; exec "$@"';
  return ["/bin/sh", "-c", script, String(seconds), ...argv];
}
