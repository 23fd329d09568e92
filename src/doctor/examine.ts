/** Goes through everything that has to be right, from the name of the host to the last tool; changes nothing. */
import { look } from "../access/look.ts";
import { subjectOf } from "../access/pveum.ts";
import type { PveMajor } from "../access/roles.ts";
import type { Settings, Target } from "../config/settings.ts";
import { PveError } from "../errors.ts";
import type { PveClient, RequestRecord } from "../pve/client.ts";
import { probe } from "../pve/probe.ts";
import type { Tool } from "../tool.ts";
import { type Check, failed, ok, skipped, warning } from "./check.ts";
import { reachChecks } from "./reach.ts";
import { rightsChecks } from "./rights.ts";

/** What is examined, and with what. */
export interface ExamineOptions {
  readonly target: Target;
  readonly settings: Pick<Settings, "pool">;
  /** Those that the settings allow. */
  readonly tools: readonly Pick<Tool, "name" | "tier" | "privileges">[];
  readonly pve: PveClient;
  /** As Deno.build.os. */
  readonly os: string;
  readonly now: () => number;
  /** Gets each check as soon as it is made. */
  readonly onCheck: (check: Check) => void;
}

/** Clocks that differ by less (ms) do no harm. */
const TOLERANCE = 60_000;

function clockCheck(date: string | undefined, now: number): Check {
  const theirs = Date.parse(date ?? "");
  if (Number.isNaN(theirs)) return skipped("clock", "PVE's answers carry no date");
  const off = now - theirs;
  if (Math.abs(off) < TOLERANCE) return ok("clock", "This machine's clock and PVE's agree");
  const minutes = Math.round(Math.abs(off) / 60_000);
  const shown = minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`;
  return warning(
    "clock",
    `This machine's clock is ${shown} ${
      off > 0 ? "ahead of" : "behind"
    } PVE's: certificates and tokens may seem expired ` +
      "or not valid yet, and times in answers are off",
    "See which of the two is wrong (date, on both), and let it set its clock: timedatectl set-ntp true on Linux and on " +
      "the PVE host (chronyc makestep jumps at once), Date & Time in the settings of macOS and Windows",
  );
}

function tokenRefused(error: PveError, { tokenId }: Target): Check {
  const { user, token } = subjectOf(tokenId);
  return failed(
    "token",
    `PVE does not accept the token ${tokenId}: ${error.details.reason || "no reason given"}`,
    `See on the PVE host which tokens there are: pveum user token list ${user}`,
    `If the user is unknown there, correct PROXMOX_USER; if ${token} is not in the list, set PROXMOX_TOKEN_NAME to one that is, ` +
      "with its own secret",
    `If ${token} is listed and has not expired, the secret (PROXMOX_TOKEN_VALUE) is wrong. PVE shows it only once: make another ` +
      `token with pveum user token add ${user} NAME, and set both PROXMOX_TOKEN_NAME and PROXMOX_TOKEN_VALUE`,
    "Check that the user is enabled: pveum user list",
  );
}

function plain(error: unknown): { says: string; remedy: string[] } {
  if (!(error instanceof PveError)) throw error;
  return { says: error.message, remedy: error.details.remedy === undefined ? [] : [error.details.remedy] };
}

/** "9.2.10" → 9; a version that cannot be read counts as the newest. */
function majorOf(version: string): number {
  const major = Number.parseInt(version, 10);
  return Number.isNaN(major) ? 9 : major;
}

function versionCheck(version: string): Check {
  const major = majorOf(version);
  return major >= 8 ? ok("version", `PVE ${version}`) : warning(
    "version",
    `PVE ${version} is older than this program is made for`,
    "Upgrade to PVE 8 or later; with an older one some tools fail",
  );
}

/** Examines the way to PVE and the token's privileges; goes on after a failure where it can. */
export async function examine(options: ExamineOptions): Promise<Check[]> {
  const { target, tools, pve, settings } = options;
  const checks: Check[] = [];
  const add = (...made: readonly Check[]) => {
    checks.push(...made);
    made.forEach(options.onCheck);
  };
  const way = await probe(target);
  add(...reachChecks(target, way, options.now(), options.os));
  if (way.reached !== "trust") {
    add(skipped("api", "Not asked: nothing is sent before the connection is there and trusted"));
    return checks;
  }
  let date: string | undefined;
  const onRequest = (record: RequestRecord) => void (date ??= record.date);
  const version = await pve.call("GET /version", {}, { onRequest }).catch((error: unknown) => error);
  if (version instanceof Error) {
    if (version instanceof PveError && version.details.kind === "unauthenticated") {
      add(ok("api", "PVE answers"), clockCheck(date, options.now()), tokenRefused(version, target));
    } else {
      const { says, remedy } = plain(version);
      add(failed("api", says, ...remedy), clockCheck(date, options.now()));
    }
    return checks;
  }
  const text = versionOf(version);
  add(
    ok("api", "PVE answers"),
    versionCheck(text),
    clockCheck(date, options.now()),
    ok("token", `PVE accepts ${target.tokenId}`),
  );
  try {
    const nodes = await pve.call("GET /nodes", {});
    const found = await look(pve);
    const pools = settings.pool === undefined ? [] : await pve.call("GET /pools", {});
    add(...rightsChecks({
      look: found,
      tools,
      subject: subjectOf(target.tokenId),
      pve: major(text),
      pool: settings.pool,
      pools: pools.flatMap(({ poolid }) => poolid ?? []).sort(),
      offline: nodes.filter(({ status }) => status === "offline").map(({ node }) => node).sort(),
    }));
  } catch (error) {
    const { says, remedy } = plain(error);
    add(failed("privileges", says, ...remedy));
  }
  return checks;
}

function versionOf(answer: unknown): string {
  return typeof answer === "object" && answer !== null && "version" in answer ? String(answer.version) : "";
}

/** The version whose privileges count. */
function major(version: string): PveMajor {
  return majorOf(version) <= 8 ? 8 : 9;
}
