/** The way into the demo's guests: what SSH and pct are to a real node. */
import { PveError } from "../errors.ts";
import type { GuestShell } from "../ssh/shell.ts";
import { systemOf } from "./guest_files.ts";
import { runInGuest } from "./guest_shell.ts";
import type { Simulator } from "./simulator.ts";

/** Runs commands in the simulated guests, as pct exec would. */
export function createSimulatedShell(simulator: Pick<Simulator, "state">, pace = 0.1): GuestShell {
  return {
    async run({ vmid, node, argv, seconds, stdin }, { signal, onStdout, onStderr }) {
      const guest = simulator.state.guests.get(vmid);
      if (guest === undefined || guest.node !== node || guest.run === undefined) {
        onStderr(new TextEncoder().encode(`container '${vmid}' not running!\n`));
        return { exitCode: 255 };
      }
      const outcome = runInGuest(systemOf(guest), argv, stdin);
      const late = outcome.seconds > seconds;
      // Who gave it that time measures it.
      await pause(late ? seconds * 1000 * Math.sign(pace) : outcome.seconds * 1000 * pace, signal);
      onStdout(outcome.stdout);
      onStderr(outcome.stderr);
      return { exitCode: late ? 124 : outcome.exitCode };
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    const abort = () => {
      clearTimeout(timer);
      reject(new PveError("The call was cancelled, and with it the command", { kind: "cancelled" }));
    };
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}
