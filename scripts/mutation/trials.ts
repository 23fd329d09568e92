/**
 * Tries mutants one after the other in one process: `trials.ts BATCH.json`, in a copy of the tree, started by mutate.ts.
 *
 * For each mutant the copy is laid out once more in links, with the one changed file in it: its modules have addresses of
 * their own and are evaluated afresh, state of theirs included, while npm modules are shared. At the end the unchanged tree
 * is tried as well: if it fails, a mutant has spoilt the process, and nothing that was said in it counts.
 */
import { configureGlobal } from "fast-check";
import { out } from "../../src/cli/terminal.ts";

/** What a process is to try. */
export interface Batch {
  /** Names the folders of this process. They are used again, so that their compiled modules are found again. */
  readonly place: string;
  /** Test files, the likeliest killers first; the rest of them when nothing has failed. */
  readonly tests: readonly string[];
  readonly mutants: readonly { readonly file: string; readonly text: string }[];
}

/** One line of output: of the mutant with that number, or of the unchanged tree at the end. */
export interface Trial {
  readonly index: number | "unchanged";
  readonly verdict: "killed" | "unloadable" | "survived";
  /** What failed. */
  readonly by: string;
}

type Test = (context: unknown) => unknown;

let collected: { name: string; test: Test }[] = [];

function collect(name: unknown, test: unknown): void {
  if (typeof name !== "string" || typeof test !== "function") {
    throw new Error("Only Deno.test(name, function) is known");
  }
  collected.push({ name, test: (context) => Reflect.apply(test, undefined, [context]) });
}

function removed(root: string): void {
  try {
    Deno.removeSync(root, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Lays the tree out in links below `root`, with one file changed. */
function layOut(root: string, changed: string, text: string): void {
  // A process that was stopped has left it.
  removed(root);
  const enter = (folder: string) => {
    Deno.mkdirSync(`${root}/${folder}`, { recursive: true });
    for (const { name } of Deno.readDirSync(folder === "" ? "." : folder)) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (name.startsWith("mutant-")) continue;
      if (path === changed) Deno.writeTextFileSync(`${root}/${path}`, text);
      else if (changed.startsWith(`${path}/`)) enter(path);
      else Deno.symlinkSync(`${Deno.cwd()}/${path}`, `${root}/${path}`);
    }
  };
  enter("");
}

/** Runs the tests until one fails. */
async function tryOne(root: string, tests: readonly string[]): Promise<Omit<Trial, "index">> {
  for (const file of tests) {
    collected = [];
    try {
      await import(`file://${root}/${file}`);
    } catch (error) {
      return { verdict: "unloadable", by: `${file}: ${say(error)}` };
    }
    for (const { name, test } of collected) {
      try {
        await test({});
      } catch (error) {
        return { verdict: "killed", by: `${file}: ${name}: ${say(error)}` };
      }
    }
  }
  return { verdict: "survived", by: "" };
}

function say(error: unknown): string {
  return String(error).slice(0, 300);
}

function tell(trial: Trial): void {
  out(JSON.stringify(trial));
}

async function main(): Promise<void> {
  const batch: Batch = JSON.parse(Deno.readTextFileSync(Deno.args[0] ?? ""));
  Reflect.set(Deno, "test", collect);
  // The same values in every run: what survives today survives tomorrow.
  configureGlobal({ seed: 1 });
  // What a test has left behind is not to end the process.
  globalThis.addEventListener("unhandledrejection", (event) => event.preventDefault());
  for (const [index, { file, text }] of batch.mutants.entries()) {
    const root = `${Deno.cwd()}/mutant-${batch.place}-${index}`;
    layOut(root, file, text);
    try {
      tell({ index, ...await tryOne(root, batch.tests) });
    } finally {
      removed(root);
    }
  }
  tell({ index: "unchanged", ...await tryOne(Deno.cwd(), batch.tests) });
}

await main();
Deno.exit(0);
