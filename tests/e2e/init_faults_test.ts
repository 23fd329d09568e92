/**
 * init in a real terminal with each of ten things wrong: it says what helps, and who follows that to the letter comes to
 * settings that work.
 */
import assert from "node:assert/strict";
import { bareToken } from "../../src/sim/demo_access.ts";
import { serveHttps } from "../../src/sim/https.ts";
import { createAuthority, selfSigned } from "../helpers/certificates.ts";
import { hasDropper, startDropper } from "../helpers/dropper.ts";
import {
  chooseTools,
  commandsOn,
  demoToken,
  initTest as test,
  pin,
  settleHost,
  UNKNOWN_HOST,
  useToken,
  worksToTheEnd,
} from "../helpers/init.ts";
import { DOWN, ENTER } from "../helpers/pty.ts";
import { NEW_SECRET, runPveum } from "../helpers/pveum.ts";
import { closedPort, tcpServer } from "../helpers/raw_servers.ts";

/** The choices after a check that found something. */
const CHECK_AGAIN = "";
const TOKEN_AGAIN = DOWN;
const HOST_AGAIN = `${DOWN}${DOWN}`;

test("1. a mistyped host: its address is named instead", async (world) => {
  await using terminal = world.start();
  await terminal.answer("Where is Proxmox VE?", "http://pve.lan");
  await terminal.shows(/reached by https only/);
  await terminal.press(`\x15${UNKNOWN_HOST}${ENTER}`);
  await terminal.shows(`the name "${UNKNOWN_HOST}" cannot be resolved`);
  await terminal.shows("Check the host, or use the host's IP address");
  await settleHost(terminal, world);
  await useToken(terminal, demoToken);
  await worksToTheEnd(terminal, world);
});

test("2. a wrong port: the right one is named", async (world) => {
  await using terminal = world.start();
  await terminal.answer("Where is Proxmox VE?", `127.0.0.1:${await closedPort()}`);
  await terminal.shows("refused, nothing listens there");
  await terminal.shows("Check the host and the port (as in pve.lan:8006), and that pveproxy runs on the host");
  await terminal.answer("Where is Proxmox VE?", `127.0.0.1:${world.server.port}`);
  await pin(terminal, world.server);
  await useToken(terminal, demoToken);
  await worksToTheEnd(terminal, world);
});

test("3. a wrong token name: one of those that are listed is entered", async (world) => {
  await using terminal = world.start();
  await settleHost(terminal, world);
  await chooseTools(terminal);
  await terminal.answer("Is there an API token", DOWN);
  await terminal.answer("The user that", "agent@pve");
  await terminal.answer("The token's name", "nope");
  await terminal.answer("The token's secret", demoToken.secret);
  await terminal.shows("PVE does not accept the token agent@pve!nope");
  await terminal.shows("pveum user token list agent@pve");
  await terminal.shows("if nope is not in the list, set PROXMOX_TOKEN_NAME to one that is");
  const listed = [...world.simulator.state.access.tokens.values()];
  const mine = listed.find(({ user, secret }) => user === "agent@pve" && secret === demoToken.secret);
  await terminal.shows(/What now\?[^]*Enter the token again/);
  await terminal.press(`${TOKEN_AGAIN}${ENTER}`);
  await terminal.answer("The user that", "agent@pve");
  await terminal.answer("The token's name", mine?.name);
  await terminal.answer("The token's secret", demoToken.secret);
  await worksToTheEnd(terminal, world);
});

test("4. a wrong secret: another token is made and granted what it needs", async (world) => {
  await using terminal = world.start();
  await settleHost(terminal, world);
  await useToken(terminal, { id: demoToken.id, secret: "00000000-0000-4000-8000-0000000000ff" });
  await terminal.shows("the secret (PROXMOX_TOKEN_VALUE) is wrong");
  await terminal.answer("What now?", TOKEN_AGAIN);
  const line = /pveum user token add agent@pve NAME/.exec(terminal.screen())?.[0] ?? "";
  runPveum(world.simulator.state, [line.replace("NAME", "second")]);
  await terminal.answer("The user that", "agent@pve!second");
  await terminal.answer("The token's secret", NEW_SECRET);
  // Tokens are made with privilege separation: it leads on from there.
  await terminal.shows("it has no privilege at all");
  await terminal.shows("What now?");
  runPveum(world.simulator.state, commandsOn(terminal));
  await terminal.press(`${CHECK_AGAIN}${ENTER}`);
  await worksToTheEnd(terminal, world);
});

test("5. privilege separation without an ACL: the lines that are shown grant what it needs", async (world) => {
  await using terminal = world.start();
  await settleHost(terminal, world);
  await useToken(terminal, bareToken);
  await terminal.shows("it has no privilege at all: a token with privilege separation");
  await terminal.shows("What now?");
  runPveum(world.simulator.state, commandsOn(terminal));
  await terminal.press(`${CHECK_AGAIN}${ENTER}`);
  await worksToTheEnd(terminal, world);
});

test("6. a role without SDN.Use: the one line that is shown grants it", async (world) => {
  const { roles } = world.simulator.state.access;
  roles.set("PVEAdmin", new Set([...roles.get("PVEAdmin") ?? []].filter((privilege) => privilege !== "SDN.Use")));
  await using terminal = world.start();
  await settleHost(terminal, world);
  await useToken(terminal, demoToken);
  await terminal.shows(/create_vm, .*in part: they lack SDN\.Use on \/sdn\/zones\/localnetwork\/vmbr0/);
  await terminal.shows("What now?");
  assert.equal(commandsOn(terminal).length, 1);
  runPveum(world.simulator.state, commandsOn(terminal));
  await terminal.press(`${CHECK_AGAIN}${ENTER}`);
  await worksToTheEnd(terminal, world);
});

test("7. an expired certificate: it is renewed, and checked by the CA", async (world) => {
  const authority = await createAuthority();
  await Deno.writeTextFile(`${world.folder}/pve-root-ca.pem`, authority.pem);
  const day = 86_400_000;
  const past = { notAfter: new Date(Date.now() - day), notBefore: new Date(Date.now() - 9 * day) };
  const expired = { ...await authority.issue(past), ca: authority.pem };
  const first = await serveHttps(world.simulator, { certificates: expired });
  await using terminal = world.start();
  await terminal.answer("Where is Proxmox VE?", `127.0.0.1:${first.port}`);
  await terminal.shows("expired on");
  await terminal.shows("Renew it on the host (pvecm updatecerts --force");
  await terminal.shows("How shall its certificate be checked?");
  await first.close();
  const renewed = { ...await authority.issue({ notAfter: new Date(Date.now() + 700 * day) }), ca: authority.pem };
  const second = await serveHttps(world.simulator, { port: first.port, certificates: renewed });
  try {
    await terminal.press(`${HOST_AGAIN}${ENTER}`);
    // Enter alone: the same host.
    await terminal.answer("Where is Proxmox VE?");
    await terminal.answer("How shall its certificate be checked?");
    await terminal.answer("Where is the copy?");
    await terminal.shows("The CA vouches for it.");
    await useToken(terminal, demoToken);
    await worksToTheEnd(terminal, world);
  } finally {
    await second.close();
  }
});

test("8. a changed certificate: the new fingerprint is compared with the host's, and taken", async (world) => {
  const first = await serveHttps(world.simulator, {});
  await using terminal = world.start();
  await terminal.answer("Where is Proxmox VE?", `127.0.0.1:${first.port}`);
  await pin(terminal, first);
  await chooseTools(terminal);
  await terminal.answer("Is there an API token", DOWN);
  await terminal.answer("The user that", demoToken.id);
  await terminal.shows("The token's secret");
  await first.close();
  const changed = await selfSigned();
  const second = await serveHttps(world.simulator, {
    port: first.port,
    certificates: { ...changed, ca: changed.cert },
  });
  try {
    await terminal.press(`${demoToken.secret}${ENTER}`);
    await terminal.shows(`its certificate has the fingerprint ${changed.fingerprint}`);
    await terminal.shows(/Compare with the host itself \(pvenode cert info\).*set PROXMOX_FINGERPRINT to the new one/);
    await terminal.shows(/What now\?[^]*Look at the host and its certificate again/);
    await terminal.press(`${HOST_AGAIN}${ENTER}`);
    await terminal.answer("Where is Proxmox VE?");
    await pin(terminal, changed);
    await worksToTheEnd(terminal, world);
    assert.ok((await Deno.readTextFile(world.file)).includes(changed.fingerprint));
  } finally {
    await second.close();
  }
});

let skew = 3_600_000;
test("9. a clock an hour off: it is set right", async (world) => {
  await using terminal = world.start();
  await settleHost(terminal, world);
  await useToken(terminal, demoToken);
  await terminal.shows("This machine's clock is 60 minutes behind PVE's");
  await terminal.shows("timedatectl set-ntp true");
  await terminal.shows("What now?");
  skew = 0;
  await terminal.press(`${CHECK_AGAIN}${ENTER}`);
  await worksToTheEnd(terminal, world);
}, { simulator: { clock: { now: () => Date.now() + skew } } });

test("10. a host that drops packets: the firewall is opened", async (world) => {
  await using terminal = world.start();
  let port: number;
  {
    await using dropper = await startDropper();
    ({ port } = dropper);
    await terminal.answer("Where is Proxmox VE?", `127.0.0.1:${port}`);
    await terminal.shows("no answer within 10 s");
    await terminal.shows("no firewall drops the connection");
  }
  const open = await serveHttps(world.simulator, { port });
  try {
    await terminal.answer("Where is Proxmox VE?");
    await pin(terminal, open);
    await useToken(terminal, demoToken);
    await worksToTheEnd(terminal, world);
  } finally {
    await open.close();
  }
}, await hasDropper() ? {} : { skip: "it takes Linux" });

test("a host that takes connections and says nothing: it is named as such", async (world) => {
  await using silent = await tcpServer(() => {});
  await using terminal = world.start();
  await terminal.answer("Where is Proxmox VE?", `127.0.0.1:${silent.port}`);
  await terminal.shows("no answer within 10 s");
  await terminal.shows("no firewall drops the connection");
  await settleHost(terminal, world);
  await terminal.shows("What may the agent do?");
});
