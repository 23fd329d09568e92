/** Draws docs/guarantee.md from the catalogue; generate_docs.ts writes and checks the file. */
import { type Guarantee, heldBy } from "../src/safety/guarantee.ts";
import { markdownTable } from "./markdown.ts";

/** The text of docs/guarantee.md. */
export function guaranteeDocument(facts: Guarantee): string {
  const test = (file: string) => `[${file.replace("tests/", "")}](../${file})`;
  const code = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(", ");
  const refused = (rows: readonly { readonly what: string; readonly why: string }[]) =>
    markdownTable(["Never sent", "Why", "Test"], rows.map(({ what, why }) => [what, why, test(heldBy.refused)]));
  return [
    "# What this program can send to PVE, and what it cannot",
    "<!-- Made by `deno task gen` from src/safety. Do not edit. -->",
    [
      "Every request that the program can send stands here; whatever does not is refused before a connection is opened.",
      "`proxmox-mcp guarantee` prints the same.",
    ].join("\n"),
    "## Reads",
    markdownTable(
      ["Request", "Parameters", "Test"],
      facts.reads.map(({ call, parameters }) => [code([call]), code(parameters), test(heldBy.reads)]),
    ),
    "## Writes",
    "In the requests, `{qemu|lxc}` stands for VMs and containers alike; `name[n]` for name0, name1, and so on.",
    markdownTable(
      ["Request", "Tools", "Always with", "May carry", "State check before it", "Tests"],
      facts.writes.map((row) => [
        code([row.request]),
        row.tools.join(", "),
        code(row.required),
        code(row.optional),
        row.check,
        `${test(heldBy.writes)}, ${test(heldBy.checks)}, ${test(heldBy.headroom)}`,
      ]),
    ),
    "## What the parameters of writes may be",
    markdownTable(
      ["Parameter", "May be", "Test"],
      facts.parameters.map((
        { names, says },
      ) => [names.join(", "), says, `${test(heldBy.parameters)}, ${test(heldBy.devices)}`]),
    ),
    "## What is never sent",
    "Requests:",
    refused(facts.refused.calls),
    "Parameters that PVE knows for the requests above:",
    refused(facts.refused.parameters),
    "Values of the parameters that are allowed:",
    refused(facts.refused.values),
    "## What is not promised",
    facts.notPromised.map((line) => `- ${line}`).join("\n"),
  ].join("\n\n") + "\n";
}
