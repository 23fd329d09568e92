/**
 * The law, on random sequences of calls: nothing that was there is lost. LAW_CALLS makes it longer (`deno task law`: 100,000
 * calls), LAW_SEED repeats a run.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { tools } from "../../src/tools/mod.ts";
import { type Counts, noCounts, play } from "./law.ts";
import { moves } from "./moves.ts";
import { natives, raceDeeds, slipsIn } from "./world.ts";

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

/** Requests without a digest, whose checks are all there is; of each tool, as many guests as shall be tried. */
const GUESTS_EACH = 3;
const undigested: readonly [tool: string, more: Readonly<Record<string, unknown>>][] = [
  ["start_vm", {}],
  ["stop_vm", {}],
  ["shutdown_vm", {}],
  ["reboot_vm", {}],
  ["suspend_vm", {}],
  ["resume_vm", {}],
  ["start_container", {}],
  ["stop_container", {}],
  ["shutdown_container", {}],
  ["reboot_container", {}],
  ["create_vm_snapshot", { snapname: "before" }],
  ["create_container_snapshot", { snapname: "before" }],
  ["create_backup", { storage: "nas" }],
  ["create_backup", { storage: "nas", mode: "stop" }],
  ...["pve1", "pve2", "pve3"].flatMap((target): [string, Readonly<Record<string, unknown>>][] => [
    ["migrate_vm", { target }],
    ["migrate_container", { target, restart: true }],
  ]),
];

Deno.test("whichever of a call's requests somebody else's deed precedes, it is noticed before anything is lost", async () => {
  const tried: Record<string, number> = {};
  for (const [tool, more] of undigested) {
    for (const vmid of natives) {
      const key = `${tool} ${JSON.stringify(more)}`;
      if ((tried[key] ?? 0) === GUESTS_EACH) break;
      const alone = noCounts();
      const args = { vmid, ...more };
      await play([{ kind: "call", calls: [{ tool, args, race: undefined }] }], alone, false);
      if (alone.writes[tool] === undefined) continue;
      tried[key] = (tried[key] ?? 0) + 1;
      for (const deed of raceDeeds.filter(slipsIn)) {
        for (let before = 0; before < alone.requests; before++) {
          const race = { before, deed, pick: "own" } as const;
          const raced = play([{ kind: "call", calls: [{ tool, args, race }] }], noCounts(), false);
          await raced.catch((error: unknown) => {
            throw new Error(`${tool} ${JSON.stringify(args)}, ${deed} before request ${before}`, { cause: error });
          });
        }
      }
    }
  }
  for (const [tool] of undigested) {
    assert.ok(Object.keys(tried).some((key) => key.startsWith(`${tool} `)), `${tool} changed nothing anywhere`);
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
