/**
 * The server under a storm of lines, valid and broken: every valid request is answered exactly once, everything it writes is
 * JSON-RPC, and it is there at the end. FUZZ_LINES says how many (deno task fuzz: 100,000), FUZZ_SEED which.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { inherited, serverCommand } from "../helpers/server.ts";
import { isMessage, type Message } from "../helpers/connection.ts";
import { fuzzLines } from "./lines.ts";

const lines = Number(Deno.env.get("FUZZ_LINES") ?? 2000);
const seed = Number(Deno.env.get("FUZZ_SEED") ?? Date.now() % 1_000_000);

/** Longer than any line that is taken. */
const HUGE = new Uint8Array(5 * 1024 * 1024).fill(97);

Deno.test({
  name: `${lines} lines, valid and broken, leave the server as it was (seed ${seed})`,
  // The child's pipes end late.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const [command, ...args] = serverCommand();
    const child = spawn(command, [...args, "serve", "--demo"], { env: inherited(), stdio: ["pipe", "pipe", "pipe"] });
    const gone = once(child, "exit");
    const answers = new Map<string, number>();
    const last = Promise.withResolvers<void>();
    const wrong: string[] = [];
    let stderr = "";
    child.stderr.on("data", (chunk: unknown) => stderr = `${stderr}${chunk}`.slice(-20_000));

    function take(message: unknown): void {
      if (!isMessage(message) || message.jsonrpc !== "2.0") return void wrong.push(JSON.stringify(message));
      if ("method" in message) return;
      if (!("result" in message) && !("error" in message)) wrong.push(JSON.stringify(message));
      if (typeof message.id === "string") answers.set(message.id, (answers.get(message.id) ?? 0) + 1);
      if (message.id === "the end") last.resolve();
    }

    const read = createInterface({ input: child.stdout });
    read.on("line", (line) => {
      try {
        const message: unknown = JSON.parse(line);
        if (Array.isArray(message)) message.forEach(take);
        else take(message);
      } catch {
        wrong.push(line.slice(0, 200));
      }
    });

    async function send(message: Message | Uint8Array): Promise<void> {
      const bytes = message instanceof Uint8Array ? message : new TextEncoder().encode(JSON.stringify(message));
      child.stdin.write(bytes);
      if (!child.stdin.write("\n")) await Promise.race([once(child.stdin, "drain"), gone]);
    }

    const expected = new Set<string>();
    let sent = 0;
    try {
      for (const { bytes, id } of fuzzLines(lines, seed)) {
        if (id !== undefined) expected.add(id);
        await send(bytes);
        if (sent++ % 20_000 === 1000) await send(HUGE);
        assert.equal(child.exitCode, null, `the server is gone after ${sent} lines: ${stderr}`);
      }
      await send({ jsonrpc: "2.0", id: "the end", method: "tools/list" });
      await Promise.race([last.promise, gone.then(() => assert.fail(`the server is gone: ${stderr}`))]);
      // Requests that wait for the simulated PVE may be answered after the last one.
      const missing = () => [...expected].filter((id) => !answers.has(id));
      while (missing().length > 0 && child.exitCode === null && sent-- > 0) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.deepEqual(missing(), [], "requests without an answer");
      assert.deepEqual([...expected].filter((id) => answers.get(id) !== 1), [], "requests with two answers");
      assert.deepEqual(wrong, []);
      assert.doesNotMatch(stderr, /TypeError|RangeError|at file:/, stderr);
      child.stdin.end();
      const [code] = await gone;
      assert.equal(code, 0);
    } finally {
      child.kill();
    }
  },
});
