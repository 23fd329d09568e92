/**
 * Mutation testing of src/safety: every mutant has to make a test fail.
 *
 *   deno task mutate                       all mutants
 *   MUTANTS=200 deno task mutate           a sample, drawn with MUTANTS_SEED (the day by default)
 *   deno task mutate gate.ts rules.ts      the mutants of some files
 *   MUTANTS_OUT=list.json deno task mutate what became of each, too
 *
 * Mutants are written into a copy of the tree in a temporary folder, never here; scripts/mutation/trials.ts tries them. A
 * mutant that survives has to stand, with a reason, in scripts/mutation/survivors.json; otherwise the run fails.
 */
import process from "node:process";
import { out } from "../src/cli/terminal.ts";
import { type Mutant, mutantsOf } from "./mutation/mutants.ts";
import { makeCache, tryBatch, type Verdict } from "./mutation/processes.ts";

const NAMES =
  "catalogue rules values devices gate exec exec_program checks vmids mounts pending backup files headroom restore move policy toolsets names audit redact"
    .split(" ");
const FILES = NAMES.map((name) => `src/safety/${name}.ts`);
const COPIED = ["src", "scripts", "tests", "docs", "main.ts", "deno.json", "deno.lock", "README.md", ".env.example"];
const SURVIVORS = "scripts/mutation/survivors.json";
const WORKERS = 2;
/** Mutants a process: to start one and to try the unchanged tree in it takes as long as some thirty of them. */
const BATCH = 60;

/** The test of the changed file comes first; then these, the fastest first. */
const TESTED = [
  ...[
    "rules",
    "names",
    "redact",
    "audit",
    "headroom",
    "restore",
    "move",
    "policy",
    "toolsets",
    "refused",
    "checks",
    "catalogue",
    "values",
    "devices",
    "exec",
    "exec_program",
    "exec_policy",
  ]
    .map((name) => `tests/safety/${name}_test.ts`),
  "tests/tools/declarations_test.ts",
  "tests/guarantee/leaks_test.ts",
  "tests/safety/gate_test.ts",
];

interface Survivor {
  readonly file: string;
  readonly in: string;
  readonly before: string;
  readonly after: string;
  readonly reason: string;
}

interface Judged {
  readonly mutant: Mutant;
  readonly verdict: Verdict;
  /** What failed. */
  readonly by: string;
}

async function copyTree(from: string, to: string): Promise<void> {
  const info = await Deno.lstat(from);
  if (info.isDirectory) {
    await Deno.mkdir(to, { recursive: true });
    for await (const entry of Deno.readDir(from)) await copyTree(`${from}/${entry.name}`, `${to}/${entry.name}`);
  } else if (info.isFile) await Deno.copyFile(from, to);
}

/** @throws {Error} for a file without tests of its own: each of its mutants would pass for one that cannot be loaded */
function testsFor(file: string): string[] {
  // The state checks are tested together.
  const own = file.replace("src/", "tests/").replace(
    /(?:pending|backup|files|vmids|mounts)?\.ts$/,
    (end) => end === ".ts" ? "_test.ts" : "checks_test.ts",
  );
  Deno.statSync(own);
  return [own, ...TESTED.filter((test) => test !== own)];
}

function survivors(): Survivor[] {
  const parsed: unknown = JSON.parse(Deno.readTextFileSync(SURVIVORS));
  const rows: unknown[] = Array.isArray(parsed) ? parsed : [];
  return rows.map((row) => {
    const fields = new Map<string, unknown>(typeof row === "object" && row !== null ? Object.entries(row) : []);
    const [file = "", line = "", before = "", after = "", reason = ""] = ["file", "in", "before", "after", "reason"]
      .map((key) => String(fields.get(key) ?? ""));
    if (reason === "") throw new Error(`${SURVIVORS}: a survivor of ${file} has no reason`);
    return { file, in: line, before, after, reason };
  });
}

function isKnown(known: readonly Survivor[], mutant: Mutant): boolean {
  return known.some((one) =>
    one.file === mutant.file && one.in === mutant.in && one.before === mutant.before && one.after === mutant.after
  );
}

/** Random numbers that a seed repeats (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function sample(mutants: readonly Mutant[]): readonly Mutant[] {
  const most = Number(Deno.env.get("MUTANTS") ?? "");
  if (!(most > 0) || most >= mutants.length) return mutants;
  const seed = Number(Deno.env.get("MUTANTS_SEED") ?? Math.floor(Date.now() / 86_400_000));
  out(`A sample of ${most} of ${mutants.length} mutants; MUTANTS_SEED=${seed} draws it again`);
  const next = random(seed);
  return mutants.map((mutant) => ({ mutant, at: next() })).toSorted((a, b) => a.at - b.at).slice(0, most)
    .map(({ mutant }) => mutant);
}

function batchesOf(mutants: readonly Mutant[]): Mutant[][] {
  const batches: Mutant[][] = [];
  for (const ofFile of Map.groupBy(mutants, ({ file }) => file).values()) {
    for (let at = 0; at < ofFile.length; at += BATCH) batches.push(ofFile.slice(at, at + BATCH));
  }
  return batches;
}

/** Where a mutant is and what it changes: long texts are cut to the place in which they differ. */
function describe({ file, line, before, after }: Mutant): string {
  let start = 0;
  while (start < before.length && before[start] === after[start]) start++;
  const from = Math.max(0, start - 40);
  const [was, is] = [before, after].map((text) =>
    `${from > 0 ? "…" : ""}${text.slice(from, start + 40)}${text.length > start + 40 ? "…" : ""}`
  );
  return `${file}:${line}  ${JSON.stringify(was)} → ${JSON.stringify(is)}`;
}

/**
 * Runs all tests of the unchanged tree.
 * @throws {Error} when they do not pass, or no process can be run at all: then nothing can be said of mutants
 */
async function whole(base: string, place: string, interrupted: AbortSignal): Promise<void> {
  const { broken, spoilt, stderr } = await tryBatch(base, { place, tests: TESTED, mutants: [] }, 120_000, interrupted);
  if (broken === undefined && spoilt === undefined) return;
  throw new Error(`The tests fail without a mutant: ${spoilt ?? stderr}`);
}

/** Tries a batch; what it does not settle comes back, in smaller batches. */
async function settle(
  base: string,
  place: string,
  mutants: readonly Mutant[],
  sources: ReadonlyMap<string, string>,
  limit: number,
  interrupted: AbortSignal,
): Promise<{ judged: Judged[]; again: Mutant[][] }> {
  const changed = mutants.map((mutant) => {
    const source = sources.get(mutant.file) ?? "";
    return { file: mutant.file, text: source.slice(0, mutant.start) + mutant.after + source.slice(mutant.end) };
  });
  const batch = { place, tests: testsFor(mutants[0]?.file ?? ""), mutants: changed };
  const { trials, broken, spoilt } = await tryBatch(base, batch, limit, interrupted);
  if (interrupted.aborted) return { judged: [], again: [] };
  const last = mutants[trials.size];
  if (broken !== undefined && last !== undefined) {
    if (broken === "killed") await whole(base, place, interrupted);
    // The others have not been followed by the unchanged tree, which alone shows that nothing had spoilt the process. And
    // what took too long may have waited for a busy machine: it has its time once more, alone.
    const alone = mutants.length === 1;
    const parts = [mutants.slice(0, trials.size), ...alone ? [] : [[last]], mutants.slice(trials.size + 1)];
    return {
      judged: alone ? [{ mutant: last, verdict: broken, by: "its process did not end by itself" }] : [],
      again: parts.filter((some) => some.length > 0),
    };
  }
  if ((spoilt !== undefined || broken !== undefined) && mutants.length > 1) {
    return { judged: [], again: mutants.map((mutant) => [mutant]) };
  }
  const judged = mutants.flatMap((mutant, index) => {
    const trial = trials.get(index);
    return trial === undefined ? [] : [{ mutant, verdict: trial.verdict, by: trial.by }];
  });
  return { judged, again: [] };
}

function report(judged: readonly Judged[], known: readonly Survivor[], files: readonly string[]): number {
  const alive = judged.filter(({ verdict }) => verdict === "survived").map(({ mutant }) => mutant);
  const unexplained = alive.filter((mutant) => !isKnown(known, mutant));
  for (const file of files) {
    const count = (verdict: Verdict) =>
      judged.filter((one) => one.mutant.file === file && one.verdict === verdict).length;
    const without = unexplained.filter((mutant) => mutant.file === file).length;
    out(
      `${file}: ${judged.filter(({ mutant }) => mutant.file === file).length} mutants, ${count("killed")} killed, ` +
        `${count("unloadable")} kept from loading, ${count("timeout")} timed out, ` +
        `${count("survived") - without} survived with a reason, ${without} without`,
    );
  }
  out(`${judged.length} mutants, ${alive.length} survived, ${unexplained.length} of them without a written reason`);
  if (Deno.env.get("MUTANTS") === undefined) {
    const stale = known.filter((one) => files.includes(one.file) && !alive.some((mutant) => isKnown([one], mutant)));
    for (const one of stale) out(`no longer survives  ${one.file}  ${one.before} → ${one.after}`);
  }
  return unexplained.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const chosen = Deno.args.filter((arg) => arg.endsWith(".ts"));
  const files = FILES.filter((file) => chosen.length === 0 || chosen.some((name) => file.endsWith(`/${name}`)));
  const started = performance.now();
  const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "mutants-" }));
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stop.abort());
  try {
    for (const path of COPIED) await copyTree(path, `${base}/${path}`);
    await makeCache(base);
    await whole(base, "0", stop.signal);
    const once = performance.now() - started;
    const limit = Math.max(20_000, 5 * once);
    const sources = new Map(files.map((file) => [file, Deno.readTextFileSync(`${base}/${file}`)]));
    const mutants = sample([...sources].flatMap(([file, source]) => mutantsOf(file, source)));
    const known = survivors();
    const judged: Judged[] = [];
    const queue = batchesOf(mutants);
    await Promise.all(Array.from({ length: WORKERS }, async (_, worker) => {
      for (let batch = queue.shift(); batch !== undefined && !stop.signal.aborted; batch = queue.shift()) {
        const result = await settle(base, String(worker), batch, sources, limit, stop.signal);
        judged.push(...result.judged);
        queue.push(...result.again);
        for (const { mutant, verdict } of result.judged) {
          if (verdict === "survived" && !isKnown(known, mutant)) out(`survived  ${describe(mutant)}`);
        }
      }
    }));
    if (stop.signal.aborted) return 130;
    const code = report(judged, known, files);
    out(`${Math.round((performance.now() - started) / 1000)} s`);
    const list = Deno.env.get("MUTANTS_OUT");
    if (list !== undefined && list !== "") await Deno.writeTextFile(list, JSON.stringify(judged, undefined, 1));
    if (judged.length === mutants.length) return code;
    out(`${mutants.length - judged.length} mutants were not tried`);
    return 1;
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

process.exit(await main());
