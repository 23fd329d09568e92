/** What PVE does when nothing stops a destructive request: the simulator is asked directly, past the gate. */
import assert from "node:assert/strict";
import {
  createSimulator,
  demoCluster,
  type Guest,
  inventory,
  rootTicket,
  rootToken,
  type State,
} from "../../src/sim/mod.ts";

const NOON = Date.UTC(2026, 10, 22, 12);
const TOKEN = { authorization: `PVEAPIToken=${rootToken.id}=${rootToken.secret}` };
const TICKET = { cookie: `PVEAuthCookie=${rootTicket.cookie}`, csrfpreventiontoken: rootTicket.csrf };

/** A simulator with nothing in front of it. */
export interface Ungated {
  readonly state: State;
  readonly guest: (vmid: number) => Guest;
  /** Sends a request of root's that has to succeed, its task included. */
  send(method: string, path: string, params?: Record<string, string>, asRoot?: boolean): Promise<void>;
  turn(hours: number): void;
}

export function ungated(): Ungated {
  let now = NOON;
  const state = demoCluster(now);
  const simulator = createSimulator({ state, pace: 0, clock: { now: () => now } });
  return {
    state,
    guest(vmid) {
      const found = state.guests.get(vmid);
      assert.ok(found !== undefined);
      return found;
    },
    async send(method, path, params = {}, asRoot = false) {
      const encoded = new URLSearchParams(params).toString();
      const inBody = method !== "DELETE";
      const answer = await simulator.answer({
        method,
        url: `/api2/json${path}${inBody ? "" : `?${encoded}`}`,
        headers: asRoot ? TICKET : TOKEN,
        body: inBody ? encoded : "",
      });
      assert.equal(answer.status, 200, `${method} ${path}: ${answer.reason} ${answer.body}`);
      const { data }: { data: unknown } = JSON.parse(answer.body);
      const task = typeof data === "string" ? state.tasks.get(data) : undefined;
      if (task !== undefined) assert.equal(task.status, "OK", task.log.join("\n"));
    },
    turn(hours) {
      now += hours * 3_600_000;
      simulator.tick();
    },
  };
}

/** Everything that could be lost, and what hangs where and how large it is. */
export function contents(state: State): Set<string> {
  const lines = inventory(state);
  for (const guest of state.guests.values()) {
    for (const [key, value] of guest.config) {
      if (/^(?:(?:scsi|virtio|sata|ide|mp|unused)\d+|efidisk0|tpmstate0|rootfs|protection)$/.test(key)) {
        lines.add(`${guest.vmid} ${key}: ${value}`);
      }
    }
  }
  return lines;
}

type Scenario = (pve: Ungated) => Promise<void> | void;

const VM = "/nodes/pve2/qemu/105";
const CT = "/nodes/pve2/lxc/203";
const archive = "nas:backup/vzdump-qemu-102-2026_07_25-12_00_00.vma.zst";
const backupOf = (state: State, kind: string, vmid: number) => {
  const names = [...state.storages.get("nas")?.volumes.get("")?.keys() ?? []];
  return `nas:${names.find((name) => name.includes(`${kind}-${vmid}-`)) ?? ""}`;
};

/** Somebody else's volume in a free slot, and the guest started: the volume is written over. */
const foreign = (method: string, slot: string): Scenario => async ({ send }) => {
  await send(method, `${VM}/config`, { [slot]: "ceph:vm-104-disk-1" });
  await send("POST", `${VM}/status/start`);
};
const onConfig = (method: string): Readonly<Record<string, Scenario>> => ({
  delete: async ({ send }) => {
    await send(method, `${VM}/config`, { delete: "scsi0" });
    await send(method, `${VM}/config`, { delete: "unused0" });
  },
  force: ({ send }) => send(method, `${VM}/config`, { delete: "scsi0", force: "1" }),
  "unused[n]": async ({ send }) => {
    // Handed over as its own, and freed with it.
    await send(method, `${VM}/config`, { unused0: "local-lvm:vm-105-disk-0" });
    await send("DELETE", VM);
  },
  protection: async ({ send, guest }) => {
    guest(104).run = undefined;
    await assert.rejects(send("DELETE", "/nodes/pve2/qemu/104"), /protection mode/);
    await send(method, "/nodes/pve2/qemu/104/config", { protection: "0" });
    await send("DELETE", "/nodes/pve2/qemu/104");
  },
  "scsi[n]": ({ send }) => send(method, `${VM}/config`, { scsi0: "local-lvm:1" }),
  "virtio[n]": foreign(method, "virtio0"),
  "sata[n]": foreign(method, "sata0"),
  "ide[n]": ({ send }) => send(method, "/nodes/pve1/qemu/9000/config", { ide2: "none,media=cdrom" }),
  efidisk0: ({ send }) => send(method, "/nodes/pve3/qemu/106/config", { efidisk0: "ceph:1,efitype=4m" }),
  tpmstate0: foreign(method, "tpmstate0"),
});
const newVm = (slot: string): Scenario => async ({ send }) => {
  await send("POST", "/nodes/pve2/qemu", { vmid: "400", [slot]: "ceph:vm-104-disk-1" });
  await send("POST", "/nodes/pve2/qemu/400/status/start");
};
const jobOf = (options: Record<string, string>): Scenario => async ({ send, turn, state }) => {
  state.jobs.clear();
  await send("POST", "/cluster/backup", { id: "fresh", schedule: "hourly", storage: "nas", ...options });
  turn(40);
};

/** By call and parameter; each has to change what the cluster holds. */
export const scenarios: Readonly<Record<string, Readonly<Record<string, Scenario>>>> = {
  "PUT /nodes/{node}/qemu/{vmid}/config": onConfig("PUT"),
  "POST /nodes/{node}/qemu/{vmid}/config": onConfig("POST"),
  "PUT /nodes/{node}/lxc/{vmid}/config": {
    delete: async ({ send, guest }) => {
      guest(202).run = undefined;
      await send("PUT", "/nodes/pve2/lxc/202/config", { delete: "mp0" });
      await send("PUT", "/nodes/pve2/lxc/202/config", { delete: "unused0" });
    },
    protection: async ({ send, guest }) => {
      guest(203).config.set("protection", 1);
      await assert.rejects(send("DELETE", CT), /protection mode/);
      await send("PUT", `${CT}/config`, { protection: "0" });
      await send("DELETE", CT);
    },
    rootfs: ({ send }) => send("PUT", `${CT}/config`, { rootfs: "local-lvm:4" }),
    "mp[n]": async ({ send }) => {
      await send("PUT", `${CT}/config`, { mp0: "ceph:vm-202-disk-1,mp=/srv" });
      await send("POST", `${CT}/status/start`);
    },
    "unused[n]": async ({ send }) => {
      await send("PUT", `${CT}/config`, { unused0: "local-lvm:vm-203-disk-0" });
      await send("DELETE", CT);
    },
  },
  "POST /nodes/{node}/qemu": {
    force: async ({ send, guest, state }) => {
      guest(102).run = undefined;
      await send("POST", "/nodes/pve1/qemu", { vmid: "102", archive: backupOf(state, "qemu", 102), force: "1" });
    },
    archive: ({ send }) => send("POST", "/nodes/pve1/qemu", { vmid: "400", archive }),
    "scsi[n]": newVm("scsi0"),
    "virtio[n]": newVm("virtio0"),
    "sata[n]": newVm("sata0"),
    "ide[n]": newVm("ide0"),
  },
  "POST /nodes/{node}/lxc": {
    force: async ({ send, guest, state }) => {
      guest(202).run = undefined;
      const ostemplate = backupOf(state, "lxc", 202);
      await send("POST", "/nodes/pve2/lxc", { vmid: "202", ostemplate, restore: "1", force: "1", storage: "ceph" });
    },
    restore: ({ send, state }) =>
      send("POST", "/nodes/pve2/lxc", {
        vmid: "400",
        ostemplate: backupOf(state, "lxc", 202),
        restore: "1",
        storage: "ceph",
      }),
    rootfs: async ({ send }) => {
      const ostemplate = "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst";
      await send("POST", "/nodes/pve2/lxc", { vmid: "400", ostemplate, rootfs: "ceph:vm-202-disk-0" });
      await send("POST", "/nodes/pve2/lxc/400/status/start");
    },
    "mp[n]": async ({ send }) => {
      const ostemplate = "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst";
      const mp0 = "ceph:vm-202-disk-1,mp=/srv";
      await send("POST", "/nodes/pve2/lxc", { vmid: "400", ostemplate, rootfs: "local-lvm:4", mp0 });
      await send("POST", "/nodes/pve2/lxc/400/status/start");
    },
  },
  "PUT /nodes/{node}/qemu/{vmid}/unlink": {
    idlist: async ({ send }) => {
      await send("PUT", `${VM}/unlink`, { idlist: "scsi0" });
      await send("PUT", `${VM}/unlink`, { idlist: "unused0" });
    },
    force: ({ send }) => send("PUT", `${VM}/unlink`, { idlist: "scsi0", force: "1" }),
  },
  "POST /nodes/{node}/qemu/{vmid}/move_disk": {
    delete: ({ send }) => send("POST", `${VM}/move_disk`, { disk: "scsi0", storage: "ceph", delete: "1" }),
    "target-vmid": ({ send }) =>
      send("POST", `${VM}/move_disk`, { disk: "scsi0", "target-vmid": "104", "target-disk": "scsi5" }),
    "target-disk": ({ send }) =>
      send("POST", `${VM}/move_disk`, { disk: "scsi0", "target-vmid": "103", "target-disk": "sata0" }),
  },
  "POST /nodes/{node}/lxc/{vmid}/move_volume": {
    delete: ({ send }) => send("POST", `${CT}/move_volume`, { volume: "rootfs", storage: "ceph", delete: "1" }),
    "target-vmid": async ({ send, guest }) => {
      guest(202).run = undefined;
      await send("POST", "/nodes/pve2/lxc/202/move_volume", {
        volume: "mp0",
        "target-vmid": "203",
        "target-volume": "mp0",
      });
    },
    "target-volume": async ({ send, guest }) => {
      guest(202).run = undefined;
      await send("POST", "/nodes/pve2/lxc/202/move_volume", {
        volume: "mp0",
        "target-vmid": "203",
        "target-volume": "mp5",
      });
    },
  },
  "POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback": {
    "*": ({ send }) => send("POST", "/nodes/pve1/qemu/102/snapshot/before-upgrade/rollback"),
  },
  "POST /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/rollback": {
    "*": async ({ send, state }) => {
      await send("POST", `${CT}/snapshot`, { snapname: "before" });
      for (const volume of state.storages.get("local-lvm")?.volumes.get("pve2")?.values() ?? []) {
        volume.mark += "-written-since";
      }
      await send("POST", `${CT}/snapshot/before/rollback`);
    },
  },
  "PUT /nodes/{node}/qemu/{vmid}/resize": {
    size: ({ send }) => send("PUT", `${VM}/resize`, { disk: "scsi0", size: "+100G" }),
  },
  "PUT /nodes/{node}/lxc/{vmid}/resize": {
    size: ({ send }) => send("PUT", `${CT}/resize`, { disk: "rootfs", size: "+100G" }),
  },
  "POST /nodes/{node}/qemu/{vmid}/migrate": {
    "with-local-disks": ({ send }) =>
      send("POST", "/nodes/pve1/qemu/102/migrate", { target: "pve2", online: "1", "with-local-disks": "1" }),
    targetstorage: ({ send }) => send("POST", `${VM}/migrate`, { target: "pve3", targetstorage: "ceph" }),
  },
  "POST /nodes/{node}/lxc/{vmid}/migrate": {
    "target-storage": ({ send }) => send("POST", `${CT}/migrate`, { target: "pve3", "target-storage": "ceph" }),
  },
  "POST /nodes/{node}/qemu/{vmid}/clone": {
    target: ({ send }) => send("POST", "/nodes/pve2/qemu/103/clone", { newid: "400", target: "pve3", full: "1" }),
    storage: ({ send }) => send("POST", `${VM}/clone`, { newid: "400", storage: "ceph", full: "1" }),
    full: ({ send }) => send("POST", "/nodes/pve1/qemu/9000/clone", { newid: "400", full: "0" }),
  },
  "POST /nodes/{node}/vzdump": {
    "prune-backups": ({ send }) =>
      send("POST", "/nodes/pve1/vzdump", { vmid: "101", storage: "nas", "prune-backups": "keep-last=1" }),
    remove: ({ send }) => send("POST", "/nodes/pve1/vzdump", { vmid: "100", storage: "local", remove: "1" }),
  },
  "POST /cluster/backup": {
    "prune-backups": jobOf({ vmid: "101", "prune-backups": "keep-last=1" }),
    remove: jobOf({ vmid: "101", remove: "1" }),
    enabled: jobOf({ vmid: "101", enabled: "1" }),
    vmid: jobOf({ vmid: "102" }),
    exclude: jobOf({ all: "1", exclude: "101" }),
    all: jobOf({ all: "1" }),
    pool: jobOf({ pool: "prod" }),
    storage: async ({ send, turn, state }) => {
      state.jobs.clear();
      await send("POST", "/cluster/backup", { id: "fresh", schedule: "hourly", vmid: "100", storage: "local" });
      turn(40);
    },
  },
  "PUT /nodes/{node}/storage/{storage}/content/{volume}": {
    protected: ({ send }) =>
      send("PUT", `/nodes/pve1/storage/nas/content/${encodeURIComponent(archive)}`, { protected: "0" }),
  },
  "PUT /nodes/{node}/disks/wipedisk": {
    disk: ({ send }) => send("PUT", "/nodes/pve1/disks/wipedisk", { disk: "/dev/sdb" }, true),
  },
};

/** Parameters whose call the simulator has, but that it cannot show to destroy. */
export const notShown: Readonly<Record<string, string>> = {
  "POST /nodes/{node}/qemu live-restore": "its restores never fail half-way",
  "POST /nodes/{node}/lxc ignore-unpack-errors": "its archives are never damaged",
};
