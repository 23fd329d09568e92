/** The proof of the roles: with them every chosen tool works, without any one privilege a tool fails and the report names it. */
import assert from "node:assert/strict";
import { Grants } from "../../src/access/grants.ts";
import { look } from "../../src/access/look.ts";
import { grantLine, grantLines, setUpCommands, subjectOf } from "../../src/access/pveum.ts";
import { judgeTools, lacksOf, type ToolAccess } from "../../src/access/report.ts";
import { planFor, type Wish } from "../../src/access/roles.ts";
import { textOf } from "../../src/mcp/content.ts";
import { createDispatch } from "../../src/mcp/dispatch.ts";
import { createClient } from "../../src/pve/client.ts";
import { connect } from "../../src/pve/connection.ts";
import { createSimulatedShell, createSimulator, type State } from "../../src/sim/mod.ts";
import { demoCluster } from "../../src/sim/demo.ts";
import { simulatorTransport } from "../../src/sim/transport.ts";
import { toolsets } from "../../src/safety/toolsets.ts";
import type { Tool } from "../../src/tool.ts";
import { tools } from "../../src/tools/mod.ts";
import { NEW_SECRET, runPveum } from "../helpers/pveum.ts";
import { argsOf, examples, GUESTS, prepare } from "./examples.ts";

const TOKEN = "robot@pve!mcp";
const subject = subjectOf(TOKEN);
const NOW = Date.UTC(2026, 10, 2, 12);

interface Case {
  readonly name: string;
  readonly wish: Wish;
  readonly separated: boolean;
}

const selections: readonly (readonly [string, (tool: Tool) => boolean])[] = [
  ["read only", ({ tier }) => tier === "read"],
  ["without backups and exec", (tool) => tool.tier !== "exec" && !needsBackup(tool)],
  ["everything", () => true],
  ["with backups, without exec", ({ tier }) => tier !== "exec"],
  ["with exec, without backups", (tool) => !needsBackup(tool)],
];

function needsBackup(tool: Tool): boolean {
  return tool.privileges.some(({ any }) => any.includes("VM.Backup"));
}

const wishes = selections.flatMap(([name, choose]) =>
  (["everywhere", "in a pool"] as const).map((where) => ({
    name: `${name}, ${where}`,
    wish: {
      tools: tools.filter(choose),
      pve: 9,
      pool: where === "in a pool" ? "agents" : undefined,
      storages: ["local", "local-lvm", "nas", "ceph"],
      bridges: ["vmbr0"],
    } satisfies Wish,
  }))
);
const cases: readonly Case[] = wishes.flatMap(({ name, wish }) => [
  { name: `${name}, with privilege separation`, wish, separated: true },
  { name: `${name}, without privilege separation`, wish, separated: false },
]);

/** A cluster on which the printed commands have been run. */
function clusterWith(commands: readonly string[]): State {
  const state = demoCluster(NOW);
  // A guest is in one pool.
  for (const pool of state.pools.values()) for (const vmid of GUESTS) pool.guests.delete(vmid);
  state.pools.set("agents", { id: "agents", comment: undefined, guests: new Set(GUESTS) });
  runPveum(state, commands);
  return state;
}

function commandsOf({ wish, separated }: Case): string[] {
  return setUpCommands(planFor(wish), subject, separated);
}

function clientOf(state: State) {
  let now = NOW;
  const simulator = createSimulator({ state, pace: 0, clock: { now: () => now += 1000 } });
  return createClient(connect(simulatorTransport(simulator, `PVEAPIToken=${TOKEN}=${NEW_SECRET}`), { retries: 0 }));
}

/** Calls each tool with its example; tool → why it failed, or "" where it worked. */
async function tryAll(state: State, wish: Wish): Promise<Map<string, string>> {
  const chosen = tools.filter((tool) => wish.tools.includes(tool));
  const dispatch = createDispatch({
    tools: chosen,
    pve: clientOf(state),
    settings: {
      readOnly: false,
      exec: { guests: undefined },
      downloadHosts: ["cloud.debian.org", "docker.io"],
      ...(wish.pool === undefined ? {} : { pool: wish.pool }),
    },
    exec: { vm: "agent", privileged: false, shell: createSimulatedShell({ state }, 0) },
    onBug: (error) => {
      throw error;
    },
  });
  const found = new Map<string, string>();
  for (const tool of chosen) {
    const example = examples[tool.name];
    assert.ok(example !== undefined, `tests/access/examples.ts has no example for ${tool.name}`);
    prepare(state.guests, example);
    const options = { signal: new AbortController().signal, progress: undefined };
    const result = await dispatch.call(tool, argsOf(example, state), options);
    const { isError, structuredContent } = result;
    const complete = isError !== true && (example.complete?.(structuredContent ?? {}) ?? true);
    found.set(tool.name, complete ? "" : textOf(result));
  }
  return found;
}

async function report(state: State, wish: Wish): Promise<ToolAccess[]> {
  const { grants, scene } = await look(clientOf(state));
  return judgeTools(wish.tools, grants, scene);
}

for (const one of cases) {
  Deno.test(`with the printed commands all tools work: ${one.name}`, async () => {
    const state = clusterWith(commandsOf(one));
    const failed = [...await tryAll(state, one.wish)].filter(([, why]) => why !== "");
    assert.deepEqual(failed, []);
    const judged = await report(clusterWith(commandsOf(one)), one.wish);
    assert.deepEqual(judged.filter(({ verdict }) => verdict !== "works"), []);
  });
}

/** The same cluster, with one privilege taken out of one role. */
function without(one: Case, role: string, privilege: string): State {
  const state = clusterWith(commandsOf(one));
  const left = new Set(state.access.roles.get(role));
  assert.ok(left.delete(privilege));
  state.access.roles.set(role, left);
  if (left.size > 0) return state;
  // An entry for a role without privileges would shut out all that is granted above it, like NoAccess.
  const acl = state.access.acl.filter((entry) => entry.role !== role);
  state.access.acl.splice(0, state.access.acl.length, ...acl);
  return state;
}

for (const one of cases.filter(({ name, separated }) => separated === !name.includes("pool"))) {
  for (const { name: role, privileges } of planFor(one.wish).roles) {
    for (const privilege of privileges) {
      Deno.test(`${privilege} out of ${role} breaks a tool, and the report names it: ${one.name}`, async () => {
        const judged = await report(without(one, role, privilege), one.wish);
        const tried = await tryAll(without(one, role, privilege), one.wish);
        const broken = [...tried].filter(([, why]) => why !== "").map(([tool]) => tool);
        assert.notEqual(broken.length, 0, "nothing failed: the role is not the smallest");
        const shown = judged.filter(({ tool, lacks }) =>
          lacks.length > 0 && examples[tool]?.unseen?.includes(privilege) !== true &&
          (broken.includes(tool) || examples[tool]?.either?.includes(privilege) !== true)
        );
        assert.deepEqual(shown.map(({ tool }) => tool), broken);
        for (const { lack } of lacksOf(judged)) assert.ok(lack.any.includes(privilege), JSON.stringify(lack));
        // Following the remedy to the letter makes it work.
        const lines = {
          check_permissions: lacksOf(judged).map(({ lack }) => grantLine(lack, subject, 9)),
          doctor: judged.filter(({ lacks }) => lacks.length > 0)
            .map(({ tool, lacks }) => grantLines(tool, lacks, subject, 9)),
        };
        for (const [by, commands] of Object.entries(lines)) {
          const mended = without(one, role, privilege);
          runPveum(mended, commands);
          assert.deepEqual((await report(mended, one.wish)).filter(({ verdict }) => verdict !== "works"), [], by);
          // Once is enough: both have brought the same privileges by now.
          if (by !== "doctor") continue;
          assert.deepEqual([...await tryAll(mended, one.wish)].filter(([, why]) => why !== ""), [], by);
        }
      });
    }
  }
}

Deno.test("for PVE 8 the commands name no privilege that it does not know, and all that it has instead", () => {
  for (const { wish, separated } of cases) {
    const plan = planFor({ ...wish, pve: 8 });
    const state = demoCluster(NOW);
    state.pools.set("agents", { id: "agents", comment: undefined, guests: new Set() });
    // It refuses privileges that PVE 8 does not have.
    runPveum(state, setUpCommands(plan, subject, separated), 8);
    const all = plan.roles.flatMap(({ privileges }) => privileges);
    const agent = wish.tools.some(({ privileges }) => privileges.some(({ any }) => any.includes("VM.Monitor")));
    assert.equal(all.includes("VM.Monitor"), agent);
  }
});

Deno.test("no role ever holds Datastore.Allocate, and VM.Backup stands alone", () => {
  const privileges = [
    { path: "/vms/{vmid}", any: ["VM.Backup"] },
    { path: "/vms/{vmid}", any: ["VM.Audit"] },
    { path: "/storage/{storage}", any: ["Datastore.Allocate", "Datastore.AllocateSpace"] },
  ];
  const wish = {
    tools: [{ name: "back_up", tier: "provision", privileges }],
    pve: 9,
    storages: [],
    bridges: [],
  } as const;
  for (const pool of [undefined, "agents"]) {
    const { roles, acl } = planFor({ ...wish, pool });
    const backup = roles.find(({ name }) => name === "MCP-Backup");
    assert.deepEqual(backup?.privileges, ["VM.Backup"]);
    assert.equal(roles.filter((role) => role.privileges.includes("VM.Backup")).length, 1);
    assert.ok(
      acl.some(({ role, path }) => role === "MCP-Backup" && path === (pool === undefined ? "/" : "/pool/agents")),
    );
    assert.deepEqual(roles.flatMap((role) => role.privileges.filter((one) => one.startsWith("Datastore."))), [
      "Datastore.AllocateSpace",
    ]);
  }
  for (const { wish } of cases) {
    for (const { privileges } of planFor(wish).roles) {
      assert.ok(!privileges.includes("Datastore.Allocate"));
      assert.ok(!privileges.includes("VM.Backup") || privileges.length === 1);
    }
  }
});

Deno.test("a token with privilege separation and no ACL of its own may do nothing, and the report says so", async () => {
  const [one] = cases;
  assert.ok(one !== undefined && one.separated);
  const state = clusterWith(commandsOf(one).filter((line) => !line.includes("--tokens")));
  const { grants } = await look(clientOf(state));
  assert.ok(grants instanceof Grants && grants.empty);
  const judged = await report(state, one.wish);
  assert.ok(judged.filter(({ verdict }) => verdict === "fails").length > 3);
});

Deno.test("the roles that the README writes out are those of the tools that are on by default", async () => {
  const readme = await Deno.readTextFile("README.md");
  const block = /```sh\n(pveum user add [^]*?)\n```/.exec(readme)?.[1] ?? "";
  const commands = block.split("\n");
  const chosen = tools.filter(({ toolset }) => toolsets[toolset].byDefault);
  const { roles } = planFor({ tools: chosen, pve: 9, pool: undefined, storages: [], bridges: [] });
  const written = [...block.matchAll(/^pveum role add \S+ --privs "?([^"\n]+)"?$/gm)]
    .map(([, privileges = ""]) => privileges.split(" ").sort());
  assert.deepEqual(written, roles.map(({ privileges }) => privileges));
  const state = clusterWith(commands);
  const granted = state.access.acl.filter(({ who }) => who === "agent@pve").map(({ path, role }) => `${path} ${role}`);
  assert.deepEqual(granted.slice(-2), ["/ AgentRole", "/ AgentBackup"]);
  assert.ok(state.access.tokens.has("agent@pve!mcp"));
});
