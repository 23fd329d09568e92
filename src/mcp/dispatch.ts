/** The one way of every tool call: parse → policy → ask → audit → run → check the output → audit → answer. */
import { PveError, Refusal } from "../errors.ts";
import { narrow, type PveClient, type RequestRecord } from "../pve/client.ts";
import { listGuests } from "../pve/guests.ts";
import { GuestQueue } from "../pve/queue.ts";
import { TaskWatch } from "../pve/watch.ts";
import { type AuditLog, createAudit } from "../safety/audit.ts";
import { decide, type GuestFacts, judge, needsFacts, offers, type PolicySettings } from "../safety/policy.ts";
import { ENTERING, subjectOf, withPool, writeIn, writeOf } from "../safety/policy.ts";
import { type Redact, redacted, redactor, secretsIn } from "../safety/redact.ts";
import { oneLine } from "../shape/table.ts";
import { untrusted } from "../shape/untrusted.ts";
import type { ExecContext, Picture, ServerFacts, SessionFacts, StartedTask, Tool } from "../tool.ts";
import { VERSION } from "../version.ts";
import { auditAfter, withoutBulk } from "./audited.ts";
import { createConfirmations, type Dialogue, questionAbout } from "./confirm.ts";
import { type CallResult, failure, isExpected, question, success, warned } from "./content.ts";
import { explained } from "./explain.ts";
import { listed, type ListedTool } from "./listed.ts";
import { parse } from "./parse.ts";

/** What a call brings along. */
export interface CallOptions {
  readonly signal: AbortSignal;
  /** Undefined where the client did not ask for it: reading task logs for nobody costs requests. */
  readonly progress: ((message: string, ratio?: number) => void) | undefined;
  /** The way to the person at the client; undefined where there is none. */
  readonly dialogue?: Dialogue | undefined;
}

export interface DispatchOptions {
  readonly tools: readonly Tool[];
  readonly pve: PveClient;
  readonly settings: PolicySettings;
  /** Told of bugs, with their stack; `redact` takes the secrets of the call out of a text. */
  readonly onBug: (error: unknown, redact: Redact) => void;
  /** Told when a call is over, before its answer goes out. */
  readonly onDone?: (tool: string) => void;
  /** Gets an entry before and after every write. */
  readonly audit?: AuditLog | undefined;
  /** Never to be shown: the token's secret. */
  readonly secrets?: readonly string[];
  /** The way into guests; undefined: there is none. */
  readonly exec?: ExecContext | undefined;
  /** What server_info tells beside what is known here. */
  readonly session?: SessionFacts;
  /** See ToolContext; the guarantee's long test hands in none. */
  readonly lockPauses?: readonly number[];
  /** Milliseconds since the epoch; tests hand in a clock. Default: the system's. */
  readonly now?: () => number;
}

/** Runs tools by name. */
export interface Dispatch {
  /** The tools that the settings allow. */
  readonly offered: readonly ListedTool[];
  /** Never throws: every failure is an answer. An answer with `ask` asks the person first, and nothing has been done. */
  call(tool: Tool | ListedTool, args: unknown, options: CallOptions): Promise<CallResult>;
}

const LOCK_PAUSES = [1000, 2000, 4000];

/** Progress is for a glance. */
const LONGEST_PROGRESS = 300;

export function createDispatch(options: DispatchOptions): Dispatch {
  const { tools, pve, settings, onBug, onDone, secrets = [] } = options;
  const started = new Map<string, Promise<StartedTask>>();
  // A number that is protected is never chosen for a new guest.
  const claimed = new Set<number>(settings.protected?.vmids);
  const offered = tools.filter((tool) => offers(tool, settings)).map(listed);
  const server: ServerFacts = { ...options.session, version: VERSION, readOnly: settings.readOnly, tools: offered };
  const [watch, queue] = [new TaskWatch(), new GuestQueue()];
  const confirmations = createConfirmations();
  const audit = options.audit === undefined ? undefined : createAudit(options.audit);

  const ownSecrets = redactor(secrets);

  async function run(tool: Tool, args: unknown, { signal, progress, dialogue }: CallOptions, redact: Redact) {
    const input = withPool(tool, parse(tool, args), settings);
    const guest = needsFacts(tool, settings, input) ? await factsOf(pve, tool, input, signal) : undefined;
    const decision = decide(tool, input, settings, guest);
    if (decision.verdict === "refuse") throw new Refusal(`Refused: ${decision.reason}`, decision.remedy);
    if (tool.tier !== "read" && (decision.verdict === "ask" || audit !== undefined)) refuseVeil(input, redact);
    if (decision.verdict === "ask") {
      const { changes, makes } = writeOf(tool, input);
      const message = questionAbout(tool, input, guest, changes ?? makes, redact);
      const ask = confirmations.settle(tool, message, input, dialogue);
      if (ask !== undefined) return question(ask);
    }
    const requests: RequestRecord[] = [];
    const pictures: Picture[] = [];
    const record = tool.tier === "read" ? undefined : await audit?.open({
      event: "before",
      tool: tool.name,
      arguments: redacted(withoutBulk(input), redact),
      ...(decision.verdict === "ask" ? { confirmed: true } : {}),
    });
    try {
      const answer = await tool.run(input, {
        pve: narrow(supervised(pve, settings, guest, writeOf(tool, input).creates, requests), tool.calls),
        signal,
        progress: progress && ((text, ratio) => progress(oneLine(untrusted(redact(text), LONGEST_PROGRESS)), ratio)),
        started,
        claimed,
        watch,
        queue,
        server,
        show: (picture) => void pictures.push(picture),
        exec: tool.tier === "exec" ? supervisedExec(options.exec, settings, guest, requests) : undefined,
        lockPauses: options.lockPauses ?? LOCK_PAUSES,
        now: options.now ?? Date.now,
      });
      const checked = tool.output.safeParse(answer);
      if (!checked.success) {
        throw new Error(`The answer of ${tool.name} does not fit its schema: ${checked.error.message}`);
      }
      const warning = await record?.close(auditAfter(tool, checked.data, requests, redact));
      return warned(success(checked.data, redact, pictures), warning);
    } catch (error) {
      const warning = await record?.close(auditAfter(tool, error, requests, redact));
      return warned(await failed(tool, error, input, signal, redact), warning);
    }
  }

  /** What a caller names a secret is hidden wherever it stands: in another argument it would hide what is about to be done. */
  function refuseVeil(input: Readonly<Record<string, unknown>>, redact: Redact): void {
    const shown = (by: Redact) => JSON.stringify(redacted(input, by));
    if (shown(redact) === shown(ownSecrets)) return;
    throw new Refusal(
      "Refused: a secret among the arguments stands in another argument, too, and would hide that from the person who is " +
        "asked, or from the audit log",
      "Give it once, where it belongs; if it is a word that stands anywhere, choose another",
    );
  }

  async function failed(
    tool: Tool,
    error: unknown,
    args: unknown,
    signal: AbortSignal,
    redact: Redact,
  ): Promise<CallResult> {
    if (signal.aborted && !(error instanceof PveError)) {
      return failure(new PveError("The call was cancelled", { kind: "cancelled" }));
    }
    if (!isExpected(error)) onBug(error, redact);
    const scene = { tool, args, pve, token: options.session?.token, pool: settings.pool, signal };
    return failure(await explained(error, scene), redact);
  }

  /** The tool itself, where only its listing is at hand. */
  function found(tool: Tool | ListedTool): Tool {
    const known = "run" in tool ? tool : tools.find(({ name }) => name === tool.name);
    if (known === undefined) throw new Error(`${tool.name} is listed, and there is no such tool`);
    return known;
  }

  return {
    offered,
    async call(wanted, args, options) {
      const tool = found(wanted);
      let redact = ownSecrets;
      try {
        // Arguments that are nested without end make it throw.
        const brought = secretsIn(args);
        if (brought.length > 0) redact = redactor([...secrets, ...brought]);
        return await run(tool, args, options, redact);
      } catch (error) {
        return await failed(tool, error, args, options.signal, redact);
      } finally {
        onDone?.(tool.name);
      }
    },
  };
}

/** The guest that a call changes or copies, as PVE describes it at this moment. */
async function factsOf(
  pve: PveClient,
  tool: Tool,
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<GuestFacts | undefined> {
  return await guestNumbered(pve, subjectOf(tool, input), signal);
}

async function guestNumbered(
  pve: PveClient,
  vmid: number | undefined,
  signal: AbortSignal | undefined,
): Promise<GuestFacts | undefined> {
  return vmid === undefined ? undefined : (await listGuests(pve, { signal })).find((guest) => guest.vmid === vmid);
}

/** A client that holds every write against the policy once more, whatever the tool asks for, and records what is sent. */
function supervised(
  pve: PveClient,
  settings: PolicySettings,
  guest: GuestFacts | undefined,
  makes: boolean,
  requests: RequestRecord[],
): PveClient {
  return {
    async call(call, params, options) {
      const write = writeIn(call, { ...params });
      if (write !== undefined) {
        // A call may have waited for its turn, and a person given the guest a tag meanwhile; or it has just been made.
        const known = makes || guest?.vmid === write.changes;
        const fresh = known && write.changes !== undefined && (settings.protected?.tags.length ?? 0) > 0;
        const subject = fresh ? await guestNumbered(pve, write.changes, options?.signal) : guest;
        const refused = judge(write, settings, subject);
        if (refused !== undefined) throw new Refusal(`Refused: ${refused.reason}`, refused.remedy);
      }
      return await pve.call(call, params, { ...options, onRequest: (request) => requests.push(request) });
    },
  };
}

/** A way into guests that holds every command against the policy once more, and records that it was sent. */
function supervisedExec(
  exec: ExecContext | undefined,
  settings: PolicySettings,
  guest: GuestFacts | undefined,
  requests: RequestRecord[],
): ExecContext | undefined {
  const shell = exec?.shell;
  if (exec === undefined || shell === undefined) return exec;
  return {
    ...exec,
    shell: {
      async run(command, options) {
        const { kind, node, vmid } = command;
        const write = writeIn(ENTERING[0] ?? "", { vmid });
        const refused = write === undefined ? undefined : judge(write, settings, guest);
        if (refused !== undefined) throw new Refusal(`Refused: ${refused.reason}`, refused.remedy);
        const started = performance.now();
        const path = `/nodes/${node}/${kind === "vm" ? "qemu" : "lxc"}/${vmid}`;
        const record = { call: "SSH", method: "SSH", path, query: [], body: ["argv"], status: undefined };
        try {
          return await shell.run(command, options);
        } finally {
          requests.push({ ...record, durationMs: performance.now() - started });
        }
      },
    },
  };
}
