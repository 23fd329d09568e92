/** Says why a list may be shorter than what there is: PVE leaves out, without a word, what a token may not see. */
import { Grants } from "./grants.ts";
import { grantPaths } from "./places.ts";
import { grantLine, subjectOf } from "./pveum.ts";
import type { PveClient, SendOptions } from "../pve/client.ts";

export const visibleCalls = ["GET /access/permissions"] as const;

/** What a list is of, where its privilege is granted, and which it is: one of `any` is enough. */
interface Listed {
  readonly what: string;
  readonly path: "/vms" | "/storage";
  readonly any: readonly [string, ...string[]];
}

export const listed = {
  guests: { what: "guests", path: "/vms", any: ["VM.Audit"] },
  storages: { what: "storages", path: "/storage", any: ["Datastore.Audit", "Datastore.AllocateSpace"] },
} as const satisfies Readonly<Record<string, Listed>>;

/** A list of at least so many rows is not doubted: asking costs a request. */
const DOUBTED = 5;
const MOST_PLACES = 8;

/**
 * Notes on a list of `count` rows: none where it is long enough or the token may see everything of its kind. One request
 * where the list is short; never fails.
 * @param token as in "agent@pve!mcp"
 */
export async function visibleNotes(
  pve: PveClient<(typeof visibleCalls)[number]>,
  { what, path, any }: Listed,
  count: number,
  token: string | undefined,
  options: SendOptions,
): Promise<string[]> {
  if (count >= DOUBTED) return [];
  const permissions = await pve.call("GET /access/permissions", {}, options).catch(() => undefined);
  const [privilege] = any;
  if (permissions === undefined) {
    return count > 0
      ? []
      : [`No ${what} are visible; whether the token may see any, with ${privilege} on ${path}, PVE did not tell`];
  }
  const grants = new Grants(permissions);
  const holds = (privileges: ReadonlySet<string>) => any.some((one) => privileges.has(one));
  // What a path below would inherit: a privilege that does not propagate shows nothing.
  if (holds(grants.inherited(`${path}/0`))) {
    return count > 0 ? [] : [`There are no ${what}: the token may see all of them`];
  }
  const places = grants.paths.filter((one) =>
    (one.startsWith(`${path}/`) || one.startsWith("/pool/")) && holds(grants.at(one))
  );
  if (places.length > 0) {
    const more = places.length > MOST_PLACES ? ` and ${places.length - MOST_PLACES} more` : "";
    return [
      `There may be more: the token sees ${what} only by ${
        places.slice(0, MOST_PLACES).join(", ")
      }${more}, as it lacks ${privilege} on ${path}`,
    ];
  }
  const lack = { any, path, grantOn: grantPaths(path, [path], grants) };
  const nothing = grants.empty
    ? ", and every other privilege: with privilege separation a token needs ACLs of its own"
    : "";
  return [
    `${
      count === 0 ? `No ${what} are visible` : "There may be more"
    }: PVE leaves out what a token may not see, and this one lacks ${privilege} on ${path}${nothing}. ` +
    `A person can grant it on the PVE host: ${grantLine(lack, token === undefined ? undefined : subjectOf(token), 9)}`,
  ];
}
