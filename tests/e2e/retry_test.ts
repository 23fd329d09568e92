/** What is tried again, and what never is: only what PVE had refused before it did anything. */
import assert from "node:assert/strict";
import { oddPve, pveSays } from "../helpers/odd_pve.ts";
import { withServer } from "../helpers/server.ts";

/** The words of PVE, the tool that meets them at first, and how often its write comes in all. */
const cases = [
  ["the lock file of a VM", "can't lock file '/var/lock/qemu-server/lock-105.conf' - got timeout", "set_vm_config", 2],
  ["the lock file of a container", "can't lock file '/run/lock/lxc/pve-config-203.lock' - got timeout", "container", 2],
  ["the lock of a task", "VM is locked (snapshot)", "set_vm_config", 2],
  // From the midst of the work: something may have happened.
  ["a timeout of QEMU", "VM 105 qmp command 'device_add' failed - got timeout", "set_vm_config", 1],
  ["a storage's lock", "cfs-lock 'storage-ceph' error: got lock request timeout", "set_vm_config", 1],
  ["any timeout", "got timeout", "set_vm_config", 1],
  // Power's lock is met inside a task.
  ["a lock file, by power", "can't lock file '/var/lock/qemu-server/lock-105.conf' - got timeout", "start_vm", 1],
  ["a lock, by power", "VM is locked (snapshot)", "start_vm", 1],
] as const;

for (const [what, words, tool, times] of cases) {
  const again = times > 1;
  Deno.test({
    name: `${what}: ${
      again ? "the write is tried again, and works" : "the write is never repeated, and the error says it"
    }`,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      let writes = 0;
      await using server = await oddPve(({ method }) =>
        method === "GET" || ++writes > 1 ? undefined : pveSays("500", words)
      );
      await withServer({ env: server.env }, async ({ call }) => {
        const { isError, text } = tool === "start_vm"
          ? await call("start_vm", { vmid: 105 })
          : await call(tool === "container" ? "set_container_config" : tool, {
            vmid: tool === "container" ? 203 : 105,
            config: { memory: 512 },
          });
        assert.equal(isError, !again, text);
        if (!again) assert.ok(text.includes(words) && text.includes("What to do: "), text);
      });
      assert.equal(writes, times);
    },
  });
}
