/** Files into guests and out of them: through MCP, by SSH and by the guest agent; checked, kept, and refused. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { noSshd, noUsers, sshTest } from "../helpers/sshd.ts";
import { serverTest } from "../helpers/server.ts";
import { CT, VM, withExec } from "../helpers/exec.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Everything that is there, by name. */
function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

sshTest(
  "a file arrives in a container byte for byte, with its mode, and comes back",
  noSshd,
  () =>
    withExec({}, async ({ ok, error, sshd }) => {
      const folder = `${sshd.root}/lxc/${CT}/files`;
      Deno.mkdirSync(folder);
      const bytes = Uint8Array.from({ length: 700_000 }, (_, index) => (index * 31) % 256);
      for (
        const [name, content] of [["all", bytes], ["none", new Uint8Array()], [
          "it's $(id) `x` \\ ü",
          Buffer.from("x"),
        ]] as const
      ) {
        const path = `${folder}/${name}`;
        const args = {
          vmid: CT,
          path,
          content: Buffer.from(content).toString("base64"),
          encoding: "base64",
          mode: "0640",
        };
        const pushed = await ok("push_file", args);
        assert.deepEqual([pushed.bytes, pushed.sha256, pushed.replaced], [content.length, sha256(content), false]);
        assert.deepEqual(Buffer.from(Deno.readFileSync(path)), Buffer.from(content));
        assert.equal((Deno.statSync(path).mode ?? 0) & 0o7777, 0o640);
        const pulled = await ok("pull_file", { vmid: CT, path, encoding: "base64" });
        assert.deepEqual([pulled.content, pulled.mode, pulled.sha256], [args.content, "640", sha256(content)]);
      }
      await ok("push_file", { vmid: CT, path: `${folder}/text`, content: "hällo\n" });
      const text = await ok("pull_file", { vmid: CT, path: `${folder}/text` });
      assert.deepEqual([text.encoding, text.content], ["text", "hällo\n"]);
      assert.match(String(text.source), /never instructions/);
      const binary = await ok("pull_file", { vmid: CT, path: `${folder}/all` });
      assert.equal(binary.encoding, "base64");
      assert.match(await error("pull_file", { vmid: CT, path: `${folder}/all`, max_bytes: 1000 }), /has 700000 bytes/);
      assert.ok(names(folder).every((name) => !name.startsWith(".")), "nothing is left over");
    }),
);

sshTest(
  "what is there stays, unless overwrite; then the old file is kept beside it",
  noSshd,
  () =>
    withExec({}, async ({ ok, error, sshd }) => {
      const folder = `${sshd.root}/lxc/${CT}/files`;
      Deno.mkdirSync(folder);
      Deno.writeTextFileSync(`${folder}/a`, "old", { mode: 0o751 });
      const args = { vmid: CT, path: `${folder}/a`, content: "new" };
      assert.match(await error("push_file", args), /is there already.*overwrite: true/s);
      assert.equal(Deno.readTextFileSync(`${folder}/a`), "old");
      const answer = await ok("push_file", { ...args, overwrite: true });
      assert.equal(answer.replaced, true);
      assert.equal(Deno.readTextFileSync(String(answer.kept)), "old");
      assert.equal(Deno.readTextFileSync(`${folder}/a`), "new");
      assert.equal((Deno.statSync(`${folder}/a`).mode ?? 0) & 0o7777, 0o751, "its mode stays");
      assert.match(
        await error("push_file", { ...args, path: `${folder}/x/y/z` }),
        /folder .* is not there.*parents: true/s,
      );
      await ok("push_file", { ...args, path: `${folder}/x/y/z`, parents: true });
      assert.equal(Deno.readTextFileSync(`${folder}/x/y/z`), "new");
      assert.match(await error("push_file", { ...args, path: `${folder}/x` }), /is a folder/);
      assert.equal(names(folder).length, 3);
    }),
);

sshTest(
  "links in the guest: one in the file's place is replaced, not followed, and kept as it was",
  noSshd,
  () =>
    withExec({}, async ({ ok, error, sshd }) => {
      const folder = `${sshd.root}/lxc/${CT}/files`;
      Deno.mkdirSync(folder);
      Deno.writeTextFileSync(`${folder}/victim`, "precious");
      Deno.symlinkSync(`${folder}/victim`, `${folder}/link`);
      Deno.symlinkSync(`${folder}/nowhere`, `${folder}/dangling`);
      for (const name of ["link", "dangling"]) {
        const args = { vmid: CT, path: `${folder}/${name}`, content: "new" };
        assert.match(await error("push_file", args), /is there already/, name);
        const { kept } = await ok("push_file", { ...args, overwrite: true });
        assert.ok(Deno.lstatSync(String(kept)).isSymlink, name);
        assert.ok(Deno.lstatSync(args.path).isFile, name);
      }
      assert.equal(Deno.readTextFileSync(`${folder}/victim`), "precious");
      assert.ok(!names(folder).includes("nowhere"));
      Deno.symlinkSync(`${folder}/gone`, `${folder}/broken`);
      assert.match(await error("pull_file", { vmid: CT, path: `${folder}/broken` }), /leads nowhere/);
    }),
);

sshTest(
  "paths that are none are refused before anything is sent",
  noSshd,
  () =>
    withExec({}, async ({ error, sshd }) => {
      const paths = ["etc/passwd", "/etc/../root/x", "/a/./b", "/a/", "/", "~/x", "/a\nb", "/a\0b", "", "-rf", "/x/.."];
      for (const path of paths) {
        for (const tool of ["push_file", "pull_file"]) {
          assert.match(
            await error(tool, { vmid: CT, path, content: "x" }),
            /path=|path: |Unknown|content/,
            `${tool} ${path}`,
          );
          assert.match(await error("pull_file", { vmid: CT, path }), /path/, path);
        }
      }
      for (const more of [{ mode: "u+s" }, { mode: "99" }, { owner: "-R" }, { owner: "a b" }, { content: "\ud800" }]) {
        assert.match(
          await error("push_file", { vmid: CT, path: "/tmp/x", content: "x", ...more }),
          /mode|owner|Unicode/,
        );
      }
      assert.match(
        await error("push_file", { vmid: CT, path: "/tmp/x", content: "a b", encoding: "base64" }),
        /not base64/,
      );
      assert.match(
        await error("push_file", { vmid: CT, path: "/tmp/x", content: "x".repeat(1_048_577) }),
        /1048576 are the most/,
      );
      assert.deepEqual(sshd.calls(), []);
    }),
);

sshTest("folders, pipes and what is not there are named", noSshd, () =>
  withExec({}, async ({ error, ok, sshd }) => {
    const folder = `${sshd.root}/lxc/${CT}`;
    await ok("exec_in_container", { vmid: CT, argv: ["mkfifo", `${folder}/pipe`] });
    assert.match(await error("pull_file", { vmid: CT, path: folder }), /no plain file/);
    assert.match(await error("pull_file", { vmid: CT, path: `${folder}/pipe` }), /no plain file/);
    assert.match(await error("pull_file", { vmid: CT, path: `${folder}/none` }), /is not there/);
  }));

sshTest(
  "a full disk leaves everything as it was",
  noUsers,
  () =>
    withExec({ sshd: { users: true, small: true } }, async ({ error, ok }) => {
      const script = 'cd "$1" && echo old > a && ls -A';
      const small = `${"ROOT"}/small`;
      const root = String((await ok("exec_in_container", { vmid: CT, command: "pwd" })).stdout).trim().replace(
        /\/lxc\/.*/,
        "",
      );
      const folder = small.replace("ROOT", root);
      await ok("exec_in_container", { vmid: CT, argv: ["/bin/sh", "-c", script, "sh", folder] });
      const text = await error("push_file", {
        vmid: CT,
        path: `${folder}/a`,
        content: "x".repeat(900_000),
        overwrite: true,
      });
      assert.match(text, /No space left on device/);
      const after = await ok("exec_in_container", {
        vmid: CT,
        argv: ["/bin/sh", "-c", 'cd "$1" && cat a && ls -A', "sh", folder],
      });
      assert.equal(after.stdout, "old\na\n");
    }),
);

sshTest(
  "a VM by qm guest exec: in parts, byte for byte, and back",
  noSshd,
  () =>
    withExec({ env: { PROXMOX_EXEC_VM: "ssh" } }, async ({ ok, sshd }) => {
      const bytes = Uint8Array.from({ length: 900_000 }, (_, index) => (index * 17) % 256);
      const path = `${sshd.root}/qemu/${VM}/file`;
      const content = Buffer.from(bytes).toString("base64");
      await ok("push_file", { vmid: VM, path, content, encoding: "base64" });
      assert.equal(sha256(Deno.readFileSync(path)), sha256(bytes));
      const pulled = await ok("pull_file", { vmid: VM, path, encoding: "base64" });
      assert.equal(pulled.content, content);
      assert.deepEqual(names(`${sshd.root}/qemu/${VM}`), ["file"]);
    }),
);

serverTest("a VM by the guest agent: in parts that PVE takes, and no other request than agent/exec", {
  env: { PROXMOX_ENABLE_EXEC: "true" },
}, async ({ ok, error, requests }) => {
  const content = Buffer.from(Uint8Array.from({ length: 120_000 }, (_, index) => (index * 13) % 256)).toString(
    "base64",
  );
  const args = { vmid: VM, path: "/srv/a.bin", content, encoding: "base64" };
  assert.equal((await ok("push_file", args)).replaced, false);
  assert.match(await error("push_file", args), /is there already/);
  assert.equal((await ok("pull_file", { vmid: VM, path: "/srv/a.bin", encoding: "base64" })).content, content);
  const calls = new Set(requests.map(({ call }) => call));
  assert.deepEqual([...calls].filter((call) => /agent/.test(call ?? "")).sort(), [
    "GET /nodes/{node}/qemu/{vmid}/agent/exec-status",
    "POST /nodes/{node}/qemu/{vmid}/agent/exec",
  ]);
});
