/** Version, nodes, resources, pools, permissions: what is there. */
import { effective, type Identity } from "../access.ts";
import { die, invalid } from "../failure.ts";
import { guestResource, nodeRow, storageResource } from "../rows.ts";
import { poolOf, type State } from "../state.ts";
import { type Context, type Route, word } from "./context.ts";

export const version: Route<"GET /version"> = ({ state }) => {
  const { version = "9.2.11" } = state;
  return { version, release: version.replace(/\.\d+$/, ""), repoid: "14a22df35955d97d" };
};

export const nodes: Route<"GET /nodes"> = ({ state, engine, rights }) =>
  [...state.nodes.values()].map((node) => ({
    ...nodeRow(node, engine.now(), rights.can(`/nodes/${node.name}`, ["Sys.Audit"])),
    ssl_fingerprint: node.fingerprint,
  }));

export const nodeStatus: Route<"GET /nodes/{node}/status"> = ({ state, engine }, { node: name }) => {
  const node = state.nodes.get(name);
  if (node === undefined) return null;
  const used = Math.round(node.memory * 0.61);
  return {
    cpu: 0.07,
    wait: 0.002,
    idle: 0,
    uptime: Math.floor((engine.now() - node.booted) / 1000),
    loadavg: ["0.84", "0.91", "1.02"],
    pveversion: "pve-manager/9.2.11/14a22df35955d97d",
    kversion: "Linux 6.17.2-1-pve #1 SMP PREEMPT_DYNAMIC",
    "current-kernel": {
      sysname: "Linux",
      release: "6.17.2-1-pve",
      version: "#1 SMP PREEMPT_DYNAMIC",
      machine: "x86_64",
    },
    "boot-info": { mode: "legacy-bios" },
    cpuinfo: {
      model: "AMD Ryzen 7 PRO 8700GE w/ Radeon 780M Graphics",
      vendor: "AuthenticAMD",
      family: "25",
      sockets: 1,
      cores: node.cpus / 2,
      cpus: node.cpus,
      mhz: "3650.000",
      user_hz: 100,
      hvm: "1",
      flags: "fpu vme de pse tsc msr pae svm",
    },
    memory: { total: node.memory, used, free: node.memory - used, available: node.memory - used },
    swap: { total: 8 * 1024 ** 3, used: 0, free: 8 * 1024 ** 3 },
    rootfs: {
      total: node.disk,
      used: Math.round(node.disk * 0.27),
      free: Math.round(node.disk * 0.73),
      avail: Math.round(node.disk * 0.68),
    },
    ksm: { shared: 0 },
  };
};

/** Every node has one network card and the bridges that guests may name (captured 036); not narrowed by privileges. */
export const interfaces: Route<"GET /nodes/{node}/network"> = () => [
  { iface: "eno1", type: "eth", method: "manual", method6: "manual", active: 1, families: ["inet"], priority: 3 },
  ...["vmbr0", "vmbr1"].map((iface, index) => ({
    iface,
    type: "bridge",
    method: "manual",
    method6: "manual",
    active: 1,
    autostart: 1,
    families: ["inet"],
    priority: 4 + index,
    bridge_ports: index === 0 ? "eno1" : "",
    bridge_fd: "0",
    bridge_stp: "off",
  })),
];

/** Pools are looked up once per answer, not once per guest. */
function poolsByGuest(state: State) {
  const found = new Map<number, NonNullable<ReturnType<typeof poolOf>>>();
  for (const pool of state.pools.values()) for (const vmid of pool.guests) found.set(vmid, pool);
  return found;
}

export const resources: Route<"GET /cluster/resources"> = ({ state, engine, rights }, { type }) => {
  const now = engine.now();
  const rows: unknown[] = [];
  if (type === undefined) {
    for (const pool of state.pools.values()) {
      if (rights.can(`/pool/${pool.id}`, ["Pool.Audit"])) {
        rows.push({ id: `/pool/${pool.id}`, pool: pool.id, type: "pool" });
      }
    }
  }
  if (type === undefined || type === "vm") {
    const pools = poolsByGuest(state);
    for (const guest of state.guests.values()) {
      if (!rights.can(`/vms/${guest.vmid}`, ["VM.Audit"])) continue;
      const pool = pools.get(guest.vmid);
      const visible = pool !== undefined && rights.can(`/pool/${pool.id}`, ["Pool.Audit"]) ? pool : undefined;
      rows.push(guestResource(guest, state.nodes.get(guest.node), visible, now));
    }
  }
  for (const node of state.nodes.values()) {
    if (type === undefined || type === "node") {
      rows.push({ ...nodeRow(node, now, rights.can(`/nodes/${node.name}`, ["Sys.Audit"])), "cgroup-mode": 2 });
    }
    if (type === undefined || type === "storage") {
      for (const storage of state.storages.values()) {
        if (storage.nodes !== undefined && !storage.nodes.includes(node.name)) continue;
        if (rights.can(`/storage/${storage.id}`, ["Datastore.Audit"])) {
          rows.push(storageResource(state, storage, node.name));
        }
      }
    }
    if ((type === undefined || type === "sdn") && rights.can("/sdn/zones/localnetwork", ["SDN.Audit"])) {
      rows.push({
        id: `network/${node.name}/zone/localnetwork`,
        type: "network",
        "network-type": "zone",
        network: "localnetwork",
        node: node.name,
        status: node.online ? "ok" : "unknown",
      });
    }
  }
  return rows;
};

/** The cluster's own view: a single node has no row of type cluster (captured 020). */
export const status: Route<"GET /cluster/status"> = ({ state }) => {
  const all = [...state.nodes.values()];
  const rows = all.map((node, index) => ({
    id: `node/${node.name}`,
    type: "node",
    name: node.name,
    ip: `192.0.2.${11 + index}`,
    level: "",
    local: index === 0 ? 1 : 0,
    nodeid: all.length === 1 ? 0 : index + 1,
    online: node.online ? 1 : 0,
  }));
  if (all.length === 1) return rows;
  const online = all.filter((node) => node.online).length;
  const cluster = { id: "cluster", type: "cluster", name: "demo", version: 7, nodes: all.length };
  return [{ ...cluster, quorate: online * 2 > all.length ? 1 : 0 }, ...rows];
};

export const nextid: Route<"GET /cluster/nextid"> = ({ state }, { vmid }) => {
  if (vmid !== undefined) {
    if (state.guests.has(vmid)) invalid({ vmid: `VM ${vmid} already exists` }); // captured 075
    return String(vmid);
  }
  let free = 100;
  while (state.guests.has(free)) free++;
  return String(free);
};

export const pools: Route<"GET /pools"> = ({ state, engine, rights }, { poolid, type }) => {
  const id = word(poolid);
  if (id === undefined) {
    return [...state.pools.values()].filter((pool) => rights.can(`/pool/${pool.id}`, ["Pool.Audit"]))
      .map(({ id: name, comment }) => ({ poolid: name, ...(comment === undefined ? {} : { comment }) }));
  }
  rights.check(`/pool/${id}`, ["Pool.Audit"]);
  const pool = state.pools.get(id);
  if (pool === undefined) die(`pool '${id}' does not exist`);
  const members = [...pool.guests].flatMap((vmid) => {
    const guest = state.guests.get(vmid);
    if (guest === undefined || (type !== undefined && type !== guest.kind)) return [];
    const { tags: _tags, pool: _pool, ...row } = guestResource(guest, state.nodes.get(guest.node), pool, engine.now());
    return [row];
  });
  return [{ poolid: id, members, ...(pool.comment === undefined ? {} : { comment: pool.comment }) }];
};

function other(context: Context, id: string): Identity {
  const [user = "", token] = id.split("!");
  if (user !== context.identity.user) context.rights.check("/access", ["Sys.Audit"]);
  return { user, token };
}

export const permissions: Route<"GET /access/permissions"> = (context, { path, userid }) => {
  const id = word(userid);
  return effective(context.state, id === undefined ? context.identity : other(context, id), word(path));
};
