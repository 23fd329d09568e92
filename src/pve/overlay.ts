/** Where PVE's answers differ from its schema: each field with the recorded answer that shows it. Read by the generator. */

/** `path` of a field ("[]" enters a list) → its type on the wire. */
export const overlay: Readonly<
  Record<string, Readonly<Record<string, { type: "string" | "number" | "boolean"; seen: string }>>>
> = {
  "GET /nodes": {
    "[].id": { type: "string", seen: "016" },
    "[].type": { type: "string", seen: "016" },
    "[].disk": { type: "number", seen: "016" },
    "[].maxdisk": { type: "number", seen: "016" },
  },
  "GET /nodes/{node}/status": {
    "uptime": { type: "number", seen: "018" },
    "idle": { type: "number", seen: "018" },
    "wait": { type: "number", seen: "018" },
    "kversion": { type: "string", seen: "018" },
    "swap.free": { type: "number", seen: "018" },
    "swap.total": { type: "number", seen: "018" },
    "swap.used": { type: "number", seen: "018" },
    "ksm.shared": { type: "number", seen: "018" },
    "cpuinfo.mhz": { type: "string", seen: "018" },
  },
  "GET /nodes/{node}/qemu/{vmid}/status/current": {
    "disk": { type: "number", seen: "060" },
    "ha.managed": { type: "boolean", seen: "060" },
  },
  "GET /nodes/{node}/lxc/{vmid}/status/current": {
    "swap": { type: "number", seen: "067" },
    "type": { type: "string", seen: "067" },
    "ha.managed": { type: "boolean", seen: "067" },
  },
  "GET /nodes/{node}/lxc": {
    "[].type": { type: "string", seen: "065" },
    "[].swap": { type: "number", seen: "065" },
  },
  "GET /nodes/{node}/storage/{storage}/content": {
    "[].content": { type: "string", seen: "035" },
    "[].subtype": { type: "string", seen: "369" },
  },
  "GET /cluster/log": {
    "[].time": { type: "number", seen: "025" },
    "[].node": { type: "string", seen: "025" },
    "[].user": { type: "string", seen: "025" },
    "[].tag": { type: "string", seen: "025" },
    "[].msg": { type: "string", seen: "025" },
    "[].pri": { type: "number", seen: "025" },
  },
  "GET /nodes/{node}/tasks/{upid}/status": {
    "tokenid": { type: "string", seen: "100" },
  },
};
