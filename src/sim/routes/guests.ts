/** Looking at guests: lists, status, configuration, snapshots. */
import { configView, digestOf, pendingView } from "../config.ts";
import { die } from "../failure.ts";
import { guestRow } from "../rows.ts";
import { guestOn, type Kind } from "../state.ts";
import { type Context, type Route, word } from "./context.ts";

function list({ state, engine, rights }: Context, node: string, kind: Kind, full: boolean): unknown[] {
  const rows: unknown[] = [];
  for (const guest of state.guests.values()) {
    if (guest.node !== node || guest.kind !== kind || !rights.can(`/vms/${guest.vmid}`, ["VM.Audit"])) continue;
    rows.push(guestRow(guest, state.nodes.get(node), engine.now(), full));
  }
  return rows;
}

export const qemuList: Route<"GET /nodes/{node}/qemu"> = (context, { node, full }) =>
  list(context, node, "qemu", full ?? false);

export const lxcList: Route<"GET /nodes/{node}/lxc"> = (context, { node }) => list(context, node, "lxc", false);

function current({ state, engine }: Context, node: string, kind: Kind, vmid: number): unknown {
  const guest = guestOn(state, node, kind, vmid);
  const agent = String(guest.config.get("agent") ?? "0");
  return {
    ...guestRow(guest, state.nodes.get(node), engine.now(), true),
    ha: guest.managed ? { managed: 1, state: "started" } : { managed: 0 },
    ...(kind === "qemu" && guest.run !== undefined && /^(?:enabled=)?1/.test(agent) ? { agent: 1 } : {}),
  };
}

export const qemuStatus: Route<"GET /nodes/{node}/qemu/{vmid}/status/current"> = (context, { node, vmid }) =>
  current(context, node, "qemu", vmid);

export const lxcStatus: Route<"GET /nodes/{node}/lxc/{vmid}/status/current"> = (context, { node, vmid }) =>
  current(context, node, "lxc", vmid);

function config(
  { state }: Context,
  kind: Kind,
  params: { node: string; vmid: number; current?: boolean | undefined; snapshot?: string | number | undefined },
): unknown {
  const guest = guestOn(state, params.node, kind, params.vmid);
  const name = word(params.snapshot);
  if (name === undefined) return configView(guest, params.current ?? false);
  const snapshot = guest.snapshots.get(name);
  if (snapshot === undefined) die(`snapshot '${name}' does not exist`);
  return { ...Object.fromEntries(snapshot.config), snaptime: snapshot.time, digest: digestOf(guest) };
}

export const qemuConfig: Route<"GET /nodes/{node}/qemu/{vmid}/config"> = (context, params) =>
  config(context, "qemu", params);

export const lxcConfig: Route<"GET /nodes/{node}/lxc/{vmid}/config"> = (context, params) =>
  config(context, "lxc", params);

export const qemuPending: Route<"GET /nodes/{node}/qemu/{vmid}/pending"> = ({ state }, { node, vmid }) =>
  pendingView(guestOn(state, node, "qemu", vmid));

export const lxcPending: Route<"GET /nodes/{node}/lxc/{vmid}/pending"> = ({ state }, { node, vmid }) =>
  pendingView(guestOn(state, node, "lxc", vmid));
