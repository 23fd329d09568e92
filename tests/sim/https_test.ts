/** The simulator over HTTPS: trust, reason phrases, compression. */
import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { connect } from "node:net";
import { gunzipSync } from "node:zlib";
import { createSimulator, demoToken } from "../../src/sim/mod.ts";
import { type HttpsSimulator, serveHttps } from "../../src/sim/https.ts";

interface Received {
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly fingerprint: string;
}

const AUTHORIZATION = `PVEAPIToken=${demoToken.id}=${demoToken.secret}`;

function ask(
  server: HttpsSimulator,
  path: string,
  headers: Record<string, string> = { authorization: AUTHORIZATION },
): Promise<Received> {
  return new Promise((resolve, reject) => {
    let fingerprint = "";
    const sent = request(
      { host: "127.0.0.1", port: server.port, path: `/api2/json${path}`, ca: server.ca, headers, agent: false },
      (response) => {
        const chunks: Uint8Array[] = [];
        response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          const body = response.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes;
          resolve({
            status: response.statusCode,
            reason: response.statusMessage,
            headers: response.headers,
            body: body.toString("utf8"),
            fingerprint,
          });
        });
      },
    );
    sent.on("socket", (socket) => {
      socket.on("secureConnect", () => {
        if ("getPeerCertificate" in socket && typeof socket.getPeerCertificate === "function") {
          fingerprint = String(socket.getPeerCertificate().fingerprint256);
        }
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}

Deno.test("over HTTPS the CA verifies, the fingerprint is the leaf's, and reason phrases arrive", async (t) => {
  const server = await serveHttps(createSimulator());
  try {
    await t.step("an answer", async () => {
      const received = await ask(server, "/version");
      assert.equal(received.status, 200);
      assert.equal(JSON.parse(received.body).data.release, "9.2");
      if (received.fingerprint !== "") assert.equal(received.fingerprint, server.fingerprint);
    });
    await t.step("an error's text is the reason phrase", async () => {
      const received = await ask(server, "/nodes/pve1/qemu/999/config");
      assert.equal(received.status, 500);
      assert.equal(received.reason, "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist");
    });
    await t.step("without a token the answer is empty", async () => {
      const received = await ask(server, "/version", {});
      assert.deepEqual([received.status, received.reason, received.body], [401, "No ticket", ""]);
      assert.equal(received.headers["content-type"], undefined);
    });
    await t.step("large answers are compressed for those who accept it", async () => {
      const headers = { authorization: AUTHORIZATION, "accept-encoding": "gzip" };
      const received = await ask(server, "/cluster/resources", headers);
      assert.equal(received.headers["content-encoding"], "gzip");
      assert.ok(JSON.parse(received.body).data.length > 20);
    });
    await t.step("plain HTTP is redirected", async () => {
      const text = await new Promise<string>((resolve) => {
        let seen = "";
        const socket = connect(
          server.port,
          "127.0.0.1",
          () => socket.write("GET /api2/json/version HTTP/1.1\r\nHost: x\r\n\r\n"),
        );
        socket.on("data", (chunk: Uint8Array) => seen += Buffer.from(chunk).toString("latin1"));
        socket.on("error", () => {});
        socket.on("close", () => resolve(seen));
      });
      assert.match(text, /^HTTP\/1\.1 301 /);
      assert.match(text, new RegExp(`location: https://x:${server.port}/api2/json/version`, "i"));
    });
  } finally {
    await server.close();
  }
});
