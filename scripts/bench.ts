/** `deno task bench`: start, latency, memory and tokens, each beside a floor measured in the same run. Figures, no assertions. */
import { Agent, request } from "undici";
import { out } from "../src/cli/terminal.ts";
import { isRecord } from "../src/mcp/coerce.ts";
import { demoToken } from "../src/sim/mod.ts";
import { figureTable, ms, percentile, ratio, whole } from "./bench/figures.ts";
import { bareEnvironment, endChild, linesOf, type Peer, startDeno, startPeer } from "./bench/peer.ts";
import { listTokens, toolTokens } from "./bench/tokens.ts";

const STARTS = 10;
const MEMORY_CALLS = 1000;
const WARM_UP = 50;

const initialize = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "bench", version: "0" },
};

interface Simulated {
  readonly port: number;
  readonly ca: string;
  readonly fingerprint: string;
  close(): Promise<void>;
}

function path(file: string): string {
  return new URL(file, import.meta.url).pathname;
}

const run = ["run", "--no-prompt", "--quiet", "--config", path("../deno.json")];

async function startPve(): Promise<Simulated> {
  const permissions = ["--allow-read", "--allow-env", "--allow-net=127.0.0.1"];
  const child = startDeno([...run, ...permissions, path("bench/pve.ts")], bareEnvironment());
  const close = () => endChild(child, () => child.stdin.close());
  for await (const line of linesOf(child.stdout)) {
    const said: unknown = JSON.parse(line);
    if (!isRecord(said)) break;
    const { port, ca, fingerprint } = said;
    if (typeof port !== "number" || typeof ca !== "string" || typeof fingerprint !== "string") break;
    return { port, ca, fingerprint, close };
  }
  await close();
  throw new Error("The simulated PVE did not say where it listens");
}

function startServer(pve: Simulated): Peer {
  const [user, name] = demoToken.id.split("!");
  return startPeer([
    ...run,
    "--allow-read",
    "--allow-env",
    `--allow-net=127.0.0.1:${pve.port}`,
    path("../main.ts"),
    "serve",
  ], {
    ...bareEnvironment(),
    PROXMOX_HOST: `127.0.0.1:${pve.port}`,
    PROXMOX_USER: user ?? "",
    PROXMOX_TOKEN_NAME: name ?? "",
    PROXMOX_TOKEN_VALUE: demoToken.secret,
    PROXMOX_FINGERPRINT: pve.fingerprint,
    PROXMOX_MAX_CONNECTIONS: "16",
  });
}

function startFloor(): Peer {
  return startPeer([...run, path("bench/floor.ts")], bareEnvironment());
}

/** Greets a server as clients do, and returns its answer to tools/list. */
async function greet(peer: Peer): Promise<Readonly<Record<string, unknown>>> {
  await peer.request("initialize", initialize);
  await peer.notify("notifications/initialized");
  return await peer.request("tools/list");
}

async function timeStart(start: () => Peer): Promise<{ initialized: number; listed: number }> {
  const begun = performance.now();
  const peer = start();
  await peer.request("initialize", initialize);
  const initialized = performance.now() - begun;
  await peer.notify("notifications/initialized");
  await peer.request("tools/list");
  const listed = performance.now() - begun;
  await peer.close();
  return { initialized, listed };
}

async function startFigures(pve: Simulated): Promise<string> {
  const peers = [["hand-written loop (floor)", startFloor], [
    "proxmox-mcp from source",
    () => startServer(pve),
  ]] as const;
  const samples = peers.map(([what, start]) => ({
    what,
    start,
    times: new Array<{ initialized: number; listed: number }>(),
  }));
  for (let round = 0; round <= STARTS; round++) {
    for (const { start, times } of samples) {
      const time = await timeStart(start);
      // The first start fills the caches of the operating system.
      if (round > 0) times.push(time);
    }
  }
  const figures = samples.map(({ what, times }) => {
    const [initialized, listed] = [times.map((time) => time.initialized), times.map((time) => time.listed)];
    return [
      what,
      percentile(initialized, 0.5),
      percentile(initialized, 0.95),
      percentile(listed, 0.5),
      percentile(listed, 0.95),
    ] as const;
  });
  const floor = figures[0];
  const rows = figures.map(([what, ...values]) => [
    what,
    ...values.map((value, index) => {
      const least = floor?.[index + 1];
      return typeof least === "number" && value !== least ? `${ms(value)} (${ratio(value, least)})` : ms(value);
    }),
  ]);
  return figureTable(
    `Start, ${STARTS} times: ms from spawn until answered`,
    ["", "initialize, median", "p95", "tools/list, median", "p95"],
    rows,
  );
}

/** Milliseconds of each of `count` calls, `parallel` of them in flight. */
async function timeCalls(count: number, parallel: number, call: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  let left = count;
  async function worker(): Promise<void> {
    while (left-- > 0) {
      const begun = performance.now();
      await call();
      times.push(performance.now() - begun);
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker));
  return times;
}

/** Each read tool, and the requests that it makes of PVE, one after the other. */
const reads = [
  { tool: "list_nodes", args: {}, paths: ["/nodes"] },
  {
    tool: "vm_status",
    args: { vmid: 102 },
    paths: ["/cluster/resources?type=vm", "/nodes/pve1/qemu/102/status/current"],
  },
] as const;

async function readFigures(pve: Simulated): Promise<string> {
  const agent = new Agent({ connect: { ca: pve.ca, rejectUnauthorized: true }, connections: 16, pipelining: 1 });
  const headers = { authorization: `PVEAPIToken=${demoToken.id}=${demoToken.secret}` };
  async function bare(paths: readonly string[]): Promise<void> {
    for (const part of paths) {
      const answer = await request(`https://127.0.0.1:${pve.port}/api2/json${part}`, { dispatcher: agent, headers });
      JSON.parse(await answer.body.text());
      if (answer.statusCode !== 200) throw new Error(`${part} was answered with ${answer.statusCode}`);
    }
  }
  const peer = startServer(pve);
  await greet(peer);
  const rows: string[][] = [];
  for (const { tool, args, paths } of reads) {
    const call = async () => {
      const result = await peer.request("tools/call", { name: tool, arguments: args });
      if (result.isError === true) throw new Error(`${tool} failed: ${JSON.stringify(result.content)}`);
    };
    for (const parallel of [1, 16]) {
      const count = parallel === 1 ? 300 : 960;
      await timeCalls(WARM_UP, parallel, () => bare(paths));
      await timeCalls(WARM_UP, parallel, call);
      const floor = await timeCalls(count, parallel, () => bare(paths));
      const ours = await timeCalls(count, parallel, call);
      const [floor50, floor95] = [percentile(floor, 0.5), percentile(floor, 0.95)];
      const [ours50, ours95] = [percentile(ours, 0.5), percentile(ours, 0.95)];
      rows.push([
        `${tool} (${paths.length === 1 ? "1 request" : `${paths.length} requests`}), ${parallel} in flight`,
        ms(floor50),
        ms(floor95),
        `${ms(ours50)} (${ratio(ours50, floor50)})`,
        `${ms(ours95)} (${ratio(ours95, floor95)})`,
      ]);
    }
  }
  await peer.close();
  await agent.close();
  return figureTable(
    "Reads: ms a call, over stdio and HTTPS to a simulated PVE in another process",
    ["", "bare undici, p50 (floor)", "p95", "proxmox-mcp, p50", "p95"],
    rows,
  );
}

/** Resident memory in MiB; undefined where the system does not say. */
function residentMib(pid: number): number | undefined {
  try {
    // Deno itself opens files of /proc only with all permissions.
    const { stdout } = new Deno.Command("cat", { args: [`/proc/${pid}/status`], stderr: "null" }).outputSync();
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(new TextDecoder().decode(stdout))?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function mib(value: number | undefined): string {
  return value === undefined ? "unknown here" : `${whole(value)} MiB`;
}

async function memoryFigures(pve: Simulated): Promise<{ table: string; listed: Readonly<Record<string, unknown>> }> {
  async function measure(peer: Peer) {
    const listed = await greet(peer);
    const before = residentMib(peer.pid);
    await timeCalls(MEMORY_CALLS, 4, () => peer.request("tools/call", { name: "list_vms", arguments: {} }));
    const after = residentMib(peer.pid);
    await peer.close();
    return { listed, before, after };
  }
  const floor = await measure(startFloor());
  const ours = await measure(startServer(pve));
  const to = (value: number | undefined, least: number | undefined) =>
    value === undefined || least === undefined ? mib(value) : `${mib(value)} (${ratio(value, least)})`;
  const table = figureTable("Memory of the server process (RSS)", [
    "",
    "after tools/list",
    `after ${whole(MEMORY_CALLS)} calls`,
  ], [
    ["hand-written loop (floor)", mib(floor.before), mib(floor.after)],
    ["proxmox-mcp from source", to(ours.before, floor.before), to(ours.after, floor.after)],
  ]);
  return { table, listed: ours.listed };
}

const pve = await startPve();
try {
  out(`Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} CPUs, ${Deno.build.os} ${Deno.build.arch}\n\n`);
  out(await startFigures(pve) + "\n");
  out(await readFigures(pve) + "\n");
  const { table, listed } = await memoryFigures(pve);
  out(table + "\n");
  out(toolTokens(listed) + "\n");
} finally {
  await pve.close();
}
out(await listTokens());
