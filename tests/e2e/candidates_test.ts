/** What is not there is answered with what there is: snapshots, by name. */
import assert from "node:assert/strict";
import { type Running, serverTest } from "../helpers/server.ts";

async function factsOf({ client }: Running, name: string, args: Record<string, unknown>): Promise<unknown> {
  const { _meta } = await client.callTool({ name, arguments: args });
  return _meta?.["proxmox-mcp/error"];
}

for (
  const { kind, vmid } of [
    { kind: "vm", vmid: 100 },
    { kind: "container", vmid: 200 },
  ] as const
) {
  serverTest(`a snapshot of a ${kind} that is not there: those that are, and with one of them it works`, {
    simulator: { pace: 0 },
  }, async (running) => {
    const { ok, error } = running;
    const clone = { source_vmid: vmid, snapname: "before-upgrad" };
    const none = await error(`clone_${kind}`, clone);
    assert.match(none, /snapshot 'before-upgrad' does not exist/);
    assert.match(none, new RegExp(`What to do: Guest ${vmid} has no snapshot: leave snapname out`));

    await ok(`create_${kind}_snapshot`, { vmid, snapname: "first" });
    await ok(`create_${kind}_snapshot`, { vmid, snapname: "before-upgrade" });
    const some = await error(`clone_${kind}`, clone);
    assert.match(some, /Probably meant: before-upgrade\. There are before-upgrade, first\. Name a snapshot/);
    const facts = await factsOf(running, `clone_${kind}`, clone);
    assert.ok(typeof facts === "object" && facts !== null && "candidates" in facts && "kind" in facts);
    assert.deepEqual([facts.kind, facts.candidates], ["missing", ["before-upgrade", "first"]]);
    assert.equal((await ok(`clone_${kind}`, { ...clone, snapname: "before-upgrade" })).state, "ok");

    const taken = await error(`create_${kind}_snapshot`, { vmid, snapname: "first" });
    assert.match(taken, /already used/);
    assert.match(taken, /What to do: Choose another name; taken are first, before-upgrade/);
    assert.equal((await ok(`create_${kind}_snapshot`, { vmid, snapname: "second" })).state, "ok");
  });
}
