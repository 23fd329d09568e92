/** A new mount point of a container must hide nothing that is there. */
import { Refusal } from "../errors.ts";
import type { PendingRow } from "./pending.ts";

/** Folders of which a running system needs what is in them. */
const SYSTEM_FOLDERS: readonly string[] = [
  ...["/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/run"],
  ...["/sbin", "/sys", "/tmp", "/usr", "/var"],
];

/** Where in the container a mount point is; "" for what is none. */
function placeOf(value: unknown): string {
  const part = String(value).split(",").find((part) => part.startsWith("mp=")) ?? "";
  return part.slice("mp=".length).split("/").filter((name) => name !== "").map((name) => `/${name}`).join("");
}

/**
 * Refuses a mount point whose new, empty volume would hide what lies where it is mounted.
 * @throws {Refusal}
 */
export function refuseHiding(name: string, value: unknown, rows: readonly PendingRow[], vmid: number): void {
  const place = placeOf(value);
  if (place === "") return;
  const mounted = rows.filter(({ key }) => /^mp\d+$/.test(key)).flatMap((row) => [row.value, row.pending]).map(placeOf);
  const hidden = [...SYSTEM_FOLDERS, ...mounted].find((other) => `${other}/`.startsWith(`${place}/`));
  if (hidden === undefined) return;
  const there = `container ${vmid} has at ${hidden}`;
  throw new Refusal(
    `Refused ${name}=${JSON.stringify(value)}: a new volume at ${place} would hide what ${there}`,
    "Mount it at a folder of its own, as at /srv/data",
  );
}
