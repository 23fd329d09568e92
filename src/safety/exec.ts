/** The gate of the second way: builds the one line that goes over SSH, of two fixed shapes, or refuses it. */
import { Buffer } from "node:buffer";
import { Refusal } from "../errors.ts";
import { INLINE } from "./exec_program.ts";
import { nodeName, vmid } from "./values.ts";

/** One command in one guest. */
export interface ExecRequest {
  /** Decides between pct exec and qm guest exec. */
  readonly kind: "container" | "vm";
  readonly vmid: number;
  /** The node it runs on: a host that is another one refuses. */
  readonly node: string;
  /** When it is ended on the host, 1 to 86,400. */
  readonly seconds: number;
  /** Whether something follows on its standard input. */
  readonly input: boolean;
  /** The program and its arguments, exactly as the guest shall get them. */
  readonly argv: readonly string[];
}

/** What goes over the wire. Only this file can make one that isAdmittedExec() accepts. */
export interface AdmittedExec {
  readonly line: string;
  /** Goes ahead of the standard input: what had no room in the line, as a shell's argument holds 128 KiB. */
  readonly lead: Uint8Array;
}

const admitted = new WeakSet<AdmittedExec>();

/** Whether this very object came out of admitExec(). */
export function isAdmittedExec(command: AdmittedExec): boolean {
  return admitted.has(command);
}

/** The most bytes of a command with its arguments; Linux takes 128 KiB in one argument. */
export const LONGEST_ARGV = 120_000;

/** The bytes of the arguments that stand in the line itself. */
const IN_LINE = 40_000;

/** Everything that a line may hold: no login shell gives any of it a meaning (sh, bash, zsh, fish). */
const PLAIN = /^[A-Za-z0-9_./=+ -]+$/;

/**
 * The last look at a line, whatever has built it.
 * @throws {Refusal} for a character that some shell may read
 */
export function checkLine(line: string): string {
  if (!PLAIN.test(line)) throw new Refusal("Refused: the line holds a character that a shell may read");
  return line;
}

function base64url(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString("base64url");
}

/**
 * Loads MIME::Base64, decodes the program that follows, and runs it on the words after that. In these characters alone there
 * are neither quotes nor colons: the -e are joined by line ends, and X stands for a colon.
 */
const BOOTSTRAP = [
  // A login shell may set a locale that the host has not: perl would complain on stderr, as if the guest had.
  "env PERL_BADLANG=0 perl -e require -e q+MIME/Base64.pm+ -e and -e s/X/chr -e 58/ge -e and -e eval -e eval -e for -e shift",
  "MIMEXXBase64XXdecode_base64url+shift",
  base64url(INLINE),
].join(" ");

/**
 * Judges a command and its arguments; those for the guest agent are judged by the catalogue.
 * @throws {Refusal} for what cannot be an argument vector of Linux
 */
function checkArgv(argv: readonly string[]): void {
  if (argv.length === 0 || argv[0] === "") throw new Refusal("Refused: there is no command", "Give command or argv");
  let size = 0;
  for (const argument of argv) {
    if (argument.includes("\0")) {
      throw new Refusal(
        "Refused: the command holds a NUL character, which no program can be given",
        "Take it out; binary data goes through stdin or push_file",
      );
    }
    if (!argument.isWellFormed()) {
      throw new Refusal("Refused: the command is not valid Unicode", "Take out the half of a surrogate pair in it");
    }
    size += Buffer.byteLength(argument) + 1;
  }
  if (size > LONGEST_ARGV) {
    throw new Refusal(
      `Refused: the command has ${size} bytes, and ${LONGEST_ARGV} are the most`,
      "Send a long script as a file with push_file, then run that",
    );
  }
}

/**
 * Builds the line for one command.
 * @throws {Refusal} for a guest's number, a time or an argument that cannot be
 */
export function admitExec({ kind, vmid: number, node, seconds, input, argv }: ExecRequest): AdmittedExec {
  if (kind !== "container" && kind !== "vm") throw new Refusal("Refused: only containers and VMs are entered");
  if (typeof number !== "number") throw new Refusal("Refused: a guest's number is a number");
  const guest = vmid(number, "vmid");
  const where = nodeName(node, "node");
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 86_400) {
    throw new Refusal(`Refused timeout=${seconds}: it must be 1 to 86400 seconds`);
  }
  checkArgv(argv);
  const bytes = Buffer.from(argv.join("\0"));
  const cut = Math.min(bytes.length, IN_LINE);
  const head = `${seconds} ${input ? 1 : 0} ${bytes.length - cut} ${where}\0`;
  const data = base64url(Buffer.concat([Buffer.from(head), bytes.subarray(0, cut)]));
  const line = checkLine(`${BOOTSTRAP} ${kind} ${guest} ${data}`);
  const command: AdmittedExec = Object.freeze({ line, lead: Uint8Array.from(bytes.subarray(cut)) });
  admitted.add(command);
  return command;
}
