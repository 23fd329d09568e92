/** `guarantee`: every request this program can send, what it refuses and why, and what it does not promise. */
import { type Guarantee, guarantee, heldBy } from "../safety/guarantee.ts";
import { tools } from "../tools/mod.ts";
import { out, styled } from "./terminal.ts";

const WIDTH = 100;

export function guaranteeCommand({ json }: { readonly json: boolean }): void {
  const facts = guarantee(tools);
  out(json ? JSON.stringify({ ...facts, heldBy }, undefined, 2) : guaranteeText(facts));
}

/** The guarantee for people, in lines of at most 100 columns. */
export function guaranteeText(facts: Guarantee): string {
  const { reads, writes, parameters, refused } = facts;
  return [
    ...wrap(
      `These are all requests to PVE that this program can send: ${reads.length} that read and ` +
        `${
          writes.flatMap(({ calls }) => calls).length
        } that write. Whatever is not here is refused before a connection is opened.`,
    ),
    "",
    heading("It reads", heldBy.reads),
    ...wrap(
      reads.map(({ call, parameters }) =>
        `${call.replace("GET ", "")}${parameters.length === 0 ? "" : `?${parameters.join("&")}`}`
      ).join("  "),
      "  ",
    ),
    "",
    heading("It writes (parameters in capitals are required)", heldBy.writes, heldBy.checks, heldBy.headroom),
    ...writes.flatMap((row) => [
      `  ${styled("bold", row.request)}`,
      ...wrap(`by ${row.tools.join(", ")}`, "      "),
      ...row.required.length + row.optional.length === 0 ? [] : wrap(
        `with ${[...row.required.map((name) => name.toUpperCase()), ...row.optional].join(", ")}`,
        "      ",
      ),
      ...wrap(`check: ${row.check}`, "      "),
    ]),
    "",
    heading("What these parameters may be", heldBy.parameters, heldBy.devices),
    ...parameters.flatMap(({ names, says }) => hang(names.join(", "), says)),
    "",
    heading("What is never sent", heldBy.refused),
    ...refused.calls.flatMap(({ what, why }) => hang(what, `${why}.`)),
    "",
    "  Parameters that PVE knows for the requests above:",
    ...refused.parameters.flatMap(({ what, why }) => hang(what, `${why}.`)),
    "",
    "  Values of the parameters that are allowed:",
    ...refused.values.flatMap(({ what, why }) => hang(what, `${why}.`)),
    "",
    heading("What is not promised"),
    ...facts.notPromised.flatMap((line) => wrap(`- ${line}`, "  ", "    ")),
  ].join("\n");
}

function heading(text: string, ...tests: readonly string[]): string {
  return styled("bold", text) +
    (tests.length === 0
      ? ""
      : styled("dim", `  [${tests.join(", ").replaceAll("tests/safety/", "")} in tests/safety]`));
}

/** A term, and what is said of it in an indented column below or beside it. */
function hang(term: string, text: string): string[] {
  const column = 30;
  const indent = "".padEnd(column);
  const lines = wrap(text, indent);
  if (term.length + 2 > column - 2) return [...wrap(term, "  "), ...lines];
  return [`  ${term}`.padEnd(column) + (lines[0] ?? "").trimStart(), ...lines.slice(1)];
}

function wrap(text: string, indent = "", further = indent): string[] {
  const lines: string[] = [];
  let line = indent;
  let empty = true;
  for (const word of text.split(/\s+/)) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = further;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}
