/** What is printed for a person: a shell takes the words as they were, and no secret is among them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parse as parseToml } from "smol-toml";
import { parse as parseYaml } from "yaml";
import { blockFor, claudeLine, quotePosix, quotePowerShell } from "../../src/install/block.ts";
import { clients } from "../../src/install/clients.ts";
import { isRecord } from "../../src/install/jsonc.ts";
import { differences, merged } from "../../src/install/changes.ts";
import { loadSettings } from "../../src/config/load.ts";
import { cursorLink, vscodeLink } from "../../src/install/links.ts";
import { entryOf, installation, type Program, type Wishes } from "../../src/install/server.ts";

const secret = "0f0f0f0f-1111-2222-3333-444444444444";
const program: Program = { os: "linux", executable: "/usr/local/bin/proxmox-mcp", main: undefined, deno: "2.9.6" };
const wishes: Wishes = {
  demo: false,
  envFile: undefined,
  values: { PROXMOX_HOST: "pve.lan", PROXMOX_USER: "agent@pve!mcp", PROXMOX_TOKEN_VALUE: secret },
  hosts: ["pve.lan:8006"],
  reads: [],
  writes: [],
  needsToken: false,
};

Deno.test("a POSIX shell takes every word as it was", async () => {
  const words = fc.sample(
    fc.oneof(fc.string(), fc.constantFrom("a'b", "$HOME", "`x`", "a b", "", "-n", "é\n", "!1", "\\")),
    {
      numRuns: 300,
      seed: 1,
    },
  ).map((word) => word.replaceAll("\0", ""));
  const script = `for word in ${words.map(quotePosix).join(" ")}; do printf '%s\\0' "$word"; done`;
  const { stdout, code } = await new Deno.Command("sh", { args: ["-c", script] }).output();
  assert.equal(code, 0);
  assert.deepEqual(new TextDecoder().decode(stdout).split("\0").slice(0, -1), words);
});

Deno.test("PowerShell's words are quoted by its own rule", () => {
  assert.equal(quotePowerShell("C:\\a\\b.exe"), "C:\\a\\b.exe");
  assert.equal(quotePowerShell("it's $x\u2019s"), "'it''s $x\u2019\u2019s'");
  // A bare word with a dash in front would be a parameter.
  assert.equal(quotePowerShell("--no-prompt"), "'--no-prompt'");
});

for (const client of clients) {
  Deno.test(`${client.id}: what is printed reads back as the entry, and shows no secret`, () => {
    const made = installation("proxmox", program, wishes, client.secret, true);
    const entry = entryOf(client, "proxmox", made);
    const text = blockFor(client, "proxmox", entry, made.inputs);
    const parsers = {
      json: (json: string): unknown => JSON.parse(json),
      toml: (toml: string): unknown => parseToml(toml),
      yaml: (yaml: string): unknown => parseYaml(yaml),
    };
    const root = parsers[client.format](text);
    assert.ok(isRecord(root));
    const servers = root[client.container];
    const found: unknown = Array.isArray(servers) ? servers[0] : isRecord(servers) ? servers.proxmox : undefined;
    assert.deepEqual(JSON.parse(JSON.stringify(found)), entry);
    assert.ok(!text.includes(secret));
    assert.ok(text.includes("PROXMOX_TOKEN_VALUE"), "nothing says where the secret goes");
    assert.ok(!claudeLine("proxmox", made.server, made.referred, "linux").includes(secret));
  });
}

Deno.test("settings in a file of their own leave no secret and no setting in the entry", () => {
  const own = { ...wishes, values: {}, envFile: "/home/ada/proxmox.env" };
  for (const client of clients) {
    const { server, plain, referred } = installation("proxmox", program, own, client.secret, false);
    assert.deepEqual([server.args, server.env, plain, referred], [
      ["serve", "--env-file", "/home/ada/proxmox.env"],
      {},
      [],
      [],
    ]);
  }
});

Deno.test("from source the server gets the permissions that it needs, and no other", () => {
  const source = { ...program, executable: "/usr/bin/deno", main: "/opt/a,b/main.ts" };
  const hosts = ["pve.lan:8006", "[2001:db8::10]:22", "192.0.2.11:22"];
  const asked = { ...wishes, hosts, reads: ["/etc/ca.pem"], writes: ["/var/log/audit.jsonl"] };
  const { server } = installation("proxmox", source, asked, { kind: "plain" }, false);
  assert.equal(server.command, "/usr/bin/deno");
  assert.deepEqual(server.args.filter((arg) => arg.startsWith("--allow-")), [
    "--allow-env",
    "--allow-read=/opt/a,,b,/etc/ca.pem,/var/log/audit.jsonl",
    "--allow-net=pve.lan:8006,[2001:db8::10]:22,192.0.2.11:22",
    "--allow-write=/var/log/audit.jsonl",
  ]);
  const npx = { ...source, executable: "/home/ada/.npm/_npx/1/node_modules/deno/deno" };
  assert.deepEqual(installation("proxmox", npx, asked, { kind: "plain" }, false).server.args.slice(0, 3), [
    "-y",
    "deno@2.9.6",
    "run",
  ]);
  assert.equal(installation("x", { ...npx, os: "windows" }, asked, { kind: "plain" }, false).server.command, "cmd");
});

Deno.test("what differs is shown without secrets, and what others have added stays", () => {
  const old = {
    command: "/old",
    alwaysAllow: ["list_nodes"],
    env: { PROXMOX_HOST: "old.lan", PROXMOX_TOKEN_VALUE: secret, PROXMOX_POOL: "lab", MY_KEY: "hush" },
  };
  const wanted = { command: "/new", args: ["serve"], env: { PROXMOX_HOST: "pve.lan", PROXMOX_TOKEN_VALUE: "another" } };
  const now = merged(old, wanted);
  assert.deepEqual(now, {
    ...wanted,
    alwaysAllow: ["list_nodes"],
    env: { MY_KEY: "hush", PROXMOX_HOST: "pve.lan", PROXMOX_TOKEN_VALUE: "another" },
  });
  const text = differences(old, now).join("\n");
  assert.match(text, /- command: \/old\n {2}\+ command: \/new/);
  assert.match(text, /- env PROXMOX_HOST: old\.lan/);
  assert.match(text, /- env PROXMOX_POOL: lab/);
  assert.match(text, /- env PROXMOX_TOKEN_VALUE: \(not shown\)/);
  assert.doesNotMatch(text, new RegExp(`${secret}|another|hush`));
  assert.deepEqual(differences(now, now), []);
});

Deno.test("the one-click links hold the program, its questions, and no value", () => {
  const cursor = new URL(cursorLink("proxmox"));
  const entry: unknown = JSON.parse(atob(cursor.searchParams.get("config") ?? ""));
  assert.ok(isRecord(entry) && isRecord(entry.env));
  assert.deepEqual([entry.command, entry.args], ["proxmox-mcp", ["serve"]]);
  // The server counts what Cursor could not fill in as not set.
  const settings = loadSettings(
    Object.fromEntries(Object.entries(entry.env).map(([k, v]) => [k, String(v)])),
    undefined,
    () => "",
  );
  assert.equal(settings.target, undefined);
  const vscode = new URL(vscodeLink("proxmox")).searchParams;
  const config: unknown = JSON.parse(vscode.get("config") ?? "");
  const inputs: unknown = JSON.parse(vscode.get("inputs") ?? "");
  assert.ok(isRecord(config) && isRecord(config.env) && Array.isArray(inputs));
  assert.deepEqual(Object.values(config.env), inputs.map(({ id }) => `\${input:${id}}`));
  assert.deepEqual(inputs.filter(({ password }) => password === true).map(({ id }) => id), ["proxmox-token-value"]);
});
