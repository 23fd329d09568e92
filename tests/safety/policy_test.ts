/** The policy: who may write what under which settings, over arbitrary guests, arguments and requests. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { catalogue } from "../../src/safety/catalogue.ts";
import * as policy from "../../src/safety/policy.ts";
import type { GuestFacts, PolicySettings } from "../../src/safety/policy.ts";
import { tools as all } from "../../src/tools/mod.ts";

/** Those of tier exec have tests of their own, in exec_policy_test.ts. */
const tools = all.filter(({ tier }) => tier !== "exec");

const writing = tools.filter(({ tier }) => tier !== "read");
/** Tools that make a guest; a snapshot or a backup is of one that is there. */
const MAKING = /^(?:create|clone|restore)_(?:vm|container|cloudinit_vm)(?:_backup)?$/;
const changing = writing.filter(({ name }) => !MAKING.test(name));
const creating = writing.filter(({ name }) => MAKING.test(name));

const vmid = fc.integer({ min: 100, max: 130 });
const tag = fc.constantFrom("prod", "db", "web", "Prod", "test");
const guestOf = (id: number, tags: readonly string[]): GuestFacts => ({
  vmid: id,
  kind: "vm",
  node: "pve1",
  status: "running",
  name: "x",
  tags,
});

function decide(name: string, input: Record<string, unknown>, settings: PolicySettings, guest?: GuestFacts) {
  const tool = tools.find((tool) => tool.name === name);
  assert.ok(tool !== undefined, name);
  return policy.decide(tool, input, settings, guest);
}

function refusal(name: string, input: Record<string, unknown>, settings: PolicySettings, guest?: GuestFacts): string {
  const decision = decide(name, input, settings, guest);
  assert.equal(decision.verdict, "refuse", `${name} ${JSON.stringify(input)} was not refused`);
  if (decision.verdict !== "refuse") return "";
  assert.ok(decision.remedy.length > 20, "it says what to do");
  return decision.reason;
}

Deno.test("without settings every call is allowed", () => {
  for (const tool of tools) {
    assert.equal(policy.decide(tool, { vmid: 100 }, { readOnly: false }, undefined).verdict, "allow", tool.name);
    assert.ok(!policy.needsFacts(tool, { readOnly: false }), "facts cost a request");
  }
});

Deno.test("reading is always allowed, and writing never where the server only reads", () => {
  const settings = {
    readOnly: true,
    protected: { vmids: [100], tags: ["prod"] },
    confirm: "writes",
    pool: "p",
  } as const;
  for (const tool of tools) {
    const reads = tool.tier === "read";
    assert.equal(policy.offers(tool, settings), reads);
    assert.equal(
      policy.decide(tool, { vmid: 100 }, settings, undefined).verdict,
      reads ? "allow" : "refuse",
      tool.name,
    );
  }
});

Deno.test("a server that only reads says so", () => {
  assert.equal(
    refusal("stop_vm", { vmid: 100 }, { readOnly: true }),
    "stop_vm changes something, and this server only reads",
  );
});

Deno.test("what a call writes is the same by its arguments and by its request", () => {
  const nothing = {
    changes: undefined,
    makes: undefined,
    creates: false,
    tags: undefined,
    pool: undefined,
    privileged: false,
    stores: false,
    fetches: undefined,
    enters: false,
  };
  const of = (name: string, input: Record<string, unknown>) =>
    policy.writeOf(tools.find((tool) => tool.name === name) ?? assert.fail(), input);
  const create = { ...nothing, creates: true, makes: 105, tags: "web", pool: "p" };
  for (const name of ["create_vm", "create_container"]) {
    assert.deepEqual(of(name, { vmid: 105, tags: "web", pool: "p" }), create);
    assert.deepEqual(of(name, {}), { ...nothing, creates: true });
  }
  for (const name of ["restore_vm_backup", "restore_container_backup"]) {
    assert.deepEqual(of(name, { vmid: 105, pool: "p" }), { ...create, tags: undefined });
    assert.equal(of(name, { unprivileged: false }).privileged, true);
  }
  for (const name of ["clone_vm", "clone_container"]) {
    assert.deepEqual(of(name, { source_vmid: 100, newid: 105, pool: "p" }), { ...create, tags: undefined });
  }
  for (const name of ["set_vm_config", "set_container_config"]) {
    assert.deepEqual(of(name, { vmid: 100, config: { tags: "web" } }), { ...nothing, changes: 100, tags: "web" });
    assert.deepEqual(of(name, { vmid: 100, config: null, tags: 5, pool: true }), { ...nothing, changes: 100 });
  }
  assert.deepEqual(of("reboot_vm", { vmid: 100 }), { ...nothing, changes: 100 });
  for (const kind of ["qemu", "lxc"]) {
    const guest = `/nodes/{node}/${kind}`;
    assert.deepEqual(policy.writeIn(`POST ${guest}`, { vmid: 105, tags: "web", pool: "p" }), create);
    assert.deepEqual(policy.writeIn(`POST ${guest} (restore)`, { vmid: 105, pool: "p" }), {
      ...create,
      tags: undefined,
    });
    assert.equal(policy.writeIn(`POST ${guest} (restore)`, { vmid: 105, unprivileged: 0 })?.privileged, true);
    assert.deepEqual(policy.writeIn(`POST ${guest}/{vmid}/migrate`, { vmid: 100 }), { ...nothing, changes: 100 });
    assert.deepEqual(
      policy.writeIn(`POST ${guest}/{vmid}/clone`, { vmid: 100, newid: 105, tags: "web", pool: "p" }),
      create,
    );
    assert.deepEqual(policy.writeIn(`PUT ${guest}/{vmid}/config`, { vmid: 100, tags: "web" }), {
      ...nothing,
      changes: 100,
      tags: "web",
    });
    assert.deepEqual(policy.writeIn(`POST ${guest}/{vmid}/status/stop`, { vmid: 100 }), { ...nothing, changes: 100 });
  }
});

Deno.test("a call is about the guest it changes or copies", () => {
  for (const tool of writing) {
    const subject = policy.subjectOf(tool, { vmid: 100, source_vmid: 101, newid: 102 });
    assert.equal(subject, creating.includes(tool) ? 101 : 100, tool.name);
    assert.equal(policy.subjectOf(tool, {}), undefined);
  }
});

Deno.test("facts are read for writes only, and where tags protect or a person is asked", () => {
  const tool = (name: string) => tools.find((tool) => tool.name === name) ?? assert.fail(name);
  const tags = { readOnly: false, protected: { vmids: [], tags: ["prod"] } };
  assert.ok(policy.needsFacts(tool("start_vm"), tags));
  assert.ok(!policy.needsFacts(tool("vm_status"), tags));
  assert.ok(!policy.needsFacts(tool("start_vm"), { readOnly: false, protected: { vmids: [100], tags: [] } }));
  assert.ok(policy.needsFacts(tool("start_vm"), { readOnly: false, confirm: "writes" }));
  // Whether a start uses up a hibernated VM's memory, only the guest tells.
  assert.ok(policy.needsFacts(tool("start_vm"), { readOnly: false, confirm: "disruptive" }));
  assert.ok(!policy.needsFacts(tool("start_container"), { readOnly: false, confirm: "disruptive" }));
  assert.ok(policy.needsFacts(tool("stop_vm"), { readOnly: false, confirm: "disruptive" }));
  assert.ok(!policy.needsFacts(tool("vm_status"), { readOnly: false, confirm: "writes" }));
});

Deno.test("only what starts, creates or clones by its first word only adds", () => {
  assert.ok(policy.onlyAdds({ name: "create_vm", tier: "provision" }));
  assert.ok(!policy.onlyAdds({ name: "hard_start_vm", tier: "lifecycle" }));
  assert.ok(policy.onlyAdds({ name: "stop_watch", tier: "read" }));
});

Deno.test("no write touches a protected vmid, by the tool or by its request", () => {
  fc.assert(fc.property(fc.uniqueArray(vmid, { maxLength: 8 }), vmid, fc.boolean(), (vmids, target, asks) => {
    const settings: PolicySettings = {
      readOnly: false,
      protected: { vmids, tags: [] },
      confirm: asks ? "writes" : "never",
    };
    const held = vmids.includes(target);
    for (const tool of writing) {
      const input = tool.name.startsWith("clone_") ? { source_vmid: 999, newid: target } : { vmid: target };
      const { verdict } = policy.decide(tool, input, settings, guestOf(policy.subjectOf(tool, input) ?? target, []));
      assert.equal(verdict, held ? "refuse" : asks ? "ask" : "allow", tool.name);
    }
    const writes = Object.keys(catalogue).filter((call) => !call.startsWith("GET ") && !policy.ENTERING.includes(call));
    for (const call of writes) {
      const params = call.endsWith("/clone") ? { vmid: 999, newid: target } : { vmid: target };
      const write = policy.writeIn(call, params);
      assert.ok(write !== undefined);
      assert.equal(policy.judge(write, settings, guestOf(target, [])) !== undefined, held, call);
    }
  }));
});

Deno.test("a protected guest may be copied, as copying only reads it, but not to a protected number", () => {
  const settings = { readOnly: false, protected: { vmids: [100, 105], tags: ["prod"] } };
  const source = guestOf(100, ["prod"]);
  assert.equal(decide("clone_vm", { source_vmid: 100, newid: 110 }, settings, source).verdict, "allow");
  assert.equal(decide("clone_container", { source_vmid: 100 }, settings, source).verdict, "allow");
  assert.match(refusal("clone_vm", { source_vmid: 100, newid: 105 }, settings, source), /105 is protected/);
});

Deno.test("no write touches a guest with a protected tag, in any case of letters", () => {
  fc.assert(fc.property(fc.array(tag), fc.uniqueArray(tag), vmid, (present, names, target) => {
    const tags = names.map((name) => name.toLowerCase());
    const settings = { readOnly: false, protected: { vmids: [], tags } };
    const held = present.some((name) => tags.includes(name.toLowerCase()));
    for (const tool of changing) {
      const { verdict } = policy.decide(tool, { vmid: target, config: {} }, settings, guestOf(target, present));
      assert.equal(verdict, held ? "refuse" : "allow", tool.name);
    }
  }));
});

Deno.test("a guest that is not visible counts as protected where tags protect", () => {
  const settings = { readOnly: false, protected: { vmids: [], tags: ["prod"] } };
  for (const tool of changing) {
    assert.match(refusal(tool.name, { vmid: 100 }, settings), /not visible to this token/);
    assert.match(refusal(tool.name, { vmid: 100 }, settings, guestOf(101, [])), /not visible to this token/);
  }
});

Deno.test("no call gives a protected tag, however it is written", () => {
  const settings = { readOnly: false, protected: { vmids: [], tags: ["prod"] } };
  for (const tags of ["prod", "PROD", "web;prod", "web,prod", "web, prod", "web prod", ";prod;"]) {
    assert.match(refusal("set_vm_config", { vmid: 100, config: { tags } }, settings, guestOf(100, [])), /tag prod/);
    assert.match(refusal("create_container", { tags }, settings), /tag prod/);
    const write = policy.writeIn("POST /nodes/{node}/qemu", { vmid: 100, tags });
    assert.ok(write !== undefined && policy.judge(write, settings, undefined) !== undefined);
  }
  for (const tags of ["", "product", "web;pro-d", "non-prod"]) {
    assert.equal(
      decide("set_vm_config", { vmid: 100, config: { tags } }, settings, guestOf(100, ["web"])).verdict,
      "allow",
    );
  }
  // Where none is given, none is protected, whatever it is called.
  for (const name of ["x", "undefined"]) {
    const one = { readOnly: false, protected: { vmids: [], tags: [name] } };
    assert.equal(decide("create_container", {}, one).verdict, "allow");
  }
});

Deno.test("a privileged container needs its setting, by the tool's arguments and by the request, in every form of no", () => {
  const allowed = { readOnly: false, allowPrivileged: true };
  assert.match(
    refusal("create_container", { unprivileged: false }, { readOnly: false }),
    /^a privileged container's root is close to root on the node$/,
  );
  assert.equal(decide("create_container", { unprivileged: false }, allowed).verdict, "allow");
  for (const settings of [{ readOnly: false }, allowed]) {
    for (const unprivileged of [true, undefined]) {
      assert.equal(decide("create_container", { unprivileged }, settings).verdict, "allow");
    }
  }
  for (const no of [false, 0, "0"]) {
    const write = policy.writeIn("POST /nodes/{node}/lxc", { vmid: 300, unprivileged: no }) ?? assert.fail();
    assert.match(policy.judge(write, { readOnly: false }, undefined)?.remedy ?? "", /PROXMOX_ALLOW_PRIVILEGED=true/);
    assert.equal(policy.judge(write, allowed, undefined), undefined);
  }
  for (const yes of [true, 1, "1"]) {
    const write = policy.writeIn("POST /nodes/{node}/lxc", { vmid: 300, unprivileged: yes }) ?? assert.fail();
    assert.equal(policy.judge(write, { readOnly: false }, undefined), undefined);
  }
});

Deno.test("a new guest goes into the pool of the settings and into no other", () => {
  const settings = { readOnly: false, pool: "agents" };
  for (const tool of creating) {
    const amended = policy.withPool(tool, { source_vmid: 100 }, settings);
    assert.deepEqual(amended, { source_vmid: 100, pool: "agents" });
    assert.equal(policy.decide(tool, amended, settings, undefined).verdict, "allow");
    const other = policy.withPool(tool, { pool: "prod" }, settings);
    assert.match(refusal(tool.name, other, settings), /pool="prod" was given/);
    assert.match(refusal(tool.name, { pool: "Agents" }, settings), /agents only/);
  }
  for (const tool of changing) {
    const input = { vmid: 100 };
    assert.equal(policy.withPool(tool, input, settings), input);
    assert.equal(policy.decide(tool, input, settings, undefined).verdict, "allow");
  }
  for (const call of ["POST /nodes/{node}/lxc", "POST /nodes/{node}/qemu/{vmid}/clone"]) {
    const write = policy.writeIn(call, { vmid: 100, newid: 101 });
    assert.match(
      policy.judge(write ?? assert.fail(), settings, undefined)?.reason ?? "",
      /has to be put into the pool/,
    );
  }
  for (const tool of creating) {
    assert.deepEqual(policy.withPool(tool, {}, { readOnly: false }), {});
    // Without the setting a call may name any pool.
    for (const pool of ["prod", undefined]) {
      assert.equal(policy.decide(tool, { pool }, { readOnly: false }, undefined).verdict, "allow");
    }
  }
});

Deno.test("disruptive asks before what interrupts or changes, writes before every write", () => {
  for (const tool of tools) {
    const verdict = (confirm: "never" | "disruptive" | "writes") =>
      policy.decide(tool, { vmid: 100 }, { readOnly: false, confirm }, guestOf(100, [])).verdict;
    assert.equal(verdict("never"), "allow");
    assert.equal(verdict("writes"), tool.tier === "read" ? "allow" : "ask", tool.name);
    assert.equal(
      verdict("disruptive"),
      /^(?:stop|shutdown|reboot|suspend|resize|set|migrate)_/.test(tool.name) ? "ask" : "allow",
      tool.name,
    );
  }
});

Deno.test("nobody is asked about a guest that is not visible", () => {
  const settings = { readOnly: false, confirm: "writes" } as const;
  assert.match(refusal("stop_vm", { vmid: 100 }, settings), /guest 100 is not visible/);
  assert.match(refusal("stop_vm", { vmid: 100 }, settings, guestOf(101, [])), /guest 100 is not visible/);
  assert.match(refusal("clone_vm", { source_vmid: 100, newid: 101 }, settings), /guest 100 is not visible/);
  assert.equal(decide("create_vm", { vmid: 100 }, settings).verdict, "ask");
});

Deno.test("a write that names no guest it changes is refused, and a read is none", () => {
  const settings = { readOnly: false };
  const write = policy.writeIn("PUT /nodes/{node}/qemu/{vmid}/config", { vmid: "100" });
  assert.match(policy.judge(write ?? assert.fail(), settings, undefined)?.reason ?? "", /does not say which guest/);
  assert.equal(policy.writeIn("GET /nodes/{node}/qemu/{vmid}/config", { vmid: 100 }), undefined);
});

Deno.test("disruptive asks before a hibernated VM is started, and not before another one is", () => {
  const start = tools.find((tool) => tool.name === "start_vm") ?? assert.fail();
  const guest = { vmid: 109, kind: "vm", node: "pve1", status: "stopped", name: "lab", tags: [] } as const;
  const settings = { readOnly: false, confirm: "disruptive" } as const;
  assert.equal(policy.decide(start, { vmid: 109 }, settings, { ...guest, lock: "suspended" }).verdict, "ask");
  assert.equal(policy.decide(start, { vmid: 109 }, settings, guest).verdict, "allow");
});

Deno.test("a backup that halts the guest is asked about where disruptive calls are, another one is not", () => {
  const settings = { readOnly: false, confirm: "disruptive" } as const;
  const guest = guestOf(100, []);
  for (const mode of ["stop", "suspend"]) {
    assert.equal(decide("create_backup", { vmid: 100, mode }, settings, guest).verdict, "ask");
    assert.ok(policy.needsFacts({ name: "create_backup", tier: "provision" }, settings, { mode }));
  }
  const backup = { name: "create_backup", tier: "provision" } as const;
  for (const input of [{ vmid: 100, mode: "snapshot" }, { vmid: 100 }]) {
    assert.equal(decide("create_backup", input, settings, guest).verdict, "allow");
    assert.equal(decide("create_backup", input, settings, { ...guest, status: "running" }).verdict, "allow");
    // PVE suspends one that cannot be snapshotted.
    const container = { ...guest, kind: "container" } as const;
    assert.equal(decide("create_backup", input, settings, { ...container, status: "running" }).verdict, "ask");
    assert.equal(decide("create_backup", input, settings, { ...container, status: undefined }).verdict, "ask");
    assert.equal(decide("create_backup", input, settings, { ...container, status: "stopped" }).verdict, "allow");
    const running = { ...container, status: "running" };
    assert.equal(decide("create_container_snapshot", { ...input, snapname: "a" }, settings, running).verdict, "allow");
    assert.ok(policy.needsFacts(backup, settings, input));
    assert.ok(!policy.needsFacts(backup, { readOnly: false }, input));
    assert.ok(!policy.needsFacts(backup, { readOnly: false, confirm: "never" }, input));
  }
});

const DOWNLOAD = "POST /nodes/{node}/storage/{storage}/download-url";

Deno.test("a file is fetched only from a host that the settings name, whole and with its port", () => {
  const hosts = fc.constantFrom("cloud.debian.org", "nas.lan:8443", "nas.lan", "debian.org", "192.0.2.1");
  fc.assert(fc.property(fc.uniqueArray(hosts, { maxLength: 3 }), hosts, (downloadHosts, host) => {
    const url = `https://${host}/x.iso`;
    const allowed = downloadHosts.includes(host);
    const settings = { readOnly: false, downloadHosts };
    const write = policy.writeIn(DOWNLOAD, { node: "pve1", storage: "nas", url }) ?? assert.fail();
    assert.equal(policy.judge(write, settings, undefined) === undefined, allowed);
    assert.equal(decide("download_url", { url }, settings).verdict, allowed ? "allow" : "refuse");
  }));
  const settings = { readOnly: false, downloadHosts: ["cloud.debian.org"] };
  for (
    const url of [
      "https://cloud.debian.org.evil.example/x.iso",
      "https://evil.example/cloud.debian.org/x.iso",
      "https://cloud.debian.org@evil.example/x.iso",
      "https://evil.example\\@cloud.debian.org/x.iso",
      "https://evil.example#@cloud.debian.org/x.iso",
      "https://cloud.debian.org:8443/x.iso",
      "http://cloud.debian.org/x.iso",
      "cloud.debian.org",
      "",
    ]
  ) {
    const plain = /^https:\/\/[a-z.:0-9]+\//.test(url);
    const why = plain ? /^\S+ is not among the hosts/ : /^".*" is neither a plain https address nor an image/;
    assert.match(refusal("download_url", { url }, settings), why, url);
  }
  assert.match(refusal("download_url", { url: "https://cloud.debian.org/x.iso" }, { readOnly: false }), /not among/);
});

const PULL = "POST /nodes/{node}/storage/{storage}/oci-registry-pull";

Deno.test("an image is pulled only from a registry that the settings name, whole and with its port", () => {
  const hosts = fc.constantFrom("docker.io", "registry.lan:5000", "registry.lan", "io.example", "192.0.2.1:5000");
  fc.assert(fc.property(fc.uniqueArray(hosts, { maxLength: 3 }), hosts, (downloadHosts, host) => {
    const reference = `${host}/library/debian:13`;
    const allowed = downloadHosts.includes(host);
    const settings = { readOnly: false, downloadHosts };
    const write = policy.writeIn(PULL, { node: "pve1", storage: "nas", reference }) ?? assert.fail();
    assert.ok(write.stores && write.changes === undefined);
    assert.equal(policy.judge(write, settings, undefined) === undefined, allowed);
    assert.equal(decide("pull_oci_image", { reference }, settings).verdict, allowed ? "allow" : "refuse");
  }));
  const settings = { readOnly: false, downloadHosts: ["docker.io"] };
  for (
    const reference of [
      "debian:13",
      "library/debian:13",
      "docker.io.evil.example/debian:13",
      "evil.example/docker.io/debian:13",
      "docker.io@evil.example/debian:13",
      "docker.io/debian",
      "docker://docker.io/debian:13",
      "docker.io",
      "",
    ]
  ) {
    const named = /^[a-z.]+example\/[a-z./]+:13$/.test(reference);
    const why = named ? /evil\.example is not among the hosts/ : /^".*" is neither.* nor an image with its registry/;
    assert.match(refusal("pull_oci_image", { reference }, settings), why, reference);
  }
  // It adds a file, and interrupts nobody.
  const pull = tools.find((tool) => tool.name === "pull_oci_image") ?? assert.fail();
  assert.ok(policy.onlyAdds(pull) && !policy.onlyAdds({ ...pull, name: "pull_file" }));
});

Deno.test("what is no address and no image is named as it was given, without secrets, and with what to give instead", () => {
  const remedy =
    "Give an address as in https://cloud.debian.org/images/x.qcow2, or for an image REGISTRY/NAME:TAG in full, " +
    "as in docker.io/library/debian:13";
  const says = (shown: string) => ({
    verdict: "refuse",
    reason: `${shown} is neither a plain https address nor an image with its registry and its tag`,
    remedy,
  });
  // Hosts that are named make no difference.
  for (const downloadHosts of [undefined, [], ["cloud.debian.org", "docker.io"]]) {
    const settings = { readOnly: false, ...(downloadHosts === undefined ? {} : { downloadHosts }) };
    for (
      const [url, shown] of [
        ["http://cloud.debian.org/x.iso", '"http://cloud.debian.org/x.iso"'],
        ['https://cloud.debian.org/"ä b.iso', '"https://cloud.debian.org/\\"ä b.iso"'],
        ["https://me:hidden@cloud.debian.org/x.iso", '"…@cloud.debian.org/x.iso"'],
        ["https://me:hid@den\n@cloud.debian.org/x.iso", '"…@cloud.debian.org/x.iso"'],
        ["http://cloud.debian.org/x.iso?key=hid\nden", '"http://cloud.debian.org/x.iso?…"'],
        ["http://cloud.debian.org/x.iso?key=me@hidden", '"http://cloud.debian.org/x.iso?…"'],
        [`http://${"a".repeat(73)}`, `"http://${"a".repeat(73)}"`],
        [`http://${"a".repeat(74)}`, `"http://${"a".repeat(73)}…"`],
        ["http://a/x?", '"http://a/x?…"'],
        ["@b", '"…@b"'],
        ["", '""'],
      ] as const
    ) assert.deepEqual(decide("download_url", { url }, settings), says(shown));
    assert.deepEqual(decide("pull_oci_image", { reference: "nginx:latest" }, settings), says('"nginx:latest"'));
  }
});

Deno.test("what only adds a file to a storage names no guest, and needs no host but for an address", () => {
  const write = policy.writeIn("POST /nodes/{node}/aplinfo", { node: "pve1", storage: "nas", template: "x.tar.gz" });
  assert.ok(write !== undefined && write.stores && write.changes === undefined);
  const settings = { readOnly: false, pool: "agents", protected: { vmids: [100], tags: ["prod"] } };
  assert.equal(policy.judge(write, settings, undefined), undefined);
  assert.equal(decide("download_template", { template: "debian" }, settings).verdict, "allow");
});
