/** What PVE 8 answers where 9 has something new: groups in the place of HA rules. */
import assert from "node:assert/strict";
import { createDispatch } from "../../src/mcp/dispatch.ts";
import { createClient } from "../../src/pve/client.ts";
import { connect } from "../../src/pve/connection.ts";
import { createSimulator, demoToken } from "../../src/sim/mod.ts";
import { simulatorTransport } from "../../src/sim/transport.ts";
import { haStatus } from "../../src/tools/cluster.ts";

Deno.test("ha_status shows the groups of PVE 8, which knows no rules", async () => {
  const simulator = createSimulator({ pace: 0 });
  simulator.state.told.set("ha groups", [
    { group: "fast", type: "group", nodes: "pve1:2,pve2", restricted: 1, nofailback: 0, comment: "SSD", digest: "x" },
  ]);
  const older: typeof simulator = {
    ...simulator,
    answer(request) {
      if (!request.url.endsWith("/cluster/ha/rules")) return simulator.answer(request);
      const reason = "Method 'GET /cluster/ha/rules' not implemented";
      const headers = { "content-type": "application/json" };
      return Promise.resolve({ status: 501, reason, headers, body: JSON.stringify({ data: null, message: reason }) });
    },
  };
  const send = connect(simulatorTransport(older, `PVEAPIToken=${demoToken.id}=${demoToken.secret}`));
  const dispatch = createDispatch({
    tools: [haStatus],
    pve: createClient(send),
    settings: { readOnly: false },
    onBug: (error) => {
      throw error;
    },
  });
  const { signal } = new AbortController();
  const { structuredContent } = await dispatch.call(haStatus, {}, { signal, progress: undefined });
  assert.deepEqual(structuredContent?.rules, [
    { rule: "fast", type: "group", says: "nodes=pve1:2,pve2 nofailback=0 restricted=1", comment: "SSD" },
  ]);
});
