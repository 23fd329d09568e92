/** Completions, through the client, of prompts' and resource templates' arguments. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Client } from "@modelcontextprotocol/client";
import { matching } from "../../src/mcp/completions.ts";
import { vmidIn } from "../../src/mcp/resource_kinds.ts";
import { serverTest } from "../helpers/server.ts";

async function complete(
  client: Client,
  of: { prompt: string } | { uri: string },
  name: string,
  value: string,
  filled?: Record<string, string>,
): Promise<string[]> {
  const ref = "prompt" in of
    ? { type: "ref/prompt" as const, name: of.prompt }
    : { type: "ref/resource" as const, uri: of.uri };
  const { completion } = await client.complete({
    ref,
    argument: { name, value },
    ...(filled === undefined ? {} : { context: { arguments: filled } }),
  });
  assert.ok(completion.values.length <= 100);
  return completion.values;
}

serverTest("every argument completes from what there is in the cluster", {}, async ({ client, ok }) => {
  assert.deepEqual(await complete(client, { uri: "proxmox://node/{node}" }, "node", "PVE"), ["pve1", "pve2", "pve3"]);
  const guest = { uri: "proxmox://guest/{vmid}" };
  assert.deepEqual(await complete(client, guest, "vmid", "102"), ["102 (docker)"], "by number");
  assert.ok((await complete(client, guest, "vmid", "Dock")).includes("102 (docker)"), "by name, in any case");
  assert.deepEqual(await complete(client, guest, "vmid", "no such"), []);
  const sources = await complete(client, { prompt: "clone_from_template" }, "source", "");
  assert.ok(sources.some((source) => source.startsWith("9000 (")), "templates only");
  assert.ok(!sources.some((source) => source.startsWith("102 ")));
  const snapshot = (filled?: Record<string, string>, text = "") =>
    complete(client, { prompt: "clone_from_template" }, "snapshot", text, filled);
  await ok("create_vm_snapshot", { vmid: 102, snapname: "after-upgrade" });
  assert.deepEqual(await snapshot({ source: "102 (docker)" }), ["after-upgrade", "before-upgrade"], "the newest first");
  assert.deepEqual(await snapshot({ source: "102" }, "BEFORE"), ["before-upgrade"]);
  assert.deepEqual(await snapshot({ source: "9000" }), []);
  assert.deepEqual(await snapshot({ source: "no number" }), []);
  assert.deepEqual(await snapshot(), [], "of which guest is not said yet");
  const deploy = { prompt: "deploy_container" };
  assert.ok((await complete(client, deploy, "template", "debian")).every((value) => /:vztmpl\/.*debian/.test(value)));
  assert.ok((await complete(client, deploy, "storage", "")).includes("local-lvm"));
  assert.deepEqual(await complete(client, deploy, "storage", "local-l", { node: "no such node" }), []);
  assert.ok((await complete(client, deploy, "pool", "")).includes("prod"));
  assert.deepEqual(await complete(client, deploy, "hostname", "web"), [], "nobody can guess a new name");
  const { upid } = await ok("stop_vm", { vmid: 102 });
  const upids = await complete(client, { uri: "proxmox://task/{upid}" }, "upid", "qmstop");
  assert.ok(upids.includes(String(upids[0])) && upids.includes(String(upid)));
});

serverTest("typing on costs PVE no request a letter, and only reads are sent", {}, async ({ client, requests }) => {
  for (const text of ["d", "do", "doc", "dock"]) {
    await complete(client, { uri: "proxmox://guest/{vmid}" }, "vmid", text);
  }
  assert.equal(requests.length, 1);
  assert.ok(requests.every(({ method }) => method === "GET"));
});

serverTest("what is no argument is an error; a PVE out of reach completes to nothing", {
  env: { PROXMOX_HOST: "127.0.0.1:1" },
}, async ({ client }) => {
  await assert.rejects(complete(client, { prompt: "nope" }, "vmid", ""), { code: -32602 });
  await assert.rejects(complete(client, { uri: "proxmox://nope/{x}" }, "x", ""), { code: -32602 });
  await assert.rejects(complete(client, { uri: "proxmox://guest/{vmid}" }, "node", ""), { code: -32602 });
  assert.deepEqual(await complete(client, { uri: "proxmox://node/{node}" }, "node", ""), []);
});

Deno.test("matching() keeps only what holds the text, at most 100 of them, and says how many there were", () => {
  fc.assert(fc.property(fc.array(fc.string(), { maxLength: 200 }), fc.string({ maxLength: 3 }), (values, text) => {
    const { values: found, total, hasMore } = matching(values, text, true);
    const wanted = text.trim().toLowerCase();
    assert.ok(found.length <= 100);
    assert.equal(hasMore, total > found.length);
    assert.equal(total, values.filter((value) => value.toLowerCase().includes(wanted)).length);
    assert.ok(found.every((value) => value.toLowerCase().includes(wanted)));
  }));
});

Deno.test("a guest's number is read from what a completion shows, whatever the name is", () => {
  fc.assert(fc.property(fc.integer({ min: 100, max: 999_999_999 }), fc.string(), (vmid, name) => {
    assert.equal(vmidIn(`${vmid} (${name})`), vmid);
    assert.equal(vmidIn(String(vmid)), vmid);
  }));
  for (const text of ["", "docker", "1", "-102", "102x", "102 docker", "1e5", "0x66", "102.5"]) {
    assert.equal(vmidIn(text), undefined, text);
  }
});
