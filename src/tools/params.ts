/** Parameters that several tools share: the same thing has the same name, limits and description everywhere. */
import { z } from "zod";

export const node = z.string().min(1).max(63).describe("Node name, as in pve1; list_nodes shows them");
export const vmid = z.int().min(100).max(999_999_999).describe("Number of the guest, as in 102");
export const storage = z.string().min(2).max(100).describe("Storage name, as in local-lvm; list_storage shows them");

/** How a reading tool addresses one guest: by vmid, or by a name that only one guest has. */
export const guestToRead = {
  vmid: vmid.optional(),
  name: z.string().min(1).max(255).optional().describe("Instead of vmid: the guest's exact name, if no other has it"),
  node: node.optional().describe("Not needed: the guest is found by its vmid"),
};

/** How a writing tool addresses one guest: names are text that guests supply, so only a number counts. */
export const guestToChange = { vmid, node: node.optional().describe("Not needed: the guest is found by its vmid") };

export const waiting = {
  wait: z.boolean().default(true).describe("Wait until PVE has finished; false answers at once with the task's UPID"),
  wait_timeout: z.int().min(1).max(300).default(45).describe("Seconds to wait at most; clients give up at about 60"),
};

export const newVmid = vmid.describe("Number for the new guest; left out: the next free one");

/** How many rows a list shows. */
export const limit = z.int().min(1).max(500).default(50).describe("Rows at most");

export const guestKinds = {
  vm: { kind: "vm", api: "qemu", word: "VM", plural: "VMs" },
  container: { kind: "container", api: "lxc", word: "container", plural: "containers" },
} as const;

// ---- What several answers hold ----------------------------------------------------------------------------------------

/** Things worth saying beside the answer: what was left out, what to do next. */
export const notes = z.array(z.string()).optional().describe("What was left out, warnings, what to do next");

/** What came of a write. */
export const outcome = {
  state: z.enum(["ok", "running", "warnings", "unchanged"]).describe(
    "ok: done; running: PVE is still at it, do not repeat the call; warnings: done, with warnings; unchanged: nothing to do",
  ),
  upid: z.string().optional().describe("PVE's task"),
  exit_status: z.string().optional(),
  warnings: z.array(z.string()).optional(),
};
