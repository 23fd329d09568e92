/** Runs the pveum commands that the program prints on a simulated cluster, word by word, as a person would on the host. */
import type { State } from "../../src/sim/mod.ts";

/** The secret of every token that is made here. */
export const NEW_SECRET = "00000000-0000-4000-8000-00000000abcd";

/** Splits a command like a shell, as far as quotes go. */
function words(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => word.replaceAll(/['"]/g, ""));
}

function options(rest: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < rest.length; at += 2) {
    const [name = "", value] = [rest[at], rest[at + 1]];
    if (!name.startsWith("--") || value === undefined) throw new Error(`pveum: cannot read ${rest.join(" ")}`);
    found.set(name.slice(2), value);
  }
  return found;
}

function run(state: State, line: string, major: 8 | 9): void {
  const { access } = state;
  const [program, ...command] = words(line);
  if (program !== "pveum") throw new Error(`not a pveum command: ${line}`);
  const known = [...access.roles.get("Administrator") ?? [], ...(major === 8 ? ["VM.Monitor"] : [])]
    .filter((privilege) => major === 9 || !/^VM\.(?:GuestAgent\.|Replicate)/.test(privilege));
  const [what, verb] = command;
  if (what === "role" && verb === "add") {
    const [name = "", ...rest] = command.slice(2);
    if (name.startsWith("PVE")) throw new Error(`role ID prefix 'PVE' is reserved: ${name}`);
    if (access.roles.has(name)) return; // "role 'X' already exists": the next command runs all the same
    const privileges = options(rest).get("privs")?.split(/[,; ]+/) ?? [];
    for (const one of privileges) if (!known.includes(one)) throw new Error(`invalid privilege '${one}'`);
    access.roles.set(name, new Set(privileges));
  } else if (what === "role" && verb === "modify") {
    const [name = "", ...rest] = command.slice(2);
    const [given, role] = [options(rest), access.roles.get(name)];
    if (role === undefined) throw new Error(`role '${name}' does not exist`);
    if (given.get("append") !== "1") throw new Error("without --append 1 it takes what the role has");
    const privileges = (given.get("privs") ?? "").split(/[,; ]+/);
    for (const one of privileges) if (!known.includes(one)) throw new Error(`invalid privilege '${one}'`);
    access.roles.set(name, new Set([...role, ...privileges]));
  } else if (what === "user" && verb === "add") access.users.add(command[2] ?? "");
  else if (what === "user" && verb === "token" && command[2] === "add") {
    const [user = "", name = "", ...rest] = command.slice(3);
    if (!access.users.has(user)) throw new Error(`no such user ('${user}')`);
    const separated = options(rest).get("privsep") !== "0";
    access.tokens.set(`${user}!${name}`, { user, name, secret: NEW_SECRET, separated, expires: 0 });
  } else if (what === "acl" && verb === "modify") {
    const [path = "", ...rest] = command.slice(2);
    const given = options(rest);
    const propagate = given.get("propagate") !== "0";
    const roles = given.get("roles")?.split(",") ?? [];
    for (const role of roles) if (!access.roles.has(role)) throw new Error(`role '${role}' does not exist`);
    for (const who of [given.get("users"), given.get("tokens")].flatMap((list) => list?.split(",") ?? [])) {
      if (!access.users.has(who) && !access.tokens.has(who)) throw new Error(`no such user or token: ${who}`);
      for (const role of roles) access.acl.push({ path, who, role, propagate });
    }
  } else throw new Error(`pveum: unknown command ${line}`);
}

/** Runs commands, each on a line of its own or joined by a semicolon. */
export function runPveum(state: State, commands: readonly string[], major: 8 | 9 = 9): void {
  for (const line of commands.flatMap((text) => text.split(/;\s*|\n/))) {
    if (line.trim() !== "") run(state, line.trim(), major);
  }
}
