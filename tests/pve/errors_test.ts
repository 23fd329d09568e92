/** The words for what PVE answers instead of a result; the answers are PVE 9.2's own. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import fc from "fast-check";
import type { Answer, Call } from "../../src/pve/client.ts";
import { answerError } from "../../src/pve/errors.ts";
import { authority, Fault, isBrokenConnection, networkError } from "../../src/pve/faults.ts";
import { meaningOf } from "../../src/pve/reasons.ts";
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
  ["VM is locked (backup)", "locked"],
  ["CT is locked (snapshot-delete)", "locked"],
  ["can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", "locked"],
  ["unable to create VM 110 - VM 110 already exists on node 'pve1'", "conflict"],
  ["unable to create VM 100: config file already exists", "conflict"],
  ["CT 230 already exists on node 'pve1'", "conflict"],
  ["create storage failed: storage ID 'extra' already defined", "conflict"],
  ["checksum mismatch (file change by other user?)", "conflict"],
  ["can't remove VM 120 - protection mode enabled", "conflict"],
  ["Install 'skopeo' to pull OCI images from registries", "unsupported"],
  ["refusing to override existing file 'debian_13.tar'", "conflict"],
  ["command 'skopeo copy docker://docker.io/a/b:1 oci-archive:/x' failed: exit code 1", "failed"],
  ["QEMU guest agent is not running", "agent"],
  ["No QEMU guest agent configured", "agent"],
  ["VM 110 not running", "conflict"],
  ["CT 200 not running", "conflict"],
  ["VM 101 is not running", "conflict"],
  ["CT 200 already running", "conflict"],
  ["VM 110 is running - destroy failed", "conflict"],
  ["you can't convert a VM to template if VM is running", "conflict"],
  ["VM 100 qmp command 'query-status' failed - got timeout", "busy"],
  ["Linked clone feature is not supported for 'data:110/vm-110-disk-0.qcow2' (scsi0)", "invalid"],
  ["parameter 'storage' not allowed for linked clones", "invalid"],
  ["only root can set 'args' config", "forbidden"],
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

Deno.test("401 names everything that it may be, as PVE gives no cause", () => {
  const refused = decoded(bare(401, "Authentication failed!"), "unauthenticated", "GET /version", {});
  equal(refused.message, "PVE did not accept the API token for GET /version: Authentication failed!");
  for (
    const word of ["PROXMOX_USER", "PROXMOX_TOKEN_NAME", "PROXMOX_TOKEN_VALUE", "expired", "pveum user token list"]
  ) {
    ok(refused.details.remedy?.includes(word), word);
  }
  const unseen = decoded(bare(401, "No ticket"), "unauthenticated", "GET /version", {});
  match(unseen.details.remedy ?? "", /takes the Authorization header away, or the token is not of the form/);
});

Deno.test("403 tells the privileges and the path, in words and as facts", () => {
  const error = decoded(pveAnswer(403, "Permission check failed (/vms/100, VM.PowerMgmt)"), "forbidden");
  match(error.message, /^PVE forbids POST \/nodes\/pve1\/qemu\/100\/status\/start: Permission check failed/);
  match(error.details.remedy ?? "", /grant VM\.PowerMgmt on \/vms\/100 to the token/);
  deepEqual([error.details.privileges, error.details.path], [["VM.PowerMgmt"], "/vms/100"]);
  const any = decoded(
    pveAnswer(403, "Permission check failed (/vms/101, VM.Config.Disk|VM.Config.CDROM)"),
    "forbidden",
  );
  match(any.details.remedy ?? "", /grant one of VM\.Config\.Disk, VM\.Config\.CDROM on \/vms\/101/);
  deepEqual(any.details.privileges, ["VM.Config.Disk", "VM.Config.CDROM"]);
  const noPath = decoded(pveAnswer(403, "Permission check failed (, Sys.Audit)"), "forbidden");
  match(noPath.details.remedy ?? "", /grant Sys\.Audit on the path/);
  equal(decoded(pveAnswer(403, "Permission check failed"), "forbidden").details.privileges, undefined);
});

Deno.test("what only root may do is no matter of privileges", () => {
  const only = /No API token may do this/;
  const option = pveAnswer(400, "Parameter verification failed.", { skiplock: "Only root may use this option." });
  match(decoded(option, "forbidden").details.remedy ?? "", only);
  match(decoded(pveAnswer(500, "only root can set 'lock' config"), "forbidden").details.remedy ?? "", only);
  const ticket = "Permission check failed (URI '/access/password' not available with API token, need proper ticket.\n)";
  match(answerError(pveAnswer(403, ticket), start, vm).details.remedy ?? "", only);
  match(decoded(pveAnswer(403, "Permission check failed (user != root@pam)"), "forbidden").details.remedy ?? "", only);
});

Deno.test("501 means that this PVE does not know the call", () => {
  decoded(pveAnswer(501, "Method 'GET /nope' not implemented"), "unsupported");
});

Deno.test("595 to 599 mean that PVE could not reach the node, and tell whether the request may have arrived", () => {
  const read = decoded(bare(596, "Broken pipe"), "busy", "GET /nodes/{node}/status", { node: "pve2" });
  match(read.message, /could not reach the node for GET \/nodes\/pve2\/status: 596 Broken pipe$/);
  match(read.details.remedy ?? "", /list_nodes/);
  match(decoded(bare(595, "Connection refused"), "busy").message, /595 Connection refused$/);
  const broken = decoded(bare(596, "Broken pipe"), "busy");
  match(broken.message, /PVE may still have carried it out$/);
  match(broken.details.remedy ?? "", /^Look at the state and the tasks before repeating it/);
  const untrusted = decoded(
    bare(596, "tls_process_server_certificate: certificate verify failed"),
    "busy",
  );
  match(untrusted.details.remedy ?? "", /pvecm updatecerts/);
  ok(!/may still/.test(untrusted.message));
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

Deno.test("no secret of the call stands in an error, wherever in the answer it is, and however long the answer", () => {
  const place = fc.constantFrom("message", "reason", "complaint", "field", "title", "location", "type");
  const printable = fc.string({ unit: fc.constantFrom(..."abcXYZ089 &'=+/%;<\\\n"), minLength: 6, maxLength: 30 })
    .filter((secret) => secret.trim().length >= 6);
  fc.assert(
    fc.property(printable, place, fc.nat(1200), fc.boolean(), (cipassword, where, before, encoded) => {
      const shown = `${"-".repeat(before)}${encoded ? encodeURIComponent(cipassword) : cipassword}`;
      const status = where === "location" ? 302 : where === "title" || where === "type" ? 500 : 400;
      const errors = { [where === "field" ? shown : "cipassword"]: where === "complaint" ? shown : "no good" };
      const answer: Answer = {
        status,
        reason: where === "reason" ? shown : "Parameter verification failed.",
        contentType: where === "type" ? `text/html; ${shown}` : where === "title" ? "text/html" : "application/json",
        body: where === "title"
          ? `<title>${shown}</title>`
          : where === "reason"
          ? ""
          : JSON.stringify({ message: where === "message" ? shown : "", errors }),
        location: where === "location" ? `https://login.example/${shown}` : "",
      };
      const error = answerError(answer, config, { ...vm, cipassword });
      const told = JSON.stringify([error.message, error.details]);
      for (const form of [cipassword, encodeURIComponent(cipassword)]) {
        // What is left of a secret that was cut would still tell its start.
        ok(!told.includes(JSON.stringify(form).slice(1, -1)), told);
      }
      ok(
        !new RegExp(`-${cipassword.slice(0, 5).replaceAll(/[^a-zA-Z0-9]/g, "\\$&")}`).test(error.message),
        error.message,
      );
    }),
    { numRuns: 500 },
  );
});

Deno.test("a body that is not JSON, or not an object, leaves the reason phrase", () => {
  for (const body of ["", "not JSON", "null", "[]", '"text"', '{"message":5,"errors":7}']) {
    const error = decoded(bare(500, "VM is locked (backup)", "text/plain", body), "locked");
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
    ["ETIMEDOUT", "unreachable", false],
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

Deno.test("on macOS a missing route may be a missing permission", () => {
  const remedyOn = (os: string, code = "EHOSTUNREACH") =>
    networkError(systemError(code), at, "GET /version", os).details.remedy ?? "";
  match(remedyOn("darwin"), /Privacy & Security, Local Network; where it works in a terminal and not in a client/);
  match(remedyOn("darwin", "ENETUNREACH"), /Local Network/);
  ok(!/macOS/.test(remedyOn("linux")));
  match(remedyOn("linux"), /PROXMOX_HOST/);
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

/** One line for each thing that PVE can say: its words, and what the answer has to say about them. */
const foreseen: readonly (readonly [words: string, kind: PveErrorKind, remedy: RegExp, facts?: object])[] = [
  ["no such cluster node 'pve9'", "missing", /list_nodes/, { absent: { what: "node", name: "pve9" } }],
  [
    "hostname lookup 'nope' failed - failed to get address info for: nope: Name or service not known",
    "missing",
    /list_nodes/,
    {
      absent: { what: "node", name: "nope" },
    },
  ],
  ["Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist", "missing", /list_vms and list_containers/, {
    absent: { what: "guest", name: "999" },
  }],
  ["unable to find VM '999'", "missing", /list_vms/, { absent: { what: "guest", name: "999" } }],
  ["storage 'nope' does not exist", "missing", /list_storage/, { absent: { what: "storage", name: "nope" } }],
  ["storage 'nfs' is not available on node 'pve2'", "missing", /not for this node/, {
    absent: { what: "storage", name: "nfs" },
  }],
  ["storage 'nfs' is not online", "missing", /offline/],
  ["unable to create CT 212 - volume 'local:vztmpl/nope.tar.gz' does not exist", "missing", /list_templates/, {
    absent: { what: "template", name: "local:vztmpl/nope.tar.gz" },
  }],
  ["volume 'local:iso/nope.iso' does not exist", "missing", /Name a volume/, {
    absent: { what: "volume", name: "local:iso/nope.iso" },
  }],
  ["bridge 'vmbr9' does not exist", "missing", /System, Network/, { absent: { what: "bridge", name: "vmbr9" } }],
  ["pool 'nope' does not exist", "missing", /leave pool out/, { absent: { what: "pool", name: "nope" } }],
  ["snapshot 'nope' does not exist", "missing", /snapname/, { absent: { what: "snapshot", name: "nope" } }],
  ["VM is locked (backup)", "locked", /qm unlock/, { lock: "backup" }],
  ["CT is locked (snapshot-delete)", "locked", /Nothing was changed/, { lock: "snapshot-delete" }],
  ["can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", "locked", /wait until it has ended/],
  ["error with cfs lock 'storage-nfs': got lock request timeout", "locked", /same guest or storage/],
  ["unable to create VM 110 - VM 110 already exists on node 'pve1'", "conflict", /next_vmid/],
  ["unable to create VM 100: config file already exists", "conflict", /next_vmid/],
  ["snapshot name 's1' already used", "conflict", /another name/],
  ["checksum mismatch (file change by other user?)", "conflict", /nothing was written: read it again/],
  ["can't remove VM 120 - protection mode enabled", "conflict", /protected on purpose/],
  ["you can't start a vm if it's a template", "conflict", /clone it/],
  [
    "VM quit/powerdown failed - got timeout",
    "busy",
    /or more time; where it goes down later, it stays off\. stop_\* cuts its power/,
  ],
  ["VM is paused - cannot shutdown", "conflict", /resume_vm.* comes first/],
  [
    "Full clone of a running container is only possible from a snapshot",
    "conflict",
    /create_container_snapshot.*snapname/,
  ],
  ["can't clone to non-shared storage 'local-lvm'", "invalid", /Leave target out.*list_storage/],
  ["can't clone VM to node 'pve2' (VM uses local storage)", "invalid", /Leave target out.*a VM only if/],
  [
    "can't clone CT to node 'pve2' (CT uses local storage)",
    "invalid",
    /Leave target out.*onto a storage that they share/,
  ],
  ["Linked clone feature for 'local-lvm:vm-200-disk-0' is not available", "invalid", /full: true/],
  ["VM 100 qmp command 'query-status' failed - got timeout", "busy", /look at the state/],
  ["No QEMU guest agent configured", "agent", /agent: true.*stop and start/],
  ["QEMU guest agent is not running", "agent", /installed and running inside/],
  ["VM 102 qga command 'guest-ping' failed - got timeout", "agent", /installed and running inside/],
  ["Agent error: Command guest-exec has been disabled", "agent", /blocks this command.*No privilege in PVE/],
  ["Agent error: The command guest-exec has been disabled for this instance", "agent", /blocks this command/],
  ["Agent error: failed to open file '/tmp/none' (mode: 'r'): No such file or directory", "missing", /check the path/],
  ["VM 101 is not running", "conflict", /Start it first/],
  ["can't migrate running VM without --online", "conflict", /started meanwhile/],
  ["migration aborted", "conflict", /is where it was/],
  ["can't migrate VM - check log", "conflict", /is where it was/],
  ["cluster not ready - no quorum?", "quorum", /pvecm status/],
  ["error during cfs-locked 'file-user_cfg' operation: no quorum!", "quorum", /More than half/],
  [
    "unable to open file '/etc/pve/nodes/pve1/qemu-server/100.conf.tmp.1234' - Permission denied",
    "quorum",
    /pvecm status/,
  ],
  ["lvcreate 'pve/vm-100-disk-0' error: Volume group \"pve\" has insufficient free space", "full", /list_storage/],
  ["unable to create image: No space left on device", "full", /more free space/],
  ["zfs error: cannot create 'rpool/data/vm-100-disk-0': out of space", "full", /Ask for less/],
  ["start failed: Cannot allocate memory", "full", /free memory/],
  ["storage 'local' does not support content-type 'images'", "invalid", /allow more content/],
  ["storage 'local-lvm' does not support container directories", "invalid", /rootdir for containers/],
  ["Linked clone feature is not supported for 'data:110/vm-110-disk-0.qcow2' (scsi0)", "invalid", /full: true/],
  ["snapshot feature is not available", "unsupported", /no snapshots/],
  ["shrinking disks is not supported", "invalid", /only grow/],
  [
    "KVM virtualisation configured, but not available. Either disable in VM configuration or enable in BIOS.",
    "unsupported",
    /firmware/,
  ],
];
for (const [words, kind, remedy, facts] of foreseen) {
  Deno.test(`PVE says ${JSON.stringify(words)}: ${kind}, and what to do`, () => {
    const error = answerError(pveAnswer(500, words), start, vm);
    equal(error.details.kind, kind);
    ok(error.message.includes(words.replace(/\.$/, "")), error.message);
    match(error.details.remedy ?? "", remedy);
    deepEqual(error.details.subject, vm);
    for (const [name, value] of Object.entries(facts ?? {})) {
      deepEqual(Object.entries(error.details).find(([key]) => key === name)?.[1], value);
    }
  });
}

Deno.test("a gateway's page names itself, and a write behind it may have happened", () => {
  const page = "<html><head><title>Sign in · \n Authelia</title></head></html>";
  const login = decoded(bare(200, "OK", "text/html", page), "unreadable");
  match(login.message, /a page \(200, text\/html\) titled "Sign in · Authelia", not by PVE$/);
  const gateway = bare(502, "Bad Gateway", "text/html", "<title>502 Bad Gateway</title>");
  match(
    decoded(gateway, "unreadable").message,
    /titled "502 Bad Gateway", not by PVE; PVE may still have carried it out/,
  );
  match(
    decoded(gateway, "unreadable").details.remedy ?? "",
    /^Look at the state.*PROXMOX_HOST.*cannot reach pveproxy$/,
  );
  ok(!/may still/.test(decoded(gateway, "unreadable", "GET /version", {}).message));
  const late = decoded(bare(504, "Gateway Timeout"), "busy");
  match(late.message, /may still have carried it out/);
  ok(decoded(bare(429, "Too Many Requests"), "unreadable").message.includes("(429, no content type)"));
});

Deno.test("a redirect tells where it leads, without what may be a session", () => {
  const to = (location: string) => decoded({ ...bare(302, "Found"), location }, "unreadable").message;
  match(
    to("https://login.example/auth?rd=secret#x"),
    /redirect \(302 Found\) to https:\/\/login\.example\/auth, which/,
  );
  match(to("/login?next=1"), /\) to \/login, which/);
  ok(!/hunter2/.test(to("https://me:hunter2@login.example/")));
  match(to("not a URL: \u0000"), /\) to \/not%20a/);
  for (const odd of ["", "https://[", "javascript:alert(1)"]) {
    match(to(odd), /\(302 Found\), which/);
  }
});

Deno.test("an error stays small, whatever PVE answers", () => {
  const errors = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`key${n}`.repeat(40), "no ".repeat(5000)]));
  const error = answerError(pveAnswer(400, "x".repeat(100_000), errors), config, vm);
  ok(error.message.length < 10_000, String(error.message.length));
  equal(Object.keys(error.details.fields ?? {}).length, 20);
  ok((answerError(pveAnswer(500, "x".repeat(100_000)), start, vm).details.reason ?? "").length <= 1001);
});

interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly reason: string;
  readonly type?: string;
  readonly answer?: unknown;
}

function isRecorded(value: unknown): value is Recorded {
  return typeof value === "object" && value !== null && "path" in value && "status" in value && "reason" in value;
}

async function recordedIn(file: string): Promise<Recorded[]> {
  const parsed: unknown = JSON.parse(await Deno.readTextFile(new URL(`../fixtures/${file}`, import.meta.url)));
  ok(Array.isArray(parsed) && parsed.every(isRecorded));
  return parsed;
}

Deno.test("every recorded error of PVE is decoded into a kind, with what to do", async () => {
  const all = [...await recordedIn("captured/answers.json"), ...await recordedIn("errors.json")];
  const errors = all.filter(({ status }) => status !== 200);
  ok(errors.length > 130, String(errors.length));
  for (const { status, reason, type = "", answer, method, path } of errors) {
    const body = answer === undefined ? "" : JSON.stringify(answer);
    const error = answerError({ status, reason, contentType: type, body }, "GET /version", {});
    const told = `${method} ${path}: ${status} ${reason} → ${error.details.kind}`;
    ok(error.details.kind !== "failed", told);
    ok((error.details.remedy ?? "").length > 10, told);
  }
});

Deno.test("every recorded failure of a task is known, with what to do", async () => {
  const outcomes = new Set<string>();
  for (const { answer } of await recordedIn("captured/answers.json")) {
    for (const [, outcome = ""] of JSON.stringify(answer ?? null).matchAll(/"exitstatus":"((?:[^"\\]|\\.)*)"/g)) {
      outcomes.add(outcome);
    }
  }
  // Outcomes whose cause stands in the log alone.
  const elsewhere = /^(?:OK|WARNINGS: \d+|job errors|command '.*' failed: exit code \d+)$/;
  const causes = [...outcomes].filter((outcome) => !elsewhere.test(outcome));
  ok(causes.length >= 12, causes.join("\n"));
  for (const cause of causes) ok(meaningOf(cause) !== undefined, cause);
});
