/**
 * Programs of other people that speak MCP, where they are at hand: the Python SDK's client, the official Inspector's command
 * line, the official conformance suite. They are no dependencies of this project; these variables say where they are:
 *
 *     python3 -m venv venv && venv/bin/pip install mcp==2.3.0       MCP_PYTHON=venv/bin/python
 *     npm install @modelcontextprotocol/inspector@2.12.0           MCP_INSPECTOR=FOLDER (which holds node_modules)
 *     npm install @modelcontextprotocol/conformance@0.2.0-alpha.12 MCP_CONFORMANCE=FOLDER
 */
import assert from "node:assert/strict";
import { serveAdapter } from "../conformance/adapter.ts";
import { APPLICABLE } from "../conformance/scenarios.ts";
import { inherited, serverCommand } from "../helpers/server.ts";

const server = [...serverCommand(), "serve", "--demo"];

interface Output {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(command: string, args: readonly string[], cwd?: string): Promise<Output> {
  const options = { args: [...args], env: inherited(), ...(cwd === undefined ? {} : { cwd }) };
  const { code, stdout, stderr } = await new Deno.Command(command, options).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

/** A test that needs something which `variable` names. */
function clientTest(name: string, variable: string, test: (where: string) => Promise<void>): void {
  const where = Deno.env.get(variable);
  Deno.test({
    name: where === undefined ? `${name} (skipped: ${variable} does not say where it is)` : name,
    ignore: where === undefined,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: () => test(where ?? ""),
  });
}

clientTest("the Python SDK's client drives the server in both eras", "MCP_PYTHON", async (python) => {
  const { code, out, err } = await run(python, [new URL("client.py", import.meta.url).pathname, ...server]);
  assert.equal(code, 0, err);
  assert.match(out, /^2026-07-28 (\d+)\n2025-11-25 \1\n$/);
});

/** An npm program under Deno: the machine's Node.js may be older than the program wants. */
function npmProgram(folder: string, script: string): string[] {
  return ["run", "-A", "--node-modules-dir=manual", `${folder}/node_modules/@modelcontextprotocol/${script}`];
}

clientTest(
  "the Inspector's command line drives the server, and its strict listing finds no error",
  "MCP_INSPECTOR",
  async (folder) => {
    const inspect = async (...args: string[]): Promise<string> => {
      const cli = [...npmProgram(folder, "inspector/clients/launcher/build/index.js"), "--cli", ...server, ...args];
      const { code, out, err } = await run(Deno.execPath(), cli, folder);
      assert.equal(code, 0, `${args.join(" ")}: ${err}`);
      return out;
    };
    const listed: unknown = JSON.parse(await inspect("--method", "tools/list", "--strict"));
    assert.match(JSON.stringify(listed), /"name":"list_nodes".*"inputSchema"/);
    assert.match(
      await inspect("--method", "tools/call", "--tool-name", "vm_status", "--tool-arg", "vmid=102"),
      /docker/,
    );
    assert.match(await inspect("--method", "resources/list"), /proxmox:\/\/cluster/);
    assert.match(await inspect("--method", "resources/templates/list"), /proxmox:\/\/task/);
    assert.match(await inspect("--method", "resources/read", "--uri", "proxmox://guest/102"), /docker/);
    assert.match(await inspect("--method", "prompts/list"), /changes_today/);
    const prompt = ["--prompt-name", "diagnose_guest", "--prompt-args", "vmid=102"];
    assert.match(await inspect("--method", "prompts/get", ...prompt), /guest 102/);
  },
);

for (const [revision, scenarios] of Object.entries(APPLICABLE)) {
  clientTest(
    `the conformance suite's scenarios for ${revision} that need no fixtures pass`,
    "MCP_CONFORMANCE",
    async (folder) => {
      const [command = "", ...args] = server;
      const { port, close } = await serveAdapter(0, command, args);
      try {
        for (const scenario of scenarios) {
          const suite = [
            ...npmProgram(folder, "conformance/dist/index.js"),
            "server",
            "--url",
            `http://127.0.0.1:${port}/mcp`,
          ];
          const { out } = await run(
            Deno.execPath(),
            [...suite, "--scenario", scenario, "--spec-version", revision],
            folder,
          );
          assert.match(out, /Passed: (\d+)\/\1, 0 failed/, `${scenario}: ${out}`);
        }
      } finally {
        close();
      }
    },
  );
}
