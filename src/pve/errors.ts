/** Turns what PVE answered instead of a result into one PveError that says what to do next. */
import { PveError, type PveErrorKind } from "../errors.ts";
import type { Answer, Call } from "./client.ts";

type Params = Readonly<Record<string, unknown>>;

/** What is known about a failure; the rest of a PveError follows from the call. */
interface Finding {
  readonly kind: PveErrorKind;
  readonly message: string;
  readonly remedy?: string;
}

/** The method and path of a call with its values, as in "GET /nodes/pve1/qemu". */
function described(call: Call, params: Params): string {
  return call.replaceAll(/\{(\w+)\}/g, (variable, name: string) => {
    const value = params[name];
    return typeof value === "string" || typeof value === "number" ? String(value) : variable;
  });
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

function textOf(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}

function parsed(answer: Answer): { message: string; fields: Record<string, string> } {
  const fields: Record<string, string> = {};
  try {
    const body: unknown = JSON.parse(answer.body);
    if (typeof body !== "object" || body === null) return { message: "", fields };
    if ("errors" in body && typeof body.errors === "object" && body.errors !== null) {
      for (const [name, complaint] of Object.entries(body.errors)) {
        fields[name] = textOf(complaint).replaceAll(/\s*\n\s*/g, "; ");
      }
    }
    return { message: "message" in body ? textOf(body.message) : "", fields };
  } catch {
    return { message: "", fields };
  }
}

/** The least of PVE's own roles that holds a privilege; PVEAdmin has nearly all of them. */
const roles: readonly (readonly [RegExp, string])[] = [
  [/^(VM|Datastore|Sys|Pool|SDN|Mapping|VM\.GuestAgent)\.Audit$/, "PVEAuditor"],
  [/^VM\.(PowerMgmt|Backup|Console|Config\.(CDROM|Cloudinit)|GuestAgent\.File\w+)$/, "PVEVMUser"],
  [/^VM\.Clone$/, "PVETemplateUser"],
  [/^VM\./, "PVEVMAdmin"],
  [/^Datastore\.AllocateSpace$/, "PVEDatastoreUser"],
  [/^Datastore\./, "PVEDatastoreAdmin"],
  [/^Sys\.(Syslog|Console)$/, "PVESysAdmin"],
  [/^SDN\.Use$/, "PVESDNUser"],
  [/^Pool\./, "PVEPoolAdmin"],
];

function forbidden(what: string, reason: string): Finding {
  const needed = /^Permission check failed \((\/[^,)]*), ([\w.|]+)\)/.exec(reason);
  const path = needed?.[1];
  const privileges = /, ([\w.|]+)\)$/.exec(reason)?.[1]?.split("|") ?? [];
  const [first] = privileges;
  const role = roles.find(([privilege]) => first !== undefined && privilege.test(first))?.[1] ?? "ROLE";
  const privilege = first === undefined
    ? "the missing privilege"
    : privileges.length === 1
    ? first
    : `one of ${privileges.join(", ")}`;
  return {
    kind: "forbidden",
    message: `PVE forbids ${what}: ${reason}`,
    remedy:
      `Grant ${privilege} on ${path ?? "the path"} on the PVE host: pveum acl modify ${
        path ?? "PATH"
      } --tokens 'USER@REALM!TOKEN' --roles ${role}; ` +
      `a privilege-separated token needs its own ACL, and its user the same privilege (--users 'USER@REALM')`,
  };
}

/** What PVE says in a 500, what that means, and what to do. The first that matches holds. */
const reasons: readonly (readonly [RegExp, PveErrorKind, string])[] = [
  [
    /hostname lookup '.*' failed|no such cluster node/,
    "missing",
    "List the nodes to see their names: a node is named as in the PVE web interface",
  ],
  [
    /^Configuration file '.*\/(?:qemu-server|lxc)\/\d+\.conf' does not exist/,
    "missing",
    "List the guests to see which vmid is what and where: it may be on another node, or a container instead of a VM",
  ],
  [/storage '.*' does not exist|no such storage/, "missing", "List the storages of the node to see their names"],
  [/volume .* does not exist|no such volume|unable to find/, "missing", "List the content of the storage"],
  [/does not exist|no such \w+|not found/, "missing", "List what there is, and use one of those names"],
  [
    /is locked|can't lock file|unable to (?:acquire|get) .*lock/,
    "conflict",
    "Wait until the task that holds the lock has ended; if none is running, a person can look at it on the PVE host",
  ],
  [/already exists|already defined|already used/, "conflict", "Use a free vmid or name"],
  [/checksum mismatch/, "conflict", "Somebody else changed it meanwhile: read it again and decide anew"],
  [/protection mode enabled/, "conflict", "It is protected on purpose: leave it, or ask the person who protected it"],
  [/guest agent is not running/i, "conflict", "Start the QEMU guest agent inside the guest, or wait until it is up"],
  [/No QEMU guest agent configured/i, "conflict", "Enable the agent in the VM's options and restart the VM"],
  [/got timeout|timed? ?out/i, "busy", "PVE is busy: look at the state first, then try again"],
  [/not running/, "conflict", "Start it first; nothing was changed"],
  [/already running|is running/, "conflict", "It runs already: stop it first if the change needs that"],
  [/not supported|not allowed|only root can/, "invalid", "Leave out what PVE names, or choose another way"],
  [/no options specified|unable to parse|invalid|malformed/, "invalid", "Correct the value that PVE names"],
];

function invalid(what: string, reason: string, fields: Readonly<Record<string, string>>): Finding {
  const complaints = Object.entries(fields).map(([name, complaint]) => `${name}: ${complaint}`).join("; ");
  if (/no such task/.test(complaints)) {
    return {
      kind: "missing",
      message: `PVE knows no such task for ${what}: ${complaints}`,
      remedy: "Use a UPID exactly as PVE returned it; old tasks leave the list",
    };
  }
  if (/already exists/.test(complaints)) {
    return {
      kind: "conflict",
      message: `PVE refused ${what}: ${complaints}`,
      remedy: "Use a free vmid or name",
    };
  }
  return {
    kind: "invalid",
    message: complaints === ""
      ? `PVE refused ${what}: ${reason}`
      : `PVE refused the parameters of ${what}: ${complaints}`,
    remedy: "Correct the parameters that PVE names",
  };
}

const notPve = "Check that PROXMOX_HOST and PROXMOX_PORT name the PVE API itself, not a proxy or another service";

function find(answer: Answer, what: string, reason: string, fields: Readonly<Record<string, string>>): Finding {
  const { status } = answer;
  if (status >= 300 && status < 400) {
    return {
      kind: "unreadable",
      message: `${what} was answered with a redirect (${status} ${reason}), which PVE never does over HTTPS`,
      remedy: notPve,
    };
  }
  // PVE never answers with 404 or 407: a web server or a proxy does.
  if (/html/i.test(answer.contentType) || [200, 404, 407].includes(status)) {
    return {
      kind: "unreadable",
      message: `${what} was answered with a page (${status}, ${answer.contentType || "no content type"}), not by PVE`,
      remedy: notPve,
    };
  }
  if (status === 400) return invalid(what, reason, fields);
  if (status === 401) {
    return {
      kind: "unauthenticated",
      message: `PVE did not accept the API token for ${what}: ${reason}`,
      remedy: "Check the token id (PROXMOX_USER and PROXMOX_TOKEN_NAME: user, realm and token name), the secret " +
        "(PROXMOX_TOKEN_VALUE), and on the host whether the token or its user is disabled or expired " +
        "(pveum user token list USER@REALM)",
    };
  }
  if (status === 403) return forbidden(what, reason);
  if (status === 501) {
    return {
      kind: "unsupported",
      message: `This PVE does not know ${what}: ${reason}`,
      remedy: "Check the version of PVE: this program is made for PVE 8 and 9",
    };
  }
  if (status === 595 || status === 596) {
    return {
      kind: "busy",
      message: `PVE could not reach the node for ${what}: ${status} ${reason}`,
      remedy: "Check that the node is online, and its name; then try again",
    };
  }
  if (status === 502 || status === 503 || status === 504) {
    return {
      kind: "busy",
      message: `${what} was not carried out in time: ${status} ${reason}`,
      remedy: "Try again in a moment; if it stays, check pveproxy and pvedaemon on the host",
    };
  }
  const known = reasons.find(([pattern]) => pattern.test(reason));
  return known === undefined
    ? { kind: "failed", message: `${what} failed: ${status} ${reason}`, remedy: "Look at PVE's own log of the node" }
    : { kind: known[1], message: `${what} failed: ${reason}`, remedy: known[2] };
}

/**
 * The error for an answer that is not a result. PVE has no 404 or 409: a 500 is told apart by its words, which stand in
 * the body and, where that is empty (401, 596), in the reason phrase.
 */
export function answerError(answer: Answer, call: Call, params: Params): PveError {
  const { message, fields } = parsed(answer);
  const reason = withoutSecrets(message === "" ? answer.reason.trim() : message, params).replace(/\.$/, "");
  const clean: Record<string, string> = {};
  for (const [name, complaint] of Object.entries(fields)) clean[name] = withoutSecrets(complaint, params);
  const said = reason === "" ? "no reason given" : reason;
  const finding = find(answer, described(call, params), said, clean);
  return new PveError(finding.message, {
    kind: finding.kind,
    status: answer.status,
    call,
    reason,
    ...(Object.keys(clean).length === 0 ? {} : { fields: clean }),
    ...(finding.remedy === undefined ? {} : { remedy: finding.remedy }),
  });
}
