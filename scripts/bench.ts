/**
 * `deno task bench`: start, memory, speed and tokens, each beside a floor measured in the same run, and whether the goals are
 * reached. Figures, no assertions. `--compiler COMMAND` compiles with another Deno, as for build.ts.
 */
import { parseArgs } from "node:util";
import { err, out } from "../src/cli/terminal.ts";
import { figureTable, type Goal } from "./bench/figures.ts";
import { type Command, type Form, makeForms } from "./bench/forms.ts";
import { memoryFigures } from "./bench/memory.ts";
import { startPeer } from "./bench/peer.ts";
import { largeFigures, readFigures } from "./bench/reads.ts";
import { settingsFor, startPve } from "./bench/simulated.ts";
import { greet, startFigures } from "./bench/start.ts";
import { listTokens, toolTokens } from "./bench/tokens.ts";

interface Measured {
  readonly table: string;
  readonly goals: readonly Goal[];
}

async function measure(forms: readonly Form[]): Promise<Goal[]> {
  const goals: Goal[] = [];
  async function show(measured: Promise<Measured>): Promise<void> {
    const { table, goals: more } = await measured;
    out(`${table}\n`);
    goals.push(...more);
  }
  // What is released, or the nearest to it that there is.
  const server: Command | undefined = forms.at(-1)?.server;
  if (server === undefined) throw new Error("There is nothing to measure");
  const pve = await startPve();
  try {
    const env = settingsFor(pve);
    await show(startFigures(forms, env));
    await show(memoryFigures(forms, env));
    await show(readFigures(server, pve));
    const peer = startPeer([...server, "serve"], env);
    out(`${toolTokens(await greet(peer))}\n`);
    await peer.close();
  } finally {
    await pve.close();
  }
  const large = await startPve(10_000);
  try {
    await show(largeFigures(server, large));
  } finally {
    await large.close();
  }
  out(`${await listTokens()}\n`);
  return goals;
}

const { values } = parseArgs({ args: Deno.args, options: { compiler: { type: "string" } } });
const [program = Deno.execPath(), ...rest] = (values.compiler ?? "").split(" ").filter((word) => word !== "");
const work = await Deno.makeTempDir();
try {
  const { forms, missing } = await makeForms(work, [program, ...rest]);
  const { deno, v8 } = Deno.version;
  out(`Deno ${deno}, V8 ${v8}, ${navigator.hardwareConcurrency} CPUs, ${Deno.build.os} ${Deno.build.arch}\n\n`);
  for (const why of missing) err(why);
  const goals = await measure(forms);
  const rows = goals.map(({ what, value, goal, reached }) => [what, value, goal, reached ? "yes" : "no"]);
  out(figureTable("Goals", ["", "measured", "goal", "reached"], rows));
} finally {
  await Deno.remove(work, { recursive: true });
}
