/** The way into a VM by PVE's API and the guest agent. */
import { Buffer } from "node:buffer";
import { PveError, UsageError } from "../errors.ts";
import type { Guest } from "../pve/guests.ts";
import type { ToolContext } from "../tool.ts";
import { endingItself } from "./command.ts";
import { agentBytes, Capture } from "./output.ts";
import { type Program, type Ran, reporting, stillRunning, tooMuchInput, wasLate } from "./program.ts";

/** The most input that goes along with a command through the guest agent, in bytes: PVE's limit. */
export const AGENT_INPUT = 65_536;

const POST = "POST /nodes/{node}/qemu/{vmid}/agent/exec" as const;
const STATUS = "GET /nodes/{node}/qemu/{vmid}/agent/exec-status" as const;

/** What this way takes. */
export const agentCalls = [POST, STATUS] as const;

type AgentContext = Pick<ToolContext<(typeof agentCalls)[number]>, "pve" | "signal" | "progress" | "now">;

/**
 * Runs a program by the guest agent.
 * @throws {UsageError} the program or its input cannot go this way
 * @throws {PveError} forbidden, no agent, cancelled, or not ended in time
 */
export async function byAgent(context: AgentContext, guest: Guest, program: Program): Promise<Ran> {
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

/** Tells a command's process in the guest to end; `timeout` hands that on to all that it has started. Returns what was done. */
async function endInGuest(
  { pve }: Pick<AgentContext, "pve">,
  { node, vmid }: Guest,
  pid: number,
  shell: boolean,
): Promise<string> {
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
