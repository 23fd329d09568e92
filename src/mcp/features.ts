/** Adds resources, prompts and completions to a server: all of them read through dispatch, as the tools do. */
import { type McpServer, ProtocolError, ResourceNotFoundError } from "@modelcontextprotocol/server";
import { UsageError } from "../errors.ts";
import { type CallResult, textOf } from "./content.ts";
import { isRecord } from "./coerce.ts";
import { type Complete, createCompletions } from "./completions.ts";
import type { Dispatch } from "./dispatch.ts";
import { INTERNAL_ERROR, INVALID_PARAMS } from "./message.ts";
import { fillPrompt } from "./fill_prompt.ts";
import { offeredPrompts } from "./prompts.ts";
import { offeredResources, RESOURCE_TYPE, resourceAt } from "./resource_kinds.ts";
import { readResource } from "./resources.ts";
import { lists } from "./told.ts";
import type { Watcher } from "./watcher.ts";

/** What of it is offered depends on the tools that are. */
export function addFeatures(server: McpServer, dispatch: Dispatch, watcher: Watcher): void {
  const complete = createCompletions(dispatch);
  addResources(server, dispatch, watcher);
  addPrompts(server, dispatch);
  addCompletions(server, dispatch, complete);
}

function addResources({ server }: McpServer, dispatch: Dispatch, watcher: Watcher): void {
  if (offeredResources(dispatch).length === 0) return;
  server.setRequestHandler("resources/list", ({ params }) => {
    refuseCursor(params?.cursor);
    return lists["resources/list"](dispatch);
  });
  server.setRequestHandler("resources/templates/list", ({ params }) => {
    refuseCursor(params?.cursor);
    return lists["resources/templates/list"](dispatch);
  });
  server.setRequestHandler("resources/read", async ({ params: { uri } }, { mcpReq }) => {
    const result = await readResource(dispatch, uri, mcpReq.signal);
    if (result === undefined) throw new ResourceNotFoundError(uri);
    if (result.isError === true) throw readError(result, uri);
    return { contents: [{ uri, mimeType: RESOURCE_TYPE, text: textOf(result) }] };
  });
  server.setRequestHandler("resources/subscribe", ({ params: { uri } }) => {
    if (resourceAt(dispatch, uri) === undefined) throw new ResourceNotFoundError(uri);
    if (watcher.room([uri]).length === 0) {
      throw new ProtocolError(
        INVALID_PARAMS,
        "No more resources can be watched at once: unsubscribe from others first",
      );
    }
    watcher.open(handshakeKey(uri), [uri]);
    return {};
  });
  server.setRequestHandler("resources/unsubscribe", ({ params: { uri } }) => {
    watcher.close(handshakeKey(uri));
    return {};
  });
}

/** How the handshake's eras subscribe: to one URI at a time. */
export function handshakeKey(uri: string): string {
  return `uri ${uri}`;
}

function addPrompts({ server }: McpServer, dispatch: Dispatch): void {
  const prompts = offeredPrompts(dispatch);
  if (prompts.length === 0) return;
  server.setRequestHandler("prompts/list", ({ params }) => {
    refuseCursor(params?.cursor);
    return lists["prompts/list"](dispatch);
  });
  server.setRequestHandler("prompts/get", async ({ params }, { mcpReq }) => {
    const prompt = prompts.find(({ name }) => name === params.name);
    if (prompt === undefined) {
      const known = prompts.map(({ name }) => name).join(", ");
      throw new ProtocolError(INVALID_PARAMS, `There is no such prompt; there are ${known}`);
    }
    try {
      const contents = await fillPrompt(dispatch, prompt, params.arguments ?? {}, mcpReq.signal);
      const messages = contents.map((content) => ({ role: "user" as const, content }));
      return { description: prompt.description, messages };
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const remedy = error.remedy === undefined ? "" : `: ${error.remedy}`;
      throw new ProtocolError(INVALID_PARAMS, `${error.message}${remedy}`);
    }
  });
}

function addCompletions({ server }: McpServer, dispatch: Dispatch, complete: Complete): void {
  server.setRequestHandler("completion/complete", async ({ params }, { mcpReq }) => {
    const { ref, argument, context } = params;
    const names = ref.type === "ref/prompt"
      ? offeredPrompts(dispatch).find(({ name }) => name === ref.name)?.arguments.map(({ name }) => name)
      : variablesOf(offeredResources(dispatch).find(({ uri }) => uri === ref.uri)?.uri);
    if (names === undefined) {
      throw new ProtocolError(INVALID_PARAMS, `There is no such ${ref.type === "ref/prompt" ? "prompt" : "resource"}`);
    }
    const { name, value } = argument;
    if (!names.includes(name)) throw new ProtocolError(INVALID_PARAMS, "There is no such argument");
    return { completion: { ...await complete(name, value, context?.arguments ?? {}, mcpReq.signal) } };
  });
}

/** The variables of a template: `{node}` → node. */
function variablesOf(uri: string | undefined): string[] | undefined {
  return uri === undefined ? undefined : [...uri.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => name ?? []);
}

/** Every list fits into one answer, so that any cursor is one that was never given out. */
function refuseCursor(cursor: string | undefined): void {
  if (cursor !== undefined) throw new ProtocolError(INVALID_PARAMS, "There is no such cursor: the list is one page");
}

/** A failed read in the protocol's terms; the text says what to do, as it does for a tool. */
function readError(result: CallResult, uri: string): ProtocolError {
  const fault = result._meta?.["proxmox-mcp/error"];
  const kind = isRecord(fault) ? fault.kind : undefined;
  if (kind === "missing") return new ResourceNotFoundError(uri, textOf(result));
  return new ProtocolError(kind === "usage" || kind === "invalid" ? INVALID_PARAMS : INTERNAL_ERROR, textOf(result));
}
