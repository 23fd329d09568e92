/** Every tool through the real path: a client, stdio, the server's process, HTTPS, the simulated PVE. */
import assert from "node:assert/strict";
import { serverTest } from "../helpers/server.ts";

const NAMES = [
  "list_nodes",
  "node_status",
  "cluster_resources",
  "list_vms",
  "list_containers",
  "vm_status",
  "container_status",
  "vm_config",
  "container_config",
  "list_storage",
  "list_templates",
  "next_vmid",
  "allocate_vmid",
  "start_vm",
  "stop_vm",
  "shutdown_vm",
  "reboot_vm",
  "start_container",
  "stop_container",
  "shutdown_container",
  "reboot_container",
  "create_vm",
  "create_container",
  "clone_vm",
  "clone_container",
  "set_vm_config",
  "set_container_config",
];

function rows(answer: Record<string, unknown>, key: string): Record<string, unknown>[] {
  const list = answer[key];
  assert.ok(Array.isArray(list), `${key} is no list`);
  return list;
}

serverTest("tools/list offers the 27 tools of the contract, and none that deletes", {}, async ({ client }) => {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name).filter((name) => NAMES.includes(name)), NAMES);
  assert.equal(new Set(tools.map((tool) => tool.name)).size, tools.length);
  for (const { name } of tools) assert.doesNotMatch(name, /delete|destroy|remove|purge|rollback|shrink|wipe|erase/);
});

serverTest("every tool works, and every write is seen in a later read", {}, async ({ ok: call, requests }) => {
  const called = new Set<string>();
  const ok = (name: string, args?: Record<string, unknown>) => {
    called.add(name);
    return call(name, args);
  };
  const config = async (tool: string, vmid: unknown) => {
    const answer = await ok(tool, { vmid });
    assert.ok(typeof answer.config === "object" && answer.config !== null);
    return new Map<string, unknown>(Object.entries(answer.config));
  };
  const switchedOnAndOff = async (kind: "vm" | "container", vmid: unknown) => {
    const steps = { start: "running", reboot: "running", shutdown: "stopped" };
    for (const [verb, status] of [...Object.entries(steps), ["start", "running"], ["stop", "stopped"]]) {
      assert.equal((await ok(`${verb}_${kind}`, { vmid })).state, "ok", verb);
      assert.equal((await ok(`${kind}_status`, { vmid })).status, status, verb);
    }
  };

  // Reads
  assert.deepEqual(rows(await ok("list_nodes"), "nodes").map((row) => row.node), ["pve1", "pve2", "pve3"]);
  assert.equal((await ok("node_status", { node: "pve2" })).node, "pve2");
  const everything = await ok("cluster_resources", { resource_type: "all", limit: 500 });
  assert.equal(rows(everything, "resources").length, everything.total);
  const vms = rows(await ok("list_vms"), "guests");
  assert.ok(vms.some((row) => row.vmid === 102 && row.name === "docker" && row.status === "running"));
  const containers = rows(await ok("list_containers", { node: "pve1", tag: "prod" }), "guests");
  assert.deepEqual(containers.map((row) => row.vmid), [201]);
  assert.equal((await ok("vm_status", { name: "docker" })).vmid, 102);
  assert.equal((await ok("container_status", { vmid: 200 })).name, "dns");
  assert.equal((await config("vm_config", 102)).get("name"), "docker");
  assert.equal((await config("container_config", 200)).get("hostname"), "dns");
  assert.ok(rows(await ok("list_storage", { node: "pve1" }), "storages").some((row) => row.storage === "local-lvm"));
  assert.ok(
    rows(await ok("list_storage"), "storages").some((row) => row.shared === true && row.nodes === "pve1,pve2,pve3"),
  );
  const templates = rows(await ok("list_templates", { kind: "container_template", name: "debian-12" }), "templates");
  const ostemplate = templates.map((row) => String(row.volid)).find((volid) => volid.startsWith("local:"));
  const next = await ok("next_vmid");
  assert.deepEqual((await ok("allocate_vmid")).vmid, next.vmid);

  // A container
  const ct = await ok("create_container", {
    ostemplate,
    storage: "local-lvm",
    hostname: "web",
    cores: 2,
    memory: 2048,
    swap: 256,
    features: "nesting",
    mp0: "local-lvm:4,mp=/srv/data",
    tags: "demo",
    pool: "prod",
    onboot: true,
    nameserver: "192.0.2.53",
    ssh_public_keys: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample agent@example",
  });
  assert.equal(ct.vmid, next.vmid);
  assert.equal(ct.state, "ok");
  const ctConfig = await config("container_config", ct.vmid);
  assert.equal(ctConfig.get("cores"), 2);
  assert.equal(ctConfig.get("memory"), 2048);
  assert.equal(ctConfig.get("hostname"), "web");
  assert.equal(ctConfig.get("unprivileged"), true);
  assert.equal(ctConfig.get("features"), "nesting=1");
  assert.match(String(ctConfig.get("mp0")), /mp=\/srv\/data/);
  assert.match(String(ctConfig.get("mp0")), /backup=1/);
  assert.match(String(ctConfig.get("rootfs")), /^local-lvm:.*size=8G/);
  assert.equal((await ok("container_status", { vmid: ct.vmid })).pool, "prod");
  await switchedOnAndOff("container", ct.vmid);
  const ctChange = await ok("set_container_config", {
    vmid: ct.vmid,
    config: { memory: 1024, hostname: "web2", mp1: "local-lvm:2,mp=/srv/more" },
  });
  assert.deepEqual(rows(ctChange, "changes").find((row) => row.key === "memory"), {
    key: "memory",
    old: "2048",
    new: "1024",
  });
  const ctAfter = await config("container_config", ct.vmid);
  assert.equal(ctAfter.get("memory"), 1024);
  assert.equal(ctAfter.get("hostname"), "web2");
  assert.match(String(ctAfter.get("mp1")), /mp=\/srv\/more/);
  const ctCopy = await ok("clone_container", { source_vmid: ct.vmid, hostname: "copy", description: "a copy" });
  assert.equal((await config("container_config", ctCopy.vmid)).get("hostname"), "copy");

  // A VM
  const vm = await ok("create_vm", {
    name: "fresh",
    storage: "local-lvm",
    disk_size: 16,
    iso: "local:iso/debian-13.1.0-amd64-netinst.iso",
  });
  const vmConfig = await config("vm_config", vm.vmid);
  assert.equal(vmConfig.get("scsihw"), "virtio-scsi-single");
  assert.equal(String(vmConfig.get("agent")), "1");
  assert.match(String(vmConfig.get("scsi0")), /^local-lvm:.*size=16G/);
  assert.match(String(vmConfig.get("ide2")), /media=cdrom/);
  assert.equal(vmConfig.get("boot"), "order=scsi0;ide2;net0");
  assert.match(String(vmConfig.get("net0")), /bridge=vmbr0/);
  await switchedOnAndOff("vm", vm.vmid);
  await ok("set_vm_config", { vmid: vm.vmid, config: { memory: 4096, tags: "x" } });
  const vmAfter = await config("vm_config", vm.vmid);
  assert.equal(vmAfter.get("memory"), "4096");
  assert.equal(vmAfter.get("tags"), "x");

  // Clone, then start at once: nothing races.
  const clone = await ok("clone_vm", { source_vmid: 9000, name: "clone" });
  assert.equal((await ok("start_vm", { vmid: clone.vmid })).state, "ok");
  assert.equal((await ok("vm_status", { vmid: clone.vmid })).status, "running");

  assert.deepEqual([...called].sort(), [...NAMES].sort(), "a tool was not called");
  assert.ok(requests.every((request) => request.method !== "DELETE"));
});

serverTest("list_templates says why it finds nothing, and how that comes there", {}, async ({ ok, simulator }) => {
  const none = async (args: Record<string, unknown>, why: RegExp) => {
    const { templates, notes } = await ok("list_templates", args);
    assert.deepEqual(templates, [], JSON.stringify(args));
    assert.match(JSON.stringify(notes), why, JSON.stringify(args));
  };
  await none(
    { kind: "iso", name: "fedora" },
    /^\["None of the \d+ that are there has \\"fedora\\" in its name","A person can download ISO/,
  );
  await none({ kind: "template_guest", name: "xyz" }, /in its name","A person makes a template of a guest[^"]*"\]$/);
  await none(
    { kind: "container_template", name: "xyz" },
    /in its name","A person can download container templates[^"]*"\]$/,
  );
  await none(
    { name: "xyz" },
    /in its name","A person can download container[^"]*","A person can download ISO[^"]*"\]$/,
  );
  await none({ storage: "ceph", kind: "iso" }, /^\["Storage ceph may not hold ISO images; list_storage[^"]*"\]$/);
  await none({ storage: "ceph" }, /^\["Storage ceph may not hold container templates or ISO images; list_storage/);
  await none(
    { storage: "nas", kind: "template_guest" },
    /^\["Template guests are looked for in no storage: leave storage out"\]$/,
  );
  const { storages } = simulator.state;
  for (const volumes of storages.get("nas")?.volumes.values() ?? []) volumes.clear();
  await none({ storage: "nas", kind: "iso" }, /^\["There are none","A person can download ISO/);
  for (const [id, storage] of storages) storages.set(id, { ...storage, content: new Set(["images"]) });
  await none({ kind: "iso" }, /^\["No storage may hold ISO images; list_storage/);
});

serverTest("a size without a storage is refused, and a VM without a disk is told", {}, async (running) => {
  const { ok, error, simulator, requests } = running;
  const count = simulator.state.guests.size;
  for (const args of [{ disk_size: 20 }, { disk_size: 20, scsi0: "local-lvm:16" }]) {
    assert.match(
      await error("create_vm", { name: "n1", ...args }),
      /disk_size=20 was given, and no storage.*Give storage too/s,
    );
  }
  assert.equal(simulator.state.guests.size, count);
  assert.ok(requests.every(({ method }) => method === "GET"));
  const bare = await ok("create_vm", { vmid: 131, node: "pve1", iso: "local:iso/debian-13.1.0-amd64-netinst.iso" });
  assert.match(String(bare.notes), /^It has no disk: set_vm_config adds one, as in config=\{"scsi0": "STORAGE:32"\}$/);
  const added = await ok("set_vm_config", { vmid: bare.vmid, config: { scsi0: "local-lvm:32" } });
  assert.equal(added.state, "ok");
  for (const disk of [{ vmid: 132, storage: "local-lvm" }, { vmid: 133, virtio0: "local-lvm:32" }]) {
    const { vmid, notes } = await ok("create_vm", { node: "pve1", ...disk });
    assert.equal(notes, undefined);
    const { config } = await ok("vm_config", { vmid });
    assert.match(JSON.stringify(config), /"(?:scsi|virtio)0":"local-lvm:[^"]*size=32G/);
  }
});

serverTest("what waits for a restart is told apart from what is in force", {}, async ({ ok, call, simulator }) => {
  const guest = simulator.state.guests.get(107) ?? assert.fail("no 107");
  assert.equal((await ok("vm_config", { vmid: 107 })).in_force, undefined);
  const live = String(guest.config.get("memory"));
  const first = await ok("set_vm_config", { vmid: 107, config: { memory: 12_288 } });
  assert.deepEqual(rows(first, "changes"), [
    { key: "memory", old: live, new: "12288", after_restart: true },
  ]);
  guest.pending.set("cipassword", "$5$salt$hash");
  const shown = await ok("vm_config", { vmid: 107 });
  assert.deepEqual(shown.in_force, { cipassword: "(not shown)", memory: live });
  assert.equal(new Map(Object.entries(Object(shown.config))).get("memory"), "12288");
  assert.match(
    (await call("vm_config", { vmid: 107 })).text,
    new RegExp(`^in_force:\n(?:  .*\n)*  memory: ${live}$`, "m"),
  );
  // What is overwritten never was in force: both are told, and the first is no loss.
  for (const memory of [12_288, 10_240]) {
    const { changes } = await ok("set_vm_config", { vmid: 107, config: { memory } });
    const change = { key: "memory", old: "12288", new: String(memory), after_restart: true, in_force: live };
    assert.deepEqual(changes, [change]);
  }
  const back = await ok("set_vm_config", { vmid: 107, config: { memory: Number(live) } });
  assert.deepEqual(back.changes, [{ key: "memory", old: "10240", new: live }]);
  // PVE's configuration leaves out what is to go.
  guest.pendingDelete.set("onboot", false);
  guest.config.set("onboot", 1);
  const going = await ok("vm_config", { vmid: 107 });
  assert.deepEqual(going.in_force, { onboot: "1" });
  const container = simulator.state.guests.get(200) ?? assert.fail("no 200");
  container.pending.set("mp0", "local-lvm:vm-200-disk-1,mp=/srv,size=4G");
  assert.deepEqual((await ok("container_config", { vmid: 200 })).in_force, { mp0: "(not set)" });
});

serverTest("set_vm_config keeps MAC address and firewall flag of a network device", {}, async ({ ok }) => {
  const net0 = async () => {
    const { config } = await ok("vm_config", { vmid: 105 });
    return String(Object.entries(config ?? {}).find(([key]) => key === "net0")?.[1]);
  };
  await ok("set_vm_config", { vmid: 105, config: { net0: "virtio,bridge=vmbr0,firewall=1" } });
  const mac = /(?:[0-9A-F]{2}:){5}[0-9A-F]{2}/.exec(await net0())?.[0];
  assert.ok(mac !== undefined);
  await ok("set_vm_config", { vmid: 105, config: { net0: "virtio,bridge=vmbr0,tag=20" } });
  const after = await net0();
  assert.ok(after.includes(mac) && after.includes("firewall=1") && after.includes("tag=20"), after);
});

serverTest(
  "set_vm_config adds disks in free slots, swaps the ISO, and never touches a used slot",
  {},
  async ({ ok, error }) => {
    await ok("set_vm_config", {
      vmid: 105,
      config: { scsi5: "local-lvm:4", iso: "local:iso/debian-13.1.0-amd64-netinst.iso" },
    });
    await ok("set_vm_config", { vmid: 105, config: { iso: "none" } });
    assert.match(
      await error("set_vm_config", { vmid: 105, config: { scsi5: "local-lvm:4" } }),
      /scsi5 of guest 105 holds/,
    );
  },
);

serverTest("a second identical change says that nothing changed", {}, async ({ ok }) => {
  await ok("set_container_config", { vmid: 203, config: { memory: 1024 } });
  assert.equal((await ok("set_container_config", { vmid: 203, config: { memory: 1024 } })).state, "unchanged");
});

serverTest("lists are cut, say what was left out, and go on with a cursor", {}, async ({ ok, call }) => {
  const first = await ok("list_vms", { limit: 3 });
  assert.equal(rows(first, "guests").length, 3);
  const text = (await call("list_vms", { limit: 3 })).text;
  assert.match(text, /more: narrow with/);
  const second = await ok("list_vms", { limit: 3, cursor: first.next_cursor });
  assert.ok(Number(rows(second, "guests")[0]?.vmid) > Number(rows(first, "guests")[2]?.vmid));
});
