/** Entering a guest: whether it may be, and which way leads into it. */
import { UsageError } from "../errors.ts";
import type { Call } from "../pve/client.ts";
import { findGuest, type Guest, type GuestKind, listGuests } from "../pve/guests.ts";
import type { ExecContext, ToolContext } from "../tool.ts";
import { agentCalls, byAgent } from "./entering_agent.ts";
import { bySsh } from "./entering_ssh.ts";
import { goesOn, guestKinds } from "./params.ts";
import type { Entered } from "./program.ts";

/** What entering a container takes, a VM, and either. */
export const containerCalls = ["GET /cluster/resources", "GET /nodes/{node}/lxc/{vmid}/config"] as const;
export const vmCalls = ["GET /cluster/resources", ...agentCalls] as const;
export const eitherCalls = [...containerCalls, ...agentCalls] as const;

type Context<Calls extends readonly Call[]> = ToolContext<Calls[number]>;

/** The guest as the caller names it. */
export interface GuestName {
  readonly vmid: number;
  readonly node?: string | undefined;
}

/**
 * Finds a container and the way into it.
 * @throws {UsageError} no container, not running, privileged where that is not allowed, no way to log in
 */
export async function enterContainer(context: Context<typeof containerCalls>, name: GuestName): Promise<Entered> {
  const { guest, exec } = await find(context, name, "container");
  requireLogin(exec, guest);
  if (!exec.privileged) await refusePrivileged(context, guest);
  return { guest, byAgent: false, run: (program) => bySsh(context, guest, program) };
}

/**
 * Finds a VM and the way into it that the settings choose.
 * @throws {UsageError} no VM, not running, no way to log in
 */
export async function enterVm(context: Context<typeof vmCalls>, name: GuestName): Promise<Entered> {
  const { guest, exec } = await find(context, name, "vm");
  if (exec.vm === "agent") return { guest, byAgent: true, run: (program) => byAgent(context, guest, program) };
  requireLogin(exec, guest);
  return { guest, byAgent: false, run: (program) => bySsh(context, guest, program) };
}

/**
 * Finds a guest of either kind and the way into it.
 * @throws {UsageError} as the others do
 */
export async function enterEither(context: Context<typeof eitherCalls>, name: GuestName): Promise<Entered> {
  const guests = await listGuests(context.pve, { signal: context.signal });
  const kind = guests.find((guest) => guest.vmid === name.vmid)?.kind;
  return kind === "vm" ? await enterVm(context, name) : await enterContainer(context, name);
}

async function find(
  { pve, signal, exec }: Pick<Context<["GET /cluster/resources"]>, "pve" | "signal" | "exec">,
  name: GuestName,
  kind: GuestKind,
): Promise<{ readonly guest: Guest; readonly exec: ExecContext }> {
  if (exec === undefined) {
    throw new UsageError("Commands in guests are off", "A person can set PROXMOX_ENABLE_EXEC=true");
  }
  const other = kind === "vm" ? "exec_in_container" : "exec_in_vm";
  const guest = await findGuest(pve, name, kind, other, { signal });
  if (guest.status === "stopped") {
    throw new UsageError(`${wordFor(guest)} ${guest.vmid} is not running`, `Start it with start_${kind}`);
  }
  if (guest.status === "paused") {
    throw new UsageError(`VM ${guest.vmid} is paused, and answers nobody`, goesOn);
  }
  return { guest, exec };
}

/** The guest's kind, as a sentence begins with it. */
function wordFor({ kind }: Guest): string {
  return guestKinds[kind].first;
}

function requireLogin({ shell }: ExecContext, guest: Guest): void {
  if (shell !== undefined) return;
  throw new UsageError(
    `${wordFor(guest)} ${guest.vmid} is entered by SSH to its node, and there is no way to log in`,
    "A person has to set PROXMOX_SSH_KEY_FILE (or PROXMOX_SSH_PASSWORD) and PROXMOX_SSH_HOST_KEY; docs/exec.md tells how",
  );
}

async function refusePrivileged({ pve, signal }: Context<typeof containerCalls>, { node, vmid }: Guest): Promise<void> {
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
