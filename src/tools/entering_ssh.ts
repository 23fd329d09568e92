/** The way into a guest by SSH to its node: pct exec for containers, qm guest exec for VMs. */
import { z } from "zod";
import { PveError, UsageError } from "../errors.ts";
import type { Guest } from "../pve/guests.ts";
import type { ToolContext } from "../tool.ts";
import { endingItself } from "./command.ts";
import { agentBytes, Capture } from "./output.ts";
import { type Program, type Ran, reporting, stillRunning, tooMuchInput, wasLate } from "./program.ts";

/** The most input that goes along with a command through qm guest exec, in bytes. */
const QM_INPUT = 1024 * 1024;

/** The most of qm's answer that is read: it holds the whole output. */
const QM_ANSWER = 12 * 1024 * 1024;

/**
 * Runs a program by SSH.
 * @throws {UsageError} the guest does not run, or its node is another host
 * @throws {PveError} the host or qm refuses, or its answer cannot be read
 */
export async function bySsh(
  context: Pick<ToolContext, "exec" | "signal" | "progress" | "now">,
  guest: Guest,
  program: Program,
): Promise<Ran> {
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
