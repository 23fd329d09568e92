/** `install` as a person runs it, in a home folder of its own. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client } from "@modelcontextprotocol/client";
import { parse, type ParseError } from "jsonc-parser";
import { isRecord } from "../../src/install/jsonc.ts";
import { createSimulator } from "../../src/sim/mod.ts";
import { serveHttps } from "../../src/sim/https.ts";
import { answerOf, inherited, ROOT, serverCommand, settingsFor } from "../helpers/server.ts";

const secret = "0f0f0f0f-1111-2222-3333-444444444444";
const settings = { PROXMOX_HOST: "pve.lan", PROXMOX_USER: "agent@pve!mcp", PROXMOX_TOKEN_VALUE: secret };

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A home folder with nothing in it, and a way to run the command there. */
interface Home {
  readonly folder: string;
  install(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome>;
}

/** Deno's cache is in the home folder; with another home it has to be named. */
async function cache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], stderr: "null" }).output();
  const info: unknown = JSON.parse(new TextDecoder().decode(stdout));
  assert.ok(isRecord(info) && typeof info.denoDir === "string");
  return info.denoDir;
}

async function withHome(test: (home: Home) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const [command, ...rest] = serverCommand(["--allow-write"]);
  const denoDir = await cache();
  try {
    await test({
      folder,
      async install(args, env = settings) {
        const { code, stdout, stderr } = await new Deno.Command(command, {
          args: [...rest, "install", ...args],
          cwd: folder,
          clearEnv: true,
          env: { ...inherited(), DENO_DIR: denoDir, HOME: folder, USERPROFILE: folder, ...env },
          stdin: "null",
        }).output();
        const decoder = new TextDecoder();
        const outcome = { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
        assert.ok(!`${outcome.stdout}${outcome.stderr}`.includes(secret), "the secret was printed");
        assert.doesNotMatch(outcome.stderr, /Uncaught|NotCapable|\n +at /);
        return outcome;
      },
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const skipped = Deno.build.os !== "linux" ? "skipped: the paths below are those of Linux" : undefined;

const written = [
  { id: "claude-desktop", file: ".config/Claude/claude_desktop_config.json", container: "mcpServers" },
  { id: "cursor", file: ".cursor/mcp.json", container: "mcpServers" },
  { id: "vscode", file: ".config/Code/User/mcp.json", container: "servers" },
] as const;

function entryIn(text: string, container: string, name = "proxmox"): Record<string, unknown> {
  const errors: ParseError[] = [];
  const root: unknown = parse(text.replace(/^\uFEFF/, ""), errors, { allowTrailingComma: true });
  assert.deepEqual(errors, []);
  assert.ok(isRecord(root) && isRecord(root[container]));
  const entry = root[container][name];
  assert.ok(isRecord(entry), `no entry ${name}`);
  return entry;
}

function contents(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

for (const { id, file, container } of written) {
  const others = `"${container}": {\n    "other": { "command": "x", "args": [] } // mine\n    /* end */\n  }`;
  const before = {
    "an empty file": "",
    "an empty object": "{}\n",
    "a file with comments and other servers": `// all of them\n{\n  "theme": "dark", // as I like it\n  ${others}\n}\n`,
    "a file with a comma too many": `{\n  ${others.replace("[] }", "[] },")},\n}`,
    "Windows line ends": `{\n  ${others}\n}\n`.replaceAll("\n", "\r\n"),
    "a byte order mark": `\uFEFF{\n  ${others}\n}\n`,
    "tabs": `{\n\t${others.replaceAll("    ", "\t\t")}\n}\n`,
    "one line": `{"a":1,"${container}":{"other":{"command":"x","args":[]}}}`,
  };

  for (const [what, text] of Object.entries(before)) {
    Deno.test(
      `install --client ${id} into ${what}, and out again`,
      { ignore: skipped !== undefined },
      () =>
        withHome(async ({ folder, install }) => {
          const path = join(folder, file);
          Deno.mkdirSync(dirname(path), { recursive: true });
          Deno.writeTextFileSync(path, text, { mode: 0o640 });
          Deno.chmodSync(path, 0o640);

          const first = await install(["--client", id]);
          assert.deepEqual([first.code, first.stderr], [0, ""]);
          assert.match(first.stdout, /^Added proxmox to /);
          const after = Deno.readTextFileSync(path);
          assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o640);
          const entry = entryIn(after, container);
          assert.ok(isRecord(entry.env));
          assert.equal(entry.env.PROXMOX_HOST, "pve.lan");
          if (text.includes("other")) {
            assert.deepEqual(entryIn(after, container, "other"), { command: "x", args: [] });
            for (const comment of text.match(/\/\/.*|\/\*.*?\*\//g) ?? []) assert.ok(after.includes(comment), comment);
          }
          assert.equal(after.startsWith("\uFEFF"), text.startsWith("\uFEFF"));
          assert.equal(/[^\r]\n/.test(after), !text.includes("\r\n"), "line ends are mixed");
          assert.equal(Deno.readTextFileSync(/before: (.+)$/m.exec(first.stdout)?.[1] ?? ""), text);

          const second = await install(["--client", id]);
          assert.match(second.stdout, /already .* Nothing was changed/);
          assert.equal(Deno.readTextFileSync(path), after);

          const third = await install(["--client", id, "--remove"]);
          assert.deepEqual([third.code, third.stderr], [0, ""]);
          assert.deepEqual(Deno.readFileSync(path), new TextEncoder().encode(text));
          assert.deepEqual(
            contents(dirname(path)),
            [path.slice(dirname(path).length + 1)],
            "something was left behind",
          );
          assert.match((await install(["--client", id, "--remove"])).stdout, /Nothing was changed/);
        }),
    );
  }

  Deno.test(`install --client ${id} makes a file that only its owner can read, and removes it again`, {
    ignore: skipped !== undefined,
  }, () =>
    withHome(async ({ folder, install }) => {
      const path = join(folder, file);
      const missing = await install(["--client", id]);
      assert.equal(missing.code, 2);
      assert.match(missing.stderr, /does not seem to be installed[^]*--force/);
      assert.equal((await install(["--client", id, "--force"])).code, 0);
      assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
      assert.equal((await install(["--client", id, "--remove"])).code, 0);
      assert.deepEqual(contents(dirname(path)), []);
    }));

  Deno.test(
    `install --client ${id} leaves what it cannot change`,
    { ignore: skipped !== undefined },
    () =>
      withHome(async ({ folder, install }) => {
        const path = join(folder, file);
        Deno.mkdirSync(dirname(path), { recursive: true });
        const cases = [
          [`{\n  "${container}": {\n    "a": {}\n    "b": {}\n  }\n}\n`, 0o644, /line 4, column 5[^]*--print/],
          ["[1]", 0o644, /not an object at line 1, column 1/],
          [`{"${container}": []}`, 0o644, new RegExp(`"${container}" is no object`)],
          ["{}\n", 0o444, /is read-only[^]*chmod u\+w/],
        ] as const;
        for (const [text, mode, says] of cases) {
          Deno.writeTextFileSync(path, text);
          Deno.chmodSync(path, mode);
          const { code, stdout, stderr } = await install(["--client", id]);
          assert.deepEqual([code, stdout], [2, ""], text);
          assert.match(stderr, says);
          assert.equal(Deno.readTextFileSync(path), text);
          assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, mode);
          assert.equal(contents(dirname(path)).length, 1, "something was left behind");
          Deno.removeSync(path);
        }
        Deno.writeFileSync(path, new Uint8Array([0x7b, 0xff, 0x7d]));
        assert.match((await install(["--client", id])).stderr, /not a text file in UTF-8/);
      }),
  );

  Deno.test(
    `install --client ${id} follows a link and says so`,
    { ignore: skipped !== undefined },
    () =>
      withHome(async ({ folder, install }) => {
        const [path, target] = [join(folder, file), join(folder, "dotfiles", "mine.json")];
        Deno.mkdirSync(dirname(path), { recursive: true });
        Deno.mkdirSync(dirname(target));
        Deno.writeTextFileSync(target, "{}\n");
        Deno.symlinkSync(target, path);
        const { code, stdout } = await install(["--client", id]);
        assert.equal(code, 0);
        assert.match(stdout, new RegExp(`is a link; the file behind it was changed: ${target}`));
        assert.equal(Deno.lstatSync(path).isSymlink, true);
        entryIn(Deno.readTextFileSync(target), container);
        assert.equal((await install(["--client", id, "--remove"])).code, 0);
        assert.equal(Deno.readTextFileSync(target), "{}\n");
        assert.equal(Deno.lstatSync(path).isSymlink, true);
        Deno.removeSync(target);
        assert.match((await install(["--client", id])).stderr, /a link to a file that is not there/);
      }),
  );

  Deno.test(`install --client ${id} asks before it changes another entry, and keeps what others added`, {
    ignore: skipped !== undefined,
  }, () =>
    withHome(async ({ folder, install }) => {
      const path = join(folder, file);
      Deno.mkdirSync(dirname(path), { recursive: true });
      const old = `{"${container}": {"proxmox": {"command": "/old", "args": [], "disabled": false}}}`;
      Deno.writeTextFileSync(path, old);
      const refused = await install(["--client", id]);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /- command: \/old\n {2}\+ command: .*\n[^]*--force[^]*--name/);
      assert.equal(Deno.readTextFileSync(path), old);
      assert.equal((await install(["--client", id, "--name", "lab"])).code, 0);
      assert.equal((await install(["--client", id, "--force"])).code, 0);
      const text = Deno.readTextFileSync(path);
      assert.equal(entryIn(text, container).disabled, false);
      assert.notEqual(entryIn(text, container).command, "/old");
      assert.equal((await install(["--client", id, "--remove"])).code, 0);
      entryIn(Deno.readTextFileSync(path), container, "lab");
      assert.equal((await install(["--client", id, "--name", "lab", "--remove"])).code, 0);
      const root: unknown = parse(Deno.readTextFileSync(path));
      assert.deepEqual(root, { [container]: {} });
      for (const name of contents(dirname(path))) {
        assert.ok(!Deno.readTextFileSync(join(dirname(path), name)).includes(secret), `${name} holds the secret`);
      }
    }));
}

Deno.test("the secret stands in a file only where the client knows no other way, and that is said", {
  ignore: skipped !== undefined,
}, () =>
  withHome(async ({ folder, install }) => {
    for (const { id, file } of written) {
      const path = join(folder, file);
      const added = await install(["--client", id, "--force"]);
      assert.equal(Deno.readTextFileSync(path).includes(secret), id === "claude-desktop");
      assert.equal(/in plain text/.test(added.stdout), id === "claude-desktop", added.stdout);
      await install(["--client", id, "--remove"]);
      const inline = await install(["--client", id, "--inline-secret"]);
      assert.ok(Deno.readTextFileSync(path).includes(secret));
      assert.match(inline.stdout, /PROXMOX_TOKEN_VALUE in plain text/);
    }
    const vscode: unknown = JSON.parse(Deno.readTextFileSync(join(folder, written[2].file)));
    assert.ok(isRecord(vscode) && vscode.inputs === undefined);
    await Deno.writeTextFile(join(folder, "my.env"), Object.entries(settings).map((one) => one.join("=")).join("\n"));
    for (const { id, file, container } of written) {
      assert.equal((await install(["--client", id, "--force", "--env-file", "my.env"], {})).code, 0);
      const text = Deno.readTextFileSync(join(folder, file));
      assert.ok(!text.includes(secret));
      const { args, env } = entryIn(text, container);
      assert.ok(Array.isArray(args) && args.includes(join(folder, "my.env")), "the file is not named by its full path");
      assert.equal(env, undefined);
    }
  }));

Deno.test("settings that are missing, wrong or secret on the command line are refused", {
  ignore: skipped !== undefined,
}, () =>
  withHome(async ({ folder, install }) => {
    Deno.mkdirSync(join(folder, ".cursor"));
    Deno.mkdirSync(join(folder, ".config/Claude"), { recursive: true });
    const { PROXMOX_TOKEN_VALUE: _, ...without } = settings;
    for (
      const [args, env, says] of [
        [["--client", "cursor"], {}, /PROXMOX_HOST, PROXMOX_USER.* not set[^]*--env-file/],
        [["--client", "cursor"], { ...settings, PROXMOX_HOST: "10.0.0.0/8" }, /not the name or address of one host/],
        [["--client", "claude-desktop"], without, /PROXMOX_TOKEN_VALUE is not set[^]*--env-file/],
        [["--client", "cursor", `PROXMOX_TOKEN_VALUE=${secret}`], without, /is a secret[^]*history/],
        [["--client", "cursor", "HOST=pve.lan"], {}, /HOST is no setting/],
        [["--client", "curser"], {}, /no client "curser"[^]*cursor\?/],
        [[], {}, /needs a client[^]*claude-desktop, cursor/],
        [["--client", "cursor", "--name", "__proto__"], {}, /--name is/],
      ] as const
    ) {
      const { code, stdout, stderr } = await install(args, env);
      assert.deepEqual([code, stdout], [2, ""], args.join(" "));
      assert.match(stderr, says);
    }
    assert.deepEqual([...contents(join(folder, ".cursor")), ...contents(join(folder, ".config/Claude"))], []);
    assert.equal(
      (await install(["--client", "cursor", "PROXMOX_HOST=pve.lan", "PROXMOX_USER=agent@pve!mcp"], {})).code,
      0,
    );
  }));

Deno.test(
  "a running Claude Desktop is named",
  { ignore: skipped !== undefined },
  () =>
    withHome(async ({ folder, install }) => {
      const claude = join(folder, ".config/Claude");
      Deno.mkdirSync(claude, { recursive: true });
      assert.doesNotMatch((await install(["--client", "claude-desktop"])).stdout, /seems to be running/);
      await install(["--client", "claude-desktop", "--remove"]);
      Deno.symlinkSync("host-4711", join(claude, "SingletonLock"));
      assert.match((await install(["--client", "claude-desktop"])).stdout, /Claude Desktop seems to be running/);
    }),
);

Deno.test(
  "--print and --list write nothing",
  { ignore: skipped !== undefined },
  () =>
    withHome(async ({ folder, install }) => {
      Deno.mkdirSync(join(folder, ".cursor"));
      const { code, stdout, stderr } = await install(["--client", "cursor", "--print"]);
      assert.equal(code, 0);
      assert.match(stderr, /belongs into .*\.cursor\/mcp\.json/);
      entryIn(stdout, "mcpServers");
      const bare = await install(["--client", "claude-desktop", "--print"], {});
      assert.match(bare.stdout, /"PROXMOX_HOST": "pve\.lan"[^]*<token-secret>/);
      const line = await install(["--client", "claude-code"]);
      assert.match(line.stdout, /^claude mcp add --scope user proxmox --env PROXMOX_HOST=pve\.lan .* serve\n$/);
      assert.match((await install(["--client", "codex"])).stdout, /^\[mcp_servers\.proxmox\]\n[^]*env_vars/);
      const list = await install(["--list"], {});
      assert.match(list.stdout, /^cursor +written +found +.*\.cursor\/mcp\.json$/m);
      assert.match(list.stdout, /^zed +block +not found /m);
      assert.deepEqual(contents(join(folder, ".cursor")), []);
      await install(["--client", "cursor"]);
      assert.match((await install(["--list"], {})).stdout, /^cursor +written +has proxmox /m);
    }),
);

Deno.test({
  name: "what was written starts a server that reaches the host",
  ignore: skipped !== undefined,
  // The client leaks a timer in close(), as tests/helpers/server.ts says.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    withHome(async ({ folder, install }) => {
      const https = await serveHttps(createSimulator({ pace: 0 }), {});
      const values = settingsFor(https);
      const client = new Client({ name: "tests", version: "1" });
      try {
        await Deno.writeTextFile(join(folder, "my.env"), Object.entries(values).map((one) => one.join("=")).join("\n"));
        assert.equal((await install(["--client", "cursor", "--force", "--env-file", "my.env"], {})).code, 0);
        const { command, args } = entryIn(Deno.readTextFileSync(join(folder, ".cursor/mcp.json")), "mcpServers");
        assert.ok(typeof command === "string" && Array.isArray(args));
        const env = { ...inherited(), DENO_DIR: await cache() };
        await client.connect(
          new StdioClientTransport({ command, args: args.map(String), env, stderr: "ignore", cwd: "/" }),
        );
        const answer = answerOf(await client.callTool({ name: "list_nodes", arguments: {} }));
        assert.equal(answer.isError, false, answer.text);
        assert.match(answer.text, /pve1/);
      } finally {
        await client.close();
        await https.close();
      }
    }),
});

Deno.test(
  "without the permission to write it names it, and leaves nothing",
  { ignore: skipped !== undefined },
  async () => {
    if ((Deno.env.get("PROXMOX_MCP_COMMAND") ?? "") !== "") return;
    const folder = await Deno.makeTempDir();
    try {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--no-prompt",
          "--quiet",
          "--allow-env",
          "--allow-read",
          `${ROOT}main.ts`,
          "install",
          "--client",
          "cursor",
        ]
          .concat("--file", join(folder, "mcp.json"), "--demo"),
        stdin: "null",
      }).output();
      assert.equal(code, 2);
      assert.match(new TextDecoder().decode(stderr), /mcp\.json cannot be written: .*\nWhat to do: .*--allow-write/);
      assert.deepEqual(contents(folder), []);
    } finally {
      await Deno.remove(folder);
    }
  },
);

Deno.test(
  "from source the client's entry lets the server reach the SSH hosts, too, and reads what exec reads",
  () =>
    withHome(async ({ folder, install }) => {
      const known = join(folder, "known_hosts");
      const line = "192.0.2.11 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
      await Deno.writeTextFile(known, `${line}\n`);
      const { code, stdout, stderr } = await install(["--client", "cursor", "--print"], {
        ...settings,
        PROXMOX_ENABLE_EXEC: "true",
        PROXMOX_SSH_HOST: "pve1=192.0.2.11,pve2=[2001:db8::12]:2222",
        PROXMOX_SSH_PASSWORD: secret,
        PROXMOX_SSH_HOST_KEY: known,
      });
      assert.equal(code, 0, stderr);
      assert.match(stdout, /"--allow-net=pve\.lan:8006,192\.0\.2\.11:22,\[2001:db8::12\]:2222"/);
      assert.match(stdout, new RegExp(`"--allow-read=[^"]*,${known}"`));
    }),
);

Deno.test("README's way from source has a task for it", () => {
  const config: unknown = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  assert.ok(isRecord(config) && isRecord(config.tasks));
  assert.match(String(config.tasks.install), /--allow-write main\.ts install$/);
});
