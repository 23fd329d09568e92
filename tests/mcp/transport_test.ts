/** The transport against arbitrary bytes: how they are cut changes nothing, and nothing that comes makes it throw. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { PassThrough } from "node:stream";
import { readLine } from "../../src/mcp/message.ts";
import { openWire } from "../../src/mcp/transport.ts";

/** What a transport makes of chunks: what it hands on, and what it answers by itself. */
async function through(
  chunks: readonly Uint8Array[],
  batches = false,
): Promise<{ taken: unknown[]; answered: string }> {
  const [incoming, outgoing] = [new PassThrough(), new PassThrough()];
  const taken: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const wire = openWire({ incoming, outgoing }, (message) => taken.push(message), resolve);
  wire.batches = batches;
  for (const chunk of chunks) incoming.write(chunk);
  incoming.end();
  await promise;
  outgoing.end();
  let answered = "";
  for await (const chunk of outgoing) answered += String(chunk);
  return { taken, answered };
}

const line = fc.oneof(
  fc.json(),
  fc.string({ unit: "binary" }).map((text) => text.replaceAll("\n", " ")),
  fc.record({
    jsonrpc: fc.constantFrom("2.0", "1.0"),
    id: fc.oneof(fc.integer(), fc.string(), fc.double(), fc.constant(null)),
    method: fc.oneof(fc.constantFrom("ping", "tools/list", "notifications/cancelled"), fc.anything()),
    params: fc.anything(),
  }, { requiredKeys: [] }).map((message) => JSON.stringify(message)),
);

Deno.test("how the bytes are cut into chunks changes nothing", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 6 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      fc.boolean(),
      async (lines, cuts, batches) => {
        const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
        const at = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) =>
          a - b
        );
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        assert.deepEqual(await through(chunks, batches), await through([bytes], batches));
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("any bytes are read without an error of ours, and every answer is one line of JSON-RPC", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }),
      fc.boolean(),
      async (chunks, batches) => {
        const { answered } = await through(chunks, batches);
        for (const text of answered.split("\n").slice(0, -1)) {
          const answer = JSON.parse(text);
          for (const one of Array.isArray(answer) ? answer : [answer]) assert.equal(one.jsonrpc, "2.0");
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("readLine() takes any text, and a request only with an id that comes back the same", () => {
  fc.assert(fc.property(line, (text) => {
    for (const message of readLine(text).messages) {
      if (message.kind !== "request") continue;
      const sent: unknown = JSON.parse(text);
      const requests: unknown[] = Array.isArray(sent) ? sent : [sent];
      assert.ok(requests.some((request) => JSON.stringify(Object(request).id) === JSON.stringify(message.id)));
    }
  }));
});

Deno.test("a client that does not read its answers is not read from, and nothing is lost when it reads again", async () => {
  const [incoming, outgoing] = [new PassThrough(), new PassThrough()];
  const text = "x".repeat(1024 * 1024);
  const wire = openWire(
    { incoming, outgoing },
    (message) => message.kind === "request" && wire.send({ jsonrpc: "2.0", id: message.id, result: { text } }),
    () => {},
  );
  const asked = 40;
  for (let id = 0; id < asked; id++) incoming.write(`{"jsonrpc":"2.0","id":${id},"method":"ping"}\n`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(incoming.isPaused(), "it goes on reading");
  let lines = 0;
  for await (const chunk of outgoing) {
    lines += String(chunk).split("\n").length - 1;
    if (lines === asked) break;
  }
  assert.equal(lines, asked);
  wire.close();
});
