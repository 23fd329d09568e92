/** The audit file: which files it takes, and lines that are whole or refused. */
import assert from "node:assert/strict";
import { auditLogIn, openAuditFile } from "../../src/cli/audit_file.ts";
import { UsageError } from "../../src/errors.ts";
import type { AuditEntry } from "../../src/safety/audit.ts";

const entry: AuditEntry = {
  event: "before",
  time: "2026-01-01T00:00:00.000Z",
  call: "1",
  tool: "stop_vm",
  arguments: { vmid: 102, note: "a\n\u202e\u009b\u001bb" },
};

async function inFolder(test: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function lines(path: string): string[] {
  return Deno.readTextFileSync(path).split("\n");
}

Deno.test("a new audit file is readable by its owner only, and is appended to when it is opened again", () =>
  inFolder((folder) => {
    const path = `${folder}/audit.jsonl`;
    for (let round = 1; round <= 2; round++) {
      using file = openAuditFile(path);
      auditLogIn(file).write(entry);
      assert.equal(lines(path).length, round + 1);
    }
    if (Deno.build.os !== "windows") assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
    const [first = ""] = lines(path);
    assert.deepEqual(JSON.parse(first), entry, "nothing is lost");
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(first, /[\u0000-\u001f\u007f-\u009f\u202e]/, "a terminal may show it");
  }));

Deno.test("a symlink, a folder, a device, and a file that holds something else are refused and left alone", () =>
  inFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/rc`, "export PATH\n");
    Deno.symlinkSync(`${folder}/rc`, `${folder}/link`);
    Deno.symlinkSync(`${folder}/none`, `${folder}/dangling`);
    assert.throws(() => openAuditFile(`${folder}/link`), /is a symbolic link/);
    assert.throws(() => openAuditFile(`${folder}/dangling`), /is a symbolic link/);
    assert.throws(() => openAuditFile(folder), /is no regular file/);
    assert.throws(() => openAuditFile(`${folder}/rc`), /holds something else than an audit log/);
    assert.throws(() => openAuditFile(`${folder}/no/such`), UsageError);
    if (Deno.build.os === "linux") assert.throws(() => openAuditFile("/dev/full"), UsageError);
    assert.equal(Deno.readTextFileSync(`${folder}/rc`), "export PATH\n");
    assert.throws(() => Deno.statSync(`${folder}/none`), Deno.errors.NotFound);
  }));

Deno.test("an audit file that ends in the middle of a line gets a new one", () =>
  inFolder((folder) => {
    for (const [index, torn] of ["{", '{"time":"2026', "\n"].entries()) {
      const path = `${folder}/${index}`;
      Deno.writeTextFileSync(path, torn);
      using file = openAuditFile(path);
      auditLogIn(file).write(entry);
      assert.deepEqual(JSON.parse(lines(path).at(-2) ?? ""), entry);
    }
  }));

Deno.test("a file that was removed takes no line", () =>
  inFolder((folder) => {
    using file = openAuditFile(`${folder}/audit`);
    const log = auditLogIn(file);
    log.write(entry);
    Deno.removeSync(`${folder}/audit`);
    assert.throws(() => log.write(entry), /the file was removed/);
  }));

Deno.test("on a full disk the line is refused, and the next one does not join what was cut off", () => {
  let room = 20;
  let text = "";
  const log = auditLogIn({
    writeSync(bytes) {
      const part = bytes.subarray(0, Math.min(bytes.length, room, 7));
      if (part.length === 0) throw new Error("No space left on device");
      room -= part.length;
      text += new TextDecoder().decode(part);
      return part.length;
    },
    syncDataSync: () => {},
    links: () => undefined,
  });
  assert.throws(() => log.write(entry), /No space left/);
  room = 10_000;
  log.write({ ...entry, call: "2" });
  log.write({ ...entry, call: "3" });
  const whole = text.split("\n").slice(1, -1).map((line): unknown => JSON.parse(line));
  assert.deepEqual(whole, [{ ...entry, call: "2" }, { ...entry, call: "3" }]);
});
