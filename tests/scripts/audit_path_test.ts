/** What `deno task start` lets the server write: the audit log or nothing, however its path is written. */
import assert from "node:assert/strict";
import { inherited, ROOT } from "../helpers/server.ts";

async function printed(env: Record<string, string>): Promise<{ code: number; text: string }> {
  const args = ["run", "--no-prompt", "--quiet", "--allow-env", "--allow-read", `${ROOT}scripts/audit_path.ts`];
  const output = await new Deno.Command(Deno.execPath(), {
    args,
    clearEnv: true,
    env: { ...inherited(), ...env },
    stderr: "null",
  }).output();
  return { code: output.code, text: new TextDecoder().decode(output.stdout) };
}

Deno.test("audit_path prints one path, and nothing for one that Deno would split", async () => {
  const PROXMOX_HOST = "pve.lan";
  assert.deepEqual(await printed({ PROXMOX_HOST }), { code: 0, text: "/nonexistent/proxmox-mcp-writes-nothing\n" });
  const path = "/var/log/a --allow-run.jsonl";
  assert.deepEqual(await printed({ PROXMOX_HOST, PROXMOX_AUDIT_FILE: path }), { code: 0, text: `${path}\n` });
  assert.deepEqual(await printed({ PROXMOX_HOST, PROXMOX_AUDIT_FILE: "/a,/etc" }), { code: 2, text: "" });
});
