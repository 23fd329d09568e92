/** Who may import whom: the rooms of the house, held against the real module graph. */
import assert from "node:assert/strict";
import { ROOT } from "./helpers/server.ts";

/** Room → the rooms and files it may import from, beside itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  main: ["cli", "confine", "errors", "version"],
  confine: ["cli", "config", "doctor", "errors", "mcp", "pve", "safety", "shape", "sim", "ssh", "tool", "tools"],
  cli: [
    ...["config", "confine", "doctor", "errors", "init", "install", "mcp", "pve", "safety", "shape", "sim", "tool"],
    ...["tools", "version"],
  ],
  ssh: ["safety", "config", "errors"],
  mcp: ["tool", "access", "safety", "shape", "pve", "config", "errors", "version"],
  tools: ["tool", "access", "chart", "pve", "safety", "shape", "errors"],
  access: ["tool", "pve"],
  doctor: ["access", "config", "errors", "pve", "tool"],
  init: ["access", "config", "doctor", "errors", "pve", "tool"],
  tool: ["pve", "ssh"],
  safety: ["tool", "pve", "config", "errors", "shape"],
  pve: ["safety", "config", "errors"],
  sim: ["pve", "safety", "ssh", "errors"],
  install: ["config", "errors"],
  config: ["errors"],
  chart: ["shape"],
  shape: [],
  errors: [],
  version: [],
};

/** Single files that a room may use of another one, where the rest of it is out of bounds. */
const ONLY: readonly { readonly from: string; readonly to: string; readonly files: readonly string[] }[] = [
  { from: "confine", to: "cli", files: ["src/cli/terminal.ts"] },
  { from: "tools", to: "safety", files: ["src/safety/checks.ts"] },
  // Types alone: who implements it is the session's choice.
  { from: "tool", to: "ssh", files: ["src/ssh/shell.ts"] },
  { from: "sim", to: "ssh", files: ["src/ssh/shell.ts"] },
  { from: "safety", to: "shape", files: ["src/shape/fields.ts"] },
  { from: "ssh", to: "safety", files: ["src/safety/exec.ts"] },
  { from: "sim", to: "safety", files: ["src/safety/catalogue.ts", "src/safety/gate.ts"] },
];

interface Dependency {
  readonly specifier: string;
  readonly code?: { readonly specifier?: string };
  readonly type?: { readonly specifier?: string };
  readonly isDynamic?: boolean;
}

/** An import; `code`: something is loaded for it, at once unless it is dynamic. */
interface Edge {
  readonly from: string;
  readonly to: string;
  readonly code: boolean;
  readonly dynamic: boolean;
}

function isModule(value: unknown): value is { specifier: string; dependencies?: Dependency[] } {
  return typeof value === "object" && value !== null && "specifier" in value;
}

const LAUNCHER = "main.ts";
const WORKER = "src/confine/worker.ts";

async function graphOf(entry: string): Promise<Edge[]> {
  const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", `${ROOT}${entry}`], stderr: "null" })
    .output();
  const parsed: unknown = JSON.parse(new TextDecoder().decode(info.stdout));
  assert.ok(typeof parsed === "object" && parsed !== null && "modules" in parsed && Array.isArray(parsed.modules));
  const modules: unknown[] = parsed.modules;
  return modules.filter(isModule).flatMap(({ specifier, dependencies }) =>
    (dependencies ?? []).map(({ code, type, specifier: written, isDynamic }) => ({
      from: short(specifier),
      to: short(code?.specifier ?? type?.specifier ?? written),
      code: code !== undefined,
      dynamic: isDynamic === true,
    }))
  ).filter(({ from }) => from === LAUNCHER || from.startsWith("src/"));
}

/** Both programs: a worker is not part of the graph of what starts it. */
async function graph(): Promise<Edge[]> {
  return (await Promise.all([LAUNCHER, WORKER].map(graphOf))).flat();
}

function short(specifier: string): string {
  return specifier.startsWith("file://")
    ? decodeURIComponent(specifier.slice("file://".length)).replace(ROOT, "")
    : specifier;
}

function roomOf(file: string): string {
  return /^src\/([^/]+)\//.exec(file)?.[1] ?? /^(?:src\/)?([^/]+)\.ts$/.exec(file)?.[1] ?? file;
}

Deno.test("every import is allowed by the table of rooms", async () => {
  const edges = await graph();
  assert.ok(edges.length > 50);
  const wrong = edges.filter(({ from, to }) => {
    if (!to.startsWith("src/")) return false;
    const [room, other] = [roomOf(from), roomOf(to)];
    if (room === other) return false;
    if (!(ALLOWED[room] ?? []).includes(other)) return true;
    return ONLY.some((rule) => rule.from === room && rule.to === other && !rule.files.includes(to));
  });
  assert.deepEqual(wrong, []);
});

Deno.test("the launcher loads no package before a command asks for one", async () => {
  const edges = await graphOf(LAUNCHER);
  const loaded = new Set([LAUNCHER]);
  for (const file of loaded) {
    for (const { from, to, code, dynamic } of edges) if (from === file && code && !dynamic) loaded.add(to);
  }
  assert.ok(loaded.has("src/confine/launcher.ts"));
  assert.deepEqual([...loaded].filter((file) => !/^(?:src\/|node:|main\.ts$|deno\.json$)/.test(file)), []);
});

Deno.test("the worker greets a client before it loads any package, or any of Node's modules that are slow to load", async () => {
  const edges = await graphOf(WORKER);
  const loaded = new Set([WORKER]);
  for (const file of loaded) {
    for (const { from, to, code, dynamic } of edges) if (from === file && code && !dynamic) loaded.add(to);
  }
  assert.ok(loaded.has("src/mcp/greeting.ts"));
  const others = [...loaded].filter((file) => !file.startsWith("src/"));
  assert.deepEqual(others.sort(), ["deno.json", "node:buffer", "node:util"]);
});

Deno.test("only the worker speaks to PVE: what the launcher loads for serving or calling has no way to it", async () => {
  const edges = await graphOf(LAUNCHER);
  const loaded = new Set([LAUNCHER, "src/cli/serve.ts", "src/cli/call.ts"]);
  for (const file of loaded) {
    for (const { from, to, code, dynamic } of edges) if (from === file && code && !dynamic) loaded.add(to);
  }
  assert.deepEqual([...loaded].filter((file) => /^src\/(?:mcp|tools|sim|pve\/transport)|^npm:/.test(file)), []);
});

Deno.test("the lock file names packages of npm alone: a module of some address was never meant to be kept", async () => {
  const lock: unknown = JSON.parse(await Deno.readTextFile(`${ROOT}deno.lock`));
  assert.ok(typeof lock === "object" && lock !== null && "npm" in lock);
  assert.equal("remote" in lock, false);
});

Deno.test("only the transport loads the HTTP library, and only the edge of the protocol loads the SDK", async () => {
  const edges = await graph();
  const users = (library: RegExp) =>
    [...new Set(edges.filter(({ to }) => library.test(to)).map(({ from }) => from))].sort();
  assert.deepEqual(users(/^npm:\/?undici/), ["src/pve/exchange.ts", "src/pve/transport.ts"]);
  assert.deepEqual(users(/^npm:\/?ssh2/), ["src/ssh/connection.ts"]);
  const protocol = ["eras", "features", "greeting", "message", "server", "told", "transport"].map((name) =>
    `src/mcp/${name}.ts`
  );
  assert.deepEqual(users(/^npm:\/?@modelcontextprotocol\/server/), protocol);
  const network = [
    "src/confine/probe.ts",
    "src/pve/probe.ts",
    "src/pve/trust.ts",
    "src/sim/https.ts",
  ];
  assert.deepEqual(users(/^node:(?:tls|https?|net|http2|dgram)$/), network);
});

Deno.test("nothing but the transport and the simulator's server can reach the network", async () => {
  for await (const file of sources(`${ROOT}src`)) {
    // It tries to, and proves that it cannot.
    if (file.endsWith("/src/confine/probe.ts")) continue;
    const text = await Deno.readTextFile(file);
    const reaches =
      /\bfetch\(|new WebSocket|Deno\.(?:connect|listen|serve|createHttpClient|Command)|XMLHttpRequest|EventSource/.test(
        text,
      );
    assert.ok(!reaches, `${file} reaches the network or starts a process`);
  }
});

Deno.test("a file opens with a sentence that says what it is for", async () => {
  for (const folder of ["src", "tests", "scripts"]) {
    for await (const file of sources(`${ROOT}${folder}`)) {
      const text = await Deno.readTextFile(file);
      assert.match(text, /^(?:\/\/ deno-lint|\/\/ Generated|\/\*\*)/, `${file} opens with something else`);
    }
  }
});

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (entry.name.endsWith(".ts") && !entry.name.endsWith(".gen.ts")) yield path;
  }
}

Deno.test("what draws is loaded by the first chart, and by nothing before it", async () => {
  const edges = await graph();
  const drawing = /^npm:\/?(?:@resvg\/|@expo-google-fonts\/|fast-png|d3-)/;
  const users = edges.filter(({ to, code }) => code && drawing.test(to)).map(({ from }) => from);
  assert.deepEqual([...new Set(users)].sort(), ["src/chart/png.ts", "src/chart/svg.ts"]);
  const ways = edges.filter(({ from, to, code }) => code && /^src\/chart\//.test(to) && !/^src\/chart\//.test(from));
  assert.deepEqual([...new Set(ways.map(({ from, to, dynamic }) => `${from} → ${to} ${dynamic}`))], [
    "src/tools/metrics.ts → src/chart/png.ts true",
  ]);
});

Deno.test("SSH is loaded by the first command in a guest, and by nothing before it", async () => {
  const edges = await graph();
  const eager = edges.filter(({ to, code, dynamic }) =>
    /^npm:\/?ssh2|^src\/ssh\/ssh_shell/.test(to) && code && !dynamic
  );
  assert.deepEqual(eager, []);
  assert.ok(edges.some(({ to, dynamic }) => /^npm:\/?ssh2/.test(to) && dynamic));
});
