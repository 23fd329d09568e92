/**
 * Sorts the messages of one connection by the era they belong to. A request that names its revision in _meta is served
 * without state, as 2026-07-28 has it; `initialize` opens the handshake's era for everything that names none. Each era has
 * an SDK connection of its own: one of the SDK's alone serves whichever era came first and answers the other one wrongly,
 * and once it is pinned it serves requests of revisions that do not exist.
 */
import {
  type JSONRPCMessage,
  type McpServer,
  SUBSCRIPTION_ID_META_KEY,
  type Transport,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { isRecord } from "./coerce.ts";
import {
  BATCH_REVISION,
  CAPABILITIES_KEY,
  claimOf,
  errorAnswer,
  type Id,
  INTERNAL_ERROR,
  INVALID_PARAMS,
  type Message,
  METHOD_NOT_FOUND,
  type Notification,
  type Request,
  REVISION_KEY,
  STATELESS_REVISION,
} from "./message.ts";
import { cancelledBy, type Wire } from "./transport.ts";

const UNSUPPORTED_PROTOCOL_VERSION = -32022;

/** Methods that no revision with a handshake has. */
const STATELESS_METHODS: ReadonlySet<string> = new Set(["server/discover", "subscriptions/listen"]);

/** More at once are refused. */
const MOST_SUBSCRIPTIONS = 32;

/** What listens to changes of resources: the stateless era's subscriptions are kept by the SDK, which tells nobody of them. */
export interface Subscriptions {
  /** The URIs that will be watched for the subscription; the others are left out of what is acknowledged. */
  accept(uris: readonly string[]): string[];
  opened(subscription: string, uris: readonly string[]): void;
  closed(subscription: string): void;
  /** The connection is over. */
  ended(): void;
}

export interface ServeOptions {
  readonly factory: (context: { readonly era: "legacy" | "modern" }) => McpServer;
  readonly subscriptions: Subscriptions;
  readonly onError: (error: Error) => void;
}

export interface Eras {
  receive(message: Message): void;
  /** Lets the SDK know of a message that the greeting has answered; its own answer is dropped. */
  heard(message: Request | Notification): void;
  close(): Promise<void>;
}

/** Serves what `receive` is given. */
export function sortEras(wire: Wire, options: ServeOptions): Eras {
  const { factory, subscriptions, onError } = options;
  let handshake: Channel | undefined;
  let stateless: Channel | undefined;
  /** Whether a request other than server/discover has come: a client may ask for it and then go back to initialize. */
  let inUse = false;

  const answered = new Set<Id>();

  function openHandshake(): Channel {
    const channel = channelTo((message) => {
      if (!("method" in message) && message.id !== undefined && answered.delete(message.id)) return;
      wire.send(message);
    });
    // Not with serveStdio(), which would find the era out once more: it holds each message against schemas for that.
    const server = factory({ era: "legacy" });
    server.connect(channel.transport).catch(onError);
    channel.handle = server;
    return channel;
  }

  function openStateless(): Channel {
    const channel = channelTo((message) => {
      acknowledged(message);
      wire.send(message);
    });
    channel.handle = serveStdio(factory, {
      transport: channel.transport,
      legacy: "reject",
      onerror: onError,
      maxSubscriptions: MOST_SUBSCRIPTIONS,
    });
    return channel;
  }

  function heard(message: Request | Notification): void {
    if (claimOf(message) !== undefined) {
      inUse ||= message.method !== "server/discover";
      return;
    }
    if (message.kind === "request") answered.add(message.id);
    handshake ??= openHandshake();
    handshake.deliver(sdkMessage(message));
  }

  function receive(message: Message): void {
    try {
      if (message.kind === "request") request(message);
      else if (message.kind === "notification") notification(message);
      else handshake?.deliver(message.message);
    } catch (error) {
      // Such as parameters that are nested too deeply for the SDK's validation.
      onError(error instanceof Error ? error : new Error(String(error)));
      if (message.kind === "request") wire.send(errorAnswer(message.id, INTERNAL_ERROR, "Internal error"));
    }
  }

  function request(message: Request): void {
    const claim = claimOf(message);
    if (claim === undefined) {
      const stray = handshake === undefined && inUse && message.method !== "initialize";
      if (stray || STATELESS_METHODS.has(message.method)) {
        return wire.send(errorAnswer(message.id, INVALID_PARAMS, NO_CLAIM));
      }
      // Known revisions are agreed to; the next line may be a batch before the answer is out.
      if (message.method === "initialize") wire.batches = message.params?.protocolVersion === BATCH_REVISION;
      handshake ??= openHandshake();
      return handshake.deliver(sdkMessage(message));
    }
    if (typeof claim === "string" && claim !== STATELESS_REVISION) {
      // Those that a request can name, as server/discover lists them; the others begin with initialize.
      const data = { supported: [STATELESS_REVISION], requested: claim };
      return wire.send(errorAnswer(message.id, UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", data));
    }
    if (message.method === "initialize") {
      const text = `Method not found: revision ${STATELESS_REVISION} has no initialize`;
      return wire.send(errorAnswer(message.id, METHOD_NOT_FOUND, text));
    }
    inUse ||= message.method !== "server/discover";
    stateless ??= openStateless();
    stateless.deliver(sdkMessage(message.method === "subscriptions/listen" ? narrowed(message) : message));
  }

  function notification(message: Notification): void {
    const cancelled = cancelledBy(message);
    if (cancelled !== undefined) subscriptions.closed(subscriptionKey(cancelled));
    // Ids are unique among the requests that are open, so that the other era knows nothing of this one.
    if (claimOf(message) === undefined || cancelled !== undefined) handshake?.deliver(sdkMessage(message));
    if (stateless !== undefined && inUse) stateless.deliver(sdkMessage(claimed(message)));
  }

  /** The listen request with the URIs that can be watched: the SDK acknowledges what is left. */
  function narrowed(message: Request): Request {
    const filter = message.params?.notifications;
    if (!isRecord(filter) || !Array.isArray(filter.resourceSubscriptions)) return message;
    const uris: unknown[] = filter.resourceSubscriptions;
    const texts = uris.filter((uri) => typeof uri === "string");
    // What is malformed stays so, and is refused by the SDK.
    if (texts.length < uris.length) return message;
    const notifications = { ...filter, resourceSubscriptions: subscriptions.accept(texts) };
    return { ...message, params: { ...message.params, notifications } };
  }

  /** Watches what the SDK has just acknowledged. */
  function acknowledged(message: JSONRPCMessage): void {
    if (!("method" in message) || message.method !== "notifications/subscriptions/acknowledged") return;
    const { _meta: meta, notifications } = message.params ?? {};
    const id = isRecord(meta) ? meta[SUBSCRIPTION_ID_META_KEY] : undefined;
    const uris = isRecord(notifications) ? notifications.resourceSubscriptions : undefined;
    if ((typeof id !== "string" && typeof id !== "number") || !Array.isArray(uris)) return;
    subscriptions.opened(subscriptionKey(id), uris.map(String));
  }

  async function close(): Promise<void> {
    subscriptions.ended();
    await Promise.all([handshake?.handle?.close(), stateless?.handle?.close()]);
    wire.close();
  }

  return { receive, heard, close };
}

const NO_CLAIM = `Invalid params: the request names no revision: revision ${STATELESS_REVISION} wants ` +
  `${REVISION_KEY} and ${CAPABILITIES_KEY} in params._meta, earlier ones begin with initialize`;

/** One era's connection, as the SDK sees it. */
interface Channel {
  readonly transport: Transport;
  deliver(message: JSONRPCMessage): void;
  handle?: { close(): Promise<void> };
}

function channelTo(send: (message: JSONRPCMessage) => void): Channel {
  const transport: Transport = {
    start: () => Promise.resolve(),
    send(message) {
      send(message);
      return Promise.resolve();
    },
    close() {
      transport.onclose?.();
      return Promise.resolve();
    },
  };
  // The SDK listens from the moment that it is connected.
  return { transport, deliver: (message) => transport.onmessage?.(message) };
}

/** The notification with a revision: without one the SDK would take it for the other era's. */
function claimed(message: Notification): Notification {
  if (claimOf(message) === STATELESS_REVISION) return message;
  const meta = message.params?._meta;
  const envelope = { [REVISION_KEY]: STATELESS_REVISION, [CAPABILITIES_KEY]: {} };
  return { ...message, params: { ...message.params, _meta: { ...(isRecord(meta) ? meta : {}), ...envelope } } };
}

function sdkMessage(message: Request | Notification): JSONRPCMessage {
  const { method, params } = message;
  const said = params === undefined ? { jsonrpc: "2.0" as const, method } : { jsonrpc: "2.0" as const, method, params };
  return message.kind === "request" ? { ...said, id: message.id } : said;
}

/** 1 and "1" are two requests. */
function subscriptionKey(id: Id): string {
  return JSON.stringify(id);
}
