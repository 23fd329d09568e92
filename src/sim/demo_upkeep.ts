/** What the demo's hosts tell of themselves: HA rules, replication, firewall, updates, disks, ZFS, Ceph. */
import type { State } from "./state.ts";

const GIB = 1024 ** 3;

function disk(letter: string, model: string, gib: number, rest: Readonly<Record<string, unknown>>) {
  return {
    devpath: `/dev/${letter}`,
    model,
    serial: `S${letter.toUpperCase()}0001`,
    vendor: "ATA",
    wwn: "unknown",
    size: gib * GIB,
    gpt: 1,
    mounted: 0,
    osdid: -1,
    "osdid-list": null,
    health: "PASSED",
    type: "ssd",
    rpm: 0,
    by_id_link: `/dev/disk/by-id/ata-${model.replaceAll(" ", "_")}`,
    ...rest,
  };
}

function update(name: string, from: string, to: string, title: string, origin = "Proxmox") {
  return {
    Package: name,
    OldVersion: from,
    Version: to,
    Title: title,
    Description: title,
    Origin: origin,
    Arch: "amd64",
    Priority: "optional",
    Section: "admin",
  };
}

/** Puts it into the demo. One disk is worn, one service has failed, one replication job does not get through. */
export function seedUpkeep(state: State, now: number): void {
  const { told } = state;
  const seconds = Math.floor(now / 1000);
  told.set("ha rules", [
    { rule: "web-nodes", type: "node-affinity", resources: "vm:101", nodes: "pve1:2,pve2:1", strict: 0, order: 1 },
    { rule: "web-apart", type: "resource-affinity", resources: "vm:101,vm:103", affinity: "negative", order: 2 },
  ]);
  const job = { jobnum: 0, type: "local", schedule: "*/15" };
  told.set("replication", [
    {
      ...job,
      id: "105-0",
      guest: 105,
      source: "pve2",
      target: "pve1",
      last_try: seconds - 400,
      last_sync: seconds - 400,
      next_sync: seconds + 500,
      duration: 4.2,
      fail_count: 0,
    },
    {
      ...job,
      id: "102-0",
      guest: 102,
      source: "pve1",
      target: "pve3",
      last_try: seconds - 300,
      last_sync: seconds - 90_000,
      next_sync: seconds + 600,
      duration: 1.1,
      fail_count: 7,
      error: "command 'zfs send' failed: exit code 1",
    },
  ]);
  told.set("firewall options cluster", [{ enable: 1, policy_in: "DROP", policy_out: "ACCEPT" }]);
  told.set("firewall cluster", [
    {
      type: "in",
      action: "ACCEPT",
      enable: 1,
      proto: "tcp",
      dport: "22,8006",
      source: "192.0.2.0/24",
      comment: "admins",
    },
  ]);
  told.set("firewall options 101", [{ enable: 1, policy_in: "DROP" }]);
  told.set("firewall 101", [
    { type: "in", action: "ACCEPT", enable: 1, macro: "Web" },
    { type: "in", action: "ACCEPT", enable: 0, proto: "tcp", dport: "22", comment: "only while setting up" },
    { type: "group", action: "monitoring", enable: 1 },
  ]);
  for (const node of state.nodes.keys()) {
    told.set(`updates ${node}`, [
      update("pve-manager", "9.2.11", "9.2.12", "Proxmox Virtual Environment Management Tools"),
      update("openssl", "3.5.1-1", "3.5.1-1+deb13u1", "Secure Sockets Layer toolkit", "Debian"),
    ]);
    told.set(`disks ${node}`, [
      disk("nvme0n1", "Samsung SSD 990", 931, { type: "nvme", wearout: node === "pve3" ? 9 : 88, used: "LVM" }),
      disk("sda", "ST4000VN008", 3726, { type: "hdd", rpm: 5980, wearout: "N/A", used: "ceph OSD", osdid: 1 }),
    ]);
  }
  told.set("zfs pve1", [
    { name: "tank", size: 3720 * GIB, alloc: 1200 * GIB, free: 2520 * GIB, frag: 11, dedup: 1, health: "DEGRADED" },
  ]);
  told.set("failed services pve3", [{ service: "chrony" }]);
  told.set("ceph", [{
    health: {
      status: "HEALTH_WARN",
      checks: { OSD_NEARFULL: { severity: "HEALTH_WARN", summary: { message: "1 nearfull osd(s)", count: 1 } } },
    },
    quorum_names: ["pve1", "pve2", "pve3"],
    monmap: { mons: [{ name: "pve1" }, { name: "pve2" }, { name: "pve3" }] },
    osdmap: { num_osds: 6, num_up_osds: 6, num_in_osds: 6 },
    pgmap: {
      num_pgs: 129,
      pgs_by_state: [{ state_name: "active+clean", count: 129 }],
      bytes_used: 3100 * GIB,
      bytes_avail: 2900 * GIB,
      bytes_total: 6000 * GIB,
    },
  }]);
}
