/** A new mount point of a container must hide nothing that is there. */
import { Refusal } from "../errors.ts";
import type { PendingRow } from "./pending.ts";

/** Folders of which a running system needs what is in them: nothing is mounted over one. */
const SYSTEM_FOLDER = /^\/(?:bin|boot|dev|etc|home|lib(?:32|64|x32)?|proc|root|run|sbin|sys|tmp|usr|var)$/;

/** Where in the container a mount point is, without a slash at its end. */
function placeOf(value: unknown): string | undefined {
  const part = String(value).split(",").find((part) => part.startsWith("mp="));
  return part?.slice("mp=".length).replace(/\/+$/, "");
}

/**
 * Refuses a mount point whose new, empty volume would hide what lies where it is mounted.
 * @throws {Refusal}
 */
export function refuseHiding(name: string, value: unknown, rows: readonly PendingRow[], vmid: number): void {
  const place = placeOf(value);
  if (place === undefined) return;
  const hidden = SYSTEM_FOLDER.test(place)
    ? place
    : rows.flatMap((row) => /^mp\d+$/.test(row.key) ? [placeOf(row.value), placeOf(row.pending)] : []).find((other) =>
      other === place || other?.startsWith(`${place}/`)
    );
  if (hidden === undefined) return;
  throw new Refusal(
    `Refused ${name}=${
      JSON.stringify(value)
    }: a new volume at ${place} would hide what container ${vmid} has at ${hidden}`,
    "Mount it at a folder of its own, as at /srv/data",
  );
}
