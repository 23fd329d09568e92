/** Who asks, and whether they may: tokens, tickets, roles, access lists, and the schema's permission expressions. */
import { bare, forbidden } from "./failure.ts";
import type { Schema } from "./schema.ts";
import { poolOf, type State } from "./state.ts";
import type { Raw } from "./validate.ts";

/** Who asks. */
export interface Identity {
  readonly user: string;
  /** The token's name, where one was used. */
  readonly token: string | undefined;
}

/** As PVE writes it into UPIDs: "user@realm" or "user@realm!name". */
export function idOf(identity: Identity): string {
  return identity.token === undefined ? identity.user : `${identity.user}!${identity.token}`;
}

const SUPERUSER = "root@pam";

/** Root's tokens are not root: some options and calls are for root@pam itself. */
export function isRoot(identity: Identity): boolean {
  return identity.user === SUPERUSER && identity.token === undefined;
}

/** @throws {Failure} 401 without a body; PVE gives no cause (captured 002–009) */
export function authenticate(
  state: State,
  method: string,
  headers: Readonly<Record<string, string>>,
  now: number,
): Identity {
  const cookie = /(?:^|;\s*)PVEAuthCookie=([^;]+)/.exec(headers.cookie ?? "")?.[1];
  if (cookie !== undefined) {
    const ticket = state.access.tickets.get(decodeURIComponent(cookie));
    if (ticket === undefined) bare(401, "permission denied - invalid PVE ticket");
    if (method !== "GET" && headers.csrfpreventiontoken !== ticket.csrf) {
      bare(401, "Permission denied - invalid csrf token"); // captured 132
    }
    return { user: ticket.user, token: undefined };
  }
  // The scheme's case matters (captured 443), a blank does for "=" (captured 442).
  const given = /^PVEAPIToken[= ](.+)$/.exec(headers.authorization ?? "")?.[1];
  if (given === undefined) bare(401, "No ticket");
  const [, user = "", name = "", secret = ""] = /^([^!]+@[^!]+)!([^=!]+)=(.+)$/.exec(given) ?? [];
  const token = state.access.tokens.get(`${user}!${name}`);
  const expired = token !== undefined && token.expires !== 0 && token.expires * 1000 < now;
  if (token === undefined || token.secret !== secret || expired || !state.access.users.has(user)) {
    bare(401, "Authentication failed!");
  }
  return { user, token: name };
}

/** PVE drops the trailing slash, and knows no path with other characters (captured 096). */
function normalize(path: string): string | undefined {
  const clean = `/${path.split("/").filter((part) => part !== "").join("/")}`;
  return /^[A-Za-z0-9.\-_/]+$/.test(clean) ? clean : undefined;
}

/** Privileges that the access list gives one user or token at a path: deeper entries replace shallower ones. */
function listed(state: State, who: string, path: string): Map<string, boolean> {
  let roles: { role: string; propagate: boolean }[] = [];
  const parts = path.split("/").filter((part) => part !== "");
  for (let depth = 0; depth <= parts.length; depth++) {
    const at = `/${parts.slice(0, depth).join("/")}`;
    const here = state.access.acl.filter((entry) =>
      entry.who === who && entry.path === at && (entry.propagate || depth === parts.length)
    );
    if (here.length > 0) roles = here;
  }
  const found = new Map<string, boolean>();
  for (const { role, propagate } of roles) {
    for (const privilege of state.access.roles.get(role) ?? []) {
      found.set(privilege, propagate || found.get(privilege) === true);
    }
  }
  return found;
}

function ofUser(state: State, user: string, path: string): Map<string, boolean> {
  if (user === SUPERUSER) {
    return new Map([...state.access.roles.get("Administrator") ?? []].map((privilege) => [privilege, true]));
  }
  return withPool(state, user, path);
}

/** Guests and storages also inherit what is granted on their pool. */
function withPool(state: State, who: string, path: string): Map<string, boolean> {
  const found = listed(state, who, path);
  const vmid = /^\/vms\/(\d+)$/.exec(path)?.[1];
  const pool = vmid === undefined ? undefined : poolOf(state, Number(vmid));
  if (pool !== undefined) { for (const [key, value] of listed(state, who, `/pool/${pool.id}`)) found.set(key, value); }
  return found;
}

/** Privilege → whether it propagates. A separated token has what both it and its user have. */
export function privileges(state: State, identity: Identity, path: string): Map<string, boolean> {
  const own = ofUser(state, identity.user, path);
  if (identity.token === undefined) return own;
  if (state.access.tokens.get(idOf(identity))?.separated !== true) return own;
  const granted = withPool(state, idOf(identity), path);
  return new Map([...granted].filter(([privilege]) => own.has(privilege)));
}

/** Answers many questions about few paths: lists of thousands of guests ask one each. */
export class Rights {
  readonly #known = new Map<string, Map<string, boolean>>();
  #special: Set<string> | undefined;
  constructor(readonly state: State, readonly identity: Identity) {}

  /** Most guests have no entry of their own and are in no pool: they all have the same privileges. */
  #stem(path: string): string {
    if (!path.startsWith("/vms/")) return path;
    this.#special ??= new Set([
      ...this.state.access.acl.map((entry) => entry.path),
      ...[...this.state.pools.values()].flatMap((pool) => [...pool.guests].map((vmid) => `/vms/${vmid}`)),
    ]);
    return this.#special.has(path) ? path : "/vms/0";
  }

  at(path: string): Map<string, boolean> {
    const stem = this.#stem(path);
    const known = this.#known.get(stem) ?? privileges(this.state, this.identity, stem);
    this.#known.set(stem, known);
    return known;
  }

  /** Whether all (or any) of the privileges are there. */
  can(path: string, needed: readonly string[], any = false): boolean {
    const clean = normalize(path);
    if (clean === undefined) return false;
    const found = this.at(clean);
    return any ? needed.some((one) => found.has(one)) : needed.every((one) => found.has(one));
  }

  /** @throws {Failure} 403 in PVE's words */
  check(path: string, needed: readonly string[], any = false): void {
    const clean = normalize(path);
    const found = clean === undefined ? new Map<string, boolean>() : this.at(clean);
    const missing = needed.filter((one) => !found.has(one));
    if (any ? missing.length === needed.length : missing.length > 0) {
      forbidden(`${clean ?? ""}, ${any ? needed.join("|") : missing[0]}`);
    }
  }
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** Evaluates PVE's expression. `quiet` branches of an "or" fail without words. */
function holds(rights: Rights, check: unknown, params: ReadonlyMap<string, Raw>, quiet: boolean): boolean {
  if (!Array.isArray(check)) return false;
  const [test, ...rest]: readonly unknown[] = check;
  if (test === "and") return rest.every((part) => holds(rights, part, params, quiet));
  if (test === "or") return rest.some((part) => holds(rights, part, params, true)) || (quiet ? false : forbidden());
  if (test !== "perm") return true;
  const [template, needed, ...options] = rest;
  const option = (name: string) => {
    const at = options.indexOf(name);
    return at < 0 ? undefined : options[at + 1];
  };
  const required = option("require_param");
  if (typeof required === "string" && !params.has(required)) return false;
  const path = String(template).replaceAll(/\{(\w+)\}/g, (_match, name: string) => String(params.get(name) ?? ""));
  if (quiet) return rights.can(path, strings(needed), option("any") === 1);
  rights.check(path, strings(needed), option("any") === 1);
  return true;
}

/** Comes before the schema's checks and before existence (captured 444, 445). @throws {Failure} 403 */
export function permit(rights: Rights, permissions: Schema["permissions"], params: ReadonlyMap<string, Raw>): void {
  if (isRoot(rights.identity)) return;
  if (permissions === undefined) forbidden("user != root@pam");
  if ("check" in permissions && !holds(rights, permissions.check, params, false)) forbidden();
}

/** What /access/permissions tells about an identity. */
export function effective(state: State, identity: Identity, path?: string): Record<string, Record<string, number>> {
  const paths = new Set(
    path === undefined ? ["/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"] : [path],
  );
  if (path === undefined) {
    for (const entry of state.access.acl) paths.add(entry.path);
    for (const pool of state.pools.values()) for (const vmid of pool.guests) paths.add(`/vms/${vmid}`);
  }
  const found: Record<string, Record<string, number>> = {};
  for (const one of paths) {
    const rights = privileges(state, identity, one);
    if (rights.size > 0) {
      found[one] = Object.fromEntries([...rights].map(([name, propagate]) => [name, propagate ? 1 : 0]));
    }
  }
  return found;
}
