/** The ways into a guest: SSH and pct for containers, the guest agent or SSH and qm for VMs; one answer from all of them. */
import { Buffer } from "node:buffer";
import { z } from "zod";
import { PveError, UsageError } from "../errors.ts";
import type { PveClient } from "../pve/client.ts";
import { findGuest, type Guest, type GuestKind, listGuests } from "../pve/guests.ts";
import type { ToolContext } from "../tool.ts";
import { endingItself } from "./command.ts";
import { agentBytes, Capture } from "./output.ts";

/** What entering a guest takes. */
export const enteringCalls = [
  "GET /cluster/resources",
  "GET /nodes/{node}/lxc/{vmid}/config",
  "POST /nodes/{node}/qemu/{vmid}/agent/exec",
  "GET /nodes/{node}/qemu/{vmid}/agent/exec-status",
] as const;

export type EnteringCall = (typeof enteringCalls)[number];
type Context = ToolContext<EnteringCall>;

/** A program to run in a guest. */
export interface Program {
  readonly argv: readonly string[];
  readonly seconds: number;
  readonly stdin?: Uint8Array | undefined;
  /** The most bytes that are kept of each of its outputs. */
  readonly limit: number;
  /** Whether the guest has /bin/sh, as far as the caller knows. */
  readonly shell: boolean;
  /** Ends it instead of the end of the call. */
  readonly signal?: AbortSignal;
}

/** What came of it. */
export interface Ran {
  readonly exitCode: number;
  readonly stdout: Capture;
  readonly stderr: Capture;
  /** Of one of the outputs, the agent itself has kept only the first 16 MiB. */
  readonly agentCut: boolean;
  readonly leftBehind: boolean;
  /** Whether its time was over. */
  readonly timedOut: boolean;
  readonly milliseconds: number;
}

/** A guest that may be entered, and how. */
export interface Entered {
  readonly guest: Guest;
  /** Whether PVE's agent calls carry it: input is ASCII and small there. */
  readonly byAgent: boolean;
  run(program: Program): Promise<Ran>;
}

/** The most input that goes along with a command through the guest agent (PVE's limit), and through qm guest exec. */
export const AGENT_INPUT = 65_536;
const QM_INPUT = 1024 * 1024;

/** The most of qm's answer that is read: it holds the whole output. */
const QM_ANSWER = 12 * 1024 * 1024;

/** Finds a guest of either kind. */
export async function kindOf(pve: PveClient<"GET /cluster/resources">, vmid: number, signal: AbortSignal) {
  const guests = await listGuests(pve, { signal });
  return guests.find((guest) => guest.vmid === vmid)?.kind ?? "container";
}

/**
 * Finds the guest and the way in.
 * @throws {UsageError} wrong kind, not running, privileged where that is not allowed, no way to log in
 */
export async function enter(
  context: Context,
  address: { readonly vmid: number; readonly node?: string | undefined },
  kind: GuestKind,
): Promise<Entered> {
  const { pve, signal, exec } = context;
  if (exec === undefined) {
    throw new UsageError("Commands in guests are off", "A person can set PROXMOX_ENABLE_EXEC=true");
  }
  const other = kind === "vm" ? "exec_in_container" : "exec_in_vm";
  const guest = await findGuest(pve, address, kind, other, { signal });
  const word = kind === "vm" ? "VM" : "container";
  if (guest.status === "stopped") {
    throw new UsageError(`${word} ${guest.vmid} is not running`, `Start it with start_${kind}`);
  }
  if (kind === "vm" && exec.vm === "agent") {
    return {
      guest,
      byAgent: true,
      run: (program) => byAgent(context, guest, program),
    };
  }
  if (exec.shell === undefined) {
    throw new UsageError(
      `${word} ${guest.vmid} is entered by SSH to its node, and there is no way to log in`,
      "A person has to set PROXMOX_SSH_KEY_FILE (or PROXMOX_SSH_PASSWORD) and PROXMOX_SSH_HOST_KEY; README tells how",
    );
  }
  if (kind === "container" && !exec.privileged) await refusePrivileged(context, guest);
  return { guest, byAgent: false, run: (program) => bySsh(context, guest, program) };
}

async function refusePrivileged({ pve, signal }: Context, { node, vmid }: Guest): Promise<void> {
  const config: { readonly unprivileged?: boolean | undefined } = await pve.call(
    "GET /nodes/{node}/lxc/{vmid}/config",
    { node, vmid },
    { signal },
  );
  if (config.unprivileged === true) return;
  throw new UsageError(
    `Container ${vmid} is privileged: its root is close to root on the node ${node}`,
    "Use an unprivileged container; only the person who runs this server can allow it, by PROXMOX_EXEC_PRIVILEGED=true",
  );
}

/** Tells every few seconds that a command still runs. */
function reporting({ progress }: Context, seconds: number, size: () => number): { [Symbol.dispose](): void } {
  const started = performance.now();
  const timer = progress === undefined ? undefined : setInterval(() => {
    const elapsed = (performance.now() - started) / 1000;
    progress(`Runs for ${Math.round(elapsed)} s; ${size()} bytes of output`, Math.min(1, elapsed / seconds));
  }, 2000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** `timeout` says 124, or 137 where it had to kill; a program may say so, too, but earlier. */
function wasLate(exitCode: number, milliseconds: number, seconds: number): boolean {
  return (exitCode === 124 || exitCode === 137) && milliseconds >= seconds * 1000 - 100;
}

// ---- By SSH ----------------------------------------------------------------------------------------------------------

async function bySsh(context: Context, guest: Guest, program: Program): Promise<Ran> {
  const shell = context.exec?.shell;
  const signal = program.signal ?? context.signal;
  if (shell === undefined) throw new UsageError("There is no way to log in to a node");
  const vm = guest.kind === "vm";
  const { seconds, stdin } = program;
  if (vm && (stdin?.length ?? 0) > QM_INPUT) throw tooMuchInput(QM_INPUT);
  const stdout = new Capture(vm ? QM_ANSWER : program.limit);
  const stderr = new Capture(program.limit);
  const argv = vm && program.shell ? endingItself(program.argv, seconds) : program.argv;
  const started = context.now();
  using _ = reporting(context, seconds, () => stdout.size + stderr.size);
  const { exitCode, leftBehind = false } = await shell.run(
    { kind: guest.kind, node: guest.node, vmid: guest.vmid, argv, seconds: vm ? seconds + 10 : seconds, stdin },
    { signal, onStdout: (chunk) => stdout.add(chunk), onStderr: (chunk) => stderr.add(chunk) },
  );
  const milliseconds = context.now() - started;
  const complaint = stderr.kept().text;
  if (exitCode !== 0 && stdout.size === 0) refuseComplaint(guest, exitCode, complaint);
  if (vm) return fromQm(guest, program, exitCode, stdout, complaint, milliseconds);
  return {
    exitCode,
    stdout,
    stderr,
    agentCut: false,
    leftBehind,
    timedOut: wasLate(exitCode, milliseconds, seconds),
    milliseconds,
  };
}

/** All that our own program on the host says: a container's stderr comes the same way, and says what it likes. */
const OWN_WORDS =
  /^proxmox-mcp: (guest \d+ is not in the list of this host's proxmox-mcp-exec|there is no (?:pct|qm) on this host: it is not a PVE host|this host is the node [A-Za-z0-9-]{1,63}, and the guest is on [A-Za-z0-9-]{1,63}|only VERB VMID DATA is taken, as proxmox-mcp sends it|the data (?:cannot be read|ended early)|there is no command|cannot start (?:a process|timeout): [A-Za-z ]{1,60})\n$/;

/**
 * What pct, qm and our own program on the host say when nothing was run at all. A guest could say the same, and would only
 * fool whoever sent the command there: none of its own words get into the error.
 */
function refuseComplaint({ kind, vmid, node }: Guest, exitCode: number, complaint: string): void {
  const own = exitCode === 125 ? OWN_WORDS.exec(complaint)?.[1] : undefined;
  const elsewhere = own?.startsWith("this host is the node ") === true;
  if (own !== undefined && !elsewhere) {
    throw new PveError(`The host refuses the command for guest ${vmid}: ${own}`, {
      kind: "failed",
      remedy: own.startsWith("guest ")
        ? "A person has to add it to @GUESTS in proxmox-mcp-exec on that host"
        : "A person has to see to it on that host; docs/exec.md tells what it takes",
    });
  }
  const file = new RegExp(`^Configuration file 'nodes/[^'/]+/(?:lxc|qemu-server)/${vmid}\\.conf' does not exist$`, "m");
  if (elsewhere || file.test(complaint)) {
    throw new UsageError(
      `Guest ${vmid} is on the node ${node}, and the SSH host that was asked is another one`,
      `A person has to set PROXMOX_SSH_HOST=${node}=ADDRESS, and to add the other nodes in the same way`,
    );
  }
  // It stopped after PVE was asked. Perl's die may exit with whatever errno there was.
  if (kind === "container" && new RegExp(`^container '${vmid}' not running`, "m").test(complaint)) {
    throw new UsageError(`Container ${vmid} is not running`, "Start it with start_container");
  }
  if (kind === "vm") {
    throw new PveError(`qm guest exec failed: ${complaint.trim()}`, {
      kind: /agent/i.test(complaint) ? "agent" : "failed",
      remedy: /agent/i.test(complaint)
        ? "qemu-guest-agent has to be installed and running inside the VM, and switched on in its options"
        : "Nothing was run",
    });
  }
}

const answerOfQm = z.object({
  exitcode: z.number().optional(),
  signal: z.number().optional(),
  exited: z.union([z.boolean(), z.number()]),
  "out-data": z.string().optional(),
  "err-data": z.string().optional(),
  "out-truncated": z.unknown().optional(),
  "err-truncated": z.unknown().optional(),
});

/** qm prints JSON and exits with 0, whatever came of the command inside. */
function fromQm(
  guest: Guest,
  { limit, seconds }: Program,
  exitCode: number,
  printed: Capture,
  complaint: string,
  milliseconds: number,
): Ran {
  const answer = printed.size > QM_ANSWER ? undefined : parsed(printed.kept().text);
  if (answer === undefined) {
    throw new PveError(
      printed.size > QM_ANSWER
        ? `The command ran in VM ${guest.vmid}, and put out more than can be read through qm guest exec`
        : `qm guest exec ended with ${exitCode} and no answer: ${complaint.trim()}`,
      {
        kind: "unreadable",
        remedy: "Send its output into a file in the guest (command > FILE), and look at a part of that",
      },
    );
  }
  if (Number(answer.exited) !== 1) throw stillRunning(guest, seconds);
  const [stdout, stderr] = [new Capture(limit), new Capture(limit)];
  stdout.add(agentBytes(answer["out-data"] ?? ""));
  stderr.add(agentBytes(answer["err-data"] ?? ""));
  const code = answer.exitcode ?? 128 + (answer.signal ?? 0);
  return {
    exitCode: code,
    stdout,
    stderr,
    agentCut: Boolean(answer["out-truncated"]) || Boolean(answer["err-truncated"]),
    leftBehind: false,
    timedOut: wasLate(code, milliseconds, seconds),
    milliseconds,
  };
}

function parsed(text: string): z.output<typeof answerOfQm> | undefined {
  try {
    const result = answerOfQm.safeParse(JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

// ---- By PVE's API and the guest agent ----------------------------------------------------------------------------------

const POST = "POST /nodes/{node}/qemu/{vmid}/agent/exec" as const;
const STATUS = "GET /nodes/{node}/qemu/{vmid}/agent/exec-status" as const;

async function byAgent(context: Context, guest: Guest, program: Program): Promise<Ran> {
  const { pve } = context;
  const { node, vmid } = guest;
  const { seconds, limit, signal = context.signal } = program;
  const started = context.now();
  const input = agentInput(program);
  using _ = reporting(context, seconds, () => 0);
  const { pid } = await explaining(
    guest,
    () => pve.call(POST, { node, vmid, command: [...input.argv], "input-data": input.data }, { signal }),
  );
  if (pid === undefined) throw new PveError("PVE gave no process number for the command", { kind: "unreadable" });
  // What ends by itself gets the time to say so.
  const deadline = performance.now() + (seconds + (program.shell ? 8 : 0)) * 1000;
  for (let pause = 50;; pause = Math.min(pause * 2, 1000)) {
    await sleep(pause, signal);
    if (signal.aborted) {
      const told = await endInGuest(context, guest, pid, program.shell);
      throw new PveError(`The call was cancelled, and the command in VM ${vmid} ${told}`, {
        kind: "cancelled",
        remedy: "What it had done by then stays done",
      });
    }
    const status = await pve.call(STATUS, { node, vmid, pid }, { signal }).catch((error: unknown) => {
      if (signal.aborted) return undefined;
      throw error;
    });
    if (status === undefined) continue;
    const milliseconds = context.now() - started;
    if (status.exited !== true) {
      if (performance.now() < deadline) continue;
      await endInGuest(context, guest, pid, program.shell);
      throw stillRunning(guest, seconds);
    }
    const [stdout, stderr] = [new Capture(limit), new Capture(limit)];
    stdout.add(agentBytes(status["out-data"] ?? ""));
    stderr.add(agentBytes(status["err-data"] ?? ""));
    const exitCode = status.exitcode ?? 128 + (status.signal ?? 0);
    return {
      exitCode,
      stdout,
      stderr,
      agentCut: status["out-truncated"] === true || status["err-truncated"] === true,
      leftBehind: false,
      timedOut: wasLate(exitCode, milliseconds, seconds),
      milliseconds,
    };
  }
}

/** Input that PVE cannot carry as it is goes in base64, and is decoded in the guest. */
function agentInput({ argv, seconds, stdin, shell }: Program): { argv: readonly string[]; data: string | undefined } {
  const whole = shell ? endingItself(argv, seconds) : argv;
  const only = whole[0] ?? "";
  // PVE takes a single text with a blank for a whole command line, and breaks on it (captured 305).
  if (whole.length === 1 && /\s/.test(only)) {
    throw new UsageError(
      `The program ${JSON.stringify(only)} cannot be started without arguments, as its path holds a blank`,
      "Give it an argument, or start it through a shell",
    );
  }
  if (stdin === undefined) return { argv: whole, data: undefined };
  const text = Buffer.from(stdin).toString("latin1");
  // deno-lint-ignore no-control-regex
  if (/^[\x01-\x7f]*$/.test(text)) {
    if (text.length > AGENT_INPUT) throw tooMuchInput(AGENT_INPUT);
    return { argv: whole, data: text };
  }
  const data = Buffer.from(stdin).toString("base64");
  if (data.length > AGENT_INPUT) throw tooMuchInput(AGENT_INPUT * 3 / 4);
  return { argv: ["/bin/sh", "-c", 'base64 -d | "$@"', "sh", ...whole], data };
}

function tooMuchInput(most: number): UsageError {
  return new UsageError(
    `The input is longer than the ${most} bytes that this way into a VM takes`,
    "Send it as a file with push_file, and redirect the command's input from that",
  );
}

/** Tells a command's process in the guest to end; `timeout` hands that on to all that it has started. Returns what was done. */
async function endInGuest({ pve }: Context, { node, vmid }: Guest, pid: number, shell: boolean): Promise<string> {
  if (!shell) return "goes on: it was started without a shell, and nobody outside can end it";
  try {
    const status = await pve.call(STATUS, { node, vmid, pid });
    if (status.exited === true) return "had ended by itself";
    await pve.call(POST, { node, vmid, command: ["/bin/sh", "-c", 'kill -TERM "$1"', "sh", String(pid)] });
    return "was told to end";
  } catch {
    return "may go on: the guest agent did not take the order to end it";
  }
}

function stillRunning({ vmid }: Guest, seconds: number): PveError {
  return new PveError(`The command in VM ${vmid} did not end within ${seconds} s, and may still run`, {
    kind: "busy",
    remedy:
      "Nobody outside can end what the guest agent has started: look inside the guest. Long work belongs into the " +
      "background (nohup … &), with its output in a file",
  });
}

/** Adds the other way in where PVE forbids this one. */
async function explaining<T>({ vmid }: Guest, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof PveError) || error.details.kind !== "forbidden") throw error;
    // The remedy for the privilege is added further out, where it is known who lacks it.
    throw new PveError(
      `${error.message}. Without it PROXMOX_EXEC_VM=ssh is the other way into VM ${vmid}: qm guest exec on its node`,
      error.details,
      { cause: error },
    );
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
