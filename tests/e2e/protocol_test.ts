/** Both generations of clients, both eras of the protocol, and lines that are no protocol at all. */
import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { answerOf, demoTools, inherited, serverCommand } from "../helpers/server.ts";

const [command, ...args] = serverCommand();
const demo = { command, args: [...args, "serve", "--demo"], env: inherited() };

function processTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
}

processTest("the client of SDK 1.x drives the server with revision 2025-06-18", async () => {
  const client = new OldClient({ name: "tests", version: "1" });
  await client.connect(new OldTransport(demo));
  try {
    assert.equal(client.getServerVersion()?.name, "proxmox-mcp");
    const { tools: listed } = await client.listTools();
    assert.deepEqual(listed.map(({ name }) => name), demoTools.map(({ name }) => name));
    const answer = answerOf(await client.callTool({ name: "vm_status", arguments: { vmid: 102 } }));
    assert.equal(answer.structured?.name, "docker");
    const failed = answerOf(await client.callTool({ name: "vm_status", arguments: { vmid: 200 } }));
    assert.ok(failed.isError && /container_status/.test(failed.text));
  } finally {
    await client.close();
  }
});

processTest("the demo's answers tell of the tools that its client has, and of no other", async () => {
  const client = new Client({ name: "tests", version: "1" });
  await client.connect(new StdioClientTransport(demo));
  try {
    const ask = async (name: string, given = {}) =>
      answerOf(await client.callTool({ name, arguments: given })).structured ?? assert.fail(name);
    const info = await ask("server_info");
    assert.equal(info.tools, demoTools.length);
    assert.deepEqual(info.toolsets, [...new Set(demoTools.map(({ toolset }) => toolset))].sort());
    assert.match(JSON.stringify(await ask("check_permissions")), new RegExp(`all ${demoTools.length} tools`));
    const backups = JSON.stringify(await ask("list_backups", { vmid: 102 }));
    assert.match(backups, /"volid"/);
    assert.doesNotMatch(backups, /restore_vm_backup/);
  } finally {
    await client.close();
  }
});

processTest(
  "the demo's guests leave a script where a real one does, and tell when a command's time was over",
  async () => {
    const client = new Client({ name: "tests", version: "1" });
    await client.connect(new StdioClientTransport(demo));
    try {
      for (const [tool, vmid] of [["exec_in_container", 200], ["exec_in_vm", 102]] as const) {
        const run = async (args: Record<string, unknown>) =>
          answerOf(await client.callTool({ name: tool, arguments: { vmid, ...args } })).structured ?? assert.fail(tool);
        const codes = [];
        for (
          const command of [
            "exit 3",
            "echo a; exit; echo b",
            "false; exit",
            "sh -c 'exit 4'; echo b",
            "cd /nope || exit 7",
          ]
        ) {
          const { exit_code, stdout } = await run({ command });
          codes.push([exit_code, String(stdout).trim()]);
        }
        assert.deepEqual(codes, [[3, ""], [0, "a"], [1, ""], [0, "b"], [7, ""]]);
        const nowhere = await run({ command: "pwd", cwd: "/nope" });
        assert.deepEqual([nowhere.exit_code, nowhere.stdout], [126, ""]);
        assert.match(String(nowhere.stderr), /cd: can't cd to \/nope/);
        assert.equal((await run({ command: "pwd", cwd: "/tmp" })).stdout, "/tmp\n");
        const late = await run({ command: "sleep 30", timeout: 1 });
        assert.deepEqual([late.exit_code, late.timed_out], [124, true]);
        assert.match(JSON.stringify(late.notes), /ended after 1 s/);
      }
    } finally {
      await client.close();
    }
  },
);

processTest("the v2 client drives the server with revision 2026-07-28", async () => {
  const client = new Client({ name: "tests", version: "1" }, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
  await client.connect(new StdioClientTransport(demo));
  try {
    assert.equal(client.getNegotiatedProtocolVersion(), "2026-07-28");
    assert.equal((await client.listTools()).tools.length, demoTools.length);
    const answer = answerOf(await client.callTool({ name: "vm_status", arguments: { vmid: 102 } }));
    assert.equal(answer.structured?.name, "docker");
  } finally {
    await client.close();
  }
});

/** Speaks to the server in raw lines. */
async function withLines(
  test: (io: { send(line: string): void; next(): Promise<unknown> }) => Promise<void>,
): Promise<void> {
  const child = spawn(demo.command, demo.args, { env: demo.env, stdio: ["pipe", "pipe", "ignore"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  try {
    await test({
      send: (line) => void child.stdin.write(`${line}\n`),
      async next() {
        const { value } = await lines.next();
        return JSON.parse(String(value));
      },
    });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.stdin.end();
    assert.equal(await ended, 0, "the end of stdin ends the server");
  } finally {
    child.kill();
  }
}

function initialize(id: number, protocolVersion: string): string {
  const params = { protocolVersion, capabilities: {}, clientInfo: { name: "tests", version: "1" } };
  return JSON.stringify({ jsonrpc: "2.0", id, method: "initialize", params });
}

for (const revision of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]) {
  processTest(
    `initialize is answered with ${revision} when that is asked for`,
    () =>
      withLines(async ({ send, next }) => {
        send(initialize(1, revision));
        const answer = await next();
        assert.match(JSON.stringify(answer), new RegExp(`"protocolVersion":"${revision}"`));
      }),
  );
}

processTest("broken lines do not end the server", () =>
  withLines(async ({ send, next }) => {
    for (
      const line of ["", "not json", "{}", "[]", '{"jsonrpc":"2.0"}', "\u0000", `{"a":"${"x".repeat(100_000)}"}`]
    ) send(line);
    send(initialize(7, "2025-06-18"));
    let answer = await next();
    while (!JSON.stringify(answer).includes('"id":7')) answer = await next();
    assert.match(JSON.stringify(answer), /"protocolVersion":"2025-06-18"/);
  }));
