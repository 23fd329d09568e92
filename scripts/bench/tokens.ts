/** What the server costs a model: the tokens of its tools, and of lists of guests in clusters of three sizes. */
import { textOf } from "../../src/mcp/content.ts";
import { createDispatch } from "../../src/mcp/dispatch.ts";
import { isRecord } from "../../src/mcp/coerce.ts";
import { createClient } from "../../src/pve/client.ts";
import { connect } from "../../src/pve/connection.ts";
import { createSimulator, demoToken, largeCluster } from "../../src/sim/mod.ts";
import { simulatorTransport } from "../../src/sim/transport.ts";
import { tools } from "../../src/tools/mod.ts";
import { tokensIn as tokens } from "../tokens.ts";
import { figureTable, ratio, whole } from "./figures.ts";

/** `listed` is the server's own answer to tools/list. The floor: a list of names and first sentences. */
export function toolTokens(listed: Readonly<Record<string, unknown>>): string {
  const offered = Array.isArray(listed.tools) ? listed.tools.filter(isRecord) : [];
  const sent = offered.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
  const floor = tokens(
    offered.map(({ name, description }) => `${name}: ${String(description).split(/(?<=\.)\s/)[0]}`).join("\n"),
  );
  const rows = ([
    [`names and first sentences of ${offered.length} tools (floor)`, floor],
    ["what a model is sent (name, description, inputSchema)", tokens(sent)],
    ["the whole answer to tools/list", tokens(listed)],
  ] as const).map(([what, count]) => [what, whole(count), ratio(count, floor)]);
  return figureTable("Tokens of the tools (o200k)", ["", "tokens", "to floor"], rows);
}

/** list_vms with its defaults, beside PVE's own answer to the same question. The floor: number, name, node and status. */
export async function listTokens(): Promise<string> {
  const listVms = tools.find(({ name }) => name === "list_vms");
  if (listVms === undefined) throw new Error("There is no tool list_vms");
  const rows: string[][] = [];
  for (const guests of [10, 1000, 10_000]) {
    const simulator = createSimulator({ state: largeCluster(guests), pace: 0 });
    const send = connect(simulatorTransport(simulator, `PVEAPIToken=${demoToken.id}=${demoToken.secret}`));
    const raw = await send("GET /cluster/resources", { type: "vm" }, {});
    const dispatch = createDispatch({
      tools,
      pve: createClient(send),
      settings: { readOnly: false },
      onBug: (error) => {
        throw error;
      },
    });
    const answer = await dispatch.call(listVms, {}, { signal: new AbortController().signal, progress: () => {} });
    const text = textOf(answer);
    const shown = Array.isArray(answer.structuredContent?.guests)
      ? answer.structuredContent.guests.filter(isRecord)
      : [];
    const floor = tokens(shown.map(({ vmid, name, node, status }) => [vmid, name, node, status].join(" ")).join("\n"));
    const [inText, inStructure, inRaw] = [tokens(text), tokens(answer.structuredContent), tokens(raw.body)];
    rows.push([
      `${whole(guests)} guests`,
      whole(shown.length),
      whole(floor),
      `${whole(inText)} (${ratio(inText, floor)})`,
      `${whole(inStructure)} (${ratio(inStructure, floor)})`,
      `${whole(inRaw)} (${ratio(inRaw, floor)})`,
    ]);
  }
  return figureTable(
    "Tokens of list_vms with its defaults (o200k; a quarter of the guests are containers)",
    ["", "rows shown", "vmid, name, node, status (floor)", "text", "structured", "PVE's answer, all guests"],
    rows,
  );
}
