/** Lines for the fuzz of the transport: valid requests of both eras, and everything that is none. */
import fc from "fast-check";

/** A line, and whether its request has to be answered exactly once. */
export interface FuzzLine {
  readonly bytes: Uint8Array;
  /** Undefined: any answer or none. */
  readonly id: string | undefined;
}

type Message = Readonly<Record<string, unknown>>;

const encoder = new TextEncoder();
const REVISION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";

/** Reads only, so that the simulated cluster stays as it is, and light ones mostly. */
const call = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ method: "ping" }) },
  { weight: 1, arbitrary: fc.constantFrom("tools/list", "server/discover").map((method) => ({ method })) },
  {
    weight: 6,
    arbitrary: fc.constantFrom("prompts/list", "resources/list", "resources/templates/list").map((method) => ({
      method,
    })),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      name: fc.constantFrom("list_nodes", "vm_status", "next_vmid", "nope", "constructor", "__proto__"),
      arguments: fc.oneof(fc.constant({}), fc.constant({ vmid: 102 }), fc.dictionary(fc.string(), fc.jsonValue())),
    }).map((params) => ({ method: "tools/call", params })),
  },
  {
    weight: 2,
    arbitrary: fc.oneof(fc.constantFrom("proxmox://cluster", "proxmox://guest/102", "proxmox://node/pve1"), fc.string())
      .map((uri) => ({ method: "resources/read", params: { uri } })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom("capacity_review", "changes_today", "nope"), fc.string())
      .map(([name, node]) => ({ method: "prompts/get", params: { name, arguments: { node } } })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom("vmid", "nope", "__proto__"), fc.string()).map(([name, value]) => ({
      method: "completion/complete",
      params: { ref: { type: "ref/resource", uri: "proxmox://guest/{vmid}" }, argument: { name, value } },
    })),
  },
  { weight: 2, arbitrary: fc.tuple(fc.string(), fc.jsonValue()).map(([method, a]) => ({ method, params: { a } })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2030-01-01").map((
      revision,
    ) => ({
      method: "initialize",
      params: { protocolVersion: revision, capabilities: {}, clientInfo: { name: "fuzz", version: "1" } },
    })),
  },
);

/** Whether it names its revision, and which. */
const revision = fc.constantFrom(undefined, undefined, "2026-07-28", "2026-07-28", "1900-01-01", 7, null);

const request: fc.Arbitrary<Message> = fc.tuple(call, revision).map(([message, claim]) => {
  if (claim === undefined) return message;
  const params = "params" in message ? message.params : {};
  return { ...message, params: { ...params, _meta: { [REVISION]: claim, [CAPABILITIES]: {} } } };
});

/** Something that hits the text of a request: cuts it, doubles it, changes a byte. */
const damaged = fc.tuple(request, fc.nat(), fc.nat({ max: 255 }), fc.constantFrom("cut", "double", "byte", "quote"))
  .map(
    ([message, at, byte, how]) => {
      const bytes = encoder.encode(JSON.stringify({ jsonrpc: "2.0", id: "damaged", ...message }));
      const place = at % bytes.length;
      if (how === "cut") return bytes.subarray(0, place);
      if (how === "double") return new Uint8Array([...bytes, ...bytes.subarray(place)]);
      const changed = bytes.slice();
      changed[place] = how === "quote" ? 34 : byte;
      return changed;
    },
  );

const nested = fc.nat({ max: 5000 }).map((depth) =>
  `{"jsonrpc":"2.0","id":"deep","method":"tools/call","params":{"name":"list_nodes","arguments":${
    '{"a":'.repeat(depth)
  }1${"}".repeat(depth)}}}`
);

const noise = fc.oneof(
  { weight: 8, arbitrary: damaged },
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  { weight: 3, arbitrary: fc.json().map((text) => encoder.encode(text)) },
  {
    weight: 2,
    arbitrary: fc.array(
      fc.oneof(request.map((message) => ({ jsonrpc: "2.0", id: "batch", ...message })), fc.jsonValue()),
      {
        maxLength: 5,
      },
    ).map((batch) => encoder.encode(JSON.stringify(batch))),
  },
  {
    weight: 2,
    arbitrary: fc.record({ id: fc.jsonValue(), result: fc.jsonValue(), error: fc.jsonValue() }, {
      requiredKeys: ["id"],
    })
      .map((answer) => encoder.encode(JSON.stringify({ jsonrpc: "2.0", ...answer }))),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      requestId: fc.oneof(fc.integer(), fc.constantFrom("deep", "batch", "listen"), fc.jsonValue()),
    })
      .map((params) => encoder.encode(JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params }))),
  },
  {
    weight: 1,
    arbitrary: fc.array(fc.oneof(fc.constant("proxmox://cluster"), fc.string()), { maxLength: 3 }).map((uris) =>
      encoder.encode(JSON.stringify({
        jsonrpc: "2.0",
        id: "listen",
        method: "subscriptions/listen",
        params: {
          notifications: { resourceSubscriptions: uris },
          _meta: { [REVISION]: "2026-07-28", [CAPABILITIES]: {} },
        },
      }))
    ),
  },
  { weight: 1, arbitrary: nested.map((text) => encoder.encode(text)) },
);

/** What a line is, before it gets its number. */
type Plan = { readonly request: Message } | { readonly noise: Uint8Array };

const plan: fc.Arbitrary<Plan> = fc.oneof(
  request.map((request) => ({ request })),
  noise.map((noise) => ({ noise })),
);

/** So many lines; the same ones for the same seed. */
export function* fuzzLines(count: number, seed: number): Generator<FuzzLine> {
  const block = 1000;
  for (let done = 0; done < count; done += block) {
    const plans = fc.sample(plan, { numRuns: Math.min(block, count - done), seed: seed + done });
    for (const [index, made] of plans.entries()) {
      if ("noise" in made) {
        // A line end inside would make two lines of it.
        yield { bytes: made.noise.map((byte) => byte === 10 ? 32 : byte), id: undefined };
        continue;
      }
      const id = `request number ${done + index}`;
      yield { bytes: encoder.encode(JSON.stringify({ jsonrpc: "2.0", id, ...made.request })), id };
    }
  }
}
