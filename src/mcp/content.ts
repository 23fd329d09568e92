/** Makes an answer, or an error, into what goes over the wire: a text and a structure that say the same. */
import { Buffer } from "node:buffer";
import { PveError, Refusal, UsageError } from "../errors.ts";
import { cleaned, renderText } from "../shape/render.ts";
import { oneLine } from "../shape/table.ts";
import { untrusted } from "../shape/untrusted.ts";
import { type Redact, redacted } from "../safety/redact.ts";
import type { Picture } from "../tool.ts";
import type { Question } from "./confirm.ts";

interface TextPart {
  type: "text";
  text: string;
}

/** A picture, in base64. It is for the person: the text says all that it shows. */
interface ImagePart {
  type: "image";
  data: string;
  mimeType: string;
  annotations: { audience: ["user"] };
}

/** The result of a call, as MCP has it. */
export interface CallResult {
  [field: string]: unknown;
  content: (TextPart | ImagePart)[];
  structuredContent?: Record<string, unknown>;
  isError?: true;
  _meta?: Record<string, unknown>;
  /** What the person has to be asked first; nothing has been done, and there is no answer yet. */
  ask?: Question;
}

/** Longer error texts are cut: PVE may answer with anything. */
const LONGEST_ERROR = 4000;
const LONGEST_REMEDY = 3000;

const asIs: Redact = (text) => text;

export function success(
  answer: Readonly<Record<string, unknown>>,
  redact: Redact = asIs,
  pictures: readonly Picture[] = [],
): CallResult {
  const shown = { ...cleaned(fields(redacted(answer, redact))) };
  return { content: [{ type: "text", text: renderText(shown) }, ...pictures.map(image)], structuredContent: shown };
}

function image({ mimeType, bytes }: Picture): ImagePart {
  return {
    type: "image",
    data: Buffer.from(bytes).toString("base64"),
    mimeType,
    annotations: { audience: ["user"] },
  };
}

/** The texts of a result, a line each. */
export function textOf({ content }: Pick<CallResult, "content">): string {
  return content.flatMap((part) => part.type === "text" ? [part.text] : []).join("\n");
}

/** The place of an answer while a person is asked; a client that shows it regardless shows the question. */
export function question(ask: Question): CallResult {
  return { content: [{ type: "text", text: ask.message }], ask };
}

/** The result with something more to know about it, where there is something. */
export function warned(result: CallResult, warning: string | undefined): CallResult {
  if (warning === undefined) return result;
  const content = [...result.content, { type: "text" as const, text: `Warning: ${warning}` }];
  const { structuredContent } = result;
  if (structuredContent === undefined) return { ...result, content };
  const notes = Array.isArray(structuredContent.notes) ? structuredContent.notes : [];
  return { ...result, content, structuredContent: { ...structuredContent, notes: [...notes, warning] } };
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
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
export function failure(error: unknown, redact: Redact = asIs): CallResult {
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
  // Lines below the first are indented: none of them can pose as ours.
  const message = untrusted(redact(error.message), LONGEST_ERROR).replace(/\n(?! )/g, "\n  ");
  const text = message +
    (remedy === undefined ? "" : `\nWhat to do: ${oneLine(untrusted(redact(remedy), LONGEST_REMEDY))}`);
  const { details, kind } = factsOf(error);
  return {
    content: [{ type: "text", text }],
    isError: true,
    _meta: { "proxmox-mcp/error": { kind, ...cleaned(fields(redacted(details, redact))) } },
  };
}

function factsOf(error: PveError | Refusal | UsageError): { kind: string; details: object } {
  if (error instanceof PveError) return { kind: error.details.kind, details: error.details };
  const kind = error instanceof Refusal ? "refused" : "usage";
  return { kind, details: error.remedy === undefined ? {} : { remedy: error.remedy } };
}
