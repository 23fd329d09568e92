/** When a scheduled job runs next; the part of systemd's calendar events that PVE's own dialogs write. */

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const WORDS: Readonly<Record<string, string>> = {
  minutely: "*:*",
  hourly: "*:00",
  daily: "00:00",
  weekly: "mon 00:00",
};

/** "2,22" or "0/15" or "*" → whether a number is meant. */
function matcher(text: string): (value: number) => boolean {
  if (text === "*") return () => true;
  const parts = text.split(",").map((part) => {
    const [from = "", step] = part.split("/");
    const [low = "", high] = from.split("..");
    const first = low === "*" ? 0 : Number(low);
    return (value: number) => {
      if (step !== undefined) return value >= first && (value - first) % Number(step) === 0;
      return high === undefined ? value === first : value >= first && value <= Number(high);
    };
  });
  return (value) => parts.some((part) => part(value));
}

function weekdays(text: string): (day: number) => boolean {
  const days = new Set<number>();
  for (const part of text.split(",")) {
    const [from = "", to = from] = part.split("..");
    const first = DAYS.indexOf(from.slice(0, 3));
    const last = DAYS.indexOf(to.slice(0, 3));
    for (let i = 0; i <= (last - first + 7) % 7; i++) days.add((first + i) % 7);
  }
  return (day) => days.has(day);
}

const MINUTE = 60_000;

/** The first minute after `now` (milliseconds, UTC) that a schedule names; a year ahead for what it cannot read. */
export function nextRun(schedule: string, now: number): number {
  const text = (WORDS[schedule.trim()] ?? schedule).trim().toLowerCase();
  const [, days, hours = "*", minutes = "0"] = /^(?:([a-z.,]+)\s+)?(?:([\d*/.,]+):)?([\d*/.,]+)$/.exec(text) ?? [];
  const onDay = days === undefined ? () => true : weekdays(days);
  const atHour = matcher(hours);
  const atMinute = matcher(minutes);
  const first = Math.floor(now / MINUTE) * MINUTE + MINUTE;
  for (let at = first; at < first + 8 * 86_400_000; at += MINUTE) {
    const date = new Date(at);
    if (onDay(date.getUTCDay()) && atHour(date.getUTCHours()) && atMinute(date.getUTCMinutes())) return at;
  }
  return now + 365 * 86_400_000;
}
