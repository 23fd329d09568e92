/** check_permissions as an agent calls it, over stdio, with tokens that may do all, something, and nothing. */
import assert from "node:assert/strict";
import { auditorToken, bareToken } from "../../src/sim/demo_access.ts";
import { runPveum } from "../helpers/pveum.ts";
import { serverTest } from "../helpers/server.ts";

function rows(value: unknown): Record<string, unknown>[] {
  assert.ok(Array.isArray(value));
  return value;
}

const auditor = { env: { PROXMOX_USER: auditorToken.id, PROXMOX_TOKEN_VALUE: auditorToken.secret } };

serverTest("check_permissions: a token that may do everything lacks nothing", {}, async ({ ok }) => {
  const answer = await ok("check_permissions", { path: "/vms/102" });
  assert.match(String(answer.works), /^all \d+ tools$/);
  assert.deepEqual([answer.limited, answer.missing], [[], []]);
  assert.match(String(answer.privileges), /VM\.PowerMgmt/);
  assert.equal(answer.identity, "agent@pve!mcp");
});

serverTest(
  "check_permissions: what an auditor lacks, and the line that grants it",
  auditor,
  async ({ ok, error, simulator }) => {
    assert.match(await error("start_vm", { vmid: 105 }), /VM\.PowerMgmt/);
    const answer = await ok("check_permissions", { tool: "start_vm" });
    assert.deepEqual(answer.limited, [{ tool: "start_vm", state: "fails", lacks: "VM.PowerMgmt on /vms" }]);
    const [missing = {}] = rows(answer.missing);
    assert.equal(missing.privilege, "VM.PowerMgmt");
    assert.match(String(missing.pveum), /--users agent@pve --tokens 'agent@pve!auditor' --roles MCP-VM\.PowerMgmt$/);
    runPveum(simulator.state, [String(missing.pveum)]);
    assert.equal((await ok("start_vm", { vmid: 105 })).state, "ok");
    assert.equal((await ok("check_permissions", { tool: "start_vm" })).works, "start_vm");
  },
);

serverTest("check_permissions: a token without any privilege is told why", {
  env: { PROXMOX_USER: bareToken.id, PROXMOX_TOKEN_VALUE: bareToken.secret },
}, async ({ ok }) => {
  const answer = await ok("check_permissions");
  assert.match(String(answer.notes), /no privilege at all: with privilege separation/);
  assert.ok(rows(answer.limited).some(({ tool, state }) => tool === "list_vms" && state === "fails"));
});

serverTest("check_permissions: an unknown tool and a path that is none are refused", {}, async ({ error }) => {
  assert.match(await error("check_permissions", { tool: "start" }), /no tool "start".*\n.*start_vm/);
  assert.match(await error("check_permissions", { path: "/vms/102?x" }), /path/);
});
