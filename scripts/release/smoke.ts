/** Starts an executable as a stranger would, with an empty environment in an empty folder, and looks at what it answers. */
import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import { z } from "zod";
import { err, out } from "../../src/cli/terminal.ts";
import { NAME, VERSION } from "../../src/version.ts";

const listed = z.array(z.looseObject({ name: z.string() })).min(20);
const demoAnswer = z.looseObject({ nodes: z.array(z.looseObject({ node: z.string() })).min(1) });
const confinement = z.looseObject({ confined: z.literal(true), findings: z.array(z.unknown()).min(10) });

/** One command, and what has to come of it. */
const trials: readonly { readonly args: readonly string[]; check(text: string): unknown }[] = [
  { args: ["--version"], check: (text) => z.literal(`${NAME} ${VERSION}`).parse(text.trim()) },
  { args: ["tools", "--json"], check: (text) => listed.parse(JSON.parse(text)) },
  { args: ["call", "list_nodes", "--demo", "--json"], check: (text) => demoAnswer.parse(JSON.parse(text)) },
  { args: ["doctor", "--confinement", "--demo", "--json"], check: (text) => confinement.parse(JSON.parse(text)) },
];

/** What went wrong when the executable was tried, a sentence each. */
export async function smokeFaults(executable: string): Promise<string[]> {
  const cwd = await Deno.makeTempDir();
  try {
    const faults: string[] = [];
    for (const { args, check } of trials) {
      // Windows starts nothing without the variable that names its own folder.
      const root = Deno.env.get("SystemRoot");
      const { code, stdout, stderr } = await new Deno.Command(executable, {
        ...{ args: [...args], cwd, clearEnv: true, env: root === undefined ? {} : { SystemRoot: root } },
        signal: AbortSignal.timeout(60_000),
      }).output();
      const line = `${NAME} ${args.join(" ")}`;
      try {
        if (code !== 0) throw new Error(`it ended with ${code}: ${new TextDecoder().decode(stderr)}`);
        check(new TextDecoder().decode(stdout));
      } catch (error) {
        faults.push(`${line}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return faults;
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

if (import.meta.main) {
  const [executable, ...rest] = Deno.args;
  if (executable === undefined || rest.length > 0) {
    err(`Usage: deno run ${fileURLToPath(import.meta.url)} EXECUTABLE`);
    Deno.exit(2);
  }
  const faults = await smokeFaults(resolve(executable));
  for (const fault of faults) err(fault);
  if (faults.length > 0) Deno.exit(1);
  out(`${executable}: ${trials.length} commands answered as they should`);
}
