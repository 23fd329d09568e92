/** The words for what PVE answers instead of a result; the answers are PVE 9.2's own. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Answer, Call } from "../../src/pve/client.ts";
import { answerError } from "../../src/pve/errors.ts";
import { authority, Fault, isBrokenConnection, networkError } from "../../src/pve/faults.ts";
import { PveError, type PveErrorKind } from "../../src/errors.ts";

const start = "POST /nodes/{node}/qemu/{vmid}/status/start";
const config = "PUT /nodes/{node}/qemu/{vmid}/config";
const vm = { node: "pve1", vmid: 100 };
const at = { host: "pve.lan", port: 8006, timeoutSeconds: 30 };

/** An answer as PVE gives it: the reason phrase stands in the body again, with a newline. */
function pveAnswer(status: number, reason: string, errors?: Readonly<Record<string, string>>): Answer {
  const body = JSON.stringify({ data: null, message: `${reason}\n`, ...(errors === undefined ? {} : { errors }) });
  return { status, reason, contentType: "application/json;charset=UTF-8", body };
}

function bare(status: number, reason: string, contentType = "", body = ""): Answer {
  return { status, reason, contentType, body };
}

/** Decodes, and checks what every such error has to be. */
function decoded(answer: Answer, kind: PveErrorKind, call: Call = start, params: object = vm): PveError {
  const error = answerError(answer, call, { ...params });
  equal(error.details.kind, kind, error.message);
  equal(error.details.status, answer.status);
  equal(error.details.call, call);
  ok(/^[A-Z]/.test(error.message) && !error.message.endsWith("."), error.message);
  ok(!error.message.includes("{") && !error.message.includes("\n"), error.message);
  ok((error.details.remedy ?? "").length > 0);
  return error;
}

// What PVE 9.2 says in a 500, and in a 400 that is not about a value.
const fiveHundreds: readonly (readonly [string, PveErrorKind])[] = [
  [
    "hostname lookup 'nope' failed - failed to get address info for: nope: Temporary failure in name resolution",
    "missing",
  ],
  ["no such cluster node 'pve2'", "missing"],
  ["Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist", "missing"],
  ["Configuration file 'nodes/pve1/lxc/100.conf' does not exist", "missing"],
  ["storage 'nope' does not exist", "missing"],
  ["pool 'nope' does not exist", "missing"],
  ["no such user ('ghost@pve')", "missing"],
  ["VM is locked (backup)", "conflict"],
  ["CT is locked (snapshot-delete)", "conflict"],
  ["can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", "conflict"],
  ["unable to create VM 110 - VM 110 already exists on node 'pve1'", "conflict"],
  ["unable to create VM 100: config file already exists", "conflict"],
  ["CT 230 already exists on node 'pve1'", "conflict"],
  ["create storage failed: storage ID 'extra' already defined", "conflict"],
  ["checksum mismatch (file change by other user?)", "conflict"],
  ["can't remove VM 120 - protection mode enabled", "conflict"],
  ["QEMU guest agent is not running", "conflict"],
  ["No QEMU guest agent configured", "conflict"],
  ["VM 110 not running", "conflict"],
  ["CT 200 not running", "conflict"],
  ["VM 101 is not running", "conflict"],
  ["CT 200 already running", "conflict"],
  ["VM 110 is running - destroy failed", "conflict"],
  ["you can't convert a VM to template if VM is running", "conflict"],
  ["VM 100 qmp command 'query-status' failed - got timeout", "busy"],
  ["Linked clone feature is not supported for 'data:110/vm-110-disk-0.qcow2' (scsi0)", "invalid"],
  ["parameter 'storage' not allowed for linked clones", "invalid"],
  ["only root can set 'args' config", "invalid"],
  ["no options specified", "invalid"],
  ["unable to parse directory volume name 'abc'", "invalid"],
  ["something that nobody has foreseen", "failed"],
];
for (const [reason, kind] of fiveHundreds) {
  Deno.test(`500 ${JSON.stringify(reason)} is ${kind}, in PVE's own words`, () => {
    const error = decoded(pveAnswer(500, reason), kind);
    ok(error.message.startsWith("POST /nodes/pve1/qemu/100/status/start failed: "), error.message);
    ok(error.message.endsWith(reason), error.message);
    equal(error.details.reason, reason);
  });
}

Deno.test("400 lists PVE's complaints by parameter, and keeps them as facts", () => {
  const answer = pveAnswer(400, "Parameter verification failed.", {
    memory: "invalid format - format error\nmemory.current: type check ('integer') failed - got 'x'\n",
    cores: "value must have a minimum value of 1",
  });
  const error = decoded(answer, "invalid", config, { ...vm, memory: "x", cores: 0 });
  equal(
    error.message,
    "PVE refused the parameters of PUT /nodes/pve1/qemu/100/config: " +
      "memory: invalid format - format error; memory.current: type check ('integer') failed - got 'x'; " +
      "cores: value must have a minimum value of 1",
  );
  deepEqual(Object.keys(error.details.fields ?? {}), ["memory", "cores"]);
});

Deno.test("400 about a taken vmid is a conflict, about an unknown task a missing thing", () => {
  const taken = pveAnswer(400, "Parameter verification failed.", { vmid: "VM 100 already exists" });
  match(decoded(taken, "conflict", "GET /cluster/nextid", { vmid: 100 }).message, /VM 100 already exists/);
  const upid = "UPID:pve1:00000001:00000001:60000000:qmstart:100:root@pam:";
  const unknown = pveAnswer(400, "Parameter verification failed.", { upid: "no such task" });
  const error = decoded(unknown, "missing", "GET /nodes/{node}/tasks/{upid}/status", { node: "pve1", upid });
  ok(error.message.includes(upid));
});

Deno.test("401 names what to check, as PVE gives no cause", () => {
  for (const reason of ["No ticket", "Authentication failed!"]) {
    const error = decoded(bare(401, reason), "unauthenticated", "GET /version", {});
    equal(error.message, `PVE did not accept the API token for GET /version: ${reason}`);
    for (const word of ["PROXMOX_USER", "PROXMOX_TOKEN_NAME", "PROXMOX_TOKEN_VALUE", "expired"]) {
      ok(error.details.remedy?.includes(word), word);
    }
  }
});

Deno.test("403 names the privilege, the path, and the line that grants it", () => {
  const error = decoded(pveAnswer(403, "Permission check failed (/vms/100, VM.PowerMgmt)"), "forbidden");
  match(error.message, /^PVE forbids POST \/nodes\/pve1\/qemu\/100\/status\/start: Permission check failed/);
  const remedy = error.details.remedy ?? "";
  match(remedy, /^Grant VM\.PowerMgmt on \/vms\/100/);
  match(remedy, /pveum acl modify \/vms\/100 --tokens 'USER@REALM!TOKEN' --roles PVEVMUser/);
  match(remedy, /a privilege-separated token needs its own ACL/);
});

// The roles that PVE 9.2 ships hold these privileges.
const roleFor: Readonly<Record<string, string>> = {
  "/vms/100, VM.Audit": "PVEAuditor",
  "/nodes/pve1, Sys.Audit": "PVEAuditor",
  "/vms/100, VM.Clone": "PVETemplateUser",
  "/vms/100, VM.Config.Disk|VM.Config.CDROM|VM.Config.CPU": "PVEVMAdmin",
  "/vms/102, VM.GuestAgent.Unrestricted": "PVEVMAdmin",
  "/storage/data, Datastore.AllocateSpace": "PVEDatastoreUser",
  "/storage, Datastore.Allocate": "PVEDatastoreAdmin",
  "/nodes/pve1, Sys.Syslog": "PVESysAdmin",
  "/sdn/zones/localnetwork/vmbr0, SDN.Use": "PVESDNUser",
  "/pool/prod, Pool.Allocate": "PVEPoolAdmin",
  // No role but Administrator holds this one, which nobody should be told to grant.
  "/nodes/pve1, Sys.PowerMgmt": "ROLE",
};
for (const [check, role] of Object.entries(roleFor)) {
  Deno.test(`403 for ${check} suggests ${role}`, () => {
    const error = decoded(pveAnswer(403, `Permission check failed (${check})`), "forbidden");
    const [path = ""] = check.split(",");
    ok(error.details.remedy?.includes(`pveum acl modify ${path} --tokens 'USER@REALM!TOKEN' --roles ${role};`));
  });
}

Deno.test("403 with alternatives names them all", () => {
  const error = decoded(
    pveAnswer(403, "Permission check failed (/vms/101, VM.Config.Disk|VM.Config.CDROM)"),
    "forbidden",
  );
  match(error.details.remedy ?? "", /^Grant one of VM\.Config\.Disk, VM\.Config\.CDROM on \/vms\/101/);
});

Deno.test("403 without a privilege, and without a path, still says what to do", () => {
  match(decoded(pveAnswer(403, "Permission check failed"), "forbidden").details.remedy ?? "", /pveum acl modify PATH/);
  const noPath = decoded(pveAnswer(403, "Permission check failed (, Sys.Audit)"), "forbidden");
  match(noPath.details.remedy ?? "", /^Grant Sys\.Audit on the path/);
  const ticket = pveAnswer(
    403,
    "Permission check failed (URI '/access/password' not available with API token, need proper ticket.\n)",
  );
  equal(answerError(ticket, start, vm).details.kind, "forbidden");
});

Deno.test("501 means that this PVE does not know the call", () => {
  decoded(pveAnswer(501, "Method 'GET /nope' not implemented"), "unsupported");
});

Deno.test("595 and 596 mean that PVE could not reach the node", () => {
  match(decoded(bare(596, "Broken pipe"), "busy").message, /could not reach the node .*: 596 Broken pipe$/);
  match(decoded(bare(595, "Connection refused"), "busy").message, /595 Connection refused$/);
});

Deno.test("redirects and pages come from something that is not PVE", () => {
  const page = "<html><title>Sign in</title></html>";
  const answers = [
    bare(301, "Moved Permanently"),
    bare(302, "Found", "text/html", page),
    bare(502, "Bad Gateway", "text/html", page),
    bare(403, "Forbidden", "text/html; charset=utf-8", page),
    bare(200, "OK", "text/html", page),
  ];
  for (const answer of answers) {
    const error = decoded(answer, "unreadable");
    match(error.details.remedy ?? "", /PROXMOX_HOST and PROXMOX_PORT/);
    ok(!error.message.includes("<"));
  }
  decoded(bare(503, "Service Unavailable"), "busy");
});

Deno.test("what PVE repeats of a secret does not stand in the error", () => {
  const cipassword = "hunter2 & co";
  const answer = pveAnswer(400, `cannot use '${cipassword}'`, {
    cipassword: `value '${cipassword}' (${encodeURIComponent(cipassword)}) is no good`,
  });
  const error = decoded(answer, "invalid", config, { ...vm, cipassword });
  ok(!Deno.inspect(error).includes("hunter2"), Deno.inspect(error));
  match(error.message, /value '\(secret\)'/);
});

Deno.test("a body that is not JSON, or not an object, leaves the reason phrase", () => {
  for (const body of ["", "not JSON", "null", "[]", '"text"', '{"message":5,"errors":7}']) {
    const error = decoded(bare(500, "VM is locked (backup)", "text/plain", body), "conflict");
    equal(error.details.reason, "VM is locked (backup)");
  }
  match(decoded(bare(500, ""), "failed").message, /no reason given$/);
});

function systemError(code: string): Error {
  return Object.assign(new Error(`connect ${code} 192.0.2.10:8006`), { code });
}

Deno.test("network errors say what to do, and whether a write may have acted", () => {
  const cases: readonly (readonly [string, PveErrorKind, boolean])[] = [
    ["ECONNREFUSED", "unreachable", false],
    ["ENOTFOUND", "unreachable", false],
    ["EAI_AGAIN", "unreachable", false],
    ["EHOSTUNREACH", "unreachable", false],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "unreachable", false],
    ["ECONNRESET", "unreachable", true],
    ["EPIPE", "unreachable", true],
    ["UND_ERR_SOCKET", "unreachable", true],
    ["UND_ERR_HEADERS_OVERFLOW", "unreadable", true],
    ["E_UNKNOWN", "unreachable", true],
  ];
  for (const [code, kind, mayHaveActed] of cases) {
    const write = networkError(systemError(code), at, start);
    equal(write.details.kind, kind, code);
    equal(/may still have carried it out/.test(write.message), mayHaveActed, code);
    ok(write.message.includes("pve.lan:8006"), write.message);
    const read = networkError(systemError(code), at, "GET /version");
    ok(!/may still/.test(read.message));
    ok((read.details.remedy ?? "").length > 0);
    equal(isBrokenConnection(read), ["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"].includes(code), code);
  }
});

Deno.test("the code of a network error is found in its cause and among several", () => {
  const several = new AggregateError([systemError("ECONNREFUSED"), systemError("EHOSTUNREACH")]);
  match(networkError(several, at, "GET /version").message, /refused/);
  const wrapped = new TypeError("fetch failed", { cause: systemError("ENOTFOUND") });
  match(networkError(wrapped, at, "GET /version").message, /cannot be resolved/);
});

Deno.test("a fault of the transport keeps its kind; a PveError stays what it is", () => {
  const kinds = {
    timeout: "unreachable",
    "connect-timeout": "unreachable",
    cancelled: "cancelled",
    oversize: "unreadable",
    truncated: "unreadable",
    certificate: "untrusted",
  } as const;
  for (const fault of ["timeout", "connect-timeout", "cancelled", "oversize", "truncated", "certificate"] as const) {
    const error = networkError(new Fault(fault, "its reason"), at, "GET /version");
    equal(error.details.kind, kinds[fault]);
    equal(isBrokenConnection(error), fault === "truncated");
  }
  const known = new PveError("Known", { kind: "busy" });
  equal(networkError(known, at, start), known);
});

Deno.test("an IPv6 address stands in brackets", () => {
  equal(authority({ host: "2001:db8::10", port: 8006 }), "[2001:db8::10]:8006");
  equal(authority({ host: "192.0.2.10", port: 8006 }), "192.0.2.10:8006");
});
