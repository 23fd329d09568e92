/** Reading permissions: what a path has of its own, what it inherits, and where an entry would shut something out. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Grants } from "../../src/access/grants.ts";
import { grantPaths } from "../../src/access/places.ts";
import { grantLine, subjectOf } from "../../src/access/pveum.ts";
import { judgeTool } from "../../src/access/report.ts";
import { planFor } from "../../src/access/roles.ts";
import { type Identity, privileges } from "../../src/sim/access.ts";
import { effective } from "../../src/sim/access.ts";
import { emptyState } from "../../src/sim/build.ts";
import type { State } from "../../src/sim/mod.ts";
import { runPveum } from "../helpers/pveum.ts";

const identity: Identity = { user: "robot@pve", token: undefined };
const PATHS = ["/", "/vms", "/vms/100", "/storage", "/storage/local", "/nodes", "/nodes/pve1", "/pool/agents"];
const ROLES = ["PVEAuditor", "PVEVMUser", "PVEDatastoreUser", "NoAccess", "PVESDNUser"];

const entries = fc.array(
  fc.record({ path: fc.constantFrom(...PATHS), role: fc.constantFrom(...ROLES), propagate: fc.boolean() }),
  { maxLength: 6 },
);

function stateWith(acl: readonly { path: string; role: string; propagate: boolean }[]): State {
  const state = emptyState();
  state.access.users.add(identity.user);
  state.access.acl.push(...acl.map((entry) => ({ ...entry, who: identity.user })));
  return state;
}

Deno.test("Grants knows of every path what PVE would answer, once it was asked about those that are shut", () => {
  fc.assert(fc.property(entries, fc.constantFrom(...PATHS, "/vms/999", "/storage/nas"), (given, path) => {
    // Whether NoAccess reaches below, PVE's answers do not tell: it is taken to.
    const shut = new Set(given.filter(({ role }) => role === "NoAccess").map((entry) => entry.path));
    const acl = given.filter((entry) => !shut.has(entry.path));
    acl.push(...[...shut].map((at) => ({ path: at, role: "NoAccess", propagate: true })));
    const state = stateWith(acl);
    // The list leaves out what has nothing: those paths are asked about one by one.
    const single = PATHS.map((one) => ({ [one]: effective(state, identity, one)[one] ?? {} }));
    const grants = new Grants(effective(state, identity), ...single);
    assert.deepEqual([...grants.at(path)].sort(), [...privileges(state, identity, path).keys()].sort());
  }));
});

Deno.test("Grants reads a path with a slash at its end, and what is no list of privileges as nothing", () => {
  const grants = new Grants({ "/vms/100/": { "VM.Audit": 0 }, "/nodes": null, "/storage": { "Datastore.Audit": 1 } });
  assert.deepEqual([...grants.at("/vms/100")], ["VM.Audit"]);
  assert.deepEqual([...grants.at("/vms/100/x")], []);
  assert.deepEqual([...grants.at("/storage/local")], ["Datastore.Audit"]);
  assert.ok(!grants.empty);
  assert.ok(new Grants({}).empty && new Grants({ "/": {} }).empty);
});

Deno.test("the line that grants a privilege brings it to what is below, and takes none away", () => {
  const needed = fc.constantFrom(
    ["VM.PowerMgmt", "/vms"],
    ["Datastore.AllocateSpace", "/storage"],
    ["Sys.Audit", "/nodes"],
  );
  fc.assert(fc.property(entries, needed, (acl, [privilege, path]) => {
    const usual = acl.filter(({ role }) => role !== "NoAccess");
    const state = stateWith(usual);
    const grants = new Grants(effective(state, identity));
    fc.pre(!grants.below(path).has(privilege));
    const family = privilege.slice(0, privilege.indexOf(".") + 1);
    const before = new Map(PATHS.map((one) => [one, privileges(state, identity, one)]));
    const grantOn = grantPaths(path, [path], grants);
    const line = grantLine({ any: [privilege], path, grantOn }, subjectOf("robot@pve!mcp"), 9);
    state.access.tokens.set("robot@pve!mcp", {
      user: "robot@pve",
      name: "mcp",
      secret: "",
      separated: false,
      expires: 0,
    });
    runPveum(state, [line]);
    // An entry that repeats what comes from above does not show in PVE's answers: it is seen after the first line.
    const hidden = usual.some((entry) => entry.path === path && entry.propagate) && grants.inheritsOnly(path);
    assert.ok(hidden || privileges(state, identity, `${path}/elsewhere`).has(privilege), `${line} has not brought it`);
    for (const [one, had] of before) {
      const has = privileges(state, identity, one);
      const mattered = one === "/" || one.startsWith(path)
        ? [...had.keys()].filter((name) => name.startsWith(family))
        : [];
      assert.deepEqual(mattered.filter((name) => !has.has(name)), [], `${line} took from ${one}`);
    }
  }));
});

Deno.test("commands are safe to paste: whatever a name is, it stays one word", () => {
  fc.assert(fc.property(fc.string({ minLength: 1, maxLength: 20 }), (name) => {
    const user = `${name}@pve`;
    const line = grantLine({ any: ["VM.Audit"], path: "/vms", grantOn: ["/vms"] }, { user, token: "mcp" }, 9);
    const words = [...line.matchAll(/(?:'[^']*'|\\'|[^\s'\\])+/gs)].map(([word]) =>
      word.replaceAll(
        /'([^']*)'|\\(')/gs,
        (_all, quoted: string | undefined, single: string | undefined) => quoted ?? single ?? "",
      )
    );
    assert.equal(words[words.indexOf("--users") + 1], user);
    assert.equal(words[words.indexOf("--tokens") + 1], `${user}!mcp`);
  }));
});

Deno.test("what is needed on / itself does not reach below it", () => {
  const line = grantLine({ any: ["Sys.Audit"], path: "/", grantOn: ["/"] }, subjectOf("robot@pve!mcp"), 9);
  assert.match(line, /pveum acl modify \/ .*--propagate 0$/);
  const tools = [{ name: "look", tier: "read", privileges: [{ path: "/", any: ["Sys.Audit"] }] }] as const;
  const { acl } = planFor({ tools, pve: 9, pool: "agents", storages: [], bridges: [] });
  assert.deepEqual(acl, [{ path: "/", role: "MCP-Read-Cluster", propagate: false }]);
});

Deno.test("what an entry grants on /vms alone, no guest has; the missing comes from where the rest does", () => {
  const state = stateWith([
    { path: "/", role: "PVEAuditor", propagate: true },
    { path: "/vms", role: "PVEVMAdmin", propagate: false },
  ]);
  const grants = new Grants(effective(state, identity));
  const scene = { nodes: ["pve1"], storages: [], bridges: [] };
  const privilege = [{ path: "/vms/{vmid}", any: ["VM.PowerMgmt"] }];
  const { verdict, lacks } = judgeTool({ name: "start_vm", privileges: privilege }, grants, scene);
  assert.deepEqual([verdict, lacks.map(({ grantOn }) => grantOn)], ["fails", [["/"]]]);
  assert.equal(
    judgeTool({ name: "look", privileges: [{ path: "/vms/{vmid}", any: ["VM.Audit"] }] }, grants, scene).verdict,
    "works",
  );
});
