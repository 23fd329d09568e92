/** Entering a guest: whether it may be, and which way leads into it. */
import { UsageError } from "../errors.ts";
import type { PveClient } from "../pve/client.ts";
import { findGuest, type Guest, type GuestKind, listGuests } from "../pve/guests.ts";
import { byAgent } from "./entering_agent.ts";
import { bySsh } from "./entering_ssh.ts";
import type { Entered, EnteringContext } from "./program.ts";

/** Finds a guest of either kind. */
export async function kindOf(pve: PveClient<"GET /cluster/resources">, vmid: number, signal: AbortSignal) {
  const guests = await listGuests(pve, { signal });
  return guests.find((guest) => guest.vmid === vmid)?.kind ?? "container";
}

/**
 * Finds the guest and the way in.
 * @throws {UsageError} wrong kind, not running, privileged where that is not allowed, no way to log in
 */
export async function enter(
  context: EnteringContext,
  address: { readonly vmid: number; readonly node?: string | undefined },
  kind: GuestKind,
): Promise<Entered> {
  const { pve, signal, exec } = context;
  if (exec === undefined) {
    throw new UsageError("Commands in guests are off", "A person can set PROXMOX_ENABLE_EXEC=true");
  }
  const other = kind === "vm" ? "exec_in_container" : "exec_in_vm";
  const guest = await findGuest(pve, address, kind, other, { signal });
  const word = kind === "vm" ? "VM" : "container";
  if (guest.status === "stopped") {
    throw new UsageError(`${word} ${guest.vmid} is not running`, `Start it with start_${kind}`);
  }
  if (kind === "vm" && exec.vm === "agent") {
    return {
      guest,
      byAgent: true,
      run: (program) => byAgent(context, guest, program),
    };
  }
  if (exec.shell === undefined) {
    throw new UsageError(
      `${word} ${guest.vmid} is entered by SSH to its node, and there is no way to log in`,
      "A person has to set PROXMOX_SSH_KEY_FILE (or PROXMOX_SSH_PASSWORD) and PROXMOX_SSH_HOST_KEY; README tells how",
    );
  }
  if (kind === "container" && !exec.privileged) await refusePrivileged(context, guest);
  return { guest, byAgent: false, run: (program) => bySsh(context, guest, program) };
}

async function refusePrivileged({ pve, signal }: EnteringContext, { node, vmid }: Guest): Promise<void> {
  const config: { readonly unprivileged?: boolean | undefined } = await pve.call(
    "GET /nodes/{node}/lxc/{vmid}/config",
    { node, vmid },
    { signal },
  );
  if (config.unprivileged === true) return;
  throw new UsageError(
    `Container ${vmid} is privileged: its root is close to root on the node ${node}`,
    "Use an unprivileged container; only the person who runs this server can allow it, by PROXMOX_EXEC_PRIVILEGED=true",
  );
}
