/** Settings that narrow what may be done. */
import assert from "node:assert/strict";
import { toolsets } from "../../src/safety/toolsets.ts";
import { tools as all } from "../../src/tools/mod.ts";
import { inherited, type Running, serverCommand, serverTest } from "../helpers/server.ts";

function writes({ requests }: Running): string[] {
  return requests.filter(({ method }) => method !== "GET").map(({ method, path }) => `${method} ${path}`);
}

serverTest(
  "PROXMOX_READ_ONLY leaves the reading tools and refuses the others",
  { env: { PROXMOX_READ_ONLY: "true" } },
  async ({ client, ok, requests }) => {
    const { tools } = await client.listTools();
    const reading = all.filter(({ tier, toolset }) => tier === "read" && toolsets[toolset].byDefault);
    assert.deepEqual(tools.map(({ name }) => name), reading.map(({ name }) => name));
    assert.ok(tools.every((tool) => tool.annotations?.readOnlyHint === true));
    await assert.rejects(client.callTool({ name: "stop_vm", arguments: { vmid: 102 } }), /stop_vm/);
    assert.ok(Array.isArray((await ok("list_nodes")).nodes));
    assert.ok(requests.every((request) => request.method === "GET"));
  },
);

serverTest(
  "PROXMOX_PROTECTED keeps all writes from a vmid and lets its neighbour through",
  { env: { PROXMOX_PROTECTED: "102" } },
  async (running) => {
    const { ok, error, simulator } = running;
    for (const verb of ["start", "stop", "shutdown", "reboot"]) {
      assert.match(await error(`${verb}_vm`, { vmid: 102 }), /^Refused: guest 102 is protected/);
    }
    assert.match(await error("set_vm_config", { vmid: 102, config: { memory: 1024 } }), /PROXMOX_PROTECTED/);
    assert.match(await error("create_vm", { vmid: 102 }), /guest 102 is protected/);
    assert.match(await error("clone_vm", { source_vmid: 9000, newid: 102 }), /guest 102 is protected/);
    assert.deepEqual(writes(running), []);
    assert.equal((await ok("vm_status", { vmid: 102 })).status, "running");
    const other = [...simulator.state.guests.values()].find(({ vmid, kind }) => kind === "qemu" && vmid < 102);
    await ok("set_vm_config", { vmid: other?.vmid, config: { description: "seen" } });
    assert.equal(writes(running).length, 1);
    await ok("clone_vm", { source_vmid: 102, full: true });
  },
);

serverTest(
  "PROXMOX_PROTECTED keeps a free number free, also where the server chooses one",
  { env: { PROXMOX_PROTECTED: "103,104,105" } },
  async ({ ok, error }) => {
    const { vmid } = await ok("next_vmid");
    assert.ok(typeof vmid === "number" && ![103, 104, 105].includes(vmid));
    const made = await ok("create_vm", {});
    assert.ok(typeof made.vmid === "number" && ![103, 104, 105].includes(made.vmid));
    assert.match(await error("create_vm", { vmid: 104 }), /guest 104 is protected/);
  },
);

serverTest(
  "PROXMOX_PROTECTED keeps all writes from guests with a tag, and nobody gives it",
  { env: { PROXMOX_PROTECTED: "tag:keep" } },
  async (running) => {
    const { ok, error, simulator } = running;
    simulator.state.guests.get(102)?.config.set("tags", "keep;web");
    assert.match(await error("stop_vm", { vmid: 102 }), /guest 102 has the tag keep, which protects it/);
    assert.match(await error("set_vm_config", { vmid: 102, config: { tags: "web" } }), /has the tag keep/);
    assert.match(await error("stop_vm", { vmid: 777 }), /guest 777 is not visible/);
    assert.match(await error("create_vm", { tags: "web;KEEP" }), /the tag keep protects guests/);
    assert.deepEqual(writes(running), []);
    const made = await ok("create_vm", { tags: "web" });
    assert.match(await error("set_vm_config", { vmid: made.vmid, config: { tags: "web;keep" } }), /the tag keep/);
    await ok("set_vm_config", { vmid: made.vmid, config: { tags: "db" } });
    // A copy carries its source's tags, and so is protected, too.
    const copy = await ok("clone_vm", { source_vmid: 102 });
    assert.match(await error("start_vm", { vmid: copy.vmid }), /has the tag keep/);
  },
);

serverTest(
  "PROXMOX_POOL puts every new guest into the pool and refuses another",
  { env: { PROXMOX_POOL: "agents" } },
  async (running) => {
    const { ok, error, simulator } = running;
    const missing = await error("create_vm", { name: "early" });
    assert.match(missing, /pool 'agents' does not exist/);
    assert.match(missing, /PROXMOX_POOL names it[^]*pveum pool add agents[^]*changes the setting/);
    assert.doesNotMatch(missing, /prod|leave pool out/, "neither would help");
    simulator.state.pools.set("agents", { id: "agents", comment: undefined, guests: new Set() });
    const made = await ok("create_vm", {});
    const copy = await ok("clone_vm", { source_vmid: 9000, pool: "agents" });
    assert.deepEqual([...simulator.state.pools.get("agents")?.guests ?? []], [made.vmid, copy.vmid]);
    assert.match(
      await error("create_vm", { pool: "prod" }),
      /pool="prod" was given, and new guests are put into the pool/,
    );
    await ok("start_vm", { vmid: made.vmid });
  },
);

const privileged = {
  ostemplate: "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst",
  storage: "local-lvm",
  unprivileged: false,
  wait: true,
};

serverTest("a privileged container is refused, and names the setting that allows it", {}, async (running) => {
  assert.match(
    await running.error("create_container", privileged),
    /close to root on the node[^]*PROXMOX_ALLOW_PRIVILEGED=true/,
  );
  assert.deepEqual(writes(running), []);
});

serverTest(
  "PROXMOX_ALLOW_PRIVILEGED lets a privileged container be made, and leaves unprivileged ones the default",
  { env: { PROXMOX_ALLOW_PRIVILEGED: "true" } },
  async ({ ok, simulator }) => {
    for (
      const [input, expected] of [[privileged, undefined], [{ ...privileged, unprivileged: undefined }, 1]] as const
    ) {
      const { vmid } = await ok("create_container", input);
      const made = [...simulator.state.guests.values()].find((guest) => guest.vmid === vmid);
      assert.equal(Number(made?.config.get("unprivileged") ?? 0) || undefined, expected);
    }
  },
);

serverTest(
  "PROXMOX_TOOLS and PROXMOX_EXCLUDE_TOOLS choose what is listed, and nothing else can be called",
  { env: { PROXMOX_TOOLS: "list_vms,vm_status,stop_vm", PROXMOX_EXCLUDE_TOOLS: "stop_vm" } },
  async (running) => {
    const { tools } = await running.client.listTools();
    assert.deepEqual(tools.map(({ name }) => name), ["list_vms", "vm_status"]);
    for (const name of ["stop_vm", "list_nodes"]) {
      await assert.rejects(running.client.callTool({ name, arguments: { vmid: 102 } }), new RegExp(name));
    }
    assert.deepEqual(running.requests, []);
  },
);

Deno.test("a tool that does not exist stops the start, and call refuses a tool that is left out", async () => {
  const run = async (env: Record<string, string>, ...args: string[]) => {
    const [program, ...rest] = serverCommand();
    const { code, stderr } = await new Deno.Command(program, {
      args: [...rest, ...args],
      env: { ...inherited(), ...env },
      clearEnv: true,
      stdin: "null",
    }).output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  };
  const typo = await run({ PROXMOX_EXCLUDE_TOOLS: "stop_vms" }, "serve");
  assert.equal(typo.code, 2);
  assert.match(typo.stderr, /PROXMOX_EXCLUDE_TOOLS names "stop_vms".*\n.*Did you mean stop_vm\?/);
  const left = await run({ PROXMOX_EXCLUDE_TOOLS: "stop_vm" }, "call", "stop_vm", "vmid=102");
  assert.equal(left.code, 2);
  assert.match(left.stderr, /The settings leave out the tool stop_vm/);
});
