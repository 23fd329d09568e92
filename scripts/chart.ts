/** Draws the README's example of a chart, docs/chart.png, from the simulated cluster at a fixed moment (deno task chart). */
import { createDispatch } from "../src/mcp/dispatch.ts";
import { createClient } from "../src/pve/client.ts";
import { connect } from "../src/pve/connection.ts";
import { createSimulator, demoToken } from "../src/sim/mod.ts";
import { simulatorTransport } from "../src/sim/transport.ts";
import { guestMetrics } from "../src/tools/metrics.ts";

/** The picture, in base64, of a VM that was started in the course of the day. */
export async function exampleChart(): Promise<string> {
  const now = Date.UTC(2026, 10, 22, 15, 30);
  const simulator = createSimulator({ clock: { now: () => now } });
  const transport = simulatorTransport(simulator, `PVEAPIToken=${demoToken.id}=${demoToken.secret}`);
  const dispatch = createDispatch({
    tools: [guestMetrics],
    pve: createClient(connect(transport)),
    settings: { readOnly: true },
    onBug: (error) => {
      throw error;
    },
  });
  const options = { signal: new AbortController().signal, progress: undefined };
  const { content } = await dispatch.call(guestMetrics, { vmid: 107, chart: "medium" }, options);
  const picture = content.find((part) => part.type === "image");
  if (picture === undefined) throw new Error("The answer has no picture");
  return picture.data;
}

if (import.meta.main) await Deno.writeFile("docs/chart.png", Uint8Array.fromBase64(await exampleChart()));
