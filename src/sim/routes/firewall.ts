/** The firewall of the cluster, of nodes and of guests: rules and options as captured 030, 031 and 417–419 have them. */
import { guestOn, type Kind } from "../state.ts";
import type { Context, Route } from "./context.ts";

/** The digest of an empty file, as captured 030. */
const NOTHING = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

function rulesOf({ state }: Context, key: string): unknown[] {
  return (state.told.get(`firewall ${key}`) ?? []).map((rule, pos) => ({ ...rule, pos, digest: NOTHING }));
}

function optionsOf({ state }: Context, key: string): unknown {
  return { ...state.told.get(`firewall options ${key}`)?.[0], digest: NOTHING };
}

export const clusterRules: Route<"GET /cluster/firewall/rules"> = (context) => rulesOf(context, "cluster");
export const clusterOptions: Route<"GET /cluster/firewall/options"> = (context) => optionsOf(context, "cluster");
export const nodeRules: Route<"GET /nodes/{node}/firewall/rules"> = (context, { node }) => rulesOf(context, node);
export const nodeOptions: Route<"GET /nodes/{node}/firewall/options"> = (context, { node }) => optionsOf(context, node);

interface Where {
  readonly node: string;
  readonly vmid: number;
}

function ofGuest(
  context: Context,
  kind: Kind,
  { node, vmid }: Where,
  read: typeof rulesOf | typeof optionsOf,
): unknown {
  guestOn(context.state, node, kind, vmid);
  return read(context, String(vmid));
}

export const vmRules: Route<"GET /nodes/{node}/qemu/{vmid}/firewall/rules"> = (context, where) =>
  ofGuest(context, "qemu", where, rulesOf);
export const vmOptions: Route<"GET /nodes/{node}/qemu/{vmid}/firewall/options"> = (context, where) =>
  ofGuest(context, "qemu", where, optionsOf);
export const containerRules: Route<"GET /nodes/{node}/lxc/{vmid}/firewall/rules"> = (context, where) =>
  ofGuest(context, "lxc", where, rulesOf);
export const containerOptions: Route<"GET /nodes/{node}/lxc/{vmid}/firewall/options"> = (context, where) =>
  ofGuest(context, "lxc", where, optionsOf);
