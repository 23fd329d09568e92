/** Commands over SSH against a real sshd: exact arguments, input and output, the ends of commands and of connections. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { isRunning, runIn, shellTo, until } from "../helpers/ssh_client.ts";
import { noSshd, noUsers, shells, sshTest, startSshd } from "../helpers/sshd.ts";

/** Puts out its arguments, each with a NUL behind it. */
const ECHO = ["/bin/sh", "-c", 'printf "%s\\0" "$@"', "sh"] as const;

const nasty: readonly string[] = [
  "",
  " ",
  "'",
  '"',
  "`id`",
  "$(id)",
  "${IFS}",
  "a\nb\r\n",
  "\\",
  "\\'",
  "!!",
  "~",
  "*",
  "%s",
  "--",
  "--keep-env",
  "-",
  ";reboot",
  "&& reboot",
  "|",
  ">x",
  "ü€😀",
  "\x1b[31m",
  "\x01\x7f",
  "=ls",
  "#",
  "{a,b}",
  "(1)",
];

for (const login of shells) {
  sshTest(`the guest gets exactly the arguments that were given, past ${login} as login shell`, noSshd, async () => {
    const path = `/usr/bin/env ${login} -c`;
    await using sshd = await startSshd({ config: [`ForceCommand exec ${path} "$SSH_ORIGINAL_COMMAND"`] });
    const shell = shellTo(sshd);
    const same = async (given: readonly string[]) => {
      const { stdout, stderr, exitCode } = await runIn(shell, [...ECHO, ...given]);
      assert.equal(stderr, "");
      assert.equal(exitCode, 0);
      assert.deepEqual(stdout.toString().split("\0").slice(0, -1), given);
    };
    await same(nasty);
    await same(["x".repeat(100_000)]);
    await same(["'\n\"$`\\".repeat(12_000), "end"]);
    const text = fc.string({ unit: "binary", maxLength: 60 }).filter((text) => !text.includes("\0"));
    const argument = fc.oneof(text, fc.constantFrom(...nasty), fc.stringMatching(/^[-'"$`\\!;&|<>(){}*?~# \n]{0,30}$/));
    await fc.assert(
      fc.asyncProperty(fc.array(argument, { minLength: 1, maxLength: 8 }), same),
      { numRuns: 25 },
    );
  });
}

sshTest("fish is no trouble as the real login shell of a user, who logs in with a password", noUsers, async () => {
  await using sshd = await startSshd({ users: true });
  for (const login of shells) {
    const shell = shellTo(sshd, { user: `mcp-${login}`, key: undefined, password: sshd.password });
    const { stdout } = await runIn(shell, [...ECHO, ...nasty]);
    assert.deepEqual(stdout.toString().split("\0").slice(0, -1), nasty, login);
  }
  const wrong = shellTo(sshd, { user: "mcp-sh", key: undefined, password: "not this one" });
  await assert.rejects(runIn(wrong, ["true"]), /refuses the password for the user mcp-sh/);
});

sshTest("pct and qm are called in one shape each, with the environment left behind", noSshd, async () => {
  await using sshd = await startSshd();
  const shell = shellTo(sshd);
  assert.equal((await runIn(shell, ["--keep-env", "1"])).exitCode, 127);
  await runIn(shell, ["env", "--", "x"], { kind: "vm", vmid: 101, seconds: 7, stdin: Buffer.from("in") });
  assert.deepEqual(sshd.calls(), [
    ["pct", "exec", "250", "--keep-env", "0", "--", "--keep-env", "1"],
    ["qm", "guest", "exec", "101", "--timeout", "7", "--pass-stdin", "1", "--", "env", "--", "x"],
  ]);
  const { stdout } = await runIn(shell, ["/usr/bin/env"]);
  assert.doesNotMatch(stdout.toString(), /SSH_|HOME=/);
});

sshTest("input, both outputs and the exit code come through whole, whatever their bytes", noSshd, async () => {
  await using sshd = await startSshd();
  const shell = shellTo(sshd);
  const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 256);
  const long = "x".repeat(90_000);
  const { stdout, stderr, exitCode } = await runIn(
    shell,
    ["/bin/sh", "-c", 'cat; printf %s "$1" | wc -c >&2; exit 3', "sh", long],
    { stdin: bytes },
  );
  assert.ok(stdout.equals(bytes));
  assert.equal(stderr.trim(), "90000");
  assert.equal(exitCode, 3);
  assert.equal((await runIn(shell, ["true"], { stdin: bytes })).exitCode, 0, "input that nobody reads");
  assert.equal((await runIn(shell, ["cat"])).stdout.length, 0, "no input is an empty one");
});

sshTest("100 MB of output come through whole", noSshd, async () => {
  await using sshd = await startSshd();
  const shell = shellTo(sshd);
  let size = 0;
  const hash = createHash("sha256");
  await shell.run({
    kind: "container",
    node: "pve1",
    vmid: 250,
    argv: ["head", "-c", "100000000", "/dev/zero"],
    seconds: 60,
  }, {
    signal: new AbortController().signal,
    onStdout(chunk) {
      hash.update(chunk);
      size += chunk.length;
    },
    onStderr() {},
  });
  assert.equal(size, 100_000_000);
  assert.equal(hash.digest("hex"), createHash("sha256").update(new Uint8Array(100_000_000)).digest("hex"));
});

sshTest("20 commands at once share one connection, and each gets its own answer", noSshd, async () => {
  await using sshd = await startSshd();
  const shell = shellTo(sshd);
  const peer = ["/bin/sh", "-c", 'echo "$1"; sleep 0.1', "sh"];
  const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => runIn(shell, [...peer, String(index)])));
  assert.deepEqual(answers.map(({ stdout }) => stdout.toString().trim()), answers.map((_, index) => String(index)));
});

sshTest("a command that hangs is ended in its time, one that will not end is killed", noSshd, async () => {
  await using sshd = await startSshd();
  const shell = shellTo(sshd);
  assert.equal((await runIn(shell, ["sleep", "4711"], { seconds: 1 })).exitCode, 124);
  const stubborn = await runIn(shell, ["/bin/sh", "-c", "trap '' TERM; sleep 4712; sleep 4712"], { seconds: 1 });
  assert.equal(stubborn.exitCode, 137);
  assert.ok(!isRunning("sleep 4711") && !isRunning("sleep 4712"));
});

sshTest("cancelling ends the command and all that it has started", noSshd, async () => {
  await using sshd = await startSshd();
  const shell = shellTo(sshd);
  const stop = new AbortController();
  const running = runIn(shell, ["/bin/sh", "-c", "sleep 4721 & sleep 4722; sleep 4723"], { signal: stop.signal });
  await until(() => isRunning("sleep 4722"));
  stop.abort();
  await assert.rejects(running, /cancelled, and with it the command/);
  await until(() => !isRunning("sleep 4721") && !isRunning("sleep 4722"));
  assert.ok(!isRunning("sleep 4723"), "what comes after was not begun");
  assert.equal((await runIn(shell, ["true"])).exitCode, 0, "the connection goes on");
});

sshTest("cancelling says that a command in a VM goes on, which only the guest itself can end", noSshd, async () => {
  await using sshd = await startSshd();
  const stop = new AbortController();
  const running = runIn(shellTo(sshd), ["sleep", "8.761"], { kind: "vm", vmid: 101, signal: stop.signal });
  const told = assert.rejects(running, /cancelled; the command in VM 101 goes on until its time is over/);
  await until(() => isRunning("sleep 8.761"));
  stop.abort();
  await told;
  // Whether the stub's process dies with the connection is a race; as in a guest, it ends by itself at the latest.
  await until(() => !isRunning("sleep 8.761"));
});

sshTest("a waiting command can be cancelled, and the others get their turn", noSshd, async () => {
  await using sshd = await startSshd();
  const shell = shellTo(sshd);
  const busy = Array.from({ length: 8 }, () => runIn(shell, ["/bin/sh", "-c", "until [ -e go ]; do sleep 0.05; done"]));
  const stop = new AbortController();
  const given = runIn(shell, ["true"], { signal: stop.signal });
  const patient = runIn(shell, ["true"]);
  await until(() => sshd.calls().length === 8);
  stop.abort();
  await assert.rejects(given, /cancelled before the command began/);
  Deno.writeTextFileSync(`${sshd.root}/lxc/250/go`, "");
  assert.equal((await patient).exitCode, 0);
  await Promise.all(busy);
  assert.equal(sshd.calls().length, 9);
});

sshTest("a dropped connection is told, ends the command, and is replaced by the next", noSshd, async () => {
  await using sshd = await startSshd();
  const shell = shellTo(sshd);
  const running = runIn(shell, ["sleep", "4731"]);
  const told = assert.rejects(running, /The SSH connection to 127\.0\.0\.1:\d+ broke/);
  await until(() => isRunning("sleep 4731"));
  sshd.drop();
  await told;
  await until(() => !isRunning("sleep 4731"));
  assert.equal((await runIn(shell, ["true"])).exitCode, 0);
});

sshTest("what a command leaves in the background does not hold up its answer", noSshd, async () => {
  await using sshd = await startSshd();
  const { exitCode, leftBehind, stdout } = await runIn(shellTo(sshd), ["/bin/sh", "-c", "sleep 5 & echo begun"]);
  assert.deepEqual([exitCode, leftBehind, stdout.toString()], [0, true, "begun\n"]);
});

sshTest("a host that is another node than the guest's is left without a word to pct", noUsers, async () => {
  await using sshd = await startSshd({ users: true, node: "pve7" });
  const other = await runIn(shellTo(sshd), ["true"]);
  assert.deepEqual([other.exitCode, other.stderr], [
    125,
    "proxmox-mcp: this host is the node pve7, and the guest is on pve1\n",
  ]);
  assert.deepEqual(sshd.calls(), []);
  await using right = await startSshd({ users: true, node: "PVE1" });
  assert.equal((await runIn(shellTo(right), ["true"])).exitCode, 0);
});

sshTest("a host without pct, and an sshd that is not there, are named", noSshd, async () => {
  await using sshd = await startSshd({ bare: true });
  const { exitCode, stderr } = await runIn(shellTo(sshd), ["true"]);
  assert.deepEqual([exitCode, stderr], [125, "proxmox-mcp: there is no pct on this host: it is not a PVE host\n"]);
  const nowhere = shellTo(sshd, { hosts: [{ node: undefined, host: "127.0.0.1", port: 1 }] });
  await assert.rejects(runIn(nowhere, ["true"]), /Cannot reach 127\.0\.0\.1:1 by SSH: nobody listens there/);
});
