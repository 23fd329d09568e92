/** Words plans and gaps as commands for a person to run on the PVE host: this program never runs them. */
import type { Lack } from "./report.ts";
import { type AclEntry, isKnown, type Plan, type PveMajor, standsApart } from "./roles.ts";

/** Whom the commands are for. */
export interface Subject {
  /** As in "agent@pve". */
  readonly user: string;
  /** As in "mcp". */
  readonly token: string;
}

/** Splits "agent@pve!mcp". */
export function subjectOf(tokenId: string): Subject {
  const mark = tokenId.lastIndexOf("!");
  return { user: tokenId.slice(0, mark), token: tokenId.slice(mark + 1) };
}

/** root@pam may do everything, so that an ACL entry for it would do nothing. */
const ROOT = "root@pam";

/** In single quotes where a shell would read more into it: ! is history. */
function quoted(text: string): string {
  return /^[\w@.,:/+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function acl({ path, role, propagate }: AclEntry, who: string): string {
  return `pveum acl modify ${quoted(path)} ${who} --roles ${role}${propagate ? "" : " --propagate 0"}`;
}

/** Makes a role with one privilege, or with several, also where there is one of that name that has fewer. */
function roleLines(name: string, privileges: readonly string[]): string[] {
  const privs = quoted(privileges.join(","));
  return privileges.length === 1
    ? [`pveum role add ${name} --privs ${privs}`]
    : [`pveum role add ${name}`, `pveum role modify ${name} --append 1 --privs ${privs}`];
}

/** One of several privileges that are each enough, as far as this version of PVE knows them. */
export function privilegeWords(any: readonly string[], pve: PveMajor): string {
  const known = any.filter((one) => isKnown(one, pve));
  return (known.length > 0 ? known : any).join(" or ");
}

/**
 * The commands that make the roles, the user, the ACL entries and the token, in an order that works when each is run
 * once. With privilege separation the token needs the entries, too: it has what both it and its user have.
 */
export function setUpCommands(plan: Plan, { user, token }: Subject, separated: boolean): string[] {
  const id = quoted(`${user}!${token}`);
  const root = user === ROOT;
  return [
    ...plan.roles.flatMap(({ name, privileges }) => roleLines(name, privileges)),
    ...(root ? [] : [`pveum user add ${quoted(user)}`]),
    ...(root ? [] : plan.acl.map((entry) => acl(entry, `--users ${quoted(user)}`))),
    `pveum user token add ${quoted(user)} ${token} --privsep ${separated ? 1 : 0}`,
    ...(separated ? plan.acl.map((entry) => acl(entry, `--tokens ${id}`)) : []),
  ];
}

/** Of privileges that are each enough, the first that this version of PVE knows. */
function knownOf({ any }: Pick<Lack, "any">, pve: PveMajor): string {
  return any.find((one) => isKnown(one, pve)) ?? any[0] ?? "";
}

/**
 * The one line that grants what is missing: a role with this privilege alone, for the token and its user alike (without
 * privilege separation the token's entry does nothing).
 */
export function grantLine(lack: Omit<Lack, "when">, subject: Subject | undefined, pve: PveMajor): string {
  const privilege = knownOf(lack, pve);
  const role = `MCP-${privilege}`;
  const { user, token } = subject ?? { user: "USER@REALM", token: "TOKEN" };
  const users = user === ROOT ? "" : `--users ${quoted(user)} `;
  // What is needed on / itself must not reach everything below.
  const propagate = lack.path !== "/";
  const who = `${users}--tokens ${quoted(`${user}!${token}`)}`;
  return [
    `pveum role add ${role} --privs ${privilege}`,
    ...lack.grantOn.map((path) => acl({ path, role, propagate }, who)),
  ].join("; ");
}

/**
 * The commands that grant several privileges at once, with one role for each set of places.
 * @param name what the roles are called after "MCP-", as in "create_vm"
 */
export function grantLines(
  name: string,
  lacks: readonly Omit<Lack, "when">[],
  subject: Subject | undefined,
  pve: PveMajor,
): string {
  // What is needed on / itself does not reach below it: it has an entry of its own.
  const places = Map.groupBy(
    lacks,
    (lack) => `${lack.grantOn.join(" ")} ${lack.path === "/"} ${standsApart(knownOf(lack, pve))}`,
  );
  const lines = [...places.values()].map((some, index) => {
    const [first] = some;
    if (first === undefined) return "";
    const alone = grantLine(first, subject, pve);
    if (some.length === 1) return alone;
    const one = knownOf(first, pve);
    const all = [...new Set(some.map((lack) => knownOf(lack, pve)))];
    if (all.length === 1) return alone;
    const role = `MCP-${name}${index === 0 ? "" : `-${index + 1}`}`;
    const [, ...entries] = alone.replaceAll(`MCP-${one}`, role).split("; ");
    return [...roleLines(role, all), ...entries].join("; ");
  });
  return lines.join("; ");
}
