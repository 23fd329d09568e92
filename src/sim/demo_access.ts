/** Who may talk to the demo cluster; every secret is a placeholder. */
import type { State } from "./state.ts";

interface DemoToken {
  /** "user@realm!name" */
  readonly id: string;
  /** An obvious placeholder: it opens nothing but a simulator. */
  readonly secret: string;
}

/** May do everything an operator does; what the demo uses. */
export const demoToken: DemoToken = { id: "agent@pve!mcp", secret: "00000000-0000-4000-8000-000000000001" };
/** May look at everything, and change nothing. */
export const auditorToken: DemoToken = { id: "agent@pve!auditor", secret: "00000000-0000-4000-8000-000000000002" };
/** Privilege-separated without an access list of its own: may nothing at all. */
export const bareToken: DemoToken = { id: "agent@pve!bare", secret: "00000000-0000-4000-8000-000000000003" };
/** Root's token, which is not root itself. */
export const rootToken: DemoToken = { id: "root@pam!tests", secret: "00000000-0000-4000-8000-000000000004" };
/** A session of root@pam itself, for what no token may (cookie PVEAuthCookie, header CSRFPreventionToken). */
export const rootTicket = { cookie: "PVE:root@pam:SIMULATED", csrf: "SIMULATED" } as const;

/** The tokens, their user, and what each may do. */
export function seedAccess(state: State): void {
  const { access } = state;
  access.users.add("agent@pve");
  const tokens = [[demoToken, false], [auditorToken, true], [bareToken, true], [rootToken, false]] as const;
  for (const [{ id, secret }, separated] of tokens) {
    const [user = "", name = ""] = id.split("!");
    access.tokens.set(id, { user, name, secret, separated, expires: 0 });
  }
  access.acl.push({ path: "/", who: "agent@pve", role: "PVEAdmin", propagate: true });
  // In none of PVE's own roles but Administrator.
  access.roles.set("AgentNetwork", new Set(["Sys.AccessNetwork"]));
  access.acl.push({ path: "/", who: "agent@pve", role: "AgentNetwork", propagate: true });
  access.acl.push({ path: "/", who: auditorToken.id, role: "PVEAuditor", propagate: true });
  access.tickets.set(rootTicket.cookie, { user: "root@pam", csrf: rootTicket.csrf });
}
