/** Ways of losing data that were open once: each with the request that is refused now, and the nearest that is let through. */
import assert from "node:assert/strict";
import { Refusal } from "../../src/errors.ts";
import { createClient, type Send } from "../../src/pve/client.ts";
import { connect } from "../../src/pve/connection.ts";
import { admit, entryOf } from "../../src/safety/gate.ts";
import { createSimulator, demoCluster, demoToken, inventory, type State } from "../../src/sim/mod.ts";
import { allocate, GIB } from "../../src/sim/disks.ts";
import { simulatorTransport } from "../../src/sim/transport.ts";

const NOON = Date.UTC(2026, 10, 22, 12);
const vm = { node: "pve2", vmid: 105 };
const container = { node: "pve2", vmid: 203 };
const VM_CONFIG = "PUT /nodes/{node}/qemu/{vmid}/config";
const CT_CONFIG = "PUT /nodes/{node}/lxc/{vmid}/config";

/** A client in front of the demo's cluster; `through`: what stands between it and PVE. */
function client(state: State, through: (send: Send) => Send = (send) => send) {
  const simulator = createSimulator({ state, pace: 0, clock: { now: () => NOON } });
  const send = connect(simulatorTransport(simulator, `PVEAPIToken=${demoToken.id}=${demoToken.secret}`));
  return createClient(through(send));
}

async function digestOf(pve: ReturnType<typeof client>, call: typeof VM_CONFIG | typeof CT_CONFIG): Promise<string> {
  const config = call === VM_CONFIG
    ? await pve.call("GET /nodes/{node}/qemu/{vmid}/config", vm)
    : await pve.call("GET /nodes/{node}/lxc/{vmid}/config", container);
  return String(config.digest);
}

function storageOf(state: State, id: string) {
  const storage = state.storages.get(id);
  assert.ok(storage !== undefined);
  return storage;
}

Deno.test("a detached volume whose deletion is pending is not freed by a start or a change", async () => {
  const state = demoCluster(NOON);
  const guest = state.guests.get(203);
  const base = { storage: storageOf(state, "local-lvm"), node: "pve2", vmid: 203, content: "rootdir" } as const;
  guest?.config.set("unused0", `local-lvm:${allocate(state, { ...base, size: GIB, now: NOON }).name}`);
  const before = inventory(state);
  const pve = client(state);
  guest?.pendingDelete.set("unused0", true);
  await assert.rejects(pve.call("POST /nodes/{node}/lxc/{vmid}/status/start", container), /pending change.*unused0/);
  const digest = await digestOf(pve, CT_CONFIG);
  await assert.rejects(pve.call(CT_CONFIG, { ...container, memory: 1024, digest }), /pending change.*unused0/);
  assert.deepEqual(inventory(state), before);
  guest?.pendingDelete.clear();
  await pve.call("POST /nodes/{node}/lxc/{vmid}/status/start", container);
  assert.deepEqual(inventory(state), before);
});

Deno.test("a volume that hangs in a CD-ROM drive is not replaced; an ISO image with an odd name is", async () => {
  const state = demoCluster(NOON);
  const guest = state.guests.get(105);
  const pve = client(state);
  guest?.config.set("ide2", "local-lvm:vm-105-disk-0,media=cdrom");
  const swap = async () =>
    await pve.call(VM_CONFIG, { ...vm, ide2: "none,media=cdrom", digest: await digestOf(pve, VM_CONFIG) });
  await assert.rejects(swap(), /ide2 of guest 105 holds local-lvm:vm-105-disk-0/);
  guest?.config.set("ide2", "local:iso/cloudinit-seed.iso,media=cdrom,size=4M");
  await swap();
  assert.equal(guest?.config.get("ide2"), "none,media=cdrom");
});

Deno.test("a vmid is not given out while a storage for backups cannot be read", async () => {
  const state = demoCluster(NOON);
  /** What PVE says of storages; `status` is that of the NAS, which holds a backup of the guest that was 110. */
  const nasIs = (nodes: readonly string[], status: string) => (send: Send): Send => async (call, params, options) => {
    const answer = await send(call, params, options);
    if (call !== "GET /cluster/resources" || params.type !== "storage") return answer;
    const { data }: { data: { storage: string; node: string; status: string }[] } = JSON.parse(answer.body);
    for (const row of data) if (row.storage === "nas" && nodes.includes(row.node)) row.status = status;
    return { ...answer, body: JSON.stringify({ data }) };
  };
  const create = (through: (send: Send) => Send) =>
    client(state, through).call("POST /nodes/{node}/qemu", { node: "pve1", vmid: 110 });
  const all = ["pve1", "pve2", "pve3"];
  await assert.rejects(create(nasIs(all, "unknown")), /storage nas of pve\d cannot be read now.*number 110/);
  // One node that reaches it is enough: then the backup is seen.
  await assert.rejects(create(nasIs(["pve1", "pve2"], "unknown")), /Refused vmid 110: .*vzdump-qemu-110/);
  const free = client(state, nasIs(["pve3"], "unknown")).call("POST /nodes/{node}/qemu", { node: "pve1", vmid: 117 });
  assert.match(await free, /^UPID:/);
});

Deno.test("a state check misses nothing because PVE writes it otherwise, or leaves it out", async () => {
  const state = demoCluster(NOON);
  state.guests.get(105)?.pendingDelete.set("scsi0", true);
  const before = inventory(state);
  const told = (change: (row: Record<string, unknown>) => void) =>
    client(state, (send) => async (call, params, options) => {
      const answer = await send(call, params, options);
      const { data }: { data: unknown } = JSON.parse(answer.body);
      if (Array.isArray(data)) data.forEach(change);
      return { ...answer, body: JSON.stringify({ data }) };
    });
  for (const value of [1, 2, "2", true]) {
    const pve = told((row) => "delete" in row && Object.assign(row, { delete: value }));
    await assert.rejects(pve.call("POST /nodes/{node}/qemu/{vmid}/status/start", vm), /pending change.*scsi0/);
  }
  const silent = told((row) => row.type === "storage" && Reflect.deleteProperty(row, "content"));
  await assert.rejects(silent.call("POST /nodes/{node}/qemu", { node: "pve1", vmid: 110 }), /vzdump-qemu-110/);
  assert.deepEqual(inventory(state), before);
});

Deno.test("what does not fit into a storage's free space is not allocated", async () => {
  const state = demoCluster(NOON);
  const pve = client(state);
  const digest = await digestOf(pve, VM_CONFIG);
  const before = inventory(state);
  const full = /do not fit on storage local-lvm of pve2, which has \d+\.\d GiB free/;
  await assert.rejects(pve.call(VM_CONFIG, { ...vm, scsi1: "local-lvm:900", digest }), full);
  // Each fits by itself.
  await assert.rejects(pve.call(VM_CONFIG, { ...vm, scsi1: "local-lvm:500", virtio2: "local-lvm:500", digest }), full);
  const mp0 = "local-lvm:900,mp=/srv";
  const ctDigest = await digestOf(pve, CT_CONFIG);
  await assert.rejects(pve.call(CT_CONFIG, { ...container, mp0, digest: ctDigest }), full);
  await assert.rejects(pve.call("POST /nodes/{node}/qemu", { node: "pve2", vmid: 400, scsi0: "local-lvm:900" }), full);
  const ostemplate = "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst";
  const rest = { node: "pve2", vmid: 400, ostemplate, unprivileged: true };
  await assert.rejects(pve.call("POST /nodes/{node}/lxc", { ...rest, rootfs: "local-lvm:900" }), full);
  await assert.rejects(
    pve.call("POST /nodes/{node}/lxc", { ...rest, rootfs: "local-lvm:400", mp1: "local-lvm:500,mp=/a" }),
    full,
  );
  assert.deepEqual(inventory(state), before);
  await pve.call(VM_CONFIG, { ...vm, scsi1: "local-lvm:500", efidisk0: "local-lvm:900", digest });
  await pve.call("POST /nodes/{node}/lxc", { ...rest, rootfs: "local-lvm:8" });
});

Deno.test("a full clone needs room for the whole of its disks, on the storage and node it goes to", async () => {
  const state = demoCluster(NOON);
  const pve = client(state);
  const fill = (node: string, gib: number) => {
    const base = { storage: storageOf(state, "local-lvm"), node, vmid: 999, content: "images", now: NOON } as const;
    allocate(state, { ...base, size: gib * GIB }).used = gib * GIB;
  };
  const clone = (params: Record<string, unknown>) =>
    pve.call("POST /nodes/{node}/qemu/{vmid}/clone", { ...vm, newid: 400, ...params });
  fill("pve2", 800);
  await assert.rejects(clone({ full: true }), /20\.0 GiB do not fit on storage local-lvm of pve2/);
  await assert.rejects(clone({}), /do not fit/);
  assert.match(await clone({ full: true, storage: "ceph" }), /^UPID:/);
  const template = { node: "pve1", vmid: 9000, full: false };
  fill("pve1", 725);
  assert.match(await clone({ ...template, newid: 401 }), /^UPID:/);
  await assert.rejects(clone({ ...template, newid: 402, full: true }), /8\.0 GiB do not fit/);
});

Deno.test("a request of the gate's shape that the gate has not built is refused, and so is a call by a wrong name", async () => {
  const simulator = createSimulator({ state: demoCluster(NOON), pace: 0, clock: { now: () => NOON } });
  const transport = simulatorTransport(simulator, `PVEAPIToken=${demoToken.id}=${demoToken.secret}`);
  const forged = { call: "GET /version", method: "GET", path: "/version", query: "", body: undefined } as const;
  await assert.rejects(transport(forged, {}), Refusal);
  for (const call of ["constructor", "__proto__", "toString", "DELETE /nodes/{node}/qemu/{vmid}"]) {
    assert.throws(() => Reflect.apply(entryOf, undefined, [call]), Refusal);
  }
});

/** Hands every answer to a call through `change`. */
function answering(call: string, change: (rows: Record<string, unknown>[]) => unknown): (send: Send) => Send {
  return (send) => async (sent, params, options) => {
    const answer = await send(sent, params, options);
    if (sent !== call) return answer;
    const parsed: { data: Record<string, unknown>[] } = JSON.parse(answer.body);
    return { ...answer, body: JSON.stringify({ data: change(parsed.data) }) };
  };
}

Deno.test("a number is not given out while no storage tells its state", async () => {
  const unknown = answering(
    "GET /cluster/resources",
    (rows) => rows.map((row) => row.type === "storage" ? { ...row, status: "unknown" } : row),
  );
  const pve = client(demoCluster(NOON), unknown);
  const create = pve.call("POST /nodes/{node}/qemu", { node: "pve1", vmid: 110 });
  await assert.rejects(create, /cannot be read now, and it may hold backups/);
});

Deno.test("a pending replacement is seen wherever the volume stands in the text", async () => {
  const rows = (volume: string) => [{
    key: "mp0",
    value: "mp=/srv,volume=local-lvm:vm-203-disk-1",
    pending: `mp=/srv,volume=local-lvm:${volume}`,
  }];
  const call = "GET /nodes/{node}/lxc/{vmid}/pending";
  const start = (volume: string) =>
    client(demoCluster(NOON), answering(call, () => rows(volume)))
      .call("POST /nodes/{node}/lxc/{vmid}/status/start", container);
  await assert.rejects(start("vm-203-disk-9"), /pending change that would replace its disk mp0/);
  await start("vm-203-disk-1");
});

Deno.test("no volume has the size 0, which would be a container without a limit", () => {
  const send = (rootfs: string) =>
    admit("POST /nodes/{node}/lxc", {
      node: "pve1",
      vmid: 300,
      unprivileged: true,
      ostemplate: "local:vztmpl/a.tar.gz",
      rootfs,
    });
  for (const size of ["0", "0.0", "0.000", "0.05", "00000.001", "08"]) {
    assert.throws(() => send(`local-lvm:${size}`), Refusal, size);
  }
  for (const size of ["0.1", "0.25", "8", "8.5", "100000"]) send(`local-lvm:${size}`);
});

Deno.test("a password cannot bring lines of its own into cloud-init's file", () => {
  const send = (cipassword: string) => admit(VM_CONFIG, { ...vm, digest: "0".repeat(40), cipassword });
  for (const end of ["\u0085", "\u2028", "\u2029", "\u007f"]) {
    assert.throws(() => send(`$5$a$b${end}runcmd: [x]`), Refusal);
    assert.throws(() => send(`word${end}runcmd: [x]`), Refusal);
  }
  assert.throws(() => send("$5$a$b: [x]"), Refusal);
  for (const password of ["pässword with: blanks", "$5$salt$hash./A", "a$b c"]) send(password);
});
