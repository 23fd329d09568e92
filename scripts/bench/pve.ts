/**
 * The simulated PVE of the bench, in a process of its own: prints where it listens, and ends with its stdin. Its argument is
 * the number of guests; without one it is the demo's cluster.
 */
import process from "node:process";
import { out } from "../../src/cli/terminal.ts";
import { serveHttps } from "../../src/sim/https.ts";
import { createSimulator, largeCluster } from "../../src/sim/mod.ts";

const [guests] = Deno.args;
const simulator = createSimulator({
  pace: 0,
  ...(guests === undefined ? {} : { state: largeCluster(Number(guests)) }),
});
const server = await serveHttps(simulator, { port: 0 });
out(JSON.stringify({ port: server.port, ca: server.ca, fingerprint: server.fingerprint }));
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
