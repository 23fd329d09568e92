/** Writes to one guest go one after the other, reads do not wait, and a lock of somebody else's is passed with care. */
import assert from "node:assert/strict";
import { type Running, serverTest } from "../helpers/server.ts";

/** A clock that only the test turns: a task lasts until then. */
function clockwork() {
  let at = Date.now();
  return {
    now: () => at,
    turn(seconds: number) {
      at += seconds * 1000;
    },
  };
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** What was written, in the order in which PVE got it. */
function writes({ requests }: Running): string[] {
  return requests.filter(({ method }) => method !== "GET").map(({ method, path }) => `${method} ${path}`);
}

const STOP = "POST /nodes/pve1/qemu/102/status/stop";
const START = "POST /nodes/pve1/qemu/102/status/start";
const CONFIG = "PUT /nodes/pve1/qemu/102/config";

{
  const clock = clockwork();
  serverTest("writes to one guest are sent in order, each when the task before is over", {
    simulator: { pace: 1, clock },
  }, async (running) => {
    const { ok } = running;
    const stop = ok("stop_vm", { vmid: 102 });
    await until(() => writes(running).length === 1);
    const config = ok("set_vm_config", { vmid: 102, config: { memory: 2048 } });
    // Reads do not stand in line.
    assert.equal((await ok("vm_status", { vmid: 102 })).status, "running");
    assert.equal((await ok("vm_config", { vmid: 102 })).vmid, 102);
    // Another guest has a line of its own.
    assert.equal((await ok("set_vm_config", { vmid: 105, config: { cores: 4 } })).state, "ok");
    assert.deepEqual(writes(running), [STOP, "PUT /nodes/pve2/qemu/105/config"]);
    // Each looks its guest up before it gets in line: of two that are sent at once either may be first.
    const start = ok("start_vm", { vmid: 102 });
    clock.turn(30);
    assert.equal((await stop).state, "ok");
    assert.equal((await config).state, "ok");
    await until(() => writes(running).includes(START));
    clock.turn(30);
    assert.equal((await start).state, "ok", "it saw the guest as the stop had left it");
    assert.deepEqual(writes(running).filter((write) => write.includes("102")), [STOP, CONFIG, START]);
    assert.equal((await ok("vm_status", { vmid: 102 })).memory_gib, 2);
  });
}

{
  const clock = clockwork();
  serverTest(
    "who gives up leaves the line, and nothing of it is sent",
    { simulator: { pace: 1, clock } },
    async (running) => {
      const { client, ok } = running;
      const stop = ok("stop_vm", { vmid: 102 });
      await until(() => writes(running).length === 1);
      const cancel = new AbortController();
      const given = client.callTool({
        name: "set_vm_config",
        arguments: { vmid: 102, config: { memory: 2048 } },
      }, { signal: cancel.signal });
      const start = ok("start_vm", { vmid: 102 });
      await ok("vm_status", { vmid: 102 });
      cancel.abort();
      await assert.rejects(given);
      clock.turn(30);
      assert.equal((await stop).state, "ok");
      await until(() => writes(running).includes(START));
      clock.turn(30);
      assert.equal((await start).state, "ok");
      assert.deepEqual(writes(running), [STOP, START]);
    },
  );
}

{
  const clock = clockwork();
  serverTest("who waits for a turn hears of what is in front, and that it goes on", {
    simulator: { pace: 1, clock },
  }, async (running) => {
    const { client, ok } = running;
    const { upid } = await ok("stop_vm", { vmid: 102, wait: false });
    const heard: Record<"second" | "third", string[]> = { second: [], third: [] };
    const writing = (name: keyof typeof heard, cores: number) =>
      client.callTool({ name: "set_vm_config", arguments: { vmid: 102, config: { cores } } }, {
        onprogress: ({ message = "" }) => void heard[name].push(message),
      });
    const second = writing("second", 3);
    await until(() => heard.second.length > 0);
    const third = writing("third", 2);
    await until(() => heard.third.length > 0 && heard.second.length > 2);
    assert.deepEqual(writes(running), [STOP]);
    for (const message of heard.second) {
      assert.ok(message.startsWith(`Waiting for ${upid} of the same guest: `), message);
    }
    assert.equal(heard.third[0], `Waiting for ${upid} of the same guest, and for what is in front`);
    clock.turn(30);
    for (const { isError } of await Promise.all([second, third])) assert.notEqual(isError, true);
    assert.deepEqual(writes(running), [STOP, CONFIG, CONFIG]);
  });
}

{
  const clock = clockwork();
  serverTest("a write that gets no turn in time says what is in front, and that nothing was sent", {
    simulator: { pace: 1, clock },
  }, async (running) => {
    const { ok, error } = running;
    const { upid } = await ok("stop_vm", { vmid: 102, wait: false });
    const text = await error("start_vm", { vmid: 102, wait_timeout: 1 });
    assert.match(text, /Guest 102 is busy: task UPID:pve1:.*:qmstop:102:.* is still at it; nothing was sent/);
    assert.match(text, /What to do: wait_task/);
    assert.deepEqual(writes(running), [STOP]);
    clock.turn(30);
    assert.equal((await ok("wait_task", { upid })).state, "ok");
    const start = ok("start_vm", { vmid: 102 });
    await until(() => writes(running).length === 2);
    clock.turn(30);
    assert.equal((await start).state, "ok");
  });
}

{
  const clock = clockwork();
  serverTest("copies of one source are made one after the other, copies of two at a time", {
    simulator: { pace: 1, clock },
  }, async (running) => {
    const { ok } = running;
    const copy = (source_vmid: number, hostname: string) => ok("clone_container", { source_vmid, hostname });
    // PVE locks a container while it is copied: a second copy would fail with "CT is locked (disk)".
    const copies = [copy(290, "one"), copy(290, "two"), copy(203, "other")];
    const from = (vmid: number) => writes(running).filter((write) => write.includes(`/lxc/${vmid}/clone`)).length;
    await until(() => from(290) === 1 && from(203) === 1);
    await ok("list_containers", {});
    assert.equal(from(290), 1, "the second waits for the first");
    clock.turn(60);
    await until(() => from(290) === 2);
    clock.turn(60);
    const made = await Promise.all(copies);
    assert.deepEqual(made.map(({ state }) => state), ["ok", "ok", "ok"]);
    assert.equal(new Set(made.map(({ vmid }) => vmid)).size, 3);
  });
}

{
  const clock = clockwork();
  serverTest("a copy that is asked for again while it waits for its turn is not made twice", {
    simulator: { pace: 1, clock },
  }, async (running) => {
    const { ok, error } = running;
    const first = ok("clone_container", { source_vmid: 290, hostname: "one" });
    await until(() => writes(running).length === 1);
    const second = ok("clone_container", { source_vmid: 290, hostname: "two" });
    const again = { source_vmid: 290, hostname: "two", wait_timeout: 1 };
    assert.match(
      await error("clone_container", again),
      /same arguments still waits for its turn; nothing more was sent/,
    );
    clock.turn(60);
    await until(() => writes(running).length === 2);
    clock.turn(60);
    assert.deepEqual([(await first).state, (await second).state], ["ok", "ok"]);
    assert.equal(writes(running).length, 2);
  });
}

{
  const clock = clockwork();
  serverTest(
    "a new guest that is still being made is started when it is there",
    { simulator: { pace: 1, clock } },
    async (running) => {
      const { ok } = running;
      const { vmid } = await ok("clone_vm", { source_vmid: 9000, name: "copy", wait: false });
      const start = ok("start_vm", { vmid });
      await ok("vm_status", { vmid });
      assert.equal(writes(running).length, 1, "PVE would let it fail: VM is locked (clone)");
      clock.turn(60);
      await until(() => writes(running).length === 2);
      clock.turn(30);
      assert.equal((await start).state, "ok");
    },
  );
}

serverTest("a task that failed does not hold up the next write", {}, async ({ error, ok }) => {
  // 108 is locked by a backup: PVE takes the request, and its task fails.
  assert.match(await error("stop_vm", { vmid: 108 }), /locked \(backup\)/);
  assert.match(await error("stop_vm", { vmid: 108 }), /locked \(backup\)/);
  assert.equal((await ok("vm_status", { vmid: 108 })).lock, "backup");
});

serverTest("a configuration that a short lock holds up is read and changed again", {}, async (running) => {
  const { simulator, ok } = running;
  const guest = simulator.state.guests.get(108);
  const changing = ok("set_vm_config", { vmid: 108, config: { cores: 4 } });
  await until(() => writes(running).length === 1);
  guest?.config.delete("lock");
  assert.equal((await changing).state, "ok");
  assert.deepEqual(writes(running), Array(2).fill("PUT /nodes/pve3/qemu/108/config"));
  // It runs: the change waits for a restart.
  assert.equal(guest?.pending.get("cores"), 4);
});

serverTest("a lock that stays is told after a few tries; power is never tried twice", {}, async (running) => {
  assert.match(await running.error("set_vm_config", { vmid: 108, config: { cores: 4 } }), /is locked \(backup\)/);
  assert.equal(writes(running).length, 4);
  await running.error("stop_vm", { vmid: 108 });
  assert.equal(writes(running).length, 5);
});
