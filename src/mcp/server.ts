/** Speaks MCP through the SDK: registers the tools with it and serves both eras of the protocol from one factory. */
import { inputRequired, inputResponse, McpServer } from "@modelcontextprotocol/server";
import type { ClientCapabilities, ServerContext } from "@modelcontextprotocol/server";
import { NAME, VERSION } from "../version.ts";
import type { Dialogue, Question } from "./confirm.ts";
import type { CallOptions, Dispatch } from "./dispatch.ts";
import { isRecord } from "./coerce.ts";
import { type Eras, sortEras } from "./eras.ts";
import { addFeatures, handshakeKey } from "./features.ts";
import { instructionsFor } from "./instructions.ts";
import { CAPABILITIES_KEY } from "./message.ts";
import { resourceAt } from "./resource_kinds.ts";
import { readResource } from "./resources.ts";
import { annotationsOf, CACHE_HINTS, capabilitiesOf } from "./told.ts";
import type { Wire } from "./transport.ts";
import { createWatcher, type Watcher } from "./watcher.ts";

/** A Standard Schema that only declares: dispatch.ts validates, and its errors are kinder than the SDK's. */
function declared(input: Record<string, unknown>, output: Record<string, unknown>) {
  return {
    "~standard": {
      version: 1 as const,
      vendor: NAME,
      validate: (value: unknown): { value: Record<string, unknown> } => ({
        value: isRecord(value) ? { ...value } : {},
      }),
      jsonSchema: { input: () => input, output: () => output },
    },
  };
}

export function createServer(dispatch: Dispatch, watcher: Watcher): McpServer {
  const server = new McpServer({ name: NAME, version: VERSION }, {
    instructions: instructionsFor(dispatch.offered),
    cacheHints: CACHE_HINTS,
  });
  for (const tool of dispatch.offered) {
    const { input, output } = tool;
    server.registerTool(tool.name, {
      title: tool.title,
      description: tool.description,
      inputSchema: declared(input, input),
      outputSchema: declared(output, output),
      annotations: annotationsOf(tool),
    }, async (args, context) => {
      const { signal, _meta, notify } = context.mcpReq;
      const dialogue = dialogueIn(context, server.server.getClientCapabilities());
      const options: CallOptions = { signal, progress: progressTo(_meta?.progressToken, notify), dialogue };
      const { ask, ...result } = await dispatch.call(tool, args, options);
      return ask === undefined ? result : asked(ask);
    });
  }
  // Not among the options: those the SDK completes with listChanged.
  server.server.registerCapabilities(capabilitiesOf(dispatch));
  addFeatures(server, dispatch, watcher);
  return server;
}

/** The name of our one question in the answers of a client. */
const CONFIRM = "confirm";

/** Whether the client can put a form to a person; one that names no mode can. */
function takesForms(capabilities: unknown): boolean {
  const elicitation = isRecord(capabilities) ? capabilities.elicitation : undefined;
  return isRecord(elicitation) && (elicitation.form !== undefined || elicitation.url === undefined);
}

/** What the client says about asking. Capabilities come with each request since 2026-07-28, before that once at the start. */
function dialogueIn({ mcpReq }: ServerContext, initialized: ClientCapabilities | undefined): Dialogue {
  const envelope: unknown = mcpReq.envelope;
  const capabilities = isRecord(envelope) ? envelope[CAPABILITIES_KEY] : initialized;
  const state = mcpReq.requestState();
  const response = inputResponse(mcpReq.inputResponses, CONFIRM);
  const reply = response.kind !== "elicit"
    ? undefined
    : response.action === "cancel"
    ? "cancelled"
    : response.action === "accept" && response.content?.[CONFIRM] === true
    ? "accepted"
    : "declined";
  return {
    able: takesForms(capabilities),
    state: typeof state === "string" ? state : undefined,
    reply,
  };
}

/** In the eras before 2026-07-28 the SDK makes an elicitation/create of it, and calls the handler again with the answer. */
function asked({ message, title, state }: Question) {
  const requestedSchema = {
    type: "object" as const,
    properties: { [CONFIRM]: { type: "boolean" as const, title, description: "Nothing is done without it" } },
    required: [CONFIRM],
  };
  return inputRequired({
    inputRequests: { [CONFIRM]: inputRequired.elicit({ mode: "form", message, requestedSchema }) },
    requestState: state,
  });
}

interface ProgressNotification {
  method: "notifications/progress";
  params: { progressToken: string | number; progress: number; total?: number; message: string };
}

/** Sends progress to a client that asked for it; the figure only grows, as the protocol demands. */
function progressTo(
  token: string | number | undefined,
  notify: (notification: ProgressNotification) => Promise<void>,
): CallOptions["progress"] {
  if (token === undefined) return undefined;
  let last = 0;
  let known = false;
  return (message, ratio) => {
    known ||= ratio !== undefined;
    last = Math.max(last + 0.01, (ratio ?? 0) * 100);
    const params = { progressToken: token, progress: Math.min(last, 100), ...(known ? { total: 100 } : {}), message };
    // A client that has gone away hears no more of it.
    notify({ method: "notifications/progress", params }).catch(() => {});
  };
}

/** Serves what comes over the wire. `pauseMs` lies between two looks at what is subscribed to; tests set it. */
export function openEras(
  wire: Wire,
  dispatch: Dispatch,
  { onError, pauseMs }: { readonly onError: (error: Error) => void; readonly pauseMs: number | undefined },
): Eras {
  const servers: { readonly era: string; readonly server: McpServer }[] = [];
  const watcher = createWatcher({
    read: (uri, signal) => readResource(dispatch, uri, signal),
    changed(uri) {
      for (const { era, server: { server } } of servers) {
        // The SDK knows who listens in the stateless era; in the others nobody else does.
        if (era === "modern" || watcher.has(handshakeKey(uri))) server.sendResourceUpdated({ uri }).catch(onError);
      }
    },
    pauseMs,
  });
  return sortEras(wire, {
    factory({ era }) {
      const server = createServer(dispatch, watcher);
      servers.push({ era, server });
      return server;
    },
    subscriptions: {
      accept: (uris) => watcher.room(uris.filter((uri) => resourceAt(dispatch, uri) !== undefined)),
      opened: watcher.open,
      closed: watcher.close,
      ended: watcher.stop,
    },
    onError,
  });
}
