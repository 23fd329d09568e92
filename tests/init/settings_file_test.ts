/** The file that init writes reads back as it was meant, whatever the values are. */
import assert from "node:assert/strict";
import { parseEnv } from "node:util";
import fc from "fast-check";
import { UsageError } from "../../src/errors.ts";
import { settingsText, whatIsAt, writeSettings } from "../../src/init/settings_file.ts";

Deno.test("settingsText() reads back as it was meant, or is refused", () => {
  const value = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.constantFrom("a b", "#x", "'", '"', "`", "$HOME", "a\nb", "\\n"),
  );
  fc.assert(fc.property(value, value, (host, secret) => {
    const values = { PROXMOX_HOST: host, PROXMOX_TOKEN_VALUE: secret };
    let text: string;
    try {
      text = settingsText(values);
    } catch (error) {
      assert.ok(error instanceof UsageError);
      assert.ok(secret.length < 4 || !error.message.includes(secret));
      return;
    }
    assert.deepEqual({ ...parseEnv(text) }, values);
  }));
  assert.ok(settingsText({ PROXMOX_HOST: "pve.lan" }).includes("\nPROXMOX_HOST=pve.lan\n"));
});

Deno.test("writeSettings() writes for the owner only, never over a file unasked, never through a link", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/new/pve.env`;
  try {
    assert.equal(whatIsAt(path), "nothing");
    writeSettings(path, { PROXMOX_HOST: "pve.lan" }, false);
    if (Deno.build.os !== "windows") assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    assert.throws(() => writeSettings(path, { PROXMOX_HOST: "other" }, false), /is there already/);
    assert.match(await Deno.readTextFile(path), /pve\.lan/);
    writeSettings(path, { PROXMOX_HOST: "other" }, true);
    assert.match(await Deno.readTextFile(path), /other/);
    if (Deno.build.os === "windows") return;
    await Deno.symlink(path, `${folder}/link`);
    assert.throws(() => writeSettings(`${folder}/link`, { PROXMOX_HOST: "third" }, true), /link or no regular file/);
    assert.throws(() => writeSettings(folder, { PROXMOX_HOST: "third" }, true), /link or no regular file/);
    assert.match(await Deno.readTextFile(path), /other/);
    assert.deepEqual([...Deno.readDirSync(`${folder}/new`)].map(({ name }) => name), ["pve.env"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
