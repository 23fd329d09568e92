/** Commands through PVE's guest agent calls: exact arguments, each failure with its remedy, what can be ended and what not. */
import assert from "node:assert/strict";
import { serverTest } from "../helpers/server.ts";

const env = { PROXMOX_ENABLE_EXEC: "true" };
const VM = 101;

serverTest("exec_in_vm sends each argument as it is, and input only in ASCII", { env }, async ({ ok, requests }) => {
  const nasty = ["", "a;b&c=d", "it's", '"', "$(id)", "`x`", "ü\n", "--"];
  await ok("exec_in_vm", { vmid: VM, argv: ["echo", ...nasty], stdin: "plain" });
  const [first] = requests.filter(({ method }) => method === "POST");
  assert.deepEqual(first?.params.command, ["echo", ...nasty]);
  assert.equal(first?.params["input-data"], "plain");
  const answer = await ok("exec_in_vm", { vmid: VM, command: "cat", stdin: "grüße\n" });
  assert.equal(answer.stdout, "grüße\n");
  const last = requests.filter(({ method }) => method === "POST").at(-1);
  assert.match(String(last?.params["input-data"]), /^[A-Za-z0-9+/=]+$/);
});

serverTest("the agent's failures each have their own remedy", { env }, async ({ error, simulator }) => {
  const guest = simulator.state.guests.get(VM);
  assert.ok(guest !== undefined);
  const id = { vmid: VM, command: "id" };
  guest.cooperates = false;
  assert.match(await error("exec_in_vm", id), /QEMU guest agent is not running.*installed and running inside/s);
  guest.config.delete("agent");
  assert.match(await error("exec_in_vm", id), /No QEMU guest agent configured.*set_vm_config/s);
  guest.config.set("agent", "1");
  guest.cooperates = true;
  guest.run = undefined;
  assert.match(await error("exec_in_vm", id), /not running.*start_vm/s);
});

serverTest("without the privilege both remedies are named", { env }, async ({ error, simulator }) => {
  for (const [name, privileges] of simulator.state.access.roles) {
    simulator.state.access.roles.set(name, new Set([...privileges].filter((one) => !one.startsWith("VM.GuestAgent"))));
  }
  const text = await error("exec_in_vm", { vmid: VM, command: "id" });
  assert.match(text, /VM\.GuestAgent\.Unrestricted/);
  assert.match(text, /PROXMOX_EXEC_VM=ssh/);
});

serverTest("what does not end is ended inside the guest, and what cannot be ended is said", {
  env,
  simulator: { pace: 1 },
}, async ({ error, client, requests }) => {
  assert.match(
    await error("exec_in_vm", { vmid: VM, argv: ["sleep", "1000"], timeout: 1 }),
    /did not end within 1 s.*Nobody outside can end/s,
  );
  const stop = new AbortController();
  const running = client.callTool(
    { name: "exec_in_vm", arguments: { vmid: VM, command: "sleep 1000" } },
    { signal: stop.signal },
  );
  const started = requests.length;
  while (requests.length < started + 3) await new Promise((resolve) => setTimeout(resolve, 20));
  stop.abort();
  await assert.rejects(running);
  const kill = () => requests.find(({ params }) => /kill -TERM/.test(String(params.command)));
  while (kill() === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
});

serverTest(
  "a program's path with a blank is refused where PVE would break on it",
  { env },
  async ({ error, requests }) => {
    assert.match(await error("exec_in_vm", { vmid: VM, argv: ["C:\\Program Files\\x.exe"] }), /Give it an argument/);
    assert.ok(requests.every(({ method }) => method === "GET"));
  },
);
