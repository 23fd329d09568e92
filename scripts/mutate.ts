/**
 * Mutation testing of src/safety: every mutant has to make a test fail.
 *
 *   deno task mutate                       all mutants
 *   MUTANTS=200 deno task mutate           a sample, drawn with MUTANTS_SEED (the day by default)
 *   deno task mutate gate.ts rules.ts      the mutants of some files
 *
 * Mutants are written into copies of the tree in a temporary folder, never here. A mutant that survives has to stand, with
 * a reason, in scripts/mutation/survivors.json; otherwise the run fails.
 */
import process from "node:process";
import { out } from "../src/cli/terminal.ts";
import { type Mutant, mutantsOf } from "./mutation/mutants.ts";

const FILES = ["catalogue", "rules", "values", "gate", "checks", "headroom", "policy", "names"].map((name) =>
  `src/safety/${name}.ts`
);
const COPIED = ["src", "scripts", "tests", "docs", "main.ts", "deno.json", "deno.lock", "README.md", ".env.example"];
const SURVIVORS = "scripts/mutation/survivors.json";
const WORKERS = 2;
const TIMEOUT = 20_000;

/** Each loads as one module. The first holds what loads fast and kills most; only its survivors meet the second. */
const RUNNERS = ["tests/mutation_fast.ts", "tests/mutation_rest.ts"] as const;
const TESTED = ["tests/safety", "tests/tools/declarations_test.ts"];
const FAST = /\/(?:rules|values|checks|headroom|names)_test\.ts$/;

type Verdict = "killed" | "unloadable" | "timeout" | "survived";

interface Survivor {
  readonly file: string;
  readonly in: string;
  readonly before: string;
  readonly after: string;
  readonly reason: string;
}

async function copyTree(from: string, to: string): Promise<void> {
  const info = await Deno.lstat(from);
  if (info.isDirectory) {
    await Deno.mkdir(to, { recursive: true });
    for await (const entry of Deno.readDir(from)) await copyTree(`${from}/${entry.name}`, `${to}/${entry.name}`);
  } else if (info.isFile) await Deno.copyFile(from, to);
}

async function testFiles(root: string): Promise<string[]> {
  const files: string[] = [];
  for (const path of TESTED) {
    if (path.endsWith(".ts")) files.push(path);
    else {for await (const { name } of Deno.readDir(`${root}/${path}`)) {
        if (name.endsWith("_test.ts")) files.push(`${path}/${name}`);
      }}
  }
  return files.toSorted();
}

async function makeCopy(root: string): Promise<void> {
  for (const path of COPIED) await copyTree(path, `${root}/${path}`);
  const files = await testFiles(root);
  const [fast, rest] = RUNNERS;
  const load = (wanted: readonly string[]) =>
    wanted.map((file) => `import "./${file.replace("tests/", "")}";\n`).join("");
  await Deno.writeTextFile(`${root}/${fast}`, load(files.filter((file) => FAST.test(file))));
  await Deno.writeTextFile(`${root}/${rest}`, load(files.filter((file) => !FAST.test(file))));
}

async function run(root: string): Promise<{ verdict: Verdict; text: string }> {
  const fast = await runOne(root, RUNNERS[0]);
  return fast.verdict === "survived" ? await runOne(root, RUNNERS[1]) : fast;
}

async function runOne(root: string, runner: string): Promise<{ verdict: Verdict; text: string }> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT);
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-check", "--no-prompt", "--frozen", "--fail-fast", "--quiet", "-A", runner],
      cwd: root,
      env: { NO_COLOR: "1", MUTATION: "1" },
      stdout: "piped",
      stderr: "piped",
      signal: stop.signal,
    });
    const { success, stdout, stderr } = await child.output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    if (stop.signal.aborted) return { verdict: "timeout", text };
    if (success) return { verdict: "survived", text };
    return { verdict: /\d+ passed/.test(text) && !text.includes("(uncaught error)") ? "killed" : "unloadable", text };
  } finally {
    clearTimeout(timer);
  }
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

const describe = ({ file, line, before, after }: Mutant) =>
  `${file}:${line}  ${JSON.stringify(before.slice(0, 160))} → ${JSON.stringify(after.slice(0, 160))}`;

async function main(): Promise<number> {
  const chosen = Deno.args.filter((arg) => arg.endsWith(".ts"));
  const base = await Deno.makeTempDir({ prefix: "mutants-" });
  try {
    const roots = Array.from({ length: WORKERS }, (_, index) => `${base}/${index}`);
    for (const root of roots) await makeCopy(root);
    const first = roots[0] ?? base;
    const started = performance.now();
    const whole = await run(first);
    if (whole.verdict !== "survived") {
      out(`The tests fail without a mutant:\n${whole.text}`);
      return 1;
    }
    out(`The tests take ${Math.round(performance.now() - started)} ms`);
    const files = FILES.filter((file) => chosen.length === 0 || chosen.some((name) => file.endsWith(name)));
    const sources = new Map(files.map((file) => [file, Deno.readTextFileSync(`${first}/${file}`)]));
    const mutants = sample([...sources].flatMap(([file, source]) => mutantsOf(file, source)));
    const known = survivors();
    const counts = new Map<string, Record<Verdict, number>>();
    const alive: Mutant[] = [];
    const queue = [...mutants].reverse();
    await Promise.all(roots.map(async (root) => {
      for (let mutant = queue.pop(); mutant !== undefined; mutant = queue.pop()) {
        const source = sources.get(mutant.file) ?? "";
        await Deno.writeTextFile(
          `${root}/${mutant.file}`,
          source.slice(0, mutant.start) + mutant.after + source.slice(mutant.end),
        );
        const { verdict } = await run(root);
        const count = counts.get(mutant.file) ?? { killed: 0, unloadable: 0, timeout: 0, survived: 0 };
        count[verdict]++;
        counts.set(mutant.file, count);
        if (verdict === "survived") {
          alive.push(mutant);
          if (!isKnown(known, mutant)) out(`survived  ${describe(mutant)}`);
        }
        if (queue[queue.length - 1]?.file !== mutant.file) await Deno.writeTextFile(`${root}/${mutant.file}`, source);
      }
    }));
    for (const [file, { killed, unloadable, timeout, survived }] of counts) {
      out(`${file}: ${killed} killed, ${unloadable} kept from loading, ${timeout} timed out, ${survived} survived`);
    }
    const unexplained = alive.filter((mutant) => !isKnown(known, mutant));
    out(`${mutants.length} mutants, ${alive.length} survived, ${unexplained.length} of them without a written reason`);
    if (mutants.length > 0 && Deno.env.get("MUTANTS") === undefined) {
      const stale = known.filter((one) => files.includes(one.file) && !alive.some((mutant) => isKnown([one], mutant)));
      for (const one of stale) out(`no longer survives  ${one.file}  ${one.before} → ${one.after}`);
    }
    const list = Deno.env.get("MUTANTS_OUT");
    if (list !== undefined) {
      await Deno.writeTextFile(
        list,
        JSON.stringify(
          unexplained.map(({ start: _start, end: _end, ...rest }) => rest),
          undefined,
          1,
        ),
      );
    }
    return unexplained.length === 0 ? 0 : 1;
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

function isKnown(known: readonly Survivor[], mutant: Mutant): boolean {
  return known.some((one) =>
    one.file === mutant.file && one.in === mutant.in && one.before === mutant.before && one.after === mutant.after
  );
}

process.exit(await main());
