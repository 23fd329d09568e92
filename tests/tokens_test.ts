/** What a model pays: the budgets of the tools' declarations, and of the answers in small and in large clusters. */
import assert from "node:assert/strict";
import { ORIGINAL_TOOLS, sumTokens, tokensIn } from "../scripts/tokens.ts";
import { textOf } from "../src/mcp/content.ts";
import { createDispatch } from "../src/mcp/dispatch.ts";
import { createClient } from "../src/pve/client.ts";
import { connect } from "../src/pve/connection.ts";
import { toolsets } from "../src/safety/toolsets.ts";
import { createSimulator, demoToken, largeCluster } from "../src/sim/mod.ts";
import { simulatorTransport } from "../src/sim/transport.ts";
import { tools } from "../src/tools/mod.ts";

const original = tools.filter(({ name }) => ORIGINAL_TOOLS.includes(name));

function within(what: string, count: number, budget: number): void {
  assert.ok(count < budget, `${what}: ${count} tokens, and the budget is ${budget}`);
}

Deno.test("the 27 tools of the original cost a model less than 6,000 tokens, and 7,500 with all that is listed", () => {
  assert.equal(original.length, 27);
  const { sent, whole } = sumTokens(original);
  within("sent", sent, 6000);
  within("tools/list", whole, 7500);
});

Deno.test("the default toolsets cost a model less than 9,000 tokens, and 12,000 with all that is listed", () => {
  const { sent, whole } = sumTokens(tools.filter(({ toolset }) => toolsets[toolset].byDefault));
  within("sent", sent, 9000);
  within("tools/list", whole, 12_000);
});

/** Calls tools in a cluster of that many guests and returns the tokens of both forms of an answer. */
function clusterOf(guests: number) {
  const simulator = createSimulator({ state: largeCluster(guests), pace: 0 });
  const pve = createClient(connect(simulatorTransport(simulator, `PVEAPIToken=${demoToken.id}=${demoToken.secret}`)));
  const dispatch = createDispatch({
    tools,
    pve,
    settings: { readOnly: false },
    onBug: (error) => {
      throw error;
    },
  });
  return async (name: string, args: Readonly<Record<string, unknown>>) => {
    const tool = tools.find((tool) => tool.name === name) ?? assert.fail(name);
    const { signal } = new AbortController();
    const answer = await dispatch.call(tool, args, { signal, progress: undefined });
    const text = textOf(answer);
    assert.ok(answer.isError !== true, text);
    return { text: tokensIn(text), structured: tokensIn(answer.structuredContent), answer: text };
  };
}

Deno.test("a list of 1,000 guests costs less than 3,000 tokens, 3,500 structured; of 10,000 no more", async () => {
  for (const guests of [1000, 10_000]) {
    const { text, structured } = await clusterOf(guests)("list_vms", {});
    within(`text of ${guests}`, text, 3000);
    within(`structured of ${guests}`, structured, 3500);
  }
});

Deno.test("a further guest that is asked for costs less than 25 tokens", async () => {
  const call = clusterOf(1000);
  const [few, many] = [await call("list_vms", { limit: 100 }), await call("list_vms", { limit: 300 })];
  within("a guest", (many.text - few.text) / 200, 25);
});

/** Arguments with which each reading tool says most. */
const most: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  node_status: { node: "pve1" },
  cluster_resources: { resource_type: "all", limit: 500 },
  list_vms: { limit: 500, detail: "full" },
  list_containers: { limit: 500, fields: "all" },
  vm_status: { vmid: 1000 },
  vm_config: { vmid: 1000 },
  container_status: { vmid: 1003 },
  container_config: { vmid: 1003 },
  find_guest: { query: "vm", limit: 50 },
  list_tasks: { limit: 500 },
  guest_network: { vmid: 1000 },
  guest_agent_info: { vmid: 1000 },
  guest_metrics: { vmid: 1001, timeframe: "year" },
  node_metrics: { node: "pve1", timeframe: "year" },
  list_snapshots: { vmid: 1000 },
  cluster_log: { limit: 500 },
  node_services: { node: "pve1" },
  node_updates: { node: "pve1" },
  node_syslog: { node: "pve1", lines: 500 },
  list_disks: { node: "pve1" },
  zfs_status: { node: "pve1" },
  console_url: { vmid: 1000 },
  cloudinit_dump: { vmid: 1000 },
};
/** Tools that need a task. */
const ofTasks = /^(?:get_task|wait_task)/;

Deno.test("no answer exceeds 20,000 tokens in a cluster of 10,000 guests", async (t) => {
  const call = clusterOf(10_000);
  for (const { name, tier } of tools) {
    if (tier !== "read" || ofTasks.test(name)) continue;
    await t.step(name, async () => {
      const { text, structured } = await call(name, most[name] ?? {});
      within("text", text, 20_000);
      within("structured", structured, 20_000);
    });
  }
});

Deno.test("a list that was cut by its size says what is left, and reads on where it ended", async () => {
  const call = clusterOf(1000);
  const { answer } = await call("list_vms", { limit: 500, detail: "full" });
  const cursor = /next_cursor: (\d+)/.exec(answer)?.[1] ?? assert.fail(answer.slice(-300));
  const { answer: next } = await call("list_vms", { limit: 1, detail: "full", cursor });
  assert.match(next, new RegExp(`\\n +(?:.* )?${nextVm(Number(cursor))}(?: |$)`, "m"));
});

/** Every fourth guest of largeCluster is a container. */
function nextVm(vmid: number): number {
  return (vmid + 1 - 1000) % 4 === 3 ? vmid + 2 : vmid + 1;
}
