/** The simulated PVE of the bench, in a process of its own: prints where it listens, and ends with its stdin. */
import process from "node:process";
import { out } from "../../src/cli/terminal.ts";
import { serveHttps } from "../../src/sim/https.ts";
import { createSimulator } from "../../src/sim/mod.ts";

const server = await serveHttps(createSimulator({ pace: 0 }), { port: 0 });
out(JSON.stringify({ port: server.port, ca: server.ca, fingerprint: server.fingerprint }));
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
