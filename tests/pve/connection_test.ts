/** The way of a request to PVE through real sockets: what is repeated, what never is, and what goes wrong on the way. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { connect as connectTcp, type Socket } from "node:net";
import type { Target } from "../../src/config/settings.ts";
import { PveError, Refusal } from "../../src/errors.ts";
import { connect, type ConnectOptions, type RequestRecord } from "../../src/pve/connection.ts";
import type { Answer, Send } from "../../src/pve/client.ts";
import { undiciTransport } from "../../src/pve/transport.ts";
import { admit } from "../../src/safety/gate.ts";
import { selfSigned } from "../helpers/certificates.ts";
import {
  type Behaviour,
  closedPort,
  http,
  type RawServer,
  targetAt,
  tcpServer,
  tlsServer,
} from "../helpers/raw_servers.ts";

const identity = await selfSigned();
const mebibyte = 1024 * 1024;
const start = "POST /nodes/{node}/qemu/{vmid}/status/start";
const shutdown = "POST /nodes/{node}/qemu/{vmid}/status/shutdown";
const vm = { node: "pve1", vmid: 100 };

interface Line extends AsyncDisposable {
  readonly send: Send;
  readonly records: RequestRecord[];
}

/** A connection to a port of 127.0.0.1. */
function lineTo(port: number, target: Partial<Target> = {}, options: ConnectOptions = {}): Line {
  const transport = undiciTransport(targetAt(port, target), () => {});
  const records: RequestRecord[] = [];
  const send = connect(transport, { onRequest: (record) => records.push(record), ...options });
  return { send, records, [Symbol.asyncDispose]: () => transport.close() };
}

/** Runs `use` against a TLS server that behaves as told, and takes both down. */
async function against(
  behave: Behaviour,
  use: (line: Line, server: RawServer) => Promise<void>,
  target: Partial<Target> = {},
): Promise<void> {
  await using server = await tlsServer(identity, behave);
  await using line = lineTo(server.port, target);
  await use(line, server);
}

/** The PveError that a promise ends in; checks what every such error has to be. */
async function failure(promise: Promise<unknown>, kind: PveError["details"]["kind"]): Promise<PveError> {
  const error = await promise.then((value) => value, (thrown) => thrown);
  ok(error instanceof PveError, `expected a PveError, got ${JSON.stringify(error)}`);
  equal(error.details.kind, kind, error.message);
  ok(!error.message.endsWith("."), error.message);
  ok(!Deno.inspect(error).includes(targetAt(1).tokenValue), "the secret stands in the error");
  return error;
}

Deno.test("a request carries the token, the path below /api2/json, and its parameters", async () => {
  const behave: Behaviour = (_request, socket) => socket.write(http("200 OK", '{"data":null}'));
  await against(behave, async ({ send, records }, server) => {
    await send("GET /cluster/resources", { type: "vm" }, {});
    const answer = await send(shutdown, { ...vm, timeout: 60 }, {});
    deepEqual(answer, {
      status: 200,
      reason: "OK",
      contentType: "application/json;charset=UTF-8",
      date: "",
      body: '{"data":null}',
    });
    const [get, post] = server.requests;
    equal(get?.method, "GET");
    equal(get?.path, "/api2/json/cluster/resources?type=vm");
    equal(get?.headers["authorization"], "PVEAPIToken=agent@pve!mcp=5c0ffee5-0000-4000-8000-00000000feed");
    equal(get?.headers["accept-encoding"], "gzip");
    // PVE answers 501 to a GET with a body.
    equal(get?.headers["content-length"], undefined);
    equal(get?.headers["content-type"], undefined);
    equal(post?.path, "/api2/json/nodes/pve1/qemu/100/status/shutdown");
    equal(post?.body, "timeout=60");
    equal(post?.headers["content-type"], "application/x-www-form-urlencoded");
    deepEqual(records.map((r) => [r.call, r.method, r.path, r.query, r.body, r.status]), [
      ["GET /cluster/resources", "GET", "/cluster/resources", ["type"], [], 200],
      [shutdown, "POST", "/nodes/pve1/qemu/100/status/shutdown", [], ["timeout"], 200],
    ]);
  });
});

Deno.test("what the gate refuses, and what it has not built, is not sent", async () => {
  await against(() => {}, async ({ send, records }, server) => {
    await rejects(send("GET /cluster/resources", { type: "vm", pool: "x" }, {}), Refusal);
    const transport = undiciTransport(targetAt(server.port), () => {});
    await rejects(transport({ ...admit("GET /version", {}) }, {}), Refusal);
    await transport.close();
    equal(server.connections(), 0);
    deepEqual(records, []);
  });
});

Deno.test("the reason phrase arrives as PVE wrote it", async () => {
  const behave: Behaviour = (_request, socket) => socket.write(http("500 name 'über' – taken"));
  await against(behave, async ({ send }) => {
    equal((await send("GET /version", {}, {})).reason, "name 'über' – taken");
  });
});

Deno.test("a gzipped answer is unpacked", async () => {
  const packed = gzipSync('{"data":"naïve"}');
  const head = `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.byteLength}\r\n\r\n`;
  await against((_request, socket) => {
    socket.write(head);
    socket.write(packed);
  }, async ({ send }) => {
    equal((await send("GET /version", {}, {})).body, '{"data":"naïve"}');
    equal((await send("GET /version", {}, {})).body, '{"data":"naïve"}');
  });
});

for (const status of ["502 Bad Gateway", "503 Service Unavailable", "595 Connection timed out", "596 Broken pipe"]) {
  Deno.test(`a GET answered with ${status} is repeated`, async () => {
    let asked = 0;
    const behave: Behaviour = (_request, socket) => socket.write(++asked === 1 ? http(status) : http("200 OK", "{}"));
    await against(behave, async ({ send, records }) => {
      equal((await send("GET /version", {}, {})).status, 200);
      deepEqual(records.map((record) => record.status), [Number(status.slice(0, 3)), 200]);
    });
  });
}

Deno.test("a GET that keeps failing is given up with PVE's last answer", async () => {
  await using server = await tlsServer(identity, (_request, socket) => socket.write(http("596 Broken pipe")));
  await using line = lineTo(server.port, {}, { retries: 1 });
  equal((await line.send("GET /version", {}, {})).status, 596);
  equal(server.requests.length, 2);
});

Deno.test("a GET answered with 500 or 401 is not repeated", async () => {
  for (const status of ["500 VM is locked (backup)", "401 No ticket"]) {
    await against((_request, socket) => socket.write(http(status)), async ({ send }, server) => {
      await send("GET /version", {}, {});
      equal(server.requests.length, 1);
    });
  }
});

Deno.test("a GET is repeated when its connection breaks", async () => {
  await against((request, socket) => {
    if (request.connection === 1) socket.destroy();
    else socket.write(http("200 OK", "{}"));
  }, async ({ send }, server) => {
    equal((await send("GET /version", {}, {})).status, 200);
    equal(server.requests.length, 2);
  });
});

Deno.test("a POST is never sent twice, whatever PVE answers", async () => {
  await against((_request, socket) => socket.write(http("596 Broken pipe")), async ({ send }, server) => {
    equal((await send(start, vm, {})).status, 596);
    equal(server.requests.length, 1);
  });
});

Deno.test("a POST is never sent twice when its connection breaks, and the error says that it may have acted", async () => {
  await against((_request, socket) => socket.destroy(), async ({ send }, server) => {
    const error = await failure(send(start, vm, {}), "unreachable");
    match(error.message, /PVE may still have carried it out/);
    match(error.details.remedy ?? "", /before repeating/);
    equal(server.requests.length, 1);
  });
});

// node:https on Deno sends a request again when a reused connection dies (denoland/deno#36786).
const drops: Readonly<Record<string, (socket: Socket) => void>> = {
  "is closed": (socket) => socket.end(),
  "is reset": (socket) => socket.resetAndDestroy(),
  "is closed in the middle of an answer": (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-le"),
};
for (const [name, drop] of Object.entries(drops)) {
  Deno.test(`a POST is never sent twice when a reused connection ${name}`, async () => {
    await against((request, socket) => {
      if (request.onConnection === 1) socket.write(http("200 OK", "{}"));
      else drop(socket);
    }, async ({ send }, server) => {
      const timeouts = Array.from({ length: 8 }, (_, n) => n + 1);
      let failed = 0;
      for (const timeout of timeouts) await send(shutdown, { ...vm, timeout }, {}).catch(() => failed++);
      ok(failed > 0, "no connection was reused");
      deepEqual(server.requests.map((request) => request.body), timeouts.map((timeout) => `timeout=${timeout}`));
    });
  });
}

Deno.test("a POST after an idle connection was closed by PVE is sent once at most", async () => {
  await against((_request, socket) => socket.end(http("200 OK", "{}")), async ({ send }, server) => {
    for (let timeout = 1; timeout <= 8; timeout++) await send(shutdown, { ...vm, timeout }, {}).catch(() => {});
    const bodies = server.requests.map((request) => request.body);
    equal(new Set(bodies).size, bodies.length);
  });
});

Deno.test("no more requests are in flight than allowed, and all are answered", async () => {
  const held: Socket[] = [];
  let most = 0;
  await against((_request, socket) => {
    held.push(socket);
    most = Math.max(most, held.length);
    // Answered only when as many are waiting as may be, so that a smaller bound hangs and a larger one shows.
    if (held.length === 3) setTimeout(() => held.splice(0).forEach((each) => each.write(http("200 OK", "{}"))), 20);
  }, async ({ send }, server) => {
    const answers = await Promise.all(Array.from({ length: 9 }, () => send("GET /version", {}, {})));
    ok(answers.every((answer) => answer.status === 200));
    equal(most, 3);
    ok(server.connections() <= 3);
  }, { maxConnections: 3 });
});

Deno.test("aborting ends a request under way, one that waits for its turn, and one between two attempts", async () => {
  const behave: Behaviour = (request, socket) => {
    if (request.path.endsWith("/nodes")) socket.write(http("503 Busy"));
    // The others are never answered.
    arrived();
  };
  let arrived = () => {};
  await against(behave, async ({ send }, server) => {
    const first = new Promise<void>((resolve) => arrived = resolve);
    const underWay = new AbortController();
    const waiting = new AbortController();
    const one = failure(send(start, vm, { signal: underWay.signal }), "cancelled");
    const two = failure(send("GET /version", {}, { signal: waiting.signal }), "cancelled");
    await first;
    waiting.abort();
    await two;
    underWay.abort();
    match((await one).message, /PVE carries it out/);
    const between = new AbortController();
    arrived = () => between.abort();
    await failure(send("GET /nodes", {}, { signal: between.signal }), "cancelled");
    await failure(send("GET /nodes", {}, { signal: AbortSignal.abort() }), "cancelled");
    deepEqual(server.requests.map((request) => request.method), ["POST", "GET"]);
  }, { maxConnections: 1 });
});

Deno.test("a write that is cancelled while the connection is being made never leaves", async () => {
  await using server = await tlsServer(identity, (_request, socket) => socket.write(http("200 OK", '{"data":null}')));
  const knocked = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const rooms: Socket[] = [];
  await using door = await tcpServer((socket) =>
    void socket.once("data", async (hello: Uint8Array) => {
      knocked.resolve();
      await opened.promise;
      const room = connectTcp(server.port, "127.0.0.1").on("error", () => {});
      rooms.push(room);
      room.write(hello);
      socket.pipe(room).pipe(socket);
    })
  );
  await using line = lineTo(door.port, { maxConnections: 1 });
  const controller = new AbortController();
  const cancelled = failure(line.send(start, vm, { signal: controller.signal }), "cancelled");
  await knocked.promise;
  controller.abort();
  await cancelled;
  opened.resolve();
  // It waits for its turn behind the other one.
  await line.send("GET /version", {}, {});
  deepEqual(server.requests.map(({ method }) => method), ["GET"]);
  rooms.forEach((room) => room.destroy());
});

Deno.test("a write that is cancelled in the moment of its turn is cancelled, whichever moment that is", async () => {
  await against((_request, socket) => socket.write(http("200 OK", '{"data":null}')), async ({ send }) => {
    await send("GET /version", {}, {});
    for (let moment = 0; moment < 12; moment++) {
      for (const ahead of [false, true]) {
        const first = new AbortController();
        const before = ahead ? failure(send(start, vm, { signal: first.signal }), "cancelled") : undefined;
        const controller = new AbortController();
        const call = failure(send(shutdown, vm, { signal: controller.signal }), "cancelled");
        first.abort();
        for (let tick = 0; tick < moment; tick++) await Promise.resolve();
        controller.abort();
        await Promise.all([before, call]);
      }
    }
    equal((await send("GET /version", {}, {})).status, 200);
  }, { maxConnections: 1 });
});

Deno.test("what is given up while the connection is made holds up nobody behind it for longer than that", async () => {
  await using server = await tcpServer(() => {});
  await using line = lineTo(server.port, { timeoutSeconds: 1, maxConnections: 1 });
  const cancelled: Promise<unknown>[] = [];
  for (let count = 0; count < 3; count++) {
    const controller = new AbortController();
    cancelled.push(failure(line.send("GET /nodes", {}, { signal: controller.signal }), "cancelled"));
    setTimeout(() => controller.abort(), 50);
  }
  const error = await failure(line.send(start, vm, {}), "unreachable");
  match(error.message, /no TLS connection within 0\.5 s/);
  ok(!error.message.includes("may still"), error.message);
  await Promise.all(cancelled);
});

Deno.test("an abort between two attempts does not wait for the next one", async () => {
  const controller = new AbortController();
  const answers: Answer = { status: 503, reason: "Busy", contentType: "", body: "" };
  let sent = 0;
  const send = connect(() => {
    sent++;
    setTimeout(() => controller.abort(), 0);
    return Promise.resolve(answers);
  });
  let late = false;
  // Fires after the abort and before the next attempt would be due.
  const timer = setTimeout(() => late = true, 50);
  await failure(send("GET /version", {}, { signal: controller.signal }), "cancelled");
  clearTimeout(timer);
  equal(late, false);
  equal(sent, 1);
});

Deno.test("a host that shakes hands and then stays silent is given up, a GET included after one attempt", async () => {
  await against(() => {}, async ({ send }, server) => {
    const error = await failure(send("GET /version", {}, {}), "unreachable");
    match(error.message, /did not answer within 0\.5 s/);
    match(error.details.remedy ?? "", /PROXMOX_TIMEOUT/);
    const write = await failure(send(start, vm, {}), "unreachable");
    match(write.message, /may still have carried it out/);
    equal(server.requests.length, 2);
  }, { timeoutSeconds: 0.5 });
});

Deno.test("a host that accepts a connection and says nothing is given up", async () => {
  await using server = await tcpServer(() => {});
  await using line = lineTo(server.port, { timeoutSeconds: 0.5 });
  const error = await failure(line.send(start, vm, {}), "unreachable");
  match(error.message, /no TLS connection within 0\.25 s/);
  ok(!error.message.includes("may still"), error.message);
});

Deno.test("a refused connection names the host, the port and what to check", async () => {
  const port = await closedPort();
  await using line = lineTo(port);
  const error = await failure(line.send("GET /version", {}, {}), "unreachable");
  match(error.message, new RegExp(`^GET /version failed: Cannot reach PVE at 127\\.0\\.0\\.1:${port}: .*refused`));
  match(error.details.remedy ?? "", /PROXMOX_HOST and PROXMOX_PORT/);
  equal(line.records.length, 1);
});

Deno.test("plain HTTP on the port is called that", async () => {
  await using server = await tcpServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await using line = lineTo(server.port);
  match((await failure(line.send("GET /version", {}, {}), "unreachable")).message, /does not speak TLS/);
});

Deno.test("a connection reset before TLS is a broken connection", async () => {
  await using server = await tcpServer((socket) => socket.resetAndDestroy());
  await using line = lineTo(server.port, {}, { retries: 1 });
  match((await failure(line.send("GET /version", {}, {}), "unreachable")).message, /broke before the answer came/);
  equal(line.records.length, 2);
});

Deno.test("a host that the process may not connect to is told apart from one that is down", async () => {
  const transport = undiciTransport(targetAt(8006, { host: "pve.invalid" }), () => {});
  const error = await failure(connect(transport)("GET /version", {}, {}), "unreachable");
  await transport.close();
  // With every permission granted, the name is looked up, and there is none.
  const granted = (await Deno.permissions.query({ name: "net" })).state === "granted";
  match(error.details.remedy ?? "", granted ? /PROXMOX_HOST/ : /--allow-net=pve\.invalid:8006/);
  match(error.message, granted ? /cannot be resolved/ : /at pve\.invalid:8006: this process may connect only to/);
});

Deno.test("an answer that breaks off is not mistaken for a whole one", async () => {
  const bodies = [
    "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
  ];
  for (const body of bodies) {
    await using server = await tlsServer(identity, (_request, socket) => socket.end(body));
    await using line = lineTo(server.port, {}, { retries: 1 });
    match((await failure(line.send("GET /version", {}, {}), "unreadable")).message, /broke off/);
    equal(server.requests.length, 2);
    match((await failure(line.send(start, vm, {}), "unreadable")).message, /may still have carried it out/);
    equal(server.requests.length, 3);
  }
});

Deno.test("gzip that breaks off, or is none, is unreadable", async () => {
  const packed = gzipSync("x".repeat(1000)).subarray(0, 20);
  for (const bytes of [packed, new TextEncoder().encode("this is no gzip")]) {
    await against((_request, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bytes.byteLength}\r\n\r\n`);
      socket.write(bytes);
    }, async ({ send }) => {
      await failure(send(start, vm, {}), "unreadable");
    });
  }
});

Deno.test("what is not HTTP is unreadable", async () => {
  await against((_request, socket) => socket.end("SSH-2.0-OpenSSH_10.0\r\n"), async ({ send }) => {
    await failure(send("GET /version", {}, {}), "unreadable");
  });
});

Deno.test("an answer of 100 MiB is cut off", async () => {
  let written = 0;
  await against((_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${100 * mebibyte}\r\n\r\n`);
    const chunk = new Uint8Array(mebibyte).fill(32);
    const more = () => {
      while (written < 100 && !socket.destroyed) {
        written++;
        if (!socket.write(chunk)) return void socket.once("drain", more);
      }
    };
    more();
  }, async ({ send }, server) => {
    match((await failure(send("GET /version", {}, {}), "unreadable")).message, /too large: more than 32 MiB/);
    await server.drained();
    ok(written < 100, `all ${written} MiB were taken`);
    equal(server.requests.length, 1);
  });
});

Deno.test("a small answer that unpacks to 64 MiB is cut off", async () => {
  const packed = gzipSync(new Uint8Array(64 * mebibyte));
  ok(packed.byteLength < mebibyte);
  await against((_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.byteLength}\r\n\r\n`);
    socket.write(packed);
  }, async ({ send }) => {
    match((await failure(send("GET /version", {}, {}), "unreadable")).message, /too large/);
  });
});

Deno.test("a redirect is handed on, not followed", async () => {
  const behave: Behaviour = (_request, socket) => socket.write(http("302 Found", "", { location: "/login" }));
  await against(behave, async ({ send }, server) => {
    equal((await send("GET /version", {}, {})).status, 302);
    equal(server.requests.length, 1);
  });
});

Deno.test("a request after close() fails instead of opening a connection", async () => {
  await against((_request, socket) => socket.write(http("200 OK", "{}")), async ({ send }, server) => {
    const transport = undiciTransport(targetAt(server.port), () => {});
    await transport(admit("GET /version", {}), {});
    await transport.close();
    await failure(transport(admit("GET /version", {}), {}), "unreachable");
    equal((await send("GET /version", {}, {})).status, 200);
    equal(server.requests.length, 2);
  });
});
