/** The one way of every tool call: parse → policy → run → check the output → answer. */
import type { z } from "zod";
import { PveError, Refusal, UsageError } from "../errors.ts";
import { narrow, type PveClient } from "../pve/client.ts";
import { decide, type PolicySettings } from "../safety/policy.ts";
import type { StartedTask, Tool } from "../tool.ts";
import { type CallResult, failure, isExpected, success } from "./content.ts";
import { coerce } from "./coerce.ts";
import { schemasOf } from "./schemas.ts";

/** What a call brings along. */
export interface CallOptions {
  readonly signal: AbortSignal;
  /** Undefined where the client did not ask for it: reading task logs for nobody costs requests. */
  readonly progress: ((message: string, ratio?: number) => void) | undefined;
}

export interface DispatchOptions {
  readonly tools: readonly Tool[];
  readonly pve: PveClient;
  readonly settings: PolicySettings;
  /** Told of bugs, with their stack. */
  readonly onBug: (error: unknown) => void;
  /** Told when a call is over, before its answer goes out. */
  readonly onDone?: (tool: string) => void;
}

/** Runs tools by name. */
export interface Dispatch {
  /** The tools that the settings allow. */
  readonly offered: readonly Tool[];
  /** Never throws: every failure is an answer. */
  call(tool: Tool, args: unknown, options: CallOptions): Promise<CallResult>;
}

export function createDispatch({ tools, pve, settings, onBug, onDone }: DispatchOptions): Dispatch {
  const started = new Map<string, Promise<StartedTask>>();

  async function run(tool: Tool, args: unknown, options: CallOptions): Promise<CallResult> {
    const input = parse(tool, args);
    const decision = decide(tool, settings);
    if (!decision.allowed) throw new Refusal(`Refused: ${decision.reason}`, decision.remedy);
    const { signal, progress } = options;
    const answer = await tool.run(input, { pve: narrow(pve, tool.calls), signal, progress, started });
    const checked = tool.output.safeParse(answer);
    if (!checked.success) {
      throw new Error(`The answer of ${tool.name} does not fit its schema: ${checked.error.message}`);
    }
    return success(checked.data);
  }

  return {
    offered: tools.filter((tool) => decide(tool, settings).allowed),
    async call(tool, args, options) {
      try {
        return await run(tool, args, options);
      } catch (error) {
        if (options.signal.aborted && !(error instanceof PveError)) {
          return failure(new PveError("The call was cancelled", { kind: "cancelled" }));
        }
        if (!isExpected(error)) onBug(error);
        return failure(error);
      } finally {
        onDone?.(tool.name);
      }
    },
  };
}

/**
 * The arguments of a call, converted where they are exact text, and validated.
 * @throws {UsageError} naming every argument that is wrong, and the known ones when one is unknown
 */
export function parse(tool: Tool, args: unknown): z.output<Tool["input"]> {
  const parsed = tool.input.safeParse(coerce(args ?? {}, schemasOf(tool).input));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => problem(tool, issue, args));
  throw new UsageError(`Cannot call ${tool.name}: ${problems.join("; ")}`, remedyFor(tool, parsed.error.issues));
}

type Issue = z.core.$ZodIssue;

function problem(tool: Tool, issue: Issue, args: unknown): string {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return `unknown ${path.length > 0 ? `setting in ${path.join(".")}` : "argument"} ${
      issue.keys.map(shown).join(", ")
    }`;
  }
  const value = path.reduce<unknown>(
    (part, key) => typeof part === "object" && part !== null ? Reflect.get(part, key) : undefined,
    args,
  );
  const name = path.join(".") || "the arguments";
  if (value === undefined) return `${name} is missing`;
  return secretLike(name) ? `${name}: ${issue.message}` : `${name}=${shown(value)}: ${issue.message}`;
}

function secretLike(name: string): boolean {
  return /password|sshkeys|ssh_public_keys/.test(name);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Names the known arguments where one is unknown or missing. */
function remedyFor(tool: Tool, issues: readonly Issue[]): string | undefined {
  const unknown = issues.find((issue) => issue.code === "unrecognized_keys");
  const missing = issues.some((issue) => issue.code === "invalid_type");
  if (unknown === undefined && !missing) return undefined;
  let schema: unknown = schemasOf(tool).input;
  for (const key of unknown?.path ?? []) schema = property(property(schema, "properties"), String(key));
  const known = property(schema, "properties");
  if (typeof known !== "object" || known === null) return undefined;
  const names = Object.keys(known);
  return names.length === 0 ? "It takes no arguments" : `Known are ${names.join(", ")}`;
}

function property(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
