/** A guest moves only when nothing of it would be copied to the other node, and removed where it was. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { PveError } from "../../src/errors.ts";
import { createClient } from "../../src/pve/client.ts";
import { runCheck } from "../../src/safety/checks.ts";
import { admit } from "../../src/safety/gate.ts";
import { volumesIn } from "../../src/safety/move.ts";
import { assertRefused } from "../helpers/refusal.ts";

type Given = Readonly<Record<string, unknown>>;

const VM = "POST /nodes/{node}/qemu/{vmid}/migrate";
const CONTAINER = "POST /nodes/{node}/lxc/{vmid}/migrate";
const given = { node: "pve1", vmid: 100, target: "pve2" };
const online = (...names: string[]) => names.map((node) => ({ type: "node", node, status: "online" }));
const row = (node: string, storage: string, over: Given = {}) => ({
  type: "storage",
  node,
  storage,
  status: "available",
  content: "images,rootdir",
  shared: 0,
  ...over,
});
const ceph = [row("pve1", "ceph", { shared: 1 }), row("pve2", "ceph", { shared: 1 })];

/** What PVE tells; everything that is not said stands for a guest that may move. */
interface Scene {
  readonly pending?: readonly Given[];
  readonly status?: Given;
  readonly nodes?: readonly Given[];
  readonly config?: Given;
  readonly storages?: readonly Given[];
  /** Volumes by storage of pve1; null: it cannot be read. */
  readonly contents?: Readonly<Record<string, readonly Given[] | null>>;
  readonly preflight?: Given | null;
}

async function check(call: typeof VM | typeof CONTAINER, scene: Scene = {}, params: Given = given): Promise<string[]> {
  const kind = call === VM ? "qemu" : "lxc";
  const asked: string[] = [];
  const { signal } = new AbortController();
  const client = createClient((called, params, options) => {
    assert.equal(options.signal, signal);
    const { path, query } = admit(called, params);
    const address = `${path}${query === "" ? "" : `?${query}`}`;
    asked.push(address);
    const own: Readonly<Record<string, unknown>> = {
      [`/nodes/pve1/${kind}/100/pending`]: scene.pending ?? [],
      [`/nodes/pve1/${kind}/100/status/current`]: scene.status ?? { status: "stopped", ha: { managed: 0 } },
      [`/nodes/pve1/${kind}/100/config`]: scene.config ?? { scsi0: "ceph:vm-100-disk-0", memory: "512" },
      "/cluster/resources?type=node": scene.nodes ?? online("pve1", "pve2", "pve3"),
      "/cluster/resources?type=storage": scene.storages ?? ceph,
      "/nodes/pve1/qemu/100/migrate?target=pve2": scene.preflight === undefined ? {} : scene.preflight ?? undefined,
      ...Object.fromEntries(
        Object.entries(scene.contents ?? {}).map(([name, rows]) => [
          `/nodes/pve1/storage/${name}/content?vmid=100`,
          rows ?? undefined,
        ]),
      ),
    };
    const data = own[address];
    return Promise.resolve({
      status: data === undefined ? 500 : 200,
      reason: data === undefined ? "nobody expected this" : "OK",
      contentType: "application/json",
      body: JSON.stringify({ data }),
    });
  });
  assert.deepEqual(await runCheck("move", call, params, client, { signal }), {});
  return asked;
}

async function refuses(why: RegExp, ...args: Parameters<typeof check>): Promise<void> {
  await assertRefused(check(...args), why);
}

for (const call of [VM, CONTAINER] as const) {
  const kind = call === VM ? "qemu" : "lxc";
  const slot = call === VM ? "scsi0" : "rootfs";

  Deno.test(`${kind}: a guest whose volumes are all shared may move`, async () => {
    const asked = await check(call, { config: { [slot]: "ceph:vm-100-disk-0" } });
    const read = ["status/current", "config", "pending"].map((end) => `/nodes/pve1/${kind}/100/${end}`);
    assert.deepEqual(asked, [
      read[0],
      "/cluster/resources?type=node",
      read[1],
      "/cluster/resources?type=storage",
      ...call === VM ? ["/nodes/pve1/qemu/100/migrate?target=pve2"] : [],
      read[2],
    ]);
    await check(call, { config: {} });
    await check(call, { status: { status: "running" } });
  });

  Deno.test(`${kind}: what is on the way, or not to be touched, stops it`, async () => {
    await refuses(/pending change that would remove its disk/, call, {
      pending: [{ key: slot, value: "ceph:vm-100-disk-0", delete: 1 }],
    });
    await refuses(/locked \(suspended\).*start_vm resumes it/, call, { status: { lock: "suspended" } });
    await refuses(/locked \(backup\).*Wait until/, call, { status: { lock: "backup" } });
    const sid = call === VM ? "vm:100" : "ct:100";
    await refuses(new RegExp(`managed by HA.*ha-manager migrate ${sid} pve2`), call, {
      status: { ha: { managed: 1 } },
    });
    await refuses(/is on pve1 already/, call, {}, { ...given, target: "pve1" });
    for (const target of [undefined, 5, null]) await refuses(/target is missing/, call, {}, { ...given, target });
    for (const params of [{ node: "pve1", target: "pve2" }, { vmid: 100, target: "pve2" }]) {
      await refuses(/node and vmid are missing/, call, {}, params);
    }
  });

  Deno.test(`${kind}: the target has to be online, and is named otherwise`, async () => {
    const offline = { type: "node", node: "pve2", status: "offline" };
    await refuses(/target="pve2": no such node is online.*Online besides pve1: pve3, pve4$/, call, {
      nodes: [...online("pve4", "pve1", "pve3"), offline, { type: "node", status: "online" }],
    });
    await refuses(/No other node is online/, call, { nodes: [...online("pve1"), offline] });
    await refuses(/no such node is online/, call, { nodes: [{ type: "node", status: "online" }] });
    await refuses(/no such node is online/, call, { nodes: [{ type: "node", node: "pve2", status: "unknown" }] });
  });

  Deno.test(`${kind}: every volume that the configuration names has to be on shared storage of both nodes`, async () => {
    const slots = call === VM
      ? ["scsi0", "scsi30", "virtio15", "sata5", "ide3", "efidisk0", "tpmstate0", "unused0", "unused12", "vmstate"]
      : ["rootfs", "mp0", "mp255", "unused0"];
    for (const name of slots) {
      const config = { [name]: "lvm:vm-100-disk-0,size=8G" };
      const local = [...ceph, row("pve1", "lvm", { content: "iso" }), row("pve2", "lvm", { content: "iso" })];
      const why = new RegExp(
        `${name} of guest 100 is lvm:vm-100-disk-0, on a storage that only pve1 has.*copy it and remove`,
      );
      await refuses(why, call, { config, storages: local });
      const unseen = new RegExp(`${name} .*does not see whether the storage lvm is shared.*Datastore\\.Audit`);
      await refuses(unseen, call, { config });
      // The other node's row says nothing about this one's.
      await refuses(unseen, call, { config, storages: [...ceph, row("pve2", "lvm", { shared: 1 })] });
      const shared = [row("pve1", "lvm", { shared: 1 }), row("pve2", "lvm", { shared: 1 })];
      await check(call, { config, storages: shared });
      const lacking = new RegExp(`${name} .* on the storage lvm, which is not available on pve2`);
      await refuses(lacking, call, { config, storages: [...ceph, row("pve1", "lvm", { shared: 1 })] });
      const [here = {}] = shared;
      await refuses(lacking, call, { config, storages: [here, row("pve2", "lvm", { shared: 1, status: "unknown" })] });
      await refuses(lacking, call, { config, storages: [here, row("pve3", "lvm", { shared: 1 })] });
      for (const bound of ["/dev/sdb", "/srv/data,mp=/srv", "cdrom,media=cdrom", "x", "a/b:c", ":x", "lvm:", ":x:y"]) {
        const why = new RegExp(`${name} of guest 100 is .*which belongs to the node itself.*Only a person`);
        await refuses(why, call, { config: { [name]: bound } });
        // A row that names no storage is nobody's.
        const nameless = ["pve1", "pve2"].map((node) => ({ ...row(node, "x", { shared: 1 }), storage: undefined }));
        await refuses(why, call, { config: { [name]: bound }, storages: [...ceph, ...nameless] });
      }
      await refuses(/whether the storage a is shared/, call, { config: { [name]: "a:x" } });
    }
    for (
      const other of [
        "net0",
        "memory",
        "xscsi0",
        "scsi0x",
        "scsi",
        "mp",
        "xmp0",
        "vmstatestorage",
        "unused",
        "xvmstate",
      ]
    ) {
      await check(call, { config: { [other]: "lvm:vm-100-disk-0" } });
    }
    const image = row("pve1", "local", { content: "iso" });
    await refuses(/is local:iso\/a\.iso, on a storage that only pve1 has.*iso=none takes the image out/, call, {
      config: { [call === VM ? "ide2" : "mp0"]: "local:iso/a.iso,media=cdrom" },
      storages: [...ceph, image],
    });
    // What the caller can mend comes last, in whatever order PVE tells them.
    const [cdrom, disk] = [{ ide2: "local:iso/a.iso,media=cdrom" }, { unused3: "lvm:vm-100-disk-0" }];
    for (const config of [{ ...cdrom, ...disk }, { ...disk, ...cdrom }]) {
      await refuses(/unused3 of guest 100 is lvm:vm-100-disk-0, on a storage that only pve1 has/, call, {
        config,
        storages: [...ceph, image, row("pve1", "lvm", { content: "iso" })],
      });
      const asNeeded = { ...config, unused3: "ceph:vm-100-disk-0" };
      await refuses(/ide2 of guest 100 is local:iso\/a\.iso/, call, { config: asNeeded, storages: [...ceph, image] });
    }
    await check(call, { config: { [call === VM ? "ide2" : "mp0"]: "none,media=cdrom" } });
    await check(call, {
      config: { [call === VM ? "ide2" : "mp0"]: "nas:iso/a.iso,media=cdrom" },
      storages: [row("pve1", "nas", { shared: 1, content: "iso" }), row("pve2", "nas", { shared: 1, content: "iso" })],
    });
  });

  Deno.test(`${kind}: what no configuration names stays where it is, and so does the guest`, async () => {
    const config = { [slot]: "ceph:vm-100-disk-0" };
    const storages = [...ceph, row("pve1", "lvm"), row("pve1", "local", { content: "iso,backup" })];
    const orphan = { volid: "lvm:vm-100-disk-9", vmid: 100, content: "images" };
    await refuses(/lvm:vm-100-disk-9 is guest 100's, on a storage that only pve1 has.*copy it and remove/, call, {
      config,
      storages,
      contents: { lvm: [{ volid: "lvm:vm-7-disk-0", vmid: 7, content: "images" }, orphan] },
    });
    for (const content of ["images", "rootdir", undefined]) {
      await refuses(/lvm:vm-100-disk-9/, call, {
        config,
        storages: [...ceph, row("pve1", "lvm", { content })],
        contents: { lvm: [{ ...orphan, content: "rootdir" }] },
      });
    }
    const harmless = [{ ...orphan, vmid: 101 }, { ...orphan, content: "backup" }, {
      volid: "lvm:x",
      content: "images",
    }];
    await check(call, { config, storages, contents: { lvm: harmless } });
    await check(call, { config, storages: [...ceph, { ...row("pve1", "x"), storage: undefined }] });
    await check(call, { config, storages: [...ceph, row("pve2", "lvm"), row("pve3", "other")] });
    // It may hold anything.
    await assert.rejects(check(call, { config, storages, contents: { lvm: null } }), PveError);
    const hung = [...ceph, row("pve1", "lvm", { status: "unknown" })];
    await refuses(/vm-100-disk-9/, call, { config, storages: hung, contents: { lvm: [orphan] } });
  });
}

Deno.test("PVE's own look is heeded: disks, devices, nodes", async () => {
  const disk = { volid: "lvm:vm-100-disk-3", is_unused: 0, cdrom: 0 };
  await refuses(/VM 100 has lvm:vm-100-disk-3, which only pve1 has.*copy it/, VM, {
    preflight: { local_disks: [disk] },
  });
  await refuses(/lvm:vm-100-disk-3/, VM, { preflight: { local_disks: [{ volid: "none", cdrom: 1 }, disk] } });
  await check(VM, { preflight: { local_disks: [{ volid: "none", cdrom: 1 }], local_resources: [] } });
  await refuses(/uses hostpci0, a device of pve1.*Only a person/, VM, { preflight: { local_resources: ["hostpci0"] } });
  const hindered = { pve2: { unavailable_storages: ["nas"] } };
  await refuses(/cannot go to pve2: \{"unavailable_storages":\["nas"\]\}/, VM, {
    preflight: { not_allowed_nodes: hindered },
  });
  await check(VM, { preflight: { not_allowed_nodes: { pve3: { unavailable_storages: ["nas"] } }, allowed_nodes: [] } });
  await assert.rejects(check(VM, { preflight: null }), PveError);
  // Containers have no such look before PVE 9.1.
  await check(CONTAINER, { preflight: null, config: { rootfs: "ceph:vm-100-disk-0" } });
});

Deno.test("no volume of a configuration is overlooked", () => {
  const slot = fc.oneof(
    fc.integer({ min: 0, max: 30 }).map((n) => `scsi${n}`),
    fc.integer({ min: 0, max: 255 }).map((n) => `mp${n}`),
    fc.integer({ min: 0, max: 255 }).map((n) => `unused${n}`),
    fc.constantFrom("rootfs", "efidisk0", "tpmstate0", "vmstate", "ide2", "sata5", "virtio15"),
  );
  const volume = fc.constantFrom("local-lvm:vm-100-disk-0", "nas:100/vm-100-disk-0.qcow2", "/dev/sdb");
  fc.assert(fc.property(slot, volume, fc.constantFrom("", ",size=8G", ",mp=/srv,backup=1"), (name, volume, rest) => {
    assert.deepEqual(volumesIn({ memory: "512", [name]: `${volume}${rest}`, net0: "virtio,bridge=vmbr0" }), [
      [name, volume],
    ]);
    assert.deepEqual(volumesIn({ [name]: `none${rest}` }), []);
  }));
});
