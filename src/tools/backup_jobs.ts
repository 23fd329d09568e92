/** A tool that shows the scheduled jobs that make backups, and whom they leave out. */
import { z } from "zod";
import type { Result } from "../pve/client.ts";
import { pageOf } from "../shape/page.ts";
import { moment } from "../shape/times.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";

/** Guests in no job that are named. */
const MOST_NAMED = 100;

type Job = Result<"GET /cluster/backup">[number];

/** Which guests a job takes along. */
function guestsOf({ all, pool, vmid, exclude }: Job): string {
  const but = exclude === undefined || exclude === "" ? "" : ` but ${exclude}`;
  if (pool !== undefined) return `pool ${pool}${but}`;
  return all === true ? `all${but}` : vmid ?? "";
}

export const listBackupJobs = defineTool({
  name: "list_backup_jobs",
  title: "List backup jobs",
  description: "Lists PVE's scheduled backup jobs, and the guests that no enabled job takes along.",
  tier: "read",
  toolset: "backups",
  input: z.strictObject({}),
  output: z.object({
    jobs: z.array(z.object({
      job: z.string(),
      enabled: z.boolean(),
      schedule: z.string().optional(),
      next_run: z.string().optional(),
      guests: z.string(),
      node: z.string().optional(),
      storage: z.string().optional(),
      mode: z.string().optional(),
      keeps: z.string().optional().describe("The job's own retention; without it the storage's"),
      comment: z.string().optional(),
    })),
    in_no_job: z.array(z.object({ vmid: z.number(), name: z.string().optional() })),
    notes: params.notes,
  }),
  calls: ["GET /cluster/backup", "GET /cluster/backup-info/not-backed-up"],
  privileges: [
    { path: "/", any: ["Sys.Audit"] },
    { path: "/vms/{vmid}", any: ["VM.Audit"], when: "to name the guests in no job" },
  ],
  async run(_input, { pve, signal }) {
    const [rows, bare] = await Promise.all([
      pve.call("GET /cluster/backup", {}, { signal }),
      pve.call("GET /cluster/backup-info/not-backed-up", {}, { signal }),
    ]);
    const jobs = pageOf(rows, 200).map((job) => ({
      job: job.id ?? "",
      enabled: job.enabled !== false,
      schedule: job.schedule,
      next_run: job["next-run"] === undefined ? undefined : moment(job["next-run"]),
      guests: guestsOf(job),
      node: job.node,
      storage: job.storage,
      mode: job.mode,
      keeps: Object.entries(job["prune-backups"] ?? {}).map(([key, count]) => `${key}=${String(count)}`).join(",") ||
        undefined,
      comment: job.comment,
    }));
    const missing = [...bare].sort((a, b) => a.vmid - b.vmid);
    const notes = [
      ...(rows.length === 0 ? ["There are no backup jobs: nothing is backed up by itself"] : []),
      ...(rows.length > jobs.length ? [`${rows.length - jobs.length} more jobs are left out`] : []),
      ...(missing.length > MOST_NAMED ? [`${missing.length - MOST_NAMED} more guests are in no job`] : []),
    ];
    return {
      jobs,
      in_no_job: missing.slice(0, MOST_NAMED).map(({ vmid, name }) => ({ vmid, name })),
      ...(notes.length > 0 ? { notes } : {}),
    };
  },
});
