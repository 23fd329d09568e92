/** doctor against a simulated PVE with one thing wrong: it names it, and doing what it says makes it work. */
import assert from "node:assert/strict";
import { isCheck } from "../../src/doctor/check.ts";
import type { Check } from "../../src/doctor/check.ts";
import { reachChecks } from "../../src/doctor/reach.ts";
import { networkError } from "../../src/pve/faults.ts";
import { auditorToken, bareToken } from "../../src/sim/demo_access.ts";
import { serveHttps } from "../../src/sim/https.ts";
import { createSimulator, type SimulatorOptions } from "../../src/sim/mod.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { hasDropper, startDropper } from "../helpers/dropper.ts";
import { NEW_SECRET, runPveum } from "../helpers/pveum.ts";
import { closedPort, targetAt, tcpServer } from "../helpers/raw_servers.ts";
import { inherited, ROOT, serverCommand, settingsFor } from "../helpers/server.ts";

interface Diagnosis {
  readonly code: number;
  readonly checks: readonly Check[];
  readonly text: string;
}

async function doctor(env: Readonly<Record<string, string>>): Promise<Diagnosis> {
  const [command, ...usual] = serverCommand();
  // A name that never resolves, by its standard.
  const args = usual.map((word) => word.replace("localhost", "localhost,pve.invalid"));
  const child = new Deno.Command(command, {
    args: [...args, "doctor", "--json"],
    cwd: ROOT,
    clearEnv: true,
    env: { ...inherited(), ...env },
    stdin: "null",
  });
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(new TextDecoder().decode(stderr), "");
  const { checks }: { checks: unknown[] } = JSON.parse(text);
  assert.ok(checks.every(isCheck));
  for (const { status, remedy, says } of checks) {
    assert.equal(remedy.length > 0, status === "failed" || status === "warning", says);
  }
  return { code, checks, text };
}

/** The one check that went wrong first, with its remedy as text. */
function worst({ checks }: Diagnosis): { id: string; says: string; remedy: string } {
  const found = checks.find(({ status }) => status === "failed") ?? checks.find(({ status }) => status === "warning");
  assert.ok(found !== undefined, "nothing is wrong");
  return { id: found.id, says: found.says, remedy: found.remedy.join("\n") };
}

/** The commands in a remedy. */
function commands(remedy: string): string[] {
  return remedy.split("\n").filter((line) => line.startsWith("pveum "));
}

interface World {
  readonly env: Record<string, string>;
  readonly state: ReturnType<typeof createSimulator>["state"];
  readonly fingerprint: string;
}

function test(name: string, options: SimulatorOptions, run: (world: World) => Promise<void>): void {
  Deno.test(`doctor: ${name}`, async () => {
    const simulator = createSimulator({ pace: 0, ...options });
    const server = await serveHttps(simulator, {});
    try {
      await run({ env: settingsFor(server), state: simulator.state, fingerprint: server.fingerprint });
    } finally {
      await server.close();
    }
  });
}

test("all is well", {}, async ({ env }) => {
  const found = await doctor(env);
  assert.equal(found.code, 0, found.text);
  for (
    const id of ["settings", "name", "connection", "trust", "api", "version", "clock", "token", "nodes", "bridges"]
  ) {
    assert.equal(found.checks.find((check) => check.id === id)?.status, "ok", id);
  }
  assert.ok(found.checks.some(({ id, status }) => id === "tool:create_vm" && status === "ok"));
  assert.ok(!found.text.includes(env.PROXMOX_TOKEN_VALUE ?? "?"), "the secret is shown");
});

test("it changes nothing: it only reads", {
  onRequest: ({ method }) => assert.equal(method, "GET"),
}, async ({ env }) => {
  assert.equal((await doctor(env)).code, 0);
});

test("nothing is set", {}, async () => {
  const found = await doctor({ PROXMOX_HOST: "127.0.0.1" });
  assert.equal(found.code, 2);
  assert.match(worst(found).says, /Not set: PROXMOX_USER, PROXMOX_TOKEN_NAME, PROXMOX_TOKEN_VALUE/);
  assert.match(worst(found).remedy, /proxmox-mcp init/);
});

test("settings that cannot be used", {}, async ({ env }) => {
  const found = await doctor({ ...env, PROXMOX_PORT: "high" });
  assert.deepEqual([found.code, found.checks.length], [2, 1]);
  assert.match(worst(found).says, /PROXMOX_PORT holds the port "high"/);
});

test("1. a wrong host", {}, async ({ env }) => {
  const port = env.PROXMOX_HOST?.split(":")[1] ?? "";
  const found = await doctor({ ...env, PROXMOX_HOST: `pve.invalid:${port}` });
  assert.deepEqual([found.code, worst(found).id], [2, "name"]);
  assert.match(worst(found).says, /"pve\.invalid" cannot be resolved/);
  assert.match(worst(found).remedy, /use the host's IP address/);
  assert.equal((await doctor(env)).code, 0);
});

test("2. a wrong port", {}, async ({ env }) => {
  const found = await doctor({ ...env, PROXMOX_HOST: `127.0.0.1:${await closedPort()}` });
  assert.deepEqual([found.code, worst(found).id], [2, "connection"]);
  assert.match(worst(found).says, /refused/);
  assert.match(worst(found).remedy, /PROXMOX_PORT/);
  assert.equal(found.checks.find(({ id }) => id === "trust")?.status, "skipped");
});

test("3. a wrong token name", {}, async ({ env, state }) => {
  const found = await doctor({ ...env, PROXMOX_USER: "agent@pve!nope" });
  assert.deepEqual([found.code, worst(found).id], [2, "token"]);
  assert.match(
    worst(found).remedy,
    /pveum user token list agent@pve\nIf .* if nope is not in the list, set PROXMOX_TOKEN_NAME to one/s,
  );
  const listed = [...state.access.tokens.values()].find(({ user, secret }) =>
    user === "agent@pve" && secret === env.PROXMOX_TOKEN_VALUE
  );
  assert.equal((await doctor({ ...env, PROXMOX_USER: `agent@pve!${listed?.name}` })).code, 0);
});

test("4. a wrong secret", {}, async ({ env, state }) => {
  const found = await doctor({ ...env, PROXMOX_TOKEN_VALUE: "00000000-0000-4000-8000-0000000000ff" });
  assert.deepEqual([found.code, worst(found).id], [2, "token"]);
  const line = /pveum user token add agent@pve NAME/.exec(worst(found).remedy)?.[0] ?? "";
  runPveum(state, [line.replace("NAME", "second")]);
  const again = { ...env, PROXMOX_USER: "agent@pve!second", PROXMOX_TOKEN_VALUE: NEW_SECRET };
  const next = await doctor(again);
  // Tokens are made with privilege separation: doctor leads on from there.
  assert.deepEqual([next.code, worst(next).id], [2, "privileges"]);
  runPveum(state, commands(worst(next).remedy));
  const last = await doctor(again);
  assert.equal(last.code, 0, last.text);
});

test("5. privilege separation without an ACL", {}, async ({ env, state }) => {
  const bare = { ...env, PROXMOX_USER: bareToken.id, PROXMOX_TOKEN_VALUE: bareToken.secret };
  const found = await doctor(bare);
  assert.deepEqual([found.code, worst(found).id], [2, "privileges"]);
  assert.match(worst(found).says, /no privilege at all.*privilege separation/);
  runPveum(state, commands(worst(found).remedy));
  const again = await doctor(bare);
  assert.equal(again.code, 0, again.text);
});

test("6. a role without SDN.Use", {}, async ({ env, state }) => {
  const left = new Set(state.access.roles.get("PVEAdmin"));
  left.delete("SDN.Use");
  state.access.roles.set("PVEAdmin", left);
  const found = await doctor(env);
  assert.deepEqual([found.code, worst(found).id], [1, "tool:create_vm"]);
  assert.match(worst(found).says, /lacks SDN\.Use on \/sdn\/zones\/localnetwork\/vmbr0/);
  assert.deepEqual(commands(worst(found).remedy).length, 1);
  runPveum(state, commands(worst(found).remedy));
  const again = await doctor(env);
  assert.equal(again.code, 0, again.text);
});

Deno.test("doctor: 7. an expired certificate", async () => {
  const authority = await createAuthority();
  const folder = await Deno.makeTempDir();
  const ca = `${folder}/pve-root-ca.pem`;
  await Deno.writeTextFile(ca, authority.pem);
  const simulator = createSimulator({ pace: 0 });
  const day = 86_400_000;
  const expired = await authority.issue({
    notAfter: new Date(Date.now() - day),
    notBefore: new Date(Date.now() - 9 * day),
  });
  const server = await serveHttps(simulator, { certificates: { ...expired, ca: authority.pem } });
  const { PROXMOX_FINGERPRINT: _pin, ...settings } = settingsFor(server);
  const env = { ...settings, PROXMOX_CA_FILE: ca };
  const found = await doctor(env).finally(() => server.close());
  assert.deepEqual([found.code, worst(found).id], [2, "trust"]);
  assert.match(worst(found).says, /expired on \d{4}-/);
  assert.match(worst(found).remedy, /Renew it on the host \(pvecm updatecerts --force/);
  const renewed = await authority.issue({ notAfter: new Date(Date.now() + 700 * day) });
  const again = await serveHttps(simulator, { port: server.port, certificates: { ...renewed, ca: authority.pem } });
  const after = await doctor(env).finally(() => again.close());
  await Deno.remove(folder, { recursive: true });
  assert.equal(after.code, 0, after.text);
});

test("8. a changed certificate", {}, async ({ env, fingerprint }) => {
  const old = fingerprint.replace(/^../, fingerprint.startsWith("00") ? "01" : "00");
  const found = await doctor({ ...env, PROXMOX_FINGERPRINT: old });
  assert.deepEqual([found.code, worst(found).id], [2, "trust"]);
  assert.match(worst(found).remedy, /pvenode cert info.*set PROXMOX_FINGERPRINT to the new one/);
  const shown = /has the fingerprint ([0-9A-F:]+)/.exec(worst(found).says)?.[1] ?? "";
  assert.equal((await doctor({ ...env, PROXMOX_FINGERPRINT: shown })).code, 0);
});

let skew = 3_600_000;
test("9. a clock an hour off", { clock: { now: () => Date.now() + skew } }, async ({ env }) => {
  const found = await doctor(env);
  assert.deepEqual([found.code, worst(found).id], [1, "clock"], found.text);
  assert.match(worst(found).says, /60 minutes behind PVE's/);
  assert.match(worst(found).remedy, /timedatectl set-ntp true/);
  skew = 0;
  assert.equal((await doctor(env)).code, 0);
});

test("a host that takes connections and says nothing", {}, async ({ env }) => {
  await using silent = await tcpServer(() => {});
  const found = await doctor({ ...env, PROXMOX_HOST: `127.0.0.1:${silent.port}`, PROXMOX_TIMEOUT: "2" });
  assert.equal(found.code, 2);
  assert.match(worst(found).says, /no answer within 2 s/);
  assert.match(worst(found).remedy, /firewall/);
});

const dropping = await hasDropper();
Deno.test({
  name: `doctor: 10. a host that drops packets${dropping ? "" : " (skipped: it takes Linux and python3)"}`,
  ignore: !dropping,
  async fn() {
    await using dropper = await startDropper();
    // No fingerprint counts as not set.
    const found = await doctor({ ...settingsFor({ port: dropper.port, fingerprint: "" }), PROXMOX_TIMEOUT: "2" });
    assert.deepEqual([found.code, worst(found).id], [2, "connection"]);
    assert.match(worst(found).says, /no answer within 2 s/);
    assert.match(worst(found).remedy, /no firewall drops the connection/);
  },
});

test("a pool that is not there, and one that is", {}, async ({ env, state }) => {
  const found = await doctor({ ...env, PROXMOX_POOL: "agents" });
  assert.deepEqual([found.code, worst(found).id], [1, "pools"]);
  assert.match(worst(found).says, /PROXMOX_POOL is "agents", and there is no such pool/);
  assert.match(worst(found).remedy, /there are prod\), or make it on the PVE host: pveum pool add agents/);
  state.pools.set("agents", { id: "agents", comment: undefined, guests: new Set() });
  assert.equal((await doctor({ ...env, PROXMOX_POOL: "agents" })).code, 0);
});

const auditor = { PROXMOX_USER: auditorToken.id, PROXMOX_TOKEN_VALUE: auditorToken.secret };

test(
  "a token that may only look: one line for each tool, which makes it work, and one set for all",
  {},
  async ({ env, state }) => {
    const found = await doctor({ ...env, ...auditor });
    assert.equal(found.code, 2);
    const broken = found.checks.filter(({ id, status }) => id.startsWith("tool:") && status === "failed");
    assert.ok(broken.length > 10);
    for (const { says, remedy } of broken) {
      assert.equal(remedy.length, 1, says);
      // A privilege that one of several brings is told once.
      assert.doesNotMatch(says, /VM\.Config\.\w+ or /);
    }
    // VM.Backup, with Datastore.AllocateSpace, would delete backups: they never share a role.
    const backup = broken.find(({ id }) => id === "tool:create_backup")?.remedy[0] ?? "";
    assert.match(backup, /role add MCP-VM\.Backup --privs VM\.Backup;.*role add MCP-Datastore\.AllocateSpace /);
    const start = broken.find(({ id }) => id === "tool:start_vm")?.remedy ?? [];
    runPveum(state, start);
    const next = await doctor({ ...env, ...auditor });
    assert.equal(next.checks.find(({ id }) => id === "tool:start_vm")?.status, "ok");
    const role = next.checks.find(({ id }) => id === "role")?.remedy ?? [];
    assert.match(role[0] ?? "", /PROXMOX_READ_ONLY=true/);
    assert.equal((await doctor({ ...env, ...auditor, PROXMOX_READ_ONLY: "true" })).code, 0);
    runPveum(state, broken.flatMap(({ remedy }) => remedy));
    const last = await doctor({ ...env, ...auditor });
    assert.equal(last.code, 0, last.text);
  },
);

test("the set for all tools makes a role bigger that is there already", {}, async ({ env, state }) => {
  state.access.roles.set("MCP", new Set(["VM.Audit"]));
  const found = await doctor({ ...env, ...auditor });
  runPveum(state, commands(found.checks.find(({ id }) => id === "role")?.remedy.join("\n") ?? ""));
  assert.equal((await doctor({ ...env, ...auditor })).code, 0);
});

test("for people, what several tools lack is said once", {}, async ({ env }) => {
  const [command, ...args] = serverCommand();
  const { stdout } = await new Deno.Command(command, {
    args: [...args, "doctor"],
    clearEnv: true,
    env: { ...inherited(), ...env, ...auditor, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.match(text, /^✗ start_vm, stop_vm, .*reboot_container do not work: they lack VM\.PowerMgmt on \/vms$/m);
  assert.match(text, /^✓ \d+ tools work: list_nodes, /m);
  assert.equal(text.match(/pveum role add/g)?.length, 2, text);
  assert.match(text, /Not working: \d+; worth a look: 1\. Each says what to do\./);
});

Deno.test("doctor: on macOS it tells that a terminal and a client differ, in each outcome where that may be it", () => {
  const target = targetAt(8006);
  const certificate = { fingerprint: "AA", subject: "pve1", issuer: "PVE", until: Date.now() + 1e11 };
  const way = (code: string | undefined, os: string) => {
    const failure = code === undefined
      ? undefined
      : networkError(Object.assign(new Error(`connect ${code}`), { code }), target, "GET /version", os);
    const reached = code === undefined ? "trust" : "name";
    const probe = { addresses: ["192.0.2.10"], reached, certificate, failure } as const;
    return JSON.stringify(reachChecks(target, probe, Date.now(), os));
  };
  for (const code of ["EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", undefined]) {
    const told = way(code, "darwin").match(/System Settings, Privacy & Security, Local Network/g);
    assert.equal(told?.length, 1, `${code}: once, and not twice`);
    assert.match(way(code, "darwin"), /terminal.*client/);
  }
  assert.match(way("EHOSTUNREACH", "darwin"), /where it works in a terminal and not in a client, this is it/);
  // Who refuses has been reached.
  assert.doesNotMatch(way("ECONNREFUSED", "darwin"), /Local Network/);
  for (const code of ["EHOSTUNREACH", undefined]) assert.doesNotMatch(way(code, "linux"), /Local Network/);
});

test("no verification is worth a warning that names the fingerprint", {}, async ({ env, fingerprint }) => {
  const { PROXMOX_FINGERPRINT: _pin, ...open } = env;
  const found = await doctor(open);
  assert.deepEqual([found.code, worst(found).id], [1, "trust"]);
  assert.ok(worst(found).remedy.includes(`PROXMOX_FINGERPRINT=${fingerprint}`));
});
