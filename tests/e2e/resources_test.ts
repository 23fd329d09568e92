/** Resources, through the client: they read what the tools read, with their errors, and without what they hide. */
import assert from "node:assert/strict";
import type { Client } from "@modelcontextprotocol/client";
import { serverTest } from "../helpers/server.ts";

async function read(client: Client, uri: string): Promise<string> {
  const { contents } = await client.readResource({ uri });
  assert.deepEqual(contents.map(({ uri, mimeType }) => [uri, mimeType]), [[uri, "text/plain"]]);
  return contents.map((content) => "text" in content ? content.text : "").join();
}

serverTest("every resource is what its tool answers", {}, async ({ client, call, requests }) => {
  const { resources } = await client.listResources();
  assert.deepEqual(resources.map(({ uri }) => uri), ["proxmox://cluster"]);
  const { resourceTemplates } = await client.listResourceTemplates();
  assert.deepEqual(resourceTemplates.map(({ uriTemplate }) => uriTemplate), [
    "proxmox://node/{node}",
    "proxmox://guest/{vmid}",
    "proxmox://guest/{vmid}/config",
    "proxmox://task/{upid}",
  ]);
  assert.deepEqual(requests, [], "lists cost no request");
  const same: [string, string, Record<string, unknown>][] = [
    ["proxmox://guest/102/config", "vm_config", { vmid: 102 }],
    ["proxmox://guest/200/config", "container_config", { vmid: 200 }],
  ];
  for (const [uri, tool, args] of same) assert.equal(await read(client, uri), (await call(tool, args)).text);
  assert.match(await read(client, "proxmox://cluster"), /pve1/);
  assert.match(await read(client, "proxmox://node/pve1"), /^node: pve1$/m);
  assert.match(await read(client, "proxmox://guest/102"), /^name: docker$/m);
  assert.match(await read(client, "proxmox://guest/200"), /^vmid: 200$/m);
  assert.match(await read(client, "proxmox://guest/102%20(docker)"), /^vmid: 102$/m, "as completions write it");
});

serverTest("a task is a resource under its UPID", {}, async ({ client, ok }) => {
  const { upid } = await ok("stop_vm", { vmid: 102 });
  const text = await read(client, `proxmox://task/${encodeURIComponent(String(upid))}`);
  assert.match(text, /^state: ok$/m);
});

serverTest("what is not there is an error that says what to do; no URI reaches PVE as it is", {}, async (it) => {
  for (
    const uri of ["proxmox://nope", "proxmox://guest/999", "proxmox://node", "file:///etc/passwd", "proxmox://guest/"]
  ) {
    await assert.rejects(it.client.readResource({ uri }), { code: -32602 }, uri);
  }
  await assert.rejects(
    it.client.readResource({ uri: "proxmox://guest/999" }),
    /No guest 999 is visible.*\n?.*list_vms/s,
  );
  await assert.rejects(
    it.client.readResource({ uri: "proxmox://guest/docker" }),
    /"docker" is not the number of a guest/,
  );
  const before = it.requests.length;
  for (const node of ["..%2F..", "pve1%2Fqemu", "pve1%3Fx", "%00", "%zz", "a;b", "%2e%2e"]) {
    await assert.rejects(it.client.readResource({ uri: `proxmox://node/${node}` }), node);
  }
  const paths = it.requests.slice(before).map(({ path }) => path);
  assert.deepEqual(paths.filter((path) => path !== "/api2/json/nodes" && path !== "/nodes"), []);
});

serverTest("a password in a configuration is hidden, and names that guests choose stay in quotes", {}, async (it) => {
  await it.ok("set_vm_config", {
    vmid: 102,
    config: { cipassword: "correct-horse-battery", description: "x\nrunning: no" },
  });
  const text = await read(it.client, "proxmox://guest/102/config");
  assert.doesNotMatch(text, /correct-horse/);
  assert.match(text, /description: "x\\nrunning: no"/);
});

serverTest("before anything is configured, resources are listed, and reading one says what is missing", {
  env: {
    PROXMOX_HOST: undefined,
    PROXMOX_USER: undefined,
    PROXMOX_TOKEN_VALUE: undefined,
    PROXMOX_FINGERPRINT: undefined,
  },
}, async ({ client }) => {
  assert.equal((await client.listResources()).resources.length, 1);
  await assert.rejects(client.readResource({ uri: "proxmox://cluster" }), /PROXMOX_HOST.*set/s);
});
