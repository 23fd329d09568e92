/** Tools that look at PVE's tasks and wait for them. */
import { z } from "zod";
import { PveError, UsageError } from "../errors.ts";
import type { Params, PveClient, Result, SendOptions } from "../pve/client.ts";
import { outcomeOf, phaseOf, ratioIn, readLog, readTail, readUpid, remedyFor, type Upid } from "../pve/tasks.ts";
import { percent, uptime } from "../shape/numbers.ts";
import { moment } from "../shape/times.ts";
import { defineTool } from "../tool.ts";
import { withKnownNodes } from "./nodes.ts";
import * as params from "./params.ts";
import { refuseStrangeNode } from "./places.ts";
import { deadlineOf, taskCalls } from "./waiting.ts";

const upid = z.string().min(1).max(512).describe("As a write or list_tasks gave it");
const phase = z.enum(["running", "ok", "warnings", "failed"]);
const about = {
  upid: z.string(),
  node: z.string(),
  type: z.string(),
  id: z.string().optional().describe("What it is about: a vmid, a storage"),
  user: z.string().optional(),
  started: z.string(),
};

/** Nobody but an auditor sees the tasks of others. */
const privileges = [{ path: "/nodes/{node}", any: ["Sys.Audit"], when: "for tasks that others have started" }] as const;

/** More nodes than this are not asked in one call. */
const MOST_NODES = 32;

/** @throws {UsageError} when the text is no UPID */
function upidOf(text: string): Upid {
  const found = readUpid(text);
  if (found !== undefined) return found;
  throw new UsageError(
    `${JSON.stringify(text.slice(0, 80))} is no UPID`,
    "Give it whole, as the tool that started the task or list_tasks gave it: UPID:NODE:…:TYPE:ID:USER:",
  );
}

function factsOf(text: string, { node, type, id, user, started }: Upid) {
  return { upid: text, node, type, ...(id === "" ? {} : { id }), user, started: moment(started) };
}

/** Reads a task's status from the node that its UPID names; where there is no such node, the error names those there are. */
async function statusOf(
  pve: PveClient<"GET /nodes" | "GET /nodes/{node}/tasks/{upid}/status">,
  text: string,
  node: string,
  options: SendOptions,
): Promise<Result<"GET /nodes/{node}/tasks/{upid}/status">> {
  try {
    return await pve.call("GET /nodes/{node}/tasks/{upid}/status", { node, upid: text }, options);
  } catch (error) {
    // A task that is not there is a 400.
    if (!(error instanceof PveError) || error.details.status === 400) throw error;
    throw await withKnownNodes(
      error,
      async () => (await pve.call("GET /nodes", {}, options)).map((row) => row.node),
    );
  }
}

type TaskRow = Result<"GET /nodes/{node}/tasks">[number];

function rowOf(row: TaskRow, now: number): z.output<typeof listed> {
  const started = row.starttime ?? readUpid(row.upid)?.started ?? 0;
  const state = phaseOf(row.status);
  return {
    started: moment(started),
    duration: uptime((state === "running" ? now : row.endtime ?? started) - started),
    node: row.node,
    type: row.type ?? "",
    ...(row.id === undefined || row.id === "" ? {} : { id: row.id }),
    user: row.user,
    state,
    ...(state === "failed" || state === "warnings" ? { exit_status: row.status } : {}),
    upid: row.upid,
  };
}

const listed = z.object({
  started: z.string(),
  duration: z.string().optional(),
  node: z.string(),
  type: z.string(),
  id: z.string().optional().describe("What it is about: a vmid, a storage"),
  user: z.string().optional(),
  state: phase,
  exit_status: z.string().optional(),
  upid: z.string(),
});

export const listTasks = defineTool({
  name: "list_tasks",
  title: "List tasks",
  description: "Lists what PVE is doing and has done, newest first: starts, clones, backups, and how they ended.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({
    node: params.node.optional(),
    vmid: params.vmid.optional(),
    type: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/).optional().describe("As in qmstart, vzcreate, vzdump"),
    state: z.enum(["all", "running", "failed"]).default("all"),
    hours: z.int().min(1).max(8760).optional().describe("Only those started in the last hours"),
    limit: z.int().min(1).max(500).default(20),
  }),
  output: z.object({ tasks: z.array(listed), total: z.number(), notes: params.notes }),
  calls: ["GET /nodes", "GET /nodes/{node}/tasks"],
  privileges,
  async run(input, { pve, signal, now }) {
    const nodes = await pve.call("GET /nodes", {}, { signal });
    refuseStrangeNode(input.node, nodes.map((row) => row.node));
    const wanted = nodes.filter((row) => input.node === undefined || row.node === input.node);
    const online = wanted.filter((row) => row.status !== "offline").map((row) => row.node).sort();
    const asked = online.slice(0, MOST_NODES);
    const seconds = Math.floor(now() / 1000);
    const query: Omit<Params<"GET /nodes/{node}/tasks">, "node"> = {
      source: input.state === "running" ? "active" : input.state === "failed" ? "archive" : "all",
      limit: input.limit,
      vmid: input.vmid,
      typefilter: input.type,
      since: input.hours === undefined ? undefined : seconds - input.hours * 3600,
      // PVE calls a task unknown that ended without a word.
      statusfilter: input.state === "failed" ? "error,unknown" : undefined,
    };
    let total = 0;
    const failures: { node: string; error: unknown }[] = [];
    const found = await Promise.all(asked.map(async (node) => {
      try {
        return await pve.call("GET /nodes/{node}/tasks", { node, ...query }, {
          signal,
          onTotal: (count) => total += count,
        });
      } catch (error) {
        failures.push({ node, error });
        return [];
      }
    }));
    const first = failures[0];
    if (first !== undefined && failures.length === asked.length) throw first.error;
    const rows = found.flat().map((row) => rowOf(row, seconds))
      .filter((row) => input.state === "all" || row.state === input.state)
      .sort((a, b) => a.started < b.started ? 1 : a.started > b.started ? -1 : 0);
    const tasks = rows.slice(0, input.limit);
    const left = Math.max(total, rows.length) - tasks.length;
    const offline = wanted.filter((row) => row.status === "offline").map((row) => row.node);
    const notes = [
      ...(left > 0 && tasks.length > 0 ? [`${left} more: narrow with node, vmid, type, state or hours`] : []),
      ...(offline.length > 0 ? [`Not asked, as offline: ${offline.sort().join(", ")}`] : []),
      ...(online.length > asked.length ? [`Not asked: ${online.length - asked.length} more nodes; give a node`] : []),
      ...failures.map(({ node, error }) => `${node} did not tell: ${error instanceof Error ? error.message : error}`),
    ];
    return { tasks, total: Math.max(total, tasks.length), ...(notes.length > 0 ? { notes } : {}) };
  },
});

export const getTaskStatus = defineTool({
  name: "get_task_status",
  title: "Status of a task",
  description: "Shows how one task stands, with the last lines of its log unless it went well. Does not wait.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({ upid }),
  output: z.object({
    ...about,
    state: phase,
    exit_status: z.string().optional(),
    running_for: z.string().optional(),
    progress_percent: z.number().optional(),
    log: z.array(z.string()).optional(),
    notes: params.notes,
  }),
  calls: [...taskCalls, "GET /nodes"],
  privileges,
  async run(input, { pve, signal, now }) {
    const parts = upidOf(input.upid);
    const { node, started } = parts;
    const status = await statusOf(pve, input.upid, node, { signal });
    const running = status.status === "running";
    const exit = running ? undefined : status.exitstatus ?? "unknown";
    const state = phaseOf(exit);
    const facts = { ...factsOf(input.upid, parts), state };
    if (state === "ok") return facts;
    const { lines } = await readTail(pve, input.upid, running ? 20 : 10, { signal }).catch(() => ({ lines: [] }));
    const log = lines.map((line) => line.t).filter((line) => line.trim() !== "");
    const remedy = exit === undefined ? undefined : remedyFor(exit, log);
    return {
      ...facts,
      ...(exit === undefined ? { running_for: uptime(Math.floor(now() / 1000) - started) } : { exit_status: exit }),
      ...(running ? { progress_percent: percent(log.map(ratioIn).findLast((ratio) => ratio !== undefined)) } : {}),
      log: log.slice(running ? -3 : -10),
      ...(state === "failed" && remedy !== undefined ? { notes: [remedy] } : {}),
    };
  },
});

export const getTaskLog = defineTool({
  name: "get_task_log",
  title: "Log of a task",
  description: "Shows lines of one task's log: the last ones, or those from start on.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({
    upid,
    start: z.int().min(0).max(10_000_000).optional().describe("Lines to pass over; left out: show the end"),
    limit: z.int().min(1).max(500).default(50),
  }),
  output: z.object({
    upid: z.string(),
    first_line: z.number().optional().describe("Number of the first line shown, from 1"),
    lines: z.array(z.string()),
    total: z.number(),
    next_start: z.number().optional(),
    notes: params.notes,
  }),
  calls: taskCalls,
  privileges,
  async run({ upid: text, start, limit }, { pve, signal }) {
    upidOf(text);
    const page = start === undefined
      ? await readTail(pve, text, limit, { signal })
      : await readLog(pve, text, { start, limit }, { signal });
    const [first, last] = [page.lines[0]?.n, page.lines.at(-1)?.n];
    const before = first === undefined ? 0 : first - 1;
    const notes = [
      ...(start === undefined && before > 0 ? [`${before} lines before these: give start=0 to read from the top`] : []),
      ...(page.lines.length === 0
        ? [
          page.total === 0
            ? "The log is empty"
            : `The log has only ${page.total === 1 ? "1 line" : `${page.total} lines`}`,
        ]
        : []),
    ];
    return {
      upid: text,
      ...(first === undefined ? {} : { first_line: first }),
      lines: page.lines.map((line) => line.t),
      total: page.total,
      ...(last !== undefined && last < page.total ? { next_start: last } : {}),
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});

export const waitTask = defineTool({
  name: "wait_task",
  title: "Wait for a task",
  description:
    'Waits until one task is over, or the time is up: then state is "running", and it can be called again. A task that failed is an error with the end of its log.',
  tier: "read",
  toolset: "core",
  input: z.strictObject({ upid, wait_timeout: params.waiting.wait_timeout }),
  output: z.object({
    ...about,
    state: params.outcome.state.exclude(["unchanged"]),
    exit_status: z.string().optional(),
    warnings: z.array(z.string()).optional(),
    notes: params.notes,
  }),
  calls: [...taskCalls, "GET /nodes"],
  privileges,
  async run({ upid: text, wait_timeout }, { pve, signal, progress, watch, queue }) {
    const parts = upidOf(text);
    const deadline = deadlineOf({ wait: true, wait_timeout });
    // Whether there is such a task is asked once by itself: the watch takes it for granted.
    const status = await statusOf(pve, text, parts.node, { signal });
    const { unseen, ...task } = status.status === "stopped"
      ? await outcomeOf(pve, text, status.exitstatus ?? "unknown", { signal })
      : await watch.wait(pve, text, {
        timeoutSeconds: Math.max(1, (deadline - performance.now()) / 1000),
        signal,
        progress,
      });
    if (task.state !== "running") queue.release(text);
    const { warnings, ...outcome } = task;
    const notes = [
      ...(unseen === undefined ? [] : [`PVE could not be asked the last time: ${unseen}`]),
      ...(task.state === "running" ? ["PVE is still working on it: call wait_task again, or look later"] : []),
    ];
    return {
      ...factsOf(text, parts),
      ...outcome,
      ...(warnings === undefined ? {} : { warnings: [...warnings] }),
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});
