/** The law: whatever the tools are asked, everything that was there is still there. One run is one sequence of moves. */
import assert from "node:assert/strict";
import { z } from "zod";
import { Refusal } from "../../src/errors.ts";
import { textOf } from "../../src/mcp/content.ts";
import { createDispatch, type Dispatch } from "../../src/mcp/dispatch.ts";
import { createClient, type PveClient } from "../../src/pve/client.ts";
import { connect } from "../../src/pve/connection.ts";
import { type Call, catalogue, requestOf } from "../../src/safety/catalogue.ts";
import { entryOf, isCall } from "../../src/safety/gate.ts";
import { demoToken, type RequestRecord } from "../../src/sim/mod.ts";
import { simulatorTransport } from "../../src/sim/transport.ts";
import { defineTool, type Tool } from "../../src/tool.ts";
import { tools } from "../../src/tools/mod.ts";
import type { Ask, Move, Race } from "./moves.ts";
import { type Deed, slipsIn, type Whom, World } from "./world.ts";

/** What became of the calls. */
export interface Counts {
  calls: number;
  requests: number;
  deeds: number;
  /** By what stopped a call, or "done". */
  readonly ends: Record<string, number>;
  /** Calls that changed something, by tool. */
  readonly writes: Record<string, number>;
}

export function noCounts(): Counts {
  return { calls: 0, requests: 0, deeds: 0, ends: {}, writes: {} };
}

function count(table: Record<string, number>, key: string): void {
  table[key] = (table[key] ?? 0) + 1;
}

const rawInput = z.strictObject({
  call: z.string(),
  path: z.record(z.string(), z.unknown()),
  more: z.record(z.string(), z.unknown()),
  digest: z.enum(["none", "fresh", "stale"]),
  tidy: z.boolean(),
});

/** What a call knows of the parameters. */
function known(call: string, params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = isCall(call) ? Object.keys(entryOf(call).params) : [];
  return Object.fromEntries(
    Object.entries(params).filter(([name]) =>
      call.includes(`{${name}}`) || names.includes(name) || names.includes(`${name.replace(/\d+$/, "")}[n]`)
    ),
  );
}

/** Every call of the catalogue, and one for the compiler to be content with. */
const everyCall: readonly Call[] = Object.keys(catalogue).filter(isCall);

/** A tool that hands whatever it is given to its client: nothing may depend on tools being honest. */
function liar(name: string, declared: readonly Call[]): Tool {
  return defineTool({
    name,
    title: "Anything",
    description: "Sends any call with any parameters.",
    tier: "provision",
    toolset: "core",
    input: rawInput,
    output: z.object({ upid: z.unknown() }),
    calls: declared,
    privileges: [],
    async run({ call, path, more, digest, tidy }, { pve, signal }) {
      const given = { ...path, ...more };
      const params = tidy ? known(call, given) : given;
      // Deaf to its own types, as a tool would be that was put together by a mistake.
      const client: { call(call: string, params: unknown, options: unknown): Promise<unknown> } = pve;
      if (digest === "stale") params.digest = "8115a483bbeccc35e4a864025d3327d07a9a2b16";
      if (digest === "fresh" && call.startsWith("PUT ")) {
        const kind = call.includes("/lxc/") ? "lxc" : "qemu";
        const guest = { node: path.node, vmid: path.vmid };
        const config = await client.call(`GET /nodes/{node}/${kind}/{vmid}/config`, guest, { signal });
        if (typeof config === "object" && config !== null && "digest" in config) params.digest = config.digest;
      }
      return { upid: await client.call(call, params, { signal }) };
    },
  });
}

const undeclared: readonly Call[] = ["GET /version", "GET /nodes/{node}/qemu/{vmid}/config"];
const lawTools = new Map(
  [...tools, liar("anything", everyCall), liar("undeclared", undeclared)].map((tool) => [tool.name, tool]),
);

/** A request under way, so that somebody else can come in between. */
interface Turn {
  readonly race: Race | undefined;
  /** The guest that the call names. */
  readonly own: number | undefined;
  /** Side by side: between the look of the one and its request, the other may be looking. */
  readonly calls: number;
  requests: number;
  written: boolean;
}

/** Plays one sequence and holds the law against it. */
export async function play(moves: readonly Move[], counts: Counts, readOnly: boolean): Promise<void> {
  const bugs: unknown[] = [];
  const strangers: string[] = [];
  const agent = demoToken.id;
  const world = new World((record) => {
    if (record.user !== agent) return;
    counts.requests++;
    const fault = notInCatalogue(record);
    if (fault !== undefined) strangers.push(fault);
  });
  const transport = simulatorTransport(world.simulator, `PVEAPIToken=${agent}=${demoToken.secret}`);
  let turn: Turn | undefined;
  const send = connect(async (request, options) => {
    const now = turn;
    if (now !== undefined) {
      const { race } = now;
      const harmless = race !== undefined && !(slipsIn(race.deed) && (request.method === "POST" || now.calls > 1));
      // Counted at once: some requests go out side by side, and one deed is enough.
      const due = race !== undefined && harmless && race.before === now.requests++;
      if (due) {
        await deed(world, race.deed, race.pick === "own" ? { vmid: now.own } : { pick: race.pick }, counts, strangers);
      }
      if (request.method !== "GET") now.written = true;
    }
    return await transport(request, options);
  }, { retries: 0 });
  const stops = new WeakMap<object, string>();
  const note = (error: unknown, layer: string) => {
    if (error instanceof Refusal && !stops.has(error)) stops.set(error, layer);
    return error;
  };
  const inner = createClient((call, params, options) =>
    send(call, params, options).catch((error: unknown) => {
      throw note(error, "gate");
    })
  );
  let refusedBy: string | undefined;
  const pve: PveClient = {
    call: (call, params, options) =>
      inner.call(call, params, options).catch((error: unknown) => {
        note(error, "state check");
        if (error instanceof Refusal) refusedBy = stops.get(error);
        throw error;
      }),
  };
  const dispatch = createDispatch({
    tools: [...lawTools.values()],
    pve,
    lockPauses: [],
    settings: { readOnly, downloadHosts: ["cloud.debian.org", "docker.io"] },
    onBug: (error) => bugs.push(error),
  });
  for (const move of moves) {
    if (move.kind === "clock") {
      check(world, strangers);
      world.turn(move.hours);
    } else if (move.kind === "deed") await deed(world, move.deed, move, counts, strangers);
    else {
      refusedBy = undefined;
      const [first] = move.calls;
      turn = { race: first?.race, own: vmidOf(first?.args), calls: move.calls.length, requests: 0, written: false };
      const now = turn;
      const asleep = world.hibernated();
      const results = await Promise.all(move.calls.map((ask) => one(dispatch, ask)));
      for (const [index, result] of results.entries()) {
        const name = move.calls[index]?.tool ?? "";
        counts.calls++;
        count(counts.ends, endOf(result, refusedBy));
        const woken = Number(result.structuredContent?.vmid);
        // Of two calls side by side the second finds it running.
        const started = result.isError !== true && result.structuredContent?.state !== "unchanged";
        if (started && name === "start_vm" && now.race === undefined && asleep.has(woken)) {
          assert.match(textOf(result), /hibernated.*saved memory image is used up/);
        }
        if (result.isError !== true && now.written && results.length === 1) count(counts.writes, name);
      }
      turn = undefined;
      if (bugs.length > 0) throw bugs[0];
    }
    check(world, strangers);
  }
  // The backups of the nights that follow come and go as PVE's own jobs say.
  for (let night = 0; night < 4; night++) world.turn(24);
  check(world, strangers);
}

async function one(dispatch: Dispatch, ask: Ask): ReturnType<Dispatch["call"]> {
  const tool = lawTools.get(ask.tool);
  assert.ok(tool !== undefined, ask.tool);
  const { signal } = new AbortController();
  return await dispatch.call(tool, ask.args, { signal, progress: undefined });
}

function vmidOf(args: unknown): number | undefined {
  return typeof args === "object" && args !== null && "vmid" in args && typeof args.vmid === "number"
    ? args.vmid
    : undefined;
}

async function deed(
  world: World,
  deed: Deed,
  whom: Whom,
  counts: Counts,
  strangers: readonly string[],
): Promise<void> {
  check(world, strangers);
  await world.act(deed, whom);
  world.rebase();
  counts.deeds++;
}

function check(world: World, strangers: readonly string[]): void {
  assert.deepEqual(world.lost(), [], "lost");
  assert.deepEqual(strangers, [], "requests that are not in the catalogue");
}

/** What stopped a call. */
function endOf(result: Awaited<ReturnType<Dispatch["call"]>>, refusedBy: string | undefined): string {
  if (result.isError !== true) return "done";
  const text = textOf(result);
  if (text.startsWith("Cannot call")) return "validation";
  if (/the tool does not declare it/.test(text)) return "narrowing";
  if (/^Refused/.test(text)) return refusedBy ?? "policy";
  const facts = result._meta?.["proxmox-mcp/error"];
  const kind = typeof facts === "object" && facts !== null && "kind" in facts ? String(facts.kind) : "?";
  return kind === "usage" || kind === "missing" ? "the tool's own judgement" : `PVE (${kind})`;
}

function isAmong(name: string, allowed: readonly string[]): boolean {
  return allowed.includes(name) || allowed.includes(`${name.replace(/\d+$/, "")}[n]`);
}

/** Reads a request as PVE has read it, and holds it against the catalogue without the gate's help. */
function notInCatalogue(record: RequestRecord): string | undefined {
  const { call, params } = record;
  if (call === undefined || !isCall(call)) return `${record.method} ${record.path}`;
  // An address may have several purposes, each with parameters of its own.
  const purposes = everyCall.filter((one) => requestOf(one) === call).map((one) => Object.keys(entryOf(one).params));
  const allowed = purposes.find((names) => Object.keys(params).every((name) => isAmong(name, names))) ?? purposes[0] ??
    [];
  for (const [name, value] of Object.entries(params)) {
    if (!isAmong(name, allowed)) return `${call}: ${name}`;
    if (typeof value === "object") return `${call}: ${name} comes twice`;
  }
  return undefined;
}
