/** Reads the user, the token's name and the token's secret; no error ever shows a value that may hold the secret. */
import { UsageError } from "../errors.ts";

/** As in "agent@pve": PVE's own rule, narrowed to what an HTTP header can carry. */
const userId = /^[!-.0-9;-~]+@[A-Za-z][A-Za-z0-9._-]+$/;
const tokenName = /^[A-Za-z][A-Za-z0-9._-]+$/;
/** The secret is a UUID; people paste it into the wrong variable. */
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i;

/** Who the token belongs to, and the token's name where it stands in the same value. */
export interface Identity {
  /** As in "agent@pve". */
  readonly user: string;
  /** As in "mcp". */
  readonly token: string | undefined;
}

/**
 * Reads PROXMOX_USER: `user@realm` or `user@realm!token`.
 * @throws UsageError for anything else.
 */
export function parseUser(value: string): Identity {
  if (value.includes("=")) {
    throw new UsageError(
      "PROXMOX_USER holds a =, as if it had the token's secret in it.",
      "Put only the part in front of the = there, as in agent@pve!mcp, and the secret into PROXMOX_TOKEN_VALUE.",
    );
  }
  const at = value.lastIndexOf("@");
  const mark = at < 0 ? -1 : value.indexOf("!", at);
  const user = mark < 0 ? value : value.slice(0, mark);
  if (at < 0) {
    throw new UsageError(
      `PROXMOX_USER is ${shown(value)}, which names no realm.`,
      "Write the user with its realm, as in agent@pve (or root@pam).",
    );
  }
  if (!userId.test(user)) {
    throw new UsageError(`PROXMOX_USER is ${shown(value)}, which is not a user of PVE.`, "Write it as in agent@pve.");
  }
  return { user, token: mark < 0 ? undefined : parseTokenName("PROXMOX_USER", value.slice(mark + 1)) };
}

/**
 * Reads the name of a token, as in `mcp`; `variable` is named in the error.
 * @throws UsageError for anything else.
 */
export function parseTokenName(variable: string, value: string): string {
  if (tokenName.test(value) && !uuid.test(value)) return value;
  throw new UsageError(
    `${variable} gives the token the name ${shown(value)}, which is not the name of a token.`,
    "Write only the part between ! and =, as in mcp; its secret belongs into PROXMOX_TOKEN_VALUE.",
  );
}

/**
 * Joins user and token name to the id of the token, as in "agent@pve!mcp"; undefined while a part is missing.
 * @throws UsageError if PROXMOX_USER carries one token name and PROXMOX_TOKEN_NAME is another.
 */
export function tokenId(identity: Identity | undefined, name: string | undefined): string | undefined {
  if (identity?.token !== undefined && name !== undefined && identity.token !== name) {
    throw new UsageError(
      `PROXMOX_USER names the token ${identity.token}, and PROXMOX_TOKEN_NAME the token ${name}.`,
      "Remove one of the two.",
    );
  }
  const token = identity?.token ?? name;
  return identity === undefined || token === undefined ? undefined : `${identity.user}!${token}`;
}

/**
 * Reads the secret of the token.
 * @throws UsageError if it is a whole token id or header, or holds what a header cannot carry; never shows the value.
 */
export function parseTokenValue(value: string): string {
  const remedy = "Put the secret alone there: the part behind the =, as PVE showed it when the token was made.";
  if (value.includes("!") || value.includes("=")) {
    throw new UsageError("PROXMOX_TOKEN_VALUE holds more than the secret: it has a ! or a = in it.", remedy);
  }
  if (!/^[!-~]+$/.test(value)) {
    throw new UsageError("PROXMOX_TOKEN_VALUE holds a space or a character that is not ASCII.", remedy);
  }
  return value;
}

/** The value for an error message, unless a secret stands in it. */
function shown(value: string): string {
  return uuid.test(value) || value.includes("=") ? "a value not shown here" : JSON.stringify(value);
}
