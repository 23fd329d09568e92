/** The task tools over MCP: UPIDs of every kind, paging of logs, progress, several waiters, a connection that breaks. */
import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import type { Simulator } from "../../src/sim/mod.ts";
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

/** How often the status of a task was asked for. */
function polls(running: Running, upid: string): number {
  return running.requests.filter(({ path }) => path.includes(upid) && path.endsWith("/status")).length;
}

function writes(running: Running): string[] {
  return running.requests.filter(({ method }) => method !== "GET").map(({ path }) => path);
}

/** Puts a finished task of pve2 into the past. */
function addTask(simulator: Simulator, pid: string, status: string, log: readonly string[]): string {
  const [model] = simulator.state.tasks.values();
  if (model === undefined) throw new Error("The demo has no task");
  const upid = `UPID:pve2:${pid}:00000001:${model.start.toString(16).toUpperCase()}:vzdump:104:root@pam:`;
  simulator.state.tasks.set(upid, { ...model, upid, node: "pve2", status, log: [...log] });
  return upid;
}

const UNKNOWN = "UPID:pve1:00000001:00000001:60000000:qmstart:100:root@pam:";

serverTest("a UPID that PVE does not know, or that is none, is told as that by every tool", {}, async (running) => {
  for (const tool of ["get_task_status", "get_task_log", "wait_task"]) {
    assert.match(await running.error(tool, { upid: UNKNOWN }), /no such task/);
    const before = running.requests.length;
    for (const upid of ["x", UNKNOWN.slice(0, -1), UNKNOWN.replace("pve1", ".."), `${UNKNOWN}/../../config`]) {
      assert.match(await running.error(tool, { upid }), /is no UPID\nWhat to do: Give it whole/);
    }
    assert.equal(running.requests.length, before, "nothing of it was sent");
  }
});

serverTest("a UPID names its node: one that is not there, and one that is off", {}, async (running) => {
  const elsewhere = UNKNOWN.replace("pve1", "pve9");
  assert.match(await running.error("get_task_status", { upid: elsewhere }), /The nodes are pve1, pve2, pve3/);
  assert.match(await running.error("wait_task", { upid: elsewhere }), /The nodes are pve1, pve2, pve3/);
  const { upid } = await running.ok("start_container", { vmid: 203 });
  assert.match(String(upid), /^UPID:pve2:/);
  assert.equal((await running.ok("get_task_status", { upid })).node, "pve2");
  const node = running.simulator.state.nodes.get("pve2");
  if (node !== undefined) node.online = false;
  assert.match(await running.error("get_task_status", { upid }), /595|could not (?:be )?reach/);
  const list = await running.ok("list_tasks", {});
  assert.match(JSON.stringify(list.notes), /Not asked, as offline: pve2/);
});

serverTest("a task that is over is told at once: well, with warnings, failed, killed", {}, async (running) => {
  const { simulator, ok, error } = running;
  const well = addTask(simulator, "0000A001", "OK", ["INFO: done", "TASK OK"]);
  assert.deepEqual(
    [(await ok("wait_task", { upid: well })).state, (await ok("get_task_status", { upid: well })).state],
    [
      "ok",
      "ok",
    ],
  );
  const warned = addTask(simulator, "0000A002", "WARNINGS: 1", ["WARN: the disk is old", "TASK WARNINGS: 1"]);
  const answer = await ok("wait_task", { upid: warned });
  assert.equal(answer.state, "warnings");
  assert.deepEqual(answer.warnings, ["WARN: the disk is old"]);
  const failed = addTask(simulator, "0000A003", "job errors", [
    "ERROR: Backup of VM 104 failed - VM is locked (backup)",
    "TASK ERROR: job errors",
  ]);
  const text = await error("wait_task", { upid: failed });
  assert.match(text, /Task vzdump of guest 104 failed: job errors/);
  assert.match(text, /"ERROR: Backup of VM 104 failed - VM is locked \(backup\)"/);
  assert.match(text, /What to do: /);
  const status = await ok("get_task_status", { upid: failed });
  assert.equal(status.state, "failed");
  assert.equal(status.exit_status, "job errors");
  assert.match(JSON.stringify(status.notes), /lock/);
  // A worker that was killed leaves a log without a verdict.
  const killed = addTask(simulator, "0000A004", "unexpected status", ["INFO: starting"]);
  assert.equal((await ok("get_task_status", { upid: killed })).state, "failed");
  assert.match(await error("wait_task", { upid: killed }), /unexpected status[^]*ended from outside/);
  const listed = await ok("list_tasks", { state: "failed", node: "pve2" });
  assert.match(JSON.stringify(listed.tasks), /0000A003[^]*0000A004|0000A004[^]*0000A003/);
  assert.doesNotMatch(JSON.stringify(listed.tasks), /0000A001|0000A002/);
});

serverTest("a log is shown from its end, or page by page without a gap", {}, async ({ simulator, ok }) => {
  const log = Array.from({ length: 123 }, (_, n) => `line ${n + 1}`);
  const upid = addTask(simulator, "0000B001", "OK", log);
  const tail = await ok("get_task_log", { upid, limit: 20 });
  assert.deepEqual([tail.first_line, tail.total, tail.next_start], [104, 123, undefined]);
  assert.deepEqual(tail.lines, log.slice(-20));
  assert.match(JSON.stringify(tail.notes), /103 lines before/);
  const read: unknown[] = [];
  let start: unknown = 0;
  while (start !== undefined) {
    const page: Record<string, unknown> = await ok("get_task_log", { upid, start, limit: 50 });
    assert.ok(Array.isArray(page.lines));
    assert.equal(page.first_line, read.length + 1);
    read.push(...page.lines);
    start = page.next_start;
  }
  assert.deepEqual(read, log);
  const beyond = await ok("get_task_log", { upid, start: 500 });
  assert.deepEqual([beyond.lines, beyond.total, beyond.notes], [[], 123, ["The log has only 123 lines"]]);
  const short = addTask(simulator, "0000B003", "OK", ["TASK OK"]);
  assert.deepEqual((await ok("get_task_log", { upid: short, start: 7 })).notes, ["The log has only 1 line"]);
  const empty = addTask(simulator, "0000B002", "OK", []);
  assert.deepEqual((await ok("get_task_log", { upid: empty })).lines, []);
});

for (
  const [name, args, says] of [
    ["create_backup", { vmid: 102, storage: "nas" }, /^INFO: +(\d+)% \(/],
    ["download_template", { node: "pve1", storage: "local" }, /^ *\d+K[ .]*(\d+)%/],
  ] as const
) {
  const clock = clockwork();
  serverTest(`progress of ${name} is that of its log`, {
    simulator: { pace: 1, clock },
    env: { PROXMOX_TOOLSETS: "all" },
  }, async ({ client, simulator }) => {
    const template = simulator.state.appliances.find(({ section }) => section === "turnkeylinux")?.template;
    const told: { progress: number; percent: number }[] = [];
    const { isError, content } = await client.callTool({
      name,
      arguments: { ...args, ...(name === "download_template" ? { template } : {}) },
    }, {
      onprogress({ progress, message }) {
        const percent = says.exec(message ?? "")?.[1];
        if (percent !== undefined) told.push({ progress, percent: Number(percent) });
        clock.turn(1);
      },
    });
    assert.notEqual(isError, true, JSON.stringify(content));
    assert.ok(told.length >= 3, JSON.stringify(told));
    for (const { progress, percent } of told) assert.ok(Math.abs(progress - percent) < 1, JSON.stringify(told));
    assert.ok(told.some(({ percent }) => percent > 10 && percent < 100), JSON.stringify(told));
  });
}

const clone = { source_vmid: 9000, name: "copy" };

{
  const clock = clockwork();
  serverTest("progress is that of the log, line by line", { simulator: { pace: 1, clock } }, async ({ client }) => {
    const seen: { progress: number; message: string | undefined }[] = [];
    await client.callTool({ name: "clone_vm", arguments: clone }, {
      onprogress({ progress, message }) {
        seen.push({ progress, message });
        clock.turn(1.5);
      },
    });
    const told = seen.flatMap(({ progress, message }) => {
      const percent = /^transferred .* \((\d+\.\d+)%\)$/.exec(message ?? "")?.[1];
      return percent === undefined ? [] : [{ progress, percent: Number(percent) }];
    });
    assert.ok(told.length >= 3, JSON.stringify(seen));
    // The protocol wants a figure that grows: it may run ahead of the log by a little.
    for (const { progress, percent } of told) assert.ok(Math.abs(progress - percent) < 1, JSON.stringify(seen));
    assert.ok(told.some(({ percent }) => percent > 30 && percent < 100), JSON.stringify(seen));
  });
}

{
  const clock = clockwork();
  const options = { simulator: { pace: 1, clock } };
  serverTest("many that wait for one task share one poller, and all hear its end", options, async (running) => {
    const { upid } = await running.ok("clone_vm", { ...clone, wait: false });
    const waiting = Array.from({ length: 10 }, () => running.ok("wait_task", { upid }));
    // Each asks once by itself whether there is such a task; ten pollers would ask ten times more at once.
    await until(() => polls(running, String(upid)) >= 12);
    clock.turn(60);
    for (const answer of await Promise.all(waiting)) assert.equal(answer.state, "ok");
    assert.ok(polls(running, String(upid)) < 20, `${polls(running, String(upid))} polls`);
  });
}

{
  const clock = clockwork();
  const options = { simulator: { pace: 1, clock } };
  serverTest("one that stops waiting leaves the others and the task alone", options, async (running) => {
    const { client, ok } = running;
    const { upid, vmid } = await ok("clone_vm", { ...clone, wait: false });
    const cancel = new AbortController();
    const first = client.callTool({ name: "wait_task", arguments: { upid } }, { signal: cancel.signal });
    const second = ok("wait_task", { upid });
    await until(() => polls(running, String(upid)) >= 4);
    cancel.abort();
    await assert.rejects(first);
    const still = await ok("get_task_status", { upid });
    assert.equal(still.state, "running");
    assert.equal(still.progress_percent, undefined);
    clock.turn(6);
    const halfway = await ok("get_task_status", { upid });
    assert.ok(Number(halfway.progress_percent) > 20 && Number(halfway.progress_percent) < 80);
    clock.turn(60);
    assert.equal((await second).state, "ok");
    assert.equal((await ok("vm_status", { vmid })).name, "copy");
  });
}

{
  const clock = clockwork();
  const options = { simulator: { pace: 1, clock } };
  serverTest("a wait that is over before the task says running, and can be repeated", options, async ({ ok }) => {
    const begun = await ok("clone_vm", { ...clone, wait_timeout: 1 });
    assert.equal(begun.state, "running");
    assert.match(JSON.stringify(begun.notes), /wait_task waits for it/);
    const again = await ok("wait_task", { upid: begun.upid, wait_timeout: 1 });
    assert.deepEqual([again.state, again.upid], ["running", begun.upid]);
    assert.match(JSON.stringify(again.notes), /call wait_task again/);
    clock.turn(60);
    assert.equal((await ok("wait_task", { upid: begun.upid })).state, "ok");
  });
}

/** Passes bytes on to a port, until it is told to break what is open and to take nothing new. */
function relay() {
  let broken = false;
  let refused = 0;
  let target = 0;
  const open = new Set<Socket>();
  const keep = (socket: Socket) => {
    open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => open.delete(socket));
  };
  const server = createServer((socket) => {
    keep(socket);
    if (broken) {
      refused++;
      return void socket.destroy();
    }
    const onward = connect(target, "127.0.0.1");
    keep(onward);
    onward.on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    socket.pipe(onward).pipe(socket);
  });
  return {
    between: (port: number) =>
      new Promise<number>((resolve) => {
        target = port;
        server.listen(0, "127.0.0.1", () => {
          const address = server.address();
          resolve(typeof address === "object" && address !== null ? address.port : 0);
        });
      }),
    refused: () => refused,
    break() {
      broken = true;
      for (const socket of open) socket.destroy();
    },
    mend() {
      broken = false;
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

{
  const clock = clockwork();
  const line = relay();
  const options = { simulator: { pace: 1, clock }, between: line.between };
  serverTest(
    "a connection that breaks in the middle of a clone ends neither it nor the wait",
    options,
    async (running) => {
      try {
        const cloning = running.call("clone_vm", clone);
        await until(() => running.requests.filter(({ path }) => path.includes(":qmclone:")).length >= 2);
        line.break();
        // More than a GET is repeated by itself: the wait as a whole has seen it fail.
        await until(() => line.refused() >= 6);
        clock.turn(60);
        line.mend();
        const answer = await cloning;
        assert.equal(answer.isError, false, answer.text);
        assert.equal(answer.structured?.state, "ok");
        assert.equal(writes(running).length, 1, "the clone was not sent again");
      } finally {
        line.close();
      }
    },
  );
}

{
  const clock = clockwork();
  const line = relay();
  const options = { simulator: { pace: 1, clock }, between: line.between };
  serverTest(
    "a connection that stays broken ends in time, with the UPID and what is known",
    options,
    async (running) => {
      try {
        const cloning = running.call("clone_vm", { ...clone, wait_timeout: 3 });
        await until(() => running.requests.filter(({ path }) => path.includes(":qmclone:")).length >= 2);
        line.break();
        const answer = await cloning;
        assert.equal(answer.isError, false, answer.text);
        assert.equal(answer.structured?.state, "running");
        assert.match(String(answer.structured?.upid), /^UPID:pve1:.*:qmclone:9000:/);
        assert.match(JSON.stringify(answer.structured?.notes), /PVE could not be asked the last time/);
      } finally {
        line.close();
      }
    },
  );
}

serverTest("a list of tasks is cut, filtered, and says what it left out", {}, async ({ ok, error, simulator }) => {
  for (let n = 0; n < 40; n++) addTask(simulator, `0000C0${n.toString(16).toUpperCase().padStart(2, "0")}`, "OK", []);
  const list = await ok("list_tasks", { limit: 5 });
  assert.ok(Array.isArray(list.tasks) && list.tasks.length === 5);
  assert.equal(list.total, 44);
  assert.match(JSON.stringify(list.notes), /39 more/);
  const starts = await ok("list_tasks", { type: "vzstart" });
  assert.ok(Array.isArray(starts.tasks) && starts.tasks.length === 1);
  assert.equal((await ok("list_tasks", { vmid: 203 })).total, 1);
  assert.equal((await ok("list_tasks", { hours: 6 })).total, 1);
  assert.equal((await ok("list_tasks", { state: "running" })).total, 0);
  assert.match(await error("list_tasks", { node: "pve7" }), /The nodes are pve1, pve2, pve3/);
});
