/** The decoder turns what PVE sends into what its schema declares, and says where that is impossible. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decode, DecodeError } from "../../src/pve/decode.ts";
import { shapes } from "../../src/pve/shapes.gen.ts";
import captured from "../fixtures/captured/answers.json" with { type: "json" };
import recorded from "../fixtures/recorded.json" with { type: "json" };

Deno.test("decode() turns 0/1 and numeric text into the declared types", () => {
  assert.equal(decode("103", shapes["GET /cluster/nextid"]), 103);
  assert.deepEqual(
    decode([{ vmid: "100", template: 1, cpu: "0.5", tags: null, extra: [1] }], shapes["GET /nodes/{node}/qemu"]),
    [{ vmid: 100, template: true, cpu: 0.5, extra: [1] }],
  );
  assert.deepEqual(
    decode({ memory: 512, onboot: 1, net0: "virtio", digest: "ab" }, shapes["GET /nodes/{node}/qemu/{vmid}/config"]),
    { memory: "512", onboot: true, net0: "virtio", digest: "ab" },
  );
});

Deno.test("decode() leaves out an optional field that does not fit, and refuses a row without its number", () => {
  assert.deepEqual(decode([{ vmid: 100, cpu: "much" }], shapes["GET /nodes/{node}/qemu"]), [{ vmid: 100 }]);
  assert.throws(() => decode([{ name: "x" }], shapes["GET /nodes/{node}/qemu"]), DecodeError);
});

Deno.test("decode() takes no field called __proto__, whatever it holds", () => {
  const rows: unknown = decode(
    JSON.parse('[{"vmid": 100, "__proto__": {"template": 1}, "name": null}]'),
    shapes["GET /nodes/{node}/qemu"],
  );
  assert.equal(JSON.stringify(rows), '[{"vmid":100}]');
  assert.ok(Array.isArray(rows));
  assert.equal(Object.getPrototypeOf(rows[0]), Object.prototype);
});

Deno.test("decode() refuses an answer of another shape and says where", () => {
  for (const wrong of [null, undefined, "text", 5, {}]) {
    assert.throws(() => decode(wrong, shapes["GET /nodes"]), /data is .* where a list is declared/);
  }
  assert.throws(() => decode([["x"]], shapes["GET /nodes"]), /data\[0\] is a list/);
  assert.throws(() => decode(null, shapes["POST /nodes/{node}/qemu/{vmid}/status/start"]), DecodeError);
});

Deno.test("decode() either decodes or throws a DecodeError, whatever comes", () => {
  fc.assert(fc.property(fc.constantFrom(...Object.values(shapes)), fc.jsonValue(), (shape, value) => {
    try {
      decode(value, shape);
    } catch (error) {
      assert.ok(error instanceof DecodeError, String(error));
    }
  }));
});

Deno.test("decode() reads every recorded answer of PVE 6 to 9", () => {
  let read = 0;
  for (const { source, call, body } of recorded) {
    const shape = Object.entries(shapes).find(([key]) => key === call)?.[1];
    assert.ok(shape !== undefined, call);
    if (!("data" in body)) continue;
    try {
      decode(body.data, shape);
    } catch (error) {
      assert.fail(`${source}: ${error}`);
    }
    read++;
  }
  assert.ok(read >= 20, `only ${read} answers were read`);
});

/** The interfaces of a container that is off: null, where the schema has a list. Nobody asks then. */
const OFF = 69;

Deno.test("decode() reads every captured answer of PVE 9.2 to a call of the catalogue", () => {
  const patterns = Object.entries(shapes).map(([call, shape]) => {
    const [method, path = ""] = call.split(" ");
    return { method, pattern: new RegExp(`^/api2/json${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`), shape };
  });
  let read = 0;
  for (const { n, method, path, status, answer } of captured) {
    const found = patterns.find((one) => one.method === method && one.pattern.test(path.split("?")[0] ?? ""));
    if (found === undefined || status !== 200 || typeof answer !== "object" || answer === null) continue;
    if (n === OFF) {
      assert.throws(() => decode("data" in answer ? answer.data : undefined, found.shape), /null where a list/);
      continue;
    }
    try {
      decode("data" in answer ? answer.data : undefined, found.shape);
    } catch (error) {
      assert.fail(`${n} ${path}: ${error}`);
    }
    read++;
  }
  assert.ok(read >= 100, `only ${read} answers were read`);
});
