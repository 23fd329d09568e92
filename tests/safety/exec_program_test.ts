/** The two programs on the host, run as they are by the host's own shell and perl, with stubs of pct and qm. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { admitExec, type ExecRequest } from "../../src/safety/exec.ts";
import { FORCED, INLINE } from "../../src/safety/exec_program.ts";

function has(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["-e", "1"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

const missing = has("perl") ? "" : " (skipped: perl is not installed)";

interface Outcome {
  readonly code: number;
  /** What pct or qm was called with, its own name first; its input, where it was asked for, is the last. */
  readonly called: readonly string[];
  readonly stderr: string;
}

const base: ExecRequest = { kind: "container", vmid: 250, node: "pve1", seconds: 60, input: false, argv: ["true"] };

function test(name: string, run: (folder: string) => Promise<void>): void {
  Deno.test(name + missing, async () => {
    if (missing !== "") return;
    const folder = Deno.makeTempDirSync();
    for (const tool of ["pct", "qm"]) {
      const stub = `#!/bin/sh\nprintf '%s\\0' ${tool} "$@"\ncat\n[ "$STUB" != end ] || exit 7\n`;
      Deno.writeTextFileSync(`${folder}/${tool}`, stub, { mode: 0o755 });
    }
    const forced = FORCED.replace("my @GUESTS = qw();", "my @GUESTS = qw(250 101);").replace(
      "qw(/usr/sbin",
      `qw(${folder} /usr/sbin`,
    );
    Deno.writeTextFileSync(`${folder}/forced`, forced, { mode: 0o755 });
    try {
      await run(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

async function started(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  input: Uint8Array,
): Promise<Outcome> {
  const child = new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A program that refuses reads nothing.
  const written = writer.write(input).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await written;
  return {
    code,
    called: new TextDecoder().decode(stdout).split("\0"),
    stderr: new TextDecoder().decode(stderr),
  };
}

/** Runs a command as an SSH host does: by a login shell, or by the forced command. */
async function runs(folder: string, request: Partial<ExecRequest>, stdin = "", env: Record<string, string> = {}) {
  const { line, lead } = admitExec({ ...base, ...request });
  const input = Uint8Array.from(Buffer.concat([lead, Buffer.from(stdin)]));
  const PATH = `${folder}:${Deno.env.get("PATH")}`;
  return {
    inline: await started("/bin/sh", ["-c", line], { PATH, ...env }, input),
    forced: await started(`${folder}/forced`, [], { SSH_ORIGINAL_COMMAND: line, ...env }, input),
  };
}

test("both start the same two shapes, with exactly the arguments and the input, and hand on the exit code", async (folder) => {
  const nasty = ["", "it's", "$(id)", "a\nb", "ü", "--", "-n"];
  for (const { code, called, stderr } of Object.values(await runs(folder, { argv: ["prog", ...nasty] }, "in"))) {
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(called, ["pct", "exec", "250", "--keep-env", "0", "--", "prog", ...nasty, "in"]);
  }
  const vm = { kind: "vm", vmid: 101, seconds: 9, input: true } as const;
  for (const { code, called, stderr } of Object.values(await runs(folder, vm, "", { STUB: "end" }))) {
    assert.deepEqual([code, stderr], [7, ""]);
    const shape = ["qm", "guest", "exec", "101", "--timeout", "9", "--pass-stdin", "1", "--", "true", ""];
    assert.deepEqual(called, shape);
  }
  const silent = await runs(folder, { kind: "vm", vmid: 101 });
  assert.equal(silent.inline.called[7], "0");
});

test("what has no room in the line goes ahead of the input", async (folder) => {
  const argv = ["prog", "x".repeat(39_000), "y".repeat(60_000), "end"];
  for (const { code, called } of Object.values(await runs(folder, { argv }, "in"))) {
    assert.equal(code, 0);
    assert.deepEqual(called.slice(6), [...argv, "in"]);
  }
});

test("neither starts anything for data that is not whole", async (folder) => {
  const data = (text: string) => Buffer.from(text).toString("base64url");
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["", /the data cannot be read/],
    ["0 0 0 pve1\0true", /the data cannot be read/],
    ["5 2 0 pve1\0true", /the data cannot be read/],
    ["123456 0 0 pve1\0true", /the data cannot be read/],
    ["5 0 12345678 pve1\0true", /the data cannot be read/],
    ["5 0 0 pve1 x\0true", /the data cannot be read/],
    ["5 0 0 \0true", /the data cannot be read/],
    ["5 0 0 pve_1\0true", /the data cannot be read/],
    ["5 0 0\0true", /the data cannot be read/],
    ["5 0 0 pve1\n\0true", /the data cannot be read/],
    ["x5 0 0 pve1\0true", /the data cannot be read/],
    ["5 0 9 pve1\0true", /the data ended early/],
    ["5 0 0 pve1", /there is no command/],
    ["5 0 0 pve1\0", /there is no command/],
    ["5 0 0 pve1\0\0x", /there is no command/],
  ];
  const PATH = `${folder}:${Deno.env.get("PATH")}`;
  const program = ["-MMIME::Base64", "-e", INLINE];
  for (const [text, says] of wrong) {
    const encoded = data(text) || "_";
    const line = `container 250 ${encoded}`;
    const outcomes = [
      await started("perl", [...program, "container", "250", encoded], { PATH }, new Uint8Array()),
      await started(`${folder}/forced`, [], { SSH_ORIGINAL_COMMAND: line }, new Uint8Array()),
    ];
    for (const { code, called, stderr } of outcomes) {
      assert.equal(code, 125, JSON.stringify(text));
      assert.match(stderr, says);
      assert.deepEqual(called, [""]);
    }
  }
});

test("the forced command has its own list, and takes nothing but the three words", async (folder) => {
  const data = Buffer.from("5 0 0 pve1\0true").toString("base64url");
  const refused: readonly (readonly [string | undefined, RegExp])[] = [
    [`container 251 ${data}`, /guest 251 is not in the list of this host's/],
    [`vm 25 ${data}`, /only VERB VMID DATA/],
    [`vm 0250 ${data}`, /only VERB VMID DATA/],
    [`node 250 ${data}`, /only VERB VMID DATA/],
    [`container 250 ${data}=`, /only VERB VMID DATA/],
    [`container 250 ${data}\n`, /only VERB VMID DATA/],
    [`;id container 250 ${data}`, /only VERB VMID DATA/],
    [`container 250 --keep-env ${data}`, /only VERB VMID DATA/],
    [undefined, /only VERB VMID DATA/],
  ];
  for (const [line, says] of refused) {
    const env: Record<string, string> = line === undefined ? {} : { SSH_ORIGINAL_COMMAND: line };
    const { code, called, stderr } = await started(`${folder}/forced`, [], env, new Uint8Array());
    assert.deepEqual([code, called], [125, [""]], line);
    assert.match(stderr, says, line);
  }
  const fresh = FORCED.replace("qw(/usr/sbin", `qw(${folder} /usr/sbin`);
  Deno.writeTextFileSync(`${folder}/fresh`, fresh, { mode: 0o755 });
  const env = { SSH_ORIGINAL_COMMAND: `container 250 ${data}` };
  assert.match((await started(`${folder}/fresh`, [], env, new Uint8Array())).stderr, /guest 250 is not in the list/);
});

Deno.test("neither program has a shell or an eval in it, and both start the same two shapes", () => {
  for (const program of [INLINE, FORCED]) {
    const code = program.replaceAll(/^#.*$/gm, "");
    assert.doesNotMatch(code, /\beval\b|\bsystem\b|`|\bqx\b|\bopen\b|\bdo\s+['"$]|-c\b|sh\b(?!apes?\b)/);
    assert.match(code, /container => \['pct', 'exec', \$vmid, '--keep-env', 0\]/);
    assert.match(code, /vm => \['qm', 'guest', 'exec', \$vmid, /);
    assert.equal(code.match(/\bexec \{/g)?.length, 1);
  }
});
