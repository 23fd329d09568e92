/** Turns what PVE answered instead of a result into one PveError that says what to do next. */
import { PveError, type PveErrorDetails } from "../errors.ts";
import type { Answer, Call } from "./client.ts";
import { type Meaning, meaningOf } from "./reasons.ts";

type Params = Readonly<Record<string, unknown>>;

/** What is known about a failure; the rest of a PveError follows from the call. */
type Finding = Pick<PveErrorDetails, "kind" | "remedy" | "absent" | "lock" | "privileges" | "path"> & {
  readonly message: string;
};

/** What PVE, or whatever answers in its place, may say at most (characters), of itself and of one parameter. */
const LONGEST_REASON = 1000;
const LONGEST_COMPLAINT = 300;
const MOST_COMPLAINTS = 20;

/** The path variables of a call with their values. */
function subjectOf(call: Call, params: Params): Record<string, string | number> {
  const subject: Record<string, string | number> = {};
  for (const [, name = ""] of call.matchAll(/\{(\w+)\}/g)) {
    const value = params[name];
    if (typeof value === "string" || typeof value === "number") subject[name] = value;
  }
  return subject;
}

/** The method and path of a call with its values, as in "GET /nodes/pve1/qemu". */
function described(call: Call, subject: Readonly<Record<string, string | number>>): string {
  return call.replaceAll(/\{(\w+)\}/g, (variable, name: string) => String(subject[name] ?? variable));
}

/** Text with the values of secret parameters taken out: PVE repeats what it does not like. */
function withoutSecrets(text: string, params: Params): string {
  let clean = text;
  for (const [name, value] of Object.entries(params)) {
    if (!/password|secret|token/i.test(name) || typeof value !== "string" || value === "") continue;
    clean = clean.replaceAll(value, "(secret)").replaceAll(encodeURIComponent(value), "(secret)");
  }
  return clean;
}

function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

type Clean = (text: string) => string;

function textOf(value: unknown, clean: Clean): string {
  return typeof value === "string" ? clean(value).trim() : "";
}

function parsed(answer: Answer, clean: Clean): { message: string; fields: Record<string, string> } {
  const fields: Record<string, string> = {};
  try {
    const body: unknown = JSON.parse(answer.body);
    if (typeof body !== "object" || body === null) return { message: "", fields };
    if ("errors" in body && typeof body.errors === "object" && body.errors !== null) {
      for (const [name, complaint] of Object.entries(body.errors).slice(0, MOST_COMPLAINTS)) {
        fields[cut(clean(name), 100)] = cut(textOf(complaint, clean), LONGEST_COMPLAINT).replaceAll(/\s*\n\s*/g, "; ")
          .replace(/\.$/, "");
      }
    }
    return { message: "message" in body ? textOf(body.message, clean) : "", fields };
  } catch {
    return { message: "", fields };
  }
}

/** A finding by PVE's words. */
function found({ vague: _vague, ...meaning }: Meaning, message: string): Finding {
  return { ...meaning, message };
}

function forbidden(what: string, reason: string): Finding {
  const message = `PVE forbids ${what}: ${reason}`;
  const rootOnly = meaningOf(reason);
  if (rootOnly?.kind === "forbidden") return found(rootOnly, message);
  // Some checks name neither path nor privilege, some a privilege alone (captured 96, 118).
  const [, path = "", any = ""] = /^Permission check failed \((\/[^,)]*)?, ([\w.|]+)\)/.exec(reason) ?? [];
  const privileges = any.split("|").filter((privilege) => privilege !== "");
  const wanted = privileges.length === 0
    ? "the missing privilege"
    : privileges.length === 1
    ? any
    : `one of ${privileges.join(", ")}`;
  return {
    kind: "forbidden",
    message,
    remedy: `A person has to grant ${wanted} on ${path === "" ? "the path" : path} to the token on the PVE host; ` +
      "a token with privilege separation needs it itself, and its user, too",
    ...(privileges.length === 0 ? {} : { privileges }),
    ...(path === "" ? {} : { path }),
  };
}

function invalid(what: string, reason: string, fields: Readonly<Record<string, string>>): Finding {
  const complaints = Object.entries(fields).map(([name, complaint]) => `${name}: ${complaint}`).join("; ");
  const message = complaints === ""
    ? `PVE refused ${what}: ${reason}`
    : `PVE refused the parameters of ${what}: ${complaints}`;
  // Most complaints are about a value's form; a few about what there is, and what only root may do.
  const meaning = meaningOf(complaints);
  if (meaning !== undefined && meaning.vague === undefined) return found(meaning, message);
  const names = Object.keys(fields).join(", ");
  return {
    kind: "invalid",
    message,
    remedy: names === ""
      ? "Correct what PVE names; nothing was changed"
      : `Correct ${names} as PVE says; nothing was changed`,
  };
}

/** PVE tells no cause, and answers only after three seconds. */
function unauthenticated(what: string, reason: string): Finding {
  const message = `PVE did not accept the API token for ${what}: ${reason}`;
  if (/^authentication failed/i.test(reason)) {
    return {
      kind: "unauthenticated",
      message,
      remedy:
        "PVE does not say which of these it is: the secret (PROXMOX_TOKEN_VALUE) is wrong or was renewed; there is no such user, realm or token (PROXMOX_USER as in agent@pve, PROXMOX_TOKEN_NAME); the token or its user has expired or is disabled. On the host: pveum user token list USER@REALM, and pveum user list",
    };
  }
  return {
    kind: "unauthenticated",
    message,
    remedy: /no ticket/i.test(reason)
      ? "PVE has seen no API token: something in between takes the Authorization header away, or the token is not of the form USER@REALM!NAME=SECRET; check PROXMOX_USER (with its realm, as in agent@pve) and PROXMOX_TOKEN_NAME, and that PROXMOX_HOST names PVE itself"
      : "Check the token: PROXMOX_USER with its realm, PROXMOX_TOKEN_NAME, PROXMOX_TOKEN_VALUE",
  };
}

const notPve = "Check that PROXMOX_HOST and PROXMOX_PORT name the PVE API itself, not a proxy or another service";

/** What a page calls itself; it often tells which proxy or login it is. */
function titleOf(body: string): string {
  const title = /<title[^>]*>([^<]{1,200})/i.exec(body.slice(0, 20_000))?.[1]?.replaceAll(/\s+/g, " ").trim() ?? "";
  return title === "" ? "" : ` titled ${JSON.stringify(cut(title, 80))}`;
}

/** Where a redirect leads, without its query and credentials, which may be a session's. */
function leadsTo(location = ""): string {
  const here = "https://here.invalid";
  if (location === "" || !URL.canParse(location, here)) return "";
  const { protocol, origin, pathname } = new URL(location, here);
  if (!/^https?:$/.test(protocol)) return "";
  return ` to ${cut(origin === here ? pathname : `${origin}${pathname}`, 200)}`;
}

/** What a proxy answers, but never PVE, which has no 404. */
const STRANGE: ReadonlySet<number> = new Set([200, 404, 405, 407, 408, 411, 413, 414, 421, 429, 431]);

/** Whether the request may have been carried out although its answer got lost. */
function mayHaveActed(status: number, reason: string): boolean {
  // 595: the node was not reached. TLS comes before the request.
  return status !== 595 && !/tls|certificate|ssl/i.test(reason);
}

const lookFirst = "Look at the state and the tasks before repeating it: it was not sent again";

/** pveproxy passes requests on to the node they are for, and makes up these statuses when that fails. */
function nodeUnreached(what: string, answer: Answer, reason: string, write: boolean): Finding {
  const acted = write && mayHaveActed(answer.status, reason);
  const message = `PVE could not reach the node for ${what}: ${answer.status} ${reason}`;
  if (/tls|certificate|ssl/i.test(reason)) {
    return {
      kind: "busy",
      message,
      remedy:
        "The nodes do not trust each other's certificates: a person runs pvecm updatecerts on that node and restarts pveproxy",
    };
  }
  return {
    kind: "busy",
    message: acted ? `${message}; PVE may still have carried it out` : message,
    remedy: acted
      ? lookFirst
      : "Check with list_nodes that the node is online; then try again, or set PROXMOX_HOST to that node",
  };
}

function find(answer: Answer, call: Call, what: string, reason: string, fields: Record<string, string>): Finding {
  const { status } = answer;
  const write = !call.startsWith("GET ");
  if (status >= 300 && status < 400) {
    return {
      kind: "unreadable",
      message: `${what} was answered with a redirect (${status} ${reason})${
        leadsTo(answer.location)
      }, which PVE never does over HTTPS`,
      remedy: notPve,
    };
  }
  if (/html/i.test(answer.contentType) || STRANGE.has(status)) {
    const of = `${status}, ${answer.contentType || "no content type"}`;
    const gateway = status >= 500;
    const acted = write && gateway;
    return {
      kind: "unreadable",
      message: `${what} was answered with a page (${of})${titleOf(answer.body)}, not by PVE${
        acted ? "; PVE may still have carried it out" : ""
      }`,
      remedy: `${acted ? `${lookFirst}. ` : ""}${notPve}${
        gateway ? "; if a proxy is meant, see why it cannot reach pveproxy" : ""
      }`,
    };
  }
  if (status === 400) return invalid(what, reason, fields);
  if (status === 401) return unauthenticated(what, reason);
  if (status === 403) return forbidden(what, reason);
  if (status === 501 && /too large/.test(reason)) {
    return { kind: "invalid", message: `PVE refused ${what}: ${reason}`, remedy: "Send less at once: 512 KiB at most" };
  }
  if (status === 501 || status === 506) {
    return {
      kind: "unsupported",
      message: `This PVE does not know ${what}: ${reason}`,
      remedy: "Check the version of PVE: this program is made for PVE 8 and 9",
    };
  }
  if (status >= 595 && status <= 599) return nodeUnreached(what, answer, reason, write);
  if (status === 502 || status === 503 || status === 504) {
    return {
      kind: "busy",
      message: `${what} was not carried out in time: ${status} ${reason}${
        write ? "; PVE may still have carried it out" : ""
      }`,
      remedy: `${
        write ? lookFirst : "Try again in a moment"
      }; if it stays, check pveproxy and pvedaemon on the host, and any proxy in between`,
    };
  }
  const meaning = meaningOf(reason);
  return meaning === undefined
    ? {
      kind: "failed",
      message: `${what} failed: ${status} ${reason}`,
      remedy: "Look at PVE's own log of the node, at this time: journalctl -u pvedaemon -u pveproxy",
    }
    : found(meaning, `${what} failed: ${reason}`);
}

/**
 * The error for an answer that is not a result. PVE has no 404 or 409: a 500 is told apart by its words, which stand in
 * the body and, where that is empty (401, 596), in the reason phrase.
 */
export function answerError(answer: Answer, call: Call, params: Params): PveError {
  // Before anything is cut: half a secret would not be found.
  const clean = (text: string) => withoutSecrets(text, params);
  const { message, fields } = parsed(answer, clean);
  const reason = cut((message === "" ? clean(answer.reason).trim() : message).replace(/\.$/, ""), LONGEST_REASON);
  const subject = subjectOf(call, params);
  const said = reason === "" ? "no reason given" : reason;
  const shown: Answer = {
    ...answer,
    contentType: cut(clean(answer.contentType), 100),
    body: clean(answer.body),
    ...(answer.location === undefined ? {} : { location: clean(answer.location) }),
  };
  const { message: text, ...finding } = find(shown, call, described(call, subject), said, fields);
  return new PveError(text, {
    ...finding,
    status: answer.status,
    call,
    reason,
    ...(Object.keys(subject).length === 0 ? {} : { subject }),
    ...(Object.keys(fields).length === 0 ? {} : { fields }),
  });
}
