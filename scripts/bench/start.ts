/** How long a start takes: from spawn until initialize and tools/list are answered, each form beside its floor. */
import { figureTable, type Goal, median, ms, percentile, ratio } from "./figures.ts";
import type { Command, Form } from "./forms.ts";
import { cpuMs, type Peer, startPeer } from "./peer.ts";

const ROUNDS = 10;

type Env = Readonly<Record<string, string>>;

const initialize = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "bench", version: "0" },
};

/** Greets a server as clients do, and returns its answer to tools/list. */
export async function greet(peer: Peer, onInitialized = () => {}): Promise<Readonly<Record<string, unknown>>> {
  await peer.request("initialize", initialize);
  onInitialized();
  await peer.notify("notifications/initialized");
  return await peer.request("tools/list");
}

interface Start {
  readonly initialized: number;
  readonly listed: number;
  /** Of all threads until then, in user and system; undefined where the system does not say. */
  readonly cpu: number | undefined;
}

async function timeStart(command: Command, env: Env): Promise<Start> {
  const begun = performance.now();
  const peer = startPeer([...command, "serve"], env);
  let initialized = 0;
  await greet(peer, () => initialized = performance.now() - begun);
  const listed = performance.now() - begun;
  const cpu = cpuMs(peer.pid);
  await peer.close();
  return { initialized, listed, cpu };
}

/** Floor and server by turns, so that what else the machine does meets both alike; ratios are those of neighbours. */
export async function startFigures(forms: readonly Form[], env: Env): Promise<{ table: string; goals: Goal[] }> {
  const goals: Goal[] = [];
  const rows: string[][] = [];
  for (const { what, server, floor, startGoal } of forms) {
    const pairs: (readonly [Start, Start])[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const pair = [await timeStart(floor, env), await timeStart(server, env)] as const;
      // The first start fills the caches of the operating system.
      if (round > 0) pairs.push(pair);
    }
    const [least, ours] = [pairs.map(([floor]) => floor), pairs.map(([, server]) => server)];
    const times = median(pairs.map(([floor, server]) => server.listed / floor.listed));
    const work = median(pairs.map(([floor, server]) => (server.cpu ?? NaN) / (floor.cpu ?? NaN)));
    const line = (starts: readonly Start[]) => [
      ms(median(starts.map(({ initialized }) => initialized))),
      ms(median(starts.map(({ listed }) => listed))),
      ms(percentile(starts.map(({ listed }) => listed), 0.95)),
      ms(median(starts.map(({ cpu }) => cpu ?? NaN))),
    ];
    rows.push([`${what}: hand-written loop (floor)`, ...line(least), "", ""]);
    rows.push([`${what}: proxmox-mcp`, ...line(ours), ratio(times, 1), ratio(work, 1)]);
    if (startGoal !== undefined) {
      goals.push({
        what: `spawn → tools/list, ${what}`,
        value: ratio(times, 1),
        goal: `< ${startGoal}×`,
        reached: times < startGoal,
      });
    }
  }
  const table = figureTable(
    `Start, ${ROUNDS} times: ms from spawn until answered, and of CPU until then`,
    ["", "initialize, median", "tools/list, median", "p95", "CPU, median", "to floor", "CPU to floor"],
    rows,
  );
  return { table, goals };
}
