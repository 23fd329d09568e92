/** Two eras on one connection, and everything on it that is no message: each gets the specification's answer. */
import assert from "node:assert/strict";
import {
  type Connection,
  initialize,
  isMessage,
  type Message,
  request,
  stateless,
  withConnection,
} from "../helpers/connection.ts";

function errorOf(message: Message): Message {
  assert.ok(isMessage(message.error), `no error: ${JSON.stringify(message)}`);
  return message.error;
}

function resultOf(message: Message): Message {
  assert.ok(isMessage(message.result), `no result: ${JSON.stringify(message)}`);
  return message.result;
}

function connectionTest(name: string, test: (connection: Connection) => Promise<void>): void {
  Deno.test(name, () => withConnection({}, test));
}

connectionTest(
  "an unknown revision is refused with -32022, before and after any other request",
  async ({ send, answer }) => {
    for (const [id, revision] of ["1900-01-01", "2025-11-25", "", "2026-07-29"].entries()) {
      send(stateless(`before ${id}`, "tools/list", {}, revision));
      const error = errorOf(await answer(`before ${id}`));
      assert.deepEqual([error.code, error.data], [-32022, { supported: ["2026-07-28"], requested: revision }]);
    }
    send(stateless("pin", "tools/list"));
    assert.equal(resultOf(await answer("pin")).resultType, "complete");
    for (
      const method of ["tools/list", "tools/call", "server/discover", "subscriptions/listen", "nope", "initialize"]
    ) {
      send(stateless(method, method, { name: "list_nodes" }, "1900-01-01"));
      assert.equal(errorOf(await answer(method)).code, -32022, method);
    }
    send(initialize("handshake", "2025-06-18"));
    await answer("handshake");
    send(stateless("after", "tools/list", {}, "1900-01-01"));
    assert.equal(errorOf(await answer("after")).code, -32022);
  },
);

connectionTest("both eras are served at the same time, each in its own way", async ({ send, answer }) => {
  send(initialize(1, "2025-06-18"));
  assert.equal(resultOf(await answer(1)).protocolVersion, "2025-06-18");
  send(stateless(2, "tools/list"));
  send(request(3, "tools/list"));
  const [now, then] = [resultOf(await answer(2)), resultOf(await answer(3))];
  assert.deepEqual([now.resultType, now.cacheScope, typeof now.ttlMs], ["complete", "private", "number"]);
  assert.deepEqual([then.resultType, then.cacheScope], [undefined, undefined]);
  assert.deepEqual(now.tools, then.tools);
  send(stateless(4, "ping"));
  send(request(5, "ping"));
  assert.equal(errorOf(await answer(4)).code, -32601, "there is no ping any more");
  assert.deepEqual(await answer(5), { jsonrpc: "2.0", id: 5, result: {} });
});

connectionTest("a list is the same every time it is asked for", async ({ send, answer }) => {
  for (const method of ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]) {
    send(stateless(`${method} 1`, method));
    send(stateless(`${method} 2`, method));
    const [once, again] = [await answer(`${method} 1`), await answer(`${method} 2`)];
    assert.equal(JSON.stringify(once.result), JSON.stringify(again.result), method);
  }
});

connectionTest("a client may discover the server first and then use the handshake", async ({ send, answer }) => {
  send(stateless(1, "server/discover"));
  const found = resultOf(await answer(1));
  assert.deepEqual(found.supportedVersions, ["2026-07-28"]);
  send(initialize(2, "2024-11-05"));
  assert.equal(resultOf(await answer(2)).protocolVersion, "2024-11-05");
  send(request(3, "tools/list"));
  assert.equal(resultOf(await answer(3)).resultType, undefined);
});

connectionTest("a revision that initialize does not know is answered with the newest one that it does", async (it) => {
  it.send(initialize(1, "1999-01-01"));
  assert.equal(resultOf(await it.answer(1)).protocolVersion, "2025-11-25");
});

connectionTest("a stateless request without its _meta is invalid, not served in another era's way", async (it) => {
  for (const method of ["server/discover", "subscriptions/listen"]) {
    it.send(request(method, method));
    assert.equal(errorOf(await it.answer(method)).code, -32602, method);
  }
  it.send(stateless(1, "tools/list"));
  await it.answer(1);
  it.send(request(2, "tools/list"));
  const error = errorOf(await it.answer(2));
  assert.equal(error.code, -32602);
  assert.match(String(error.message), /io\.modelcontextprotocol\/protocolVersion/);
  const half = { _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } };
  it.send(request(3, "tools/list", half));
  assert.equal(errorOf(await it.answer(3)).code, -32602);
  it.send(stateless(4, "tools/list", {}, 7));
  assert.equal(errorOf(await it.answer(4)).code, -32602);
});

connectionTest("capabilities are honest: nothing that is listed changes, resources can be watched", async (it) => {
  const honest = { tools: { listChanged: false }, resources: { subscribe: true }, prompts: {}, completions: {} };
  it.send(initialize(1, "2025-11-25"));
  assert.deepEqual(resultOf(await it.answer(1)).capabilities, honest);
  it.send(stateless(2, "server/discover"));
  assert.deepEqual(resultOf(await it.answer(2)).capabilities, honest);
  it.send(request(3, "logging/setLevel", { level: "debug" }));
  assert.equal(errorOf(await it.answer(3)).code, -32601, "no logging is declared");
});

connectionTest("lines that are no messages are answered, or dropped, and the next request is served", async (it) => {
  const answered: [string, number, unknown][] = [
    ["not json", -32700, undefined],
    ['{"jsonrpc":"2.0","id":1,', -32700, undefined],
    ["5", -32600, undefined],
    ["null", -32600, undefined],
    ["[]", -32600, undefined],
    ['[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, undefined],
    ["{}", -32600, undefined],
    ['{"jsonrpc":"1.0","id":"old","method":"ping"}', -32600, "old"],
    ['{"jsonrpc":"2.0","id":"none"}', -32600, "none"],
    ['{"jsonrpc":"2.0","id":"number","method":5}', -32600, "number"],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, undefined],
    ['{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, undefined],
    ['{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600, undefined],
    ['{"jsonrpc":"2.0","id":[1],"method":"ping"}', -32600, undefined],
    ['{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', -32600, undefined],
    ['{"jsonrpc":"2.0","id":"list","method":"ping","params":[1]}', -32602, "list"],
    ['{"jsonrpc":"2.0","id":"text","method":"ping","params":"x"}', -32602, "text"],
    ['{"jsonrpc":"2.0","id":"no such","method":"nope"}', -32601, "no such"],
  ];
  for (const [line, code, id] of answered) {
    it.send(line);
    const message = await it.next();
    assert.deepEqual([errorOf(message).code, message.id, message.jsonrpc], [code, id, "2.0"], line);
    assert.equal("id" in message, id !== undefined, "no id is made up");
  }
  for (
    const line of [
      "",
      " \t",
      '{"jsonrpc":"2.0","method":"notifications/initialized"}',
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}',
      '{"jsonrpc":"2.0","method":"notifications/nope","params":5}',
      '{"jsonrpc":"2.0","id":5,"result":{}}',
      '{"jsonrpc":"2.0","id":5,"error":"x"}',
      '{"jsonrpc":"2.0","error":{"code":1,"message":"x"}}',
    ]
  ) it.send(line);
  it.send(request("last", "ping"));
  assert.deepEqual(await it.next(), { jsonrpc: "2.0", id: "last", result: {} }, "nothing came before it");
});

connectionTest(
  "ids come back as they are, whatever their type, and members beyond the known ones are no error",
  async (it) => {
    for (
      const id of [0, -1, 1, "1", "", "ü\u0000\n", Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, "x".repeat(10_000)]
    ) {
      it.send({ ...request(id, "ping"), trace: { a: 1 } });
      assert.deepEqual(await it.next(), { jsonrpc: "2.0", id, result: {} });
    }
  },
);

connectionTest("parameters that are nested without end are an error, not the end", async (it) => {
  const deep = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`;
  it.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_nodes","arguments":${deep}}}`);
  const answer = await it.answer(1);
  assert.equal(errorOf(answer).code, -32602);
  it.send(`{"jsonrpc":"2.0","id":2,"method":"initialize","params":{"capabilities":{"experimental":{"x":${deep}}}}}`);
  await it.answer(2);
  it.send(request(3, "ping"));
  assert.deepEqual(resultOf(await it.answer(3)), {});
});

connectionTest(
  "cancelling stops what runs, and does nothing to what is finished, unknown, or of the other era",
  async (it) => {
    it.send(initialize(0, "2025-06-18"));
    await it.answer(0);
    it.send(request(1, "tools/list"));
    await it.answer(1);
    for (const requestId of [1, "1", 99, null, { a: 1 }]) {
      it.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } });
    }
    it.send(request(2, "tools/call", { name: "list_nodes", arguments: {} }));
    it.send(stateless(3, "tools/call", { name: "list_nodes", arguments: {} }));
    it.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 2 } });
    assert.equal(resultOf(await it.answer(3)).resultType, "complete");
    it.send(request(4, "ping"));
    await it.answer(4);
    assert.deepEqual(it.rest(), [], "what was cancelled is not answered");
  },
);

connectionTest("a batch is served in revision 2025-03-26, and its answers come as one", async (it) => {
  it.send(initialize(1, "2025-03-26"));
  await it.answer(1);
  it.send([request(2, "ping"), { jsonrpc: "2.0", method: "notifications/initialized" }, request("x", "nope"), 5]);
  it.send([{ jsonrpc: "2.0", method: "notifications/initialized" }]);
  it.send([request(3, "initialize"), request(4, "ping"), request(4, "ping")]);
  it.send([request(5, "tools/call", { name: "list_nodes" }), request(6, "ping")]);
  it.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 5 } });
  it.send(request(7, "ping"));
  await it.answer(7);
  it.send(request(8, "ping"));
  await it.answer(8);
  const batches = it.rest().map((batch) => {
    assert.ok(Array.isArray(batch), `not a batch: ${JSON.stringify(batch)}`);
    const answers: unknown[] = batch;
    return answers.map((answer) => {
      assert.ok(isMessage(answer));
      return [answer.id, isMessage(answer.error) ? answer.error.code : "ok"];
    });
  });
  assert.deepEqual(batches, [
    [[undefined, -32600], [2, "ok"], ["x", -32601]],
    [[3, -32600], [4, -32600], [4, "ok"]],
    [[6, "ok"]],
  ]);
});

connectionTest("a line that never ends is refused once, and costs no memory; the next one is served", async (it) => {
  const block = new Uint8Array(1024 * 1024).fill(120);
  for (let n = 0; n < 12; n++) it.sendBytes(block);
  it.send("");
  assert.equal(errorOf(await it.next()).code, -32600);
  it.sendBytes(new Uint8Array([0xff, 0xfe, 10]));
  assert.equal(errorOf(await it.next()).code, -32700, "not UTF-8");
  it.sendBytes(new TextEncoder().encode('\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}\r\n'));
  assert.deepEqual(resultOf(await it.answer(1)), {});
});

connectionTest("the end in the middle of a line ends the connection without an answer", async (it) => {
  it.send(request(1, "ping"));
  await it.answer(1);
  it.sendBytes(new TextEncoder().encode('{"jsonrpc":"2.0","id":2,"method":"ping"}'));
  it.end();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(it.rest(), []);
});
