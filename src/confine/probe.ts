/** Tries, from inside the worker, what must not work; the one file that means to be refused. */
import { readFileSync, writeFileSync } from "node:fs";
import { lookup } from "node:dns/promises";
import { connect } from "node:net";

/** An address: a name, or an IP address without brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What came of one attempt. */
export interface Finding {
  /** What was tried. */
  readonly attempt: string;
  /** `open`: Deno itself does not close it, and this program cannot. */
  readonly outcome: "refused" | "allowed" | "open";
  /** The words of the refusal, or what could be done. */
  readonly detail: string;
}

interface Probe {
  readonly attempt: string;
  /** Does what must not work; returns what it could do, throws where it was refused. */
  run(): unknown;
  /** Whether an error says that the attempt was refused; without it every NotCapable does. */
  readonly refuses?: (error: Error) => boolean;
  /** Why it may work all the same. */
  readonly known?: string;
}

/** An address that belongs to nobody: a network for documentation. */
const NOBODY: Address = { host: "192.0.2.1", port: 443 };

/** A connection that is not refused may wait for an answer that never comes. */
const PATIENCE_MS = 3000;

function authority({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function notCapable(error: Error): boolean {
  return error instanceof Deno.errors.NotCapable;
}

async function open(address: Address): Promise<string> {
  (await Deno.connect({ hostname: address.host, port: address.port })).close();
  return "connected";
}

/** The way of node:net, which the HTTP library takes. */
function openNode(address: Address): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(address.port, address.host);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.destroy();
      resolve("connected");
    });
  });
}

function openSocket(address: Address): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${authority(address)}/`);
    socket.onopen = () => {
      socket.close();
      resolve("connected");
    };
    socket.onerror = () => reject(new Error("no WebSocket there"));
  });
}

/**
 * Has a worker of its own import a module, with this worker's permissions. It stands in a data URL, as no module of this
 * program may hold an import() of what is known at run time only.
 */
function load(specifier: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(
      "data:application/javascript,onmessage=async e=>{try{await import(e.data);postMessage('')}catch(x){postMessage(x.message+' '+(x.cause??''))}}",
      { type: "module" },
    );
    worker.onmessage = ({ data }: MessageEvent<unknown>) => {
      worker.terminate();
      if (data === "") resolve(`loaded ${specifier}`);
      else reject(new Error(String(data)));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(specifier);
  });
}

/** A worker in a worker, with more than this one has. */
function nest(permissions: Deno.PermissionOptionsObject): string {
  new Worker("data:application/javascript,", { type: "module", deno: { permissions } }).terminate();
  return "started";
}

const LOADER = "Deno's module loader does not ask for a permission here; it takes code inside this process to use it";

function probes(target: Address | undefined, elsewhere: Address): readonly Probe[] {
  const { host, port } = target ?? { host: "127.0.0.1", port: 8006 };
  const nextPort = { host, port: port === 65535 ? port - 1 : port + 1 };
  const [there, next] = [authority(elsewhere), authority(nextPort)];
  // Deno before 2.9 tells a refused permission of node:net as a refused connection.
  const refuses = (address: Address) => (error: Error) =>
    notCapable(error) ||
    Deno.permissions.querySync({ name: "net", host: authority(address) }).state !== "granted" && "code" in error;
  const isWindows = Deno.build.os === "windows";
  // By their paths: without an environment there is no PATH to look for them.
  const shell = isWindows ? "C:\\Windows\\System32\\where.exe" : "/bin/sh";
  return [
    { attempt: `connect to another host, ${there}`, run: () => open(elsewhere) },
    { attempt: `connect to ${there} by node:net`, run: () => openNode(elsewhere), refuses: refuses(elsewhere) },
    { attempt: `fetch from ${there}`, run: () => fetch(`http://${there}/`).then(({ body }) => body?.cancel()) },
    { attempt: `open a WebSocket to ${there}`, run: () => openSocket(elsewhere) },
    { attempt: `connect to another port, ${next}`, run: () => open(nextPort) },
    { attempt: "look up a name with Deno.resolveDns", run: () => Deno.resolveDns("pve.invalid", "A") },
    {
      attempt: "look up a name with node:dns",
      run: () => lookup("pve.invalid"),
      refuses: (error) => notCapable(error) || "code" in error && error.code === "EPERM",
    },
    { attempt: "read a folder", run: () => [...Deno.readDirSync(".")].length },
    { attempt: "read a file by node:fs", run: () => readFileSync(isWindows ? "C:\\Windows\\win.ini" : "/etc/passwd") },
    { attempt: "write a file", run: () => Deno.removeSync(Deno.makeTempFileSync()) },
    { attempt: "write a file by node:fs", run: () => writeFileSync(isWindows ? "NUL" : "/dev/null", "") },
    // --ignore-env makes every variable look unset instead of refusing.
    { attempt: "read an environment variable", run: () => Deno.env.get("PATH") ?? refused("none is visible") },
    { attempt: "list the environment", run: () => seen(Deno.env.toObject()) },
    { attempt: "set a proxy variable", run: () => Deno.env.set("http_proxy", `http://${there}`) },
    { attempt: "start a process", run: () => new Deno.Command(shell).outputSync().code },
    { attempt: "load a native library", run: () => Deno.dlopen(isWindows ? "kernel32.dll" : LIBC, {}).close() },
    { attempt: "ask for the name of this computer", run: () => Deno.hostname() },
    { attempt: "listen on a port", run: () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close() },
    { attempt: "start a worker with the network", run: () => nest({ net: true }) },
    { attempt: "start a worker with files", run: () => nest({ read: true, write: true }) },
    { attempt: "start a worker with processes", run: () => nest({ run: true, env: true, ffi: true, sys: true }) },
    { attempt: `load a module over HTTP from ${there}`, run: () => load(`http://${there}/m.js`), refuses: unloadable },
    {
      attempt: "load a module from a file",
      run: () => load("file:///proxmox-mcp-probe/none.json"),
      refuses: unloadable,
      known: LOADER,
    },
    {
      attempt: "load a package of npm",
      run: () => load("npm:proxmox-mcp-probe@0.0.0"),
      refuses: unloadable,
      known: `${LOADER}; --cached-only keeps it from the registry`,
    },
    {
      attempt: "store something with the caches API",
      run: async () => await (await caches.open("proxmox-mcp")).match("http://pve.invalid/") ?? "opened",
      refuses: (error) => notCapable(error) || /not available/.test(error.message),
      known: "Deno keeps such caches in its own folder and asks for no permission",
    },
  ];
}

const LIBC = Deno.build.os === "darwin" ? "/usr/lib/libSystem.dylib" : "libc.so.6";

/** What is not in a compiled binary cannot be loaded there; a file is looked for all the same. */
function unloadable(error: Error): boolean {
  return /Requires \w+ access|cached-only|Module not found: http|list of packages/.test(error.message);
}

function refused(reason: string): never {
  throw new Deno.errors.NotCapable(reason);
}

function seen(variables: Readonly<Record<string, string>>): string {
  const count = Object.keys(variables).length;
  return count === 0 ? refused("none is visible") : `${count} variables`;
}

async function attempt(probe: Probe): Promise<Finding> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer, and no refusal")), PATIENCE_MS);
  });
  const { attempt, known } = probe;
  try {
    const got = await Promise.race([(async () => await probe.run())(), silence]);
    const did = typeof got === "string" || typeof got === "number" ? `it worked: ${got}` : "it worked";
    return known === undefined
      ? { attempt, outcome: "allowed", detail: did }
      : { attempt, outcome: "open", detail: known };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const detail = error.message.split(/\n|, (?:run again|specify)/)[0]?.trim() ?? "";
    if ((probe.refuses ?? notCapable)(error)) return { attempt, outcome: "refused", detail };
    return known === undefined
      ? { attempt, outcome: "allowed", detail: `it was not refused, only failed: ${detail}` }
      : { attempt, outcome: "open", detail: known };
  } finally {
    clearTimeout(timer);
  }
}

/** Tries everything, one after the other. `elsewhere` is where nothing may arrive; there may be somebody who listens. */
export async function tryToBreakOut(target: Address | undefined, elsewhere: Address = NOBODY): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const probe of probes(target, elsewhere)) findings.push(await attempt(probe));
  return findings;
}
