/** Numbers as answers show them: GiB and percent, rounded to what a reader needs. */

/** Bytes → GiB with at most two decimals, never 0 for something that is there; undefined stays undefined. */
export function gib(bytes: number | undefined): number | undefined {
  if (bytes === undefined || bytes === 0) return bytes;
  return Math.max(0.01, Math.round(bytes / 2 ** 30 * 100) / 100);
}

/** A ratio 0–1 → percent with one decimal. */
export function percent(ratio: number | undefined): number | undefined {
  return ratio === undefined ? undefined : Math.round(ratio * 1000) / 10;
}

/** How full something is, in percent; undefined where the size is 0 or not known. */
export function usedPercent(used: number | undefined, total: number | undefined): number | undefined {
  return used === undefined || total === undefined || total <= 0 ? undefined : percent(used / total);
}

/** Seconds → "3d 4h", "2h 5m", "45s"; undefined for 0 and for what is not known. */
export function uptime(seconds: number | undefined): string | undefined {
  if (seconds === undefined || seconds <= 0) return undefined;
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days}d ${hours}h`;
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m` : `${Math.floor(seconds)}s`;
}

/** Without decimals, for lists, where each digit costs; above 0 it stays above 0. */
export function rounded(value: number | undefined): number | undefined {
  return value === undefined || value <= 0 ? value : Math.max(1, Math.round(value));
}
