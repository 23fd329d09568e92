/** The commands as a person runs them: exit codes, and what goes to stdout and what to stderr. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { TextLineStream } from "../helpers/lines.ts";
import { closedPort } from "../helpers/raw_servers.ts";
import { runnable } from "../helpers/runtime.ts";
import { bitmapOf } from "../helpers/picture.ts";
import { inherited, isExecutable, ROOT, serverCommand, shareWithServer } from "../helpers/server.ts";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the program wrote to stdout, byte for byte. */
interface Raw extends Omit<Outcome, "stdout"> {
  readonly bytes: Uint8Array;
}

interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Instead of the permissions that the server gets; none in a compiled binary. */
  readonly permissions?: readonly string[];
}

/** The program with given permissions; a binary has its own. */
function program(permissions: readonly string[] | undefined): [string, ...string[]] {
  if (permissions === undefined || isExecutable) return serverCommand();
  return [Deno.execPath(), "run", "--no-prompt", "--quiet", ...permissions, `${ROOT}main.ts`];
}

async function run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { bytes, code, stderr } = await runRaw(args, options);
  return { code, stdout: new TextDecoder().decode(bytes), stderr };
}

async function runRaw(args: readonly string[], options: RunOptions = {}): Promise<Raw> {
  const [command, ...rest] = program(options.permissions);
  const child = new Deno.Command(command, {
    args: [...rest, ...args],
    cwd: ROOT,
    clearEnv: true,
    env: { ...inherited(), ...options.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const deadline = setTimeout(() => child.kill("SIGKILL"), 60_000);
  try {
    const input = child.stdin.getWriter();
    // A program that does not read its input may be gone by now.
    if (options.stdin !== undefined) await input.write(new TextEncoder().encode(options.stdin)).catch(() => {});
    await input.close().catch(() => {});
    const { code, stdout, stderr } = await child.output();
    return { code, bytes: stdout, stderr: new TextDecoder().decode(stderr) };
  } finally {
    clearTimeout(deadline);
  }
}

/** A test, or the reason why it does not run. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ ...runnable(name), fn });
}

Deno.test("--version prints name and version", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  assert.deepEqual(await run(["--version"]), { code: 0, stdout: `proxmox-mcp ${version}\n`, stderr: "" });
});

Deno.test("--help shows every command and every setting, and the promise", async () => {
  const { code, stdout, stderr } = await run(["--help"]);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  for (const word of ["serve", "demo", "call TOOL", "tools", "simulate", "--json", "--version"]) {
    assert.ok(stdout.includes(word), word);
  }
  for (
    const name of ["HOST", "USER", "TOKEN_NAME", "TOKEN_VALUE", "VERIFY_SSL", "CA_FILE", "FINGERPRINT", "READ_ONLY"]
  ) {
    assert.ok(stdout.includes(`PROXMOX_${name}`), name);
  }
  assert.match(stdout, /no tool that deletes/);
});

Deno.test("tools lists all tools with their toolset, tokens and privileges, for people and as JSON", async () => {
  const table = await run(["tools"]);
  assert.equal(table.code, 0);
  assert.match(table.stdout, /^core \(on by default\): \d+ tools, about \d{4} tokens\n/);
  assert.match(table.stdout, /\nlist_nodes +read +\d\d +Sys\.Audit\n/);
  assert.match(table.stdout, /\nstop_vm +lifecycle +\d+ +VM\.PowerMgmt, VM\.Audit\n/);
  for (const line of table.stdout.split("\n")) assert.ok(line.length <= 120, line);
  const json = await run(["tools", "--json"]);
  const tools: { name: string; description: string; tier: string; inputSchema: { type: string } }[] = JSON.parse(
    json.stdout,
  );
  assert.ok(tools.length >= 27);
  for (const tool of tools) {
    assert.equal(tool.inputSchema.type, "object");
    assert.ok(tool.description.length > 20 && table.stdout.includes(tool.name), tool.name);
  }
  assert.equal(table.stderr + json.stderr, "");
});

Deno.test("call prints a table, or with --json the structured answer", async () => {
  const table = await run(["call", "list_nodes", "--demo"]);
  assert.deepEqual({ code: table.code, stderr: table.stderr }, { code: 0, stderr: "" });
  assert.match(table.stdout, /node +status .*\n +pve1 +online .*\n +pve2 +online .*\n +pve3 +online /);
  const json = await run(["call", "list_nodes", "--demo", "--json"]);
  const nodes: { node: string }[] = JSON.parse(json.stdout).nodes;
  assert.deepEqual(nodes.map(({ node }) => node), ["pve1", "pve2", "pve3"]);
});

Deno.test("call reaches every tool of the demo, and warns of settings that the demo does not use", async () => {
  const call = ["call", "list_pools", "--demo"];
  const plain = await run(call);
  assert.deepEqual({ code: plain.code, stderr: plain.stderr }, { code: 0, stderr: "" });
  assert.match(plain.stdout, /prod/);
  const env = { PROXMOX_READ_ONLY: "true", PROXMOX_TOKEN_VALUE: "hush", PROXMOX_HOST: "" };
  const warned = await run([...call, "--env-file", "gone.env"], { env });
  assert.equal(warned.code, 0, warned.stderr);
  assert.equal(
    warned.stderr,
    "Warning: --demo uses no settings, and leaves out --env-file, PROXMOX_READ_ONLY, PROXMOX_TOKEN_VALUE\n",
  );
  const blind = await run(call, { env, permissions: ["--allow-read"] });
  assert.equal(blind.code, 0, blind.stderr);
});

Deno.test("call takes arguments as key=value and as JSON", async () => {
  const words = await run(["call", "set_vm_config", "vmid=105", 'config={"memory": 4096}', "--demo", "--json"]);
  assert.deepEqual(JSON.parse(words.stdout).changes, [{ key: "memory", old: "2048", new: "4096" }]);
  const object = await run(["call", "vm_status", '{"name": "docker"}', "--demo", "--json"]);
  assert.equal(JSON.parse(object.stdout).vmid, 102);
});

Deno.test("a call that fails exits with 1, the error and its remedy on stderr, and nothing on stdout", async () => {
  for (
    const [args, says] of [
      [["vm_status", "vmid=4711"], /No VM 4711[^]*\nWhat to do: See list_vms/],
      [["vm_status", "vmid=99"], /vmid=99: it must be a whole number[^]*\nWhat to do: vmid/],
      [["vm_status", "vmid=1e2"], /vmid="1e2": it must be a whole number/],
      [["start_vm", "vmid=9000"], /is a template[^]*\nWhat to do: Clone it with clone_vm/],
      [["stop_vm", "vmid=108"], /VM is locked \(backup\)[^]*\nWhat to do: .*Wait until/],
    ] as const
  ) {
    const { code, stdout, stderr } = await run(["call", ...args, "--demo", "--json"]);
    assert.equal(code, 1, args.join(" "));
    assert.equal(stdout, "", args.join(" "));
    assert.match(stderr, says);
  }
});

Deno.test("a call without settings names all that are missing; one to a dead host says so", async () => {
  const missing = await run(["call", "list_nodes"], { env: { PROXMOX_TIMEOUT: "2" } });
  assert.deepEqual([missing.code, missing.stdout], [1, ""]);
  assert.match(missing.stderr, /PROXMOX_HOST, PROXMOX_USER, PROXMOX_TOKEN_NAME, PROXMOX_TOKEN_VALUE are not set/);
  const dead = await run(["call", "list_nodes"], {
    env: {
      PROXMOX_HOST: `127.0.0.1:${await closedPort()}`,
      PROXMOX_USER: "agent@pve!mcp",
      PROXMOX_TOKEN_VALUE: "5c0ffee5-0000-4000-8000-00000000feed",
    },
  });
  assert.deepEqual([dead.code, dead.stdout], [1, ""]);
  assert.match(dead.stderr, /connection was refused[^]*What to do: Check PROXMOX_HOST/);
  assert.doesNotMatch(dead.stderr, /feed/);
});

test(
  "settings come from a file that is named, and the environment wins over it",
  async () => {
    const file = await Deno.makeTempFile({ suffix: ".env" });
    try {
      await shareWithServer(file);
      await Deno.writeTextFile(file, "PROXMOX_HOST=http://wrong\nPROXMOX_TIMEOUT=3\n");
      const bad = await run(["call", "list_nodes", "--env-file", file]);
      assert.deepEqual([bad.code, bad.stdout], [2, ""]);
      assert.match(bad.stderr, /PROXMOX_HOST starts with http:\/\//);
      const over = await run(["call", "list_nodes", `--env-file=${file}`], { env: { PROXMOX_HOST: "127.0.0.1" } });
      assert.match(over.stderr, new RegExp(`Settings read from ${file}\n[^]*PROXMOX_USER, PROXMOX_TOKEN_NAME`));
    } finally {
      await Deno.remove(file);
    }
  },
);

Deno.test("a command line that makes no sense exits with 2 and says what would", async () => {
  for (
    const [args, says] of [
      [["call", "list_node", "--demo"], /no tool "list_node"[^]*Did you mean list_nodes\?/],
      [["call", "delete_vm", "vmid=105", "--demo"], /no tool "delete_vm"/],
      [["call", "constructor", "--demo"], /no tool "constructor"/],
      [["call"], /needs the name of a tool[^]*call vm_status vmid=102/],
      [["call", "vm_status", "102", "--demo"], /"102" is not an argument[^]*vmid=102/],
      [["call", "vm_status", "vmid=100", "vmid=102", "--demo"], /vmid is given twice/],
      [["call", "vm_status", "{vmid: 102}", "--demo"], /not a JSON object/],
      [["--verbose"], /no flag --verbose[^]*There are: --demo/],
      [["tools", "--jsn"], /no flag --jsn[^]*Did you mean --json\?/],
      [["tools", "--demo"], /--demo does not go with tools[^]*serve, call/],
      [["serv"], /no command "serv"[^]*Did you mean serve\?/],
      [["serve", "now"], /serve takes no argument/],
      [["simulate", "--port", "80o6"], /--port is "80o6"[^]*0 to 65535/],
      [["serve", "--env-file", "/nowhere/.env"], /Cannot read the settings file \/nowhere\/\.env[^]*--env-file/],
    ] as const
  ) {
    const { code, stdout, stderr } = await run(args);
    assert.equal(code, 2, args.join(" "));
    assert.equal(stdout, "", args.join(" "));
    assert.match(stderr, says);
    assert.doesNotMatch(stderr, /Uncaught|\n +at /, args.join(" "));
  }
});

const hello = [
  {
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "tests", version: "1" } },
  },
  { method: "notifications/initialized" },
  { id: 2, method: "tools/list" },
  { id: 3, method: "tools/call", params: { name: "list_nodes", arguments: {} } },
  { id: 4, method: "tools/call", params: { name: "vm_status", arguments: { vmid: "junk" } } },
  { id: 5, method: "tools/call", params: { name: "delete_vm", arguments: { vmid: 105 } } },
  { id: 6, method: "no/such/method" },
];

/** Speaks to `serve` by hand, line by line, and returns what it says on stdout once all is answered. */
async function converse(args: readonly string[], permissions: readonly string[] | undefined): Promise<Outcome> {
  const [command, ...rest] = program(permissions);
  const child = new Deno.Command(command, {
    args: [...rest, ...args],
    clearEnv: true,
    env: { ...inherited(), PROXMOX_TIMEOUT: "2" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const deadline = setTimeout(() => child.kill("SIGKILL"), 60_000);
  try {
    const input = child.stdin.getWriter();
    const stderr = new Response(child.stderr).text();
    for (const message of hello) {
      await input.write(new TextEncoder().encode(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`));
    }
    const lines: string[] = [];
    for await (const line of child.stdout.pipeThrough(new TextLineStream())) {
      lines.push(line);
      if (lines.length === hello.filter((message) => "id" in message).length) await input.close();
    }
    return { code: (await child.status).code, stdout: lines.join("\n"), stderr: await stderr };
  } finally {
    clearTimeout(deadline);
  }
}

for (
  const [what, args, permissions] of [
    ["serve --demo with nothing but its own files", ["serve", "--demo"], ["--allow-read"]],
    ["serve --demo --trace", ["serve", "--demo", "--trace"], undefined],
    ["serve without settings", [], undefined],
  ] as const
) {
  Deno.test(`${what} puts nothing but the protocol on stdout`, async () => {
    const { code, stdout, stderr } = await converse(args, permissions);
    assert.equal(code, 0, stderr);
    const answers = stdout.split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(answers.map(({ id }) => id).sort(), [1, 2, 3, 4, 5, 6]);
    for (const answer of answers) {
      assert.equal(answer.jsonrpc, "2.0");
      assert.ok(("result" in answer) !== ("error" in answer));
    }
    const result = (id: number) => answers.find((answer) => answer.id === id);
    assert.ok(result(2).result.tools.length >= 27);
    assert.equal(result(3).result.isError ?? false, args.length === 0);
    assert.equal(result(4).result.isError, true);
    assert.match(result(5).error.message, /delete_vm/);
    assert.doesNotMatch(stderr, /Uncaught|NotCapable|\n +at /);
  });
}

Deno.test("demo plays the session, refuses to delete, and exits with 0", async () => {
  const { code, stdout, stderr } = await run(["demo"], { permissions: ["--allow-env", "--allow-read", "--allow-run"] });
  assert.equal(code, 0, stderr);
  for (const tool of ["list_nodes", "list_vms", "reboot_vm", "create_container", "clone_vm", "set_vm_config"]) {
    assert.match(stdout, new RegExp(`^ {2}${tool} \\{`, "m"));
  }
  assert.match(stdout, /You: Delete that VM\.[^]*delete_vm \{"vmid":\d+\}\n[^]*not found/);
  assert.match(stdout, /unknown setting in config "delete", "force"/);
  assert.match(stdout, /Refused scsi0=/);
  assert.match(stdout, /Deletion stays with people/);
  assert.match(stdout, /→ POST \/nodes\/pve1\/qemu\/102\/status\/reboot 200/);
  assert.doesNotMatch(stdout, /→ DELETE|This server has a bug|undefined/);
  assert.ok(!stdout.includes("\x1b"), "colours without a terminal");
});

test("simulate prints the settings that reach it", async () => {
  const [command, ...rest] = serverCommand();
  const child = new Deno.Command(command, {
    args: [...rest, "simulate", "--port", "0"],
    clearEnv: true,
    env: inherited(),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  try {
    const settings: Record<string, string> = {};
    const lines = child.stdout.pipeThrough(new TextLineStream()).getReader();
    while (settings.PROXMOX_FINGERPRINT === undefined) {
      const { value, done } = await lines.read();
      assert.ok(!done, "it ended");
      const at = value.indexOf("=");
      settings[value.slice(0, at)] = value.slice(at + 1);
    }
    await lines.cancel();
    const nodes = await run(["call", "list_nodes", "--json"], { env: settings });
    assert.deepEqual([nodes.code, nodes.stderr], [0, ""]);
    assert.equal(JSON.parse(nodes.stdout).nodes.length, 3);
    const started = await run(["call", "start_vm", "vmid=105", "--json"], { env: settings });
    assert.equal(JSON.parse(started.stdout).state, "ok");
    const status = await run(["call", "vm_status", "vmid=105", "--json"], { env: settings });
    assert.equal(JSON.parse(status.stdout).status, "running", "the simulated cluster lives on between calls");
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
  assert.match(await stderr, /200 GET \/nodes/);
});

Deno.test("simulate on a port that is taken says so", async () => {
  const holder = createServer();
  const port = await new Promise<number>((resolve) => {
    holder.listen(0, "127.0.0.1", () => {
      const address = holder.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  try {
    const { code, stdout, stderr } = await run(["simulate", `--port=${port}`]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, new RegExp(`Port ${port} of 127\\.0\\.0\\.1 is taken[^]*--port 0`));
    assert.doesNotMatch(stderr, /Uncaught/);
  } finally {
    await new Promise((resolve) => holder.close(resolve));
  }
});

test(
  "without the permissions it needs it names them, instead of a stack",
  async () => {
    for (const args of [["call", "list_nodes"], ["serve"], ["simulate", "--port", "0"]]) {
      const { code, stdout, stderr } = await run(args, { permissions: [] });
      assert.deepEqual([code, stdout], [2, ""], args.join(" "));
      assert.match(stderr, /This process may not .*\nWhat to do: Start it with deno task .*--allow-/);
      assert.doesNotMatch(stderr, /Uncaught/);
    }
  },
);

test("call tells of a picture, and writes it where it is asked for", async () => {
  const chart = ["call", "guest_metrics", "vmid=102", "chart=small", "--demo"];
  const text = await run(chart);
  assert.deepEqual(text.code, 0, text.stderr);
  assert.match(text.stdout, /^vmid: 102\n[^]*\n +cpu +%/);
  assert.match(text.stderr, /^There is a picture, too \(PNG, \d+ kB\): --png > chart\.png keeps it$/m);
  const json = await run([...chart, "--json"]);
  assert.deepEqual(Object.keys(JSON.parse(json.stdout)), ["vmid", "node", "period", "metrics"]);
  const png = await runRaw([...chart, "--png"]);
  assert.deepEqual([png.code, bitmapOf(png.bytes).width], [0, 480]);
  for (const args of [["call", "guest_metrics", "vmid=105", "chart=small"], ["call", "list_nodes"]]) {
    const none = await run([...args, "--demo", "--png"]);
    assert.deepEqual([none.code, none.stdout], [1, ""]);
    assert.match(none.stderr, /The answer has no picture/);
  }
});
