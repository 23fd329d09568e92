/** Moments as answers show them. */

/** Seconds since the epoch → "2026-11-22T12:00:00Z"; "unknown" for what is no moment of the calendar. */
export function moment(seconds: number): string {
  const date = new Date(Math.trunc(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? "unknown" : date.toISOString().replace(".000Z", "Z");
}
