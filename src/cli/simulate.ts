/** `simulate`: a simulated PVE over HTTPS on the loopback interface, for trying out other clients. */
import { createSimulator, demoToken } from "../sim/mod.ts";
import { serveHttps } from "../sim/https.ts";
import { err, out } from "./terminal.ts";

/** Serves until the process is ended; prints the settings that reach it. */
export async function simulateCommand({ port }: { readonly port: number | undefined }): Promise<void> {
  const simulator = createSimulator({
    pace: 0.1,
    onRequest: (record) => err(`${record.status} ${record.method} ${record.path}`),
  });
  const server = await serveHttps(simulator, { port: port ?? 8006 });
  const [user, token] = demoToken.id.split("!");
  out([
    `PROXMOX_HOST=127.0.0.1:${server.port}`,
    `PROXMOX_USER=${user}`,
    `PROXMOX_TOKEN_NAME=${token}`,
    `PROXMOX_TOKEN_VALUE=${demoToken.secret}`,
    `PROXMOX_FINGERPRINT=${server.fingerprint}`,
  ].join("\n"));
  err("A simulated PVE is listening; Ctrl-C ends it. The settings above reach it.");
}
