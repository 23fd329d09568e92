/** The transport against arbitrary bytes: how they are cut changes nothing, and nothing that comes makes it throw. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { readLine } from "../../src/mcp/message.ts";
import { outgoingTo } from "../../src/mcp/outgoing.ts";
import { openWire } from "../../src/mcp/transport.ts";

/** What a transport makes of chunks: what it hands on, and what it answers by itself. */
async function through(
  chunks: readonly Uint8Array[],
  batches = false,
): Promise<{ taken: unknown[]; answered: string }> {
  const taken: unknown[] = [];
  let answered = "";
  const { promise, resolve } = Promise.withResolvers<void>();
  const outgoing = outgoingTo((text) => Promise.resolve(void (answered += text)));
  const wire = openWire({ incoming: ReadableStream.from(chunks), outgoing }, (message) => taken.push(message), resolve);
  wire.batches = batches;
  await promise;
  await outgoing.drained();
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
  const asked = 40;
  const megabyte = "x".repeat(1024 * 1024);
  let taken = 0;
  let lines = 0;
  const reads = Promise.withResolvers<void>();
  const outgoing = outgoingTo(async (text) => {
    await reads.promise;
    lines += text.split("\n").length - 1;
  });
  const requests = Array.from(
    { length: asked },
    (_, id) => new TextEncoder().encode(`{"jsonrpc":"2.0","id":${id},"method":"ping"}\n`),
  );
  const ended = Promise.withResolvers<void>();
  const wire = openWire(
    { incoming: ReadableStream.from(requests), outgoing },
    (message) => {
      taken++;
      if (message.kind === "request") wire.send({ jsonrpc: "2.0", id: message.id, result: { megabyte } });
    },
    ended.resolve,
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(taken > 0 && taken < asked, `${taken} of ${asked} requests were read`);
  reads.resolve();
  await ended.promise;
  await outgoing.drained();
  assert.equal(lines, asked);
  wire.close();
});

Deno.test("what is written when nobody reads any more is dropped, and the connection ends", async () => {
  const outgoing = outgoingTo(() => Promise.reject(new Error("broken pipe")));
  const { promise, resolve } = Promise.withResolvers<void>();
  const incoming = new ReadableStream<Uint8Array>();
  const wire = openWire({ incoming, outgoing }, () => {}, resolve);
  wire.send({ jsonrpc: "2.0", id: 1, result: {} });
  await promise;
  wire.send({ jsonrpc: "2.0", id: 2, result: {} });
  await outgoing.drained();
  wire.close();
});
