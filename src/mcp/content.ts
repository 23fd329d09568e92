/** Makes an answer, or an error, into what goes over the wire: a text and a structure that say the same. */
import { PveError, Refusal, UsageError } from "../errors.ts";
import { cleaned, renderText } from "../shape/render.ts";
import { cleanText, untrusted } from "../shape/untrusted.ts";

/** The result of a call, as MCP has it. */
export interface CallResult {
  [field: string]: unknown;
  content: { type: "text"; text: string }[];
  structuredContent?: Record<string, unknown>;
  isError?: true;
  _meta?: Record<string, unknown>;
}

/** Longer error texts are cut: PVE may answer with anything. */
const LONGEST_ERROR = 4000;

export function success(answer: Readonly<Record<string, unknown>>): CallResult {
  return { content: [{ type: "text", text: renderText(answer) }], structuredContent: { ...cleaned(answer) } };
}

/** The remedy of an error, if it has one. */
export function remedyOf(error: unknown): string | undefined {
  if (error instanceof PveError) return error.details.remedy;
  return error instanceof Refusal || error instanceof UsageError ? error.remedy : undefined;
}

/** Whether an error is one of the three that callers are told about; everything else is a bug of ours. */
export function isExpected(error: unknown): error is PveError | Refusal | UsageError {
  return error instanceof PveError || error instanceof Refusal || error instanceof UsageError;
}

/**
 * The error as text that is complete in itself: several clients show nothing else. Its facts go along in _meta, and not in
 * structuredContent, which clients hold against the output schema of the successful answer.
 */
export function failure(error: unknown): CallResult {
  if (!isExpected(error)) {
    return {
      content: [{
        type: "text",
        text: "This server has a bug: the call failed in a way it does not know. Its log (stderr) has the details",
      }],
      isError: true,
    };
  }
  const remedy = remedyOf(error);
  const text = untrusted(error.message, LONGEST_ERROR) +
    (remedy === undefined ? "" : `\nWhat to do: ${cleanText(remedy)}`);
  const { details, kind } = factsOf(error);
  return {
    content: [{ type: "text", text }],
    isError: true,
    _meta: { "proxmox-mcp/error": { kind, ...cleaned(details) } },
  };
}

function factsOf(error: PveError | Refusal | UsageError): { kind: string; details: object } {
  if (error instanceof PveError) return { kind: error.details.kind, details: error.details };
  const kind = error instanceof Refusal ? "refused" : "usage";
  return { kind, details: error.remedy === undefined ? {} : { remedy: error.remedy } };
}
