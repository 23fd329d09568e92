/** What becomes a permission, what crosses the boundary, and what the launcher has left afterwards. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { loadSettings } from "../../src/config/load.ts";
import { namesToLookFor } from "../../src/config/names.ts";
import { permissionsFor } from "../../src/confine/launcher.ts";
import { isFromWorker, isToWorker } from "../../src/confine/messages.ts";
import { UsageError } from "../../src/errors.ts";
import { ROOT } from "../helpers/server.ts";

const identity = { PROXMOX_USER: "agent@pve!mcp", PROXMOX_TOKEN_VALUE: "<token-secret>" };

/** Pieces of which something may be put together that Deno would take for more than one host. */
const piece = fc.oneof(
  fc.constantFrom(
    ...["pve.lan", "192.0.2.10", "[2001:db8::10]", "2001:db8::10", "::", "127.0.0.1", "localhost", "*", "*.lan"],
    ...[
      ":8006",
      ":0",
      ":443",
      ",",
      ", ",
      ";",
      "/8",
      "/0",
      "/",
      "[",
      "]",
      "@",
      "%",
      "%eth0",
      "\0",
      "\n",
      " ",
      "--allow-run",
    ],
    ...["https://", "http://", "?", "#", "..", ".", "-", "xn--", "a", "0x7f", "1"],
  ),
  fc.string({ maxLength: 8 }),
);

Deno.test("whatever loads as settings, the worker may connect to exactly one host and port", () => {
  let loaded = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 4 }), fc.array(piece, { maxLength: 2 }), (host, port) => {
      const env = { ...identity, PROXMOX_HOST: host.join(""), PROXMOX_PORT: port.join("") };
      try {
        const { target } = loadSettings(env, undefined, () => "");
        const { net, ...others } = permissionsFor(target);
        assert.deepEqual(new Set(Object.values(others)), new Set([false]));
        if (target === undefined) return assert.equal(net, false);
        loaded++;
        assert.ok(Array.isArray(net) && net.length === 1);
        const [entry = ""] = net;
        assert.match(entry, /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]):[1-9]\d{0,4}$/);
        // Deno itself reads it as one host with its port, and the URL parser as well.
        const url = new URL(`https://${entry}`);
        assert.equal(`${url.hostname}:${url.port || "443"}`, entry);
        Deno.permissions.querySync({ name: "net", host: entry });
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(loaded > 20, `only ${loaded} hosts were taken`);
});

Deno.test("with commands in guests on, exactly the SSH hosts are added; off, nobody connects to port 22", () => {
  const pve = { ...identity, PROXMOX_HOST: "pve.lan", PROXMOX_SSH_PASSWORD: "words" };
  const netFor = (env: Record<string, string>) => {
    const { target, exec } = loadSettings({ ...pve, ...env }, undefined, () => "");
    return permissionsFor(target, exec?.ssh?.hosts ?? []).net;
  };
  assert.deepEqual(netFor({}), ["pve.lan:8006"]);
  assert.deepEqual(netFor({ PROXMOX_SSH_HOST: "pve1=192.0.2.11" }), ["pve.lan:8006"], "named, and not switched on");
  const on = { PROXMOX_ENABLE_EXEC: "true" };
  assert.deepEqual(netFor(on), ["pve.lan:8006", "pve.lan:22"]);
  assert.deepEqual(netFor({ ...on, PROXMOX_SSH_PASSWORD: "" }), ["pve.lan:8006"], "nobody can log in");
  assert.deepEqual(
    netFor({ ...on, PROXMOX_SSH_HOST: "pve1=192.0.2.11, pve2=[2001:db8::1]:2222", PROXMOX_SSH_PORT: "222" }),
    [
      "pve.lan:8006",
      "192.0.2.11:222",
      "[2001:db8::1]:2222",
    ],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      try {
        const net = netFor({ ...on, PROXMOX_SSH_HOST: pieces.join("") });
        assert.ok(Array.isArray(net));
        for (const entry of net) {
          assert.match(entry, /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]):[1-9]\d{0,4}$/);
        }
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("no message from the other side makes the guards throw, and none of nonsense passes", () => {
  const kinds = ["assignment", "audited", "answer", "cancel", "mcp", "ready", "log", "audit", "result", "usage", "eof"];
  const message = fc.oneof(
    fc.anything(),
    fc.record({ type: fc.constantFrom(...kinds) }),
    fc.dictionary(fc.string(), fc.anything()),
  );
  fc.assert(fc.property(message, (data) => {
    isToWorker(data);
    isFromWorker(data);
  }));
  for (
    const data of [{ type: "log" }, { type: "audit", id: 1 }, { type: "usage" }, { type: "constructor" }, null, []]
  ) {
    assert.equal(isFromWorker(data), false, JSON.stringify(data));
  }
  const job = { kind: "serve", over: "stdio" };
  assert.equal(isToWorker({ type: "assignment", assignment: { job, sources: undefined, trace: false } }), true);
  for (
    const wrong of [{ job: { kind: "serve" } }, { job, trace: 1 }, { job, trace: true, sources: { env: { A: 1 } } }]
  ) {
    assert.equal(isToWorker({ type: "assignment", assignment: wrong }), false, JSON.stringify(wrong));
  }
});

Deno.test("where the environment cannot be listed, a mistyped restriction is looked for by name", () => {
  const names = namesToLookFor();
  for (
    const name of ["READ_ONLY", "READONLY", "READ_ONYL", "READ_ONLYS", "PROTECT", "PROTECTEED", "HOST", "AUDITFILE"]
  ) {
    assert.ok(names.includes(`PROXMOX_${name}`) || name === "PROTECT", name);
  }
  assert.equal(new Set(names).size, names.length);
});

Deno.test("the launcher has no permission left when the settings cross, and the variables that undermine it are gone", async () => {
  const program = `
    import { launch } from "${ROOT}src/confine/launcher.ts";
    const names = ["env", "read", "write", "net", "run", "ffi", "sys", "import"];
    const post = Worker.prototype.postMessage;
    let left;
    Worker.prototype.postMessage = function (message) {
      if (message.type === "assignment") left = names.filter((name) => Deno.permissions.querySync({ name }).state === "granted");
      return post.call(this, message);
    };
    const { result } = launch({
      assignment: { job: { kind: "probe", elsewhere: undefined }, sources: undefined, trace: false },
      target: undefined, audit: undefined, onLog: () => {},
    });
    const seen = Object.keys(Deno.env.toObject()).filter((name) => /^(?:https?|all)_proxy$|NODE_TLS|SSLKEY/i.test(name));
    const findings = await result;
    console.log(JSON.stringify({ left, seen, findings: findings.length }));
  `;
  const undermining = Object.fromEntries(
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].map((
      name,
    ) => [name, "http://127.0.0.1:9"]),
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--cached-only", "-A", "-"],
    cwd: ROOT,
    // As npx does, which sets variables of its own that only name proxies.
    env: {
      ...undermining,
      npm_config_noproxy: "",
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      SSLKEYLOGFILE: "/nonexistent/keys",
    },
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
  const { left, seen, findings } = JSON.parse(said);
  assert.deepEqual({ left, seen }, { left: [], seen: [] });
  assert.ok(findings > 20);
});
