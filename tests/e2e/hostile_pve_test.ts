/** Hosts that are not there, stall, break, lie or are not PVE, and clients that leave: one clear error each, and the server lives on. */
import assert from "node:assert/strict";
import { createSimulator, type RequestRecord } from "../../src/sim/mod.ts";
import { serveHttps } from "../../src/sim/https.ts";
import { createAuthority, selfSigned } from "../helpers/certificates.ts";
import { closedPort, http, type RawServer, tcpServer, tlsServer } from "../helpers/raw_servers.ts";
import { runnable } from "../helpers/runtime.ts";
import {
  inherited,
  serverCommand,
  serverTest,
  settingsFor,
  shareWithServer,
  usualTools,
  withServer,
} from "../helpers/server.ts";

const identity = await selfSigned();
const wellFormed = http("200 OK", JSON.stringify({ data: [{ node: "pve1", status: "online" }] }));

function test(name: string, fn: () => Promise<void>): void {
  // For the sanitizers see serverTest().
  Deno.test({ ...runnable(name), sanitizeOps: false, sanitizeResources: false, fn });
}

function settings(port: number): Record<string, string> {
  return { PROXMOX_HOST: `127.0.0.1:${port}`, PROXMOX_FINGERPRINT: identity.fingerprint, PROXMOX_TIMEOUT: "20" };
}

/** Several calls at once get the same clear error, and so does one after them. */
async function allSay(port: number, says: RegExp, remedy: RegExp, more: Record<string, string> = {}): Promise<void> {
  await withServer({ env: { ...settings(port), ...more } }, async ({ error, client, stderr }) => {
    const texts = await Promise.all([error("list_nodes"), error("list_vms"), error("start_vm", { vmid: 105 })]);
    for (const text of texts) {
      assert.match(text, says);
      assert.match(text, remedy);
      assert.match(text, /^(?:Cannot read the answer to )?GET \//);
      assert.doesNotMatch(text, /has a bug|\n {4}at |00000000-0000/);
    }
    assert.match(await error("next_vmid"), remedy);
    assert.equal((await client.listTools()).tools.length, usualTools.length);
    assert.equal(stderr(), "");
  });
}

test("a host that refuses the connection", async () => {
  const port = await closedPort();
  await allSay(
    port,
    new RegExp(`Cannot reach PVE at 127\\.0\\.0\\.1:${port}: .*refused`),
    /PROXMOX_HOST and PROXMOX_PORT/,
  );
});

test("a silent host: no TLS, and no answer", async () => {
  await using deaf = await tcpServer(() => {});
  await using mute = await tlsServer(identity, () => {});
  await Promise.all([
    allSay(deaf.port, /no TLS connection within 1 s/, /PROXMOX_HOST and PROXMOX_PORT.*firewall/, {
      PROXMOX_TIMEOUT: "2",
    }),
    // Half of it is for the handshake, which takes its time on a busy machine.
    allSay(mute.port, /did not answer within 4 s/, /PROXMOX_TIMEOUT/, { PROXMOX_TIMEOUT: "4" }),
  ]);
});

test("a host that breaks connections: before the request, after it, and in the middle of the answer", async () => {
  const half = http("200 OK", " ".repeat(100)).slice(0, -50);
  await using early = await tcpServer((socket) => void socket.resetAndDestroy());
  await using late = await tlsServer(identity, (_request, socket) => void socket.destroy());
  await using midway = await tlsServer(identity, (_request, socket) => void socket.end(half));
  await Promise.all([
    allSay(early.port, /connection .* broke before the answer came/, /check pveproxy/),
    allSay(late.port, /connection .* broke before the answer came/, /check pveproxy/),
    allSay(midway.port, /broke off/, /Try again.*proxy in between/),
  ]);
});

test("plain HTTP on the port", async () => {
  await using server = await tcpServer((socket) => void socket.end(http("200 OK", "{}")));
  await allSay(server.port, /does not speak TLS/, /PROXMOX_PORT: the port must be .*HTTPS/);
});

for (
  const [what, answer, says] of [
    [
      "a proxy's login page",
      http("200 OK", "<html>Log in</html>", { "content-type": "text/html" }),
      /a page \(200, text\/html\), not by PVE/,
    ],
    [
      "a web server without the page",
      http("404 Not Found", "no", { "content-type": "text/plain" }),
      /a page \(404, text\/plain\)/,
    ],
    [
      "a gateway's error page",
      http("500 Oops", "<html>", { "content-type": "text/html" }),
      /a page \(500, text\/html\)/,
    ],
    ["a redirect", http("302 Found", "", { location: "https://login.example/" }), /a redirect \(302 Found\)/],
    ["a text instead of JSON", http("200 OK", "OK"), /it is not JSON/],
    ["an empty body", http("200 OK"), /it is not JSON/],
    ["data that is null", http("200 OK", '{"data":null}'), /data is null where a list is declared/],
    ["no data", http("200 OK", "[1,2]"), /data is missing where a list is declared/],
    ["an object for a list", http("200 OK", '{"data":{}}'), /data is an object where a list is declared/],
    ["numbers for rows", http("200 OK", '{"data":[7]}'), /data\[0\] is a number where an object is declared/],
    ["no HTTP at all", "SSH-2.0-OpenSSH_10.0\r\n\r\n", /not proper HTTP/],
  ] as const
) {
  test(`${what} in place of an answer`, async () => {
    await using server = await tlsServer(identity, (_request, socket) => void socket.write(answer));
    await allSay(server.port, says, /PROXMOX_HOST and PROXMOX_PORT.* PVE API itself/);
  });
}

test("fields of the wrong type are left out, and the rest is told", async () => {
  const rows = [{ type: "qemu", vmid: 101, node: "pve1", name: "x", maxmem: "lots", tags: ["a"], status: {} }, {
    type: "qemu",
    vmid: "many",
    node: "pve1",
  }];
  await using server = await tlsServer(identity, (_request, socket) => {
    socket.write(http("200 OK", JSON.stringify({ data: rows })));
  });
  await withServer({ env: settings(server.port) }, async ({ ok }) => {
    const answer = await ok("list_vms");
    assert.deepEqual(answer.guests, [{ vmid: 101, name: "x", node: "pve1" }]);
  });
});

test("a name that cannot be resolved", async () => {
  const [command, ...args] = serverCommand();
  const allowed = args.map((arg) => arg.startsWith("--allow-net=") ? `${arg},name.invalid` : arg);
  const output = await new Deno.Command(command, {
    args: [...allowed, "call", "list_nodes"],
    clearEnv: true,
    env: {
      ...inherited(),
      ...settings(8006),
      PROXMOX_HOST: "name.invalid",
      PROXMOX_USER: "agent@pve!mcp",
      PROXMOX_TOKEN_VALUE: "c",
    },
  }).output();
  assert.equal(output.code, 1);
  assert.match(
    new TextDecoder().decode(output.stderr),
    /name\.invalid:8006: the name "name\.invalid" cannot be resolved[^]*IP address/,
  );
});

test("a host that recovers is used again without a restart", async () => {
  let down = true;
  await using server = await tlsServer(identity, (_request, socket) => {
    if (down) socket.destroy();
    else socket.write(wellFormed);
  });
  await withServer({ env: settings(server.port) }, async ({ ok, error }) => {
    assert.match(await error("list_nodes"), /broke before the answer/);
    down = false;
    await ok("list_nodes");
  });
});

/** A PVE that answers reads as the demo cluster does and hands writes to `write`. */
async function breakingWrites(write: Parameters<typeof tlsServer>[1]): Promise<RawServer> {
  const simulator = createSimulator({ pace: 0 });
  return await tlsServer(identity, (request, socket) => {
    if (request.method !== "GET") return write(request, socket);
    simulator.answer({ method: request.method, url: request.path, headers: request.headers, body: request.body })
      .then((answer) => void socket.write(http(`${answer.status} ${answer.reason}`, answer.body)));
  });
}

for (
  const [what, write] of [
    ["breaks", (_request, socket) => void socket.destroy()],
    ["is not PVE's", (_request, socket) => void socket.write(http("200 OK", "fine"))],
    ["does not come", () => {}],
  ] satisfies [string, Parameters<typeof tlsServer>[1]][]
) {
  test(`a write whose answer ${what} is sent once, and the error says that it may have happened`, async () => {
    await using server = await breakingWrites(write);
    await withServer({ env: { ...settings(server.port), PROXMOX_TIMEOUT: "4" } }, async ({ error, ok }) => {
      const text = await error("start_vm", { vmid: 105 });
      assert.match(text, /PVE may still have carried it out/);
      assert.match(text, /What to do: Look at the state and the tasks before repeating it/);
      assert.equal(server.requests.filter(({ method }) => method !== "GET").length, 1);
      assert.equal((await ok("vm_status", { vmid: 105 })).vmid, 105);
    });
  });
}

test("a certificate that has expired", async () => {
  const ca = await createAuthority();
  const expired = await ca.issue({ notBefore: new Date("2024-01-01"), notAfter: new Date("2025-02-03") });
  const file = await Deno.makeTempFile({ suffix: ".pem" });
  try {
    await shareWithServer(file);
    await Deno.writeTextFile(file, ca.pem);
    await using server = await tlsServer(expired, (_request, socket) => void socket.write(wellFormed));
    const env = { ...settings(server.port), PROXMOX_FINGERPRINT: undefined, PROXMOX_CA_FILE: file };
    await withServer({ env }, async ({ error }) => {
      assert.match(await error("list_nodes"), /Sent nothing to .*expired on 2025-02-03[^]*pvecm updatecerts/);
      assert.equal(server.bytes(), 0);
    });
  } finally {
    await Deno.remove(file);
  }
});

serverTest("a client that cancels gets the next call answered, and PVE's task goes on", {
  simulator: { pace: 0.1 },
}, async ({ client, ok, requests, simulator }) => {
  const giveUp = new AbortController();
  const call = client.callTool(
    { name: "clone_vm", arguments: { source_vmid: 9000, newid: 500, name: "slow" } },
    { signal: giveUp.signal },
  );
  call.catch(() => {});
  while (!requests.some(({ path }) => path.endsWith("/status") && path.includes("UPID"))) await pause();
  giveUp.abort();
  await assert.rejects(call);
  const asked = requests.length;
  assert.equal((await ok("list_nodes")).notes, undefined);
  assert.deepEqual(requests.slice(asked).map(({ path }) => path), ["/nodes"], "the cancelled call still asks");
  const task = [...simulator.state.tasks.values()].find(({ type, id }) => type === "qmclone" && id === "9000");
  assert.ok(task !== undefined);
  while (task.status === undefined) {
    await pause();
    simulator.tick();
  }
  assert.equal(task.status, "OK");
  assert.equal((await ok("vm_status", { vmid: 500 })).name, "slow");
});

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

/** Starts the server, speaks to it by hand, and closes its stdin in the middle of a call. */
async function leave(env: Record<string, string>, call: object, inTheMiddle: Promise<void>): Promise<string[]> {
  const [command, ...args] = serverCommand();
  const child = new Deno.Command(command, {
    args: [...args, "serve"],
    clearEnv: true,
    env: { ...inherited(), ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const deadline = setTimeout(() => child.kill("SIGKILL"), 20_000);
  try {
    const stdout = new Response(child.stdout).text();
    const input = child.stdin.getWriter();
    const send = (message: object) =>
      input.write(new TextEncoder().encode(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`));
    const clientInfo = { name: "tests", version: "1" };
    await send({
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo },
    });
    await send({ method: "notifications/initialized" });
    await send({ id: 2, method: "tools/call", params: call });
    await inTheMiddle;
    await input.close();
    const { code, signal } = await child.status;
    assert.deepEqual({ code, signal }, { code: 0, signal: null });
    return (await stdout).split("\n").filter((line) => line !== "");
  } finally {
    clearTimeout(deadline);
  }
}

test("a client that leaves in the middle of a write ends the server, and PVE's task goes on", async () => {
  const posted = Promise.withResolvers<void>();
  const onRequest = ({ method }: RequestRecord) => void (method === "POST" && posted.resolve());
  const simulator = createSimulator({ pace: 0.1, onRequest });
  const https = await serveHttps(simulator, {});
  try {
    const clone = { name: "clone_vm", arguments: { source_vmid: 9000, newid: 500 } };
    const lines = await leave(settingsFor(https), clone, posted.promise);
    assert.deepEqual(lines.map((line) => JSON.parse(line).id), [1], "only initialize was answered");
    const task = [...simulator.state.tasks.values()].find(({ type, id }) => type === "qmclone" && id === "9000");
    while (task !== undefined && task.status === undefined) {
      await pause();
      simulator.tick();
    }
    assert.equal(task?.status, "OK");
    assert.ok(simulator.state.guests.has(500));
  } finally {
    await https.close();
  }
});

test("a client that leaves while PVE is silent ends the server", async () => {
  const asked = Promise.withResolvers<void>();
  await using server = await tlsServer(identity, () => asked.resolve());
  const env = {
    ...settings(server.port),
    PROXMOX_USER: "agent@pve!mcp",
    PROXMOX_TOKEN_VALUE: "x",
    PROXMOX_TIMEOUT: "600",
  };
  const lines = await leave(env, { name: "list_nodes", arguments: {} }, asked.promise);
  assert.equal(lines.length, 1);
});
