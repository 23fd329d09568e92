/** The calls that only the simulator knows: what a person, PVE's scheduler or a broken guarantee would send. */

/** None of these stands in the catalogue; the simulator obeys them so that a leak of the guarantee would show. */
export const simulatorCalls = [
  "DELETE /nodes/{node}/qemu/{vmid}",
  "DELETE /nodes/{node}/lxc/{vmid}",
  "POST /nodes/{node}/qemu/{vmid}/config",
  "PUT /nodes/{node}/qemu/{vmid}/unlink",
  "POST /nodes/{node}/qemu/{vmid}/move_disk",
  "POST /nodes/{node}/lxc/{vmid}/move_volume",
  "POST /nodes/{node}/qemu/{vmid}/template",
  "POST /nodes/{node}/qemu/{vmid}/status/reset",
  "DELETE /nodes/{node}/qemu/{vmid}/snapshot/{snapname}",
  "POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback",
  "DELETE /nodes/{node}/lxc/{vmid}/snapshot/{snapname}",
  "POST /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/rollback",
  "PUT /nodes/{node}/storage/{storage}/content/{volume}",
  "DELETE /nodes/{node}/storage/{storage}/content/{volume}",
  "GET /nodes/{node}/storage/{storage}/prunebackups",
  "DELETE /nodes/{node}/storage/{storage}/prunebackups",
  "PUT /nodes/{node}/disks/wipedisk",
  "POST /nodes/{node}/execute",
  "GET /cluster/tasks",
  "POST /cluster/backup",
] as const;
