/** Commands through the guest agent of a VM: started by one call, asked for by another, and forgotten once told. */
import { bare, die } from "../failure.ts";
import { systemOf } from "../guest_files.ts";
import { type Outcome, runInGuest } from "../guest_shell.ts";
import { type Guest, guestOn, type State, text } from "../state.ts";
import type { Route } from "./context.ts";

/** A program that the agent has started. */
interface Started {
  readonly outcome: Outcome;
  /** Milliseconds since the epoch at which it ends. */
  ends: number;
  killed: boolean;
}

const started = new WeakMap<Guest, Map<number, Started>>();

/** PVE asks in this order (its agent_available; captured 201, 284, 288). */
export function agentOf(state: State, node: string, vmid: number): Guest {
  const guest = guestOn(state, node, "qemu", vmid);
  if (!/^(?:enabled=)?1/.test(text(guest.config, "agent") ?? "0")) die("No QEMU guest agent configured");
  if (guest.run === undefined) die(`VM ${vmid} is not running`);
  if (!guest.cooperates || guest.run.paused) die("QEMU guest agent is not running");
  return guest;
}

/** The agent hands on bytes, and PVE shows each as a character. */
function asCharacters(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

export const exec: Route<"POST /nodes/{node}/qemu/{vmid}/agent/exec"> = ({ state, engine }, params) => {
  const guest = agentOf(state, params.node, params.vmid);
  const { command } = params;
  // PVE's worker dies of it (captured 305).
  if (command.length === 1 && /\s/.test(command[0] ?? "")) bare(596, "Broken pipe");
  const running = started.get(guest) ?? new Map<number, Started>();
  started.set(guest, running);
  const pid = state.counters.pid++;
  const victim = command[1] === "-c" && /^kill /.test(command[2] ?? "") ? running.get(Number(command[4])) : undefined;
  if (victim !== undefined) Object.assign(victim, { ends: engine.now(), killed: true });
  const input = new TextEncoder().encode(String(params["input-data"] ?? ""));
  const outcome = victim === undefined
    ? runInGuest(systemOf(guest), command, input)
    : { exitCode: 0, stdout: new Uint8Array(), stderr: new Uint8Array(), seconds: 0, late: false };
  const pace = outcome.late ? Math.sign(engine.pace) : engine.pace;
  running.set(pid, { outcome, ends: engine.now() + outcome.seconds * 1000 * pace, killed: false });
  return { pid };
};

export const execStatus: Route<"GET /nodes/{node}/qemu/{vmid}/agent/exec-status"> = ({ state, engine }, params) => {
  const guest = agentOf(state, params.node, params.vmid);
  const found = started.get(guest)?.get(params.pid);
  if (found === undefined) die("Agent error: PID ld does not exist"); // captured 308
  if (engine.now() < found.ends) return { exited: 0 };
  started.get(guest)?.delete(params.pid);
  const { exitCode, stdout, stderr } = found.outcome;
  if (found.killed) return { exited: 1, exitcode: 143 };
  return {
    exited: 1,
    exitcode: exitCode,
    "out-truncated": 0, // captured 304, 307: the agent tells it with the data only
    ...(stdout.length > 0 ? { "out-data": asCharacters(stdout) } : {}),
    ...(stderr.length > 0 ? { "err-data": asCharacters(stderr), "err-truncated": 0 } : {}),
  };
};
