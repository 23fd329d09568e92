/** init in a real terminal, key by key, against a simulated PVE: from nothing, and with things wrong on the way. */
import assert from "node:assert/strict";
import { bareToken, demoToken } from "../../src/sim/demo_access.ts";
import { type HttpsSimulator, serveHttps } from "../../src/sim/https.ts";
import { createSimulator, type Simulator } from "../../src/sim/mod.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { CTRL_C, DOWN, hasPty, inTerminal, LEFT, type Terminal } from "../helpers/pty.ts";
import { NEW_SECRET, runPveum } from "../helpers/pveum.ts";
import { TextLineStream } from "../helpers/lines.ts";
import { closedPort, tcpServer } from "../helpers/raw_servers.ts";
import { runnable } from "../helpers/runtime.ts";
import { inherited, serverCommand } from "../helpers/server.ts";

interface World {
  readonly folder: string;
  /** Where the settings are to go. */
  readonly file: string;
  readonly simulator: Simulator;
  readonly server: HttpsSimulator;
  start(...flags: readonly string[]): Terminal;
}

const pty = await hasPty();

/** With another home folder Deno would look for its packages elsewhere. */
function denoDir(): string {
  return `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`;
}

/** A test with a simulated PVE and a folder of its own. */
function test(name: string, run: (world: World) => Promise<void>): void {
  const test = runnable(`init: ${name}`);
  Deno.test({
    name: pty ? test.name : `init: ${name} (skipped: python3, which makes pseudo-terminals, is missing)`,
    ignore: !pty || test.ignore,
    fn: () => inWorld(run),
  });
}

async function inWorld(run: (world: World) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const simulator = createSimulator({ pace: 0 });
  const server = await serveHttps(simulator, {});
  const file = `${folder}/settings/pve.env`;
  const [command, ...args] = serverCommand(["--allow-write"]);
  const env = { DENO_DIR: denoDir(), ...inherited(), TERM: "xterm", HOME: folder, XDG_CONFIG_HOME: folder };
  const start = (...flags: readonly string[]) =>
    inTerminal([command, ...args, "init", "--output", file, ...flags], env, folder);
  try {
    await run({ folder, file, simulator, server, start });
  } finally {
    await server.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** The pveum commands on the screen. */
function commandsOn(terminal: Terminal): string[] {
  return terminal.screen().split("\n").filter((line) => line.startsWith("pveum "));
}

/** Host and fingerprint. */
async function settleHost(terminal: Terminal, { server }: World): Promise<void> {
  await terminal.answer("Where is Proxmox VE?", `https://127.0.0.1:${server.port}/#v1:0:18`);
  await terminal.answer("How shall its certificate be checked?", DOWN);
  await terminal.shows(server.fingerprint);
  await terminal.answer("Is it the same there?", LEFT);
}

/** A user and a token are made with the commands that are shown. */
async function makeToken(terminal: Terminal, { simulator }: World): Promise<void> {
  await terminal.answer("What may the agent do?");
  await terminal.answer("May it make backups?");
  await terminal.answer("Is there an API token");
  await terminal.answer("Where may it do so?");
  await terminal.answer("Which version of PVE");
  await terminal.answer("The user that", "robot@pve");
  await terminal.answer("The token's name");
  await terminal.answer("rights of its own");
  await terminal.shows("shows its secret once");
  runPveum(simulator.state, commandsOn(terminal));
}

async function finish(terminal: Terminal): Promise<void> {
  await terminal.answer("Put the server into a client");
  assert.equal(await terminal.exit, 0, terminal.screen());
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}

/** Calls list_nodes with the settings that were written. */
async function works(file: string): Promise<void> {
  const [command, ...args] = serverCommand();
  const { code, stderr } = await new Deno.Command(command, {
    args: [...args, "call", "list_nodes", "--env-file", file],
    clearEnv: true,
    env: inherited(),
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

test("from nothing to settings that work", async (world) => {
  await using terminal = world.start();
  await settleHost(terminal, world);
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
  await terminal.answer("What may the agent do?");
  await terminal.answer("May it make backups?");
  await terminal.answer("Is there an API token", DOWN);
  await terminal.answer("The user that", demoToken.id);
  await terminal.answer("The token's secret", demoToken.secret);
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

test("a wrong host, a wrong port, a host that says nothing: it says what to do, and asks again", async (world) => {
  await using silent = await tcpServer(() => {});
  await using terminal = world.start();
  await terminal.answer("Where is Proxmox VE?", "http://pve.lan");
  await terminal.shows(/reached by https only/);
  await terminal.press("\x15");
  await terminal.press(`127.0.0.1:${await closedPort()}\r`);
  await terminal.shows("refused, nothing listens there");
  await terminal.shows("Check PROXMOX_HOST and PROXMOX_PORT, and that pveproxy runs on the host");
  await terminal.answer("Where is Proxmox VE?", `127.0.0.1:${silent.port}`);
  await terminal.shows("no answer within 10 s");
  await terminal.shows("no firewall drops the connection");
  await settleHost(terminal, world);
  await terminal.shows("What may the agent do?");
  await terminal.press(CTRL_C);
  assert.equal(await terminal.exit, 130);
});

test("a wrong secret, then a token without an ACL: what it says makes it work", async (world) => {
  await using terminal = world.start();
  await settleHost(terminal, world);
  await terminal.answer("What may the agent do?");
  await terminal.answer("May it make backups?");
  await terminal.answer("Is there an API token", DOWN);
  await terminal.answer("The user that", demoToken.id);
  await terminal.answer("The token's secret", "00000000-0000-4000-8000-0000000000ff");
  await terminal.shows("pveum user token list agent@pve");
  await terminal.answer("What now?", DOWN);
  await terminal.answer("The user that", bareToken.id);
  await terminal.answer("The token's secret", bareToken.secret);
  await terminal.shows("it has no privilege at all");
  await terminal.shows("What now?");
  runPveum(world.simulator.state, commandsOn(terminal));
  await terminal.press("\r");
  await terminal.shows("Everything works.");
  await finish(terminal);
  await works(world.file);
});

test("a role without SDN.Use: the line it shows makes it work", async (world) => {
  const { roles } = world.simulator.state.access;
  roles.set("PVEAdmin", new Set([...roles.get("PVEAdmin") ?? []].filter((privilege) => privilege !== "SDN.Use")));
  await using terminal = world.start();
  await settleHost(terminal, world);
  await terminal.answer("What may the agent do?");
  await terminal.answer("May it make backups?");
  await terminal.answer("Is there an API token", DOWN);
  await terminal.answer("The user that", demoToken.id);
  await terminal.answer("The token's secret", demoToken.secret);
  await terminal.shows("lacks SDN.Use on /sdn/zones/localnetwork/vmbr0");
  await terminal.shows("What now?");
  runPveum(world.simulator.state, commandsOn(terminal));
  await terminal.press("\r");
  await terminal.shows("Everything works.");
  await finish(terminal);
});

test("an expired certificate: renewed as it says, it goes on", async (world) => {
  const authority = await createAuthority();
  await Deno.writeTextFile(`${world.folder}/pve-root-ca.pem`, authority.pem);
  const day = 86_400_000;
  const past = { notAfter: new Date(Date.now() - day), notBefore: new Date(Date.now() - 9 * day) };
  const expired = { ...await authority.issue(past), ca: authority.pem };
  const first = await serveHttps(world.simulator, { certificates: expired });
  await using terminal = world.start();
  await terminal.answer("Where is Proxmox VE?", `127.0.0.1:${first.port}`);
  await terminal.shows("expired on");
  await terminal.shows("Renew it on the host (pvecm updatecerts --force");
  await terminal.shows("How shall its certificate be checked?");
  await first.close();
  const renewed = { ...await authority.issue({ notAfter: new Date(Date.now() + 700 * day) }), ca: authority.pem };
  const second = await serveHttps(world.simulator, { port: first.port, certificates: renewed });
  try {
    await terminal.press(`${DOWN}${DOWN}\r`);
    await terminal.answer("Where is Proxmox VE?", `127.0.0.1:${first.port}`);
    await terminal.answer("How shall its certificate be checked?");
    await terminal.answer("Where is the copy?");
    await terminal.shows("The CA vouches for it.");
    await terminal.shows("What may the agent do?");
    await terminal.press(CTRL_C);
    assert.equal(await terminal.exit, 130);
  } finally {
    await second.close();
  }
});

/** The questions in order, each with the keys that lead to the next one. */
const questions: readonly (readonly [question: string, keys: (world: World) => string])[] = [
  ["Where is Proxmox VE?", ({ server }) => `127.0.0.1:${server.port}`],
  ["How shall its certificate be checked?", () => DOWN],
  ["Is it the same there?", () => LEFT],
  ["What may the agent do?", () => ""],
  ["May it make backups?", () => ""],
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

test("a file that is there is replaced only after a yes; a link never", async (world) => {
  await Deno.mkdir(`${world.folder}/settings`);
  await Deno.writeTextFile(`${world.folder}/mine`, "mine");
  await Deno.symlink(`${world.folder}/mine`, world.file);
  await using terminal = world.start();
  await settleHost(terminal, world);
  await terminal.answer("What may the agent do?");
  await terminal.answer("May it make backups?");
  await terminal.answer("Is there an API token", DOWN);
  await terminal.answer("The user that", demoToken.id);
  await terminal.answer("The token's secret", demoToken.secret);
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
