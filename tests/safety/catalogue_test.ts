/** The catalogue is what docs/guarantee.md shows to people, and nothing can change it while the program runs. */
import assert from "node:assert/strict";
import { guaranteeDocument } from "../../scripts/generate_guarantee.ts";
import { guaranteeText } from "../../src/cli/guarantee.ts";
import { Refusal } from "../../src/errors.ts";
import { catalogue, requestOf } from "../../src/safety/catalogue.ts";
import { admit, entryOf, isCall } from "../../src/safety/gate.ts";
import { ENTERING } from "../../src/safety/policy.ts";
import { guarantee, heldBy } from "../../src/safety/guarantee.ts";
import { tools } from "../../src/tools/mod.ts";

const calls = Object.keys(catalogue).filter(isCall);
const facts = guarantee(tools);

Deno.test("docs/guarantee.md is the catalogue as it stands", () => {
  assert.equal(Deno.readTextFileSync("docs/guarantee.md"), guaranteeDocument(facts), "Run: deno task gen");
});

Deno.test("the guarantee shows every call, parameter and rule of the catalogue", () => {
  const shown = [...facts.reads.map(({ call }) => call), ...facts.writes.flatMap(({ calls }) => calls)];
  assert.deepEqual(shown.toSorted(), calls.toSorted());
  for (const call of calls.filter((call) => !call.startsWith("GET "))) {
    const row = facts.writes.find(({ calls }) => calls.includes(call));
    const { params, required = [] } = entryOf(call);
    assert.deepEqual([...row?.required ?? [], ...row?.optional ?? []].toSorted(), Object.keys(params).toSorted());
    assert.deepEqual(row?.required, required);
    for (const [name, { says }] of Object.entries(params)) {
      assert.ok(
        facts.parameters.some((row) => row.says === says && row.names.some((shown) => shown.split(" ")[0] === name)),
        `${name} of ${call} is not shown`,
      );
    }
  }
  const text = guaranteeText(facts);
  for (const line of text.split("\n")) assert.ok(line.length <= 120, line);
  for (const line of facts.notPromised) assert.ok(text.replace(/\s+/g, " ").includes(line));
});

Deno.test("the tests that the guarantee names exist", () => {
  for (const file of Object.values(heldBy)) assert.ok(Deno.statSync(file).isFile);
});

Deno.test("every write has a state check, and is never sent without what makes it safe", () => {
  for (const call of calls) {
    const { check, required = [], params } = entryOf(call);
    if (call.startsWith("GET ")) continue;
    if (ENTERING.includes(call)) continue;
    assert.notEqual(check, undefined, call);
    for (const name of required) assert.ok(Object.hasOwn(params, name));
    if (call.startsWith("PUT ")) assert.ok(required.includes("digest"), call);
    if (call.endsWith("/vzdump")) assert.deepEqual(required, ["vmid", "storage", "remove", "protected"]);
    if (call.endsWith("/clone")) assert.ok(required.includes("newid"), call);
    if (/\/(?:qemu|lxc)(?: |$)/.test(call)) assert.ok(required.includes("vmid"), call);
    if (call.endsWith("(restore)")) assert.ok(required.includes("unique"), call);
    if (call.endsWith("lxc (restore)")) assert.ok(required.includes("restore") && required.includes("unprivileged"));
    if (call.endsWith("/migrate")) assert.deepEqual(required, ["target"]);
    const wanted = /\/config$/.test(call)
      ? call.includes("/lxc/") ? "container-config" : "vm-config"
      : call.endsWith("/resize")
      ? "grow"
      : call.endsWith("/resume")
      ? "awake"
      : /\/qemu\/.*\/(?:start|shutdown)$|\/lxc\/.*\/reboot$/.test(call)
      ? call.slice(call.lastIndexOf("/") + 1)
      : /\/status\//.test(call)
      ? "pending"
      : call.endsWith("/snapshot")
      ? "snapshot"
      : call.endsWith("/vzdump")
      ? "backup"
      : /\/(?:aplinfo|download-url|oci-registry-pull)$/.test(call)
      ? "new-file"
      : call.endsWith("(restore)")
      ? "restore"
      : call.endsWith("/migrate")
      ? "move"
      : "free-vmid";
    assert.equal(check, wanted, call);
  }
});

Deno.test("nothing can change the catalogue, an entry or a rule", () => {
  const seen: unknown[] = [catalogue];
  for (const call of calls) {
    const entry = entryOf(call);
    seen.push(entry, entry.params, entry.required, ...Object.values(entry.params));
  }
  for (const value of seen) {
    if (value === undefined) continue;
    assert.ok(Object.isFrozen(value));
    assert.ok(typeof value === "object" || typeof value === "function");
  }
  assert.throws(() => Object.assign(catalogue, { "DELETE /x": {} }), TypeError);
  assert.throws(() => Object.assign(entryOf("POST /nodes/{node}/qemu").params, { archive: () => "" }), TypeError);
});

Deno.test("every parameter of every call has a rule that judges", () => {
  const base = {
    node: "pve1",
    storage: "local",
    vmid: 300,
    upid: "UPID:pve1:0012AB9F:01234567:6789ABCD:qmstart:100:a@pve!t:",
  };
  for (const call of calls) {
    const inPath = Object.fromEntries(Object.entries(base).filter(([name]) => call.includes(`{${name}}`)));
    for (const name of Object.keys(entryOf(call).params)) {
      const slot = name.replace("[n]", "0");
      const repeated = entryOf(call).repeated?.includes(name) === true;
      for (const bad of ["a\u0000b", "\ud800", "x".repeat(200_000)]) {
        const value = repeated ? ["sh", bad] : bad;
        assert.throws(
          () => admit(call, { ...inPath, [slot]: value }),
          (error) => error instanceof Refusal && error.message.startsWith(`Refused ${slot}`),
          `${call} takes any ${name}`,
        );
      }
    }
  }
});

Deno.test("the parameters of reads take exactly what PVE knows", () => {
  const log = { node: "pve1", upid: "UPID:pve1:0000020A:0005A0C2:6B033EDB:qmstart:999:agent@pve!mcp:" };
  const LOG = "GET /nodes/{node}/tasks/{upid}/log";
  for (const start of [0, 10_000_000]) assert.equal(admit(LOG, { ...log, start }).query, `start=${start}`);
  for (const start of [-1, 10_000_001]) assert.throws(() => admit(LOG, { ...log, start }), Refusal);
  for (const limit of [1, 1000]) assert.equal(admit(LOG, { ...log, limit }).query, `limit=${limit}`);
  for (const limit of [0, 1001]) assert.throws(() => admit(LOG, { ...log, limit }), Refusal);
  const TASKS = "GET /nodes/{node}/tasks";
  const parts: Record<string, readonly (readonly unknown[])[]> = {
    source: [["archive", "active", "all"], ["", "none"]],
    limit: [[1, 1000], [0, 1001]],
    since: [[0, 99_999_999_999], [-1, 100_000_000_000]],
    vmid: [[100], [99]],
    typefilter: [["qmstart"], [""]],
    statusfilter: [["error,unknown"], [""]],
  };
  for (const [name, [taken = [], refused = []]] of Object.entries(parts)) {
    for (const value of taken) {
      const { query } = admit(TASKS, { node: "pve1", [name]: value });
      assert.deepEqual([...new URLSearchParams(query)], [[name, String(value)]]);
    }
    for (const value of refused) assert.throws(() => admit(TASKS, { node: "pve1", [name]: value }), Refusal);
  }
  const FIGURES = "GET /nodes/{node}/rrddata";
  for (const timeframe of ["hour", "day", "week", "month", "year"]) {
    assert.equal(admit(FIGURES, { node: "pve1", timeframe }).query, `timeframe=${timeframe}`);
  }
  const LOG_OF_NODE = "GET /nodes/{node}/syslog";
  const most = { start: 1_000_000_000, limit: 500, since: "2026-11-22 12:00:30", service: "pve-firewall@x" };
  for (const taken of [most, { ...most, start: 0, limit: 1 }]) {
    assert.deepEqual(
      [...new URLSearchParams(admit(LOG_OF_NODE, { node: "pve1", ...taken }).query)],
      Object.entries(taken).map(([name, value]) => [name, String(value)]),
    );
  }
  const refused: Record<string, readonly unknown[]> = {
    start: [-1, 1_000_000_001],
    limit: [0, 501],
    since: ["", "yesterday", "2026-11-22T12:00", "2026-11-22 12"],
    service: ["", "-u", "a/b", "a b", `a${"b".repeat(64)}`],
  };
  for (const [name, values] of Object.entries(refused)) {
    for (const value of values) assert.throws(() => admit(LOG_OF_NODE, { node: "pve1", [name]: value }), Refusal);
  }
  for (const max of [1, 1000]) assert.equal(admit("GET /cluster/log", { max }).query, `max=${max}`);
  for (const max of [0, 1001]) assert.throws(() => admit("GET /cluster/log", { max }), Refusal);
  for (const timeframe of ["", "minute"]) assert.throws(() => admit(FIGURES, { node: "pve1", timeframe }), Refusal);
  for (const type of ["vm", "storage", "node", "sdn"]) {
    assert.equal(admit("GET /cluster/resources", { type }).query, `type=${type}`);
  }
  assert.throws(() => admit("GET /cluster/resources", { type: "" }), Refusal);
  for (const content of ["images", "iso"]) {
    assert.equal(admit("GET /nodes/{node}/storage", { node: "pve1", content }).query, `content=${content}`);
  }
  const STATUS = "GET /nodes/{node}/qemu/{vmid}/agent/exec-status";
  const vm = { node: "pve1", vmid: 100 };
  for (const pid of [1, 4_294_967_295]) assert.equal(admit(STATUS, { ...vm, pid }).query, `pid=${pid}`);
  for (const pid of [0, 4_294_967_296]) assert.throws(() => admit(STATUS, { ...vm, pid }), Refusal);
});

Deno.test("a call goes over the wire as its method and path, without its purpose", () => {
  const calls = Object.keys(catalogue).filter(isCall);
  for (const call of calls) assert.equal(requestOf(call), call.replace(/ \([a-z]+\)$/, ""));
  assert.deepEqual(calls.filter((call) => call.endsWith(")")), [
    "POST /nodes/{node}/qemu (restore)",
    "POST /nodes/{node}/lxc (restore)",
  ]);
});

Deno.test("nothing is sent twice but the parts of a command", () => {
  const EXEC = "POST /nodes/{node}/qemu/{vmid}/agent/exec";
  const vm = { node: "pve1", vmid: 100 };
  const sent = admit(EXEC, { ...vm, command: ["sh", "-c", ""], "input-data": "a" });
  assert.deepEqual([...new URLSearchParams(sent.body)].toSorted(([a], [b]) => (a ?? "").localeCompare(b ?? "")), [
    ["command", "sh"],
    ["command", "-c"],
    ["command", ""],
    ["input-data", "a"],
  ]);
  assert.throws(() => admit(EXEC, { ...vm, command: ["sh"], "input-data": ["a", "b"] }), Refusal);
  for (
    const command of ["sh", 5, true, {}, { length: 1, 0: "sh" }, undefined, null, [], ["sh", 5], [["sh"]], [undefined]]
  ) {
    assert.throws(() => admit(EXEC, { ...vm, command }), Refusal, JSON.stringify(command));
  }
  for (const command of ["sh", ["sh", 5]]) {
    assert.throws(() => admit(EXEC, { ...vm, command }), /it must be a list of texts/);
  }
  assert.throws(() => admit(EXEC, { ...vm, command: [] }), /it must not be empty/);
  assert.throws(() => admit(EXEC, { ...vm, command: ["x".repeat(120_001)] }), Refusal);
  assert.throws(() => admit(EXEC, { ...vm, command: ["sh"], "input-data": "x".repeat(65_537) }), Refusal);
});
