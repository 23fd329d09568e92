/** The settings for commands in guests: what is taken, what stops the start, and with which remedy. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseExecGuests } from "../../src/config/exec.ts";
import { parseKnownHosts } from "../../src/config/known_hosts.ts";
import { loadSettings } from "../../src/config/load.ts";
import { faultOfKey } from "../../src/config/ssh_key.ts";
import { UsageError } from "../../src/errors.ts";
import { makeKey, noSshd } from "../helpers/sshd.ts";

const base = {
  PROXMOX_HOST: "pve.lan",
  PROXMOX_USER: "agent@pve!mcp",
  PROXMOX_TOKEN_VALUE: "x",
  PROXMOX_ENABLE_EXEC: "true",
};
const KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIEFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";

function load(env: Record<string, string>, files: Record<string, string> = {}) {
  return loadSettings({ ...base, ...env }, undefined, (path) => {
    const content = files[path];
    if (content === undefined) throw new Error("no such file");
    return content;
  });
}

function complaint(env: Record<string, string>, files?: Record<string, string>): string {
  try {
    load(env, files);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return assert.fail(`accepted ${JSON.stringify(env)}`);
}

Deno.test("switched on alone, VMs are entered by the guest agent, and no host is reached by SSH", () => {
  assert.deepEqual(load({}).exec, { guests: undefined, privileged: false, vm: "agent", ssh: undefined });
  assert.deepEqual(load({}).warnings, []);
});

Deno.test("hosts are one, several, or one for each node; their names become permissions", () => {
  const hosts = (text: string) => load({ PROXMOX_SSH_PASSWORD: "words", PROXMOX_SSH_HOST: text }).exec?.ssh?.hosts;
  assert.deepEqual(hosts(""), [{ node: undefined, host: "pve.lan", port: 22 }]);
  assert.deepEqual(hosts("192.0.2.11:2222"), [{ node: undefined, host: "192.0.2.11", port: 2222 }]);
  assert.deepEqual(hosts("pve1=a.lan, pve2=[2001:db8::1]"), [
    { node: "pve1", host: "a.lan", port: 22 },
    { node: "pve2", host: "2001:db8::1", port: 22 },
  ]);
  const wrong = [
    "a,,b",
    "pve1=a,pve1=b",
    "a b",
    "*",
    "10.0.0.0/8",
    "root@pve.lan",
    "https://pve.lan",
    "pve1=",
    "a:0",
    "x=y=z",
  ];
  for (const text of wrong) {
    assert.match(complaint({ PROXMOX_SSH_PASSWORD: "words", PROXMOX_SSH_HOST: text }), /PROXMOX_SSH_HOST/, text);
  }
});

Deno.test("guests are vmids, tags and pools; what is none of them stops the start", () => {
  assert.deepEqual(parseExecGuests("250, tag:Sandbox,pool:agents/dev,101"), {
    vmids: [101, 250],
    tags: ["sandbox"],
    pools: ["agents/dev"],
  });
  for (const text of ["", "250,", "all", "*", "99", "100-200", "tag:", "pool:", "tag:a b", "pool:/x", "vm:100"]) {
    assert.throws(() => parseExecGuests(text), UsageError, text);
  }
  // An empty variable counts as not set everywhere; a mistyped name of this restriction does not.
  assert.match(complaint({ PROXMOX_EXEC_GUEST: "250" }), /PROXMOX_EXEC_GUEST is not a setting/);
  assert.match(complaint({ PROXMOX_SSH_HOSTKEY: "x" }), /PROXMOX_SSH_HOSTKEY is not a setting/);
});

Deno.test("what cannot work is told at the start", () => {
  assert.match(complaint({ PROXMOX_EXEC_VM: "ssh" }), /no way to log in.*PROXMOX_SSH_KEY_FILE/s);
  assert.match(complaint({ PROXMOX_EXEC_VM: "docker" }), /Set it to agent or ssh/);
  assert.match(complaint({ PROXMOX_SSH_USER: "root; id" }), /PROXMOX_SSH_USER/);
  assert.match(complaint({ PROXMOX_SSH_PORT: "0" }), /PROXMOX_SSH_PORT/);
  assert.match(complaint({ PROXMOX_SSH_KEY_FILE: "/k" }), /PROXMOX_SSH_KEY_FILE \/k cannot be read/);
  assert.match(
    complaint({ PROXMOX_SSH_KEY_FILE: "/k" }, { "/k": "hello" }),
    /holds no private key.*ssh-keygen -t ed25519/s,
  );
  assert.match(complaint({ PROXMOX_SSH_KEY_FILE: "/k" }, { "/k": `ssh-ed25519 ${KEY}` }), /is a public key/);
  assert.match(complaint({ PROXMOX_SSH_HOST_KEY: "SHA256:short" }), /not a SHA-256 fingerprint/);
  assert.match(complaint({ PROXMOX_SSH_HOST_KEY: "/none" }), /cannot be read/);
  assert.match(complaint({ PROXMOX_SSH_HOST_KEY: "/h" }, { "/h": "# nothing\n" }), /holds no host's key/);
  const secret = complaint({ PROXMOX_SSH_PASSWORD: "correct-horse", PROXMOX_SSH_HOST: "correct-horse!" });
  assert.doesNotMatch(secret, /correct-horse/);
});

Deno.test("fingerprints and known_hosts files are both taken for the hosts' keys", () => {
  const keys = (text: string, files?: Record<string, string>) =>
    load({ PROXMOX_SSH_PASSWORD: "words", PROXMOX_SSH_HOST_KEY: text }, files).exec?.ssh?.hostKeys;
  const print = `SHA256:${"a".repeat(43)}`;
  assert.deepEqual(keys(`${print}, sha256:${"B".repeat(43)}=`), {
    kind: "fingerprints",
    fingerprints: [print, `SHA256:${"B".repeat(43)}`],
  });
  assert.deepEqual(keys("/h", { "/h": `\ufeffpve.lan,192.0.2.10 ssh-ed25519 ${KEY} root@pve\r\n` }), {
    kind: "known_hosts",
    file: "/h",
    entries: [{ hosts: ["pve.lan", "192.0.2.10"], revoked: false, type: "ssh-ed25519", key: KEY }],
  });
});

Deno.test("no text makes the readers of keys and known_hosts throw", () => {
  const line = fc.array(
    fc.constantFrom("@revoked", "@cert-authority", "|1|a|b|", "*", "!x", "ssh-rsa", KEY, "#", " ", "\n", "\t"),
  );
  fc.assert(fc.property(fc.oneof(fc.string(), line.map((words) => words.join(" "))), (text) => {
    for (const { hosts, type, key } of parseKnownHosts(text)) {
      assert.ok(hosts.length > 0 && /^[a-z0-9]/.test(type) && key.length > 15);
    }
    faultOfKey(text, "/k", false);
    faultOfKey(
      `-----BEGIN OPENSSH PRIVATE KEY-----\n${btoa(text.replaceAll(/[^ -\xff]/g, ""))}\n-----END`,
      "/k",
      true,
    );
  }));
});

Deno.test({
  name: `each kind of key that ssh-keygen makes is taken, or refused with what to do${
    noSshd === undefined ? "" : ` (skipped: ${noSshd})`
  }`,
  ignore: noSshd !== undefined,
  fn() {
    const folder = Deno.makeTempDirSync();
    const fault = (name: string, options: readonly string[], passphrase = false) => {
      makeKey(`${folder}/${name}`, ...options);
      return faultOfKey(Deno.readTextFileSync(`${folder}/${name}`), `${folder}/${name}`, passphrase);
    };
    assert.equal(fault("ed", ["-t", "ed25519"]), undefined);
    assert.equal(fault("rsa", ["-t", "rsa"]), undefined);
    assert.equal(fault("pem", ["-t", "rsa", "-m", "PEM"]), undefined);
    assert.equal(fault("edp", ["-t", "ed25519", "-N", "words"], true), undefined);
    assert.match(fault("edn", ["-t", "ed25519", "-N", "words"])?.remedy ?? "", /PROXMOX_SSH_PASSPHRASE/);
    assert.match(fault("ec", ["-t", "ecdsa"])?.what ?? "", /ecdsa-sha2-nistp256/);
    assert.match(fault("ecpem", ["-t", "ecdsa", "-m", "PEM"])?.what ?? "", /ECDSA/);
    assert.match(fault("pemp", ["-t", "rsa", "-m", "PEM", "-N", "words"], true)?.remedy ?? "", /ssh-keygen -p -f/);
    assert.match(fault("p8", ["-t", "rsa", "-m", "PKCS8"])?.remedy ?? "", /ssh-keygen -p -f/);
    Deno.removeSync(folder, { recursive: true });
  },
});
