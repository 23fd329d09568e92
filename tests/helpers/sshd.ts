/** A real OpenSSH sshd on 127.0.0.1 with keys and a configuration of its own, and stubs of pct and qm that obey. */
import { randomUUID } from "node:crypto";
import { execFileSync } from "node:child_process";

/** Login shells, and the users who have them. */
export const SHELLS = ["sh", "bash", "zsh", "fish"] as const;

function find(program: string): string | undefined {
  return [`/usr/sbin/${program}`, `/usr/bin/${program}`, `/bin/${program}`, `/usr/local/bin/${program}`].find(
    (path) => {
      try {
        return Deno.statSync(path).isFile;
      } catch {
        return false;
      }
    },
  );
}

const sshdPath = find("sshd");

/** Why tests with sshd cannot be run here; undefined where they can. */
export const noSshd: string | undefined = Deno.build.os === "windows"
  ? "there is no sshd on Windows"
  : sshdPath === undefined
  ? "sshd is not installed (Debian: apt-get install openssh-server)"
  : find("perl") === undefined
  ? "perl is not installed"
  : undefined;

function hasNamespaces(): boolean {
  if (noSshd !== undefined || Deno.uid() !== 0) return false;
  try {
    return new Deno.Command("unshare", {
      args: ["-m", "mount", "--bind", "/etc/passwd", "/etc/passwd"],
      stderr: "null",
    })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** Why users of the tests' own cannot be made: it takes root and a mount namespace, so that the system's stay untouched. */
export const noUsers: string | undefined = noSshd ??
  (hasNamespaces() ? undefined : "users with passwords and other shells take root and `unshare -m`");

/** Which login shells are here. */
export const shells = SHELLS.filter((shell) => find(shell) !== undefined);

/** A test that is skipped by name where something is missing. */
export function sshTest(name: string, missing: string | undefined, fn: () => Promise<void>): void {
  Deno.test({
    name: missing === undefined ? name : `${name} (skipped: ${missing})`,
    ignore: missing !== undefined,
    sanitizeOps: false,
    sanitizeResources: false,
    fn,
  });
}

/** pct and qm parse their options with Getopt::Long, mixed with arguments, up to a "--"; booleans may have a value. */
const STUB = String.raw`use strict; use warnings;
use Getopt::Long qw(GetOptionsFromArray :config no_getopt_compat);
my ($root) = $0 =~ m{\A(.*)/bin/[^/]+\z};
my @given = @ARGV;
open my $log, '>>', "$root/calls" or die; print $log join("\0", $0 =~ m{([^/]+)\z}, @given) . "\0\n"; close $log;
sub known { my ($kind, $vmid) = @_;
  die "400 Parameter verification failed.\nvmid: type check ('integer') failed - got '$vmid'\n" unless $vmid =~ /\A\d+\z/;
  unless (-d "$root/$kind/$vmid") {
    print STDERR "Configuration file 'nodes/pve1/" . ($kind eq 'lxc' ? 'lxc' : 'qemu-server') . "/$vmid.conf' does not exist\n"; exit 2;
  }
}
`;

const PCT = String.raw`#!/usr/bin/perl
${STUB}
my $command = shift @ARGV // ''; die "unknown command '$command'\n" unless $command eq 'exec';
my %option; GetOptionsFromArray(\@ARGV, \%option, 'keep-env:s') or exit 22;
my $vmid = shift @ARGV; known('lxc', $vmid);
if (-e "$root/lxc/$vmid/stopped") { print STDERR "container '$vmid' not running!\n"; exit 255 }
my $keep = $option{'keep-env'} // 1;
my $path = $ENV{PATH}; %ENV = (container => 'lxc', PATH => $path) unless $keep;
chdir "$root/lxc/$vmid" or die;
exec { $ARGV[0] } @ARGV or do { print STDERR "lxc-attach: $vmid: No such file or directory - Failed to exec \"$ARGV[0]\"\n"; exit 127 };
`;

const QM = String.raw`#!/usr/bin/perl
${STUB}
my $group = shift @ARGV // ''; my $command = shift @ARGV // '';
die "unknown command\n" unless "$group $command" eq 'guest exec';
my %option; GetOptionsFromArray(\@ARGV, \%option, 'timeout=i', 'pass-stdin:s', 'synchronous:s') or exit 22;
my $vmid = shift @ARGV; known('qemu', $vmid);
if (-e "$root/qemu/$vmid/noagent") { print STDERR "QEMU guest agent is not running\n"; exit 255 }
my $input = ''; if ($option{'pass-stdin'}) { local $/; $input = <STDIN> // '' }
use JSON::PP; use IPC::Open3; use Symbol 'gensym';
chdir "$root/qemu/$vmid" or die;
my $file = "$root/input.$$"; open my $in, '>', $file or die; print $in $input; close $in;
my ($o, $e) = ("$root/out.$$", "$root/err.$$");
my $pid = fork; if (!$pid) {
  open STDIN, '<', $file; open STDOUT, '>', $o; open STDERR, '>', $e;
  exec { $ARGV[0] } @ARGV or exit 127;
}
my $ended = eval { local $SIG{ALRM} = sub { die "late\n" }; alarm($option{timeout} // 30); waitpid $pid, 0; alarm 0; 1 };
unless ($ended) { print encode_json({ pid => $pid, exited => 0 }), "\n"; exit 0 }
my $status = $?;
sub slurp { local $/; open my $f, '<:raw', $_[0]; my $t = <$f> // ''; unlink $_[0]; $t }
my %answer = (exited => 1, exitcode => $status >> 8); my ($out, $err) = (slurp($o), slurp($e));
$answer{'out-data'} = $out if $out ne ''; $answer{'err-data'} = $err if $err ne '';
print JSON::PP->new->pretty->canonical->utf8->encode(\%answer);
`;

export interface Sshd extends AsyncDisposable {
  readonly port: number;
  /** Holds everything: bin/, lxc/VMID/, qemu/VMID/, keys. */
  readonly root: string;
  /** "SHA256:…" of its host key. */
  readonly fingerprint: string;
  /** A line of a known_hosts file, for its host key. */
  readonly known: string;
  /** Path of a private key that it takes. */
  readonly key: string;
  /** A password that the users of its own have. */
  readonly password: string;
  /** Who logs in: this process's own user. */
  readonly user: string;
  /** What pct and qm were called with, each call a list that begins with the program. */
  calls(): string[][];
  /** Ends all connections, and goes on listening. */
  drop(): void;
}

export interface SshdOptions {
  /** Further lines of sshd_config. */
  readonly config?: readonly string[];
  /** Put in front of the key in authorized_keys; ROOT stands for the folder. */
  readonly keyOptions?: string;
  /** Written to the folder beforehand, by path; made executable. */
  readonly files?: (root: string) => Readonly<Record<string, string>>;
  /** Whether there are users with a password and other shells (mcp-fish, …); see noUsers. */
  readonly users?: boolean;
  /** Makes more in the folder, before sshd starts; ROOT stands for the folder in `config`. */
  readonly prepare?: (root: string) => void;
  /** With `users`: whether there is a disk of 64 KiB at small/, which sshd and what it starts can see. */
  readonly small?: boolean;
  /** With `users`: the node that the host says it is, as PVE's own link at /etc/pve/local does. */
  readonly node?: string;
  /** Leaves out pct and qm. */
  readonly bare?: boolean;
}

function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Makes a key pair of ssh-keygen's. */
export function makeKey(path: string, ...options: string[]): void {
  run("ssh-keygen", "-q", "-C", "test", "-f", path, ...options.includes("-N") ? [] : ["-N", ""], ...options);
}

export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const root = Deno.makeTempDirSync({ prefix: "proxmox-mcp-sshd-" });
  Deno.chmodSync(root, 0o755);
  for (const folder of ["bin", "lxc/201", "lxc/250", "lxc/251", "qemu/101"]) {
    Deno.mkdirSync(`${root}/${folder}`, { recursive: true });
  }
  if (options.bare !== true) {
    Deno.writeTextFileSync(`${root}/bin/pct`, PCT, { mode: 0o755 });
    Deno.writeTextFileSync(`${root}/bin/qm`, QM, { mode: 0o755 });
  }
  for (const [path, text] of Object.entries(options.files?.(root) ?? {})) {
    Deno.writeTextFileSync(`${root}/${path}`, text, { mode: 0o755 });
  }
  options.prepare?.(root);
  makeKey(`${root}/host`, "-t", "ed25519");
  makeKey(`${root}/key`, "-t", "ed25519");
  const publicKey = Deno.readTextFileSync(`${root}/key.pub`);
  const prefix = options.keyOptions === undefined ? "" : `${options.keyOptions.replaceAll("ROOT", root)} `;
  Deno.writeTextFileSync(`${root}/authorized_keys`, prefix + publicKey);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = listener.addr.port;
  listener.close();
  Deno.writeTextFileSync(
    `${root}/sshd_config`,
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${root}/host`,
      `AuthorizedKeysFile ${root}/authorized_keys`,
      "PidFile none",
      "UsePAM no",
      "StrictModes no",
      "PermitRootLogin yes",
      "PasswordAuthentication yes",
      "MaxStartups 100",
      "PrintMotd no",
      `SetEnv PATH=${root}/bin:/usr/bin:/bin`,
      ...(options.config ?? []).map((line) => line.replaceAll("ROOT", root)),
      "",
    ].join("\n"),
  );
  const password = randomUUID();
  const start = ["-D", "-e", "-f", `${root}/sshd_config`];
  if (Deno.uid() === 0) Deno.mkdirSync("/run/sshd", { recursive: true });
  let child: Deno.ChildProcess;
  if (options.users === true) {
    const hash = run("perl", "-e", "print crypt($ARGV[0], q($6$tests$))", password);
    const users = shells.map((shell) => ({ name: `mcp-${shell}`, shell: find(shell) ?? "" }));
    const passwd = users.map(({ name, shell }) => `${name}:x:0:0::${root}:${shell}`);
    const shadow = users.map(({ name }) => `${name}:${hash}:19000:0:99999:7:::`);
    Deno.writeTextFileSync(
      `${root}/passwd`,
      `${Deno.readTextFileSync("/etc/passwd").trimEnd()}\n${passwd.join("\n")}\n`,
    );
    Deno.writeTextFileSync(
      `${root}/shadow`,
      `${Deno.readTextFileSync("/etc/shadow").trimEnd()}\n${shadow.join("\n")}\n`,
      {
        mode: 0o600,
      },
    );
    Deno.mkdirSync(`${root}/small`);
    const disk = options.small === true ? 'mount -t tmpfs -o size=64k tmpfs "$1/small" && ' : "";
    const local = 'cp -a /etc "$1/etc" && mkdir -p "$1/etc/pve" && ln -s "nodes/$NODE" "$1/etc/pve/local" && ' +
      'mount --bind "$1/etc" /etc && ';
    const script = disk + (options.node === undefined ? "" : local) +
      'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow && shift && exec "$@"';
    child = new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", script, "sh", root, sshdPath ?? "", ...start],
      env: { NODE: options.node ?? "" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  } else {
    child = new Deno.Command(sshdPath ?? "", { args: start, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  }
  await listening(port);
  const hostKey = Deno.readTextFileSync(`${root}/host.pub`).split(" ").slice(0, 2).join(" ");
  return {
    port,
    root,
    password,
    user: Deno.env.get("USER") ?? run("id", "-un").trim(),
    key: `${root}/key`,
    fingerprint: run("ssh-keygen", "-lf", `${root}/host.pub`).split(" ")[1] ?? "",
    known: `[127.0.0.1]:${port} ${hostKey}`,
    calls() {
      try {
        return Deno.readTextFileSync(`${root}/calls`).split("\0\n").slice(0, -1).map((call) => call.split("\0"));
      } catch {
        return [];
      }
    },
    drop() {
      for (const pid of descendants(child.pid)) signal(pid);
    },
    async [Symbol.asyncDispose]() {
      const all = descendants(child.pid);
      signal(child.pid);
      await child.status;
      all.forEach(signal);
      Deno.removeSync(root, { recursive: true });
    },
  };
}

function signal(pid: number): void {
  try {
    Deno.kill(pid, "SIGTERM");
  } catch {
    // It has ended by itself.
  }
}

/** sshd's processes for connections: those below the listening one that are sshd, too. */
function descendants(pid: number): number[] {
  try {
    return run("pgrep", "-P", String(pid)).trim().split("\n").map(Number).flatMap((child) => [
      ...run("ps", "-o", "comm=", "-p", String(child)).startsWith("sshd") ? [child] : [],
      ...descendants(child),
    ]);
  } catch {
    return [];
  }
}

async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  throw new Error("sshd does not listen");
}
