/** Runs commands through the program's own SSH way against a test's sshd. */
import { Buffer } from "node:buffer";
import type { SshSettings } from "../../src/config/settings.ts";
import type { GuestShell } from "../../src/ssh/shell.ts";
import { createSshShell } from "../../src/ssh/ssh_shell.ts";
import type { Sshd } from "./sshd.ts";

/** Settings that reach the test's sshd with its key. */
export function sshSettings(sshd: Sshd, more: Partial<SshSettings> = {}): SshSettings {
  return {
    hosts: [{ node: undefined, host: "127.0.0.1", port: sshd.port }],
    user: sshd.user,
    key: { file: sshd.key, pem: Deno.readTextFileSync(sshd.key) },
    passphrase: undefined,
    password: undefined,
    hostKeys: { kind: "fingerprints", fingerprints: [sshd.fingerprint] },
    ...more,
  };
}

export function shellTo(sshd: Sshd, more: Partial<SshSettings> = {}): GuestShell {
  return createSshShell(sshSettings(sshd, more), 10);
}

export interface RunMore {
  readonly vmid?: number;
  readonly kind?: "container" | "vm";
  readonly seconds?: number;
  readonly stdin?: Uint8Array;
  readonly signal?: AbortSignal;
}

/** Runs an argument vector, and collects what it puts out. */
export async function runIn(shell: GuestShell, argv: readonly string[], more: RunMore = {}) {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const { kind = "container", vmid = 250, seconds = 20, stdin, signal = new AbortController().signal } = more;
  const { exitCode, leftBehind } = await shell.run({ kind, node: "pve1", vmid, argv, seconds, stdin }, {
    signal,
    onStdout: (chunk) => void out.push(chunk.slice()),
    onStderr: (chunk) => void err.push(chunk.slice()),
  });
  return { exitCode, leftBehind, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() };
}

/** Whether a process whose command line holds this text runs. */
export function isRunning(text: string): boolean {
  const { stdout } = new Deno.Command("ps", { args: ["ax", "-o", "args="] }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").some((line) => line.includes(text) && !line.startsWith("ps "));
}

/** Waits until something is so; for ever if it never is: the test's own limit ends that. */
export async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 20));
}
