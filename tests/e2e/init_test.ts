/** init in a real terminal, key by key, against a simulated PVE: from nothing, and with things wrong on the way. */
import assert from "node:assert/strict";
import {
  chooseTools,
  commandsOn,
  demoToken,
  exists,
  finish,
  initTest as test,
  type InitWorld,
  inWorld,
  makeToken,
  settleHost,
  useToken,
  works,
} from "../helpers/init.ts";
import { CTRL_C, DOWN, LEFT } from "../helpers/pty.ts";
import { NEW_SECRET, runPveum } from "../helpers/pveum.ts";
import { TextLineStream } from "../helpers/lines.ts";
import { runnable } from "../helpers/runtime.ts";
import { inherited, serverCommand } from "../helpers/server.ts";
import { noSshd, sshTest, startSshd } from "../helpers/sshd.ts";

test("from nothing to settings that work", async (world) => {
  await using terminal = world.start();
  await settleHost(terminal, world);
  await chooseTools(terminal);
  await makeToken(terminal, world);
  await terminal.answer("The token's secret", NEW_SECRET);
  await terminal.shows("Everything works.");
  await finish(terminal);
  assert.ok(!terminal.screen().includes(NEW_SECRET), "the secret is on the screen");
  const { mode } = await Deno.stat(world.file);
  assert.equal((mode ?? 0) & 0o777, 0o600);
  const text = await Deno.readTextFile(world.file);
  assert.match(
    text,
    /^PROXMOX_HOST=127\.0\.0\.1:\d+\nPROXMOX_FINGERPRINT=[0-9A-F:]{95}\nPROXMOX_USER=robot@pve!mcp\n/m,
  );
  assert.deepEqual([...Deno.readDirSync(`${world.folder}/settings`)].map(({ name }) => name), ["pve.env"]);
  await works(world.file);
});

test("on to a client that starts the server with these settings", async (world) => {
  await Deno.mkdir(`${world.folder}/.cursor`);
  await using terminal = world.start();
  await settleHost(terminal, world);
  await useToken(terminal, demoToken);
  await terminal.answer("Put the server into a client", `${DOWN}${DOWN}`);
  assert.equal(await terminal.exit, 0, terminal.screen());
  const text = await Deno.readTextFile(`${world.folder}/.cursor/mcp.json`);
  assert.ok(!text.includes(demoToken.secret), "the secret is in the client's file");
  const { mcpServers: { proxmox } } = JSON.parse(text);
  const initialize = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "tests", version: "1" } };
  const messages = [
    { id: 1, method: "initialize", params: initialize },
    { method: "notifications/initialized" },
    { id: 2, method: "tools/call", params: { name: "list_nodes", arguments: {} } },
  ];
  const child = new Deno.Command(proxmox.command, {
    args: proxmox.args,
    clearEnv: true,
    env: { ...inherited(), ...proxmox.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  for (const message of messages) {
    await input.write(new TextEncoder().encode(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`));
  }
  for await (const line of child.stdout.pipeThrough(new TextLineStream())) {
    const answer = JSON.parse(line);
    if (answer.id !== 2) continue;
    assert.equal(answer.result.structuredContent.nodes.length, 3, line);
    break;
  }
  await input.close();
  await child.status;
});

test("with backups, and commands in some guests: the role and the settings say so", async (world) => {
  await using terminal = world.start();
  await settleHost(terminal, world);
  await terminal.answer("What may the agent do?");
  await terminal.answer("May it make backups?", LEFT);
  await terminal.answer("May it run commands inside guests?", LEFT);
  await terminal.answer("In which guests?", "sandbox");
  await terminal.shows("no vmid, tag or pool");
  await terminal.press(`\x15102,tag:sandbox\r`);
  await terminal.shows("docs/exec.md");
  const commands = (await makeToken(terminal, world)).join("\n");
  assert.match(commands, /role modify MCP --append 1 --privs \S*VM\.GuestAgent\.Unrestricted/);
  assert.match(commands, /role add MCP-Backup --privs VM\.Backup$/m);
  await terminal.answer("The token's secret", NEW_SECRET);
  await terminal.shows("Everything works.");
  await finish(terminal);
  const text = await Deno.readTextFile(world.file);
  assert.match(text, /^PROXMOX_ENABLE_EXEC=true\nPROXMOX_EXEC_GUESTS=102,tag:sandbox$/m);
  assert.doesNotMatch(text, /EXCLUDE/);
  await works(world.file);
});

test("an address without a port is looked for at both that are usual", async (world) => {
  await using terminal = world.start();
  await terminal.answer("Where is Proxmox VE?", "https://127.0.0.9/");
  await terminal.shows(/127\.0\.0\.9:8006.*nor does PVE answer on port 443/);
  await terminal.shows("Where is Proxmox VE?");
  await terminal.press(CTRL_C);
  assert.equal(await terminal.exit, 130);
});

test("read only, in one pool, by the CA file", async (world) => {
  const ca = `${world.folder}/pve-root-ca.pem`;
  await Deno.writeTextFile(ca, world.server.ca);
  world.simulator.state.pools.set("agents", { id: "agents", comment: undefined, guests: new Set([105, 9000]) });
  await using terminal = world.start();
  await terminal.answer("Where is Proxmox VE?", `127.0.0.1:${world.server.port}`);
  await terminal.answer("How shall its certificate be checked?");
  await terminal.shows(`scp root@127.0.0.1:/etc/pve/pve-root-ca.pem .`);
  await terminal.answer("Where is the copy?");
  await terminal.answer("What may the agent do?", DOWN);
  await terminal.answer("Is there an API token");
  await terminal.answer("Where may it do so?", DOWN);
  await terminal.answer("The pool");
  await terminal.answer("The storages");
  await terminal.answer("The bridges");
  await terminal.answer("Which version of PVE");
  await terminal.answer("The user that");
  await terminal.answer("The token's name", "reader");
  await terminal.answer("rights of its own", DOWN);
  await terminal.shows("shows its secret once");
  const commands = commandsOn(terminal);
  assert.ok(commands.every((line) => !/VM\.(?:Allocate|PowerMgmt|Config)/.test(line)), commands.join("\n"));
  world.simulator.state.access.acl.splice(0);
  runPveum(world.simulator.state, commands.filter((line) => !line.startsWith("pveum pool ")));
  await terminal.answer("The token's secret", NEW_SECRET);
  await terminal.shows("Everything works.");
  await finish(terminal);
  const text = await Deno.readTextFile(world.file);
  assert.match(text, /^PROXMOX_CA_FILE=.*pve-root-ca\.pem$/m);
  assert.match(text, /^PROXMOX_READ_ONLY=true$/m);
  assert.match(text, /^PROXMOX_POOL=agents$/m);
  await works(world.file);
});

/** The questions in order, each with the keys that lead to the next one. */
const questions: readonly (readonly [question: string, keys: (world: InitWorld) => string])[] = [
  ["Where is Proxmox VE?", ({ server }) => `127.0.0.1:${server.port}`],
  ["How shall its certificate be checked?", () => DOWN],
  ["Is it the same there?", () => LEFT],
  ["What may the agent do?", () => ""],
  ["May it make backups?", () => ""],
  ["May it run commands inside guests?", () => LEFT],
  ["In which guests?", () => ""],
  ["Is there an API token", () => ""],
  ["Where may it do so?", () => ""],
  ["Which version of PVE", () => ""],
  ["The user that", () => ""],
  ["The token's name", () => "mcp"],
  ["rights of its own", () => ""],
  ["The token's secret", () => demoToken.secret],
];

for (const [index, [question]] of questions.entries()) {
  test(`Ctrl-C at "${question}" ends it with 130, and nothing is left`, async (world) => {
    await using terminal = world.start();
    for (const [earlier, keys] of questions.slice(0, index)) await terminal.answer(earlier, keys(world));
    await terminal.shows(question);
    await terminal.press(CTRL_C);
    assert.equal(await terminal.exit, 130, terminal.screen());
    assert.match(terminal.screen(), /Nothing was written/);
    assert.ok(!exists(world.file) && !exists(`${world.folder}/settings`));
  });
}

test("Ctrl-C after a check that found something leaves nothing", async (world) => {
  await using terminal = world.start();
  await settleHost(terminal, world);
  await useToken(terminal, { id: demoToken.id, secret: "00000000-0000-4000-8000-0000000000ff" });
  await terminal.shows("What now?");
  await terminal.press(CTRL_C);
  assert.equal(await terminal.exit, 130, terminal.screen());
  assert.match(terminal.screen(), /Nothing was written/);
  assert.ok(!exists(`${world.folder}/settings`));
});

test("Ctrl-C when the settings are written keeps them, whole, and says so", async (world) => {
  await using terminal = world.start();
  await settleHost(terminal, world);
  await useToken(terminal, demoToken);
  await terminal.shows("Put the server into a client");
  await terminal.press(CTRL_C);
  assert.equal(await terminal.exit, 130, terminal.screen());
  assert.match(terminal.screen(), /No client was changed; the settings are in .*pve\.env/);
  assert.doesNotMatch(terminal.screen(), /Cancelled\. Nothing was written/);
  await works(world.file);
});

test("a file that is there is replaced only after a yes; a link never", async (world) => {
  await Deno.mkdir(`${world.folder}/settings`);
  await Deno.writeTextFile(`${world.folder}/mine`, "mine");
  await Deno.symlink(`${world.folder}/mine`, world.file);
  await using terminal = world.start();
  await settleHost(terminal, world);
  await useToken(terminal, demoToken);
  await terminal.shows("is a link or no regular file");
  await terminal.answer("Where shall the settings go?", `${world.folder}/mine`);
  await terminal.answer("Replace ");
  await terminal.answer("Where shall the settings go?", `${world.folder}/other.env`);
  await finish(terminal);
  assert.equal(await Deno.readTextFile(`${world.folder}/mine`), "mine");
  await works(`${world.folder}/other.env`);
});

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Without a terminal: words, and the secret on stdin. */
async function unattended(words: readonly string[], secret: string): Promise<Outcome> {
  const [command, ...args] = serverCommand(["--allow-write"]);
  const child = new Deno.Command(command, {
    args: [...args, "init", ...words],
    clearEnv: true,
    env: inherited(),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(`${secret}\n`)).catch(() => {});
  await input.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test({
  ...runnable("init with flags alone asks nothing, and names what is missing"),
  fn: () =>
    inWorld(async ({ server, file }) => {
      const host = `PROXMOX_HOST=127.0.0.1:${server.port}`;
      const user = `PROXMOX_USER=${demoToken.id}`;
      const unknown = await unattended([host, user, `--output=${file}`], demoToken.secret);
      assert.equal(unknown.code, 2);
      assert.ok(unknown.stderr.includes(`PROXMOX_FINGERPRINT=${server.fingerprint}`), unknown.stderr);
      assert.equal(unknown.stderr.match(/What to do:/g)?.length, 1, unknown.stderr);
      const mistyped = await unattended([host, "PROXMOX_FINGERPRIN=x"], demoToken.secret);
      assert.deepEqual([mistyped.code, /Did you mean PROXMOX_FINGERPRINT\?/.test(mistyped.stderr)], [2, true]);
      const apart = ["PROXMOX_HOST=https://127.0.0.1/ui", `PROXMOX_PORT=${server.port}`, user];
      assert.match(
        (await unattended(apart, demoToken.secret)).stderr,
        new RegExp(`127\\.0\\.0\\.1:${server.port}: its certificate`),
      );
      const pin = `PROXMOX_FINGERPRINT=${server.fingerprint}`;
      const wrong = await unattended([host, user, pin, `--output=${file}`], "00000000-0000-4000-8000-0000000000ff");
      assert.equal(wrong.code, 1);
      assert.match(wrong.stderr, /does not accept the token[^]*Nothing was written/);
      assert.ok(!exists(file));
      const right = await unattended([host, user, pin, `--output=${file}`], demoToken.secret);
      assert.deepEqual([right.code, right.stderr], [0, ""]);
      await works(file);
      const again = await unattended([host, user, pin, `--output=${file}`], demoToken.secret);
      assert.equal(again.code, 2);
      assert.match(again.stderr, /is there already[^]*--force/);
      const shown = await unattended([host, user, `PROXMOX_TOKEN_VALUE=${demoToken.secret}`], "");
      assert.equal(shown.code, 2);
      assert.match(shown.stderr, /stands on the command line/);
      assert.ok(!shown.stderr.includes(demoToken.secret));
    }),
});

const entering = runnable("init with flags logs in where guests are entered from, and names a host that is not known");

sshTest(
  entering.name,
  noSshd ?? (entering.ignore ? "see its name" : undefined),
  () =>
    inWorld(async ({ server, file }) => {
      await using sshd = await startSshd();
      const words = [
        `PROXMOX_HOST=127.0.0.1:${server.port}`,
        `PROXMOX_USER=${demoToken.id}`,
        `PROXMOX_FINGERPRINT=${server.fingerprint}`,
        "PROXMOX_ENABLE_EXEC=true",
        `PROXMOX_SSH_HOST=127.0.0.1:${sshd.port}`,
        `PROXMOX_SSH_USER=${sshd.user}`,
        `PROXMOX_SSH_KEY_FILE=${sshd.key}`,
        `--output=${file}`,
      ];
      const unknown = await unattended(words, demoToken.secret);
      assert.equal(unknown.code, 1, unknown.stderr);
      assert.ok(
        unknown.stderr.replaceAll(/\s+/g, " ").includes(`PROXMOX_SSH_HOST_KEY=${sshd.fingerprint}`),
        unknown.stderr,
      );
      assert.ok(!exists(file));
      const known = await unattended([...words, `PROXMOX_SSH_HOST_KEY=${sshd.fingerprint}`], demoToken.secret);
      assert.deepEqual([known.code, known.stderr], [0, ""]);
      assert.match(Deno.readTextFileSync(file), /^PROXMOX_SSH_HOST_KEY=/m);
      assert.deepEqual(sshd.calls(), []);
    }),
);
