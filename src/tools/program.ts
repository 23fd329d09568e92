/** A program that runs inside a guest, what came of it, and what every way into a guest tells of it alike. */
import { PveError, UsageError } from "../errors.ts";
import type { Guest } from "../pve/guests.ts";
import type { ToolContext } from "../tool.ts";
import type { Capture } from "./output.ts";

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

/** Tells every few seconds that a command still runs. */
export function reporting(
  { progress }: Pick<ToolContext, "progress">,
  seconds: number,
  size: () => number,
): { [Symbol.dispose](): void } {
  const started = performance.now();
  const timer = progress === undefined ? undefined : setInterval(() => {
    const elapsed = (performance.now() - started) / 1000;
    progress(`Runs for ${Math.round(elapsed)} s; ${size()} bytes of output`, Math.min(1, elapsed / seconds));
  }, 2000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** `timeout` says 124, or 137 where it had to kill; a program may say so, too, but earlier. */
export function wasLate(exitCode: number, milliseconds: number, seconds: number): boolean {
  return (exitCode === 124 || exitCode === 137) && milliseconds >= seconds * 1000 - 100;
}

/** The remedy for more input than a way takes; `most` in bytes. */
export function tooMuchInput(most: number): UsageError {
  return new UsageError(
    `The input is longer than the ${most} bytes that this way into a VM takes`,
    "Send it as a file with push_file, and redirect the command's input from that",
  );
}

/** A command whose time is over, and which nobody outside can end. */
export function stillRunning({ vmid }: Guest, seconds: number): PveError {
  return new PveError(`The command in VM ${vmid} did not end within ${seconds} s, and may still run`, {
    kind: "busy",
    remedy:
      "Nobody outside can end what the guest agent has started: look inside the guest. Long work belongs into the " +
      "background (nohup … &), with its output in a file",
  });
}
