/** Retention and schedules: what PVE keeps, and when a job runs. */
import assert from "node:assert/strict";
import { addStorage, addVolume, emptyState } from "../../src/sim/build.ts";
import { limitOf, markBackups, parseKeep } from "../../src/sim/prune.ts";
import { nextRun } from "../../src/sim/schedule.ts";

const storage = { id: "local", type: "dir", path: "/", total: 1, content: ["backup"] } as const;

function marks(keep: string, times: readonly string[], kept: readonly string[] = []): string {
  const state = emptyState();
  const local = addStorage(state, storage);
  const volumes = times.map((time) =>
    addVolume(state, local, "pve1", {
      name: `backup/${time}`,
      content: "backup",
      format: "vma",
      size: 1,
      ctime: Date.parse(`${time}:00Z`) / 1000,
      vmid: 100,
      protected: kept.includes(time),
    })
  );
  const found = markBackups(volumes, keep === "" ? undefined : parseKeep(keep));
  return volumes.map((volume) => found.get(volume)?.[0]).join("");
}

const WEEK = ["2026-11-22T10:00", "2026-11-22T04:00", "2026-11-21T10:00", "2026-11-20T10:00", "2026-11-13T10:00"];

Deno.test("retention marks backups as PVE does: k(eep), r(emove), p(rotected)", () => {
  assert.equal(marks("", WEEK), "kkkkk");
  assert.equal(marks("keep-all=1", WEEK), "kkkkk");
  assert.equal(marks("keep-last=2", WEEK), "kkrrr");
  assert.equal(marks("keep-daily=2", WEEK), "krkrr");
  assert.equal(marks("keep-last=1,keep-daily=2", WEEK), "krkkr", "the newest day is included already");
  assert.equal(marks("keep-last=1,keep-weekly=1", WEEK), "krrrk");
  assert.equal(marks("keep-last=1", WEEK, ["2026-11-22T10:00"]), "pkrrr", "a protected one does not count");
  assert.equal(limitOf(parseKeep("keep-last=2,keep-weekly=3")), 5);
  assert.equal(limitOf(parseKeep("keep-all=1")), undefined);
});

Deno.test("schedules name the next minute", () => {
  const sunday = Date.parse("2026-11-22T12:00:30Z");
  const next = (schedule: string) => new Date(nextRun(schedule, sunday)).toISOString().slice(0, 16);
  assert.equal(next("02:30"), "2026-11-23T02:30");
  assert.equal(next("daily"), "2026-11-23T00:00");
  assert.equal(next("hourly"), "2026-11-22T13:00");
  assert.equal(next("sat 18:00"), "2026-11-28T18:00");
  assert.equal(next("mon..fri 21:00"), "2026-11-23T21:00");
  assert.equal(next("*/30"), "2026-11-22T12:30");
  assert.equal(next("2,22:30"), "2026-11-22T22:30");
});
