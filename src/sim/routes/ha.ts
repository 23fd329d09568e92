/** High availability and replication: what their managers tell. Shapes as captured (027–029) and as PVE's schema has them. */
import type { Route } from "./context.ts";

/** A single node tells quorum and fencing only (captured 028); with managed guests there are a master, agents and services. */
export const status: Route<"GET /cluster/ha/status/current"> = ({ state, engine }) => {
  const nodes = [...state.nodes.values()];
  const online = nodes.filter((node) => node.online);
  const here = online[0]?.name ?? "";
  const quorate = online.length * 2 > nodes.length;
  const managed = [...state.guests.values()].filter((guest) => guest.managed);
  const at = Math.floor(engine.now() / 1000) - 5;
  const time = new Date(at * 1000).toUTCString();
  const active = managed.length > 0;
  return [
    { id: "quorum", type: "quorum", node: here, status: quorate ? "OK" : "No quorum!", quorate: quorate ? 1 : 0 },
    ...(active
      ? [
        { id: "master", type: "master", node: here, status: `${here} (active, ${time})`, timestamp: at },
        ...nodes.map(({ name, online }) => ({
          id: `lrm:${name}`,
          type: "lrm",
          node: name,
          status: `${name} (${online ? "active" : "old timestamp - dead?"}, ${time})`,
          timestamp: at,
        })),
        ...managed.map((guest) => {
          const sid = `${guest.kind === "qemu" ? "vm" : "ct"}:${guest.vmid}`;
          const stands = guest.run === undefined ? "stopped" : "started";
          return {
            id: `service:${sid}`,
            type: "service",
            sid,
            node: guest.node,
            state: stands,
            request_state: "started",
            crm_state: stands,
            max_restart: 1,
            max_relocate: 1,
            failback: 1,
            status: `${sid} (${guest.node}, ${stands})`,
          };
        }),
      ]
      : []),
    {
      id: "fencing",
      type: "fencing",
      node: here,
      status: active ? "armed (CRM wrote watchdog)" : "standby (CRM watchdog standby)",
      "armed-state": active ? "armed" : "standby",
    },
  ];
};

export const rules: Route<"GET /cluster/ha/rules"> = ({ state }) => state.told.get("ha rules") ?? [];
/** What PVE 8 has in the place of rules. */
export const groups: Route<"GET /cluster/ha/groups"> = ({ state }) => state.told.get("ha groups") ?? [];

export const replication: Route<"GET /cluster/replication"> = ({ state, rights }) =>
  (state.told.get("replication") ?? []).filter(({ guest }) => rights.can(`/vms/${String(guest)}`, ["VM.Audit"]))
    .map(({ id, guest, jobnum, target, source, schedule, type, disable, comment }) => ({
      id,
      guest,
      jobnum,
      target,
      source,
      schedule,
      type,
      ...(disable === undefined ? {} : { disable }),
      ...(comment === undefined ? {} : { comment }),
    }));

/** The jobs whose guests are on this node, with how they went. */
export const replicationOn: Route<"GET /nodes/{node}/replication"> = ({ state, rights }, { node }) =>
  (state.told.get("replication") ?? []).filter(({ source, guest }) =>
    source === node && rights.can(`/vms/${String(guest)}`, ["VM.Audit"])
  ).map((job) => ({ ...job, vmtype: state.guests.get(Number(job.guest))?.kind }));
