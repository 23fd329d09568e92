/** Runs commands in guests over SSH: finds the node's host, passes the gate, and carries input, output and the end. */
import { Buffer } from "node:buffer";
import type { SshHost, SshSettings } from "../config/settings.ts";
import { PveError, UsageError } from "../errors.ts";
import { admitExec, type AdmittedExec } from "../safety/exec.ts";
import { type Channel, lost, nameOf } from "./connection.ts";
import { createSessions, type Session } from "./sessions.ts";
import type { Ended, GuestCommand, GuestShell, RunOptions } from "./shell.ts";

/** How long (ms) a command's output may go on after its end: a process that it has left behind may hold it for ever. */
const AFTERMATH_MS = 1000;

/** `timeout -k 5` on the host, and time for the news of it. */
const GRACE_MS = 15_000;

/**
 * The host to enter a node's guests from: the one that the settings give for it, else one that is called like it, else the
 * only one there is.
 * @throws {UsageError} where none can be it
 */
export function hostOf(node: string, hosts: readonly SshHost[]): SshHost {
  const named = hosts.find((host) => host.node === node);
  if (named !== undefined) return named;
  const free = hosts.filter((host) => host.node === undefined);
  const alike = free.find(({ host }) => host === node.toLowerCase() || host.startsWith(`${node.toLowerCase()}.`));
  const only = free[0];
  if (alike !== undefined) return alike;
  if (hosts.length === 1 && only !== undefined) return only;
  throw new UsageError(
    `The guest is on the node ${node}, and PROXMOX_SSH_HOST names no host for it`,
    `A person has to add it there, as in PROXMOX_SSH_HOST=${
      [...hosts.map(({ node, host }) => node === undefined ? host : `${node}=${host}`), `${node}=ADDRESS`].join(",")
    }`,
  );
}

export function createSshShell(settings: SshSettings, timeoutSeconds: number): GuestShell {
  const sessions = createSessions(settings, timeoutSeconds * 1000);
  return {
    async run(command, options) {
      const admitted = admitExec({ ...command, input: command.stdin !== undefined });
      const host = hostOf(command.node, settings.hosts);
      const session = await sessions.open(host, options.signal);
      try {
        return await carry(session, host, admitted, command, options);
      } finally {
        session.release();
      }
    },
  };
}

/** What V8 is told of at a time, so that it looks for what can be freed; never touched, it takes no memory. */
const HINT_BYTES = 64 * 1024 * 1024;
const HINT_EVERY = 2 * 1024 * 1024;

/**
 * What was read lies outside of V8's heap, which V8 looks through when some 64 MiB lie there: 100 MB of output would grow the
 * process by 90. Told of so much earlier, it is done with less than half.
 */
function housekeeping(): (bytes: number) => void {
  let since = 0;
  return (bytes) => {
    since += bytes;
    if (since < HINT_EVERY) return;
    since = 0;
    new ArrayBuffer(HINT_BYTES);
  };
}

async function carry(
  { connection }: Session,
  host: SshHost,
  admitted: AdmittedExec,
  command: GuestCommand,
  { signal, onStdout, onStderr }: RunOptions,
): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  let exitCode: number | undefined;
  let aftermath: ReturnType<typeof setTimeout> | undefined;
  // Closing the channel is what tells the program on the host to end the command.
  const giveUp = () => {
    // What qm has handed to the guest agent is out of the host's reach.
    const says = command.kind === "vm"
      ? `The call was cancelled; the command in VM ${command.vmid} goes on until its time is over`
      : "The call was cancelled, and with it the command: it is told to end, and killed after 5 s";
    reject(new PveError(says, { kind: "cancelled", remedy: "What it had done by then stays done" }));
  };
  const deadline = setTimeout(() =>
    reject(
      new PveError(
        `The command did not end within ${command.seconds} s, and ${nameOf(host)} does not say that it was killed`,
        {
          kind: "busy",
          remedy: "Look inside the guest whether it still runs",
        },
      ),
    ), command.seconds * 1000 + GRACE_MS);
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  let channel: Channel | undefined;
  let over = false;
  const tidy = housekeeping();
  const take = (taken: Channel) => {
    channel = taken;
    // A host that has not even answered in time may still begin: then it is told to end at once.
    if (over) return taken.close();
    channel.on("data", (chunk: Buffer) => {
      tidy(chunk.length);
      onStdout(chunk);
    });
    channel.stderr.on("data", (chunk: Buffer) => {
      tidy(chunk.length);
      onStderr(chunk);
    });
    channel.on("exit", (code: number | null) => {
      const ended = code ?? 137;
      exitCode = ended;
      clearTimeout(aftermath);
      aftermath = setTimeout(() => resolve({ exitCode: ended, leftBehind: true }), AFTERMATH_MS);
    });
    channel.on(
      "close",
      () =>
        exitCode === undefined
          ? reject(lost(host, new Error("it was closed before the command had ended")))
          : resolve({ exitCode }),
    );
    // A command that ends without reading its input breaks the pipe; its exit code tells enough.
    channel.on("error", () => {});
    channel.write(Buffer.from(admitted.lead));
    channel.end(Buffer.from(command.stdin ?? []));
  };
  try {
    connection.start(admitted, take).catch(reject);
    return await promise;
  } finally {
    clearTimeout(deadline);
    clearTimeout(aftermath);
    signal.removeEventListener("abort", giveUp);
    over = true;
    channel?.close();
  }
}
