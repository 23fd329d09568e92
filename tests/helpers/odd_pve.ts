/** A PVE that answers as the demo cluster does, but for some requests of the test's choice. */
import { createSimulator } from "../../src/sim/mod.ts";
import { selfSigned } from "./certificates.ts";
import { http, type RawServer, type Received, tlsServer } from "./raw_servers.ts";

const identity = await selfSigned();

/** With the settings that reach it. */
export type OddPve = RawServer & { readonly env: Record<string, string> };

/** `odd` writes an answer, byte by byte, or leaves it to the simulator. */
export async function oddPve(odd: (request: Received) => string | undefined): Promise<OddPve> {
  const simulator = createSimulator({ pace: 0 });
  const server = await tlsServer(identity, (request, socket) => {
    const own = odd(request);
    if (own !== undefined) return void socket.write(own);
    simulator.answer({ method: request.method, url: request.path, headers: request.headers, body: request.body })
      .then((answer) => void socket.write(http(`${answer.status} ${answer.reason}`, answer.body)));
  });
  const env = { PROXMOX_HOST: `127.0.0.1:${server.port}`, PROXMOX_FINGERPRINT: identity.fingerprint };
  return { ...server, env, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** An error as PVE words it: in the reason, and in the body with a newline. */
export function pveSays(status: string, message: string, errors?: object): string {
  return http(`${status} ${message}`, JSON.stringify({ data: null, message: `${message}\n`, errors }));
}
