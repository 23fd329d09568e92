/** The settings that narrow: what is not exactly known stops the start, so that a typo never widens access. */
import assert from "node:assert/strict";
import { UsageError } from "../../src/errors.ts";
import {
  parseAuditFile,
  parseConfirm,
  parseDownloadHosts,
  parsePool,
  parseProtected,
} from "../../src/config/restrictions.ts";

Deno.test("PROXMOX_PROTECTED takes vmids and tags", () => {
  assert.deepEqual(parseProtected("101, 100,tag:Prod ,tag:db_1,100"), { vmids: [100, 101], tags: ["db_1", "prod"] });
});

Deno.test("PROXMOX_PROTECTED refuses every other form", () => {
  const wrong = [
    "100-110",
    "100,",
    ",",
    "prod",
    "tag:",
    "tags:prod",
    "tag:a b",
    "tag:-x",
    "99",
    "0100",
    "1e3",
    "100;101",
  ];
  for (const text of [...wrong, "vm:100", "pool:x", "*", "tag:*", "100 101", "1000000000"]) {
    assert.throws(() => parseProtected(text), UsageError, text);
  }
});

Deno.test("PROXMOX_CONFIRM takes three words", () => {
  assert.deepEqual(["never", "Disruptive", "WRITES"].map(parseConfirm), ["never", "disruptive", "writes"]);
  for (const text of ["true", "always", "write", "all", "disruptiv"]) {
    assert.throws(() => parseConfirm(text), UsageError, text);
  }
});

Deno.test("PROXMOX_POOL takes the name of one pool", () => {
  assert.equal(parsePool("agents/test"), "agents/test");
  for (const text of ["a b", "a,b", "/a", "a//b", "ä", "a/b/c/d"]) {
    assert.throws(() => parsePool(text), UsageError, text);
  }
});

Deno.test("PROXMOX_AUDIT_FILE takes a full path without a comma", () => {
  for (const text of ["/var/log/audit.jsonl", "C:\\logs\\audit.jsonl", "/with blank/a"]) {
    assert.equal(parseAuditFile(text), text);
  }
  for (const text of ["audit.jsonl", "./a", "~/a", "/a,/b", "/", "/var/", "/a\nb", "C:a"]) {
    assert.throws(() => parseAuditFile(text), UsageError, text);
  }
});

Deno.test("PROXMOX_DOWNLOAD_HOSTS takes names of hosts, each with a port that is not 443", () => {
  assert.deepEqual(parseDownloadHosts("cloud.debian.org, NAS.lan:8443 ,192.0.2.1,nas.lan:8443"), [
    "cloud.debian.org",
    "nas.lan:8443",
    "192.0.2.1",
  ]);
  const wrong = ["https://a.lan", "a.lan/x", "*.debian.org", "*", "a b", "a@b", "a.lan:443", "a.lan:", "a.lan:99999"];
  for (const text of [...wrong, "a.lan,", ",", "0x7f.1", "127.1", "[::1]", "a.lan:080", "ä.lan", "a..", "."]) {
    assert.throws(() => parseDownloadHosts(text), UsageError, text);
  }
});
