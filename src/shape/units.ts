/** Numbers with units, as people read them. */

const binaryUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A number of bytes, as in "1.5 GiB". */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  // 1023.95 and more would round to 1024 of the unit below.
  while (Math.abs(value) >= (unit === 0 ? 1024 : 1023.95) && unit < binaryUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${rounded(value)} ${binaryUnits[unit]}`;
}

/** A ratio from 0 to 1 as a percentage, as in "8.3 %". */
export function ratio(value: number): string {
  return `${rounded(value * 100)} %`;
}

const spans = [
  { seconds: 86400, unit: "d" },
  { seconds: 3600, unit: "h" },
  { seconds: 60, unit: "min" },
  { seconds: 1, unit: "s" },
];

/** A number of seconds in its two largest units, as in "3 d 4 h"; what is smaller is cut off. */
export function duration(seconds: number): string {
  let rest = Math.max(0, Math.floor(seconds));
  const first = spans.findIndex((span) => rest >= span.seconds);
  if (first < 0) return "0 s";
  const parts: string[] = [];
  for (const span of spans.slice(first, first + 2)) {
    const count = Math.floor(rest / span.seconds);
    rest -= count * span.seconds;
    if (count > 0) parts.push(`${count} ${span.unit}`);
  }
  return parts.join(" ");
}

/** Seconds since 1970 as ISO 8601 in UTC, as in "2026-01-31T12:00:00Z"; a number that is no date stays a number. */
export function timestamp(epochSeconds: number): string {
  const date = new Date(Math.floor(epochSeconds) * 1000);
  return Number.isNaN(date.getTime()) ? String(epochSeconds) : date.toISOString().replace(".000Z", "Z");
}

/** At most one decimal, none where it would be 0. */
function rounded(value: number): string {
  return String(Math.round(value * 10) / 10);
}
