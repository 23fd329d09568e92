/** A port that swallows connections, as a firewall does that drops packets. */
import { TextLineStream } from "./lines.ts";
import { hasPty } from "./pty.ts";

/** The queue of connections is full: the kernel drops whatever else comes. */
const DROPPER = `
import socket, sys, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 0))
listener.listen(0)
waiting = []
for _ in range(8):
    one = socket.socket()
    one.setblocking(False)
    try: one.connect(listener.getsockname())
    except BlockingIOError: pass
    waiting.append(one)
time.sleep(0.3)
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
`;

export interface Dropper extends AsyncDisposable {
  readonly port: number;
}

/** Whether this system can have one; a test that needs it says that it was skipped. */
export async function hasDropper(): Promise<boolean> {
  return Deno.build.os === "linux" && await hasPty();
}

/** Swallows until it is disposed of. */
export async function startDropper(): Promise<Dropper> {
  const child = new Deno.Command("python3", { args: ["-c", DROPPER], stdin: "piped", stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextLineStream()).getReader();
  const port = Number((await lines.read()).value);
  return {
    port,
    async [Symbol.asyncDispose]() {
      await lines.cancel();
      await child.stdin.close();
      await child.status;
    },
  };
}
