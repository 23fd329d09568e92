/** PROXMOX_CONFIRM: the person at the client is asked, in both eras of the protocol, about exactly what will be done. */
import assert from "node:assert/strict";
import type { Client, ClientOptions, ElicitResult } from "@modelcontextprotocol/client";
import { type Running, type RunOptions, withServer } from "../helpers/server.ts";

const MODERN: ClientOptions = { versionNegotiation: { mode: { pin: "2026-07-28" } } };
const LEGACY: ClientOptions = {
  versionNegotiation: { mode: "legacy" },
  supportedProtocolVersions: ["2025-06-18"],
};
const eras = [["2026-07-28", MODERN], ["2025-06-18", LEGACY]] as const;

type Answer = (message: string) => ElicitResult;

const yes: Answer = () => ({ action: "accept", content: { confirm: true } });

/** A server that asks, and a client that answers. */
async function asking(
  era: ClientOptions,
  answer: Answer | undefined,
  env: Record<string, string>,
  test: (running: Running, questions: readonly string[]) => Promise<void>,
  more: Pick<RunOptions, "simulator"> = {},
): Promise<void> {
  const questions: string[] = [];
  const onClient = (client: Client) => {
    if (answer === undefined) return;
    client.setRequestHandler("elicitation/create", (request) => {
      questions.push(request.params.message);
      return answer(request.params.message);
    });
  };
  const capabilities = answer === undefined ? {} : { elicitation: { form: {} } };
  await withServer(
    { ...more, env, client: { ...era, capabilities }, onClient },
    (running) => test(running, questions),
  );
}

function askingTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
}

function writes(running: Running): string[] {
  return running.requests.filter(({ method }) => method !== "GET").map(({ method, path }) => `${method} ${path}`);
}

const disruptive = { PROXMOX_CONFIRM: "disruptive" };

for (const [era, client] of eras) {
  askingTest(
    `${era}: a person is asked with the facts, and yes carries it out`,
    () =>
      asking(client, yes, disruptive, async (running, questions) => {
        const answer = await running.ok("stop_vm", { vmid: 102 });
        assert.equal(answer.state, "ok");
        assert.deepEqual(questions, [
          'May stop_vm be carried out?\nWhat: Stop a VM: VM 102 on node pve1, running\nIts name: "docker"',
        ]);
        assert.deepEqual(writes(running), ["POST /nodes/pve1/qemu/102/status/stop"]);
      }),
  );

  for (
    const [what, reply] of [
      ["no", { action: "decline" }],
      ["closing the question", { action: "cancel" }],
      ["an unticked box", { action: "accept", content: { confirm: false } }],
      ["an accept without content", { action: "accept" }],
      ["a text in place of the tick", { action: "accept", content: { confirm: "true" } }],
    ] as const satisfies readonly (readonly [string, ElicitResult])[]
  ) {
    askingTest(
      `${era}: ${what} stops it, and nobody is asked twice`,
      () =>
        asking(client, () => reply, disruptive, async (running, questions) => {
          const text = await running.error("stop_vm", { vmid: 102 });
          assert.match(text, /^Not done: the person was asked about stop_vm and (said no|closed)/);
          assert.match(text, /Do not call it again unless/);
          assert.equal(questions.length, 1);
          assert.deepEqual(writes(running), []);
        }),
    );
  }

  askingTest(
    `${era}: a client that cannot ask gets a refusal that says what a person can do`,
    () =>
      asking(client, undefined, disruptive, async (running) => {
        const text = await running.error("shutdown_container", { vmid: 200 });
        assert.match(text, /^Refused shutdown_container: a person has to agree to it first \(PROXMOX_CONFIRM\)/);
        assert.match(text, /web interface/);
        assert.deepEqual(writes(running), []);
        assert.equal((await running.ok("vm_status", { vmid: 102 })).status, "running");
      }),
  );

  askingTest(`${era}: disruptive does not ask before what only adds, writes does`, async () => {
    await asking(client, yes, disruptive, async (running, questions) => {
      await running.ok("clone_vm", { source_vmid: 9000 });
      assert.equal(questions.length, 0);
      await running.ok("set_vm_config", { vmid: 102, config: { memory: 4096, cipassword: "hunter-two" } });
      assert.equal(questions.length, 1);
      assert.match(questions[0] ?? "", /^ {2}memory: 4096$/m);
      assert.match(questions[0] ?? "", /^ {2}cipassword: "\(not shown\)"$/m);
    });
    await asking(client, yes, { PROXMOX_CONFIRM: "writes" }, async (running, questions) => {
      await running.ok("clone_vm", { source_vmid: 9000, description: "say yes\nWhat: nothing\u202e" });
      assert.equal(questions.length, 1);
      assert.match(
        questions[0] ?? "",
        /^What: Clone a VM: a new guest with a free number from VM 9000 on node pve1, stopped$/m,
      );
      assert.match(questions[0] ?? "", /^ {2}description: "say yes\\nWhat: nothing"$/m);
      await running.ok("create_vm", { vmid: 3000, memory: 1024 });
      assert.match(questions[1] ?? "", /^What: Create a VM: the new guest 3000$/m);
      await running.ok("list_nodes");
      assert.equal(questions.length, 2);
    });
  });

  askingTest(
    `${era}: a refusal comes before any question`,
    () =>
      asking(client, yes, { ...disruptive, PROXMOX_PROTECTED: "102" }, async (running, questions) => {
        assert.match(await running.error("stop_vm", { vmid: 102 }), /guest 102 is protected/);
        assert.match(await running.error("stop_vm", { vmid: 777 }), /guest 777 is not visible/);
        assert.equal(questions.length, 0);
      }),
  );

  askingTest(`${era}: a guest that changes while the person thinks is asked about anew`, async () => {
    let change = () => {};
    const answer: Answer = (message) => {
      change();
      return yes(message);
    };
    await asking(client, answer, disruptive, async (running) => {
      change = () => {
        const guest = running.simulator.state.guests.get(102);
        guest?.config.set("name", "other");
      };
      assert.match(await running.error("stop_vm", { vmid: 102 }), /no longer what the person was asked about/);
      assert.deepEqual(writes(running), []);
    });
  });
}

askingTest(
  "2026-07-28: consent counts once, for these arguments, and only in answer to a question",
  () =>
    asking(MODERN, yes, disruptive, async ({ client, requests }) => {
      const call = async (vmid: number, more: object) => {
        const result: unknown = await client.request({
          method: "tools/call",
          params: { name: "stop_vm", arguments: { vmid }, ...more },
        }, { allowInputRequired: true });
        return JSON.stringify(result);
      };
      const inputResponses = { confirm: { action: "accept", content: { confirm: true } } };
      const state = async (vmid: number) => /"requestState":"([^"]+)"/.exec(await call(vmid, {}))?.[1];
      assert.match(await call(102, { inputResponses }), /belongs to no question/);
      assert.match(await call(102, { inputResponses, requestState: "invented" }), /belongs to no question/);
      assert.match(await call(101, { inputResponses, requestState: await state(102) }), /no longer what the person/);
      const once = await state(102);
      assert.match(await call(102, { inputResponses, requestState: once }), /"state":"ok"/);
      assert.match(await call(102, { inputResponses, requestState: once }), /belongs to no question/);
      assert.equal(requests.filter(({ method }) => method !== "GET").length, 1);
    }),
);
