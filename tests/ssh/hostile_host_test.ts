/** SSH hosts that lie, stall, flood or break off: each costs a call with a clear error, and never the server. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
// @ts-types="@types/ssh2"
import ssh2 from "ssh2";
import type { Connection, ServerChannel, Session } from "ssh2";
import type { SshSettings } from "../../src/config/settings.ts";
import type { GuestShell } from "../../src/ssh/shell.ts";
import { createSshShell } from "../../src/ssh/ssh_shell.ts";
import { runIn, until } from "../helpers/ssh_client.ts";
import { makeKey, noSshd, sshTest } from "../helpers/sshd.ts";

interface Host extends AsyncDisposable {
  readonly port: number;
  readonly fingerprint: string;
  /** How many commands were asked for. */
  asked(): number;
}

/** What a host does with a session that is asked for, or with the command in it. */
interface Ways {
  readonly exec?: (channel: ServerChannel) => void;
  readonly session?: (session: Session) => void;
  readonly client?: (client: Connection) => void;
  readonly port?: number;
}

/** An SSH server that lets everybody in, and then does as it likes. */
async function hostile(ways: Ways): Promise<Host> {
  const folder = Deno.makeTempDirSync();
  makeKey(`${folder}/host`, "-t", "rsa", "-m", "PEM");
  const key = Deno.readTextFileSync(`${folder}/host`);
  const parsed = ssh2.utils.parseKey(Deno.readTextFileSync(`${folder}/host.pub`));
  if (parsed instanceof Error) throw parsed;
  Deno.removeSync(folder, { recursive: true });
  let asked = 0;
  const clients = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [key] }, (client) => {
    clients.add(client);
    client.on("error", () => {});
    client.on("authentication", (context) => context.accept());
    ways.client?.(client);
    client.on("ready", () =>
      client.on("session", (accept) => {
        const session = accept();
        if (ways.session !== undefined) return ways.session(session);
        session.on("exec", (accept) => {
          asked++;
          const channel = accept();
          channel.on("error", () => {});
          ways.exec?.(channel);
        });
      }));
  });
  await new Promise<void>((resolve) => server.listen(ways.port ?? 0, "127.0.0.1", () => resolve()));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(parsed.getPublicSSH())));
  return {
    port,
    fingerprint: `SHA256:${Buffer.from(digest).toString("base64").replace(/=+$/, "")}`,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.end();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function shellOf({ port, fingerprint }: Pick<Host, "port" | "fingerprint">, seconds = 5): GuestShell {
  const settings: SshSettings = {
    hosts: [{ node: undefined, host: "127.0.0.1", port }],
    user: "root",
    key: undefined,
    passphrase: undefined,
    password: "correct-horse",
    hostKeys: { kind: "fingerprints", fingerprints: [fingerprint] },
  };
  return createSshShell(settings, seconds);
}

/** A host that only opens connections; what is done with each is up to the test. */
function listener(serve: (connection: Deno.TcpConn) => Promise<unknown>): { port: number } & Disposable {
  const open = new Set<Deno.TcpConn>();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const connection of listener) {
      open.add(connection);
      // It is given up: that is what is tested.
      serve(connection).catch(() => {});
    }
  })();
  return {
    port: listener.addr.port,
    [Symbol.dispose]() {
      listener.close();
      for (const connection of open) connection.close();
    },
  };
}

const anyone = { fingerprint: `SHA256:${"A".repeat(43)}` };

sshTest("a command that a signal has ended has an exit code as a shell gives it", noSshd, async () => {
  await using host = await hostile({
    exec(channel) {
      channel.exit("KILL", true, "killed\x1b[31m");
      channel.end();
    },
  });
  assert.equal((await runIn(shellOf(host), ["true"])).exitCode, 137);
});

sshTest("a host that refuses sessions, or the command, or hangs up on it, is named", noSshd, async () => {
  await using refusing = await hostile({
    session: (session) => void session.on("exec", (_accept, reject) => reject()),
  });
  await assert.rejects(runIn(shellOf(refusing), ["true"]), /SSH connection to 127\.0\.0\.1:\d+ broke: .*exec/i);
  await using closing = await hostile({ exec: (channel) => channel.close() });
  await assert.rejects(runIn(shellOf(closing), ["true"]), /closed before the command had ended/);
  let gone: Connection | undefined;
  await using dropping = await hostile({ client: (client) => gone = client, exec: () => gone?.end() });
  await assert.rejects(runIn(shellOf(dropping), ["true"]), /broke/);
  await using sessionless = await hostile({
    client: (client) => client.on("ready", () => client.on("session", (_accept, reject) => reject())),
  });
  await assert.rejects(runIn(shellOf(sessionless), ["true"]), /broke/);
});

sshTest("a host that never answers the command does not hold up its cancelling", noSshd, async () => {
  let sessions = 0;
  await using host = await hostile({ session: () => void sessions++ });
  const stop = new AbortController();
  const running = runIn(shellOf(host), ["true"], { signal: stop.signal });
  const told = assert.rejects(running, /cancelled, and with it the command/);
  await until(() => sessions > 0);
  stop.abort();
  await told;
});

sshTest("a host that ends the command and never closes does not hold it up", noSshd, async () => {
  await using host = await hostile({ exec: (channel) => void (channel.write("done\n"), channel.exit(3)) });
  const { exitCode, leftBehind, stdout } = await runIn(shellOf(host), ["true"]);
  assert.deepEqual([exitCode, leftBehind, stdout.toString()], [3, true, "done\n"]);
});

sshTest("a host that comes back with another key gets nothing more", noSshd, async () => {
  const good = await hostile({ exec: (channel) => void (channel.exit(0), channel.end()) });
  const shell = shellOf(good);
  assert.equal((await runIn(shell, ["true"])).exitCode, 0);
  await good[Symbol.asyncDispose]();
  await using imposter = await hostile({ port: good.port, exec: (channel) => void (channel.exit(0), channel.end()) });
  await assert.rejects(runIn(shell, ["true"]), (error: Error) => {
    assert.match(error.message, /PROXMOX_SSH_HOST_KEY does not hold\. Nothing was sent/);
    assert.ok(error.message.includes(imposter.fingerprint));
    return true;
  });
  assert.equal(imposter.asked(), 0);
});

const floods: readonly (readonly [string, string, RegExp])[] = [
  ["lines without end before its name", "hello\r\n", /Cannot reach .*by SSH/],
  ["one line without end", "x".repeat(1000), /Cannot reach .*by SSH/],
  ["a packet of 4 GiB", "SSH-2.0-x\r\n\xff\xff\xff\xff", /Cannot reach .*by SSH/],
  ["rubbish", "\0\x1b]0;owned\x07", /Cannot reach .*by SSH/],
];

for (const [name, part, error] of floods) {
  sshTest(`a host that sends ${name} is given up`, noSshd, async () => {
    const bytes = Uint8Array.from(Buffer.from(part.repeat(part.startsWith("SSH-") ? 1 : 1000), "latin1"));
    using server = listener(async (connection) => {
      for (let sent = 0; sent < 500_000_000;) sent += await connection.write(bytes);
    });
    const before = Deno.memoryUsage().rss;
    await assert.rejects(runIn(shellOf({ ...anyone, port: server.port }, 3), ["true"]), error);
    assert.ok(Deno.memoryUsage().rss - before < 100_000_000);
  });
}

sshTest("a host that says nothing at all is given up in time", noSshd, async () => {
  using server = listener((connection) => connection.read(new Uint8Array(1000)));
  await assert.rejects(runIn(shellOf({ ...anyone, port: server.port }, 1), ["true"]), /did not answer in time/);
});
