/** `simulate`: a simulated PVE over HTTPS on the loopback interface, for trying out other clients. */
import { UsageError } from "../errors.ts";
import { createSimulator, demoToken } from "../sim/mod.ts";
import { type HttpsSimulator, serveHttps } from "../sim/https.ts";
import { err, out } from "./terminal.ts";

/** @throws {UsageError} for a port that another program has */
function cannotListen(error: unknown, port: number): never {
  if (!(error instanceof Error)) throw error;
  if ("code" in error && error.code === "EADDRINUSE") {
    throw new UsageError(
      `Port ${port} of 127.0.0.1 is taken by another program.`,
      "Name another with --port N; --port 0 takes any free one.",
    );
  }
  throw error;
}

/** Serves until the process is ended; prints the settings that reach it. */
export async function simulateCommand({ port }: { readonly port: number | undefined }): Promise<void> {
  const simulator = createSimulator({
    pace: 0.1,
    onRequest: (record) => err(`${record.status} ${record.method} ${record.path}`),
  });
  const wanted = port ?? 8006;
  // Asked first: Deno throws this one where nothing can catch it.
  if ((await Deno.permissions.query({ name: "net", host: `127.0.0.1:${wanted}` })).state !== "granted") {
    throw new UsageError(
      `This process may not listen on port ${wanted} of 127.0.0.1.`,
      "Start it with deno task simulate, or with --allow-net=127.0.0.1.",
    );
  }
  const server: HttpsSimulator = await serveHttps(simulator, { port: wanted })
    .catch((error: unknown) => cannotListen(error, wanted));
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
