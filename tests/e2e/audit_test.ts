/** PROXMOX_AUDIT_FILE through the server: two lines a write, no secrets, and no write without a line. */
import assert from "node:assert/strict";
import { demoToken } from "../../src/sim/mod.ts";
import { runnable } from "../helpers/runtime.ts";
import {
  inherited,
  isExecutable,
  type Running,
  serverCommand,
  shareWithServer,
  withServer,
} from "../helpers/server.ts";

function auditTest(name: string, fn: (path: string) => Promise<void>, ignore = false): void {
  const test = runnable(name);
  Deno.test({
    ...test,
    ignore: ignore || test.ignore,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const folder = await Deno.makeTempDir();
      await shareWithServer(folder);
      try {
        await fn(`${folder}/audit.jsonl`);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

function audited(path: string, test: (running: Running) => Promise<void>, env = {}): Promise<void> {
  return withServer({ env: { ...env, PROXMOX_AUDIT_FILE: path }, permissions: [`--allow-write=${path}`] }, test);
}

function entries(path: string): Record<string, unknown>[] {
  return Deno.readTextFileSync(path).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

auditTest(
  "a write has a line before and one after it; a read, and what is wrong or refused early, have none",
  (path) =>
    audited(path, async ({ ok, error }) => {
      await ok("vm_status", { vmid: 102 });
      await error("stop_vm", { vmid: "x" });
      assert.deepEqual(entries(path), []);
      const set = await ok("set_vm_config", { vmid: 102, config: { memory: 2048, description: "new" } });
      assert.ok(Array.isArray(set.changes));
      const [before, after] = entries(path);
      assert.match(String(before?.time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      assert.equal(before?.call, after?.call);
      assert.deepEqual({ ...before, time: 0, call: 0 }, {
        time: 0,
        call: 0,
        event: "before",
        tool: "set_vm_config",
        arguments: { vmid: 102, config: { memory: 2048, description: "new" } },
      });
      assert.equal(after?.outcome, "ok");
      assert.deepEqual(after?.changes, set.changes, "with the old values");
      assert.deepEqual(after?.requests, [{
        method: "PUT",
        path: "/nodes/pve1/qemu/102/config",
        parameters: ["memory", "description", "digest"],
        status: 200,
      }]);
      const stopped = await ok("stop_vm", { vmid: 102 });
      assert.equal(entries(path)[3]?.upid, stopped.upid);
      await error("start_vm", { vmid: 200 });
      assert.deepEqual(entries(path).slice(4).map(({ event, outcome }) => [event, outcome]), [
        ["before", undefined],
        ["after", "usage"],
      ]);
    }),
);

auditTest(
  "old values are complete in the audit log, also where the answer cuts them",
  (path) =>
    audited(path, async ({ ok, simulator }) => {
      const old = "word ".repeat(1600).trim();
      simulator.state.guests.get(102)?.config.set("description", old);
      await ok("set_vm_config", { vmid: 102, config: { description: "" } });
      assert.ok(Deno.readTextFileSync(path).includes(old));
    }),
);

const secrets = {
  password: "marker-password-7f3a",
  cipassword: "marker-cipassword-91bc",
  key: "bWFya2VyLXByaXZhdGUta2V5LW1hdGVyaWFsLTAxMjM0NTY3ODk",
};
const PRIVATE = `-----BEGIN OPENSSH PRIVATE KEY-----\n${secrets.key}\n-----END OPENSSH PRIVATE KEY-----`;
const PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMarkerPublic me@pve.lan";

auditTest("secrets stand in no answer, error, log line or audit line, whatever a call does with them", async (path) => {
  let shown = "";
  await withServer({
    env: { PROXMOX_AUDIT_FILE: path },
    permissions: [`--allow-write=${path}`],
    args: ["--trace"],
  }, async ({ client, simulator, stderr }) => {
    const call = async (name: string, args: Record<string, unknown>) => {
      const onprogress = (progress: object) => void (shown += JSON.stringify(progress));
      shown += JSON.stringify(await client.callTool({ name, arguments: args }, { onprogress }));
    };
    const { password, cipassword } = secrets;
    const container = { ostemplate: "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst", storage: "local-lvm" };
    await call("create_container", { ...container, password });
    await call("create_container", { ...container, password: `${password}\n${password}` });
    await call("create_container", { ...container, password, ssh_public_keys: PRIVATE });
    await call("create_container", { ...container, ssh_public_keys: secrets.key });
    await call("create_container", { ...container, password: [password] });
    await call("create_container", { ...container, hostname: `bad_${password}`, password });
    await call("create_container", { ...container, password, unknown: password });
    await call("create_container", { ...container, vmid: 102, password });
    await call("create_vm", { cipassword, sshkeys: PRIVATE });
    await call("set_vm_config", { vmid: 102, config: { cipassword, description: `it is ${cipassword}` } });
    await call("set_vm_config", { vmid: 102, config: { cipassword } });
    await call("set_vm_config", { vmid: 102, config: JSON.stringify({ cipassword, x: cipassword }) });
    await call("set_vm_config", { vmid: 102, config: { sshkeys: `${PUBLIC}\n${PRIVATE}` } });
    await call("set_vm_config", { vmid: 102, config: { sshkeys: PUBLIC } });
    await call("set_vm_config", { vmid: 102, config: { cipassword: { nested: cipassword } } });
    simulator.state.guests.get(102)?.config.set("description", `Keys: ${PRIVATE}`);
    await call("vm_config", { vmid: 102 });
    await call("set_vm_config", { vmid: 102, config: { description: "none" } });
    await call("vm_status", { vmid: 102, name: demoToken.secret });
    await call("stop_vm", { vmid: 102, node: demoToken.secret });
    shown += stderr();
  });
  const log = Deno.readTextFileSync(path);
  for (const [name, secret] of Object.entries({ ...secrets, token: demoToken.secret })) {
    for (const form of [secret, encodeURIComponent(secret), btoa(secret)]) {
      assert.ok(!log.includes(form), `${name} in the audit log`);
      const at = shown.indexOf(form);
      assert.ok(at < 0, `${name} was shown: …${shown.slice(Math.max(0, at - 200), at + 60)}`);
    }
  }
  assert.ok(log.includes(PUBLIC), "public keys are no secret");
  assert.ok(shown.includes("(not shown)"));
});

auditTest("the server does not start with a file it cannot or must not write to, and says why", async (path) => {
  Deno.writeTextFileSync(`${path}.target`, "");
  Deno.symlinkSync(`${path}.target`, path);
  Deno.writeTextFileSync(`${path}.other`, "export PATH");
  await shareWithServer(`${path}.other`);
  const [command, ...args] = serverCommand([`--allow-write=${path},${path}.other`]);
  const start = (file: string) =>
    new Deno.Command(command, {
      args: [...args, "serve"],
      env: { ...inherited(), PROXMOX_HOST: "pve.lan", PROXMOX_AUDIT_FILE: file },
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
  for (
    const [file, reason] of [
      [path, /is a symbolic link/],
      [path.replace(/\/[^/]+$/, ""), /is no regular file/],
      [`${path}.other`, /holds something else than an audit log/],
      // An executable may write where its user may.
      ...(isExecutable ? [] : [[`${path}.denied`, /--allow-write=/] as const]),
      ["audit.jsonl", /full path/],
    ] as const
  ) {
    const { code, stderr } = await start(file);
    assert.equal(code, 2, file);
    assert.match(new TextDecoder().decode(stderr), reason);
  }
  assert.equal(Deno.readTextFileSync(`${path}.target`), "");
});

auditTest(
  "a file that vanishes while the server runs refuses writes and lets reads go on",
  (path) =>
    audited(path, async ({ ok, error, requests }) => {
      await ok("stop_vm", { vmid: 102 });
      Deno.removeSync(path);
      assert.match(
        await error("start_vm", { vmid: 102 }),
        /^Refused: the audit log cannot be written \(the file was removed\)/,
      );
      assert.equal((await ok("vm_status", { vmid: 102 })).status, "stopped");
      assert.equal(requests.filter(({ method }) => method !== "GET").length, 1);
    }),
);

auditTest(
  "a disk that fills up refuses writes, and none is made without its line",
  (path) =>
    withServer({
      env: { PROXMOX_AUDIT_FILE: path },
      permissions: [`--allow-write=${path}`],
      // No file of this process grows beyond 1 or 2 KiB, depending on the shell's unit.
      through: ["sh", "-c", "trap '' XFSZ; ulimit -f 2; exec \"$@\"", "sh"],
    }, async ({ call, requests }) => {
      let refused = 0;
      for (let round = 0; round < 12; round++) {
        const { text } = await call(round % 2 === 0 ? "stop_vm" : "start_vm", { vmid: 102 });
        if (/^Refused: the audit log cannot be written/.test(text)) refused++;
        else assert.equal(refused, 0, `it went on after a refusal: ${text}`);
      }
      assert.ok(refused > 0);
      const whole = Deno.readTextFileSync(path).split("\n").filter((line) => line.endsWith("}"));
      const begun = whole.filter((line) => line.includes('"event":"before"')).length;
      assert.ok(requests.filter(({ method }) => method !== "GET").length <= begun);
    }),
  Deno.build.os === "windows",
);
