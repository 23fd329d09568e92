/** A very small shell for simulated guests: words, quotes, variables, ; && || | > >>, and what this program itself sends. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { bytes, resolved, type System, write } from "./guest_files.ts";
import { type Process, programs } from "./guest_programs.ts";

/** What a program came to. */
export interface Outcome {
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** How long it takes, in simulated seconds. */
  readonly seconds: number;
  /** Whether `timeout` in the guest has ended it: whoever gave it that time measures it, so no pace shortens it. */
  readonly late: boolean;
}

interface Token {
  readonly text: string;
  readonly operator: boolean;
}

/** Splits a line into words and operators; inside single quotes everything stands for itself. */
function tokens(line: string, env: ReadonlyMap<string, string>): Token[] {
  const found: Token[] = [];
  let word: string | undefined;
  const end = () => {
    if (word !== undefined) found.push({ text: word, operator: false });
    word = undefined;
  };
  const variable = (from: number) => /^\$(?:\{(\w+)\}|(\w+|\?))/.exec(line.slice(from));
  for (let at = 0; at < line.length; at++) {
    const c = line.charAt(at);
    if (c === "'") {
      const close = line.indexOf("'", at + 1);
      word = (word ?? "") + line.slice(at + 1, close < 0 ? line.length : close);
      at = close < 0 ? line.length : close;
    } else if (c === '"') {
      word ??= "";
      for (at++; at < line.length && line.charAt(at) !== '"'; at++) {
        const name = variable(at);
        if (line.charAt(at) === "\\") word += line.charAt(++at);
        else if (name !== null) {
          word += env.get(name[1] ?? name[2] ?? "") ?? "";
          at += name[0].length - 1;
        } else word += line.charAt(at);
      }
    } else if (c === "\\") word = (word ?? "") + line.charAt(++at);
    else if (c === "$" && variable(at) !== null) {
      const name = variable(at);
      word = (word ?? "") + (env.get(name?.[1] ?? name?.[2] ?? "") ?? "");
      at += (name?.[0].length ?? 1) - 1;
    } else if (/^2>(?:&1|\/dev\/null)/.test(line.slice(at)) && word === undefined) {
      const operator = /^2>(?:&1|\s*\/dev\/null)/.exec(line.slice(at))?.[0] ?? "";
      found.push({ text: operator, operator: true });
      at += operator.length - 1;
    } else {
      const operator = /^(?:&&|\|\||>>|[;|>\n])/.exec(line.slice(at))?.[0];
      if (operator === undefined && !/\s/.test(c)) word = (word ?? "") + c;
      else end();
      if (operator !== undefined) {
        found.push({ text: operator === "\n" ? ";" : operator, operator: true });
        at += operator.length - 1;
      }
    }
  }
  end();
  return found;
}

interface Shell {
  readonly system: System;
  readonly env: Map<string, string>;
  folder: string;
  user: string;
  seconds: number;
  late: boolean;
  /** The present script is over, by exit or exec. */
  ended: boolean;
  readonly out: Uint8Array[];
  readonly err: Uint8Array[];
}

/** Runs one program with its words. */
function runProgram(shell: Shell, argv: readonly string[], stdin: Uint8Array, out: (part: Uint8Array) => void): number {
  const name = (argv[0] ?? "").replace(/^(?:\/usr)?\/s?bin\//, "");
  if (name === "sh" || name === "bash") return runShell(shell, argv, stdin, out);
  if (name === "su") {
    shell.user = argv.at(-1) ?? "root";
    return runScript(shell, argv[argv.indexOf("-c") + 1] ?? "", stdin, out);
  }
  if (name === "exit" || name === "exec") {
    const code = name === "exec"
      ? runProgram(shell, argv.slice(1), stdin, out)
      : Number(argv[1] ?? shell.env.get("?") ?? 0);
    shell.ended = true;
    return (Number.isInteger(code) ? code : 2) & 0xff;
  }
  if (name === "sudo" || name === "env" && argv.length > 1) {
    return runProgram(shell, argv.slice(1), stdin, out);
  }
  const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
  const err = (text: string) => void shell.err.push(bytes(text));
  const process: Process = {
    system: shell.system,
    argv,
    stdin,
    folder: shell.folder,
    user: shell.user,
    env: shell.env,
    out: (part) => out(typeof part === "string" ? bytes(part) : part),
    err,
    wait: (seconds) => void (shell.seconds += seconds),
  };
  const code = program?.(process) ?? 127;
  shell.folder = process.folder;
  if (code === 127) err(`sh: 1: ${name}: not found\n`);
  return code;
}

/** What sh is called with: a line, or one of this program's own scripts, which carry their names in their first line. */
function runShell(shell: Shell, argv: readonly string[], stdin: Uint8Array, out: (part: Uint8Array) => void): number {
  const at = argv.findIndex((word) => /^-l?c$/.test(word));
  const script = argv[at + 1] ?? "";
  const args = argv.slice(at + 3);
  const own = /^# proxmox-mcp: (\w+)\n/.exec(script)?.[1];
  if (own === "push") return push(shell, args, stdin, out);
  if (own === "drop") return shell.system.files.delete(args[0] ?? "") ? 0 : 1;
  if (own === "pull") return pull(shell, args, out);
  if (script.startsWith("timeout -k")) return runWithin(shell, Number(argv[at + 2]), args, stdin, out);
  if (script.startsWith("base64 -d | ")) {
    return runProgram(shell, args, Uint8Array.from(Buffer.from(Buffer.from(stdin).toString(), "base64")), out);
  }
  return runScript(shell, script, stdin, out);
}

/** As timeout does; 124 says that the time was over. */
function runWithin(
  shell: Shell,
  seconds: number,
  argv: readonly string[],
  stdin: Uint8Array,
  out: (part: Uint8Array) => void,
): number {
  const began = shell.seconds;
  const code = runProgram(shell, argv, stdin, out);
  if (shell.seconds - began <= seconds) return code;
  shell.seconds = began + seconds;
  shell.late = true;
  return 124;
}

/** A script in a shell of its own. */
function runScript(shell: Shell, script: string, stdin: Uint8Array, out: (part: Uint8Array) => void): number {
  const code = runLine(shell, script, stdin, out);
  shell.ended = false;
  return code;
}

function runLine(shell: Shell, line: string, stdin: Uint8Array, out: (part: Uint8Array) => void): number {
  let code = 0;
  let skip = false;
  let words: string[] = [];
  let target: { readonly path: string; readonly append: boolean } | undefined;
  let redirect: ">" | ">>" | undefined;
  let input = stdin;
  const flush = (next: string) => {
    if (words.length > 0 && !skip && !shell.ended) {
      const parts: Uint8Array[] = [];
      code = runProgram(shell, words, input, (part) => void parts.push(part));
      shell.env.set("?", String(code));
      const all = Uint8Array.from(Buffer.concat(parts));
      input = stdin;
      if (target !== undefined) {
        const path = resolved(target.path, shell.folder);
        const before = target.append ? shell.system.files.get(path)?.content ?? bytes("") : bytes("");
        if (path !== "/dev/null") write(shell.system, path, Uint8Array.from(Buffer.concat([before, all])));
      } else if (next === "|") input = all;
      else if (all.length > 0) out(all);
    }
    words = [];
    target = undefined;
    skip = next === "&&" ? (skip || code !== 0) : next === "||" ? (skip ? skip && code !== 0 : code === 0) : false;
  };
  // Line by line, as a later one may use what an earlier one has set.
  for (const part of /^(?:cd|export) /m.test(line) ? line.split(/\n(?=(?:[^']*'[^']*')*[^']*$)/) : [line]) {
    for (const { text, operator } of [...tokens(part, shell.env), { text: ";", operator: true }]) {
      if (!operator) {
        if (redirect === undefined) words.push(text);
        else target = { path: text, append: redirect === ">>" };
        redirect = undefined;
      } else if (text === ">" || text === ">>") redirect = text;
      else if (!text.startsWith("2>")) flush(text);
    }
  }
  return code;
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** As push_file's script does: PART FILE MODE OWNER OVERWRITE PARENTS SHA256 KEPT FIRST LAST. */
function push(shell: Shell, args: readonly string[], stdin: Uint8Array, out: (part: Uint8Array) => void): number {
  const [part = "", final = "", mode = "", owner = "", overwrite = "", parents = "", sum = "", kept = "", , last] =
    args;
  const { files } = shell.system;
  const fail = (says: string, code: number) => {
    shell.err.push(bytes(`${says}\n`));
    return code;
  };
  const before = files.get(part)?.content;
  const content = before === undefined ? stdin : Uint8Array.from(Buffer.concat([before, stdin]));
  files.delete(part);
  if (last !== "1") {
    write(shell.system, part, content, "600");
    return 0;
  }
  const folder = final.slice(0, final.lastIndexOf("/")) || "/";
  if (folder !== "/" && files.get(folder) === undefined && parents !== "1") return fail(folder, 41);
  const old = files.get(final);
  if (old !== undefined && old.content === undefined) return fail(final, 42);
  if (old !== undefined && overwrite !== "1") return fail(final, 43);
  if (sha256(content) !== sum) return fail("the checksum differs", 44);
  if (old !== undefined) {
    files.set(kept, old);
    out(bytes(`kept\n`));
  }
  write(shell.system, final, content, mode || old?.mode || "644", owner || old?.owner || "root");
  return 0;
}

/** As pull_file's script does: PATH LIMIT BASE64. */
function pull(
  shell: Shell,
  [path = "", limit = "", base64 = ""]: readonly string[],
  out: (part: Uint8Array) => void,
): number {
  const entry = shell.system.files.get(path);
  if (entry === undefined) return 51;
  if (entry.content === undefined) return 52;
  const { content, mode, owner } = entry;
  if (content.length > Number(limit)) {
    out(bytes(`${content.length}\n`));
    return 53;
  }
  out(bytes(`${content.length} ${mode} ${owner} ${sha256(content)}\n`));
  out(base64 === "1" ? bytes(Buffer.from(content).toString("base64")) : content);
  return 0;
}

/** Runs an argument vector in a guest's system, as root. */
export function runInGuest(system: System, argv: readonly string[], stdin: Uint8Array = bytes("")): Outcome {
  const shell: Shell = {
    system,
    env: new Map([["PATH", "/usr/sbin:/usr/bin:/sbin:/bin"], ["HOME", "/root"]]),
    folder: "/root",
    user: "root",
    seconds: 0,
    late: false,
    ended: false,
    out: [],
    err: [],
  };
  const exitCode = runProgram(shell, argv, stdin, (part) => void shell.out.push(part));
  const all = (parts: readonly Uint8Array[]) => Uint8Array.from(Buffer.concat(parts));
  return { exitCode, stdout: all(shell.out), stderr: all(shell.err), seconds: shell.seconds, late: shell.late };
}
