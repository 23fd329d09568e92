/** Shows that the simulator destroys: a leak of the no-delete guarantee would be seen. */
import assert from "node:assert/strict";
import { createSimulator, demoCluster, inventory, rootTicket, rootToken } from "../../src/sim/mod.ts";
import type { Guest, State } from "../../src/sim/mod.ts";

const NOON = Date.UTC(2026, 10, 22, 12);
const TOKEN = { authorization: `PVEAPIToken=${rootToken.id}=${rootToken.secret}` };
const TICKET = { cookie: `PVEAuthCookie=${rootTicket.cookie}`, csrfpreventiontoken: rootTicket.csrf };

interface Bench {
  readonly state: State;
  /** Sends a request that has to succeed, task included, and returns `data`. */
  send(
    method: string,
    path: string,
    params?: Record<string, string>,
    headers?: Record<string, string>,
  ): Promise<unknown>;
  /** What was lost since the bench was set up. */
  lost(): string[];
  turn(hours: number): void;
  guest(vmid: number): Guest;
}

function bench(): Bench {
  let now = NOON;
  const state = demoCluster(now);
  const simulator = createSimulator({ state, pace: 0, clock: { now: () => now } });
  const before = inventory(state);
  return {
    state,
    async send(method, path, params = {}, headers = TOKEN) {
      const encoded = new URLSearchParams(params).toString();
      const inBody = method === "POST" || method === "PUT";
      const url = `/api2/json${path}${inBody || encoded === "" ? "" : `?${encoded}`}`;
      const answer = await simulator.answer({ method, url, headers, body: inBody ? encoded : "" });
      assert.equal(answer.status, 200, `${method} ${path}: ${answer.reason} ${answer.body}`);
      const parsed: { data: unknown } = JSON.parse(answer.body);
      const task = typeof parsed.data === "string" ? state.tasks.get(parsed.data) : undefined;
      if (task !== undefined) assert.equal(task.status, "OK", task.log.join("\n"));
      return parsed.data;
    },
    lost() {
      const after = inventory(state);
      return [...before].filter((line) => !after.has(line));
    },
    turn(hours) {
      now += hours * 3_600_000;
      simulator.tick();
    },
    guest(vmid) {
      const guest = state.guests.get(vmid);
      assert.ok(guest !== undefined, `no guest ${vmid}`);
      return guest;
    },
  };
}

function shows(lost: readonly string[], ...patterns: readonly RegExp[]): void {
  for (const pattern of patterns) {
    assert.ok(lost.some((line) => pattern.test(line)), `${pattern} not in\n${lost.join("\n")}`);
  }
}

Deno.test("deleting a guest takes its volumes along", async () => {
  const { send, lost } = bench();
  await send("DELETE", "/nodes/pve2/qemu/105");
  await send("DELETE", "/nodes/pve2/lxc/203");
  shows(
    lost(),
    /^guest qemu\/105$/,
    /^images local-lvm:vm-105-disk-0 /,
    /^guest lxc\/203$/,
    /^rootdir local-lvm:vm-203-disk-0 /,
  );
});

Deno.test("detaching keeps a volume, deleting unused0 frees it", async () => {
  const { send, lost, guest } = bench();
  await send("PUT", "/nodes/pve2/qemu/105/config", { delete: "scsi0" });
  assert.equal(guest(105).config.get("unused0"), "local-lvm:vm-105-disk-0");
  assert.deepEqual(lost(), []);
  await send("PUT", "/nodes/pve2/qemu/105/config", { delete: "unused0" });
  shows(lost(), /^images local-lvm:vm-105-disk-0 /);
});

Deno.test("delete with force frees at once, and so does unlink", async () => {
  const { send, lost } = bench();
  await send("PUT", "/nodes/pve2/qemu/105/config", { delete: "scsi0", force: "1" });
  await send("PUT", "/nodes/pve3/qemu/106/unlink", { idlist: "efidisk0", force: "1" });
  shows(lost(), /vm-105-disk-0 /, /ceph:vm-106-disk-1 /);
});

for (const verb of ["start", "config", "stop"]) {
  Deno.test(`a forced deletion that somebody left pending is carried out by ${verb}`, async () => {
    const { send, lost, guest } = bench();
    guest(105).pendingDelete.set("scsi0", true);
    if (verb === "config") await send("PUT", "/nodes/pve2/qemu/105/config", { cores: "4" });
    else await send("POST", `/nodes/pve2/qemu/105/status/${verb}`);
    shows(lost(), /^images local-lvm:vm-105-disk-0 /);
  });
}

for (const verb of ["shutdown", "reboot", "stop"]) {
  Deno.test(`a forced deletion on a running guest waits for its ${verb}`, async () => {
    const { send, lost, guest } = bench();
    await send("POST", "/nodes/pve3/qemu/106/status/start");
    await send("PUT", "/nodes/pve3/qemu/106/config", { delete: "efidisk0", force: "1" });
    assert.deepEqual(lost(), []);
    assert.equal(guest(106).pendingDelete.get("efidisk0"), true);
    const config = await send("GET", "/nodes/pve3/qemu/106/config");
    assert.ok(typeof config === "object" && config !== null && !("efidisk0" in config), "GET config hides it");
    await send("POST", `/nodes/pve3/qemu/106/status/${verb}`);
    shows(lost(), /^images ceph:vm-106-disk-1 /);
  });
}

Deno.test("naming a used slot pushes its volume out to unused0", async () => {
  const { send, lost, guest } = bench();
  await send("PUT", "/nodes/pve2/qemu/105/config", { scsi0: "local-lvm:4" });
  assert.equal(guest(105).config.get("unused0"), "local-lvm:vm-105-disk-0");
  assert.deepEqual(lost(), []);
});

Deno.test("another medium in the cloud-init drive frees the old one", async () => {
  const { send, lost } = bench();
  await send("PUT", "/nodes/pve1/qemu/9000/config", { ide2: "none,media=cdrom" });
  shows(lost(), /^images local-lvm:vm-9000-cloudinit /);
});

Deno.test("a rollback loses what was written since", async () => {
  const { send, lost } = bench();
  await send("POST", "/nodes/pve1/qemu/102/snapshot/before-upgrade/rollback");
  shows(lost(), /^images local-lvm:vm-102-disk-0 .*since-written$/);
});

Deno.test("deleting a snapshot loses it", async () => {
  const { send, lost } = bench();
  await send("DELETE", "/nodes/pve1/qemu/102/snapshot/before-upgrade");
  shows(lost(), /^snapshot 102@before-upgrade$/);
});

Deno.test("a backup prunes older ones by default, and not with remove=0", async () => {
  const one = bench();
  await one.send("POST", "/nodes/pve1/vzdump", { vmid: "100", storage: "local" });
  shows(one.lost(), /^backup local:backup\/vzdump-qemu-100-2026_11_19/);
  const other = bench();
  await assert.rejects(
    other.send("POST", "/nodes/pve1/vzdump", { vmid: "100", storage: "local", remove: "0" }),
    /job errors|limit/,
  );
  assert.deepEqual(other.lost(), []);
});

Deno.test("a scheduled backup prunes when the clock passes its time; protected backups stay", () => {
  const { lost, turn } = bench();
  turn(13.9);
  assert.deepEqual(lost(), []);
  turn(24 * 9);
  shows(lost(), /^backup nas:backup\/vzdump-qemu-102-/);
  assert.equal(lost().some((line) => line.startsWith("protected")), false);
});

Deno.test("restoring over a guest with force replaces its volumes and snapshots", async () => {
  const { send, lost, state, guest } = bench();
  guest(102).run = undefined;
  const [archive] = [...state.storages.get("nas")?.volumes.get("")?.keys() ?? []].filter((name) =>
    name.includes("qemu-102")
  );
  await send("POST", "/nodes/pve1/qemu", { vmid: "102", archive: `nas:${archive}`, force: "1" });
  shows(lost(), /^snapshot 102@before-upgrade$/, /^images local-lvm:vm-102-disk-0 /);
});

Deno.test("moving a disk with delete=1 frees the source, without it the source stays as unused0", async () => {
  const { send, lost, guest } = bench();
  await send("POST", "/nodes/pve2/qemu/105/move_disk", { disk: "scsi0", storage: "ceph" });
  assert.equal(guest(105).config.get("unused0"), "local-lvm:vm-105-disk-0");
  assert.deepEqual(lost(), []);
  await send("POST", "/nodes/pve3/qemu/107/move_disk", { disk: "scsi0", storage: "ceph", delete: "1" });
  shows(lost(), /^images local-lvm:vm-107-disk-0 /);
});

Deno.test("prunebackups, lifting protection and deleting a volume do what they say", async () => {
  const { send, lost } = bench();
  await send("DELETE", "/nodes/pve1/storage/nas/prunebackups", { "prune-backups": "keep-last=1" });
  shows(lost(), /^backup nas:backup\/vzdump-qemu-104-/);
  await send("PUT", "/nodes/pve1/storage/nas/content/nas:backup%2Fvzdump-qemu-102-2026_07_25-12_00_00.vma.zst", {
    protected: "0",
  });
  shows(lost(), /^protected nas:backup\/vzdump-qemu-102-2026_07_25/);
  await send("DELETE", "/nodes/pve1/storage/nas/content/nas:backup%2Fvzdump-qemu-102-2026_07_25-12_00_00.vma.zst");
  shows(lost(), /^backup nas:backup\/vzdump-qemu-102-2026_07_25/);
});

Deno.test("wiping a disk and batches are for root itself, and obeyed", async () => {
  const { send, lost } = bench();
  await assert.rejects(send("PUT", "/nodes/pve1/disks/wipedisk", { disk: "/dev/sdb" }), /user != root@pam/);
  await send("PUT", "/nodes/pve1/disks/wipedisk", { disk: "/dev/sdb" }, TICKET);
  const commands = JSON.stringify([{ path: "qemu/105", method: "DELETE" }]);
  await send("POST", "/nodes/pve2/execute", { commands }, TICKET);
  shows(lost(), /^device pve1:\/dev\/sdb /, /^guest qemu\/105$/);
});

Deno.test("protection and locks hold", async () => {
  const { send, lost, guest } = bench();
  guest(104).run = undefined;
  await assert.rejects(send("DELETE", "/nodes/pve2/qemu/104"), /protection mode enabled/);
  guest(108).run = undefined;
  await assert.rejects(send("DELETE", "/nodes/pve3/qemu/108"), /locked \(backup\)/);
  assert.deepEqual(lost(), []);
});

Deno.test("a guest that is started with somebody else's volume ruins it", async () => {
  const { send, lost } = bench();
  await send("PUT", "/nodes/pve2/qemu/105/config", { scsi1: "ceph:vm-104-disk-1" });
  assert.deepEqual(lost(), []);
  await send("POST", "/nodes/pve2/qemu/105/status/start");
  shows(lost(), /^images ceph:vm-104-disk-1 /);
});

Deno.test("a disk that is handed to another guest is lost to the first", async () => {
  const { send, lost, guest } = bench();
  await send("POST", "/nodes/pve2/qemu/105/move_disk", { disk: "scsi0", "target-vmid": "103", "target-disk": "scsi5" });
  shows(lost(), /^images local-lvm:vm-105-disk-0 /);
  assert.match(String(guest(103).config.get("scsi5")), /^local-lvm:vm-103-disk-0,/);
});

Deno.test("a new guest's backups push out those of the guest that had its number before", async () => {
  const { send, lost } = bench();
  await send("POST", "/nodes/pve1/qemu", { vmid: "110" });
  for (let i = 0; i < 3; i++) {
    await send("POST", "/nodes/pve1/vzdump", { vmid: "110", storage: "nas", "prune-backups": "keep-last=2" });
  }
  shows(lost(), /^backup nas:backup\/vzdump-qemu-110-/);
});
