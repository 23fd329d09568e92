/** The program for authorized_keys, behind a real sshd: it lets the listed guests be entered, and nothing else. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FORCED } from "../../src/safety/exec_program.ts";
import { runIn, shellTo } from "../helpers/ssh_client.ts";
import { noSshd, type Sshd, type SshdOptions, sshTest, startSshd } from "../helpers/sshd.ts";

/** As a person installs it, but for the folder of pct and qm. */
const forced: SshdOptions = {
  keyOptions: 'restrict,command="ROOT/proxmox-mcp-exec"',
  files: (root) => ({
    "proxmox-mcp-exec": FORCED.replace("my @GUESTS = qw();", "my @GUESTS = qw(250 101);").replace(
      "qw(/usr/sbin",
      `qw(${root}/bin /usr/sbin`,
    ),
  }),
};

/** What OpenSSH's own client gets for a line. */
function ssh(sshd: Sshd, line: string, options: readonly string[] = []) {
  Deno.writeTextFileSync(`${sshd.root}/known`, `${sshd.known}\n`);
  const args = ["-F", "none", "-i", sshd.key, "-p", String(sshd.port), "-o", `UserKnownHostsFile=${sshd.root}/known`];
  const { code, stdout, stderr } = new Deno.Command("ssh", {
    args: [
      ...args,
      "-o",
      "BatchMode=yes",
      "-o",
      "LogLevel=ERROR",
      ...options.flatMap((option) => ["-o", option]),
      `${sshd.user}@127.0.0.1`,
      line,
    ],
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

sshTest("with the forced command the listed guests are entered as before, and others are not", noSshd, async () => {
  await using sshd = await startSshd(forced);
  const shell = shellTo(sshd);
  const nasty = ["it's", "$(id)", "", "ü\n", "--"];
  const { stdout } = await runIn(shell, ["/bin/sh", "-c", 'printf "%s\\0" "$@"', "sh", ...nasty]);
  assert.deepEqual(stdout.toString().split("\0").slice(0, -1), nasty);
  assert.equal((await runIn(shell, ["true"], { kind: "vm", vmid: 101 })).exitCode, 0);
  const other = await runIn(shell, ["true"], { vmid: 251 });
  assert.deepEqual([other.exitCode, /guest 251 is not in the list/.test(other.stderr)], [125, true]);
  assert.deepEqual(sshd.calls().map(([program, , vmid]) => `${program} ${vmid}`), ["pct 250", "qm exec"]);
});

sshTest("the key opens no shell, no other program, no forwarding and no file transfer", noSshd, async () => {
  await using sshd = await startSshd(forced);
  const data = btoa("5 0 0 pve1\0true").replaceAll("=", "");
  const lines: readonly string[] = [
    "",
    "id",
    "touch ROOT/owned",
    "pct exec 250 -- id",
    `container 250 ${data}; touch ROOT/owned`,
    `container 250 ${data}\ntouch ROOT/owned`,
    `touch ROOT/owned; container 250 ${data}`,
    `$(touch ROOT/owned) container 250 ${data}`,
    `container 250 -- ${data}`,
    `container 250  ${data}`,
    `container 0250 ${data}`,
    `container 250 ${data} `,
    `node 250 ${data}`,
    `container 250 ${data}=`,
    "internal-sftp",
    "scp -t ROOT",
  ];
  for (const line of lines) {
    const { code, stderr } = ssh(sshd, line.replaceAll("ROOT", sshd.root));
    assert.ok(code !== 0, line);
    if (line !== "") assert.match(stderr, /^proxmox-mcp: only VERB VMID DATA is taken/, line);
  }
  assert.deepEqual(sshd.calls(), []);
  assert.ok(![...Deno.readDirSync(sshd.root)].some(({ name }) => name === "owned"));
  // What stands before the three words is not looked at, and not run.
  assert.equal(ssh(sshd, `touch ${sshd.root}/owned container 250 ${data}`).code, 0);
  assert.ok(![...Deno.readDirSync(sshd.root)].some(({ name }) => name === "owned"));
});

sshTest("what a client puts into the environment is not obeyed, even where sshd takes all of it", noSshd, async () => {
  await using sshd = await startSshd({ ...forced, config: ["AcceptEnv *"] });
  const owned = `${sshd.root}/owned`;
  Deno.writeTextFileSync(`${sshd.root}/Evil.pm`, `open my $f, ">", "${owned}"; 1;\n`);
  const line = `container 250 ${btoa("5 0 0 pve1\0true").replaceAll("=", "")}`;
  const env = {
    PERL5OPT: `-I${sshd.root} -MEvil`,
    PERL5LIB: sshd.root,
    PERL5DB: `BEGIN { open my $f, ">", "${owned}" }`,
    SSH_ORIGINAL_COMMAND: "id",
    PATH: `${sshd.root}:/usr/bin`,
    IFS: "2",
  };
  const sent = Object.entries(env).map(([name, value]) => `SetEnv=${name}="${value.replaceAll('"', '\\"')}"`);
  const { code, stderr } = ssh(sshd, line, sent);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(sshd.calls().length, 1);
  assert.throws(() => Deno.statSync(owned), Deno.errors.NotFound);
});

sshTest("no line at all gets past the three words", noSshd, async () => {
  await using sshd = await startSshd(forced);
  const word = fc.constantFrom(
    "container",
    "vm",
    "250",
    "251",
    "NSAwIDAgcHZlMQB0cnVl",
    "--",
    ";",
    "id",
    "$(id)",
    "\n",
    "'",
    "A".repeat(50),
  );
  const { files } = forced;
  const program = `${sshd.root}/proxmox-mcp-exec`;
  assert.ok(files !== undefined);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 5 }), (words) => {
      const line = words.join(" ");
      const { code } = new Deno.Command(program, {
        env: { SSH_ORIGINAL_COMMAND: line },
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).outputSync();
      const meant = /^(?:[A-Za-z0-9_./=+ -]* )?(?:container|vm) (\d+) [A-Za-z0-9_-]+$/.exec(line);
      if (meant === null || meant[1] !== "250") assert.equal(code, 125, JSON.stringify(line));
    }),
    { numRuns: 60 },
  );
});
