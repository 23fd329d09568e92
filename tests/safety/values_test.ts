/** What each rule for names, numbers, addresses, files and keys lets through, and nothing beside it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Refusal } from "../../src/errors.ts";
import * as v from "../../src/safety/values.ts";
import { DIGITS, EVERY, lengths, LETTERS, letters, LOWER, many, passes, refuses, WORD } from "../helpers/rules.ts";

Deno.test("numbers of guests", () => {
  passes(v.vmid, 100, 101, "100", 999_999_999, "999999999");
  refuses(
    v.vmid,
    99,
    1_000_000_000,
    "1e2",
    " 100",
    "100 ",
    "100\n",
    100.5,
    "０100",
    "",
    true,
    Number.NaN,
    Infinity,
    "-100",
  );
});

Deno.test("names of nodes are DNS labels", () => {
  letters(v.nodeName, (c) => `${c}1`, WORD);
  letters(v.nodeName, (c) => `1${c}`, WORD);
  letters(v.nodeName, (c) => `a${c}1`, `${WORD}-`);
  letters(v.nodeName, (c) => c, WORD);
  lengths(v.nodeName, (n) => many(n), 1, 63);
  refuses(v.nodeName, "..", ".", "a/b", "a%2fb", "pve1\n", "\npve1", "pve1 x");
});

Deno.test("names of storages", () => {
  letters(v.storageName, (c) => `${c}a`, LETTERS);
  letters(v.storageName, (c) => `a${c}`, WORD);
  letters(v.storageName, (c) => `a${c}z`, `${WORD}._-`);
  lengths(v.storageName, (n) => many(n), 2, 100);
});

Deno.test("names of bridges", () => {
  letters(v.bridgeName, (c) => `${c}a`, LETTERS);
  letters(v.bridgeName, (c) => `a${c}`, `${WORD}_.-`);
  lengths(v.bridgeName, (n) => many(n), 1, 32);
});

Deno.test("MAC addresses", () => {
  letters(v.macAddress, (c) => `BC:24:11:00:00:0${c}`, `${DIGITS}abcdefABCDEF`);
  letters(v.macAddress, (c) => `${c}C:24:11:00:00:00`, `${DIGITS}abcdefABCDEF`);
  letters(v.macAddress, (c) => `BC${c}24:11:00:00:00`, ":");
  refuses(
    v.macAddress,
    "BC:24:11:00:00",
    "BC:24:11:00:00:00:00",
    "BC:24:11:00:00:0",
    "C:24:11:00:00:00",
    "BC:24:11:00:00:000",
  );
  refuses(v.macAddress, "BCC:24:11:00:00:00");
});

Deno.test("DNS names", () => {
  letters(v.dnsName, (c) => `a.${c}`, WORD);
  letters(v.dnsName, (c) => `a${c}b`, `${WORD}-.`);
  letters(v.dnsName, (c) => `a.b${c}c`, `${WORD}-.`);
  passes(v.dnsName, "a", "a.b.c", many(63), `a.${many(63)}`, "a--b");
  refuses(v.dnsName, "", ".", "a.", ".a", "a..b", many(64), `a.${many(64)}`, "-a", "a-", "a.-b", "a b");
  const long = `${many(126, "a.")}a`;
  passes(v.dnsName, `${long}aa`);
  refuses(v.dnsName, `${long}aaa`);
});

Deno.test("names of pools", () => {
  letters(v.poolName, (c) => c, `${WORD}._-`);
  letters(v.poolName, (c) => `a/${c}`, `${WORD}._-`);
  passes(v.poolName, "a/b/c", "aa/bb/cc", many(100));
  refuses(v.poolName, "", "a/b/c/d", "/a", "a/", "a//b", many(101));
});

Deno.test("digests", () => {
  letters(v.digest, (c) => many(39) + c, `${DIGITS}abcdef`);
  passes(v.digest, many(40));
  refuses(v.digest, many(39), many(41));
});

Deno.test("names of snapshots", () => {
  letters(v.configId, (c) => `${c}a`, LETTERS);
  letters(v.configId, (c) => `a${c}`, `${WORD}_-`);
  lengths(v.configId, (n) => many(n), 2, 40);
});

Deno.test("UPIDs", () => {
  const upid = (over: Record<string, string> = {}) => {
    const parts = {
      node: "pve1",
      pid: "0012AB9F",
      start: "01234567",
      time: "6789ABCD",
      type: "qmstart",
      id: "100",
      user: "a@pve!t",
      ...over,
    };
    return `UPID:${parts.node}:${parts.pid}:${parts.start}:${parts.time}:${parts.type}:${parts.id}:${parts.user}:`;
  };
  passes(v.upid, upid(), upid({ start: "012345678" }), upid({ id: "" }));
  letters(v.upid, (c) => upid({ node: c }), `${WORD}-`);
  lengths(v.upid, (n) => upid({ node: many(n) }), 1, 63);
  for (const field of ["pid", "time"]) {
    letters(v.upid, (c) => upid({ [field]: `0000000${c}` }), `${DIGITS}ABCDEF`);
    refuses(v.upid, upid({ [field]: many(7, "0") }), upid({ [field]: many(9, "0") }));
  }
  letters(v.upid, (c) => upid({ start: `0000000${c}` }), `${DIGITS}ABCDEF`);
  lengths(v.upid, (n) => upid({ start: many(n, "0") }), 8, 9);
  letters(v.upid, (c) => upid({ type: c }), `${WORD}_-`);
  lengths(v.upid, (n) => upid({ type: many(n) }), 1, 64);
  letters(v.upid, (c) => upid({ id: c, user: "abc" }), `${WORD}@._-`);
  lengths(v.upid, (n) => upid({ id: many(n) }), 0, 128);
  letters(v.upid, (c) => upid({ user: `ab${c}` }), `${WORD}@!._-`);
  lengths(v.upid, (n) => upid({ user: many(n) }), 3, 128);
  refuses(v.upid, `x${upid()}`, `${upid()}x`, upid().slice(0, -1), upid().replace("UPID", "upid"), "");
  const longest = { node: many(63), start: many(9, "0"), type: many(64), id: many(128), user: many(128) };
  passes(v.upid, upid(longest));
});

Deno.test("tags", () => {
  letters(v.tags, (c) => c, `${WORD}_`);
  letters(v.tags, (c) => `a;${c}`, `${WORD}_`);
  letters(v.tags, (c) => `a${c}b`, `${WORD}_.+-;, `);
  letters(v.tags, (c) => `a;b${c}c`, `${WORD}_.+-;, `);
  passes(v.tags, "", "a", "a;b;c", "a,b c");
  refuses(v.tags, ";", "a;", ";a", "a;;b", "a;-b");
  passes(v.tags, many(1024));
  refuses(v.tags, many(1025));
});

Deno.test("lists of IP addresses", () => {
  passes(
    v.addressList,
    "192.0.2.1",
    "192.0.2.1 2001:db8::1",
    "192.0.2.1,192.0.2.2;192.0.2.3",
    "2001:db8::1 192.0.2.1",
    "1.1.1.1",
  );
  letters(v.addressList, (c) => `a:${c}`, `${DIGITS}abcdefABCDEF:.`);
  letters(v.addressList, (c) => `::1 b:${c}`, `${DIGITS}abcdefABCDEF:.`);
  letters(v.addressList, (c) => `192.0.2.1${c}192.0.2.1`, `${DIGITS}abcdefABCDEF:. ,;`);
  refuses(v.addressList, "", "192.0.2.1 ", " 192.0.2.1", "host", "192.0.2.1  192.0.2.2", "a", "::1,");
  lengths(v.addressList, (n) => many(n), 2, 45);
  lengths(v.addressList, (n) => `::1 ${many(n)}`, 2, 45);
  const long = (n: number) => `${"::1 ".repeat(125)}${many(n - 500)}`;
  passes(v.addressList, long(512));
  refuses(v.addressList, long(513));
});

Deno.test("start orders", () => {
  passes(v.startupOrder, "0", "1,up=0,down=0", "100000,up=86400,down=86400", [5, "5"], "up=1");
  refuses(v.startupOrder, "100001", "-1", "1,up=86401", "1,up=-1", "1,down=86401", "1,down=-1", "order=1", "any");
});

Deno.test("container templates are never backups", () => {
  const template = (name: string) => `local:vztmpl/${name}`;
  for (const end of ["tar.gz", "tar.xz", "tar.zst", "tar.bz2", "tar", "txz", "tgz"]) {
    passes(v.containerTemplate, template(`a.${end}`));
  }
  letters(v.containerTemplate, (c) => template(`${c}.tar.gz`), WORD);
  letters(v.containerTemplate, (c) => template(`a${c}.tar.gz`), `${WORD}._+-`);
  letters(v.containerTemplate, (c) => template(`a${c}tgz`), ".");
  letters(v.containerTemplate, (c) => template(`a.tar${c}zst`), ".");
  lengths(v.containerTemplate, (n) => template(`${many(n)}.tar.gz`), 1, 201);
  letters(v.containerTemplate, (c) => `${c}a:vztmpl/a.tgz`, LETTERS);
  refuses(
    v.containerTemplate,
    "local:backup/a.tar.zst",
    template("../a.tgz"),
    template("a/b.tgz"),
    template("a.zip"),
    template(".tgz"),
    "/a.tgz",
    template("a.tgzx"),
    `x ${template("a.tgz")}`,
    "a.tgz",
    template("a.tar."),
  );
});

Deno.test("backups, by the names that PVE gives them", () => {
  const DAY = "2026_11_22-02_00_59";
  const MOMENT = "2026-11-22T02:00:59Z";
  const kinds = [
    { rule: v.vmArchive, kind: "qemu", server: "vm", ends: ["vma", "vma.gz", "vma.lzo", "vma.zst"] },
    {
      rule: v.containerArchive,
      kind: "lxc",
      server: "ct",
      ends: ["tar", "tar.gz", "tar.lzo", "tar.zst", "tar.bz2", "tgz"],
    },
  ] as const;
  for (const [index, { rule, kind, server, ends }] of kinds.entries()) {
    const other = kinds[1 - index] ?? assert.fail();
    const dump = (rest: string) => `local:backup/vzdump-${kind}-${rest}`;
    for (const one of [rule, v.archive]) {
      for (const end of ends) {
        passes(one, dump(`100-${DAY}.${end}`), dump(`999999999-${DAY}.${end}`));
        refuses(
          one,
          dump(`100-${DAY}.${end}.gz.gz`),
          dump(`100-${DAY}.${end}x`),
          dump(`100-${DAY}${end}`),
          dump(`100-${DAY}.x${end}`),
        );
        letters(one, (c) => dump(`100-${DAY}${c}${end}`), ".");
        if (end.includes(".")) letters(one, (c) => dump(`100-${DAY}.${end.replace(".", c)}`), ".");
      }
      const [end] = ends;
      passes(one, `pbs:backup/${server}/100/${MOMENT}`, `pbs:backup/${server}/999999999/${MOMENT}`);
      letters(one, (c) => dump(`${c}00-${DAY}.${end}`), DIGITS.replace("0", ""));
      letters(one, (c) => dump(`1${c}0-${DAY}.${end}`), DIGITS);
      letters(one, (c) => `pbs:backup/${server}/1${c}0/${MOMENT}`, DIGITS);
      letters(one, (c) => `${c}a:backup/${server}/100/${MOMENT}`, LETTERS);
      letters(one, (c) => `a${c}a:backup/${server}/100/${MOMENT}`, `${WORD}._-`);
      for (const owner of ["99", "1", "", "0100", "1000000000", "1x0", "-100"]) {
        refuses(one, dump(`${owner}-${DAY}.${end}`), `pbs:backup/${server}/${owner}/${MOMENT}`);
      }
      for (const [at, char] of [...DAY].entries()) {
        const put = (c: string) => dump(`100-${DAY.slice(0, at)}${c}${DAY.slice(at + 1)}.${end}`);
        letters(one, put, /\d/.test(char) ? DIGITS : char);
        refuses(one, put(""), put(`${char}${char}`));
      }
      for (const [at, char] of [...MOMENT].entries()) {
        const put = (c: string) => `pbs:backup/${server}/100/${MOMENT.slice(0, at)}${c}${MOMENT.slice(at + 1)}`;
        letters(one, put, /\d/.test(char) ? DIGITS : char);
        refuses(one, put(""), put(`${char}${char}`));
      }
      refuses(
        one,
        "-",
        "",
        dump(`100.${end}`),
        dump(`100-${DAY}.${end}`).replace("backup", "images"),
        dump(`100-${DAY}.${end}`).replace("backup/", "backup/x/"),
        dump(`100-${DAY}.${end}`).replace("local:", ""),
        `/var/lib/vz/dump/vzdump-${kind}-100-${DAY}.${end}`,
        `pbs:backup/host/100/${MOMENT}`,
        `pbs:backup/${server}/100`,
        `pbs:backup/${server}/100/${MOMENT}/x`,
        `x ${dump(`100-${DAY}.${end}`)}`,
        `vzdump-openvz-100-${DAY}.tgz`,
      );
    }
    for (const end of other.ends) {
      refuses(rule, `local:backup/vzdump-${other.kind}-100-${DAY}.${end}`, dump(`100-${DAY}.${end}`));
    }
    refuses(rule, `pbs:backup/${other.server}/100/${MOMENT}`);
    refuses(v.archive, dump(`100-${DAY}.${other.ends[0]}`));
  }
});

Deno.test("public keys", () => {
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA+/==";
  const sent = (...lines: readonly string[]) => `${lines.join("\n")}\n`;
  for (const type of ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"]) {
    passes(v.publicKeys, [`${type} AAAA`, sent(`${type} AAAA`)], [
      `${type} AAAA me@host ~ 1`,
      sent(`${type} AAAA me@host ~ 1`),
    ]);
  }
  passes(v.publicKeys, [`# mine\r\n\n ${""}\n${key}\r\n${key} b\n`, sent(key, `${key} b`)], [`${key}\n`, sent(key)], [
    `${key} `,
    sent(`${key} `),
  ]);
  const trial = (put: (char: string) => string, allowed: string) => {
    for (const char of EVERY) {
      if (char === "\n" || char === "\r") continue;
      if (allowed.includes(char)) passes(v.publicKeys, [put(char), sent(put(char))]);
      else refuses(v.publicKeys, put(char));
    }
  };
  const printable = EVERY.filter((char) => char >= " " && char <= "~").join("");
  trial((c) => `ssh-rsa A${c}A`, `${WORD}+/= `);
  trial((c) => `ssh-rsa AAAA c${c}d`, printable);
  trial((c) => `ecdsa-sha2-a${c}a AAAA`, `${LOWER}${DIGITS}- `);
  trial((c) => `sk-a${c}a AAAA`, `${LOWER}${DIGITS}@.- `);
  trial((c) => `ssh-rsa${c}AAAA`, " ");
  refuses(
    v.publicKeys,
    "",
    "\n",
    "# only",
    5,
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "ssh-rsa",
    "ssh-rsa ",
    "ssh-dss AAAA",
    `x ${key}`,
    `${key}\nrm -rf /`,
    `command="x" ${key}`,
    "ecdsa-sha2- AAAA",
    "sk- AAAA",
    "ssh-rsa AAAA\r\r\n",
    " ssh-rsa AAAA",
  );
  const longest = `ssh-rsa ${many(16_376, "A")}`;
  passes(v.publicKeys, [longest, sent(longest)]);
  refuses(v.publicKeys, `${longest}A`);
  assert.equal(
    v.encodedPublicKeys("ssh-rsa AAAA+/= it's (me)*!", "x"),
    "ssh-rsa%20AAAA%2B%2F%3D%20it%27s%20%28me%29%2A%21%0A",
  );
  assert.throws(
    () => v.publicKeys("-----BEGIN OPENSSH PRIVATE KEY-----", "x"),
    (error) => error instanceof Refusal && !error.message.includes("PRIVATE"),
  );
  assert.throws(
    () => v.publicKeys(`${many(16_385)}`, "x"),
    (error) => error instanceof Refusal && !error.message.includes("aaa"),
  );
});

Deno.test("users' names are those of Linux", () => {
  letters(v.userName, (c) => c, `${LOWER}_`);
  letters(v.userName, (c) => `a${c}`, `${LOWER}${DIGITS}_-`);
  lengths(v.userName, (n) => many(n), 1, 32);
});

Deno.test("time zones are host, or names of the zone database", () => {
  passes(v.timezone, "host", "UTC", "Z", "Europe/Vienna", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Etc/GMT-14");
  refuses(v.timezone, "", "/", "Europe/", "/Europe", "a//b", "a/b/c/d", "Europe/Vienna\n", "../etc", "UTC1", "hosts/");
  letters(v.timezone, (c) => `${c}bc`, LETTERS);
  letters(v.timezone, (c) => `a/${c}`, `${WORD}_+-`);
  letters(v.timezone, (c) => `a/${c}b`, `${WORD}_+-`);
});

Deno.test("types and states of tasks", () => {
  letters(v.taskType, (c) => c, `${WORD}_-`);
  letters(v.taskType, (c) => `a${c}`, `${WORD}_-`);
  lengths(v.taskType, (n) => many(n), 1, 64);
  const states = ["ok", "warning", "error", "unknown"];
  for (const state of states) {
    passes(v.taskStates, state, `ok,${state}`, states.join(","));
    refuses(v.taskStates, `${state},`, `,${state}`, `${state}x`, `x${state}`, `${state}, ok`, `${states.join(",")},ok`);
  }
  refuses(v.taskStates, "", ",", "OK", "failed", "ok;error", "ok,,error");
});

Deno.test("paths of the access list", () => {
  passes(v.aclPath, "/", "/vms/100", "/sdn/zones/localnetwork/vmbr0");
  refuses(v.aclPath, "//", "/vms/", "vms", "vms/100", "/vms//100", "/vms\n");
  letters(v.aclPath, (c) => `/${c}`, `${WORD}._-`);
  letters(v.aclPath, (c) => `/a${c}b`, `${WORD}._-/`);
  lengths(v.aclPath, (n) => "/a".repeat(Math.max(0, n)), 1, 8);
  passes(v.aclPath, `/${many(254)}`);
  refuses(v.aclPath, `/${many(255)}`);
});

Deno.test("content types are PVE's own", () => {
  passes(v.contentType, "images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import");
  refuses(v.contentType, "", "none", "images,iso", "Images");
});

Deno.test("names of snapshots are PVE's ids, without the names that PVE uses itself", () => {
  letters(v.snapshotName, (c) => `${c}a`, LETTERS);
  letters(v.snapshotName, (c) => `a${c}`, `${WORD}_-`);
  lengths(v.snapshotName, (n) => many(n), 2, 40);
  refuses(v.snapshotName, "current", "pending", "vzdump", "VZDump", "CURRENT");
  passes(v.snapshotName, "current1", "xpending", "vzdumps");
});

Deno.test("a backup's notes go over in one line, and read back as they were written", () => {
  lengths(v.backupNotes, (n) => many(n), 0, 500);
  passes(v.backupNotes, ["a\nb", "a\\nb"], ["a\\nb", "a\\\\nb"], ["\\\n", "\\\\\\n"], "{ {", "}}");
  refuses(v.backupNotes, "{{guestname}}", "a {{ b", "a\rb", "\u0000", true, 1);
  const back = (sent: string) => sent.replaceAll(/\\([n\\])/g, (_match, c) => c === "n" ? "\n" : c);
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => {
    try {
      const sent = v.backupNotes(text, "x");
      assert.ok(!sent.includes("\n"));
      assert.equal(back(sent), text);
    } catch (error) {
      assert.ok(error instanceof Refusal);
    }
  }));
});

Deno.test("an address that is fetched is https, and every reader of it sees the same host", () => {
  passes(
    v.downloadUrl,
    "https://cloud.debian.org/images/a-b_c.qcow2",
    "https://nas.lan:8443/x?a=b&c=%20",
    "https://a/",
    "https://my-host.lan/x",
    "https://a:8/x",
    "https://a:18443/x",
    "https://a/X._~!$()*+,;=:@%25/?&-",
  );
  assert.equal(v.hostIn("https://a:8/y/z"), "a:8");
  refuses(v.downloadUrl, "xhttps://a/x", "https://a:123456/x", "https://a:1:2/x", "https://a:/x", "https:///x");
  refuses(v.downloadUrl, 1, true, "", "https://a", "http://a/x", " https://a/x", "https://a/x\n", "HTTPS://a/x");
  refuses(
    v.downloadUrl,
    `https://a/${many(1991)}`,
    "https://a:443/x",
    "https://a/./x",
    "https://a//..//x",
    "https://a/'",
  );
  passes(v.downloadUrl, `https://a/${many(1990)}`);
  fc.assert(fc.property(fc.webUrl({ withFragments: true, withQueryParameters: true, size: "xsmall" }), (url) => {
    const host = v.hostIn(url);
    if (host === undefined) return;
    const read = new URL(url);
    assert.equal(read.host, host);
    assert.equal(read.protocol, "https:");
    assert.equal(read.username + read.password + read.hash, "");
  }));
  for (const value of [undefined, 1, null, ["https://a/x"]]) assert.equal(v.hostIn(value), undefined);
});

Deno.test("an image's reference names its registry, and every reader of it sees the same one", () => {
  const put = (registry: string) => `${registry}/a:1`;
  passes(
    v.imageReference,
    "docker.io/library/debian:13",
    "registry.lan:5000/a/b/c-d__e.f:1.0_x-2",
    "nas:5000/a:latest",
    "a.b/a:_",
    "192.0.2.1:5000/a1:1",
    "a.io/a-1.2_3/b__4:1",
  );
  refuses(v.imageReference, 1, true, "", "a/b:1", "localhost/a:1", "docker.io/a", "docker.io/a:", "docker.io/:1");
  refuses(v.imageReference, " docker.io/a:1", "docker.io/a:1\n", "docker.io/a:1 ", "docker.io/a/:1", "docker.io//a:1");
  refuses(v.imageReference, "docker.io/a.-b:1", "docker.io/a___b:1", "docker.io/a..b:1", "docker.io/-a:1");
  refuses(v.imageReference, "a.b:/a:1", "a.b:123456/a:1", "a..b/a:1", "-a.b/a:1", "a-.b/a:1", "a.b-/a:1", "a.b./a:1");
  letters(v.imageReference, (c) => put(`a${c}b.io`), `${LOWER}${DIGITS}.-`);
  letters(v.imageReference, (c) => put(`${c}.io`), LOWER + DIGITS);
  letters(v.imageReference, (c) => put(`a.io:1${c}`), DIGITS);
  letters(v.imageReference, (c) => `a.io/b${c}b:1`, `${LOWER}${DIGITS}._-/`);
  letters(v.imageReference, (c) => `a.io/a:${c}`, `${WORD}_`);
  letters(v.imageReference, (c) => `a.io/a:a${c}`, `${WORD}_.-`);
  lengths(v.imageReference, (n) => `a.io/a:${many(n)}`, 1, 128);
  lengths(v.imageReference, (n) => put(`${many(n)}.io`), 1, 63);
  lengths(v.imageReference, (n) => put(`${many(n)}:1`), 1, 63);
  passes(v.imageReference, "a.io/a--b---c:1", `a.io/${many(393)}:1`);
  refuses(v.imageReference, `a.io/${many(394)}:1`);
  assert.equal(v.registryIn("docker.io/library/debian:13"), "docker.io");
  assert.equal(v.registryIn("nas:5000/a/b.c:1"), "nas:5000");
  for (const value of [undefined, 1, null, ["a.io/a:1"], "https://a.io/a:1"]) {
    assert.equal(v.registryIn(value), undefined);
  }
  // No address is a reference, and no reference an address: each is judged by its own host.
  fc.assert(fc.property(fc.webUrl(), (url) => assert.equal(v.registryIn(url), undefined)));
  const part = fc.stringMatching(/^[a-z0-9.:@/_-]{0,30}$/);
  fc.assert(fc.property(part, part, (a, b) => {
    const registry = v.registryIn(`${a}/${b}:1`);
    assert.equal(v.hostIn(`${a}/${b}:1`), undefined);
    // As Docker reads it: the first part is a host where it has a dot or a port.
    if (registry !== undefined) assert.ok(registry === `${a}/${b}:1`.split("/")[0] && /[.:]/.test(registry));
  }));
  letters(v.imageFileName, (c) => c, WORD);
  letters(v.imageFileName, (c) => `a${c}a`, `${WORD}._-`);
  letters(v.imageFileName, (c) => `a${c}`, WORD);
  lengths(v.imageFileName, (n) => many(n), 1, 192);
});

Deno.test("names of files are PVE's, with an ending that it knows", () => {
  letters(v.downloadName, (c) => `${c}.iso`, WORD);
  letters(v.downloadName, (c) => `a${c}.iso`, `${WORD}._-`);
  lengths(v.downloadName, (n) => `${many(n - 4)}.iso`, 5, 205);
  for (const end of "iso img tar.gz tar.xz tar.zst tar.bz2 qcow2 raw vmdk ova".split(" ")) {
    passes(v.downloadName, `a.${end}`);
  }
  refuses(v.downloadName, "a.sh", "a.tar", "a.iso.sh", "aiso", ".iso", "a.ISO", "a.iso ", "a/b.iso", "a.tgz");
  letters(v.applianceName, (c) => `${c}.tar.gz`, WORD);
  letters(v.applianceName, (c) => `a${c}.tar.gz`, `${WORD}._+-`);
  lengths(v.applianceName, (n) => `${many(n - 7)}.tar.gz`, 8, 208);
  for (const end of "gz xz zst bz2".split(" ")) passes(v.applianceName, `a.tar.${end}`);
  refuses(v.applianceName, "a.iso", "a.tar", "a.tar.gz.sh", "a.tarxgz");
  for (const n of [64, 96, 128]) passes(v.checksum, many(n), many(n, "0"));
  for (const n of [0, 63, 65, 95, 97, 127, 129]) refuses(v.checksum, many(n));
  letters(v.checksum, (c) => many(63) + c, "0123456789abcdef");
  for (const n of [96, 128]) letters(v.checksum, (c) => c + many(n - 1), "0123456789abcdef");
});

Deno.test("a disk grows by whole MiB, and is named by a slot there can be", () => {
  passes(v.growth, "+1M", "+1024M", "+99999999M");
  refuses(v.growth, "+0M", "+01M", "1M", "-1M", "+1", "+1G", "+1.5M", "++1M", "+100000000M", "+M", 1024, "+1M ");
  letters(v.growth, (c) => `+1${c}M`, DIGITS);
  passes(
    v.vmDisk,
    "scsi0",
    "scsi9",
    "scsi10",
    "scsi29",
    "scsi30",
    "virtio0",
    "virtio15",
    "sata0",
    "sata5",
    "ide0",
    "ide3",
  );
  refuses(
    v.vmDisk,
    "scsi31",
    "scsi01",
    "virtio16",
    "sata6",
    "ide4",
    "efidisk0",
    "tpmstate0",
    "unused0",
    "rootfs",
    "scsi",
    "xscsi0",
  );
  passes(v.containerDisk, "rootfs", "mp0", "mp9", "mp10", "mp99", "mp100", "mp199", "mp200", "mp249", "mp250", "mp255");
  refuses(v.containerDisk, "mp256", "mp260", "mp300", "mp01", "mp", "unused0", "scsi0", "rootfs0", "mp1000");
  for (
    const [rule, name, last] of [[v.containerDisk, "mp", 255], [v.vmDisk, "scsi", 30], [
      v.vmDisk,
      "virtio",
      15,
    ]] as const
  ) {
    for (let n = 0; n <= 1100; n++) (n <= last ? passes : refuses)(rule, `${name}${n}`);
    letters(rule, (c) => `${name}${c}`, DIGITS);
    letters(rule, (c) => `${name}1${c}`, last === 15 ? "012345" : DIGITS);
  }
  letters(v.vmDisk, (c) => `scsi2${c}`, DIGITS);
  letters(v.vmDisk, (c) => `scsi3${c}`, "0");
  letters(v.vmDisk, (c) => `sata${c}`, "012345");
  letters(v.vmDisk, (c) => `ide${c}`, "0123");
  letters(v.containerDisk, (c) => `mp1${c}0`, DIGITS);
  letters(v.containerDisk, (c) => `mp10${c}`, DIGITS);
  letters(v.containerDisk, (c) => `mp2${c}0`, "012345");
  letters(v.containerDisk, (c) => `mp20${c}`, DIGITS);
  letters(v.containerDisk, (c) => `mp25${c}`, "012345");
});

Deno.test("moments in a node's own time, and names of its services", () => {
  passes(v.localMoment, "2026-11-22", "2026-11-22 12:00", "2026-11-22 12:00:59");
  const moment = "2026-11-22 12:34:56";
  for (const [at, char] of [...moment].entries()) {
    const put = (c: string) => moment.slice(0, at) + c + moment.slice(at + 1);
    letters(v.localMoment, put, /\d/.test(char) ? DIGITS : char);
  }
  for (const text of [moment, moment.slice(0, 16), moment.slice(0, 10)]) {
    refuses(
      v.localMoment,
      `2026-11-22 12:00 ${text.slice(-5)}`,
      `${text}0`,
      `0${text}`,
      `${text}:00:00`,
      `${text} 1:00`,
      text.slice(0, -1),
    );
  }
  for (const part of [1, 6, 9, 12, 15, 18]) refuses(v.localMoment, moment.slice(0, part) + moment.slice(part + 1));
  for (const part of [1, 6, 9, 12, 15]) refuses(v.localMoment, `${moment.slice(0, part)}0${moment.slice(part)}`);
  letters(v.serviceName, (c) => c, WORD);
  letters(v.serviceName, (c) => `a${c}`, `${WORD}@_.-`);
  lengths(v.serviceName, (n) => many(n), 1, 64);
});
