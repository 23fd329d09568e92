/** Reads that serve completions and resources: declared as tools, so that dispatch runs them, and never listed as such. */
import { z } from "zod";
import { findGuest, listGuests } from "../pve/guests.ts";
import { defineTool } from "../tool.ts";

/** Nodes whose tasks are read for a completion, and how many of each. */
const MOST_NODES = 8;
const TASKS_A_NODE = 50;

const common = { tier: "read", toolset: "core", privileges: [] } as const;

const guests = defineTool({
  ...common,
  name: "look_up_guests",
  title: "Look up guests",
  description: "Names every guest, or the one of a number.",
  input: z.strictObject({ vmid: z.int().optional() }),
  output: z.object({
    rows: z.array(z.object({
      vmid: z.number(),
      kind: z.enum(["vm", "container"]),
      name: z.string().optional(),
      node: z.string(),
      template: z.boolean(),
    })),
  }),
  calls: ["GET /cluster/resources"],
  async run({ vmid }, { pve, signal }) {
    const all = await listGuests(pve, { signal });
    return {
      rows: all.filter((guest) => vmid === undefined || guest.vmid === vmid)
        .map(({ vmid, kind, name, node, template }) => ({ vmid, kind, name, node, template })),
    };
  },
});

const nodes = defineTool({
  ...common,
  name: "look_up_nodes",
  title: "Look up nodes",
  description: "Names every node.",
  input: z.strictObject({}),
  output: z.object({ rows: z.array(z.object({ node: z.string() })) }),
  calls: ["GET /nodes"],
  async run(_input, { pve, signal }) {
    const rows = await pve.call("GET /nodes", {}, { signal });
    return { rows: rows.map(({ node }) => ({ node })) };
  },
});

const places = defineTool({
  ...common,
  name: "look_up_places",
  title: "Look up storages and pools",
  description: "Names every storage with its node, and every pool.",
  input: z.strictObject({}),
  output: z.object({
    rows: z.array(z.object({
      storage: z.string().optional(),
      pool: z.string().optional(),
      node: z.string().optional(),
      content: z.string().optional(),
    })),
  }),
  calls: ["GET /cluster/resources"],
  async run(_input, { pve, signal }) {
    const rows = await pve.call("GET /cluster/resources", {}, { signal });
    return {
      rows: rows.filter(({ type }) => type === "storage" || type === "pool")
        .map(({ storage, pool, node, content }) => ({ storage, pool, node, content })),
    };
  },
});

const tasks = defineTool({
  ...common,
  name: "look_up_tasks",
  title: "Look up tasks",
  description: "Names the newest tasks of the first nodes.",
  input: z.strictObject({}),
  output: z.object({ rows: z.array(z.object({ upid: z.string(), started: z.number() })) }),
  calls: ["GET /nodes", "GET /nodes/{node}/tasks"],
  async run(_input, { pve, signal }) {
    const online = (await pve.call("GET /nodes", {}, { signal })).filter(({ status }) => status === "online");
    const found = await Promise.all(
      online.slice(0, MOST_NODES).map(({ node }) =>
        pve.call("GET /nodes/{node}/tasks", { node, source: "all", limit: TASKS_A_NODE }, { signal })
      ),
    );
    const rows = found.flat().map(({ upid, starttime }) => ({ upid, started: starttime ?? 0 }));
    return { rows: rows.sort((a, b) => b.started - a.started) };
  },
});

const snapshots = defineTool({
  ...common,
  name: "look_up_snapshots",
  title: "Look up snapshots",
  description: "Names the snapshots of a guest, the newest first.",
  input: z.strictObject({ vmid: z.int() }),
  output: z.object({ rows: z.array(z.object({ snapshot: z.string() })) }),
  calls: ["GET /cluster/resources", "GET /nodes/{node}/qemu/{vmid}/snapshot", "GET /nodes/{node}/lxc/{vmid}/snapshot"],
  async run({ vmid }, { pve, signal }) {
    const { node, kind } = await findGuest(pve, { vmid }, undefined, "", { signal });
    const rows = kind === "vm"
      ? await pve.call("GET /nodes/{node}/qemu/{vmid}/snapshot", { node, vmid }, { signal })
      : await pve.call("GET /nodes/{node}/lxc/{vmid}/snapshot", { node, vmid }, { signal });
    // PVE lists the present state as one of them, without a time.
    const taken = rows.filter(({ snaptime }) => snaptime !== undefined);
    return {
      rows: taken.sort((a, b) => (b.snaptime ?? 0) - (a.snaptime ?? 0)).flatMap(({ name }) =>
        name === undefined ? [] : [{ snapshot: name }]
      ),
    };
  },
});

/** What can be looked up. */
export const lookups = { guests, nodes, places, snapshots, tasks } as const;
