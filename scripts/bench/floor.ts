/** The floor that the server's start and memory are measured against: a loop over JSON-RPC lines, and nothing else. */
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
