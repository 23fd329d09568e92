/**
 * The law, on random sequences of calls: nothing that was there is lost. LAW_CALLS makes it longer (`deno task law`: 100,000
 * calls), LAW_SEED repeats a run.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { tools } from "../../src/tools/mod.ts";
import { type Counts, noCounts, play } from "./law.ts";
import { moves } from "./moves.ts";

const wanted = Number(Deno.env.get("LAW_CALLS") ?? 600);
const long = wanted >= 50_000;
const RUNS_AT_ONCE = 20;

Deno.test("the law: what was there is still there, whatever the tools were asked", async () => {
  const counts = noCounts();
  const started = performance.now();
  let seed = Number(Deno.env.get("LAW_SEED") ?? Math.floor(Math.random() * 0x7fffffff));
  const first = seed;
  while (counts.calls < wanted) {
    await fc.assert(
      // One server in twenty only reads.
      fc.asyncProperty(moves, fc.integer({ min: 0, max: 19 }), (sequence, roll) => play(sequence, counts, roll === 19)),
      { numRuns: RUNS_AT_ONCE, seed: seed++ },
    );
  }
  if (wanted > 600) report(counts, first, (performance.now() - started) / 1000);
  for (const tool of long ? tools.filter(({ tier }) => tier !== "read" && tier !== "exec") : []) {
    assert.ok(
      (counts.writes[tool.name] ?? 0) >= 200,
      `${tool.name} changed something only ${counts.writes[tool.name]} times`,
    );
  }
  for (const layer of long ? ["validation", "policy", "narrowing", "state check", "gate", "done"] : ["done"]) {
    assert.ok((counts.ends[layer] ?? 0) > 0, `no call came to its end at: ${layer}`);
  }
});

function report(counts: Counts, seed: number, seconds: number): void {
  const rows = (title: string, table: Readonly<Record<string, number>>) => [
    "",
    title,
    ...Object.entries(table).sort(([, a], [, b]) => b - a).map(([key, n]) => `  ${String(n).padStart(7)}  ${key}`),
  ];
  const lines = [
    `The law held for ${counts.calls} calls in ${seconds.toFixed(0)} s (first seed ${seed}).`,
    `${counts.requests} requests were admitted and sent; other people did ${counts.deeds} things meanwhile.`,
    ...rows("How the calls ended, or what refused them:", counts.ends),
    ...rows("Calls that changed something:", counts.writes),
    "",
  ];
  // deno-lint-ignore no-console -- the counts are what the long run is for
  console.log(lines.join("\n"));
}
