/** What creating and cloning have in common: a free vmid, one task a call, the wait, the answer. */
import { z } from "zod";
import { PveError, Refusal } from "../errors.ts";
import type { GuestKind } from "../pve/guests.ts";
import type { StartedTask, ToolContext } from "../tool.ts";
import * as params from "./params.ts";
import { freeVmid, skippedNotes, vmidCalls } from "./vmids.ts";
import { callKey, deadlineOf, inTurn, runningNote, settle, startOnce, taskCalls, type Waiting } from "./waiting.ts";

export const newGuestCalls = [...vmidCalls, ...taskCalls] as const;
export type NewGuestCall = (typeof newGuestCalls)[number];

/** The answer of every tool that makes a guest. */
export const newGuest = z.object({
  vmid: z.number(),
  name: z.string().optional(),
  node: z.string(),
  ...params.outcome,
  notes: params.notes,
});

/** How often another client may take the number first. */
const MOST_RACES = 5;

/** Whether the number, free a moment ago, is no more: another client has it, or its guest is just being made. */
function isTaken(error: unknown): boolean {
  if (error instanceof Refusal) return /^Refused vmid \d+:/.test(error.message);
  return error instanceof PveError && error.details.kind === "conflict" &&
    /already (?:exists|used)/.test(error.message);
}

/**
 * Makes a guest with the vmid that is named, or with the next free one; a race for the number is run again.
 * @param place where it goes; `source` is the guest that is copied
 * @param send puts the request to PVE and tells the node and the task
 */
export async function createWithVmid(
  tool: string,
  kind: GuestKind,
  input: Waiting & Readonly<Record<string, unknown>>,
  vmid: number | undefined,
  place: { readonly node: string; readonly note?: string | undefined; readonly source?: number },
  context: ToolContext<NewGuestCall>,
  send: (vmid: number) => Promise<{ node: string; upid: string }>,
): Promise<z.output<typeof newGuest>> {
  const notes: string[] = place.note === undefined ? [] : [place.note];
  const key = callKey(tool, input);
  const deadline = deadlineOf(input);
  const { source } = place;
  const begin = async () => {
    const begun = vmid === undefined ? await withFreeVmid(context, notes, send) : { vmid, ...await send(vmid) };
    context.queue.hold(source === undefined ? [begun.vmid] : [begun.vmid, source], begun.upid);
    return begun;
  };
  // Two copies of one guest at a time run into its storage's lock; a container is locked itself (captured 480).
  const { task, repeated } = await startOnce(
    context,
    key,
    deadline,
    source === undefined ? begin : () => inTurn(context, source, deadline, begin),
  );
  if (repeated) {
    notes.push(
      "An earlier call with the same arguments started this task: nothing was started again",
    );
  }
  const outcome = await settle(context, task.upid, input, deadline).catch((error: unknown) => {
    // A task that failed may be tried again; one whose waiting was cancelled goes on.
    if (error instanceof PveError && error.details.kind === "task") context.started.delete(key);
    throw error;
  });
  if (outcome.state !== "running") context.started.delete(key);
  const { unseen: _unseen, ...told } = outcome;
  notes.push(...runningNote(outcome, `${kind}_status`));
  const name = input.name ?? input.hostname;
  return {
    vmid: task.vmid,
    ...(typeof name === "string" ? { name } : {}),
    node: task.node,
    ...told,
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/** Finds a number and makes the guest; numbers that other calls of this process are just using are passed over. */
export async function withFreeVmid(
  context: ToolContext<NewGuestCall>,
  notes: string[],
  send: (vmid: number) => Promise<{ node: string; upid: string }>,
): Promise<StartedTask> {
  const { pve, signal, claimed } = context;
  const lost = new Set<number>();
  while (true) {
    const free = await freeVmid(pve, { signal }, claimed.union(lost));
    // Another call may have claimed it while this one was asking.
    if (claimed.has(free.vmid)) continue;
    claimed.add(free.vmid);
    try {
      const started = { vmid: free.vmid, ...await send(free.vmid) };
      notes.push(...skippedNotes(free));
      return started;
    } catch (error) {
      lost.add(free.vmid);
      if (!isTaken(error) || lost.size >= MOST_RACES) throw error;
    } finally {
      claimed.delete(free.vmid);
    }
  }
}
