/** The route of every call: a call of the catalogue that nobody simulates does not compile. */
import type { SimulatorCall } from "../schema.ts";
import type { SimulatorApi } from "../schema.gen.ts";
import * as agent from "./agent.ts";
import * as clone from "./clone.ts";
import * as cloudinit from "./cloudinit.ts";
import * as cluster from "./cluster.ts";
import * as config from "./config.ts";
import type { Context, Route } from "./context.ts";
import * as create from "./create.ts";
import * as destroy from "./destroy.ts";
import * as firewall from "./firewall.ts";
import * as guests from "./guests.ts";
import * as ha from "./ha.ts";
import * as inside from "./inside.ts";
import * as images from "./images.ts";
import * as jobs from "./jobs.ts";
import * as migrate from "./migrate.ts";
import * as metrics from "./metrics.ts";
import * as network from "./network.ts";
import * as node from "./node.ts";
import * as power from "./power.ts";
import * as restore from "./restore.ts";
import * as snapshots from "./snapshots.ts";
import * as storage from "./storage.ts";
import * as tasks from "./tasks.ts";
import * as upkeep from "./upkeep.ts";
import * as volumes from "./volumes.ts";

export { Total } from "./context.ts";
export type { Context } from "./context.ts";

const routes: { readonly [C in SimulatorCall]: Route<C> } = {
  "GET /version": cluster.version,
  "GET /nodes": cluster.nodes,
  "GET /nodes/{node}/network": cluster.interfaces,
  "GET /nodes/{node}/status": cluster.nodeStatus,
  "GET /cluster/resources": cluster.resources,
  "GET /cluster/status": cluster.status,
  "GET /cluster/nextid": cluster.nextid,
  "GET /access/permissions": cluster.permissions,
  "GET /pools": cluster.pools,
  "GET /nodes/{node}/qemu": guests.qemuList,
  "GET /nodes/{node}/lxc": guests.lxcList,
  "GET /nodes/{node}/qemu/{vmid}/status/current": guests.qemuStatus,
  "GET /nodes/{node}/lxc/{vmid}/status/current": guests.lxcStatus,
  "GET /nodes/{node}/qemu/{vmid}/config": guests.qemuConfig,
  "GET /nodes/{node}/lxc/{vmid}/config": guests.lxcConfig,
  "GET /nodes/{node}/qemu/{vmid}/pending": guests.qemuPending,
  "GET /nodes/{node}/lxc/{vmid}/pending": guests.lxcPending,
  "GET /nodes/{node}/lxc/{vmid}/interfaces": network.lxcInterfaces,
  "GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces": network.agentInterfaces,
  "GET /nodes/{node}/qemu/{vmid}/agent/get-osinfo": inside.osinfo,
  "GET /nodes/{node}/qemu/{vmid}/agent/get-host-name": inside.hostName,
  "GET /nodes/{node}/qemu/{vmid}/agent/get-fsinfo": inside.fsinfo,
  "GET /nodes/{node}/rrddata": metrics.ofNode,
  "GET /nodes/{node}/qemu/{vmid}/rrddata": metrics.ofVm,
  "GET /nodes/{node}/lxc/{vmid}/rrddata": metrics.ofContainer,
  "GET /nodes/{node}/qemu/{vmid}/cloudinit/dump": cloudinit.dump,
  "POST /nodes/{node}/qemu/{vmid}/agent/exec": agent.exec,
  "GET /nodes/{node}/qemu/{vmid}/agent/exec-status": agent.execStatus,
  "GET /nodes/{node}/tasks": tasks.ofNode,
  "GET /nodes/{node}/tasks/{upid}/status": tasks.status,
  "GET /nodes/{node}/tasks/{upid}/log": tasks.log,
  "GET /cluster/tasks": tasks.ofCluster,
  "GET /nodes/{node}/storage": storage.list,
  "GET /nodes/{node}/storage/{storage}/content": storage.content,
  "PUT /nodes/{node}/storage/{storage}/content/{volume}": storage.update,
  "DELETE /nodes/{node}/storage/{storage}/content/{volume}": storage.remove,
  "GET /nodes/{node}/storage/{storage}/prunebackups": storage.pruneList,
  "DELETE /nodes/{node}/storage/{storage}/prunebackups": storage.pruneNow,
  "POST /nodes/{node}/qemu/{vmid}/status/start": power.qemuStart,
  "POST /nodes/{node}/qemu/{vmid}/status/stop": power.qemuStop,
  "POST /nodes/{node}/qemu/{vmid}/status/shutdown": power.qemuShutdown,
  "POST /nodes/{node}/qemu/{vmid}/status/reboot": power.qemuReboot,
  "POST /nodes/{node}/qemu/{vmid}/status/reset": power.qemuReset,
  "POST /nodes/{node}/qemu/{vmid}/status/suspend": power.qemuSuspend,
  "POST /nodes/{node}/qemu/{vmid}/status/resume": power.qemuResume,
  "POST /nodes/{node}/lxc/{vmid}/status/start": power.lxcStart,
  "POST /nodes/{node}/lxc/{vmid}/status/stop": power.lxcStop,
  "POST /nodes/{node}/lxc/{vmid}/status/shutdown": power.lxcShutdown,
  "POST /nodes/{node}/lxc/{vmid}/status/reboot": power.lxcReboot,
  "POST /nodes/{node}/qemu": create.qemuCreate,
  "POST /nodes/{node}/lxc": create.lxcCreate,
  "POST /nodes/{node}/qemu/{vmid}/template": destroy.qemuTemplate,
  "DELETE /nodes/{node}/qemu/{vmid}": destroy.qemuDelete,
  "DELETE /nodes/{node}/lxc/{vmid}": destroy.lxcDelete,
  "POST /nodes/{node}/qemu/{vmid}/clone": clone.qemuClone,
  "POST /nodes/{node}/lxc/{vmid}/clone": clone.lxcClone,
  "PUT /nodes/{node}/qemu/{vmid}/config": config.qemuPut,
  "PUT /nodes/{node}/lxc/{vmid}/config": config.lxcPut,
  "POST /nodes/{node}/qemu/{vmid}/config": config.qemuPost,
  "PUT /nodes/{node}/qemu/{vmid}/unlink": config.qemuUnlink,
  "POST /nodes/{node}/qemu/{vmid}/move_disk": volumes.qemuMove,
  "POST /nodes/{node}/lxc/{vmid}/move_volume": volumes.lxcMove,
  "PUT /nodes/{node}/qemu/{vmid}/resize": volumes.qemuResize,
  "PUT /nodes/{node}/lxc/{vmid}/resize": volumes.lxcResize,
  "GET /nodes/{node}/qemu/{vmid}/snapshot": snapshots.qemuList,
  "POST /nodes/{node}/qemu/{vmid}/snapshot": snapshots.qemuTake,
  "DELETE /nodes/{node}/qemu/{vmid}/snapshot/{snapname}": snapshots.qemuDelete,
  "POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback": snapshots.qemuRollback,
  "GET /nodes/{node}/lxc/{vmid}/snapshot": snapshots.lxcList,
  "POST /nodes/{node}/lxc/{vmid}/snapshot": snapshots.lxcTake,
  "DELETE /nodes/{node}/lxc/{vmid}/snapshot/{snapname}": snapshots.lxcDelete,
  "POST /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/rollback": snapshots.lxcRollback,
  "POST /nodes/{node}/vzdump": jobs.vzdump,
  "GET /nodes/{node}/vzdump/extractconfig": restore.extract,
  "GET /nodes/{node}/qemu/{vmid}/migrate": migrate.preconditions,
  "POST /nodes/{node}/qemu/{vmid}/migrate": migrate.qemu,
  "POST /nodes/{node}/lxc/{vmid}/migrate": migrate.lxc,
  "GET /nodes/{node}/aplinfo": images.appliances,
  "POST /nodes/{node}/aplinfo": images.download,
  "POST /nodes/{node}/storage/{storage}/download-url": images.downloadUrl,
  "POST /nodes/{node}/storage/{storage}/oci-registry-pull": images.pullImage,
  "GET /cluster/backup": jobs.list,
  "GET /cluster/backup-info/not-backed-up": jobs.notBackedUp,
  "GET /cluster/ha/status/current": ha.status,
  "GET /cluster/ha/rules": ha.rules,
  "GET /cluster/ha/groups": ha.groups,
  "GET /cluster/replication": ha.replication,
  "GET /nodes/{node}/replication": ha.replicationOn,
  "GET /cluster/log": upkeep.clusterLog,
  "GET /cluster/firewall/rules": firewall.clusterRules,
  "GET /cluster/firewall/options": firewall.clusterOptions,
  "GET /nodes/{node}/firewall/rules": firewall.nodeRules,
  "GET /nodes/{node}/firewall/options": firewall.nodeOptions,
  "GET /nodes/{node}/qemu/{vmid}/firewall/rules": firewall.vmRules,
  "GET /nodes/{node}/qemu/{vmid}/firewall/options": firewall.vmOptions,
  "GET /nodes/{node}/lxc/{vmid}/firewall/rules": firewall.containerRules,
  "GET /nodes/{node}/lxc/{vmid}/firewall/options": firewall.containerOptions,
  "GET /nodes/{node}/services": upkeep.services,
  "GET /nodes/{node}/apt/update": upkeep.updates,
  "GET /nodes/{node}/syslog": upkeep.syslog,
  "GET /nodes/{node}/disks/list": upkeep.disks,
  "GET /nodes/{node}/disks/zfs": upkeep.zfs,
  "GET /cluster/ceph/status": upkeep.ceph,
  "POST /cluster/backup": jobs.create,
  "PUT /nodes/{node}/disks/wipedisk": node.wipedisk,
  "POST /nodes/{node}/execute": node.execute,
};

function isCall(call: string): call is SimulatorCall {
  return Object.hasOwn(routes, call);
}

/** Every call that is simulated. */
export const simulated: readonly SimulatorCall[] = Object.keys(routes).filter(isCall);

/** Answers a call whose parameters have been checked. */
export function invoke<C extends SimulatorCall>(
  call: C,
  context: Context,
  params: Readonly<Record<string, unknown>>,
): unknown {
  // deno-lint-ignore proxmox-mcp/no-as -- validate() has just checked and decoded them along the call's schema
  return routes[call](context, params as SimulatorApi[C]);
}
