/** How fast reads are: over stdio and HTTPS to a simulated PVE in another process, beside a bare undici client of the same PVE. */
import { Agent, request } from "undici";
import { demoToken } from "../../src/sim/mod.ts";
import { figureTable, type Goal, median, ms, percentile, ratio } from "./figures.ts";
import type { Command } from "./forms.ts";
import { type Peer, startPeer } from "./peer.ts";
import { settingsFor, type Simulated } from "./simulated.ts";
import { greet } from "./start.ts";

const CONNECTIONS = 16;
/** Rounds are short, and each lies between two of the other side: what else the machine does weighs on both. */
const ROUNDS = 21;
/** V8 has compiled by then what is called often, on both sides. */
const WARM_UP = 2000;
const LARGE_ROUNDS = 11;

/** Milliseconds of each of `count` calls, `parallel` of them in flight. */
export async function timeCalls(count: number, parallel: number, call: () => Promise<unknown>): Promise<number[]> {
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

/** Fetches and parses what PVE answers to each path, one after the other. */
function bareClient(pve: Simulated): { fetch(paths: readonly string[]): Promise<void>; close(): Promise<void> } {
  const options = { connect: { ca: pve.ca, rejectUnauthorized: true }, connections: CONNECTIONS, pipelining: 1 };
  const agent = new Agent(options);
  const headers = { authorization: `PVEAPIToken=${demoToken.id}=${demoToken.secret}` };
  return {
    async fetch(paths) {
      for (const part of paths) {
        const answer = await request(`https://127.0.0.1:${pve.port}/api2/json${part}`, { dispatcher: agent, headers });
        JSON.parse(await answer.body.text());
        if (answer.statusCode !== 200) throw new Error(`${part} was answered with ${answer.statusCode}`);
      }
    },
    close: () => agent.close(),
  };
}

async function callOrFail(peer: Peer, name: string, args: Readonly<Record<string, unknown>>): Promise<void> {
  const result = await peer.request("tools/call", { name, arguments: args });
  if (result.isError === true) throw new Error(`${name} failed: ${JSON.stringify(result.content)}`);
}

export async function readFigures(server: Command, pve: Simulated): Promise<{ table: string; goals: Goal[] }> {
  const bare = bareClient(pve);
  const peer = startPeer([...server, "serve"], { ...settingsFor(pve), PROXMOX_MAX_CONNECTIONS: String(CONNECTIONS) });
  await greet(peer);
  const rows: string[][] = [];
  const goals: Goal[] = [];
  for (const { tool, args, paths } of reads) {
    const [floor, ours] = [() => bare.fetch(paths), () => callOrFail(peer, tool, args)];
    for (const parallel of [1, CONNECTIONS]) {
      const count = parallel === 1 ? 100 : 400;
      const warmUp = parallel === 1 ? count : WARM_UP;
      await timeCalls(warmUp, parallel, floor);
      await timeCalls(warmUp, parallel, ours);
      const rates: number[] = [];
      const [floorTimes, ourTimes]: [number[], number[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        const begun = performance.now();
        floorTimes.push(...await timeCalls(count, parallel, floor));
        const middle = performance.now();
        ourTimes.push(...await timeCalls(count, parallel, ours));
        rates.push((middle - begun) / (performance.now() - middle));
      }
      const share = median(rates);
      rows.push([
        `${tool} (${paths.length === 1 ? "1 request" : `${paths.length} requests`}), ${parallel} in flight`,
        ms(median(floorTimes)),
        ms(percentile(floorTimes, 0.95)),
        ms(median(ourTimes)),
        ms(percentile(ourTimes, 0.95)),
        `${Math.round(share * 100)} %`,
      ]);
      if (parallel > 1) {
        goals.push({
          what: `${tool} a second, ${parallel} in flight, of a bare undici client's`,
          value: `${Math.round(share * 100)} %`,
          goal: "≥ 50 %",
          reached: share >= 0.5,
        });
      }
    }
  }
  await peer.close();
  await bare.close();
  const table = figureTable(
    `Reads: ms a call, over stdio and HTTPS to a simulated PVE in another process, with ${CONNECTIONS} connections`,
    ["", "bare undici, p50 (floor)", "p95", "proxmox-mcp, p50", "p95", "calls a second, of the floor's"],
    rows,
  );
  return { table, goals };
}

/** list_vms with its defaults in a large cluster, beside fetching and parsing PVE's own answer to the same question. */
export async function largeFigures(server: Command, pve: Simulated): Promise<{ table: string; goals: Goal[] }> {
  const bare = bareClient(pve);
  const peer = startPeer([...server, "serve"], settingsFor(pve));
  await greet(peer);
  const pairs: (readonly [number, number])[] = [];
  for (let round = 0; round <= LARGE_ROUNDS; round++) {
    const [floor = NaN] = await timeCalls(1, 1, () => bare.fetch(["/cluster/resources?type=vm"]));
    const [ours = NaN] = await timeCalls(1, 1, () => callOrFail(peer, "list_vms", {}));
    if (round > 0) pairs.push([floor, ours]);
  }
  await peer.close();
  await bare.close();
  const times = median(pairs.map(([floor, ours]) => ours / floor));
  const table = figureTable("list_vms with its defaults at 10,000 guests: ms", ["", "median", "to floor"], [
    ["fetching and parsing PVE's answer (floor)", ms(median(pairs.map(([floor]) => floor))), ""],
    ["proxmox-mcp", ms(median(pairs.map(([, ours]) => ours))), ratio(times, 1)],
  ]);
  const goal = { what: "list_vms at 10,000 guests", value: ratio(times, 1), goal: "< 3×", reached: times < 3 };
  return { table, goals: [goal] };
}
