/** What the server keeps in memory: idle after tools/list, and after many calls, each form beside its floor. */
import { figureTable, type Goal, median, ratio, whole } from "./figures.ts";
import type { Command, Form } from "./forms.ts";
import { residentMb, startPeer } from "./peer.ts";
import { timeCalls } from "./reads.ts";
import { greet } from "./start.ts";

const IDLE_MS = 1500;
const IDLE_ROUNDS = 3;
const CALLS = 10_000;

type Env = Readonly<Record<string, string>>;

async function idleMb(command: Command, env: Env): Promise<number> {
  const found: number[] = [];
  for (let round = 0; round < IDLE_ROUNDS; round++) {
    const peer = startPeer([...command, "serve"], env);
    await greet(peer);
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    found.push(residentMb(peer.pid) ?? NaN);
    await peer.close();
  }
  return median(found);
}

/** Half-way and at the end; what the first call loads counts. */
async function busyMb(command: Command, env: Env): Promise<{ half: number; end: number }> {
  const peer = startPeer([...command, "serve"], env);
  await greet(peer);
  const half = async () => {
    await timeCalls(CALLS / 2, 4, () => peer.request("tools/call", { name: "list_vms", arguments: {} }));
    return residentMb(peer.pid) ?? NaN;
  };
  const found = { half: await half(), end: await half() };
  await peer.close();
  return found;
}

export async function memoryFigures(forms: readonly Form[], env: Env): Promise<{ table: string; goals: Goal[] }> {
  const goals: Goal[] = [];
  const rows: string[][] = [];
  const mb = (value: number) => Number.isNaN(value) ? "unknown here" : `${whole(value)} MB`;
  for (const { what, server, floor, startGoal } of forms) {
    // A bundle by itself is on the way to an executable, and nothing that anybody runs.
    if (startGoal === undefined) continue;
    const [least, ours] = [await idleMb(floor, env), await idleMb(server, env)];
    const [leastBusy, busy] = [await busyMb(floor, env), await busyMb(server, env)];
    rows.push([`${what}: hand-written loop (floor)`, mb(least), "", mb(leastBusy.half), mb(leastBusy.end)]);
    rows.push([`${what}: proxmox-mcp`, mb(ours), ratio(ours, least), mb(busy.half), mb(busy.end)]);
    goals.push({
      what: `memory idle after tools/list, ${what}`,
      value: ratio(ours, least),
      goal: "< 1.4×",
      reached: ours / least < 1.4,
    }, {
      what: `memory after ${whole(CALLS)} calls, ${what}`,
      value: mb(busy.end),
      goal: "< 160 MB",
      reached: busy.end < 160,
    }, {
      what: `memory from call ${whole(CALLS / 2)} to ${whole(CALLS)}, ${what}`,
      value: `${busy.end < busy.half ? "−" : "+"}${
        Math.abs(busy.end / busy.half - 1).toLocaleString("en", { style: "percent" })
      }`,
      goal: "level: ≤ +5%",
      reached: busy.end / busy.half <= 1.05,
    });
  }
  const table = figureTable(
    "Memory of the server process (RSS)",
    ["", "idle after tools/list", "to floor", `after ${whole(CALLS / 2)} calls`, `after ${whole(CALLS)}`],
    rows,
  );
  return { table, goals };
}
