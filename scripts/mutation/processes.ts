/** Has mutants tried in processes of their own, a batch in each, and notices what loops for ever or ends its process. */
import type { Batch, Trial } from "./trials.ts";

/** What became of a mutant; `unloadable`: a module threw while it was loaded, so that the program would not start. */
export type Verdict = Trial["verdict"] | "timeout";

/** What a batch came to. */
export interface Outcome {
  /** By the number in the batch. Without the mutant that has ended the process, and those behind it. */
  readonly trials: ReadonlyMap<number, Trial>;
  /** Why there was no end to it: undefined when all were tried. */
  readonly broken: "timeout" | "killed" | undefined;
  /** What failed in the unchanged tree after the mutants; undefined when nothing did. */
  readonly spoilt: string | undefined;
  readonly stderr: string;
}

/** Tries a batch in a copy of the tree; `limit`: milliseconds that one mutant may take. */
export async function tryBatch(base: string, batch: Batch, limit: number, interrupted: AbortSignal): Promise<Outcome> {
  const path = `${base}/mutant-${batch.place}.json`;
  await Deno.writeTextFile(path, JSON.stringify(batch));
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(), limit);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--no-prompt",
      "--frozen",
      "--quiet",
      "--no-code-cache",
      "-A",
      "scripts/mutation/trials.ts",
      path,
    ],
    cwd: base,
    // Compiled modules of the copies are kept there, and go with them.
    env: { NO_COLOR: "1", DENO_DIR: `${base}/mutant-cache` },
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.any([stop.signal, interrupted]),
  }).spawn();
  const stderr = new Response(child.stderr).text();
  const trials = new Map<number, Trial>();
  let spoilt: string | undefined;
  let ended = false;
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    // Whatever else is printed is a test's own.
    for (const line of lines.filter((line) => line.startsWith('{"index":'))) {
      const trial: Trial = JSON.parse(line);
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), limit);
      if (trial.index !== "unchanged") trials.set(trial.index, trial);
      else {
        ended = true;
        spoilt = trial.verdict === "survived" ? undefined : trial.by;
      }
    }
  }
  await child.status;
  clearTimeout(timer);
  await Deno.remove(path);
  const broken = ended ? undefined : stop.signal.aborted ? "timeout" : "killed";
  return { trials, broken, spoilt, stderr: await stderr };
}

/** A cache for the processes below `base`: with the npm modules that are there already, and an own place for the rest. */
export async function makeCache(base: string): Promise<void> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache }: { npmCache: string } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(`${base}/mutant-cache`);
  await Deno.symlink(npmCache, `${base}/mutant-cache/npm`);
}
