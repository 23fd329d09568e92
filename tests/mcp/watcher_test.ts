/** Subscriptions to resources, in both eras: told of changes, and of nothing else; nothing is read when nobody listens. */
import assert from "node:assert/strict";
import { createWatcher } from "../../src/mcp/watcher.ts";
import { type Connection, initialize, isMessage, request, stateless, withConnection } from "../helpers/connection.ts";

const guest = "proxmox://guest/102/config";

async function change(it: Connection, id: string, memory: number): Promise<void> {
  const params = { name: "set_vm_config", arguments: { vmid: 102, config: { memory } } };
  it.send(stateless(id, "tools/call", params));
  const { result } = await it.answer(id);
  assert.ok(isMessage(result) && result.isError !== true, JSON.stringify(result));
}

/** Waits until the server has asked PVE for something again, and then once more: a whole round has passed. */
async function rounds(it: Connection): Promise<void> {
  const before = it.requests();
  while (it.requests() < before + 6) await new Promise((resolve) => setTimeout(resolve, 5));
}

const updated = (message: Readonly<Record<string, unknown>>) => message.method === "notifications/resources/updated";

Deno.test("a subscription of an era with a handshake", () =>
  withConnection({ pauseMs: 5 }, async (it) => {
    it.send(initialize(1, "2025-11-25"));
    await it.answer(1);
    it.send(request(2, "resources/subscribe", { uri: guest }));
    assert.deepEqual((await it.answer(2)).result, {});
    await rounds(it);
    assert.deepEqual(it.rest(), [], "nothing has changed");
    await change(it, "change", 4096);
    assert.deepEqual(await it.next(updated), {
      jsonrpc: "2.0",
      method: "notifications/resources/updated",
      params: { uri: guest },
    });
    it.send(request(3, "resources/unsubscribe", { uri: guest }));
    await it.answer(3);
    const before = it.requests();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(it.requests() <= before + 2, "it goes on reading for nobody");
  }));

Deno.test("a subscription of revision 2026-07-28: acknowledged as far as it is honoured, tagged, cancelled", () =>
  withConnection({ pauseMs: 5 }, async (it) => {
    const notifications = {
      toolsListChanged: true,
      resourceSubscriptions: [guest, "file:///etc/passwd", "proxmox://nope"],
    };
    it.send(stateless("sub", "subscriptions/listen", { notifications }));
    const _meta = { "io.modelcontextprotocol/subscriptionId": "sub" };
    assert.deepEqual((await it.next()).params, { notifications: { resourceSubscriptions: [guest] }, _meta });
    await rounds(it);
    await change(it, "change", 4096);
    assert.deepEqual((await it.next(updated)).params, { uri: guest, _meta });
    it.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "sub" } });
    await change(it, "again", 5120);
    const before = it.requests();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(it.requests() <= before + 2, "it goes on reading for nobody");
    assert.deepEqual(it.rest(), []);
  }));

Deno.test("figures that always move are no change; a guest that is gone, or that PVE does not answer for, is one once", async () => {
  let reads = 0;
  let state: "running" | "stopped" | "missing" | "busy" = "running";
  const told: string[] = [];
  const watcher = createWatcher({
    read: () => {
      reads++;
      const structuredContent = { status: state, cpu_percent: reads, uptime: `${reads}s`, memory_used_percent: reads };
      const fault = { content: [], isError: true as const, _meta: { "proxmox-mcp/error": { kind: state } } };
      return Promise.resolve(state === "missing" || state === "busy" ? fault : { content: [], structuredContent });
    },
    changed: () => void told.push(state),
    pauseMs: 0,
  });
  const someReads = async () => {
    for (const until = reads + 4; reads < until;) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  watcher.open("one", [guest]);
  for (const next of ["stopped", "busy", "stopped", "missing"] as const) {
    await someReads();
    state = next;
  }
  await someReads();
  assert.deepEqual(told, ["stopped", "missing"]);
  watcher.close("one");
});

Deno.test("what cannot be watched is refused, and so is more than the server would look after", () =>
  withConnection({}, async (it) => {
    it.send(initialize(1, "2025-11-25"));
    await it.answer(1);
    it.send(request(2, "resources/subscribe", { uri: "file:///etc/passwd" }));
    assert.ok("error" in await it.answer(2));
    for (let n = 0; n < 60; n++) {
      it.send(request(`s${n}`, "resources/subscribe", { uri: `proxmox://guest/${100 + n}` }));
    }
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => it.answer(`s${n}`)));
    assert.equal(answers.filter((answer) => "result" in answer).length, 50);
    assert.match(JSON.stringify(answers.at(-1)), /No more resources can be watched/);
  }));
