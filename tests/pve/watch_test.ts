/** Waiting for a task and for a turn, where only the answer of a cancelled call, or PVE's refusal to tell, shows it. */
import assert from "node:assert/strict";
import { PveError } from "../../src/errors.ts";
import { textOf } from "../../src/mcp/content.ts";
import { createDispatch } from "../../src/mcp/dispatch.ts";
import { createClient } from "../../src/pve/client.ts";
import { connect } from "../../src/pve/connection.ts";
import { TaskWatch } from "../../src/pve/watch.ts";
import { bareToken, createSimulator, demoToken, type RequestRecord } from "../../src/sim/mod.ts";
import { simulatorTransport } from "../../src/sim/transport.ts";
import { tools } from "../../src/tools/mod.ts";

/** A simulated PVE whose clock stands still until it is turned. */
function bench() {
  const clock = { at: Date.now(), now: () => clock.at };
  const requests: RequestRecord[] = [];
  const simulator = createSimulator({ pace: 1, clock, onRequest: (record) => void requests.push(record) });
  const clientOf = (token: { id: string; secret: string }) =>
    createClient(connect(simulatorTransport(simulator, `PVEAPIToken=${token.id}=${token.secret}`)));
  const pve = clientOf(demoToken);
  const dispatch = createDispatch({
    tools,
    pve,
    settings: { readOnly: false },
    onBug(error) {
      throw error;
    },
  });
  async function call(name: string, args: Record<string, unknown>, signal = new AbortController().signal) {
    const tool = tools.find((tool) => tool.name === name);
    assert.ok(tool !== undefined);
    const result = await dispatch.call(tool, args, { signal, progress: undefined });
    return { text: textOf(result), isError: result.isError, answer: result.structuredContent ?? {} };
  }
  return { clock, requests, pve, clientOf, call };
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("the answer of a cancelled wait says that the task goes on, and how to look at it", async () => {
  const { call, requests } = bench();
  const cancel = new AbortController();
  const cloning = call("clone_vm", { source_vmid: 9000, name: "copy" }, cancel.signal);
  await until(() => requests.some(({ path }) => path.includes(":qmclone:")));
  cancel.abort();
  const { text, isError } = await cloning;
  assert.equal(isError, true);
  assert.match(text, /^Stopped waiting for task UPID:pve1:.*:qmclone:9000:.*; PVE goes on with it/);
  assert.match(text, /What to do: get_task_status shows how it stands.*do not repeat the call/);
});

Deno.test("the answer of a call that left the line says that nothing was sent", async () => {
  const { call, requests, clock } = bench();
  const stop = call("stop_vm", { vmid: 102 });
  const written = () => requests.filter(({ method }) => method !== "GET").length;
  await until(() => written() === 1);
  const cancel = new AbortController();
  const start = call("start_vm", { vmid: 102 }, cancel.signal);
  cancel.abort();
  assert.match((await start).text, /[Cc]ancelled/);
  const later = new AbortController();
  const reboot = call("reboot_vm", { vmid: 102 }, later.signal);
  const before = requests.length;
  await until(() => requests.length > before + 1);
  later.abort();
  assert.match((await reboot).text, /^Cancelled while waiting for earlier writes to guest 102; nothing was sent/);
  clock.at += 30_000;
  assert.equal((await stop).answer.state, "ok");
  assert.equal(written(), 1);
});

Deno.test("a task that PVE does not let us see is named, so that it can be looked for", async () => {
  const { pve, clientOf } = bench();
  const upid = await pve.call("POST /nodes/{node}/qemu/{vmid}/status/stop", { node: "pve1", vmid: 102 });
  const blind = new TaskWatch().wait(clientOf(bareToken), upid, { timeoutSeconds: 20 });
  await assert.rejects(blind, (error) => {
    assert.ok(error instanceof PveError);
    assert.deepEqual([error.details.kind, error.details.upid], ["forbidden", upid]);
    assert.match(error.message, /^Task UPID:.* was started, and how it stands cannot be seen: /);
    return true;
  });
});

Deno.test("a watch that nobody waits at any more asks no more", async () => {
  const { pve, requests, clock } = bench();
  const upid = await pve.call("POST /nodes/{node}/qemu/{vmid}/status/stop", { node: "pve1", vmid: 102 });
  const watch = new TaskWatch();
  const cancel = new AbortController();
  const waits = [1, 2, 3].map(() => watch.wait(pve, upid, { timeoutSeconds: 20, signal: cancel.signal }));
  await until(() => requests.length >= 4);
  cancel.abort();
  for (const wait of await Promise.allSettled(waits)) assert.equal(wait.status, "rejected");
  const asked = requests.length;
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(requests.length, asked);
  clock.at += 30_000;
  assert.equal((await watch.wait(pve, upid, { timeoutSeconds: 20 })).state, "ok");
});
