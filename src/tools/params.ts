/** Parameters that several tools share: the same thing has the same name, limits and description everywhere. */
import { z } from "zod";

export const node = z.string().min(1).max(63).describe("Node name, as in pve1");
export const vmid = z.int().min(100).max(999_999_999).describe("As in 102");
export const storage = z.string().min(2).max(100).describe("Storage name, as in local-lvm");

/** Where a guest runs is looked up. Taken, as users of the original give it, and checked; but no model is told of it. */
export const nodeOfGuest = node.describe("Not needed").meta({ untold: true }).optional();

/** How a reading tool addresses one guest: by vmid, or by a name that only one guest has. */
export const guestToRead = {
  vmid: vmid.optional(),
  name: z.string().min(1).max(255).optional().describe("Instead of vmid: its exact name"),
  node: nodeOfGuest,
};

/** How a writing tool addresses one guest: names are text that guests supply, so only a number counts. */
export const guestToChange = { vmid, node: nodeOfGuest };

export const waiting = {
  wait: z.boolean().default(true).describe("false: answer at once"),
  wait_timeout: z.int().min(1).max(300).default(45).describe("Seconds to wait at most").meta({ untold: true }),
};

export const newVmid = vmid.describe("Left out: the next free number");

/** How many rows a list shows. */
export const limit = z.int().min(1).max(500).default(50).describe("Rows at most");

export const guestKinds = {
  vm: { kind: "vm", api: "qemu", word: "VM", plural: "VMs", first: "VM" },
  // `first`: as a sentence begins with it.
  container: { kind: "container", api: "lxc", word: "container", plural: "containers", first: "Container" },
} as const;

// ---- What several answers hold ----------------------------------------------------------------------------------------

/** Things worth saying beside the answer: what was left out, what to do next. */
export const notes = z.array(z.string()).optional().describe("What was left out, warnings, what to do next");

/** What helps a paused VM. */
export const goesOn = "resume_vm (toolset grow) lets it go on, or a person in PVE's web interface";

/** What came of a write. */
export const outcome = {
  state: z.enum(["ok", "running", "warnings", "unchanged"]).describe(
    "ok: done; running: PVE is still at it, do not repeat the call; warnings: done, with warnings; unchanged: nothing to do",
  ),
  upid: z.string().optional().describe("PVE's task"),
  exit_status: z.string().meta({ untold: true }).optional(),
  warnings: z.array(z.string()).meta({ untold: true }).optional(),
};
