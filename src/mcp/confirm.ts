/** Asks a person, through the client, before a write: one question a call, bound to exactly what was asked. */
import { Refusal } from "../errors.ts";
import { type GuestFacts, writeOf } from "../safety/policy.ts";
import { type Redact, redacted } from "../safety/redact.ts";
import type { Tool } from "../tool.ts";
import { oneLine } from "../shape/table.ts";
import { cleanText, untrusted } from "../shape/untrusted.ts";

/** What the client has to put to the person; nothing has been done yet. */
export interface Question {
  readonly message: string;
  /** What it is about in a few words, for the box to tick. */
  readonly title: string;
  /** Comes back with the answer. */
  readonly state: string;
}

/** What came back from the person: "accepted" means that the box was ticked, too. */
export type Reply = "accepted" | "declined" | "cancelled";

/** The way to the person, and what came back on it. */
export interface Dialogue {
  /** Whether the client can ask. */
  readonly able: boolean;
  readonly state: string | undefined;
  readonly reply: Reply | undefined;
}

/** Questions wait this long for their answer. */
const PATIENCE_MS = 10 * 60_000;

/** More than this many open questions: the oldest ones lapse. */
const MOST_OPEN = 100;

/** The questions that are open in this process. */
export interface Confirmations {
  /**
   * @returns the question to put, or undefined when the person has agreed to exactly this
   * @throws {Refusal} when nobody can be asked, or the answer was no, or belongs to another question
   */
  settle(tool: Tool, message: string, args: unknown, dialogue: Dialogue | undefined): Question | undefined;
}

export function createConfirmations(now: () => number = Date.now): Confirmations {
  const open = new Map<string, { readonly subject: string; readonly until: number }>();

  return {
    settle(tool, message, args, dialogue) {
      if (dialogue === undefined || !dialogue.able) throw cannotAsk(tool);
      // The text holds the facts as they are now: consent to other facts, or other arguments, is no consent to these.
      const subject = JSON.stringify([tool.name, args, message]);
      if (dialogue.reply === undefined) {
        for (const [state, { until }] of open) if (until < now() || open.size >= MOST_OPEN) open.delete(state);
        const state = crypto.randomUUID();
        open.set(state, { subject, until: now() + PATIENCE_MS });
        return { message, title: `Yes, ${tool.name}`, state };
      }
      const asked = dialogue.state === undefined ? undefined : open.get(dialogue.state);
      if (dialogue.state !== undefined) open.delete(dialogue.state);
      if (dialogue.reply !== "accepted") throw notWanted(tool, dialogue.reply);
      if (asked === undefined || asked.until < now()) {
        throw new Refusal(
          `Refused ${tool.name}: the answer belongs to no question that is open`,
          "Call the tool again; the person is asked anew",
        );
      }
      if (asked.subject !== subject) {
        throw new Refusal(
          `Refused ${tool.name}: the arguments, or the guest, are no longer what the person was asked about`,
          "Look at the guest, then call the tool again; the person is asked anew",
        );
      }
      return undefined;
    },
  };
}

function cannotAsk(tool: Tool): Refusal {
  return new Refusal(
    `Refused ${tool.name}: a person has to agree to it first (PROXMOX_CONFIRM), and this client cannot ask one`,
    "The person can do it in PVE's web interface, or run this program's command call in a terminal, or use a client " +
      "that supports elicitation",
  );
}

function notWanted(tool: Tool, reply: Reply): Refusal {
  return new Refusal(
    reply === "declined"
      ? `Not done: the person was asked about ${tool.name} and said no`
      : `Not done: the person was asked about ${tool.name} and closed the question without an answer`,
    "Do not call it again unless the person asks for it",
  );
}

/**
 * Longer arguments are cut, and say by how much: the question has to fit into a box. A public key fits, as nobody should
 * agree to one that is not shown.
 */
const LONGEST_VALUE = 800;

/**
 * The question. Facts that this server has just read come first; then the arguments, which a model wrote, as JSON; and the
 * guest's own name, which anybody may have chosen, in quotes and last.
 */
export function questionAbout(
  tool: Tool,
  input: Readonly<Record<string, unknown>>,
  guest: GuestFacts | undefined,
  vmid: number | undefined,
  redact: Redact,
): string {
  const { wait: _wait, wait_timeout: _timeout, vmid: _vmid, source_vmid: _source, ...rest } = input;
  const shown = Object.entries(flattened(redacted(rest, redact)))
    .map(([name, value]) => `  ${name}: ${quoted(value, LONGEST_VALUE)}`);
  // What is not there yet is new: a guest that changes or is copied has been read before anybody is asked.
  const made = writeOf(tool, input).stores
    ? "a new file on a storage"
    : vmid === undefined
    ? "a new guest with a free number"
    : `the new guest ${vmid}`;
  const read = guest === undefined ? "" : `${guest.kind === "vm" ? "VM" : "container"} ${guest.vmid} on node ` +
    `${word(guest.node)}, ${word(guest.status ?? "state unknown")}`;
  const facts = guest === undefined ? made : guest.vmid === vmid ? read : `${made} from ${read}`;
  return [
    `May ${tool.name} be carried out?`,
    `What: ${tool.title}: ${facts}`,
    ...(shown.length > 0 ? ["Arguments:", ...shown] : []),
    ...(guest?.name === undefined ? [] : [`Its name: ${quoted(guest.name, 64)}`]),
  ].join("\n");
}

/** The settings of a nested object beside the others, so that each has its own line. */
function flattened(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]) =>
      typeof part === "object" && part !== null ? Object.entries(part) : [[name, part]]
    ).filter(([, part]) => part !== undefined),
  );
}

function quoted(value: unknown, longest: number): string {
  return typeof value === "string" ? JSON.stringify(untrusted(value, longest)) : JSON.stringify(value) ?? "";
}

function word(text: string): string {
  return oneLine(cleanText(text)).slice(0, 64);
}
