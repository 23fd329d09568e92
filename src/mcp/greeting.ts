/**
 * Answers what every client begins with (initialize or server/discover, ping, lists) from the generated listing alone: many
 * servers are started, and few of them are called. The SDK answers the same, and takes more time and memory to load than
 * everything else together; whatever is not usual is left to it, and tests/mcp/greeting_test.ts holds the answers against
 * the SDK's own, byte for byte.
 */
import type { JSONRPCMessage } from "@modelcontextprotocol/server";
import { NAME, VERSION } from "../version.ts";
import { isRecord } from "./coerce.ts";
import type { Dispatch } from "./dispatch.ts";
import { instructionsFor } from "./instructions.ts";
import {
  CAPABILITIES_KEY,
  claimOf,
  CLIENT_KEY,
  type Message,
  type Notification,
  type Request,
  REVISION_KEY,
  STATELESS_REVISION,
} from "./message.ts";
import { annotationsOf, capabilitiesOf, LIST_HINT, lists } from "./told.ts";

/** The revisions with a handshake. */
const HANDSHAKE_REVISIONS: readonly unknown[] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"];

/** Most messages that are kept for the SDK; with more of them it is loaded, however usual they are. */
const MOST_HEARD = 16;

const SERVER = { name: NAME, version: VERSION };

export interface Greeting {
  /** Undefined: the SDK has to take this message, and all that follow. */
  take(message: Message): { readonly answer: JSONRPCMessage | undefined } | undefined;
  /** What the SDK has to know of, once it is there. */
  readonly heard: readonly (Request | Notification)[];
}

export function createGreeting(dispatch: Pick<Dispatch, "offered">): Greeting {
  const heard: (Request | Notification)[] = [];
  let greeted = false;
  const self = () => ({ capabilities: capabilitiesOf(dispatch), instructions: instructionsFor(dispatch.offered) });

  function listOf(method: string): Record<string, unknown> | undefined {
    if (method === "tools/list") return { tools: dispatch.offered.map(definitionOf) };
    const { prompts, resources } = capabilitiesOf(dispatch);
    if (method === "prompts/list") return prompts && lists[method](dispatch);
    const known = method === "resources/list" || method === "resources/templates/list";
    return known && resources !== undefined ? lists[method](dispatch) : undefined;
  }

  /** What is answered to a request of an era with a handshake. */
  function afterHandshake({ method, params }: Request): Record<string, unknown> | undefined {
    if (method === "initialize" && isUsualHandshake(params)) {
      greeted = true;
      const { capabilities, instructions } = self();
      return { protocolVersion: params?.protocolVersion, capabilities, serverInfo: SERVER, instructions };
    }
    if (!greeted || !isBare(params)) return undefined;
    return method === "ping" ? {} : listOf(method);
  }

  /** What is answered to a request that names its revision. */
  function withoutHandshake({ method, params }: Request): Record<string, unknown> | undefined {
    if (!isUsualClaim(params)) return undefined;
    const result = method === "server/discover"
      ? { supportedVersions: [STATELESS_REVISION], ...self() }
      : listOf(method);
    return result && {
      ...result,
      resultType: "complete",
      ...LIST_HINT,
      _meta: { "io.modelcontextprotocol/serverInfo": SERVER },
    };
  }

  return {
    heard,
    take(message) {
      if (message.kind === "response" || heard.length >= MOST_HEARD) return undefined;
      const stateless = claimOf(message) !== undefined;
      if (message.kind === "notification") {
        if (message.method !== "notifications/initialized" || !greeted || !isBare(message.params)) return undefined;
        heard.push(message);
        return { answer: undefined };
      }
      const result = stateless ? withoutHandshake(message) : afterHandshake(message);
      if (result === undefined) return undefined;
      // Of the stateless ones the first list tells the SDK as much as all: some clients look again every few seconds.
      const told = stateless
        ? message.method === "server/discover" || heard.some((other) => claimOf(other) !== undefined)
        : message.method !== "initialize";
      if (!told) heard.push(message);
      return { answer: { result, jsonrpc: "2.0", id: message.id } };
    },
  };
}

/** A tool as tools/list has it, in the order of the SDK. */
function definitionOf(tool: Dispatch["offered"][number]): Record<string, unknown> {
  const { name, title, description, input, output } = tool;
  return { name, title, description, inputSchema: input, annotations: annotationsOf(tool), outputSchema: output };
}

function isBare(params: unknown): boolean {
  return params === undefined || isWithin(params, {});
}

function isUsualHandshake(params: unknown): boolean {
  return isWithin(params, {
    protocolVersion: (revision) => HANDSHAKE_REVISIONS.includes(revision),
    capabilities: areUsualCapabilities,
    clientInfo: isUsualClient,
  }, ["protocolVersion", "capabilities", "clientInfo"]);
}

function isUsualClaim(params: unknown): boolean {
  return isWithin(params, {
    _meta: (meta) =>
      isWithin(meta, {
        [REVISION_KEY]: (revision) => revision === STATELESS_REVISION,
        [CAPABILITIES_KEY]: areUsualCapabilities,
        [CLIENT_KEY]: isUsualClient,
      }, [REVISION_KEY, CAPABILITIES_KEY]),
  }, ["_meta"]);
}

function isUsualClient(client: unknown): boolean {
  const parts = { name: isText, version: isText, title: isText, description: isText };
  return isWithin(client, parts, ["name", "version"]);
}

/** Those of today's clients: names of features, and little else. */
function areUsualCapabilities(capabilities: unknown): boolean {
  return isWithin(capabilities, {
    roots: (roots) => isWithin(roots, { listChanged: (value) => typeof value === "boolean" }),
    sampling: (sampling) => isWithin(sampling, { tools: isEmpty, context: isEmpty }),
    elicitation: (elicitation) => isWithin(elicitation, { form: isEmpty, url: isEmpty }),
  });
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isEmpty(value: unknown): boolean {
  return isWithin(value, {});
}

/** Whether the value is an object with no other fields than these, each as it has to be, and all that are required. */
function isWithin(
  value: unknown,
  fields: Readonly<Record<string, (part: unknown) => boolean>>,
  required: readonly string[] = [],
): boolean {
  return isRecord(value) && required.every((name) => Object.hasOwn(value, name)) &&
    Object.entries(value).every(([name, part]) => Object.hasOwn(fields, name) && fields[name]?.(part) === true);
}
