/** What the safety layer refuses, held against its message and its remedy. */
import assert from "node:assert/strict";
import { Refusal } from "../../src/errors.ts";

/** Fails unless this ends in a refusal whose message and remedy match. */
export async function assertRefused(attempt: Promise<unknown>, why: RegExp): Promise<void> {
  await assert.rejects(attempt, (error) => {
    assert.ok(error instanceof Refusal, String(error));
    assert.match(`${error.message}. ${error.remedy ?? ""}`, why);
    return true;
  });
}
