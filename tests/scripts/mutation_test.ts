/** Mutation testing tells what a test notices from what none does, and from a process that cannot be trusted any more. */
import assert from "node:assert/strict";
import { mutantsOf, regexMutants } from "../../scripts/mutation/mutants.ts";
import { makeCache, tryBatch } from "../../scripts/mutation/processes.ts";

Deno.test("a source file's mutants change its conditions, values and calls, and no types or words", () => {
  const source = `import { Refusal } from "./errors.ts";
export function judge(value: number): boolean {
  if (value > 5 && value !== 7) throw new Refusal("it is too much");
  return value === 1;
}
`;
  const made = mutantsOf("src/judge.ts", source);
  const lines = made.map(({ start, end, after }) => (source.slice(0, start) + after + source.slice(end)).split("\n"));
  for (
    const line of [
      '  if (value >= 5 && value !== 7) throw new Refusal("it is too much");',
      '  if (value > 5 || value !== 7) throw new Refusal("it is too much");',
      '  if (value > 5) throw new Refusal("it is too much");',
      '  if (value > 6 && value !== 7) throw new Refusal("it is too much");',
      '  if (false) throw new Refusal("it is too much");',
      "  if (value > 5 && value !== 7) ;",
      "  return value !== 1;",
    ]
  ) assert.equal(lines.filter((text) => text.includes(line)).length, 1, line);
  for (const text of lines) {
    assert.equal(text[0], 'import { Refusal } from "./errors.ts";');
    assert.ok(text.join("").includes("it is too much") || text.join("").includes(" ;") || text.join("").includes("{}"));
  }
});

Deno.test("a pattern's mutants lose an anchor, an alternative, a limit", () => {
  const made = regexMutants("^(?:ab|cd)[x-z]{1,3}$");
  for (
    const wanted of ["(?:ab|cd)[x-z]{1,3}$", "^(?:ab|cd)[x-z]{1,3}", "^(?:cd)[x-z]{1,3}$", "^(?:ab|cd)[x-z]{1,2}$"]
  ) {
    assert.ok(made.includes(wanted), `${wanted} is not among ${made.join(" ")}`);
  }
  assert.ok(!made.includes("^(?:ab|cd)[x-z]{1,3}$"));
});

/** A tree with one module, and a test that wants 1 of it. */
async function withTree(test: (base: string) => Promise<void>): Promise<void> {
  const base = await Deno.realPath(await Deno.makeTempDir());
  try {
    for (const folder of ["scripts/mutation", "src/cli", "src/shape", "tests"]) {
      await Deno.mkdir(`${base}/${folder}`, { recursive: true });
    }
    const copied = ["deno.json", "deno.lock", "scripts/mutation/trials.ts", "src/cli/terminal.ts"];
    for await (const { name } of Deno.readDir("src/shape")) copied.push(`src/shape/${name}`);
    for (const path of copied) await Deno.copyFile(path, `${base}/${path}`);
    await Deno.writeTextFile(`${base}/src/one.ts`, "export const one: number = 1;\n");
    await Deno.writeTextFile(
      `${base}/tests/one_test.ts`,
      `import { one } from "../src/one.ts";
       Deno.test("one", () => { if (one !== 1 || Reflect.has(globalThis, "spoilt")) throw new Error("it is " + one); });\n`,
    );
    await makeCache(base);
    await test(base);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

Deno.test("mutants are tried one after the other, each on its own, until one ends or spoils the process", () =>
  withTree(async (base) => {
    const never = new AbortController().signal;
    const run = (...texts: readonly string[]) => {
      const mutants = texts.map((text) => ({ file: "src/one.ts", text }));
      return tryBatch(base, { place: "0", tests: ["tests/one_test.ts"], mutants }, 60_000, never);
    };
    const verdicts = ({ trials }: Awaited<ReturnType<typeof run>>) =>
      [...trials.values()].map(({ verdict }) => verdict);
    const killed = "export const one: number = 2;";
    const survived = "export const one: number = 0 + 1;";
    const all = await run(killed, survived, "throw new Error('no');", "export const", killed);
    assert.deepEqual(verdicts(all), ["killed", "survived", "unloadable", "unloadable", "killed"], all.stderr);
    assert.match(all.trials.get(0)?.by ?? "", /one_test\.ts: one: Error: it is 2/);
    assert.deepEqual([all.broken, all.spoilt], [undefined, undefined]);
    const spoilt = await run(survived, "Reflect.set(globalThis, 'spoilt', true); export const one = 2;", survived);
    assert.deepEqual(verdicts(spoilt), ["survived", "killed", "killed"]);
    assert.match(spoilt.spoilt ?? "", /it is 1/);
    const ended = await run(killed, "Deno.exit(0); export const one = 1;", killed);
    assert.deepEqual(verdicts(ended), ["killed"]);
    assert.equal(ended.broken, "killed");
    // What a process that ended has left behind is in nobody's way.
    assert.deepEqual(verdicts(await run(killed, survived)), ["killed", "survived"]);
  }));
