/** The four ways of trusting a host, as a person sets them: the server's process in front of a PVE over HTTPS. */
import assert from "node:assert/strict";
import { createSimulator, type RequestRecord } from "../../src/sim/mod.ts";
import { serveHttps } from "../../src/sim/https.ts";
import { createAuthority, type Identity, selfSigned } from "../helpers/certificates.ts";
import { http, tlsServer } from "../helpers/raw_servers.ts";
import { runnable } from "../helpers/runtime.ts";
import { type Running, settingsFor, shareWithServer, withServer } from "../helpers/server.ts";

/** A simulated PVE with its own CA, and files that a person could name. */
interface Pve {
  readonly port: number;
  readonly fingerprint: string;
  /** A file with the CA that signed its certificate. */
  readonly caFile: string;
  /** A file with a CA that has nothing to do with it. */
  readonly otherFile: string;
  readonly requests: readonly RequestRecord[];
}

function test(name: string, fn: (pve: Pve) => Promise<void>): void {
  // For the sanitizers see serverTest().
  Deno.test({ ...runnable(name), sanitizeOps: false, sanitizeResources: false, fn: () => withPve(fn) });
}

async function withPve(fn: (pve: Pve) => Promise<void>): Promise<void> {
  const requests: RequestRecord[] = [];
  const simulator = createSimulator({ pace: 0, onRequest: (record) => void requests.push(record) });
  const server = await serveHttps(simulator);
  const directory = await Deno.makeTempDir();
  await shareWithServer(directory);
  const [caFile, otherFile] = [`${directory}/pve-root-ca.pem`, `${directory}/other-ca.pem`];
  try {
    await Deno.writeTextFile(caFile, `${server.ca}\n`);
    await Deno.writeTextFile(otherFile, `${(await createAuthority("Other CA")).pem}\n`);
    await fn({ port: server.port, fingerprint: server.fingerprint, caFile, otherFile, requests });
  } finally {
    await server.close();
    await Deno.remove(directory, { recursive: true });
  }
}

/** Runs the server with nothing but the target, the token, and what `env` says of trust. */
function trusting(
  pve: Pick<Pve, "port" | "fingerprint">,
  env: Readonly<Record<string, string>>,
  fn: (running: Running) => Promise<void>,
): Promise<void> {
  return withServer({ env: { ...settingsFor(pve), PROXMOX_FINGERPRINT: undefined, ...env } }, fn);
}

/** Every call fails alike, reads and writes, and PVE hears nothing of it. */
async function sendsNothing({ error }: Running, pve: Pve, ...says: readonly RegExp[]): Promise<void> {
  for (const [tool, args] of [["list_nodes", {}], ["start_vm", { vmid: 105 }], ["list_nodes", {}]] as const) {
    const text = await error(tool, args);
    assert.match(text, new RegExp(`Sent nothing to 127\\.0\\.0\\.1:${pve.port}: `));
    for (const words of says) assert.match(text, words);
  }
  assert.deepEqual(pve.requests, []);
}

/** Waits for words on stderr, which is a pipe of its own and may lag behind the answers. */
async function said({ stderr }: Running, words: RegExp): Promise<void> {
  for (let i = 0; i < 100 && !words.test(stderr()); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.match(stderr(), words);
}

test("the right pin works, however it is written, and warns of nothing", async (pve) => {
  const { fingerprint } = pve;
  const spellings = [
    fingerprint,
    fingerprint.toLowerCase(),
    fingerprint.replaceAll(":", ""),
    `sha256 Fingerprint=${fingerprint}`,
  ];
  for (const PROXMOX_FINGERPRINT of spellings) {
    await trusting(pve, { PROXMOX_FINGERPRINT }, async ({ ok, stderr }) => {
      await ok("list_nodes");
      assert.equal(stderr(), "");
    });
  }
});

test("with a wrong pin nothing is sent, and the error names both fingerprints", async (pve) => {
  const wrong = pve.fingerprint.replace(/^../, (pair) => pair === "AA" ? "BB" : "AA");
  await trusting(pve, { PROXMOX_FINGERPRINT: wrong }, async (running) => {
    await sendsNothing(
      running,
      pve,
      new RegExp(`has the fingerprint ${pve.fingerprint}, but PROXMOX_FINGERPRINT is ${wrong}`),
      /What to do: Compare with the host itself \(pvenode cert info\)/,
    );
  });
});

test("a wrong pin is not outvoted by a CA that is right", async (pve) => {
  const wrong = pve.fingerprint.replace(/^../, (pair) => pair === "AA" ? "BB" : "AA");
  await trusting(pve, { PROXMOX_FINGERPRINT: wrong, PROXMOX_CA_FILE: pve.caFile }, async (running) => {
    await sendsNothing(running, pve, /PROXMOX_FINGERPRINT is/);
    await said(running, /PROXMOX_FINGERPRINT and PROXMOX_CA_FILE are both set: the fingerprint decides/);
  });
});

test("the CA of the cluster in a file works, and warns of nothing", async (pve) => {
  await trusting(pve, { PROXMOX_CA_FILE: pve.caFile }, async ({ ok, stderr }) => {
    await ok("list_nodes");
    assert.equal((await ok("start_vm", { vmid: 105 })).state, "ok");
    assert.equal(stderr(), "");
  });
});

test("with the CA of another cluster nothing is sent", async (pve) => {
  await trusting(pve, { PROXMOX_CA_FILE: pve.otherFile, PROXMOX_VERIFY_SSL: "false" }, async (running) => {
    await sendsNothing(
      running,
      pve,
      /signed by "Proxmox Virtual Environment", which the CA in .*other-ca\.pem does not vouch for/,
      new RegExp(`What to do: Set PROXMOX_CA_FILE .*pve-root-ca\\.pem, or set PROXMOX_FINGERPRINT=${pve.fingerprint}`),
    );
  });
});

test("PROXMOX_VERIFY_SSL=true does not trust a CA that the system does not know", async (pve) => {
  for (const yes of ["true", "1", "YES"]) {
    await trusting(pve, { PROXMOX_VERIFY_SSL: yes }, async (running) => {
      await sendsNothing(
        running,
        pve,
        /which neither Mozilla nor the operating system vouches for/,
        new RegExp(`What to do: Set PROXMOX_CA_FILE .*PROXMOX_FINGERPRINT=${pve.fingerprint}`),
      );
    });
  }
});

test("PROXMOX_VERIFY_SSL=true trusts a private CA that is in the system's store", async (pve) => {
  await trusting(pve, { PROXMOX_VERIFY_SSL: "true", SSL_CERT_FILE: pve.caFile }, async ({ ok, stderr }) => {
    await ok("list_nodes");
    assert.equal(stderr(), "");
  });
  await trusting(pve, { PROXMOX_VERIFY_SSL: "true", SSL_CERT_FILE: pve.otherFile }, async ({ error }) => {
    assert.match(await error("list_nodes"), /Sent nothing/);
  });
});

test("no variable of the environment switches verification off", async (pve) => {
  const env = { PROXMOX_VERIFY_SSL: "true", NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  await trusting(pve, env, (running) => sendsNothing(running, pve, /vouches for/));
});

test("without verification it works, and says once on stderr what to pin", async (pve) => {
  let line: RegExpExecArray | null = null;
  await trusting(pve, {}, async (running) => {
    const { ok, stderr } = running;
    await Promise.all([ok("list_nodes"), ok("list_vms"), ok("list_storage")]);
    await ok("list_nodes");
    await said(running, /PROXMOX_FINGERPRINT=\S+\n/);
    assert.equal(stderr().split("PROXMOX_FINGERPRINT=").length, 2, stderr());
    assert.match(stderr(), /^Warning: The certificate of 127\.0\.0\.1:\d+ is not verified/);
    line = /PROXMOX_FINGERPRINT=(\S+)/.exec(stderr());
  });
  assert.equal(line?.[1], pve.fingerprint);
});

/** A host with a certificate of its own making. */
async function hostWith(identity: Identity, env: Record<string, string>, says: RegExp, remedy: RegExp): Promise<void> {
  await using server = await tlsServer(
    identity,
    (_request, socket) => void socket.write(http("200 OK", '{"data":[]}')),
  );
  await trusting({ port: server.port, fingerprint: identity.fingerprint }, env, async ({ error, ok }) => {
    const text = await error("list_nodes");
    assert.match(text, says);
    assert.match(text, remedy);
    assert.equal(server.bytes(), 0, "bytes were sent");
    await assert.rejects(ok("start_vm", { vmid: 105 }));
    assert.equal(server.bytes(), 0, "bytes were sent");
  });
  const pinned = { PROXMOX_FINGERPRINT: identity.fingerprint };
  await trusting(
    { port: server.port, fingerprint: identity.fingerprint },
    pinned,
    async ({ ok }) => void await ok("list_nodes"),
  );
}

test("certificates that are expired, for another name, or self-signed are told apart; a pin accepts them", async (pve) => {
  const ca = await createAuthority();
  await Deno.writeTextFile(pve.otherFile, `${ca.pem}\n`);
  const env = { PROXMOX_CA_FILE: pve.otherFile };
  const expired = await ca.issue({ notBefore: new Date("2024-01-01"), notAfter: new Date("2025-02-03") });
  await hostWith(expired, env, /expired on 2025-02-03/, /pvecm updatecerts --force.*clock/);
  const elsewhere = await ca.issue({ names: ["pve1.lan"] });
  await hostWith(
    elsewhere,
    env,
    /is not for "127\.0\.0\.1" but for .*pve1\.lan/,
    /Set PROXMOX_HOST to one of those names/,
  );
  await hostWith(await selfSigned(), env, /is self-signed, which the CA in/, /PROXMOX_FINGERPRINT=/);
});
