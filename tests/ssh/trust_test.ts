/** Who is let in, and who is believed: keys, passphrases, host keys, known_hosts files; against a real sshd. */
import assert from "node:assert/strict";
import { parseKnownHosts } from "../../src/config/known_hosts.ts";
import type { HostKeys } from "../../src/config/settings.ts";
import { runIn, shellTo } from "../helpers/ssh_client.ts";
import { makeKey, noSshd, type Sshd, sshTest, startSshd } from "../helpers/sshd.ts";

function known(text: string): { hostKeys: HostKeys } {
  return { hostKeys: { kind: "known_hosts", file: "/known_hosts", entries: parseKnownHosts(text) } };
}

/** The file that `ssh-keygen -H` makes of a line: its names are hashes. */
function hashed(sshd: Sshd, line: string): string {
  const path = `${sshd.root}/known_hosts`;
  Deno.writeTextFileSync(path, `${line}\n`);
  assert.ok(
    new Deno.Command("ssh-keygen", { args: ["-H", "-f", path], stdout: "null", stderr: "null" }).outputSync().success,
  );
  const text = Deno.readTextFileSync(path);
  assert.match(text, /^\|1\|/);
  return text;
}

sshTest("ed25519 and RSA keys, with a passphrase and without, open the door", noSshd, async () => {
  await using sshd = await startSshd();
  for (const [type, phrase] of [["ed25519", "open sesame"], ["rsa", ""], ["rsa", "open sesame"]] as const) {
    const file = `${sshd.root}/${type}${phrase.length}`;
    makeKey(file, "-t", type, "-N", phrase);
    Deno.writeTextFileSync(`${sshd.root}/authorized_keys`, Deno.readTextFileSync(`${file}.pub`), { append: true });
    const key = { file, pem: Deno.readTextFileSync(file) };
    const passphrase = phrase === "" ? undefined : phrase;
    assert.equal((await runIn(shellTo(sshd, { key, passphrase }), ["true"])).exitCode, 0, file);
    if (passphrase === undefined) continue;
    const wrong = runIn(shellTo(sshd, { key, passphrase: "shut" }), ["true"]);
    await assert.rejects(
      wrong,
      (error: Error) => /the passphrase is wrong/.test(error.message) && !/shut/.test(error.message),
    );
  }
});

sshTest("a key that the host does not know is refused by name", noSshd, async () => {
  await using sshd = await startSshd();
  makeKey(`${sshd.root}/other`, "-t", "ed25519");
  const key = { file: `${sshd.root}/other`, pem: Deno.readTextFileSync(`${sshd.root}/other`) };
  await assert.rejects(runIn(shellTo(sshd, { key }), ["true"]), /refuses the key .*\/other for the user/);
});

sshTest("an unknown host gets nothing, and its fingerprint is told", noSshd, async () => {
  await using sshd = await startSshd();
  await assert.rejects(runIn(shellTo(sshd, { hostKeys: undefined }), ["true"]), (error: Error) => {
    assert.match(error.message, /is not known yet: it shows the ssh-ed25519 key SHA256:/);
    assert.ok(error.message.includes(sshd.fingerprint));
    return true;
  });
  const other = known(sshd.known.replace("127.0.0.1", "192.0.2.1"));
  await assert.rejects(runIn(shellTo(sshd, other), ["true"]), /is not known yet/);
  assert.deepEqual(sshd.calls(), []);
});

sshTest("a host with another key than the pinned one gets nothing", noSshd, async () => {
  await using sshd = await startSshd();
  const pinned: HostKeys = { kind: "fingerprints", fingerprints: [`SHA256:${"A".repeat(43)}`] };
  await assert.rejects(
    runIn(shellTo(sshd, { hostKeys: pinned }), ["true"]),
    /PROXMOX_SSH_HOST_KEY does not hold\. Nothing/,
  );
  makeKey(`${sshd.root}/imposter`, "-t", "ed25519");
  const imposter = Deno.readTextFileSync(`${sshd.root}/imposter.pub`).split(" ")[1] ?? "";
  const changed = known(`[127.0.0.1]:${sshd.port} ssh-ed25519 ${imposter}`);
  await assert.rejects(runIn(shellTo(sshd, changed), ["true"]), /does not hold\. Nothing/);
  const revoked = known(`${sshd.known}\n@revoked * ${sshd.known.split(" ").slice(1).join(" ")}`);
  await assert.rejects(runIn(shellTo(sshd, revoked), ["true"]), /marked as revoked/);
  const authority = known(`@cert-authority ${sshd.known}`);
  await assert.rejects(runIn(shellTo(sshd, authority), ["true"]), /is not known yet/);
});

sshTest("known_hosts files are understood: plain, hashed, with patterns", noSshd, async () => {
  await using sshd = await startSshd();
  const key = sshd.known.split(" ").slice(1).join(" ");
  for (
    const text of [
      `# a comment\n\n${sshd.known} root@pve\n`,
      hashed(sshd, sshd.known),
      `pve.lan,[127.0.0.*]:${sshd.port} ${key}`,
    ]
  ) assert.equal((await runIn(shellTo(sshd, known(text)), ["true"])).exitCode, 0, text);
  const excepted = known(`*,![127.0.0.1]:${sshd.port} ${key}`);
  await assert.rejects(runIn(shellTo(sshd, excepted), ["true"]), /is not known yet/);
});

sshTest("the kind of key that is known is the kind that is asked for", noSshd, async () => {
  await using sshd = await startSshd({
    config: ["HostKey ROOT/rsa"],
    prepare: (root) => makeKey(`${root}/rsa`, "-t", "rsa"),
  });
  const rsa = Deno.readTextFileSync(`${sshd.root}/rsa.pub`).split(" ").slice(0, 2).join(" ");
  assert.equal((await runIn(shellTo(sshd, known(`[127.0.0.1]:${sshd.port} ${rsa}`)), ["true"])).exitCode, 0);
});
