/** `demo`: starts the real server as a client would, and plays a session against a simulated cluster. */
import { fileURLToPath } from "node:url";
import { Client, deserializeMessage, serializeMessage, type Transport } from "@modelcontextprotocol/client";
import { isRecord } from "../mcp/coerce.ts";
import { NAME, VERSION } from "../version.ts";
import { startJob } from "./confined.ts";
import { clean, err, out, styled } from "./terminal.ts";

/** One thing a person asks, and what an agent calls for it. */
interface Scene {
  readonly ask: string;
  readonly steps: readonly Step[];
}

interface Step {
  readonly tool: string;
  /** Arguments; a function gets what earlier answers said. */
  readonly args: Arguments | ((known: Known) => Arguments);
}

type Arguments = Readonly<Record<string, unknown>>;
/** The last answer of each tool. */
type Known = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

function vmidOf(known: Known, tool: string): unknown {
  return known.get(tool)?.vmid;
}

const scenes: readonly Scene[] = [
  {
    ask: "What is running on my Proxmox?",
    steps: [
      { tool: "list_nodes", args: {} },
      { tool: "list_vms", args: { status: "running" } },
      { tool: "list_containers", args: { status: "running" } },
    ],
  },
  { ask: "How much RAM is free on pve1?", steps: [{ tool: "node_status", args: { node: "pve1" } }] },
  { ask: "Reboot the docker VM (102).", steps: [{ tool: "reboot_vm", args: { vmid: 102 } }] },
  {
    ask: "Spin up a Debian 12 container, 2 cores, 2 GB, on vmbr0.",
    steps: [
      { tool: "list_templates", args: { kind: "container_template", name: "debian-12" } },
      { tool: "allocate_vmid", args: {} },
      {
        tool: "create_container",
        args: (known) => ({
          vmid: vmidOf(known, "allocate_vmid"),
          hostname: "demo-debian",
          ostemplate: firstVolume(known),
          storage: "local-lvm",
          cores: 2,
          memory: 2048,
          net0: "name=eth0,bridge=vmbr0,ip=dhcp",
        }),
      },
      { tool: "start_container", args: (known) => ({ vmid: vmidOf(known, "create_container") }) },
    ],
  },
  {
    ask: "Clone template 9000 and start the clone.",
    steps: [
      { tool: "clone_vm", args: { source_vmid: 9000, name: "demo-clone" } },
      { tool: "start_vm", args: (known) => ({ vmid: vmidOf(known, "clone_vm") }) },
    ],
  },
  {
    ask: "Give the clone 4 GB and tag it.",
    steps: [
      {
        tool: "set_vm_config",
        args: (known) => ({ vmid: vmidOf(known, "clone_vm"), config: { memory: 4096, tags: "demo" } }),
      },
    ],
  },
];

function firstVolume(known: Known): unknown {
  const templates = known.get("list_templates")?.templates;
  const first: unknown = Array.isArray(templates) ? templates[0] : undefined;
  return isRecord(first) ? first.volid : undefined;
}

/** Reads the server's trace from its stderr: which requests a call sent, until the line that ends the call. */
class Trace {
  #lines: string[] = [];
  #rest = "";
  #wake: (() => void) | undefined;

  add(chunk: string): void {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = lines.pop() ?? "";
    this.#lines.push(...lines);
    this.#wake?.();
  }

  /** The requests up to the end of the call of this tool. */
  async take(tool: string): Promise<string[]> {
    const ending = `= ${tool}`;
    while (!this.#lines.includes(ending)) await new Promise<void>((resolve) => this.#wake = resolve);
    const taken = this.#lines.splice(0, this.#lines.indexOf(ending) + 1);
    return taken.filter((line) => line.startsWith("→ "));
  }
}

/** The requests of a call, each kind once with a count: polling a task, and looking into every storage, are many alike. */
function folded(requests: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const request of requests) {
    const text = request.replace(/ \(\d+ ms\)$/, "").replace(/UPID:[^/ ]+/, "{upid}")
      .replace(/\/nodes\/[^/]+\/storage\/[^/]+\//, "/nodes/{node}/storage/{storage}/");
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => count === 1 ? text : `${text} ×${count}`);
}

function indented(text: string): string {
  return clean(text).split("\n").map((line) => `    ${line}`).join("\n");
}

function textOf(result: { content?: unknown }): string {
  const parts: unknown[] = Array.isArray(result.content) ? result.content : [];
  return parts.map((part) => isRecord(part) && typeof part.text === "string" ? part.text : "").join("\n");
}

/** The server, and where it runs. */
interface Way {
  readonly transport: Transport;
  readonly where: string;
}

/** A compiled binary starts no processes, and a bundle has no main.ts to start. */
function canStartProcesses(): boolean {
  return import.meta.url.endsWith("/src/cli/demo.ts") &&
    Deno.permissions.querySync({ name: "run", command: Deno.execPath() }).state === "granted";
}

/** As a client starts it: a process of its own, that is spoken to over stdin and stdout. */
async function inChild(trace: Trace): Promise<Way> {
  // Only here: at its import it looks for variables that a binary may not read.
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const transport = new StdioClientTransport({
    command: Deno.execPath(),
    args: ["run", "--no-prompt", "--quiet", `--allow-read=${root}`, `${root}main.ts`, "serve", "--demo", "--trace"],
    stderr: "pipe",
    env: {},
  });
  transport.stderr?.on("data", (chunk: unknown) => trace.add(String(chunk)));
  return { transport, where: "as a child process, over stdio," };
}

/** The same server in this process, in the worker that has no permission at all. */
function inWorker(trace: Trace): Way {
  let rest = "";
  const options = { demo: true, envFile: undefined, trace: true };
  const worker = startJob({ kind: "serve", over: "messages" }, options, {
    onLog: (line) => trace.add(`${line}\n`),
    onMcp(text) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) transport.onmessage?.(deserializeMessage(line));
    },
  });
  const transport: Transport = {
    start: () => Promise.resolve(),
    send: (message) => Promise.resolve(worker.sendMcp(serializeMessage(message))),
    close() {
      worker.end();
      transport.onclose?.();
      return Promise.resolve();
    },
  };
  worker.result.catch((error: Error) => transport.onerror?.(error)).finally(() => transport.onclose?.());
  return { transport, where: "in a worker without permissions" };
}

/** Plays all scenes; returns the exit code: 0, or 1 when a step did not come out as it should. */
export async function demoCommand(_options: { readonly trace: boolean }): Promise<number> {
  out(
    `${styled("bold", `${NAME} ${VERSION}`)}: a session against a simulated cluster. Nothing leaves this computer.\n`,
  );
  const trace = new Trace();
  const { transport, where } = canStartProcesses() ? await inChild(trace) : inWorker(trace);
  const client = new Client({ name: `${NAME}-demo`, version: VERSION });
  await client.connect(transport);
  try {
    const { tools } = await client.listTools();
    out(`The server runs ${where} and offers ${tools.length} tools.`);
    const known = new Map<string, Readonly<Record<string, unknown>>>();
    let failed = 0;
    for (const scene of scenes) {
      out(`\n${styled("cyan", `You: ${scene.ask}`)}`);
      for (const step of scene.steps) {
        const args = typeof step.args === "function" ? step.args(known) : step.args;
        out(`  ${styled("green", step.tool)} ${JSON.stringify(args)}`);
        const result = await client.callTool({ name: step.tool, arguments: { ...args } });
        for (const request of folded(await trace.take(step.tool))) out(styled("dim", `    ${request}`));
        out(indented(textOf(result)));
        if (result.isError === true) failed++;
        else if (isRecord(result.structuredContent)) known.set(step.tool, result.structuredContent);
      }
    }
    failed += await tryToDelete(client, trace, tools.map((tool) => tool.name), vmidOf(known, "clone_vm"));
    if (failed > 0) err(`\n${failed} step(s) did not come out as they should`);
    return failed > 0 ? 1 : 0;
  } finally {
    await client.close();
  }
}

/** The last scene: there is no tool that deletes, and no request that could. Returns how many attempts got through. */
async function tryToDelete(client: Client, trace: Trace, names: readonly string[], vmid: unknown): Promise<number> {
  out(`\n${styled("cyan", "You: Delete that VM.")}`);
  const suspicious = names.filter((name) => /delete|destroy|remove|purge|rollback|wipe|erase/.test(name));
  out(`  Of the ${names.length} tools, ${suspicious.length} delete anything. What if an agent tries all the same?`);
  out(`  ${styled("green", "delete_vm")} ${JSON.stringify({ vmid })}`);
  let through = suspicious.length;
  try {
    await client.callTool({ name: "delete_vm", arguments: { vmid } });
    through++;
  } catch (error) {
    out(indented(error instanceof Error ? error.message : String(error)));
  }
  const attempts: readonly Step[] = [
    { tool: "set_vm_config", args: { vmid, config: { delete: "scsi0", force: 1 } } },
    { tool: "set_vm_config", args: { vmid, config: { scsi0: "local-lvm:1" } } },
  ];
  for (const attempt of attempts) {
    const args: Arguments = typeof attempt.args === "function" ? {} : attempt.args;
    out(`  ${styled("green", attempt.tool)} ${JSON.stringify(args)}`);
    const result = await client.callTool({ name: attempt.tool, arguments: { ...args } });
    for (const request of folded(await trace.take(attempt.tool))) out(styled("dim", `    ${request}`));
    out(indented(textOf(result)));
    if (result.isError !== true) through++;
  }
  out(
    "\nEvery request this program can send stands in one catalogue (src/safety/catalogue.ts): it holds no DELETE, and no\n" +
      "parameter that frees a disk. Deletion stays with people, in PVE's web interface.",
  );
  return through;
}
