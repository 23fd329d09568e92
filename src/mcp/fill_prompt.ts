/** Fills in a prompt, and reads what is attached to it. */
import { UsageError } from "../errors.ts";
import { textOf } from "./content.ts";
import type { Dispatch } from "./dispatch.ts";
import { type Filled, type Prompt, said } from "./prompts.ts";
import { RESOURCE_TYPE } from "./resource_kinds.ts";
import { readResource } from "./resources.ts";

/** The content of a prompt's message: its text, then what is attached. */
export type PromptContent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "resource"; readonly resource: { uri: string; mimeType: string; text: string } };

/**
 * Fills in a prompt. What is attached and cannot be read stands there as the error that it is, as the model should know.
 * @throws {UsageError} an argument that is missing, unknown, or not what it must be
 */
export async function fillPrompt(
  dispatch: Dispatch,
  prompt: Prompt,
  args: Filled,
  signal: AbortSignal,
): Promise<PromptContent[]> {
  const known = prompt.arguments.map(({ name }) => name);
  const unknown = Object.keys(args).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`The prompt ${prompt.name} has no argument ${said(unknown)}`, `Known are ${known.join(", ")}`);
  }
  // Clients send what was left empty as empty texts.
  const filled = Object.fromEntries(Object.entries(args).filter(([, value]) => value.trim() !== ""));
  const missing = prompt.arguments.find(({ name, required }) => required === true && filled[name] === undefined);
  if (missing !== undefined) {
    throw new UsageError(`The prompt ${prompt.name} needs ${missing.name}`, missing.description);
  }
  const has = (name: string) => dispatch.offered.some((tool) => tool.name === name);
  const lines = numbered(prompt.text(filled, has).filter((line) => line !== undefined));
  const attached = await Promise.all((prompt.attached?.(filled) ?? []).map(async (uri) => {
    const result = await readResource(dispatch, uri, signal);
    const text = result === undefined ? "There is no such resource" : textOf(result);
    return { type: "resource" as const, resource: { uri, mimeType: RESOURCE_TYPE, text } };
  }));
  return [{ type: "text", text: lines.join("\n") }, ...attached];
}

/** The steps numbered anew: some were left out. What a person has typed never begins a line. */
function numbered(lines: readonly string[]): string[] {
  let step = 0;
  return lines.map((line) => line.replace(/^\d+\. /, () => `${++step}. `));
}
