/** The state checks alone: what they ask PVE, what they add to a request, and when they refuse it. */
import assert from "node:assert/strict";
import { Refusal } from "../../src/errors.ts";
import { createClient } from "../../src/pve/client.ts";
import { admit } from "../../src/safety/gate.ts";
import { runCheck } from "../../src/safety/checks.ts";

/** A PVE that answers each path with fixed data, and what it was asked. */
function pveWith(answers: Readonly<Record<string, unknown>>) {
  const asked: string[] = [];
  const client = createClient((call, params) => {
    const { path, query } = admit(call, params);
    asked.push(query === "" ? path : `${path}?${query}`);
    const data = answers[asked.at(-1) ?? ""];
    assert.notEqual(data, undefined, `nobody expected ${asked.at(-1)}`);
    return Promise.resolve({
      status: 200,
      reason: "OK",
      contentType: "application/json",
      body: JSON.stringify({ data }),
    });
  });
  return { client, asked };
}

const START = "POST /nodes/{node}/qemu/{vmid}/status/start";
const guest = { node: "pve1", vmid: 100 };

Deno.test("a pending deletion of a disk stops a start", async () => {
  const rows = [{ key: "memory", value: 512, pending: 1024 }, {
    key: "scsi1",
    value: "local-lvm:vm-100-disk-1",
    delete: 1,
  }];
  const { client, asked } = pveWith({ "/nodes/pve1/qemu/100/pending": rows });
  await assert.rejects(
    runCheck("pending", START, guest, client, {}),
    (error) => error instanceof Refusal && /scsi1/.test(error.message),
  );
  assert.deepEqual(asked, ["/nodes/pve1/qemu/100/pending"]);
});
