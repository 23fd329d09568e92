/** Settings from the environment and a file: strict, complete in their complaints, without secrets. */
import assert from "node:assert/strict";
import { UsageError } from "../../src/errors.ts";
import { envFileToRead, type Environment, loadSettings } from "../../src/config/load.ts";

const secret = "00000000-1111-2222-3333-444444444444";
const complete: Environment = {
  PROXMOX_HOST: "pve.lan",
  PROXMOX_USER: "agent@pve",
  PROXMOX_TOKEN_NAME: "mcp",
  PROXMOX_TOKEN_VALUE: secret,
};
const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";

function noFile(path: string): string {
  throw new Error(`no ${path}`);
}

function load(env: Environment, content?: string) {
  return loadSettings(env, content === undefined ? undefined : { path: ".env", content }, () => pem);
}

function message(env: Environment, content?: string): string {
  try {
    load(env, content);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new assert.AssertionError({ message: `accepted ${JSON.stringify(env)}` });
}

Deno.test("loadSettings fills in the defaults of a minimal environment", () => {
  assert.deepEqual(load(complete), {
    target: {
      host: "pve.lan",
      port: 8006,
      tokenId: "agent@pve!mcp",
      tokenValue: secret,
      trust: { mode: "none" },
      timeoutSeconds: 30,
      maxConnections: 8,
    },
    missing: [],
    selection: { toolsets: undefined, tools: undefined, exclude: undefined },
    readOnly: false,
    protected: { vmids: [], tags: [] },
    confirm: "never",
    pool: undefined,
    allowPrivileged: false,
    downloadHosts: [],
    exec: undefined,
    auditFile: undefined,
    file: undefined,
    warnings: [],
  });
});

Deno.test("loadSettings names all missing variables at once and does not throw", () => {
  const settings = load({});
  assert.equal(settings.target, undefined);
  assert.deepEqual(settings.missing, ["PROXMOX_HOST", "PROXMOX_USER", "PROXMOX_TOKEN_NAME", "PROXMOX_TOKEN_VALUE"]);
  assert.deepEqual(load({ PROXMOX_USER: "agent@pve!mcp" }).missing, ["PROXMOX_HOST", "PROXMOX_TOKEN_VALUE"]);
});

Deno.test("loadSettings counts empty values and placeholders as not set", () => {
  const settings = load({ ...complete, PROXMOX_PORT: " ", PROXMOX_HOST: "${PVE_HOST:-hidden}" });
  assert.deepEqual(settings.missing, ["PROXMOX_HOST"]);
  assert.match(settings.warnings.join(), /^PROXMOX_HOST holds a placeholder/);
  assert.doesNotMatch(settings.warnings.join(), /hidden/);
  assert.equal(load({ ...complete, PROXMOX_HOST: "${X}" }, "PROXMOX_HOST=other.lan").target?.host, "other.lan");
});

Deno.test("loadSettings lets the environment win over the file, whose byte order mark it ignores", () => {
  const settings = load({ ...complete, PROXMOX_HOST: "" }, "\uFEFFPROXMOX_HOST=file.lan\r\nPROXMOX_USER=other@pam\r\n");
  assert.equal(settings.target?.host, "file.lan");
  assert.equal(settings.target?.tokenId, "agent@pve!mcp");
  assert.equal(settings.file, ".env");
});

Deno.test("loadSettings refuses a file in UTF-16", () => {
  assert.match(message(complete, "P\0R\0O\0"), /\.env is not a text file in UTF-8/);
});

Deno.test("loadSettings takes the port in PROXMOX_HOST before PROXMOX_PORT", () => {
  assert.equal(load({ ...complete, PROXMOX_HOST: "pve.lan:443", PROXMOX_PORT: "9000" }).target?.port, 443);
  assert.equal(load({ ...complete, PROXMOX_PORT: "9000" }).target?.port, 9000);
});

Deno.test("loadSettings takes the whole token id from PROXMOX_USER", () => {
  const { PROXMOX_TOKEN_NAME: _, ...rest } = complete;
  assert.equal(load({ ...rest, PROXMOX_USER: "agent@pve!mcp" }).target?.tokenId, "agent@pve!mcp");
  assert.equal(load({ ...complete, PROXMOX_USER: "agent@pve!mcp" }).target?.tokenId, "agent@pve!mcp");
  assert.match(message({ ...complete, PROXMOX_USER: "agent@pve!ci" }), /names the token ci, and .* the token mcp/);
});

Deno.test("loadSettings reads booleans in eight words and refuses all others", () => {
  assert.equal(load({ PROXMOX_ALLOW_PRIVILEGED: "on" }).allowPrivileged, true);
  assert.deepEqual(load({ PROXMOX_DOWNLOAD_HOSTS: "a.lan,b.lan" }).downloadHosts, ["a.lan", "b.lan"]);
  for (const word of ["true", "1", "YES", "On"]) assert.equal(load({ PROXMOX_READ_ONLY: word }).readOnly, true);
  for (const word of ["False", "0", "no", "OFF"]) assert.equal(load({ PROXMOX_READ_ONLY: word }).readOnly, false);
  for (const word of ["ture", "2", "y", "enabled"]) {
    assert.match(message({ PROXMOX_READ_ONLY: word }), /PROXMOX_READ_ONLY is ".*"\. Set it to true or false/);
  }
});

Deno.test("loadSettings collects all problems in one error", () => {
  const text = message({ PROXMOX_HOST: "a b", PROXMOX_PORT: "0", PROXMOX_USER: "agent", PROXMOX_TIMEOUT: "601" });
  for (const name of ["PROXMOX_HOST", "PROXMOX_PORT", "PROXMOX_USER", "PROXMOX_TIMEOUT"]) {
    assert.match(text, new RegExp(`^- ${name} `, "m"));
  }
  assert.match(text, /as in agent@pve/);
});

Deno.test("loadSettings bounds PROXMOX_TIMEOUT and PROXMOX_MAX_CONNECTIONS", () => {
  const target = load({ ...complete, PROXMOX_TIMEOUT: "600", PROXMOX_MAX_CONNECTIONS: "64" }).target;
  assert.deepEqual([target?.timeoutSeconds, target?.maxConnections], [600, 64]);
  for (const value of ["0", "-1", "1.5", "1e2", "99999"]) {
    assert.match(message({ PROXMOX_TIMEOUT: value }), /from 1 to 600/);
    assert.match(message({ PROXMOX_MAX_CONNECTIONS: value }), /from 1 to 64/);
  }
});

Deno.test("loadSettings normalises PROXMOX_FINGERPRINT", () => {
  const pairs = Array.from({ length: 32 }, (_, index) => (index + 160).toString(16));
  const fingerprint = pairs.join(":").toUpperCase();
  for (
    const text of [pairs.join(""), pairs.join(":"), `sha256:${pairs.join("")}`, `sha256 Fingerprint=${fingerprint}`]
  ) {
    assert.deepEqual(load({ ...complete, PROXMOX_FINGERPRINT: text }).target?.trust, { mode: "pin", fingerprint });
  }
  for (const text of [pairs.slice(1).join(":"), `${pairs.join(":")}:00`, "AA:BB", pairs.join("-")]) {
    assert.match(message({ PROXMOX_FINGERPRINT: text }), /not a SHA-256 fingerprint/);
  }
});

Deno.test("loadSettings lets pin win over CA, and CA over the system's CAs", () => {
  const [PROXMOX_FINGERPRINT, PROXMOX_CA_FILE, PROXMOX_VERIFY_SSL] = ["ab".repeat(32), "ca.pem", "true"];
  assert.deepEqual(load({ ...complete, PROXMOX_VERIFY_SSL }).target?.trust, { mode: "system" });
  assert.equal(load({ ...complete, PROXMOX_VERIFY_SSL, PROXMOX_FINGERPRINT }).target?.trust.mode, "pin");
  assert.deepEqual(load({ ...complete, PROXMOX_VERIFY_SSL, PROXMOX_CA_FILE }).target?.trust, {
    mode: "ca",
    pem: pem + "\n",
    file: "ca.pem",
  });
  const both = load({ ...complete, PROXMOX_CA_FILE, PROXMOX_FINGERPRINT });
  assert.equal(both.target?.trust.mode, "pin");
  assert.match(both.warnings.join(), /the fingerprint decides/);
});

Deno.test("loadSettings passes on the certificates of a CA file and no key", () => {
  const content = `-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n${pem}\n`;
  const settings = loadSettings({ ...complete, PROXMOX_CA_FILE: "ca.pem" }, undefined, () => content);
  assert.deepEqual(settings.target?.trust, { mode: "ca", pem: pem + "\n", file: "ca.pem" });
});

Deno.test("loadSettings names a CA file that cannot be read or holds no certificate", () => {
  const env = { ...complete, PROXMOX_CA_FILE: "ca.pem" };
  assert.throws(() => loadSettings(env, undefined, noFile), /PROXMOX_CA_FILE ca\.pem cannot be read: no ca\.pem\./);
  assert.throws(() => loadSettings(env, undefined, () => "hello"), /ca\.pem holds no certificate in PEM/);
});

Deno.test("loadSettings warns of unknown names with the closest known one", () => {
  assert.match(
    load({ PROXMOX_HOTS: "x" }).warnings.join(),
    /PROXMOX_HOTS is not a setting .* Did you mean PROXMOX_HOST\?/,
  );
  assert.match(load({ PROXMOX_PASSWORD: "x" }).warnings.join(), /PROXMOX_PASSWORD .*--help/);
  assert.deepEqual(load({ PATH: "x", PROXMOX_HOTS: "" }).warnings, []);
});

Deno.test("loadSettings stops at a mistyped restriction, as ignoring it would widen access", () => {
  assert.match(message({ PROXMOX_READONLY: "true" }), /PROXMOX_READONLY .* Did you mean PROXMOX_READ_ONLY\?/);
  assert.match(message({ PROXMOX_PROTECTD: "100" }), /Did you mean PROXMOX_PROTECTED\?/);
  assert.match(message({ PROXMOX_CONFRIM: "writes" }), /Did you mean PROXMOX_CONFIRM\?/);
  assert.match(message({ PROXMOX_AUDITFILE: "/a" }), /Did you mean PROXMOX_AUDIT_FILE\?/);
});

Deno.test("loadSettings stops at any other name that promises a limit", () => {
  const limits = [
    "PROTECTED_GUESTS",
    "DENY_GUESTS",
    "NO_WRITES",
    "ALLOWED_TOOLS",
    "DISABLE_EXEC",
    "SAFE_MODE",
    "LIMITS",
  ];
  for (const name of [...limits, "BLOCKLIST", "MCP_READONLY", "WRITE_ONLY_POOLS", "REQUIRE_APPROVAL", "VMIDS"]) {
    assert.match(
      message({ [`PROXMOX_${name}`]: "1" }),
      new RegExp(`PROXMOX_${name} is not a setting of this program, and by its name it limits something\\. .*--help`),
    );
  }
  // Settings of other programs that people have in their environment.
  for (
    const name of ["VE_ENDPOINT", "VE_API_TOKEN", "VE_INSECURE", "URL", "USERNAME", "TOKEN_SECRET", "NODE", "NOTES"]
  ) {
    assert.match(load({ [`PROXMOX_${name}`]: "1" }).warnings.join(), /is ignored/, name);
  }
});

Deno.test("loadSettings takes names of tools in any case, and stops at what is no name", () => {
  const settings = load({ ...complete, PROXMOX_TOOLSETS: "Core", PROXMOX_TOOLS: "list_vms, stop_vm,list_vms" });
  assert.deepEqual(settings.selection, { toolsets: ["core"], tools: ["list_vms", "stop_vm"], exclude: undefined });
  for (const text of ["a b", "core,", ",", "*", "-core", "stop_vm;start_vm"]) {
    assert.match(message({ PROXMOX_EXCLUDE_TOOLS: text }), /PROXMOX_EXCLUDE_TOOLS holds .* is not a name/, text);
  }
});

Deno.test("loadSettings says that settings for commands in guests are not used while those are off", () => {
  const settings = load({ ...complete, PROXMOX_SSH_KEY_FILE: "/nosuch", PROXMOX_EXEC_VM: "ssh" });
  assert.equal(settings.exec, undefined);
  assert.deepEqual(settings.warnings, [
    "Nothing is run in guests, as PROXMOX_ENABLE_EXEC is not true; not used: PROXMOX_SSH_KEY_FILE, PROXMOX_EXEC_VM.",
  ]);
});

Deno.test("loadSettings never shows the secret, wherever it was pasted", () => {
  for (const variable of Object.keys(complete).concat("PROXMOX_PORT", "PROXMOX_VERIFY_SSL", "PROXMOX_FINGERPRINT")) {
    for (const value of [`agent@pve!mcp=${secret}`, `${secret} `, `:${secret}`]) {
      let text = "";
      try {
        text = load({ ...complete, PROXMOX_READ_ONLY: "?", [variable]: value }).warnings.join();
      } catch (error) {
        text = String(error);
      }
      assert.ok(!text.includes(secret), text);
      assert.ok(text.includes("PROXMOX_READ_ONLY"), text);
    }
  }
});

Deno.test("loadSettings refuses more than the secret in PROXMOX_TOKEN_VALUE", () => {
  for (const value of [`agent@pve!mcp=${secret}`, `PVEAPIToken=agent@pve!mcp=${secret}`, `${secret} x`, "sécret"]) {
    assert.match(message({ ...complete, PROXMOX_TOKEN_VALUE: value }), /PROXMOX_TOKEN_VALUE holds/);
  }
});

Deno.test("envFileToRead reads the folder's file only where the environment sets nothing", () => {
  assert.deepEqual(envFileToRead({ PATH: "x" }, undefined), { path: ".env", required: false });
  assert.equal(envFileToRead({ PROXMOX_READ_ONLY: "true" }, undefined), undefined);
  assert.equal(envFileToRead({ PROXMOX_HOST: "" }, undefined), undefined);
  assert.deepEqual(envFileToRead({ PROXMOX_HOST: "pve.lan" }, "my.env"), { path: "my.env", required: true });
});
