/** The worker's side: everything that touches PVE, with network to one host and port, and no other permission. */
import { err } from "../cli/terminal.ts";
import { settingsFrom } from "../config/sources.ts";
import { UsageError } from "../errors.ts";
import type { AuditLog } from "../safety/audit.ts";
import { auditLine } from "../safety/audit.ts";
import { faultsOf } from "../safety/names.ts";
import type { Dispatch } from "../mcp/dispatch.ts";
import { listedTools } from "../mcp/listed.gen.ts";
import { type Assignment, type FromWorker, isToWorker } from "./messages.ts";
import { prepareForPackages } from "./packages.ts";
import { serveMessages, serveStdin } from "./serve_job.ts";
import { openSession } from "./session.ts";

/** Deno has no types for a worker's globals beside those of a window. */
declare const self: {
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
  postMessage(message: FromWorker): void;
};

const cancelled = new AbortController();
const writing = new Map<number, { resolve(): void; reject(error: Error): void }>();
let answered: ((yes: boolean) => void) | undefined;
/** What a client in the launcher said before there was a server to hear it. */
const early: string[] = [];
let takeMcp = (text: string): void => void early.push(text);

/** The audit log that the launcher keeps: a write waits until its line is on the disk. */
const audit: AuditLog = {
  write(entry) {
    const id = writing.size === 0 ? 0 : Math.max(...writing.keys()) + 1;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    writing.set(id, { resolve, reject });
    self.postMessage({ type: "audit", id, line: auditLine(entry) });
    return promise;
  },
};

function ask(text: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  answered = resolve;
  self.postMessage({ type: "question", text });
  return promise;
}

function serveLauncher(dispatch: Dispatch): void {
  takeMcp = serveMessages(dispatch, (text) => self.postMessage({ type: "mcp", text }));
  early.splice(0).forEach(takeMcp);
}

/** The client is gone; a worker cannot end its process. */
function leave(): void {
  self.postMessage({ type: "eof" });
}

/** Runs the job and returns its result; undefined while it goes on serving. */
async function run({ job, sources, trace }: Assignment): Promise<{ value: unknown } | undefined> {
  const settings = sources === undefined ? undefined : settingsFrom(sources);
  const record = settings?.auditFile === undefined ? undefined : audit;
  const post = (line: string) => self.postMessage({ type: "log", line });
  // While serving, lines go out at once: posted ones would be lost with a crash, and come after the answer they belong to.
  const log = job.kind === "serve" && job.over === "stdio" ? err : post;
  const session = openSession({ settings, every: job.kind === "call", trace, audit: record, log });
  switch (job.kind) {
    case "probe": {
      await prepareForPackages();
      const { tryToBreakOut } = await import("./probe.ts");
      return { value: await tryToBreakOut(settings?.target, job.elsewhere) };
    }
    case "serve":
      if (job.over === "messages") serveLauncher(session.dispatch);
      else serveStdin(session.dispatch, leave);
      return undefined;
    case "doctor": {
      const { doctorJob } = await import("./doctor_job.ts");
      return {
        value: await doctorJob(
          settings,
          session,
          (says) => self.postMessage({ type: "progress", message: says, ratio: undefined }),
        ),
      };
    }
    case "call": {
      const { callJob } = await import("./call_job.ts");
      const progress = (message: string, ratio?: number) => self.postMessage({ type: "progress", message, ratio });
      return { value: await callJob(job, session, { signal: cancelled.signal, progress, ask }) };
    }
  }
}

async function begin(assignment: Assignment): Promise<void> {
  try {
    const done = await run(assignment);
    if (done !== undefined) self.postMessage({ type: "result", value: done.value });
  } catch (error) {
    if (error instanceof UsageError) {
      self.postMessage({ type: "usage", message: error.message, remedy: error.remedy });
    } else {
      self.postMessage({
        type: "fault",
        message: error instanceof Error ? error.stack ?? error.message : String(error),
      });
    }
  }
}

self.onmessage = ({ data }) => {
  if (!isToWorker(data)) throw new Error("The launcher sent a message that the server does not know");
  switch (data.type) {
    case "assignment":
      return void begin(data.assignment);
    case "audited": {
      const waiting = writing.get(data.id);
      writing.delete(data.id);
      return data.failure === undefined ? waiting?.resolve() : waiting?.reject(new Error(data.failure));
    }
    case "answer":
      return answered?.(data.yes);
    case "cancel":
      return cancelled.abort();
    case "mcp":
      return takeMcp(data.text);
  }
};

const faults = faultsOf(listedTools);
if (faults.length === 0) self.postMessage({ type: "ready" });
else self.postMessage({ type: "fault", message: `The tools break a promise of this program: ${faults.join("; ")}` });
