/** Time, tasks, rights and parameters of the simulator, beyond what was recorded. */
import assert from "node:assert/strict";
import { admit } from "../../src/safety/gate.ts";
import {
  auditorToken,
  bareToken,
  createSimulator,
  demoCluster,
  demoToken,
  type RequestRecord,
  type SimulatedAnswer,
} from "../../src/sim/mod.ts";
import { simulatorTransport } from "../../src/sim/transport.ts";

const NOON = Date.UTC(2026, 10, 22, 12);

function bench(pace: number) {
  const clock = { at: NOON, now: () => clock.at };
  const records: RequestRecord[] = [];
  const state = demoCluster(NOON);
  const simulator = createSimulator({ state, pace, clock, onRequest: (record) => records.push(record) });
  function send(method: string, path: string, body = "", token = demoToken): Promise<SimulatedAnswer> {
    const headers = { authorization: `PVEAPIToken=${token.id}=${token.secret}` };
    return simulator.answer({ method, url: `/api2/json${path}`, headers, body });
  }
  async function data(method: string, path: string, body = "", token = demoToken) {
    const answer = await send(method, path, body, token);
    assert.equal(answer.status, 200, answer.reason);
    return JSON.parse(answer.body).data;
  }
  return { clock, records, state, simulator, send, data };
}

Deno.test("a task runs until the clock has passed its end, and its guest is locked meanwhile", async () => {
  const { clock, data, state } = bench(1);
  const clone = await data("POST", "/nodes/pve1/qemu/9000/clone", "newid=251&full=1");
  const running = await data("GET", `/nodes/pve1/tasks/${clone}/status`);
  assert.equal(running.status, "running");
  assert.equal("exitstatus" in running, false);
  assert.equal(state.guests.get(251)?.config.get("lock"), "clone");
  const race = await data("POST", "/nodes/pve1/qemu/251/status/start");
  assert.equal((await data("GET", `/nodes/pve1/tasks/${race}/status`)).exitstatus, "VM is locked (clone)");
  clock.at += 15_000;
  assert.equal((await data("GET", `/nodes/pve1/tasks/${clone}/status`)).exitstatus, "OK");
  const start = await data("POST", "/nodes/pve1/qemu/251/status/start");
  assert.equal((await data("GET", "/nodes/pve1/qemu/251/status/current")).status, "stopped");
  clock.at += 5000;
  assert.equal((await data("GET", `/nodes/pve1/tasks/${start}/status`)).exitstatus, "OK");
  assert.equal((await data("GET", "/nodes/pve1/qemu/251/status/current")).status, "running");
});

Deno.test("two starts at once: the later one fails", async () => {
  const { clock, data } = bench(1);
  const first = await data("POST", "/nodes/pve2/qemu/105/status/start");
  clock.at += 1000;
  const second = await data("POST", "/nodes/pve2/qemu/105/status/start");
  clock.at += 10_000;
  assert.equal((await data("GET", `/nodes/pve2/tasks/${first}/status`)).exitstatus, "OK");
  assert.equal((await data("GET", `/nodes/pve2/tasks/${second}/status`)).exitstatus, "VM 105 already running");
});

Deno.test("a guest that does not cooperate runs into the timeout and stays on", async () => {
  const { clock, data } = bench(1);
  const upid = await data("POST", "/nodes/pve3/qemu/107/status/shutdown", "timeout=30");
  clock.at += 29_000;
  assert.equal((await data("GET", `/nodes/pve3/tasks/${upid}/status`)).status, "running");
  clock.at += 2000;
  assert.equal(
    (await data("GET", `/nodes/pve3/tasks/${upid}/status`)).exitstatus,
    "VM quit/powerdown failed - got timeout",
  );
  assert.equal((await data("GET", "/nodes/pve3/qemu/107/status/current")).status, "running");
});

Deno.test("a paused VM is not shut down, but by force; its agent is silent, and lists call it paused", async () => {
  const { data, send, state } = bench(0);
  await data("POST", "/nodes/pve1/qemu/102/status/suspend");
  const rows: { vmid?: number; status?: string }[] = await data("GET", "/cluster/resources?type=vm");
  assert.equal(rows.find(({ vmid }) => vmid === 102)?.status, "paused");
  const now = await data("GET", "/nodes/pve1/qemu/102/status/current");
  assert.deepEqual([now.status, now.qmpstatus], ["running", "paused"]); // captured 197
  for (const call of ["network-get-interfaces", "get-osinfo", "get-host-name", "get-fsinfo"]) {
    assert.match((await send("GET", `/nodes/pve1/qemu/102/agent/${call}`)).reason, /guest agent is not running/);
  }
  for (const verb of ["shutdown", "reboot"]) {
    assert.match((await send("POST", `/nodes/pve1/qemu/102/status/${verb}`)).reason, /^VM is paused - cannot shutdown/);
  }
  await data("POST", "/nodes/pve1/qemu/102/status/shutdown", "forceStop=1");
  assert.equal(state.guests.get(102)?.run, undefined);
});

Deno.test("what a running VM cannot take waits for the next start", async () => {
  const { data } = bench(0);
  await data("PUT", "/nodes/pve2/qemu/103/config", "memory=8192&description=now");
  const rows: { key: string; value?: unknown; pending?: unknown }[] = await data("GET", "/nodes/pve2/qemu/103/pending");
  assert.deepEqual(rows.find(({ key }) => key === "memory"), { key: "memory", value: "4096", pending: "8192" });
  assert.equal(rows.find(({ key }) => key === "description")?.value, "now");
  await data("POST", "/nodes/pve2/qemu/103/status/reboot");
  assert.equal((await data("GET", "/nodes/pve2/qemu/103/config?current=1")).memory, "8192");
});

Deno.test("starting a hibernated VM uses its saved memory up", async () => {
  const { data, state } = bench(0);
  const saved = () =>
    [...state.storages.get("ceph")?.volumes.get("")?.keys() ?? []].filter((name) => name.includes("109-state"));
  assert.equal(saved().length, 1);
  await data("POST", "/nodes/pve3/qemu/109/status/start");
  assert.equal(saved().length, 0);
  assert.equal(state.guests.get(109)?.config.has("lock"), false);
});

Deno.test("a new VM on a busy number, a linked clone's base and a full clone's volumes", async () => {
  const { data, send, state } = bench(0);
  assert.match((await send("POST", "/nodes/pve1/qemu", "vmid=200")).reason, /CT 200 already exists on node 'pve1'/);
  await data("POST", "/nodes/pve1/qemu/9000/clone", "newid=251&name=linked");
  assert.match((await send("DELETE", "/nodes/pve1/qemu/9000")).body, /UPID/);
  assert.ok(state.guests.has(9000), "a base in use cannot be deleted");
  const config = await data("GET", "/nodes/pve1/qemu/251/config");
  assert.match(config.net0, /^virtio=BC:24:11:/);
  assert.notEqual(config.net0, state.guests.get(9000)?.config.get("net0"));
});

Deno.test("what tokens may do", async () => {
  const { data, send } = bench(0);
  assert.deepEqual(await data("GET", "/access/permissions", "", bareToken), {});
  assert.deepEqual(await data("GET", "/nodes/pve1/qemu", "", bareToken), []);
  assert.equal((await send("GET", "/nodes/pve1/qemu/100/config", "", auditorToken)).status, 200);
  const refused = await send("PUT", "/nodes/pve1/qemu/100/config", "cores=2", auditorToken);
  assert.equal(refused.status, 403);
  assert.match(refused.reason, /^Permission check failed \(\/vms\/100, VM\.Config\.Disk\|/);
  const create = await send("POST", "/nodes/pve1/qemu", "vmid=251", auditorToken);
  assert.equal(create.reason, "Permission check failed");
  const wrong = await send("GET", "/version", "", { id: demoToken.id, secret: "nonsense" });
  assert.deepEqual([wrong.status, wrong.reason, wrong.body], [401, "Authentication failed!", ""]);
});

Deno.test("a node that is off answers 595, one that does not exist 500", async () => {
  const { send, state } = bench(0);
  const off = state.nodes.get("pve3");
  assert.ok(off !== undefined);
  off.online = false;
  assert.equal((await send("GET", "/nodes/pve3/qemu")).status, 595);
  assert.match((await send("GET", "/nodes/pve9/qemu")).reason, /^hostname lookup 'pve9' failed/);
});

const REFUSED: readonly (readonly [string, string, string])[] = [
  ["net0=virtio,bridge=vmbr0,foo=1", "net0", "invalid format - invalid key in comma-separated list property: foo\n"],
  [
    "net0=virtio,tag=5000",
    "net0",
    "invalid format - format error\nnet0.tag: value must have a maximum value of 4094\n",
  ],
  ["scsi0=size=1G", "scsi0", "invalid format - format error\nscsi0.file: property is missing and it is not optional\n"],
  ["ipconfig0=ip=nonsense", "ipconfig0", "invalid format - format error\nip: value does not match the regex pattern\n"],
  ["tags=a%20b%2Fc", "tags", "invalid format - invalid characters in tag\n"],
  ["nameserver=1.2.3.4,no_pe", "nameserver", "invalid format - value does not look like a valid IP address: no_pe\n"],
  ["boot=order=scsi0;nope!", "boot", "invalid format - format error\norder: value does not match the regex pattern\n"],
  ["skiplock=1", "skiplock", "Only root may use this option."],
];
for (const [body, parameter, complaint] of REFUSED) {
  Deno.test(`refuses ${body}`, async () => {
    const { send } = bench(0);
    // PVE splits bodies on ";" too, so it travels encoded.
    const answer = await send("PUT", "/nodes/pve2/qemu/105/config", body.replaceAll(";", "%3B"));
    assert.equal(answer.status, 400);
    assert.equal(JSON.parse(answer.body).errors[parameter], complaint);
  });
}

Deno.test("reads requests as PVE does: one unescape over the path, ';' splits, the query wins", async () => {
  const { data, send } = bench(0);
  assert.equal((await data("GET", "/nodes%2Fpve1/qemu/100/config")).name, "router");
  await data("PUT", "/nodes/pve2/qemu/105/config", "cores=3;description=semicolon");
  assert.equal((await data("GET", "/nodes/pve2/qemu/105/config")).description, "semicolon");
  await data("PUT", "/nodes/pve2/qemu/105/config?cores=5", "cores=4");
  assert.equal((await data("GET", "/nodes/pve2/qemu/105/config")).cores, 5);
  assert.equal((await send("PUT", "/nodes/pve2/qemu/105/config", "cores=1&cores=2")).status, 400);
});

Deno.test("the record tells what was asked, without secrets", async () => {
  const { data, records } = bench(0);
  await data("PUT", "/nodes/pve2/qemu/105/config", "cipassword=hush&cores=2");
  assert.deepEqual(records, [{
    method: "PUT",
    path: "/nodes/pve2/qemu/105/config",
    call: "PUT /nodes/{node}/qemu/{vmid}/config",
    params: { cipassword: "<hidden>", cores: "2" },
    status: 200,
    user: "agent@pve!mcp",
  }]);
  assert.equal((await data("GET", "/nodes/pve2/qemu/105/config")).cipassword, "**********");
});

Deno.test("admitted requests reach the simulator in the process", async () => {
  const { simulator } = bench(0);
  const send = simulatorTransport(simulator, `PVEAPIToken=${demoToken.id}=${demoToken.secret}`);
  const nodes = await send(admit("GET /nodes", {}), {});
  assert.equal(nodes.status, 200);
  assert.equal(nodes.contentType, "application/json;charset=UTF-8");
  const created = await send(
    admit("POST /nodes/{node}/qemu", { node: "pve1", vmid: 251, scsi0: "local-lvm:8", name: "new" }),
    {},
  );
  assert.match(created.body, /UPID:pve1:.*:qmcreate:251:agent@pve!mcp:/);
  await assert.rejects(send(admit("GET /nodes", {}), { signal: AbortSignal.abort() }), /abort/i);
});
