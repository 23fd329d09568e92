/** Confinement as a user gets it: what the server cannot reach, what it survives, and how it ends. */
import assert from "node:assert/strict";
import { demoToken } from "../../src/sim/mod.ts";
import { createSimulator } from "../../src/sim/mod.ts";
import { serveHttps } from "../../src/sim/https.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { http, type RawServer, tcpServer, tlsServer } from "../helpers/raw_servers.ts";
import { inherited, isExecutable, ROOT, serverCommand, settingsFor, withServer } from "../helpers/server.ts";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: readonly string[], args: readonly string[], env: Record<string, string>): Promise<Outcome> {
  const [program = "", ...rest] = command;
  const output = await new Deno.Command(program, {
    args: [...rest, ...args],
    clearEnv: true,
    env: { ...inherited(), ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code: output.code, stdout: decoder.decode(output.stdout), stderr: decoder.decode(output.stderr) };
}

/** A listener where nothing must arrive. */
async function forbidden(test: (server: RawServer & { readonly address: string }) => Promise<void>): Promise<void> {
  await using server = await tcpServer((socket) => void socket.end(http("200 OK", "{}")));
  await test(Object.assign(server, { address: `127.0.0.1:${server.port}` }));
}

/** A simulated PVE over HTTPS, and the settings that reach it. */
async function withPve(test: (env: Record<string, string>, port: number) => Promise<void>): Promise<void> {
  const pve = await serveHttps(createSimulator({ pace: 0 }), {});
  try {
    await test(settingsFor(pve), pve.port);
  } finally {
    await pve.close();
  }
}

/** What acts below the permission layer, or weakens TLS. */
function undermining(proxy: string): Record<string, string> {
  const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
  return {
    ...Object.fromEntries(names.map((name) => [name, `http://${proxy}`])),
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
  };
}

/** The program with the network of `deno task start`: one host and port. */
function narrow(port: number): string[] {
  return serverCommand().map((word) => word.startsWith("--allow-net=") ? `--allow-net=127.0.0.1:${port}` : word);
}

for (
  const [what, argsFor, proxied] of [
    ["with settings", [], false],
    ["with settings and proxy variables", [], true],
    ["with --demo", ["--demo"], false],
  ] as const
) {
  Deno.test(`doctor --confinement ${what}: all is refused, and nothing arrives elsewhere`, () =>
    forbidden((elsewhere) =>
      withPve(async (env, port) => {
        const args = ["doctor", "--confinement", "--elsewhere", elsewhere.address, "--json", ...argsFor];
        const more = proxied ? undermining(elsewhere.address) : {};
        const command = [...narrow(port)];
        // As in every documented command line.
        if (!isExecutable) command.splice(2, 0, "--cached-only");
        const { code, stdout, stderr } = await run(command, args, { ...env, ...more });
        assert.equal(code, 0, stdout + stderr);
        const { confined, findings } = JSON.parse(stdout);
        assert.equal(confined, true);
        const open = findings.filter(({ outcome }: { outcome: string }) => outcome !== "refused");
        for (const { attempt } of open) assert.match(attempt, /module from a file|caches/);
        assert.ok(findings.length - open.length >= 22);
        assert.equal(elsewhere.connections(), 0);
      })
    ));
}

Deno.test("doctor --confinement for people says what was refused and what is open", async () => {
  const { code, stdout } = await run(serverCommand(), ["doctor", "--confinement", "--demo"], {});
  assert.equal(code, 0);
  assert.match(
    stdout,
    /refused +start a process[^]*refused, \d left open by Deno itself, 0 allowed\. The server is confined\./,
  );
  const wrong = await run(serverCommand(), ["doctor", "--confinement", "--demo", "--elsewhere", "10.0.0.0/8"], {});
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /--elsewhere is "10\.0\.0\.0\/8"/);
});

Deno.test("calls go straight to PVE, whatever proxy the environment names, and TLS keys are written nowhere", async () => {
  const folder = await Deno.makeTempDir();
  if (Deno.build.os !== "windows") await Deno.chmod(folder, 0o777);
  try {
    await forbidden((proxy) =>
      withPve(async (env) => {
        const keys = `${folder}/keys`;
        const more = { ...undermining(proxy.address), SSLKEYLOGFILE: keys };
        const { code, stdout, stderr } = await run(serverCommand(), ["call", "list_nodes", "--json"], {
          ...env,
          ...more,
        });
        assert.deepEqual([code, stderr], [0, ""]);
        assert.equal(JSON.parse(stdout).nodes.length, 3);
        assert.equal(proxy.connections(), 0);
        // `deno run` opens the file before any code of ours runs; what counts is that no key gets into it.
        assert.equal(await Deno.readTextFile(keys).catch(() => ""), "");
      })
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a proxy that is not taken out would be used: the listener counts", () =>
  forbidden(async (proxy) => {
    const program = "await fetch('http://pve.invalid/').catch(() => {})";
    await run([Deno.execPath(), "eval", program], [], {
      ...inherited(),
      ...undermining(proxy.address),
      DENO_DIR: Deno.env.get("DENO_DIR") ?? "",
    });
    assert.ok(proxy.connections() > 0);
  }));

Deno.test({
  name: "a host that redirects elsewhere is not followed",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    forbidden(async (elsewhere) => {
      const identity = await (await createAuthority()).issue();
      const location = `http://${elsewhere.address}/api2/json/nodes`;
      await using server = await tlsServer(identity, (_request, socket) =>
        void socket.write(http("302 Found", "", { location })));
      const env = {
        PROXMOX_HOST: `127.0.0.1:${server.port}`,
        PROXMOX_USER: demoToken.id,
        PROXMOX_TOKEN_VALUE: demoToken.secret,
        PROXMOX_FINGERPRINT: identity.fingerprint,
      };
      await withServer({ env }, async ({ error }) =>
        void await error("list_nodes"));
      assert.ok(server.requests.length > 0);
      assert.equal(elsewhere.connections(), 0);
    }),
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test({
    name: `${signal} ends the server while PVE is silent`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const identity = await (await createAuthority()).issue();
      const asked = Promise.withResolvers<void>();
      await using server = await tlsServer(identity, () => asked.resolve());
      const [command, ...args] = serverCommand();
      const child = new Deno.Command(command, {
        args: [...args, "serve"],
        clearEnv: true,
        env: {
          ...inherited(),
          PROXMOX_HOST: `127.0.0.1:${server.port}`,
          PROXMOX_USER: demoToken.id,
          PROXMOX_TOKEN_VALUE: demoToken.secret,
          PROXMOX_FINGERPRINT: identity.fingerprint,
        },
        stdin: "piped",
        stdout: "null",
        stderr: "null",
      }).spawn();
      const input = child.stdin.getWriter();
      for (
        const message of [
          {
            id: 1,
            method: "initialize",
            params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "tests", version: "1" } },
          },
          { method: "notifications/initialized" },
          { id: 2, method: "tools/call", params: { name: "list_nodes", arguments: {} } },
        ]
      ) await input.write(new TextEncoder().encode(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`));
      await asked.promise;
      child.kill(signal);
      assert.equal((await child.status).signal, signal);
      await input.close().catch(() => {});
    },
  });
}

/** Runs from source with modules of ours replaced, as in { "src/x.ts": "export …" }. */
async function withReplaced(modules: Readonly<Record<string, string>>, args: readonly string[]): Promise<Outcome> {
  const folder = await Deno.makeTempDir();
  try {
    const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
    for (const [name, target] of Object.entries(imports)) {
      imports[`${name}/`] = `${String(target).replace("npm:", "npm:/")}/`;
    }
    for (const [index, [path, code]] of Object.entries(modules).entries()) {
      await Deno.writeTextFile(`${folder}/${index}.ts`, code);
      imports[`file://${ROOT}${path}`] = `file://${folder}/${index}.ts`;
    }
    await Deno.writeTextFile(`${folder}/map.json`, JSON.stringify({ imports }));
    const [program, ...rest] = serverCommand();
    return await run([program, ...rest.toSpliced(1, 0, `--import-map=${folder}/map.json`)], args, {});
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function fromSource(name: string, fn: () => Promise<void>): void {
  const reason = isExecutable ? " (skipped: modules of an executable cannot be replaced)" : "";
  Deno.test({ name: name + reason, ignore: isExecutable, fn });
}

fromSource("a worker that breaks down ends the process with 70 and its reason", async () => {
  const code = `
    export function serveStdin() { setTimeout(() => { throw new Error("out of cheese"); }, 0); }
    export const serveMessages = serveStdin;`;
  const { code: exit, stdout, stderr } = await withReplaced({ "src/confine/serve_job.ts": code }, ["serve", "--demo"]);
  assert.deepEqual([exit, stdout], [70, ""]);
  assert.match(stderr, /The server broke down: .*out of cheese\n$/);
});

fromSource("a tool that could destroy stops the start with a plain sentence", async () => {
  const code = `export const listedTools = [
    { name: "delete_vm", title: "Delete", tier: "read", toolset: "core", calls: ["DELETE /nodes"] },
  ];`;
  for (const args of [["serve", "--demo"], ["call", "list_nodes", "--demo"]]) {
    const { code: exit, stdout, stderr } = await withReplaced({ "src/mcp/listed.gen.ts": code }, args);
    assert.deepEqual([exit, stdout], [70, ""]);
    assert.match(stderr, /^The tools break a promise of this program: .*destructive verb "delete"/);
    assert.doesNotMatch(stderr, /\n +at |Uncaught/);
  }
});

fromSource("a tool that is not what it was listed as is never run", async () => {
  const code = `export const tools = [
    { name: "list_nodes", title: "List nodes", tier: "lifecycle", toolset: "core", calls: ["DELETE /nodes"] },
  ];`;
  const { code: exit, stdout, stderr } = await withReplaced({ "src/tools/mod.ts": code }, [
    "call",
    "list_nodes",
    "--demo",
  ]);
  assert.deepEqual([exit, stdout], [1, ""]);
  assert.match(stderr, /The tool list_nodes is not what it is listed as/);
});
