/** Settings that narrow what may be done. */
import assert from "node:assert/strict";
import { serverTest } from "../helpers/server.ts";

serverTest(
  "PROXMOX_READ_ONLY leaves the reading tools and refuses the others",
  { env: { PROXMOX_READ_ONLY: "true" } },
  async ({ client, ok, requests }) => {
    const { tools } = await client.listTools();
    assert.equal(tools.length, 13);
    assert.ok(tools.every((tool) => tool.annotations?.readOnlyHint === true));
    await assert.rejects(client.callTool({ name: "stop_vm", arguments: { vmid: 102 } }), /stop_vm/);
    assert.ok(Array.isArray((await ok("list_nodes")).nodes));
    assert.ok(requests.every((request) => request.method === "GET"));
  },
);
