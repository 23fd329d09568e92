/** The tool that tells what the token may do, what it lacks, and what a person can run on the host to grant it. */
import { z } from "zod";
import { look, lookCalls } from "../access/look.ts";
import { grantLine, privilegeWords, subjectOf } from "../access/pveum.ts";
import { judgeTools, lacksOf } from "../access/report.ts";
import { UsageError } from "../errors.ts";
import { defineTool } from "../tool.ts";
import * as params from "./params.ts";

export const checkPermissions = defineTool({
  name: "check_permissions",
  title: "Check permissions",
  description:
    "Tells which tools the API token has the privileges for, which it lacks on which path, and the pveum line with which a person can grant each on the PVE host. Use it after a 403, or when a list is shorter than expected.",
  tier: "read",
  toolset: "core",
  input: z.strictObject({
    tool: z.string().max(64).optional().describe("Only this tool"),
    path: z.string().max(255).regex(/^\/(?:[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+){0,7})?$/).optional()
      .describe("Lists the privileges on this path, too, as in /vms/102 or /storage/local"),
  }),
  output: z.object({
    identity: z.string().optional().describe("The token's id"),
    works: z.string().describe("The tools that lack nothing"),
    limited: z.array(z.object({
      tool: z.string(),
      state: z.enum(["in part", "fails"]),
      lacks: z.string(),
    })).describe("in part: only what needs the missing privilege fails"),
    missing: z.array(z.object({
      privilege: z.string(),
      path: z.string(),
      tools: z.string(),
      pveum: z.string().describe("For a person to run on the PVE host"),
    })),
    only_on: z.array(z.object({ paths: z.string(), tools: z.string() })).optional().describe(
      "Tools that work on some guests, pools or storages only",
    ),
    privileges: z.string().optional().describe("On the path that was asked about"),
    notes: params.notes,
  }),
  calls: [...lookCalls, "GET /version"],
  privileges: [],
  async run({ tool, path }, { pve, signal, server }) {
    const names = server.tools.map(({ name }) => name);
    if (tool !== undefined && !names.includes(tool)) {
      throw new UsageError(`There is no tool ${JSON.stringify(tool)} here`, `The tools are ${names.join(", ")}`);
    }
    const { version } = await pve.call("GET /version", {}, { signal });
    const { grants, scene } = await look(pve, { signal });
    const judged = judgeTools(server.tools.filter(({ name }) => tool === undefined || name === tool), grants, scene);
    const subject = server.token === undefined ? undefined : subjectOf(server.token);
    const major = Number.parseInt(version ?? "", 10) <= 8 ? 8 : 9;
    const missing = lacksOf(judged).map(({ lack, tools }) => ({
      privilege: privilegeWords(lack.any, major),
      path: lack.grantOn.join(", "),
      tools: tools.join(", "),
      pveum: grantLine(lack, subject, major),
    }));
    const bounded = Map.groupBy(judged.filter(({ only }) => only.length > 0), ({ only }) => only.join(", "));
    const there = path === undefined ? undefined : await pve.call("GET /access/permissions", { path }, { signal });
    return {
      identity: server.token,
      works: tool === undefined && judged.every(({ verdict }) => verdict === "works")
        ? `all ${judged.length} tools`
        : judged.filter(({ verdict }) => verdict === "works").map((one) => one.tool).join(", "),
      limited: judged.flatMap(({ tool, verdict, lacks }) =>
        verdict === "works" ? [] : [{
          tool,
          state: verdict,
          lacks: lacks.map((lack) =>
            `${privilegeWords(lack.any, major)} on ${lack.path}${lack.when === undefined ? "" : ` (${lack.when})`}`
          ).join("; "),
        }]
      ),
      missing,
      ...(bounded.size === 0 ? {} : {
        only_on: [...bounded].map(([paths, some]) => ({ paths, tools: some.map((one) => one.tool).join(", ") })),
      }),
      ...(there === undefined
        ? {}
        : { privileges: Object.values(there).flatMap((some) => Object.keys(some ?? {})).sort().join(", ") }),
      ...(grants.empty
        ? {
          notes: [
            "The token has no privilege at all: with privilege separation it has only what both it and its user were granted",
          ],
        }
        : {}),
    };
  },
});
