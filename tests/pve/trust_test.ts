/** Who is believed to be PVE: each way of trusting, right and wrong, over real TLS connections. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Trust } from "../../src/config/settings.ts";
import { PveError } from "../../src/errors.ts";
import { connect } from "../../src/pve/connection.ts";
import { undiciTransport } from "../../src/pve/transport.ts";
import { createAuthority, type Identity, selfSigned } from "../helpers/certificates.ts";
import { http, type RawServer, targetAt, tlsServer } from "../helpers/raw_servers.ts";

const authority = await createAuthority("PVE Cluster CA");
const otherAuthority = await createAuthority("Another CA");
const good = await authority.issue();

/** A server that shows the identity and answers every request. */
function pve(identity: Identity): Promise<RawServer> {
  return tlsServer(identity, (_request, socket) => socket.write(http("200 OK", '{"data":{}}')));
}

/** Makes requests one after the other; the status, or the error, of each. */
async function ask(port: number, trust: Trust, times = 1): Promise<{ results: unknown[]; warnings: string[] }> {
  const warnings: string[] = [];
  const transport = undiciTransport(targetAt(port, { trust }), (message) => warnings.push(message));
  const send = connect(transport);
  const results: unknown[] = [];
  for (let n = 0; n < times; n++) {
    results.push(await send("GET /version", {}, {}).then((answer) => answer.status, (error) => error));
  }
  await transport.close();
  return { results, warnings };
}

/** The error that a host with this identity earns, after checking that it saw no HTTP at all. */
async function distrusted(identity: Identity, trust: Trust): Promise<PveError> {
  await using server = await pve(identity);
  const { results: [error] } = await ask(server.port, trust);
  ok(error instanceof PveError, `expected a PveError, got ${error}`);
  equal(error.details.kind, "untrusted");
  await server.drained();
  equal(server.bytes(), 0);
  ok(error.details.remedy !== undefined);
  match(error.message, /^GET \/version failed: Sent nothing to 127\.0\.0\.1:\d+: its certificate/);
  ok(!error.message.endsWith("."));
  return error;
}

const ca: Trust = { mode: "ca", pem: authority.pem, file: "pve-root-ca.pem" };

Deno.test("without verification it works, and warns once with the fingerprint to pin", async () => {
  await using server = await pve(good);
  const { results, warnings } = await ask(server.port, { mode: "none" }, 3);
  deepEqual(results, [200, 200, 200]);
  equal(warnings.length, 1);
  ok(warnings[0]?.includes(`PROXMOX_FINGERPRINT=${good.fingerprint}`), warnings[0]);
});

Deno.test("a certificate of the given CA is trusted, without a warning", async () => {
  await using server = await pve(good);
  deepEqual(await ask(server.port, ca), { results: [200], warnings: [] });
  ok(server.bytes() > 0);
});

Deno.test("a certificate of another CA is not trusted", async () => {
  const error = await distrusted(await otherAuthority.issue(), ca);
  match(error.message, /signed by "Another CA", which the CA in pve-root-ca\.pem does not vouch for/);
  match(error.details.remedy ?? "", /PROXMOX_CA_FILE.*PROXMOX_FINGERPRINT=/);
});

Deno.test("a CA of the same name with another key is not trusted", async () => {
  const twin = await createAuthority("PVE Cluster CA");
  await distrusted(await twin.issue(), ca);
});

Deno.test("a self-signed certificate is not trusted", async () => {
  const error = await distrusted(await selfSigned(), ca);
  match(error.message, /is self-signed/);
});

Deno.test("the system's CAs do not vouch for a private CA", async () => {
  const error = await distrusted(good, { mode: "system" });
  match(error.message, /neither Mozilla nor the operating system/);
});

Deno.test("NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment does not switch verification off", async () => {
  Deno.env.set("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  try {
    await distrusted(await otherAuthority.issue(), ca);
    await distrusted(good, { mode: "system" });
  } finally {
    Deno.env.delete("NODE_TLS_REJECT_UNAUTHORIZED");
  }
});

Deno.test("a certificate for another name is not trusted, and the names it is for are said", async () => {
  const error = await distrusted(await authority.issue({ names: ["pve.lan"] }), ca);
  match(error.message, /not for "127\.0\.0\.1" but for DNS:pve\.lan/);
  match(error.details.remedy ?? "", /PROXMOX_HOST/);
});

Deno.test("an expired certificate is called expired, with its date", async () => {
  const notAfter = new Date("2026-01-31T12:00:00Z");
  const notBefore = new Date("2026-01-01T12:00:00Z");
  const error = await distrusted(await authority.issue({ notBefore, notAfter }), ca);
  match(error.message, /expired on 2026-01-31/);
});

Deno.test("a certificate that is not valid yet points to the clocks", async () => {
  const notBefore = new Date("2999-01-01T12:00:00Z");
  const notAfter = new Date("2999-12-01T12:00:00Z");
  const error = await distrusted(await authority.issue({ notBefore, notAfter }), ca);
  match(error.message, /not valid before 2999-01-01/);
  match(error.details.remedy ?? "", /clock/);
});

Deno.test("the right pin is enough: no CA, no matching name, no valid date", async () => {
  const old = await selfSigned({
    names: ["pve.lan"],
    notBefore: new Date("2020-01-01T00:00:00Z"),
    notAfter: new Date("2020-02-01T00:00:00Z"),
  });
  await using server = await pve(old);
  deepEqual(await ask(server.port, { mode: "pin", fingerprint: old.fingerprint }), { results: [200], warnings: [] });
});

Deno.test("with a wrong pin not one byte of HTTP is sent, however often it is tried", async () => {
  await using server = await pve(good);
  const fingerprint = (await selfSigned()).fingerprint;
  const { results } = await ask(server.port, { mode: "pin", fingerprint }, 5);
  for (const error of results) {
    ok(error instanceof PveError);
    equal(error.details.kind, "untrusted");
    ok(error.message.includes(fingerprint) && error.message.includes(good.fingerprint), error.message);
    match(error.details.remedy ?? "", /pvenode cert info/);
  }
  await server.drained();
  equal(server.connections(), 5);
  equal(server.bytes(), 0);
});

// Deno reads its store once in a process, at the first TLS connection: so this needs a process of its own.
const mayRun = (await Deno.permissions.query({ name: "run" })).state === "granted";
Deno.test({
  name: "a private CA in the operating system's store is trusted once DENO_TLS_CA_STORE names the system",
  ignore: !mayRun,
  async fn() {
    const program = `
      import { createAuthority } from "./tests/helpers/certificates.ts";
      import { http, targetAt, tlsServer } from "./tests/helpers/raw_servers.ts";
      import { connect } from "./src/pve/connection.ts";
      import { undiciTransport } from "./src/pve/transport.ts";
      const authority = await createAuthority();
      const file = await Deno.makeTempFile();
      await Deno.writeTextFile(file, authority.pem + "\\n");
      Deno.env.set("SSL_CERT_FILE", file);
      Deno.env.set("DENO_TLS_CA_STORE", "mozilla,system");
      const answer = (_request, socket) => socket.write(http("200 OK", "{}"));
      await using server = await tlsServer(await authority.issue(), answer);
      const transport = undiciTransport(targetAt(server.port, { trust: { mode: "system" } }), console.error);
      console.log((await connect(transport)("GET /version", {}, {})).status);
      await transport.close();
      await Deno.remove(file);
    `;
    const child = new Deno.Command(Deno.execPath(), { args: ["run", "-A", "-"], stdin: "piped", stdout: "piped" })
      .spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(program));
    await writer.close();
    const { stdout } = await child.output();
    equal(new TextDecoder().decode(stdout).trim(), "200");
  },
});
