/** Tasks: lists, status and log. */
import { idOf } from "../access.ts";
import { invalid } from "../failure.ts";
import { splitList } from "../property.ts";
import type { Task } from "../state.ts";
import { type Context, type Route, Total, word } from "./context.ts";

const UPID = /^UPID:[a-zA-Z0-9-]+:[0-9A-F]{8,}:[0-9A-F]{8,}:[0-9A-F]{8}:[^:\s]+:[^:\s]*:[^:\s]+:$/i;

/** @throws {Failure} for text that is no UPID, an unknown task, or somebody else's (captured 114, 115, 423) */
function taskOf(context: Context, node: string, upid: string): Task {
  if (!UPID.test(upid)) invalid({ upid: "unable to parse worker upid" });
  const task = context.state.tasks.get(upid);
  if (task === undefined) invalid({ upid: "no such task" });
  if (!isOwn(context, task)) context.rights.check(`/nodes/${node}`, ["Sys.Audit"]);
  return task;
}

/** A user sees the tasks of all their tokens, a token only its own. */
function isOwn({ identity }: Context, task: Task): boolean {
  return task.user === identity.user && (identity.token === undefined || identity.token === task.token);
}

function facts(task: Task) {
  return {
    upid: task.upid,
    node: task.node,
    type: task.type,
    id: task.id,
    user: task.user,
    starttime: task.start,
    ...(task.token === undefined ? {} : { tokenid: task.token }),
  };
}

export const status: Route<"GET /nodes/{node}/tasks/{upid}/status"> = (context, { node, upid }) => {
  const task = taskOf(context, node, upid);
  return {
    ...facts(task),
    pid: task.pid,
    pstart: task.pstart,
    status: task.status === undefined ? "running" : "stopped",
    ...(task.status === undefined ? {} : { exitstatus: task.status }),
  };
};

export const log: Route<"GET /nodes/{node}/tasks/{upid}/log"> = (context, { node, upid, start = 0, limit = 50 }) => {
  const lines = context.engine.logOf(taskOf(context, node, upid));
  if (lines.length === 0) return new Total([{ n: 1, t: "no content" }], 1);
  const shown = lines.map((t, index) => ({ n: index + 1, t }));
  return new Total(shown.slice(start, limit === 0 ? undefined : start + limit), lines.length);
};

function ended(task: Task): boolean {
  return task.status !== undefined;
}

export const ofNode: Route<"GET /nodes/{node}/tasks"> = (context, params) => {
  const { node, start = 0, limit = 50, source = "archive", errors, vmid, since, until } = params;
  const all = context.rights.can(`/nodes/${node}`, ["Sys.Audit"]);
  const type = word(params.typefilter);
  const user = word(params.userfilter);
  const wanted = params.statusfilter === undefined ? undefined : splitList(String(params.statusfilter));
  const kind = (task: Task) =>
    task.status === "OK" ? "ok" : task.status?.startsWith("WARNINGS") === true ? "warning" : "error";
  const rows = [...context.state.tasks.values()].reverse().filter((task) =>
    task.node === node && (all || isOwn(context, task)) &&
    (source === "all" || ended(task) === (source === "archive")) &&
    (errors !== true || (ended(task) && kind(task) === "error")) &&
    (type === undefined || task.type === type) && (user === undefined || task.user.includes(user)) &&
    (vmid === undefined || task.id === String(vmid)) &&
    (since === undefined || task.start >= since) && (until === undefined || task.start <= until) &&
    (wanted === undefined || wanted.includes(kind(task)))
  );
  const shown = rows.slice(start, start + limit).map((task) =>
    ended(task)
      ? {
        ...facts(task),
        pid: task.pid,
        pstart: task.pstart,
        endtime: Math.floor(task.ends / 1000),
        status: task.status,
      }
      // Running ones carry the whole id as user (captured 470).
      : { ...running(task), pid: task.pid, pstart: task.pstart, status: "RUNNING", saved: "0" }
  );
  return new Total(shown, rows.length);
};

function running(task: Task) {
  const { tokenid: _token, ...rest } = facts(task);
  return { ...rest, user: idOf({ user: task.user, token: task.token }) };
}

export const ofCluster: Route<"GET /cluster/tasks"> = (context) =>
  [...context.state.tasks.values()].reverse()
    .filter((task) => isOwn(context, task) || context.rights.can(`/nodes/${task.node}`, ["Sys.Audit"]))
    .slice(0, 25)
    .map((task) =>
      ended(task)
        ? { ...facts(task), endtime: Math.floor(task.ends / 1000), status: task.status, saved: "1" }
        : { ...facts(task), pid: task.pid, saved: "0" }
    );
