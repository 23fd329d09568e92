/** The stories of the README, played in exactly the calls that it names, by a client over stdio against the simulator. */
import assert from "node:assert/strict";
import { ROOT, type Running, type RunOptions, serverTest } from "../helpers/server.ts";

const readme = await Deno.readTextFile(`${ROOT}README.md`);

/** The calls that the README names beside what a person says. */
function callsFor(said: string): string[] {
  const row = readme.split("\n").find((line) => line.startsWith(`| ${said} `));
  assert.ok(row !== undefined, `The README does not tell what follows on: ${said}`);
  return [...(row.split("|")[2] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
}

type Answers = (name: string, args: Record<string, unknown>) => Promise<Record<string, unknown>>;

/** One story; `count` is how many calls it may take, which the README names one by one. */
function story(
  said: string,
  count: number,
  options: RunOptions,
  play: (call: Answers, it: Running) => Promise<void>,
): void {
  serverTest(`"${said}" in ${count} ${count === 1 ? "call" : "calls"}`, options, async (it) => {
    const made: string[] = [];
    await play((name, args) => {
      made.push(name);
      return it.ok(name, args);
    }, it);
    assert.deepEqual(made, callsFor(said));
    assert.equal(made.length, count);
  });
}

const first = {
  env: { PROXMOX_TOOLSETS: "default,images,cloudinit", PROXMOX_DOWNLOAD_HOSTS: "cloud.debian.org" },
};
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample user@example";

/** No guest, no file: as PVE is after its installation. */
function emptied({ simulator }: Running): void {
  const { state } = simulator;
  state.guests.clear();
  for (const storage of state.storages.values()) storage.volumes.clear();
  for (const pool of state.pools.values()) pool.guests.clear();
}

story(
  "A Debian 13 container on local-lvm; no template is there yet. What is its address?",
  2,
  first,
  async (call, it) => {
    emptied(it);
    const fetched = await call("download_template", { template: "debian-13-standard" });
    assert.equal(fetched.state, "ok");
    const made = await call("create_container", {
      ostemplate: fetched.volid,
      storage: "local-lvm",
      hostname: "fresh",
      ssh_public_keys: KEY,
      start: true,
    });
    assert.equal(made.state, "ok");
    assert.match(String(made.addresses), /^192\.0\.2\.\d+\/24$/);
    assert.equal(it.simulator.state.guests.size, 1);
    assert.ok(it.simulator.state.guests.get(Number(made.vmid))?.run !== undefined);
  },
);

story("A VM from Debian's cloud image, running, with my SSH key in it.", 2, first, async (call, it) => {
  emptied(it);
  const image = await call("download_url", {
    url: "https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-amd64.qcow2",
    checksum: "ab".repeat(64),
  });
  assert.equal(image.state, "ok");
  const made = await call("create_cloudinit_vm", {
    image: image.volid,
    name: "cloud",
    storage: "local-lvm",
    ciuser: "me",
    sshkeys: KEY,
  });
  assert.equal(made.state, "ok");
  const guest = it.simulator.state.guests.get(Number(made.vmid));
  assert.ok(guest?.run !== undefined);
  assert.equal(decodeURIComponent(String(guest.config.get("sshkeys"))).trim(), KEY);
  assert.match(String(guest.config.get("scsi0")), /,size=16G$/);
});

story("Make a snapshot of 105, give it 4 GB, and show me its snapshots.", 3, {}, async (call, { simulator }) => {
  const guest = simulator.state.guests.get(105);
  const kept = await call("create_vm_snapshot", { vmid: 105, snapname: "before-memory" });
  assert.equal(kept.state, "ok");
  const changed = await call("set_vm_config", { vmid: 105, config: { memory: 4096 } });
  assert.deepEqual(changed.changes, [{ key: "memory", old: "2048", new: "4096" }]);
  const { snapshots } = await call("list_snapshots", { vmid: 105 });
  assert.match(JSON.stringify(snapshots), /"before-memory"/);
  assert.equal(guest?.snapshots.get("before-memory")?.config.get("memory"), "2048");
});

story("Is everything backed up?", 1, {}, async (call, { simulator }) => {
  const { guests, without } = await call("list_backups", {});
  assert.ok(Array.isArray(guests) && Array.isArray(without));
  const kept = new Set(
    [...simulator.state.storages.values()].flatMap((storage) =>
      [...storage.volumes.values()].flatMap((volumes) => [...volumes.values()])
    ).flatMap(({ content, vmid }) => content === "backup" && vmid !== undefined ? [vmid] : []),
  );
  const bare = [...simulator.state.guests.values()].flatMap(({ vmid, config }) =>
    config.get("template") === 1 || kept.has(vmid) ? [] : [vmid]
  ).sort((a, b) => a - b);
  assert.ok(bare.includes(105) && !bare.includes(101));
  assert.deepEqual(without.map((row: unknown) => Number(Object(row).vmid)), bare);
});
