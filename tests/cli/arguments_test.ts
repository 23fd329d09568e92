/** The command line: what each line asks for, and what is refused with a remedy. */
import assert from "node:assert/strict";
import { helpText, parseArguments } from "../../src/cli/arguments.ts";
import { parseInput } from "../../src/cli/input.ts";
import { settingRows } from "../../src/config/settings.ts";

function parse(line: string, terminal = false) {
  return parseArguments(line === "" ? [] : line.split(" "), terminal);
}

Deno.test("parseArguments serves by default, and helps on a terminal", () => {
  const serve = { command: "serve", demo: false, envFile: undefined, trace: false };
  assert.deepEqual(parse(""), serve);
  assert.deepEqual(parse("", true), { command: "help" });
  assert.deepEqual(parse("serve", true), serve);
  assert.deepEqual(parse("--demo", true), { ...serve, demo: true });
});

Deno.test("parseArguments reads each command with its flags", () => {
  assert.deepEqual(parse("serve --trace --env-file=my.env"), {
    command: "serve",
    demo: false,
    envFile: "my.env",
    trace: true,
  });
  assert.deepEqual(parse("demo --trace"), { command: "demo", trace: true });
  assert.deepEqual(parse("tools --json"), { command: "tools", json: true });
  assert.deepEqual(parse("simulate --port 8006"), { command: "simulate", port: 8006 });
  assert.deepEqual(parse("simulate"), { command: "simulate", port: undefined });
  assert.deepEqual(parse("call vm_status vmid=102 --json --demo"), {
    command: "call",
    tool: "vm_status",
    input: { vmid: 102 },
    demo: true,
    json: true,
    png: false,
    envFile: undefined,
    trace: false,
  });
  assert.deepEqual(parse("install --client cursor --name=lab --force PROXMOX_HOST=pve.lan"), {
    command: "install",
    client: "cursor",
    name: "lab",
    file: undefined,
    print: false,
    remove: false,
    list: false,
    force: true,
    inlineSecret: false,
    demo: false,
    envFile: undefined,
    words: ["PROXMOX_HOST=pve.lan"],
  });
  for (const line of ["help", "--help", "-h", "call x --help"]) assert.deepEqual(parse(line), { command: "help" });
  assert.deepEqual(parse("--version"), { command: "version" });
});

Deno.test("parseArguments names the closest command or flag", () => {
  assert.throws(() => parse("srve"), { name: "UsageError", message: /no command "srve"/, remedy: /serve\?/ });
  assert.throws(() => parse("--jsno"), { name: "UsageError", message: /no flag --jsno/, remedy: /--json\?/ });
  assert.throws(() => parse("xyzzy"), { remedy: /There are: init, serve, demo, call/ });
});

Deno.test("parseArguments refuses misplaced, doubled and malformed flags", () => {
  assert.throws(() => parse("serve --port 1"), { message: /does not go with serve/, remedy: /goes with: simulate/ });
  assert.throws(() => parse("demo --json"), { remedy: /call, doctor, tools/ });
  assert.throws(() => parse("serve --demo=no"), { message: /--demo takes no value/ });
  assert.throws(() => parse("serve --env-file"), { message: /--env-file needs a value/ });
  assert.throws(() => parse("serve --env-file --trace"), { message: /--env-file needs a value/ });
  assert.throws(() => parse("simulate --port 1 --port 2"), { message: /given twice/ });
  for (const port of ["65536", "x", "-1", "1.5"]) assert.throws(() => parse(`simulate --port=${port}`), /--port is/);
  assert.throws(() => parse("serve now"), { message: /serve takes no argument/ });
  assert.throws(() => parse("call"), { message: /name of a tool/ });
});

Deno.test("parseInput reads JSON values, and all else as text", () => {
  assert.deepEqual(
    parseInput([
      'config={"cores":2}',
      "tags=[1]",
      "full=true",
      "cores=-1",
      "share=0.5",
      "name=web",
      "net0=a=b,c=d",
      "x=",
    ]),
    { config: { cores: 2 }, tags: [1], full: true, cores: -1, share: 0.5, name: "web", net0: "a=b,c=d", x: "" },
  );
});

Deno.test("parseInput keeps ids that a number cannot hold as text", () => {
  const input = { digest: "12345678901234567890", id: "1e5", zero: "007", none: "null", quoted: '"102"' };
  assert.deepEqual(parseInput(Object.entries(input).map(([key, value]) => `${key}=${value}`)), input);
});

Deno.test("parseInput reads one JSON object", () => {
  assert.deepEqual(parseInput(['{"vmid": 102, "name": "5"}']), { vmid: 102, name: "5" });
  assert.throws(() => parseInput(["{vmid: 102}"]), { name: "UsageError", message: /not a JSON object/ });
});

Deno.test("parseInput refuses words without a key, and a key twice", () => {
  assert.throws(() => parseInput(["102"]), { name: "UsageError", remedy: /vmid=102/ });
  assert.throws(() => parseInput(["vmid=1", "vmid=2"]), { message: /vmid is given twice/ });
});

Deno.test("parseInput takes __proto__ as an ordinary key", () => {
  const input = parseInput(['__proto__={"admin":true}']);
  assert.equal(Object.getPrototypeOf(input), Object.prototype);
  assert.ok(Object.hasOwn(input, "__proto__"));
});

Deno.test("helpText names every command, flag and setting", () => {
  const text = helpText();
  const names = [
    "serve",
    "demo",
    "call TOOL",
    "tools",
    "simulate",
    "help",
    "--json",
    "--port N",
    "--env-file",
    "--version",
  ];
  for (const name of [...names, ...settingRows.map((row) => row.variable)]) assert.ok(text.includes(`  ${name}`), name);
});
