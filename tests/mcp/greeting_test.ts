/** What is answered before the SDK is there is what the SDK answers, byte for byte; and the SDK goes on where that ends. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { createGreeting } from "../../src/mcp/greeting.ts";
import { listed } from "../../src/mcp/listed.ts";
import { readLine } from "../../src/mcp/message.ts";
import { outgoingTo } from "../../src/mcp/outgoing.ts";
import { serve } from "../../src/mcp/serve.ts";
import { tools } from "../../src/tools/mod.ts";
import { initialize, type Message, request, stateless, withConnection } from "../helpers/connection.ts";

const all = tools.map(listed);
/** What may be offered: everything, what needs no writing, and too little for any prompt or resource. */
const few = all.filter(({ name }) => name === "list_storage");
const offers = [all, all.filter(({ tier }) => tier === "read"), few];

const HANDSHAKES = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"];
const LISTS = ["prompts/list", "resources/list", "resources/templates/list"];
const INITIALIZED = { jsonrpc: "2.0", method: "notifications/initialized" };

/** The lines with which the greeting answers, up to the first message that it leaves to the SDK; `left` counts from there. */
function greeted(offered: typeof all, messages: readonly Message[]): { answers: string[]; left: number } {
  const greeting = createGreeting({ offered });
  const answers: string[] = [];
  for (const [index, message] of messages.entries()) {
    const [read] = readLine(JSON.stringify(message)).messages;
    const taken = read === undefined || read.kind === "fault" ? undefined : greeting.take(read);
    if (taken === undefined) return { answers, left: messages.length - index };
    if (taken.answer !== undefined) answers.push(JSON.stringify(taken.answer));
  }
  return { answers, left: 0 };
}

/** The lines with which the SDK answers the same; it is asked one after the other. */
async function answered(offered: typeof all, messages: readonly Message[]): Promise<string[]> {
  const answers: string[] = [];
  let wake = () => {};
  const outgoing = outgoingTo((text) => {
    answers.push(...text.split("\n").slice(0, -1));
    return Promise.resolve(wake());
  });
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const call = () => Promise.reject(new Error("nothing is called here"));
  const server = serve({ offered, call }, { streams: { incoming: readable, outgoing }, onError: () => {} });
  await server.load();
  const writer = writable.getWriter();
  let expected = 0;
  for (const message of messages) {
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    await writer.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
    if (!("id" in message)) continue;
    expected++;
    if (answers.length < expected) await promise;
  }
  await writer.close();
  await server.close();
  return answers;
}

async function agree(offered: typeof all, messages: readonly Message[]): Promise<number> {
  const { answers, left } = greeted(offered, messages);
  const taken = messages.slice(0, messages.length - left);
  assert.deepEqual(answers, await answered(offered, taken));
  return answers.length;
}

Deno.test("every revision is greeted without the SDK, in its very words, whatever is offered", async () => {
  for (const offered of offers) {
    for (const revision of HANDSHAKES) {
      const asked = [
        initialize(1, revision),
        request("two", "tools/list"),
        INITIALIZED,
        request(3, "tools/list", {}),
        request(4, "ping"),
        ...(offered === few ? [] : LISTS.map((method) => request(method, method))),
      ];
      assert.equal(await agree(offered, asked), offered === few ? 4 : 7);
    }
    const now = [stateless(1, "server/discover"), stateless(2, "tools/list"), ...LISTS.map((id) => stateless(id, id))];
    assert.equal(await agree(offered, now), offered === few ? 2 : 5);
    assert.equal(
      await agree(offered, [stateless(1, "tools/list"), initialize(2, "2025-11-25"), request(3, "ping")]),
      3,
    );
  }
});

/** The usual, or now and then something else. */
function mostly<T>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<unknown> = fc.jsonValue({ maxDepth: 2 })) {
  return fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: other });
}

const nothing = fc.constant({});
const some = { requiredKeys: [] };
const features = fc.dictionary(
  fc.constantFrom("listChanged", "form", "url", "tools", "context", "applyDefaults", "x"),
  mostly(fc.oneof(fc.boolean(), nothing)),
  { maxKeys: 2 },
);
const capabilities = mostly(
  fc.record({
    roots: mostly(fc.record({ listChanged: mostly(fc.boolean()) }, some), features),
    sampling: mostly(fc.record({ tools: mostly(nothing), context: mostly(nothing) }, some), features),
    elicitation: mostly(fc.record({ form: mostly(nothing), url: mostly(nothing) }, some), features),
  }, some),
  fc.dictionary(fc.constantFrom("roots", "experimental", "extensions", "tasks", "x"), mostly(features)),
);
const client = mostly(
  fc.record({
    name: mostly(fc.string()),
    version: mostly(fc.string()),
    title: mostly(fc.string()),
    description: mostly(fc.string()),
  }, { requiredKeys: ["name", "version"] }),
  fc.record({ name: fc.string(), version: fc.string(), websiteUrl: fc.webUrl(), icons: fc.constant([]) }, some),
);
const revision = mostly(fc.constantFrom(...HANDSHAKES), fc.constantFrom("2026-07-28", "1999-01-01", 7, null));
const handshake = mostly(
  fc.record({ protocolVersion: revision, capabilities, clientInfo: client }),
  fc.record({ protocolVersion: revision, capabilities, clientInfo: client, _meta: mostly(nothing) }, some),
);
const claim = fc.record({
  "io.modelcontextprotocol/protocolVersion": mostly(fc.constant("2026-07-28"), revision),
  "io.modelcontextprotocol/clientCapabilities": capabilities,
  "io.modelcontextprotocol/clientInfo": client,
}, { requiredKeys: ["io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities"] });
const claimed = mostly(
  fc.record({ _meta: mostly(claim) }),
  fc.record({ _meta: claim, cursor: mostly(fc.string()), progressToken: fc.integer() }, some),
);
const method = fc.constantFrom("tools/list", "ping", "server/discover", ...LISTS);
const first = fc.record({ method: mostly(fc.constant("initialize"), method), params: handshake });
const listing = fc.record({
  method,
  params: mostly(nothing, fc.record({ cursor: fc.jsonValue(), _meta: fc.jsonValue(), x: nothing }, some)),
});
const bare = fc.record({ method });
const beginning = fc.oneof(
  fc.tuple(first, fc.oneof(listing, bare), fc.oneof(listing, bare, first)),
  fc.array(fc.record({ method: mostly(method, fc.string()), params: claimed }), { minLength: 1, maxLength: 2 }),
  fc.array(fc.oneof(first, listing, bare, fc.record({ method, params: claimed })), { maxLength: 4 }),
);

Deno.test("whatever a client begins with, the greeting answers as the SDK does, or not at all", async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(beginning, fc.nat(6), async (messages, at) => {
      const asked: Message[] = messages.map((message, id) => ({ jsonrpc: "2.0", id, ...message }));
      if (at > 0) asked.splice(at, 0, INITIALIZED);
      const { answers, left } = greeted(few, asked);
      const taken = asked.slice(0, asked.length - left);
      assert.deepEqual(answers, await answered(few, taken));
      count += answers.length;
    }),
    { numRuns: 2000 },
  );
  assert.ok(count > 200, `only ${count} answers were compared`);
});

Deno.test("what is kept for the SDK stays little, however often a client looks", () => {
  const said = (...messages: Message[]) => {
    const greeting = createGreeting({ offered: few });
    const taken = messages.filter((message) => {
      const [read] = readLine(JSON.stringify(message)).messages;
      return read !== undefined && read.kind !== "fault" && greeting.take(read) !== undefined;
    });
    return { taken: taken.length, heard: greeting.heard.length };
  };
  const often = Array.from({ length: 1000 }, (_, id) => id);
  const looks = often.flatMap((id) => [stateless(id, "server/discover"), stateless(`${id}`, "tools/list")]);
  assert.deepEqual(said(...looks), { taken: 2000, heard: 1 });
  const pings = often.map((id) => request(id, "ping"));
  assert.deepEqual(said(initialize("a", "2025-06-18"), INITIALIZED, ...pings), { taken: 1002, heard: 2 });
  assert.deepEqual(said(...often.map((id) => initialize(id, "2025-06-18"))), { taken: 16, heard: 16 });
});

Deno.test("after the greeting the SDK knows whom it speaks with, and answers nothing a second time", () =>
  withConnection({}, async ({ send, answer, rest }) => {
    send(initialize(1, "2025-06-18"));
    send(INITIALIZED);
    send(request(2, "tools/list"));
    send(request(3, "tools/call", { name: "list_nodes", arguments: {} }));
    send(request(4, "initialize"));
    send(request(5, "ping"));
    for (const id of [1, 2, 3, 4, 5]) assert.equal((await answer(id)).id, id);
    send(request(6, "tools/call", { name: "list_nodes", arguments: {} }));
    await answer(6);
    assert.deepEqual(rest(), []);
  }));

Deno.test("a request that names no revision is refused after one that did, whoever answered that", () =>
  withConnection({}, async ({ send, answer }) => {
    send(stateless(1, "tools/list"));
    send(request(2, "tools/list"));
    send(stateless(3, "tools/list"));
    for (const id of [1, 3]) assert.ok("result" in await answer(id));
    const { error } = await answer(2);
    assert.match(JSON.stringify(error), /-32602.*names no revision/);
  }));

Deno.test("what is asked before the end is answered, also where it takes the SDK", () =>
  withConnection({}, async ({ send, answer, end }) => {
    send(initialize(1, "2025-06-18"));
    send(request(2, "prompts/get", { name: "changes_today" }));
    end();
    assert.ok("result" in await answer(1));
    assert.ok("result" in await answer(2));
  }));
