/** Reads what GET /access/permissions tells: which privileges a token has on which path. */

/** What PVE answers: path → privilege → whether it propagates to what is below (1) or not (0). */
export type Permissions = Readonly<Record<string, unknown>>;

/** The paths that PVE always lists, if there is any privilege on them. */
export const BASE_PATHS = ["/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"] as const;

const nothing: ReadonlySet<string> = new Set();

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** PVE echoes the path of a question with a slash at its end (recorded on 9.2.10). */
function normalized(path: string): string {
  return `/${path.split("/").filter((part) => part !== "").join("/")}`;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/**
 * Effective privileges by path. Answers about single paths may be put on top of the whole list: only they show a path on
 * which NoAccess takes everything away, as the list leaves out paths without any privilege.
 */
export class Grants {
  readonly #known = new Map<string, ReadonlyMap<string, boolean>>();

  constructor(...answers: readonly Permissions[]) {
    for (const [path, privileges] of answers.flatMap((answer) => Object.entries(answer))) {
      if (!isRecord(privileges)) continue;
      this.#known.set(
        normalized(path),
        // 0: granted here, but not below. A privilege that is not there is not named at all.
        new Map(Object.entries(privileges).map(([name, value]) => [name, value === 1 || value === true])),
      );
    }
  }

  /** The paths that PVE has told of. */
  get paths(): readonly string[] {
    return [...this.#known.keys()].sort();
  }

  /** Whether the token has no privilege anywhere: a token with privilege separation and no ACL of its own. */
  get empty(): boolean {
    return [...this.#known.values()].every((privileges) => privileges.size === 0);
  }

  /** The privileges on a path. */
  at(path: string): ReadonlySet<string> {
    const here = this.#known.get(path);
    return here === undefined ? this.inherited(path) : new Set(here.keys());
  }

  /** What a path would have if no ACL named it. */
  inherited(path: string): ReadonlySet<string> {
    for (let above = path; above !== "/";) {
      above = parentOf(above);
      const known = this.#known.get(above);
      if (known === undefined) continue;
      const passed = [...known].filter(([, propagates]) => propagates).map(([name]) => name);
      // Where all stays on the path itself, what is above reaches over it; where there is nothing, NoAccess has cut it off.
      if (passed.length > 0 || known.size === 0) return new Set(passed);
    }
    return nothing;
  }

  /** What arrives at things below a path that no ACL names, as at a new guest below "/vms". */
  below(path: string): ReadonlySet<string> {
    return this.inherited(path === "/" ? "/any" : `${path}/any`);
  }

  /** Whether an entry on the path itself reaches what is below it. */
  reachesBelow(path: string): boolean {
    return [...this.#known.get(path)?.values() ?? []].includes(true) && !this.inheritsOnly(path);
  }

  /** Whether all privileges of a path come from above. */
  inheritsOnly(path: string): boolean {
    if (path === "/") return false;
    const [here, above] = [this.at(path), this.inherited(path)];
    return here.size === above.size && here.isSubsetOf(above);
  }
}
