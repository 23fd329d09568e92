/** What a model is told when something fails: complete in its text, the same as facts, and such that following it helps. */
import assert from "node:assert/strict";
import { auditorToken, bareToken, demoCluster, rootTicket, type Simulator } from "../../src/sim/mod.ts";
import { oddPve, pveSays } from "../helpers/odd_pve.ts";
import { runPveum } from "../helpers/pveum.ts";
import { http } from "../helpers/raw_servers.ts";
import { type Running, serverTest, withServer } from "../helpers/server.ts";

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The text of an error and the facts that go along. */
async function failing({ client }: Running, name: string, args: Record<string, unknown> = {}) {
  const { content, isError, _meta } = await client.callTool({ name, arguments: args });
  assert.equal(isError, true);
  const facts = _meta?.["proxmox-mcp/error"];
  assert.ok(isRecord(facts) && Array.isArray(content));
  const first: unknown = content[0];
  assert.ok(isRecord(first) && typeof first.text === "string");
  return { text: first.text, facts };
}

/** The commands in a text, as a person would copy them. */
function commandsIn(text: string): string {
  return /pveum [^\n]*$/m.exec(text)?.[0] ?? "";
}

function as(token: { id: string; secret: string }): Record<string, string> {
  return { PROXMOX_USER: token.id, PROXMOX_TOKEN_VALUE: token.secret };
}

serverTest("what is forbidden works once the commands of the error have been run, and nothing else", {
  env: as(auditorToken),
}, async (running) => {
  const { simulator, ok } = running;
  const start = await failing(running, "start_vm", { vmid: 105 });
  assert.match(start.text, /^PVE forbids POST .*\(\/vms\/105, VM\.PowerMgmt\)\nWhat to do: For start_vm, token /);
  assert.match(start.text, /lacks VM\.PowerMgmt on \/vms\/105\./);
  assert.deepEqual(
    { ...start.facts, remedy: undefined, grant: undefined, call: undefined, reason: undefined },
    {
      kind: "forbidden",
      status: 403,
      subject: { node: "pve2", vmid: 105 },
      privileges: ["VM.PowerMgmt"],
      path: "/vms/105",
      remedy: undefined,
      grant: undefined,
      call: undefined,
      reason: undefined,
    },
  );
  assert.equal(start.facts.grant, commandsIn(start.text));
  assert.match(String(start.facts.grant), /--tokens 'agent@pve!auditor'/);
  // An entry on /vms/105 itself would take the rights away that the token has from above.
  runPveum(simulator.state, [String(start.facts.grant)]);
  assert.equal((await ok("start_vm", { vmid: 105 })).state, "ok");
  assert.equal((await ok("vm_config", { vmid: 105 })).vmid, 105);

  const change = { vmid: 105, config: { memory: 1024, cores: 2 } };
  const config = await failing(running, "set_vm_config", change);
  assert.match(config.text, /lacks VM\.Config\.CPU on \/vms .*, VM\.Config\.Memory on \/vms/);
  assert.doesNotMatch(config.text.slice(config.text.indexOf("What to do")), /VM\.Config\.(?:Disk|Network|CDROM)/);
  runPveum(simulator.state, [commandsIn(config.text)]);
  assert.equal((await ok("set_vm_config", change)).state, "ok");

  // PVE says no more than "Permission check failed" here.
  const create = await failing(running, "create_vm", { storage: "ceph" });
  assert.match(
    create.text,
    /failed\nWhat to do: For create_vm, token .* lacks VM\.Allocate on \/vms.*Datastore\.AllocateSpace/,
  );
  runPveum(simulator.state, [commandsIn(create.text)]);
  assert.equal((await ok("create_vm", { storage: "ceph" })).state, "ok");
});

serverTest(
  "a token that may see nothing is told so in every list, and how to change it",
  { env: as(bareToken) },
  async (running) => {
    const { call, ok, simulator } = running;
    const guests =
      /No guests are visible: .*lacks VM\.Audit on \/vms, and every other privilege: with privilege separation/;
    const storages = /No storages are visible: .*lacks Datastore\.Audit on \/storage/;
    for (
      const [tool, args, ...says] of [
        ["list_vms", {}, guests],
        ["list_containers", {}, guests],
        ["cluster_resources", { resource_type: "all" }, guests, storages],
        ["list_storage", {}, storages],
        ["list_storage", { node: "pve1" }, storages],
        ["list_templates", {}, storages],
        ["list_templates", { kind: "template_guest" }, guests],
      ] as const
    ) {
      const { text, isError } = await call(tool, args);
      assert.equal(isError, false);
      for (const words of says) assert.match(text, words, tool);
    }
    const hidden = await failing(running, "vm_status", { vmid: 105 });
    assert.match(
      hidden.text,
      /No VM 105 is visible to this token\nWhat to do: No guests are visible: .*VM\.Audit on \/vms/,
    );
    assert.equal(hidden.facts.kind, "missing");
    runPveum(simulator.state, [commandsIn(hidden.text)]);
    assert.equal((await ok("vm_status", { vmid: 105 })).vmid, 105);
    assert.equal((await ok("list_vms")).notes, undefined);
  },
);

serverTest("a list that is short because the token sees only some guests says so; a long one costs no question", {
  env: as(bareToken),
}, async ({ simulator, requests, ok, error }) => {
  const { acl, roles } = simulator.state.access;
  roles.set("Look", new Set(["VM.Audit"]));
  for (const vmid of [101, 105]) acl.push({ path: `/vms/${vmid}`, who: bareToken.id, role: "Look", propagate: true });
  const note = "There may be more: the token sees guests only by /vms/101, /vms/105, as it lacks VM.Audit on /vms";
  const listed = await ok("list_vms");
  assert.deepEqual([listed.total, listed.notes], [2, [note]]);
  assert.match(await error("vm_status", { vmid: 102 }), /No VM 102 .*there are 101 .*\nWhat to do: There may be more/);
  acl.push({ path: "/vms", who: bareToken.id, role: "Look", propagate: true });
  const before = requests.length;
  await ok("list_vms");
  assert.deepEqual(requests.slice(before).map(({ path }) => path), ["/cluster/resources"]);
});

const nobody = demoCluster();
nobody.guests.clear();
serverTest("a list that is empty although the token may see everything says that, too", {
  simulator: { state: nobody },
}, async ({ ok }) => {
  assert.deepEqual((await ok("list_vms")).notes, ["There are no guests: the token may see all of them"]);
});

/** A request of somebody else's, past the server. */
async function asRoot(simulator: Simulator, method: string, url: string, body = ""): Promise<void> {
  const answer = await simulator.answer({
    method,
    url: `/api2/json${url}`,
    headers: {
      cookie: `PVEAuthCookie=${encodeURIComponent(rootTicket.cookie)}`,
      csrfpreventiontoken: rootTicket.csrf,
      "content-type": "application/x-www-form-urlencoded",
    },
    body,
  });
  assert.equal(answer.status, 200, answer.reason);
}

serverTest("a lock names what holds it", { simulator: { pace: 100 } }, async (running) => {
  await asRoot(running.simulator, "POST", "/nodes/pve2/qemu/105/clone", "newid=700&full=1");
  const { text, facts } = await failing(running, "set_vm_config", { vmid: 700, config: { memory: 512 } });
  assert.match(
    text,
    /is locked \(clone\)\nWhat to do: Nothing was changed\. The lock is held by qmclone of root@pam \(UPID:pve2:/,
  );
  assert.deepEqual([facts.kind, facts.lock, facts.subject], ["locked", "clone", { node: "pve2", vmid: 700 }]);
  assert.ok(Array.isArray(facts.holders) && facts.holders.length === 1);
  const left = await failing(running, "set_vm_config", { vmid: 108, config: { memory: 512 } });
  assert.match(left.text, /is locked \(backup\)\n.*qm unlock.*sees no running task of 108 on pve3/);
});

serverTest("what is not there is answered with what there is, the likeliest first", {}, async (running) => {
  const pool = await failing(running, "create_vm", { pool: "prdo" });
  assert.match(pool.text, /pool 'prdo' does not exist\nWhat to do: Probably meant: prod\. There is only prod\./);
  assert.deepEqual([pool.facts.kind, pool.facts.absent, pool.facts.candidates], [
    "missing",
    { what: "pool", name: "prdo" },
    ["prod"],
  ]);
  const node = await failing(running, "node_status", { node: "pve9" });
  assert.match(node.text, /\nWhat to do: Probably meant: pve1\. The nodes are pve1, pve2, pve3$/);
  assert.deepEqual(node.facts.candidates, ["pve1", "pve2", "pve3"]);
  const disk = await failing(running, "set_vm_config", { vmid: 105, config: { scsi3: "locl:8" } });
  assert.match(disk.text, /What to do: Probably meant: local\. There are local, ceph, /);
  const iso = await failing(running, "create_vm", { iso: "local:iso/debian-12.iso" });
  assert.match(iso.text, /does not exist.*\nWhat to do: There are local:iso\/debian-13/);
  assert.equal(iso.facts.kind, "task");
});

const write = { vmid: 105, config: { memory: 512 } };

/** What PVE, or something before it, answers to a write, and what has to be told of it. */
const answers: readonly (readonly [what: string, answer: string, kind: string, ...says: readonly RegExp[]])[] = [
  [
    "quorum is lost",
    pveSays("500", "cluster not ready - no quorum?"),
    "quorum",
    /no quorum\?/,
    /More than half .* pvecm status/,
  ],
  ["only root may", pveSays("500", "only root can set 'args' config"), "forbidden", /No API token may do this/],
  [
    "the digest is stale",
    pveSays("500", "checksum mismatch (file change by other user?)"),
    "conflict",
    /nothing was written: read it again/,
  ],
  [
    "a value is wrong",
    pveSays("400", "Parameter verification failed.", { memory: "value must have a minimum value of 16" }),
    "invalid",
    /memory: value must have a minimum value of 16/,
    /Correct memory as PVE says; nothing was changed/,
  ],
  ["the header got lost", http("401 No ticket"), "unauthenticated", /takes the Authorization header away/],
  [
    "the node's connection broke",
    http("596 Broken pipe"),
    "busy",
    /PVE may still have carried it out/,
    /Look at the state/,
  ],
  [
    "a proxy wants a login",
    http("302 Found", "", { location: "https://login.example/auth?session=abc" }),
    "unreadable",
    /redirect \(302 Found\) to https:\/\/login\.example\/auth, which/,
    /not a proxy/,
  ],
  [
    "a proxy shows its own page",
    http("502 Bad Gateway", "<html><title>502 Bad Gateway</title></html>", { "content-type": "text/html" }),
    "unreadable",
    /titled "502 Bad Gateway", not by PVE; PVE may still have carried it out/,
    /cannot reach pveproxy/,
  ],
  [
    "the storage is full",
    pveSays("500", "unable to create image: No space left on device"),
    "full",
    /No space left/,
    /list_storage shows/,
  ],
  [
    "the storage takes no such content",
    pveSays("500", "storage 'local' does not support content-type 'images'"),
    "invalid",
    /'images'/,
    /list_storage shows it\. A person can allow more content/,
  ],
  [
    "the agent blocks the command",
    pveSays("500", "Agent error: Command guest-exec has been disabled"),
    "agent",
    /guest-exec has been disabled/,
    /No privilege in PVE changes that/,
  ],
  [
    "this PVE does not know it",
    pveSays("501", "Method 'PUT /nodes/pve2/qemu/105/config' not implemented"),
    "unsupported",
    /This PVE does not know/,
    /made for PVE 8 and 9/,
  ],
  ["nobody has foreseen the words", pveSays("500", "the moon is full"), "failed", /the moon is full/, /journalctl/],
];

Deno.test({
  name: "what goes wrong behind a write: its cause, whether it may have happened, and the remedy",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    let answer = "";
    await using server = await oddPve(({ method }) => method === "GET" ? undefined : answer);
    await withServer({ env: server.env }, async (running) => {
      for (const [what, given, kind, ...says] of answers) {
        await t.step(what, async () => {
          answer = given;
          const before = server.requests.filter(({ method }) => method === "PUT").length;
          const { text, facts } = await failing(running, "set_vm_config", write);
          for (const words of says) assert.match(text, words);
          assert.equal(facts.kind, kind);
          assert.match(text, /\nWhat to do: /);
          assert.doesNotMatch(text, /session=abc/);
          assert.equal(server.requests.filter(({ method }) => method === "PUT").length, before + 1);
        });
      }
    });
  },
});

Deno.test({
  name: "a node that is off is named as such",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const rows = [{ node: "pve1", status: "online" }, { node: "pve2", status: "offline" }];
    await using server = await oddPve(({ path }) =>
      path === "/api2/json/nodes"
        ? http("200 OK", JSON.stringify({ data: rows }))
        : path.startsWith("/api2/json/nodes/pve2/qemu/105/config")
        ? http("595 No route to host")
        : undefined
    );
    await withServer({ env: server.env }, async (running) => {
      const { text, facts } = await failing(running, "vm_config", { vmid: 105 });
      assert.match(
        text,
        /could not reach the node .*: 595 No route to host\nWhat to do: pve2 is offline; online are pve1/,
      );
      assert.equal(facts.kind, "busy");
    });
  },
});
