/** Which end-to-end tests an executable cannot pass, and why: those of permissions on the command line, and old run times. */

/** The command line that PROXMOX_MCP_COMMAND (blank-separated) gives in place of `deno run`, such as an executable. */
export const givenCommand: readonly string[] = (Deno.env.get("PROXMOX_MCP_COMMAND") ?? "").split(" ")
  .filter((word) => word !== "");

/** Whether an executable is tested: it has its own permissions, and takes none on the command line. */
export const isExecutable = givenCommand.length > 0;

/** The version of Deno that the executable was made with, where PROXMOX_MCP_RUNTIME tells it, as in "2.6.8". */
const executableRuntime = Deno.env.get("PROXMOX_MCP_RUNTIME") ?? "";

const isOld = executableRuntime.startsWith("2.6.");

const TLS = "Deno 2.6 tells no reason for a TLS connection that fails, or waits for ever";
const PARSE_ENV = "Deno 2.6 has no parseEnv";

/** Executables are released with the Deno that runs these tests; one made with 2.6, as CI may have to, lacks these. */
const NOT_IN_2_6: Readonly<Record<string, string>> = {
  "settings come from a file that is named, and the environment wins over it": PARSE_ENV,
  "simulate prints the settings that reach it": "servers of node:https do not answer in an executable of Deno 2.6",
  "a file that vanishes while the server runs refuses writes and lets reads go on":
    "Deno 2.6 does not tell whether an open file is still there",
  "with the CA of another cluster nothing is sent": TLS,
  "PROXMOX_VERIFY_SSL=true does not trust a CA that the system does not know": TLS,
  "PROXMOX_VERIFY_SSL=true trusts a private CA that is in the system's store": TLS,
  "no variable of the environment switches verification off": TLS,
  "certificates that are expired, for another name, or self-signed are told apart; a pin accepts them": TLS,
  "a host that breaks connections: before the request, after it, and in the middle of the answer": TLS,
  "plain HTTP on the port": TLS,
  "a certificate that has expired": TLS,
  "a connection that breaks in the middle of a clone ends neither it nor the wait": TLS,
  "a connection that stays broken ends in time, with the UPID and what is known": TLS,
};

const NOT_IN_EXECUTABLES: Readonly<Record<string, string>> = {
  "without the permissions it needs it names them, instead of a stack": "an executable has its own permissions",
};

/** The name of a test, with the reason where it does not run. */
export function runnable(name: string): { name: string; ignore: boolean } {
  const reason = (isExecutable ? NOT_IN_EXECUTABLES[name] : undefined) ??
    (isOld ? NOT_IN_2_6[name] ?? (/^init\b/.test(name) ? PARSE_ENV : undefined) : undefined);
  return reason === undefined ? { name, ignore: false } : { name: `${name} (skipped: ${reason})`, ignore: true };
}
