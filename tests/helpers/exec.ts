/** Starts the server with commands in guests switched on, in front of a simulated PVE and a real sshd. */
import { type Running, type RunOptions, settingsFor, shareWithServer, withServer } from "./server.ts";
import { type Sshd, type SshdOptions, startSshd } from "./sshd.ts";

/** A container and a VM of the demo's cluster that run; the sshd's stubs know them, too. */
export const CT = 201;
export const VM = 101;

export async function withExec(
  options: RunOptions & { readonly sshd?: SshdOptions },
  test: (running: Running & { readonly sshd: Sshd; readonly settings: Record<string, string> }) => Promise<void>,
): Promise<void> {
  await using sshd = await startSshd(options.sshd);
  await shareWithServer(sshd.key);
  const env = {
    PROXMOX_ENABLE_EXEC: "true",
    PROXMOX_SSH_HOST: "127.0.0.1",
    PROXMOX_SSH_PORT: String(sshd.port),
    PROXMOX_SSH_USER: sshd.user,
    PROXMOX_SSH_KEY_FILE: sshd.key,
    PROXMOX_SSH_HOST_KEY: sshd.fingerprint,
    ...options.env,
  };
  let port = 0;
  const between = (pve: number) => Promise.resolve(port = pve);
  await withServer({ between, ...options, env }, (running) => {
    const given = Object.entries({ ...settingsFor({ port, fingerprint: "" }), ...env, PROXMOX_FINGERPRINT: undefined });
    const settings = Object.fromEntries(given.flatMap(([name, value]) => value === undefined ? [] : [[name, value]]));
    return test({ ...running, sshd, settings });
  });
}
