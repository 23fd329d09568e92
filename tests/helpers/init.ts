/** init in a real terminal: a folder of its own, a simulated PVE, and the usual ways through the questions. */
import assert from "node:assert/strict";
import { demoToken } from "../../src/sim/demo_access.ts";
import { type HttpsSimulator, serveHttps } from "../../src/sim/https.ts";
import { createSimulator, type Simulator, type SimulatorOptions } from "../../src/sim/mod.ts";
import { DOWN, hasPty, inTerminal, LEFT, type Terminal } from "./pty.ts";
import { runPveum } from "./pveum.ts";
import { runnable } from "./runtime.ts";
import { inherited, serverCommand } from "./server.ts";

export interface InitWorld {
  readonly folder: string;
  /** Where the settings are to go. */
  readonly file: string;
  readonly simulator: Simulator;
  readonly server: HttpsSimulator;
  start(...flags: readonly string[]): Terminal;
}

const pty = await hasPty();

/** A name that never resolves, by its standard. */
export const UNKNOWN_HOST = "pve.invalid";

/** With another home folder Deno would look for its packages elsewhere. */
function denoDir(): string {
  return `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`;
}

interface InitTestOptions {
  readonly simulator?: SimulatorOptions;
  /** Why it cannot be tested here. */
  readonly skip?: string;
}

/** A test with a simulated PVE and a folder of its own. */
export function initTest(
  name: string,
  run: (world: InitWorld) => Promise<void>,
  { simulator = {}, skip }: InitTestOptions = {},
): void {
  const test = runnable(`init: ${name}`);
  const why = pty ? skip : "python3, which makes pseudo-terminals, is missing";
  Deno.test({
    name: why === undefined ? test.name : `init: ${name} (skipped: ${why})`,
    ignore: why !== undefined || test.ignore,
    fn: () => inWorld(run, simulator),
  });
}

/** Makes the folder and the PVE, and takes them away again. */
export async function inWorld(
  run: (world: InitWorld) => Promise<void>,
  options: SimulatorOptions = {},
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const simulator = createSimulator({ pace: 0, ...options });
  const server = await serveHttps(simulator, {});
  const file = `${folder}/settings/pve.env`;
  const [command, ...usual] = serverCommand(["--allow-write"]);
  const args = usual.map((word) => word.replace("localhost", `localhost,${UNKNOWN_HOST},127.0.0.9`));
  const env = { DENO_DIR: denoDir(), ...inherited(), TERM: "xterm", HOME: folder, XDG_CONFIG_HOME: folder };
  const start = (...flags: readonly string[]) =>
    inTerminal([command, ...args, "init", "--output", file, ...flags], env, folder);
  try {
    await run({ folder, file, simulator, server, start });
  } finally {
    await server.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** The pveum commands on the screen. */
export function commandsOn(terminal: Terminal): string[] {
  return terminal.screen().split("\n").filter((line) => line.startsWith("pveum "));
}

/** Takes the fingerprint that is shown, which is compared with what the server shows. */
export async function pin(terminal: Terminal, { fingerprint }: Pick<HttpsSimulator, "fingerprint">): Promise<void> {
  await terminal.answer("How shall its certificate be checked?", DOWN);
  await terminal.shows(fingerprint);
  await terminal.answer("Is it the same there?", LEFT);
}

/** Host and fingerprint. */
export async function settleHost(terminal: Terminal, { server }: InitWorld): Promise<void> {
  await terminal.answer("Where is Proxmox VE?", `https://127.0.0.1:${server.port}/#v1:0:18`);
  await pin(terminal, server);
}

/** All that is offered but backups and commands in guests. */
export async function chooseTools(terminal: Terminal): Promise<void> {
  await terminal.answer("What may the agent do?");
  await terminal.answer("May it make backups?");
  await terminal.answer("May it run commands inside guests?");
}

/** The tools, and a token that is there already. */
export async function useToken(terminal: Terminal, { id, secret }: { id: string; secret: string }): Promise<void> {
  await chooseTools(terminal);
  await terminal.answer("Is there an API token", DOWN);
  await terminal.answer("The user that", id);
  await terminal.answer("The token's secret", secret);
}

/** A user and a token are made with the commands that are shown, which this returns. */
export async function makeToken(terminal: Terminal, { simulator }: InitWorld): Promise<string[]> {
  await terminal.answer("Is there an API token");
  await terminal.answer("Where may it do so?");
  await terminal.answer("Which version of PVE");
  await terminal.answer("The user that", "robot@pve");
  await terminal.answer("The token's name");
  await terminal.answer("rights of its own");
  await terminal.shows("shows its secret once");
  const commands = commandsOn(terminal);
  runPveum(simulator.state, commands);
  return commands;
}

/** No client. */
export async function finish(terminal: Terminal): Promise<void> {
  await terminal.answer("Put the server into a client");
  assert.equal(await terminal.exit, 0, terminal.screen());
}

/** From the check that found nothing to the end, and a call with the settings that were written. */
export async function worksToTheEnd(terminal: Terminal, { file }: InitWorld): Promise<void> {
  await terminal.shows("Everything works.");
  await finish(terminal);
  await works(file);
}

/** Whether there is anything at a path. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}

/** Calls list_nodes with the settings that were written. */
export async function works(file: string): Promise<void> {
  const [command, ...args] = serverCommand();
  const { code, stderr } = await new Deno.Command(command, {
    args: [...args, "call", "list_nodes", "--env-file", file],
    clearEnv: true,
    env: inherited(),
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

/** The token of the demo. */
export { demoToken };
