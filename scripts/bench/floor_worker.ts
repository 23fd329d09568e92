/** The floor of start and memory: a loop over JSON-RPC lines in place of our worker, behind the same launcher, as confined. */
declare const self: {
  onmessage: (() => void) | null;
  postMessage(message: { type: "ready" | "eof" }): void;
};

async function loop(): Promise<void> {
  let rest = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { id, method, params } = JSON.parse(line);
      if (id === undefined) continue;
      const result = method === "initialize"
        ? {
          protocolVersion: params.protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name: "floor", version: "0" },
        }
        : method === "tools/list"
        ? { tools: [{ name: "nothing", inputSchema: { type: "object" } }] }
        : { content: [{ type: "text", text: "nothing" }] };
      const bytes = new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\n");
      for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
    }
  }
  self.postMessage({ type: "eof" });
}

self.onmessage = () => void loop();
self.postMessage({ type: "ready" });
