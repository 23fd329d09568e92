/** Each attempt to get out would be noticed: with every permission granted, none of them is refused, and they arrive. */
import assert from "node:assert/strict";
import type { Finding } from "../../src/confine/probe.ts";
import { http, tcpServer } from "../helpers/raw_servers.ts";
import { inherited, ROOT } from "../helpers/server.ts";

/** What the probe finds in a process that is started with these flags. */
async function findingsOf(flags: readonly string[], port: number): Promise<Finding[]> {
  const program = `
    import { tryToBreakOut } from "${ROOT}src/confine/probe.ts";
    const here = { host: "127.0.0.1", port: ${port} };
    console.log(JSON.stringify(await tryToBreakOut({ ...here, port: here.port - 1 }, here)));
    Deno.exit(0);
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...flags, "-"],
    cwd: ROOT,
    clearEnv: true,
    // Nothing of a test goes to the real registry.
    env: { ...inherited(), NPM_CONFIG_REGISTRY: `http://127.0.0.1:${port}` },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { stdout, stderr } = await child.output();
  const said = new TextDecoder().decode(stdout);
  assert.notEqual(said, "", new TextDecoder().decode(stderr));
  const findings: Finding[] = JSON.parse(said);
  return findings;
}

const answer = http("200 OK", "export {};", { "content-type": "text/javascript", connection: "close" });

Deno.test("with all permissions nothing is refused, and whoever listens elsewhere hears of it", async () => {
  let heard = 0;
  await using server = await tcpServer((socket) => {
    heard++;
    socket.on("data", () => socket.end(answer));
  });
  const findings = await findingsOf(["-A"], server.port);
  assert.deepEqual(findings.filter(({ outcome }) => outcome === "refused"), []);
  // Twice by a socket, by fetch, by a WebSocket, by the port beside its own, by two module loaders.
  assert.ok(heard >= 7, `${heard} connections`);
});

Deno.test("each single permission lets its own attempts through, and no others", async () => {
  await using server = await tcpServer((socket) => void socket.on("data", () => socket.end(answer)));
  for (
    const [flag, attempts] of [
      ["--allow-net", /^(?:connect|fetch|open a WebSocket|look up|listen)|worker with the network/],
      ["--allow-env", /environment|proxy variable/],
      ["--allow-run", /^start a process/],
      ["--allow-ffi", /native library/],
      ["--allow-sys", /name of this computer/],
      ["--allow-write", /^write a file/],
      ["--allow-read", /^read a f|from a file/],
    ] as const
  ) {
    const findings = await findingsOf([flag], server.port);
    for (const { attempt, outcome, detail } of findings) {
      // A module of a package, and caches, need no permission at all; a temporary file takes permission to read as well.
      if (/npm|caches|with files|with processes|over HTTP/.test(attempt)) continue;
      const expected = attempts.test(attempt);
      assert.equal(outcome !== "refused", expected, `${flag}: ${attempt}: ${outcome} (${detail})`);
    }
  }
});
