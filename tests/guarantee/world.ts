/** The cluster that the law is tried on, the other people who work in it, and what must still be there. */
import { allocate, GIB, volidIn } from "../../src/sim/disks.ts";
import { findVolume } from "../../src/sim/state.ts";
import {
  addGuest,
  addVolume,
  createSimulator,
  demoCluster,
  type Guest,
  inventory,
  type RequestRecord,
  rootToken,
  type Simulator,
  type State,
} from "../../src/sim/mod.ts";

export const NOON = Date.UTC(2026, 10, 22, 12);
const HOUR = 3_600_000;

/**
 * The demo's cluster with more that can be lost: orphaned volumes, an unusedN, a linked clone, backups of guests that are
 * gone with their retention at its limit. PVE's own jobs keep every backup of the guests that are there, so that a backup
 * that goes is one that a new guest has pushed out: new ones are backed up too, and of theirs one is kept.
 */
function seeded(): State {
  const state = demoCluster(NOON);
  const storage = (id: string) => {
    const found = state.storages.get(id);
    if (found === undefined) throw new Error(`No storage ${id}`);
    return found;
  };
  const disk = (id: string, node: string, vmid: number) =>
    allocate(state, { storage: storage(id), node, vmid, content: "images", size: 8 * GIB, now: NOON });
  disk("local-lvm", "pve1", 111);
  disk("ceph", "", 113);
  disk("local-lvm", "pve3", 121);
  const orphan = disk("local-lvm", "pve2", 105);
  state.guests.get(105)?.config.set("unused0", `local-lvm:${orphan.name}`);
  const loose = allocate(state, {
    storage: storage("ceph"),
    node: "",
    vmid: 205,
    content: "rootdir",
    size: GIB,
    now: NOON,
  });
  state.guests.get(205)?.config.set("unused0", `ceph:${loose.name}`);
  const cloudinit = allocate(state, {
    storage: storage("ceph"),
    node: "",
    vmid: 103,
    content: "images",
    size: GIB,
    now: NOON,
    role: "cloudinit",
  });
  state.guests.get(103)?.config.set("ide2", `ceph:${cloudinit.name},media=cdrom`);
  const copy = addGuest(state, {
    vmid: 114,
    kind: "qemu",
    node: "pve1",
    config: { name: "linked", memory: "512" },
    now: NOON,
  });
  const linked = allocate(state, {
    storage: storage("local-lvm"),
    node: "pve1",
    vmid: 114,
    content: "images",
    size: 8 * GIB,
    now: NOON,
    parent: "base-9000-disk-0",
  });
  copy.config.set("scsi0", `local-lvm:${linked.name},size=8G`);
  for (const [index, vmid] of [112, 112, 112, 115].entries()) {
    const at = NOON - (index + 40) * 24 * HOUR;
    const name = `backup/vzdump-qemu-${vmid}-2026_10_${10 + index}-02_00_00.vma.zst`;
    const backup = { kind: "qemu", config: new Map(), volumes: new Map() } as const;
    const facts = { name, content: "backup", format: "vma.zst", size: GIB, ctime: at / 1000, vmid, backup } as const;
    addVolume(state, storage("local"), "pve2", facts);
  }
  for (const vmid of [101, 103, 107]) {
    const run = state.guests.get(vmid)?.run;
    if (run !== undefined) run.paused = true;
  }
  const present = [...state.guests.keys()].join(",");
  const [nightly] = state.jobs.values();
  const next = nightly?.next ?? NOON;
  state.jobs.clear();
  const job = (id: string, options: Record<string, string | number>) =>
    state.jobs.set(id, { id, schedule: "02:00", enabled: true, options: new Map(Object.entries(options)), next });
  job("present", { storage: "nas", vmid: "101,202", "prune-backups": "keep-all=1" });
  job("newcomers", { storage: "nas", all: 1, exclude: present, "prune-backups": "keep-last=1" });
  job("newcomers-local", { storage: "local", all: 1, exclude: present, "prune-backups": "keep-last=1" });
  return state;
}

const start = seeded();
/** The guests that were there at the start: PVE's own jobs keep all their backups. */
export const natives: ReadonlySet<number> = new Set(start.guests.keys());

/** Any guest, or a certain one. */
export type Whom = { readonly pick: number } | { readonly vmid: number | undefined };

/** What somebody else does to the cluster; `interrupt`: a backup ends early, whose snapshot the next one removes. */
export type Deed =
  | "force-delete"
  | "delete"
  | "replace"
  | "delete-unused"
  | "revert"
  | "edit"
  | "lock"
  | "unlock"
  | "appear"
  | "vanish"
  | "snapshot"
  | "interrupt"
  | "hibernate"
  | "start"
  | "stop"
  | "swap-medium"
  | "node-off"
  | "node-on"
  | "statistics-hang"
  | "statistics-work";

export const deeds: readonly Deed[] = [
  "force-delete",
  "delete",
  "replace",
  "delete-unused",
  "revert",
  "edit",
  "lock",
  "unlock",
  "appear",
  "vanish",
  "snapshot",
  "interrupt",
  "hibernate",
  "start",
  "stop",
  "swap-medium",
  "node-off",
  "node-on",
  "statistics-hang",
  "statistics-work",
  "statistics-work",
  "statistics-work",
];

/** Those that can come in between the requests of a call: PVE locks a guest for its backup, so that none ends during another. */
export const raceDeeds: readonly Deed[] = deeds.filter((deed) => deed !== "interrupt");

/** Leaves a loss behind that the next power call or configuration write carries out. */
function isTrap(deed: Deed): boolean {
  return ["force-delete", "delete", "replace", "delete-unused"].includes(deed);
}

/**
 * What no look notices that comes between the last one and a request without a digest, and what that request then carries
 * out: a deletion that somebody has just asked for, or the end of a sleep that has just begun. It is theirs.
 */
export function slipsIn(deed: Deed): boolean {
  return isTrap(deed) || deed === "hibernate";
}

/** One cluster, its clock, and the account of what must still be there. */
export class World {
  readonly state: State = structuredClone(start);
  readonly simulator: Simulator;
  #now = NOON;
  #expected: Set<string>;
  #known: Set<string>;
  /** VMs that were told to start: resuming uses up their saved memory, the law's one exception. */
  readonly #resumed = new Set<number>();

  constructor(onRequest: (record: RequestRecord) => void) {
    this.simulator = createSimulator({
      state: this.state,
      pace: 0,
      clock: { now: () => this.#now },
      onRequest: (record) => {
        const started = /^\/nodes\/[^/]+\/qemu\/(\d+)\/status\/start$/.exec(record.path)?.[1];
        if (started !== undefined && record.method === "POST") this.#resumed.add(Number(started));
        onRequest(record);
      },
    });
    this.#expected = this.#present();
    this.#known = this.#foreign();
  }

  /** Everything that can be lost, and which disk hangs where. */
  #present(): Set<string> {
    const lines = inventory(this.state);
    for (const guest of this.state.guests.values()) {
      for (const [slot, value] of guest.config) {
        if (!isDisk(slot, value)) continue;
        lines.add(`attached ${guest.vmid} ${slot} ${volidIn(guest.kind, slot, String(value))}`);
      }
    }
    return lines;
  }

  /** Volumes that hang in a guest they do not belong to: it would write over them. */
  #foreign(): Set<string> {
    const lines = new Set<string>();
    for (const guest of this.state.guests.values()) {
      for (const [slot, value] of guest.config) {
        if (!isDisk(slot, value)) continue;
        const volume = findVolume(this.state, guest.node, volidIn(guest.kind, slot, String(value)));
        if (volume !== undefined && volume.vmid !== guest.vmid) lines.add(`foreign ${guest.vmid} ${slot} ${value}`);
      }
    }
    return lines;
  }

  /** What is gone although it was there and nobody but the calls under test can have taken it. */
  lost(): string[] {
    const now = this.#present();
    const taken = [...this.#foreign()].filter((line) => !this.#known.has(line));
    if (taken.length > 0) return taken;
    return [...this.#expected].filter((line) => {
      if (now.has(line)) return false;
      const saved = /:vm-(\d+)-state-suspend/.exec(line)?.[1];
      return saved === undefined || !this.#resumed.has(Number(saved));
    });
  }

  /** After somebody else has done something: what is there from now on must stay. */
  rebase(): void {
    this.#resumed.clear();
    this.#known = this.#foreign();
    this.#expected = new Set([...this.#present()].filter((line) => {
      // Of guests that came later PVE's own job keeps one backup, as long as they are there.
      const vmid = /^backup .*vzdump-\w+-(\d+)-/.exec(line)?.[1];
      return vmid === undefined || natives.has(Number(vmid)) || !this.state.guests.has(Number(vmid));
    }));
  }

  /** VMs whose memory lies on a storage: a start uses it up, and has to say so. */
  hibernated(): Set<number> {
    const asleep = [...this.state.guests.values()].filter((guest) => guest.config.get("lock") === "suspended");
    return new Set(asleep.map((guest) => guest.vmid));
  }

  /**
   * PVE's own backups start the stopped VMs that they save, and so carry out a deletion that somebody left pending; of
   * containers they remove the snapshot vzdump. Both are theirs.
   */
  turn(hours: number): void {
    const trapped = [...this.#trapped(), "@vzdump"];
    this.#now += hours * HOUR;
    this.simulator.tick();
    const now = this.#present();
    this.#expected = new Set(
      [...this.#expected].filter((line) => now.has(line) || !trapped.some((words) => line.includes(words))),
    );
  }

  /** What a pending deletion or replacement of a disk, or a start, would take, as #present() names it. */
  #trapped(): string[] {
    const memory = [...this.state.guests.values()].flatMap((guest) => {
      const saved = guest.config.get("lock") === undefined ? guest.config.get("vmstate") : undefined;
      return saved === undefined ? [] : [` ${saved} #`];
    });
    const disks = [...this.state.guests.values()].flatMap((guest) =>
      [...guest.pendingDelete.keys(), ...guest.pending.keys()].flatMap((slot) => {
        const value = guest.config.get(slot);
        if (value === undefined || !(isDisk(slot, value) || slot.startsWith("unused"))) return [];
        return [` ${volidIn(guest.kind, slot, String(value))} #`, `attached ${guest.vmid} ${slot} `];
      })
    );
    return [...memory, ...disks];
  }

  /** Somebody else's deed. */
  async act(deed: Deed, whom: Whom): Promise<void> {
    const guests = [...this.state.guests.values()];
    const guest = "vmid" in whom ? guests.find(({ vmid }) => vmid === whom.vmid) : guests[whom.pick % guests.length];
    if (guest !== undefined) await this.#act(deed, guest);
  }

  async #act(deed: Deed, guest: Guest): Promise<void> {
    const { state } = this;
    const disk = [...guest.config].find(([slot, value]) => isDisk(slot, value) && slot !== "rootfs");
    const own = guest.config.get("unused0");
    switch (deed) {
      case "force-delete":
      case "delete":
        if (disk !== undefined) guest.pendingDelete.set(disk[0], deed === "force-delete");
        return;
      case "delete-unused":
        if (own !== undefined) guest.pendingDelete.set("unused0", true);
        return;
      case "replace": {
        if (disk === undefined) return;
        const storage = state.storages.get("ceph");
        if (storage === undefined) return;
        const content = guest.kind === "qemu" ? "images" : "rootdir";
        const base = { storage, node: guest.node, vmid: guest.vmid, content, size: GIB, now: this.#now } as const;
        guest.pending.set(disk[0], `ceph:${allocate(state, base).name}${guest.kind === "lxc" ? ",mp=/new" : ""}`);
        return;
      }
      case "revert":
        guest.pending.clear();
        guest.pendingDelete.clear();
        return;
      case "edit":
        guest.config.set("description", `edited ${state.counters.serial++}`);
        return;
      case "lock":
        if (!guest.config.has("lock")) guest.config.set("lock", "backup");
        return;
      case "unlock":
        // Of a hibernated VM, too: its saved memory stays in the configuration.
        if (["backup", "suspended"].includes(String(guest.config.get("lock")))) guest.config.delete("lock");
        return;
      case "appear": {
        let vmid = 100;
        while (state.guests.has(vmid)) vmid++;
        const left = [...inventory(state)].some((line) => new RegExp(`-${vmid}-`).test(line));
        if (left) return;
        addGuest(state, { vmid, kind: "qemu", node: "pve2", config: { scsi0: "local-lvm:4" }, now: this.#now });
        return;
      }
      case "vanish":
        // Its backups stay, as in PVE.
        if (!natives.has(guest.vmid) && guest.run === undefined) {
          await this.#root("DELETE", `/nodes/${guest.node}/${guest.kind}/${guest.vmid}`);
        }
        return;
      case "snapshot":
      case "interrupt": {
        const snapname = deed === "snapshot" ? `s${state.counters.serial++}` : "vzdump";
        await this.#root("POST", `/nodes/${guest.node}/${guest.kind}/${guest.vmid}/snapshot`, { snapname });
        return;
      }
      case "hibernate":
        if (guest.kind === "qemu" && guest.run !== undefined) {
          await this.#root("POST", `/nodes/${guest.node}/qemu/${guest.vmid}/status/suspend`, { todisk: "1" });
        }
        return;
      case "start":
      case "stop":
        await this.#root("POST", `/nodes/${guest.node}/${guest.kind}/${guest.vmid}/status/${deed}`);
        return;
      case "swap-medium":
        if (guest.kind === "qemu" && !guest.config.has("ide2")) {
          guest.config.set("ide2", "nas:iso/virtio-win-0.1.271.iso,media=cdrom,size=693M");
        }
        return;
      case "node-off":
      case "node-on": {
        const node = state.nodes.get("pve3");
        if (node !== undefined) node.online = deed === "node-on";
        return;
      }
      case "statistics-hang":
      case "statistics-work":
        for (const node of state.nodes.values()) node.statisticsHang = deed === "statistics-hang";
        return;
    }
  }

  async #root(method: string, path: string, params: Record<string, string> = {}): Promise<void> {
    await this.simulator.answer({
      method,
      url: `/api2/json${path}`,
      headers: { authorization: `PVEAPIToken=${rootToken.id}=${rootToken.secret}` },
      body: method === "POST" ? new URLSearchParams(params).toString() : "",
    });
  }
}

function isDisk(slot: string, value: string | number): boolean {
  return /^(?:(?:scsi|virtio|sata|ide|mp)\d+|efidisk0|tpmstate0|rootfs)$/.test(slot) &&
    !/(?:^|,)media=cdrom/.test(String(value));
}
