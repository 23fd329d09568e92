/** The guide from nothing to settings that work: host, trust, token, check; it writes nothing. */
import { subjectOf } from "../access/pveum.ts";
import { parseTokenName, parseTokenValue, parseUser } from "../config/identity.ts";
import type { Target } from "../config/settings.ts";
import type { Check } from "../doctor/check.ts";
import { examine } from "../doctor/examine.ts";
import { summary } from "../doctor/summary.ts";
import { createClient } from "../pve/client.ts";
import { connect } from "../pve/connection.ts";
import { undiciTransport } from "../pve/transport.ts";
import type { Tool } from "../tool.ts";
import { askHost, type Found } from "./host.ts";
import { complaint, type Prompts } from "./prompts.ts";
import type { Values } from "./settings_file.ts";
import { askPlace, askSeparation, askTools, askVersion, showCommands } from "./wish.ts";

const checkSecret = complaint(parseTokenValue);

/** Looks at the host with the token, as doctor does. */
export async function check(target: Target, tools: readonly Tool[], pool: string | undefined): Promise<Check[]> {
  const transport = undiciTransport(target, () => {});
  try {
    const pve = createClient(connect(transport));
    const options = { target, tools, pve, settings: { pool }, os: Deno.build.os, now: Date.now, onCheck: () => {} };
    return await examine(options);
  } finally {
    await transport.close();
  }
}

/** What is wrong, with its remedies, as text. */
export function problems(checks: readonly Check[]): string {
  const bad = summary(checks).filter(({ status }) => status === "failed" || status === "warning");
  const lines = new Map<string, string[]>();
  // Tools that lack the same say so in one place.
  for (const { says, remedy } of bad) {
    const key = remedy.join("\n");
    lines.set(key, [...lines.get(key) ?? [], says]);
  }
  return [...lines].map(([remedy, says]) => [...says, ...remedy === "" ? [] : [remedy]].join("\n")).join("\n\n");
}

function targetOf({ host, port, trust }: Found, tokenId: string, tokenValue: string): Target {
  return { host, port, trust, tokenId, tokenValue, timeoutSeconds: 30, maxConnections: 8 };
}

async function askTokenId(prompts: Prompts): Promise<string> {
  const user = await prompts.text(
    "The user that the token belongs to, with its realm",
    "agent@pve",
    complaint(parseUser),
  );
  const known = parseUser(user);
  const name = known.token ??
    await prompts.text("The token's name", "mcp", complaint((text) => parseTokenName("It", text)));
  return `${known.user}!${name}`;
}

/** The settings that work, or that the person wants as they are. */
export async function guide(prompts: Prompts, all: readonly Tool[]): Promise<Values> {
  let found = await askHost(prompts);
  const chosen = await askTools(prompts, all);
  const has = await prompts.choose("Is there an API token for it?", [
    { value: "no", label: "Not yet: show the commands that make one" },
    { value: "yes", label: "Yes, with its privileges" },
  ]);
  let tokenId: string;
  let pool: string | undefined;
  if (has === "yes") tokenId = await askTokenId(prompts);
  else {
    const place = await askPlace(prompts);
    ({ pool } = place);
    const wish = { tools: chosen.tools, ...place };
    const pve = await askVersion(prompts, wish);
    tokenId = await askTokenId(prompts);
    showCommands(prompts, { ...wish, pve }, subjectOf(tokenId), await askSeparation(prompts));
  }
  let secret = await prompts.secret("The token's secret", checkSecret);
  for (;;) {
    prompts.begin("Looking at everything, as doctor does …");
    const checks = await check(targetOf(found, tokenId, secret), chosen.tools, pool);
    const values: Values = {
      ...found.values,
      PROXMOX_USER: tokenId,
      PROXMOX_TOKEN_VALUE: secret,
      ...chosen.values,
      ...(pool === undefined ? {} : { PROXMOX_POOL: pool }),
    };
    const bad = problems(checks);
    if (bad === "") {
      prompts.tell("Everything works.");
      return values;
    }
    prompts.fault("Not everything works yet.");
    prompts.copy("What was found:", [bad]);
    // What it says to set is named by the settings' names.
    const next = await prompts.choose("What now?", [
      { value: "again", label: "Check again", hint: "when you have done what it says" },
      { value: "token", label: "Enter the token again", hint: "PROXMOX_USER, PROXMOX_TOKEN_NAME, PROXMOX_TOKEN_VALUE" },
      {
        value: "host",
        label: "Look at the host and its certificate again",
        hint: "PROXMOX_HOST, PROXMOX_PORT, PROXMOX_CA_FILE, PROXMOX_FINGERPRINT",
      },
      { value: "keep", label: "Go on as it is" },
    ]);
    if (next === "keep") return values;
    if (next === "host") found = await askHost(prompts, found.values.PROXMOX_HOST);
    if (next === "token") {
      tokenId = await askTokenId(prompts);
      secret = await prompts.secret("The token's secret", checkSecret);
    }
  }
}
