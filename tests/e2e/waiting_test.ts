/** Waiting for tasks: outcomes, waits that run out, repeated calls, progress, cancelling. */
import assert from "node:assert/strict";
import { serverTest } from "../helpers/server.ts";

const slow = { simulator: { pace: 1 } };
const container = {
  ostemplate: "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst",
  storage: "local-lvm",
  hostname: "slow",
};

serverTest(
  "a wait that runs out is no error: running, the UPID, and do not repeat the call",
  slow,
  async ({ call }) => {
    const answer = await call("create_container", { ...container, wait_timeout: 1 });
    assert.equal(answer.isError, false);
    assert.equal(answer.structured?.state, "running");
    assert.match(String(answer.structured?.upid), /^UPID:pve\d:/);
    assert.match(answer.text, /Do not repeat the call/);
  },
);

serverTest("wait=false answers at once with the UPID", slow, async ({ ok }) => {
  const answer = await ok("clone_vm", { source_vmid: 9000, name: "later", wait: false });
  assert.equal(answer.state, "running");
  assert.match(String(answer.upid), /qmclone/);
});

serverTest("a create that is repeated while its task runs names that task", slow, async ({ ok, requests }) => {
  const first = await ok("create_container", { ...container, wait: false });
  const second = await ok("create_container", { ...container, wait_timeout: 1 });
  assert.equal(second.upid, first.upid);
  assert.equal(second.vmid, first.vmid);
  assert.match(JSON.stringify(second.notes), /with the same arguments started this task: nothing was started again/);
  assert.equal(requests.filter((request) => request.method === "POST").length, 1);
  // Other arguments are another wish.
  const third = await ok("create_container", { ...container, hostname: "other", wait: false });
  assert.notEqual(third.vmid, first.vmid);
});

serverTest("two identical calls at the same moment make one guest", slow, async ({ ok, requests }) => {
  const wish = { source_vmid: 9000, name: "twice", wait: false };
  const [a, b] = await Promise.all([ok("clone_vm", wish), ok("clone_vm", wish)]);
  assert.equal(a?.upid, b?.upid);
  assert.equal(requests.filter((request) => request.method === "POST").length, 1);
});

serverTest("different creates at the same moment get different numbers", {}, async ({ ok }) => {
  const made = await Promise.all(
    Array.from({ length: 8 }, (_, n) => ok("clone_vm", { source_vmid: 9000, name: `copy-${n}` })),
  );
  assert.equal(new Set(made.map((answer) => answer.vmid)).size, 8);
});

serverTest("a repeated create makes a second guest once the first is finished", {}, async ({ ok }) => {
  const first = await ok("create_container", container);
  const second = await ok("create_container", container);
  assert.notEqual(first.vmid, second.vmid);
});

const brisk = { simulator: { pace: 0.25 } };

serverTest("progress reaches a client that asks for it, and only grows", brisk, async ({ client }) => {
  const seen: number[] = [];
  await client.callTool({ name: "clone_vm", arguments: { source_vmid: 9000, name: "watched" } }, {
    onprogress: ({ progress }) => void seen.push(progress),
  });
  assert.ok(seen.length > 1, "no progress came");
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
});

serverTest("cancelling stops the waiting, not the task, and the server lives on", brisk, async ({ client, ok }) => {
  const cancel = new AbortController();
  const call = client.callTool({ name: "clone_vm", arguments: { source_vmid: 9000, name: "kept" } }, {
    signal: cancel.signal,
  });
  const found = async () => {
    const { guests } = await ok("list_vms", { name: "kept" });
    return Array.isArray(guests) && guests.length === 1;
  };
  while (!await found()) await new Promise((resolve) => setTimeout(resolve, 50));
  cancel.abort();
  await assert.rejects(call);
  assert.ok(await found());
});

serverTest("a task that fails is an error with PVE's words, its log and a remedy", {}, async ({ error }) => {
  // 108 is locked by a backup; stopping it is accepted, and its task fails.
  const text = await error("stop_vm", { vmid: 108 });
  assert.match(text, /locked \(backup\)/);
  assert.match(text, /What to do: .*Wait until the task that holds the lock/);
});

serverTest("a guest that is already as wanted is left alone", {}, async ({ ok, requests }) => {
  assert.equal((await ok("start_vm", { vmid: 102 })).state, "unchanged");
  assert.equal((await ok("shutdown_container", { vmid: 203 })).state, "unchanged");
  assert.equal(requests.filter((request) => request.method !== "GET").length, 0);
});

serverTest(
  "a vmid of which something is left is passed over, and refused when it is named",
  {},
  async ({ ok, error }) => {
    const next = await ok("next_vmid");
    assert.equal(next.vmid, 111);
    assert.match(JSON.stringify(next.notes), /Passed over 110: nas:backup\/vzdump-qemu-110/);
    assert.match(await error("clone_vm", { source_vmid: 9000, newid: 110 }), /of an earlier one remain/);
  },
);
