/** A round through the tools against the real PVE that the environment names: it reads, and writes only when told to. */
import assert from "node:assert/strict";
import { readSettings } from "../../src/cli/settings.ts";
import { openSession } from "../../src/confine/session.ts";
import { textOf } from "../../src/mcp/content.ts";
import type { Dispatch } from "../../src/mcp/dispatch.ts";
import { tools } from "../../src/tools/mod.ts";

const writes = Deno.env.get("PROXMOX_TEST_WRITES") === "true";
// It is no setting of the program, which refuses what it does not know.
Deno.env.delete("PROXMOX_TEST_WRITES");

type Row = Readonly<Record<string, unknown>>;

/** Registers a test, or the reason why it does not run. */
function liveTest(
  name: string,
  fn: (dispatch: Dispatch, t: Deno.TestContext) => Promise<void>,
  skipped?: string,
): void {
  const reason = (Deno.env.get("PROXMOX_HOST") ?? "") === "" ? "skipped: PROXMOX_HOST is not set" : skipped;
  Deno.test({
    name: reason === undefined ? name : `${name} (${reason})`,
    ignore: reason !== undefined,
    // Connections stay open for the next request.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (t) => {
      const settings = readSettings(undefined);
      const { dispatch } = await openSession({ settings, trace: false, audit: undefined, log: () => {} });
      await fn(dispatch, t);
    },
  });
}

async function call(dispatch: Dispatch, name: string, args: Row, tier?: string): Promise<Row> {
  const tool = tools.find((tool) => tool.name === name);
  assert.ok(tool !== undefined, `There is no tool ${name}`);
  if (tier !== undefined) assert.equal(tool.tier, tier);
  const signal = new AbortController().signal;
  const result = await dispatch.call(tool, args, { signal, progress: undefined });
  const { isError, structuredContent } = result;
  const text = textOf(result);
  assert.ok(isError !== true, `${name} ${JSON.stringify(args)}: ${text}`);
  assert.notEqual(text, "", name);
  return structuredContent ?? {};
}

function read(dispatch: Dispatch, name: string, args: Row = {}): Promise<Row> {
  return call(dispatch, name, args, "read");
}

function rows(answer: Row, key: string): Row[] {
  const list = answer[key];
  assert.ok(Array.isArray(list), `${key} is no list`);
  return list;
}

/** The nodes in an answer, as in "pve1,pve2". */
function nodesOf(row: Row): string[] {
  return String(row.nodes ?? "").split(",");
}

liveTest("nodes and their state", async (dispatch) => {
  const nodes = rows(await read(dispatch, "list_nodes"), "nodes");
  const online = nodes.find((row) => row.status === "online");
  assert.ok(online !== undefined, "no node is online");
  const status = await read(dispatch, "node_status", { node: online.node });
  assert.equal(status.node, online.node);
  assert.match(String(status.pve_version), /^pve-manager\/\d+\.\d+/);
  assert.ok(rows(await read(dispatch, "cluster_resources", { resource_type: "all" }), "resources").length > 0);
});

for (const kind of ["vm", "container"] as const) {
  liveTest(`the list of ${kind}s, and one of them`, async (dispatch) => {
    const guests = rows(await read(dispatch, `list_${kind}s`, { limit: 500 }), "guests");
    const guest = guests.find((row) => row.template !== true) ?? guests[0];
    if (guest === undefined) return;
    const status = await read(dispatch, `${kind}_status`, { vmid: guest.vmid });
    assert.deepEqual([status.vmid, status.node], [guest.vmid, guest.node]);
    const { config } = await read(dispatch, `${kind}_config`, { vmid: guest.vmid });
    assert.ok(typeof config === "object" && config !== null && Object.keys(config).length > 0);
  });
}

liveTest("storages and templates", async (dispatch) => {
  const storages = rows(await read(dispatch, "list_storage"), "storages");
  assert.ok(storages.length > 0, "no storage is visible");
  const [node] = nodesOf(storages[0] ?? {});
  assert.ok(rows(await read(dispatch, "list_storage", { node }), "storages").length > 0);
  const { total } = await read(dispatch, "list_templates");
  assert.equal(typeof total, "number");
});

liveTest("a free vmid", async (dispatch) => {
  const { vmid } = await read(dispatch, "next_vmid");
  assert.ok(typeof vmid === "number" && vmid >= 100);
  assert.equal((await read(dispatch, "allocate_vmid")).vmid, vmid);
});

/** The smallest container template, and a storage for containers that is on the same node. */
async function findPlace(dispatch: Dispatch): Promise<{ node: string; ostemplate: unknown; storage: unknown }> {
  const storages = rows(await read(dispatch, "list_storage"), "storages")
    .filter((row) => String(row.content).split(",").includes("rootdir") && row.state === undefined);
  const templates = rows(
    await read(dispatch, "list_templates", { kind: "container_template", limit: 500 }),
    "templates",
  )
    .sort((a, b) => Number(a.size_gib) - Number(b.size_gib));
  for (const template of templates) {
    for (const storage of storages) {
      const node = nodesOf(storage).find((node) => nodesOf(template).includes(node));
      if (node !== undefined) return { node, ostemplate: template.volid, storage: storage.storage };
    }
  }
  assert.fail("No node has both a container template and a storage for containers: a person has to provide them");
}

liveTest("a container is created, started, changed and shut down", async (dispatch, t) => {
  const { node, ostemplate, storage } = await findPlace(dispatch);
  const made = await call(dispatch, "create_container", {
    node,
    ostemplate,
    hostname: "proxmox-mcp-smoke",
    description: "Made by the smoke test of proxmox-mcp; may be deleted",
    rootfs: `${storage}:2`,
    memory: 256,
    net0: "none",
    wait_timeout: 300,
  });
  const { vmid } = made;
  // As the name of a step it is shown even by a quiet run.
  await t.step(`left for a person to remove: container ${vmid} on ${node}, with its disk on ${storage}`, () => {});
  assert.equal(made.state, "ok");
  assert.equal((await call(dispatch, "start_container", { vmid })).state, "ok");
  assert.equal((await read(dispatch, "container_status", { vmid })).status, "running");
  const changed = await call(dispatch, "set_container_config", { vmid, config: { memory: 384, tags: "smoke" } });
  assert.equal(changed.state, "ok");
  const { config } = await read(dispatch, "container_config", { vmid });
  assert.deepEqual({ memory: 384, tags: "smoke" }, pick(config, ["memory", "tags"]));
  assert.equal((await call(dispatch, "set_container_config", { vmid, config: { memory: 384 } })).state, "unchanged");
  assert.equal((await call(dispatch, "shutdown_container", { vmid, wait_timeout: 120 })).state, "ok");
}, writes ? undefined : "skipped: PROXMOX_TEST_WRITES=true would create a container that only a person can remove");

function pick(value: unknown, keys: readonly string[]): Row {
  const entries = Object.entries(typeof value === "object" && value !== null ? value : {});
  return Object.fromEntries(entries.filter(([key]) => keys.includes(key)));
}
