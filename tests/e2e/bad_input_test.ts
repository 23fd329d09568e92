/** Bad arguments, settings and rights: each gets one error that says what, which value and what to do, and the server lives on. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { addGuest, auditorToken, bareToken, demoCluster, demoToken, type State } from "../../src/sim/mod.ts";
import { serveHttps } from "../../src/sim/https.ts";
import {
  inherited,
  type Running,
  serverCommand,
  serverTest,
  settingsFor,
  usualTools,
  withServer,
} from "../helpers/server.ts";

type Arguments = Record<string, unknown>;

/** A tool, its arguments, and what its error must say: the value, the reason, the remedy. */
type Case = readonly [tool: string, args: Arguments, ...says: readonly RegExp[]];

const DEBIAN = "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst";

/** Calls each tool, and a good one after it; a call that fails for its arguments never gets as far as a write. */
async function refuses({ error, ok, requests }: Running, cases: readonly Case[], writes = false): Promise<void> {
  for (const [tool, args, ...says] of cases) {
    const label = `${tool} ${JSON.stringify(args)}`;
    const before = requests.length;
    const text = await error(tool, args);
    for (const words of says) assert.match(text, words, label);
    assert.doesNotMatch(text, /has a bug|undefined|\[object|Invalid input|expected/, label);
    if (!writes) assert.deepEqual(requests.slice(before).filter(({ method }) => method !== "GET"), [], label);
    assert.equal((await ok("next_vmid")).vmid, 111, `after ${label}`);
  }
}

/** The demo cluster with a second VM called test, and a VM that is off and locked. */
function cluster(): State {
  const state = demoCluster();
  const now = Date.now();
  addGuest(state, {
    vmid: 305,
    kind: "qemu",
    node: "pve3",
    config: { name: "test", memory: "512", scsi0: "ceph:1" },
    now,
  });
  addGuest(state, {
    vmid: 306,
    kind: "qemu",
    node: "pve3",
    config: { name: "moving", memory: "512", scsi0: "ceph:1", lock: "migrate" },
    now,
  });
  return state;
}

serverTest("arguments of the wrong form are refused before anything is asked of PVE", {}, async (running) => {
  const range = /whole number from 100 to 999999999/;
  const example = /What to do: vmid: As in 102/;
  await refuses(running, [
    ["vm_status", { vmid: -1 }, /vmid=-1:/, range, example],
    ["vm_status", { vmid: 99 }, /vmid=99:/, range, example],
    ["start_vm", { vmid: 10 ** 10 }, /vmid=10000000000:/, range, example],
    ["stop_container", { vmid: 1.5 }, /vmid=1\.5:/, range, example],
    ["vm_config", { vmid: true }, /vmid=true:/, range, example],
    ["set_vm_config", { vmid: "abc", config: { memory: 512 } }, /vmid="abc":/, range],
    ["vm_status", { vmid: null }, /vmid=null:/, range],
    ["vm_status", { vmid: [100] }, /vmid=\[100\]:/, range],
    ["vm_status", { vmid: { id: 100 } }, /vmid=\{"id":100\}:/, range],
    ["start_vm", { vmid: 105, wait_timeout: 0 }, /wait_timeout=0:/, /from 1 to 300/],
    ["list_vms", { limit: 501 }, /limit=501:/, /from 1 to 500/],
    ["list_vms", { status: "Running" }, /status="Running":/, /one of running, stopped/],
    ["cluster_resources", { resource_type: "guests" }, /resource_type="guests":/, /one of vm, storage, node/],
    ["list_vms", { cursor: "next" }, /cursor="next":/, /next_cursor/],
    ["clone_vm", { source_vmid: 9000, format: "vdi" }, /format="vdi":/, /one of raw, qcow2, vmdk/],
    ["vm_status", { name: "" }, /name="":/, /1 to 255 characters/],
    [
      "set_vm_config",
      { vmid: 105, config: { description: "x".repeat(9000) } },
      /config\.description="x+…:/,
      /at most 8192/,
    ],
    ["node_status", {}, /node is missing/, /What to do: node: Node name, as in pve1$/m],
    ["start_vm", {}, /vmid is missing/, /What to do: vmid: As in 102\. Known are vmid, node, wait/],
    [
      "create_container",
      {},
      /ostemplate is missing/,
      /ostemplate: As in local:vztmpl\/debian.*Known are .*ostemplate.*storage/,
    ],
    // No reader of an error has to read a pattern.
    [
      "check_permissions",
      { path: "vms" },
      /path="vms": it must be as its description says/,
      /path: .*as in \/vms\/102/,
    ],
    ["list_tasks", { type: "qm start" }, /type="qm start": it must be as/, /type: As in qmstart/],
    ["vm_status", {}, /Neither vmid nor name was given/, /list_vms/],
    ["node_status", { node: "../../x" }, /node="\.\.\/\.\.\/x"/, /must be a node's name: letters, digits and hyphens/],
    ["list_storage", { node: "pve1/../pve2" }, /node="pve1\/\.\.\/pve2"/, /letters, digits and hyphens/],
    ["create_vm", { node: "../../x" }, /No node "\.\.\/\.\.\/x"/, /The nodes are pve1, pve2, pve3/],
    ["create_container", { ostemplate: DEBIAN, storage: "../x" }, /No storage "\.\.\/x"/, /ceph, local-lvm/],
  ]);
});

serverTest("unknown arguments are named, and so are the known ones", {}, async (running) => {
  await refuses(running, [
    ["vm_status", { vmid: 100, verbose: true }, /unknown argument "verbose"/, /Known are vmid, name, node/],
    ["next_vmid", { start: 100 }, /unknown argument "start"/, /takes no arguments/],
    ["start_vm", { name: "docker" }, /vmid is missing/, /unknown argument "name"/, /Known are vmid, node, wait/],
    ["stop_vm", { vmid: 102, force: true }, /unknown argument "force"/, /Known are vmid, node, wait/],
    [
      "set_vm_config",
      { vmid: 102, config: { ram: 1 } },
      /unknown setting in config "ram"/,
      /Known are .*cores.*memory/,
    ],
    ["set_container_config", { vmid: 200, config: { sockets: 1 } }, /in config "sockets"/, /Known are .*hostname/],
    ["set_vm_config", { vmid: 105, config: { delete: "scsi0" } }, /unknown setting in config "delete"/],
    ["set_vm_config", { vmid: 105, memory: 512 }, /config is missing/, /unknown argument "memory"/],
    ["vm_status", { vmid: 100, constructor: 1 }, /unknown argument "constructor"/],
    ["vm_status", { vmid: 100, toString: 1, prototype: 2 }, /unknown argument "toString", "prototype"/],
    ["set_vm_config", JSON.parse('{"vmid": 105, "config": {"__proto__": {"memory": 16}}}'), /in config "__proto__"/],
    ["set_vm_config", { vmid: 105, config: '{"__proto__": {"memory": 16}}' }, /in config "__proto__"/],
    ["set_vm_config", { vmid: 105, config: { constructor: { name: "x" } } }, /in config "constructor"/],
  ]);
  // The protocol's own library drops this key; what matters is that it means nothing.
  const polluted = await running.call("vm_status", JSON.parse('{"__proto__": {"vmid": 102}, "vmid": 105}'));
  assert.ok(polluted.isError || polluted.structured?.vmid === 105);
  assert.match(await running.error("vm_status", JSON.parse('{"__proto__": {"vmid": 102}}')), /vmid|__proto__/);
});

serverTest("exact texts are taken for what they say, and everything else is refused", {}, async (running) => {
  const { ok } = running;
  assert.equal((await ok("vm_status", { vmid: "100" })).name, "router");
  assert.equal((await ok("vm_status", { vmid: 100.0 })).name, "router");
  assert.equal((await ok("start_vm", { vmid: "105", wait: "true", wait_timeout: "30" })).state, "ok");
  const change = await ok("set_vm_config", { vmid: "105", config: '{"cores": "3", "onboot": "true", "name": "7"}' });
  assert.deepEqual(change.changes, [
    { key: "name", old: "test", new: "7" },
    { key: "cores", old: "2", new: "3", after_restart: true },
    { key: "onboot", new: "1" },
  ]);
  const range = /whole number from 100 to 999999999/;
  await refuses(running, [
    ["vm_status", { vmid: "1e2" }, /vmid="1e2":/, range],
    ["vm_status", { vmid: " 5" }, /vmid=" 5":/, range],
    ["vm_status", { vmid: "0x10" }, /vmid="0x10":/, range],
    ["vm_status", { vmid: "0100" }, /vmid="0100":/, range],
    ["vm_status", { vmid: "100.0" }, /vmid="100\.0":/, range],
    ["vm_status", { vmid: "100 " }, /vmid="100 ":/, range],
    ["vm_status", { vmid: "" }, /vmid="":/, range],
    ["vm_status", { vmid: "12345678901234567890" }, /vmid="12345678901234567890":/, range],
    ["start_vm", { vmid: 105, wait: "yes" }, /wait="yes":/, /true or false/],
    ["start_vm", { vmid: 105, wait: 1 }, /wait=1:/, /true or false/],
    ["set_vm_config", { vmid: 105, config: { onboot: "True" } }, /config\.onboot="True":/, /true or false/],
    ["set_vm_config", { vmid: 105, config: '{"onboot": "yes"}' }, /config\.onboot="yes":/, /true or false/],
    ["set_vm_config", { vmid: 105, config: '{"memory": 512' }, /config="\{\\"memory\\": 512":/, /JSON object/],
    ["set_vm_config", { vmid: 105, config: "memory=512" }, /config="memory=512":/, /JSON object/],
    ["set_vm_config", { vmid: 105, config: ["memory"] }, /config=\["memory"\]:/, /JSON object/],
  ]);
});

serverTest("an empty or missing config is refused with an example", {}, async (running) => {
  await refuses(running, [
    ["set_vm_config", { vmid: 105, config: {} }, /config is empty/, /config=\{"memory": 4096\}/],
    ["set_container_config", { vmid: 203, config: "{}" }, /config is empty/, /config=\{"memory": 4096\}/],
    ["set_vm_config", { vmid: 105 }, /config is missing/],
    ["set_vm_config", { vmid: 105, config: null }, /config=null:/, /JSON object/],
  ]);
});

serverTest("no error repeats a password", {}, async ({ error }) => {
  const secret = "hunter2-hunter2";
  const texts = await Promise.all([
    error("set_vm_config", { vmid: 105, config: { cipassword: [secret] } }),
    error("set_vm_config", { vmid: 105, config: { cipassword: `${secret}\n` } }),
    error("set_vm_config", { vmid: 105, config: `{"cipassword": "${secret}"` }),
    error("create_container", { ostemplate: DEBIAN, storage: "local-lvm", password: `${secret}\n` }),
    error("create_container", { ostemplate: DEBIAN, storage: "local-lvm", password: { secret } }),
  ]);
  for (const text of texts) {
    assert.match(text, /password|config/);
    assert.ok(!text.includes(secret), text);
  }
});

serverTest(
  "guests that are not what the call means are told apart",
  { simulator: { state: cluster() } },
  async (running) => {
    await refuses(running, [
      ["start_vm", { vmid: 200 }, /200 "dns" is a container on pve1/, /Use start_container/],
      ["stop_container", { vmid: 102 }, /102 "docker" is a VM on pve1/, /Use stop_vm/],
      ["vm_config", { vmid: 203 }, /203 "test" is a container/, /Use container_config/],
      ["set_container_config", { vmid: 105, config: { memory: 512 } }, /105 "test" is a VM/, /Use set_vm_config/],
      ["clone_vm", { source_vmid: 200 }, /200 "dns" is a container/, /Use clone_container/],
      ["vm_status", { name: "nextcloud" }, /202 "nextcloud" is a container on pve2/, /Use container_status/],
      ["start_vm", { vmid: 4711 }, /No VM 4711/, /there are 100 "router"/, /list_vms/],
      ["container_status", { vmid: 2000 }, /No container 2000/, /200 "dns"/, /list_containers/],
      ["vm_status", { name: "dock" }, /No VM called "dock"/, /102 "docker"/, /list_vms/],
      [
        "vm_status",
        { name: "dokcer" },
        /No VM called "dokcer" is visible.* and \d+ more$/m,
        /Probably meant: 102 "docker"\. See list_vms/,
      ],
      ["vm_status", { name: "zzzzzz" }, /there are 100 .* and \d+ more\nWhat to do: See list_vms/],
      ["container_status", { vmid: 202, node: "pve3" }, /Container 202 is on pve2, not on pve3/],
      ["guest_network", { vmid: 202, node: "pve3" }, /Guest 202 is on pve2, not on pve3/],
      ["reboot_container", { vmid: 203 }, /^Container 203 is not running/],
      ["vm_status", { vmid: 102, node: "pve2" }, /VM 102 is on pve1, not on pve2/, /node="pve1"/],
      ["reboot_vm", { vmid: 102, node: "nowhere" }, /VM 102 is on pve1, not on nowhere/, /Leave node out/],
      ["vm_status", { vmid: 102, name: "web-01" }, /102 is called "docker", not "web-01"/, /vmid alone/],
      ["vm_status", { name: "test" }, /2 guests are called "test": 105 .*pve2.*305 .*pve3/, /Give the vmid/],
      ["start_vm", { vmid: 9000 }, /9000 "debian-13-cloud" is a template/, /clone_vm/],
      ["start_container", { vmid: 290 }, /290 "debian-13-base" is a template/, /clone_container/],
      ["reboot_vm", { vmid: 105 }, /VM 105 is not running/, /Use start_vm/],
      ["clone_vm", { source_vmid: 105, full: false }, /105 is not a template/, /full=true/],
      ["clone_vm", { source_vmid: 9000, full: false, storage: "ceph" }, /storage="ceph"/, /Leave storage out/],
    ]);
    // Of a VM and a container with one name the tool's kind decides.
    assert.equal((await running.ok("container_status", { name: "test" })).vmid, 203);
    assert.equal((await running.ok("vm_status", { name: "test", node: "pve3" })).vmid, 305);
  },
);

serverTest(
  "a file or a disk without its storage is answered with how it is written, and what it may be",
  {},
  async (running) => {
    const iso = "debian-13.1.0-amd64-netinst.iso";
    const container = { ostemplate: DEBIAN, storage: "local-lvm" };
    for (const files of running.simulator.state.storages.get("local")?.volumes.values() ?? []) {
      files.delete("iso/virtio-win-0.1.271.iso");
    }
    await refuses(running, [
      ["create_vm", { iso: "virtio-win-0.1.271.iso" }, /Probably meant: nas:iso\/virtio-win-0\.1\.271\.iso\. Write/],
      [
        "create_vm",
        { iso, storage: "local-lvm" },
        /iso="debian-13\.1\.0-amd64-netinst\.iso" names no storage/,
        /There are local:iso\/debian-13\.1\.0-amd64-netinst\.iso, nas:iso\/debian-13\.1\.0-amd64-netinst\.iso\. Write STORAGE:iso\/FILE, as list_templates does/,
      ],
      ["create_vm", { iso: `iso/${iso.toUpperCase()}` }, /names no storage/, /There are local:iso\/debian-13/],
      ["create_vm", { iso: "amd64" }, /names no storage/, /There are local:iso\/debian-13.*, local:iso\/ubuntu-24/],
      ["create_vm", { iso: "freebsd.iso" }, /names no storage/, /What to do: Write STORAGE:iso\/FILE/],
      [
        "create_container",
        { ...container, ostemplate: "debian-12" },
        /ostemplate="debian-12" names no storage/,
        /There are local:vztmpl\/debian-12-standard_12\.12-1_amd64\.tar\.zst, nas:vztmpl\/debian-12/,
      ],
      [
        "create_container",
        { ...container, rootfs: "8" },
        /rootfs="8" names no storage/,
        /STORAGE:GiB, as in local-lvm/,
      ],
      ["create_container", { ...container, mp0: "4,mp=/data" }, /mp0="4,mp=\/data" names no storage/, /STORAGE:GiB/],
      ["create_vm", { scsi1: "32G" }, /scsi1="32G" names no storage/, /STORAGE:GiB.*list_storage/],
    ]);
  },
);

serverTest("copies that PVE refuses lead to those that it makes", {}, async (running) => {
  const { ok } = running;
  const local = /What to do: Leave target out: .*source's node/;
  await refuses(running, [
    [
      "clone_container",
      { source_vmid: 202 },
      /Full clone of a running container/,
      /create_container_snapshot.*snapname/,
    ],
    [
      "clone_vm",
      { source_vmid: 9000, target: "pve2" },
      /can't clone VM to node 'pve2' \(VM uses local storage\)/,
      local,
    ],
    ["clone_vm", { source_vmid: 9000, target: "pve2", storage: "ceph" }, /VM uses local storage/, /a VM only if/],
    ["clone_vm", { source_vmid: 101, target: "pve2", storage: "local-lvm" }, /non-shared storage 'local-lvm'/, local],
    ["clone_container", { source_vmid: 203, target: "pve1" }, /CT uses local storage/, /A container can be copied/],
  ], true);
  await ok("create_container_snapshot", { vmid: 202, snapname: "now" });
  assert.equal((await ok("clone_container", { source_vmid: 202, snapname: "now" })).state, "ok");
  assert.equal((await ok("clone_container", { source_vmid: 203, target: "pve1", storage: "ceph" })).node, "pve1");
  assert.equal((await ok("clone_vm", { source_vmid: 101, target: "pve2" })).node, "pve2");
});

serverTest(
  "nodes, storages, templates and vmids that do not fit are answered with those that do",
  {},
  async (running) => {
    const nodes = /The nodes are pve1, pve2, pve3/;
    await refuses(running, [
      ["node_status", { node: "pve9" }, /pve9/, nodes],
      ["list_storage", { node: "pve9" }, /pve9/, nodes],
      ["list_templates", { node: "pve9" }, /pve9/, nodes],
      ["create_vm", { node: "pve9" }, /No node "pve9"/, nodes],
      ["clone_vm", { source_vmid: 9000, target: "pve9" }, /No node "pve9"/, nodes],
      ["list_templates", { storage: "nvme" }, /No storage "nvme"/, /ceph, local, local-lvm, nas/],
      ["create_vm", { storage: "nvme" }, /No storage "nvme"/, /VM disks: ceph, local-lvm, nas/],
      ["create_vm", { storage: "local" }, /local holds .*not VM disks/, /VM disks: ceph, local-lvm, nas/],
      [
        "create_container",
        { ostemplate: DEBIAN, storage: "nas" },
        /nas holds .*not containers/,
        /containers: ceph, local-lvm/,
      ],
      ["create_container", { ostemplate: DEBIAN }, /Neither storage nor rootfs/, /list_storage/],
      [
        "create_container",
        { ostemplate: DEBIAN.replace("local:", "ceph:"), storage: "ceph" },
        /ceph holds .*not container templates/,
        /container templates: local, nas/,
      ],
      [
        "create_container",
        { ostemplate: "local:vztmpl/debian-99.tar.zst", storage: "local-lvm" },
        /No container template "local:vztmpl\/debian-99\.tar\.zst"/,
        /There are .*debian-12-standard/,
      ],
      ["clone_vm", { source_vmid: 9000, storage: "local" }, /local on pve1 holds .*not VM disks/, /ceph, local-lvm/],
      ["create_vm", { vmid: 102 }, /vmid 102: the VM "docker" on pve1 has it/, /next_vmid/],
      ["create_container", { vmid: 102, ostemplate: DEBIAN, storage: "ceph" }, /102: the VM "docker"/, /next_vmid/],
      ["clone_vm", { source_vmid: 9000, newid: 200 }, /vmid 200: the container "dns"/, /next_vmid/],
      ["clone_container", { source_vmid: 290, newid: 290 }, /vmid 290: the container "debian-13-base"/, /next_vmid/],
      ["create_vm", { vmid: 110 }, /110: no guest has it, but .*earlier one remain.*vzdump-qemu-110/, /next_vmid/],
    ]);
    assert.match(
      (await running.call("list_vms", { node: "pve9" })).text,
      /no guest is on a node pve9.*pve1, pve2, pve3/,
    );
  },
);

serverTest(
  "what PVE itself refuses comes with its words and a remedy",
  { simulator: { state: cluster() } },
  async (running) => {
    const lock = /Wait until the (?:task|operation) that holds the lock/;
    await refuses(running, [
      ["start_vm", { vmid: 306 }, /guest 306 failed: VM is locked \(migrate\)/, lock],
      ["stop_vm", { vmid: 108 }, /guest 108 failed: VM is locked \(backup\)/, lock],
      [
        "set_vm_config",
        { vmid: 108, config: { memory: 8192 } },
        /qemu\/108\/config failed: VM is locked \(backup\)/,
        lock,
      ],
      [
        "create_vm",
        { iso: "local:iso/none.iso" },
        /Task qmcreate .*local:iso\/none\.iso' does not exist/,
        /There are local:iso\/debian-13.*list_templates/,
      ],
      [
        "shutdown_vm",
        { vmid: 107 },
        /guest 107 failed: VM quit\/powerdown failed - got timeout/,
        /stop_\* cuts its power/,
      ],
      [
        "set_vm_config",
        { vmid: 105, config: { scsi3: "nvme:8" } },
        /storage 'nvme' does not exist/,
        /There are ceph, local/,
      ],
      [
        "set_vm_config",
        { vmid: 105, config: { scsi3: "local:8" } },
        /storage 'local' does not support vm images/,
        /images for VM disks/,
      ],
      ["clone_vm", { source_vmid: 105, snapname: "gone" }, /snapshot 'gone' does not exist/, /What to do/],
    ], true);
  },
);

const missing = { PROXMOX_HOST: undefined, PROXMOX_USER: undefined, PROXMOX_TOKEN_VALUE: undefined };

// A variable that is set keeps the server from looking for a file of settings.
serverTest("without settings the tools are listed, and a call names all that is missing", {
  env: { ...missing, PROXMOX_TIMEOUT: "5" },
}, async ({ client, error, requests }) => {
  assert.equal((await client.listTools()).tools.length, usualTools.length);
  for (const [tool, args] of [["list_nodes", {}], ["start_vm", { vmid: 102 }], ["create_vm", {}]] as const) {
    const text = await error(tool, args);
    assert.match(text, /PROXMOX_HOST, PROXMOX_USER, PROXMOX_TOKEN_NAME, PROXMOX_TOKEN_VALUE are not set/);
    assert.match(text, /What to do: Set them .*restart/);
  }
  assert.match(await error("vm_status", { vmid: -1 }), /vmid=-1/);
  assert.equal(requests.length, 0);
});

serverTest("one missing setting is named alone", { env: { PROXMOX_TOKEN_VALUE: "" } }, async ({ error }) => {
  assert.match(await error("list_nodes"), /configured yet: PROXMOX_TOKEN_VALUE is not set/);
});

/** Starts the server, which ends by itself. */
async function start(env: Record<string, string>): Promise<{ code: number; stdout: string; stderr: string }> {
  const [command, ...args] = serverCommand();
  const output = await new Deno.Command(command, {
    args: [...args, "serve"],
    env: { ...inherited(), ...env },
    clearEnv: true,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code: output.code, stdout: decoder.decode(output.stdout), stderr: decoder.decode(output.stderr) };
}

Deno.test("settings that cannot be used end the server with code 2, all named on stderr", async () => {
  const { code, stdout, stderr } = await start({
    PROXMOX_HOST: "pve lan",
    PROXMOX_PORT: "80o6",
    PROXMOX_USER: "agent",
    PROXMOX_TOKEN_VALUE: "agent@pve!mcp=5c0ffee5-0000-4000-8000-00000000feed",
    PROXMOX_VERIFY_SSL: "maybe",
    PROXMOX_FINGERPRINT: "AA:BB",
    PROXMOX_CA_FILE: "/nowhere/ca.pem",
    PROXMOX_READONLY: "true",
    PROXMOX_TIMEOUT: "soon",
  });
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /PROXMOX_HOST is "pve lan".*as in pve\.lan/);
  assert.match(stderr, /PROXMOX_PORT holds the port "80o6".*1 to 65535/);
  assert.match(stderr, /PROXMOX_USER is "agent".*agent@pve/);
  assert.match(stderr, /PROXMOX_TOKEN_VALUE holds more than the secret/);
  assert.match(stderr, /PROXMOX_VERIFY_SSL is "maybe".*true or false/);
  assert.match(stderr, /PROXMOX_FINGERPRINT is "AA:BB".*pvenode cert info/);
  assert.match(stderr, /PROXMOX_CA_FILE \/nowhere\/ca\.pem cannot be read/);
  assert.match(stderr, /PROXMOX_READONLY is not a setting.*PROXMOX_READ_ONLY/);
  assert.match(stderr, /PROXMOX_TIMEOUT is "soon".*1 to 600/);
  assert.doesNotMatch(stderr, /feed|\n {4}at /);
});

Deno.test("junk in the host ends the server with code 2 and an example", async () => {
  for (
    const [host, says] of [
      ["http://pve.lan:8006", /starts with http:\/\/.*https only/],
      ["pve.lan:99999", /holds the port "99999"/],
      ["2001:db8::10", /without brackets.*Write \[2001:db8::10\]/],
      ["root@pve.lan", /holds an @.*PROXMOX_USER/],
      ["pve.lan --allow-run", /not the name or address of one host/],
      ["127.1", /not the name or address of one host/],
      ["../../etc", /not the name or address of one host/],
    ] as const
  ) {
    const { code, stdout, stderr } = await start({ PROXMOX_HOST: host });
    assert.equal(code, 2, host);
    assert.equal(stdout, "", host);
    assert.match(stderr, says);
  }
});

serverTest("an address pasted from the browser is understood", {}, async ({ simulator }) => {
  const https = await serveHttps(simulator, {});
  try {
    const env = { ...settingsFor(https), PROXMOX_HOST: `https://127.0.0.1:${https.port}/#v1:0:18:4:::::::` };
    await withServer({ env }, async ({ ok }) => void await ok("list_nodes"));
  } finally {
    await https.close();
  }
});

const wrongSecret = demoToken.secret.replace(/.$/, "f");
for (
  const [what, env] of [
    ["secret", { PROXMOX_TOKEN_VALUE: wrongSecret }],
    ["token name", { PROXMOX_USER: "agent@pve", PROXMOX_TOKEN_NAME: "other" }],
    ["user", { PROXMOX_USER: "nobody@pve!mcp" }],
  ] as const
) {
  serverTest(`a wrong ${what} is told as such, without the secret`, { env }, async ({ error, requests, stderr }) => {
    for (const [tool, args] of [["list_nodes", {}], ["start_vm", { vmid: 105 }], ["create_vm", {}]] as const) {
      const text = await error(tool, args);
      assert.match(text, /did not accept the API token.*Authentication failed/);
      assert.match(
        text,
        /The token is (?:agent|nobody)@pve!(?:mcp|other)\. .*PROXMOX_TOKEN_VALUE.*PROXMOX_TOKEN_NAME.*expired or is disabled/,
      );
      assert.ok(!`${text}${stderr()}`.includes(wrongSecret) && !text.includes(demoToken.secret));
    }
    assert.ok(requests.every(({ method, status }) => method === "GET" && status === 401));
  });
}

serverTest("a token without any privilege sees empty lists with a hint", {
  env: { PROXMOX_USER: bareToken.id, PROXMOX_TOKEN_VALUE: bareToken.secret },
}, async ({ call, error }) => {
  for (
    const [tool, says] of [
      ["list_vms", /guests: none[^]*lacks VM\.Audit on \/vms[^]*ACLs of its own/],
      ["list_containers", /guests: none[^]*lacks VM\.Audit on \/vms/],
      ["cluster_resources", /resources: none[^]*VM\.Audit/],
      ["list_storage", /storages: none[^]*lacks Datastore\.Audit on \/storage/],
      ["list_templates", /templates: none[^]*lacks Datastore\.Audit on \/storage/],
      ["list_nodes", /pve1 \| online[^]*lacks Sys\.Audit on \/nodes/],
    ] as const
  ) {
    const answer = await call(tool);
    assert.equal(answer.isError, false, tool);
    assert.match(answer.text, says);
  }
  assert.match(await error("start_vm", { vmid: 105 }), /No VM 105 is visible to this token[^]*VM\.Audit on \/vms/);
  assert.match(await error("node_status", { node: "pve1" }), /lacks Sys\.Audit on \/nodes\/pve1.*pveum acl modify/);
  assert.match(
    await error("create_vm"),
    /PVE forbids POST \/nodes\/pve\d\/qemu[^]*For create_vm.* lacks VM\.Allocate on \/vms.*--privs VM\.Allocate/,
  );
});

serverTest("a token that may only look is told what it lacks, where, and how to grant it", {
  env: { PROXMOX_USER: auditorToken.id, PROXMOX_TOKEN_VALUE: auditorToken.secret },
}, async ({ ok, error }) => {
  const text = await error("start_vm", { vmid: 105 });
  assert.match(text, /PVE forbids POST \/nodes\/pve2\/qemu\/105\/status\/start/);
  assert.match(text, /lacks VM\.PowerMgmt on \/vms\/105.*pveum acl modify \/ .*--roles MCP-VM\.PowerMgmt/);
  assert.match(await error("set_vm_config", { vmid: 105, config: { memory: 512 } }), /VM\.Config\.Memory/);
  assert.match(await error("clone_vm", { source_vmid: 9000 }), /lacks VM\.Clone on \/vms\/9000/);
  assert.match(
    await error("create_container", { ostemplate: DEBIAN, storage: "ceph" }),
    /For create_container.* lacks VM\.Allocate on \/vms.*Datastore\.AllocateSpace on \/storage/,
  );
  assert.equal((await ok("vm_status", { vmid: 105 })).status, "stopped");
});

serverTest("no arguments whatever crash the server, show a bug, or send a write unless they are valid", {
  simulator: { state: cluster() },
}, async ({ client, call, ok, requests, stderr }) => {
  const { tools } = await client.listTools();
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(
      "pve1",
      "local-lvm",
      "105",
      "true",
      "none",
      "{}",
      '{"memory": 512}',
      "../../x",
      "\u0000",
      "\u202e",
      "a\nb",
    ),
    fc.constantFrom(-1, 0, 99, 100, 102, 105, 108, 203, 9000, 1.5, 2 ** 31, 2 ** 53, 1e300),
    fc.record({ memory: fc.jsonValue({ maxDepth: 0 }), net0: fc.string(), scsi9: fc.string() }, { requiredKeys: [] }),
  );
  const calls = fc.constantFrom(...tools).chain((tool) => {
    const known = fc.constantFrom("bogus", ...Object.keys(tool.inputSchema.properties ?? {}));
    const key = fc.oneof({ weight: 15, arbitrary: known }, { weight: 1, arbitrary: fc.string() });
    return fc.tuple(fc.constant(tool.name), fc.dictionary(key, value, { maxKeys: 4, noNullPrototype: true }));
  });
  await fc.assert(
    fc.asyncProperty(calls, async ([name, given]) => {
      const before = requests.length;
      const answer = await call(name, given);
      assert.doesNotMatch(answer.text, /This server has a bug/);
      assert.notEqual(answer.text.trim(), "");
      const sent = requests.slice(before);
      if (answer.isError && /^(?:Cannot call|Refused)/.test(answer.text)) {
        assert.deepEqual(sent.filter(({ method }) => method !== "GET"), []);
      }
      if (answer.isError && answer.text.startsWith("Cannot call")) assert.deepEqual(sent, []);
    }),
    { numRuns: 500 },
  );
  assert.equal((await ok("list_nodes")).notes, undefined);
  assert.equal(stderr(), "");
  assert.ok(requests.every(({ method }) => method !== "DELETE"));
});
