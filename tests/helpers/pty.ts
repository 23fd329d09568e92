/** Runs a program in a real pseudo-terminal, made by Python, and drives it key by key. */

/** Between the test and Python: what the terminal shows comes on stdout; keys go in on stdin. Ends with the program's exit code. */
const BRIDGE = `
import fcntl, os, pty, select, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
while True:
    ready, _, _ = select.select([terminal, 0], [], [])
    if 0 in ready:
        keys = os.read(0, 4096)
        if keys: os.write(terminal, keys)
        else:
            os.kill(pid, 9)
            break
    if terminal in ready:
        try: shown = os.read(terminal, 65536)
        except OSError: break
        if not shown: break
        os.write(1, shown)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
`;

export const ENTER = "\r";
export const DOWN = "\x1b[B";
export const LEFT = "\x1b[D";
export const CTRL_C = "\x03";

/** Whether there is a Python that makes pseudo-terminals; a test that needs one says that it was skipped. */
export async function hasPty(): Promise<boolean> {
  if (Deno.build.os === "windows") return false;
  try {
    const { success } = await new Deno.Command("python3", { args: ["-c", "import pty"], stderr: "null" }).output();
    return success;
  } catch {
    return false;
  }
}

export interface Terminal extends AsyncDisposable {
  /** Everything that was shown so far, without colours and movements. */
  screen(): string;
  /** Resolves when the text is shown after what was waited for before; fails after a minute, or when the program ends. */
  shows(text: string | RegExp): Promise<string>;
  press(keys: string): Promise<void>;
  /** Answers a question: waits until it is asked, then types the answer and Enter. */
  answer(question: string | RegExp, keys?: string): Promise<void>;
  readonly exit: Promise<number>;
}

/** Takes out what only moves the cursor or colours the text. */
function plain(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replaceAll("\r", "");
}

const PATIENCE = 60_000;

/** Starts a program in a terminal of 160 columns. */
export function inTerminal(command: readonly string[], env: Readonly<Record<string, string>>, cwd?: string): Terminal {
  const child = new Deno.Command("python3", {
    args: ["-c", BRIDGE, ...command],
    clearEnv: true,
    env,
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  let raw = "";
  let seen = 0;
  let ended = false;
  let wake = Promise.withResolvers<void>();
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      raw += decoder.decode(chunk, { stream: true });
      wake.resolve();
      wake = Promise.withResolvers();
    }
    ended = true;
    wake.resolve();
  })();
  const screen = () => plain(raw);

  async function shows(text: string | RegExp): Promise<string> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      wake.resolve();
    }, PATIENCE);
    try {
      for (;;) {
        const fresh = screen().slice(seen);
        const found = typeof text === "string" ? fresh.indexOf(text) : fresh.search(text);
        if (found >= 0) {
          seen += found + 1;
          return fresh;
        }
        if (late || ended) throw new Error(`${ended ? "ended without" : "never showed"} ${text}; it showed:\n${fresh}`);
        await wake.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }
  const press = (keys: string) => input.write(new TextEncoder().encode(keys));
  return {
    screen,
    shows,
    press,
    async answer(question, keys = "") {
      await shows(question);
      if (keys !== "") await press(keys);
      await press(ENTER);
    },
    exit: child.status.then(({ code }) => code),
    async [Symbol.asyncDispose]() {
      await input.close().catch(() => {});
      await reading;
      await child.status;
    },
  };
}
