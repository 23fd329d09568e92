/** Tools for what cloud-init sets inside a VM: changing it, and showing what PVE hands to the guest. */
import { z } from "zod";
import { PveError, UsageError } from "../errors.ts";
import type { Params, PveClient } from "../pve/client.ts";
import { findGuest } from "../pve/guests.ts";
import { defineTool } from "../tool.ts";
import { answerOf, changed, compare } from "./guest_config.ts";
import * as options from "./options.ts";
import * as params from "./params.ts";
import { toSetCloudInit } from "./privileges.ts";
import { changeInTurn, taskCalls } from "./waiting.ts";

const DUMP = "GET /nodes/{node}/qemu/{vmid}/cloudinit/dump";

/** The settings that cloud-init carries out. */
export const cloudInitOptions = {
  ciuser: options.vmOptions.ciuser.unwrap().describe("User to log in as; left out: the image's own, as in debian")
    .optional(),
  sshkeys: options.vmOptions.sshkeys.unwrap().describe("Public SSH keys, one a line").optional(),
  cipassword: options.vmOptions.cipassword.unwrap().describe("The user's password; sshkeys are better").optional(),
  nameserver: options.vmOptions.nameserver.unwrap().describe("DNS servers, blank-separated").optional(),
  searchdomain: options.vmOptions.searchdomain.unwrap().describe("DNS search domain").optional(),
  ciupgrade: options.vmOptions.ciupgrade.unwrap().describe("Upgrade packages at the first boot; PVE's default is yes")
    .optional(),
};

/** The id by which cloud-init tells a new machine from one that it has set up; undefined where PVE does not tell. */
async function instanceOf(
  pve: PveClient<typeof DUMP>,
  guest: { readonly node: string; readonly vmid: number },
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const meta = await pve.call(DUMP, { ...guest, type: "meta" }, { signal });
    return /[0-9a-f]{40}/.exec(meta)?.[0];
  } catch (error) {
    if (!(error instanceof PveError) || error.details.kind === "cancelled") throw error;
    return undefined;
  }
}

const FIRST_BOOT =
  "At its next start the VM gets another instance-id: the guest takes itself for new and runs its first-boot modules once more. Users, keys and network are set up again; its SSH host keys are usually made anew, so that clients warn";

export const setCloudInit = defineTool({
  name: "set_cloudinit",
  title: "Change what cloud-init sets",
  description:
    "Changes the user, SSH keys, password, addresses, DNS or upgrading that cloud-init sets up in a VM at its next start, and says when the guest then runs its first-boot modules again. Whole cloud-config files (snippets, cicustom) cannot be written through PVE's API: a person puts them on the node.",
  tier: "provision",
  toolset: "cloudinit",
  idempotent: true,
  input: z.strictObject({
    ...params.guestToChange,
    ...cloudInitOptions,
    sshkeys: cloudInitOptions.sshkeys.unwrap().describe("Public SSH keys, one a line: all of them").optional(),
    ipconfig0: options.vmOptions.ipconfig0,
    ipconfig1: options.vmOptions.ipconfig1,
    ipconfig2: options.vmOptions.ipconfig2,
    ipconfig3: options.vmOptions.ipconfig3,
  }),
  output: changed.extend({
    first_boot_again: z.boolean().describe("Whether the guest will run its first-boot modules once more").optional(),
  }),
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/qemu/{vmid}/config",
    "GET /nodes/{node}/qemu/{vmid}/pending",
    DUMP,
    "PUT /nodes/{node}/qemu/{vmid}/config",
    ...taskCalls,
  ],
  privileges: toSetCloudInit,
  async run(input, context) {
    const { pve, signal } = context;
    const { vmid: _vmid, node: _node, ...settings } = input;
    const keys = Object.entries(settings).flatMap(([key, value]) => value === undefined ? [] : [key]);
    if (keys.length === 0) {
      throw new UsageError("Nothing to change was given", "Give at least one setting, as in ciuser");
    }
    const { vmid, node, name, status } = await findGuest(pve, input, "vm", "set_container_config", { signal });
    return await changeInTurn(context, vmid, async () => {
      const before = await pve.call("GET /nodes/{node}/qemu/{vmid}/config", { node, vmid }, { signal });
      if (options.cloudInitSlot(before, vmid) === undefined) {
        throw new UsageError(
          `VM ${vmid} has no cloud-init drive, by which these settings reach a guest`,
          'Add one first: set_vm_config with config={"cloudinit": "STORAGE"}',
        );
      }
      const old = await instanceOf(pve, { node, vmid }, signal);
      const request: Params<"PUT /nodes/{node}/qemu/{vmid}/config"> = {
        ...settings,
        node,
        vmid,
        digest: before.digest,
      };
      await pve.call("PUT /nodes/{node}/qemu/{vmid}/config", request, { signal });
      const after = await pve.call("GET /nodes/{node}/qemu/{vmid}/pending", { node, vmid }, { signal });
      const fresh = await instanceOf(pve, { node, vmid }, signal);
      const { notes = [], ...answer } = answerOf(compare(keys, before, after), "vm");
      const told = old !== undefined && fresh !== undefined;
      const changes = answer.state === "ok";
      const all = [
        ...notes,
        ...(changes && told && old !== fresh ? [FIRST_BOOT] : []),
        ...(changes && !told ? [`PVE did not tell the instance-id before and after. Very likely: ${FIRST_BOOT}`] : []),
        ...(changes && status !== "stopped"
          ? [
            "It runs: in effect after reboot_vm, for which PVE writes the drive anew; a restart from inside is not enough",
          ]
          : []),
        ...customNotes(before.cicustom),
      ];
      return {
        vmid,
        name,
        node,
        ...answer,
        ...(changes && told ? { first_boot_again: old !== fresh } : {}),
        ...(all.length > 0 ? { notes: all } : {}),
      };
    });
  },
});

/** Snippets that stand in for what is set. */
function customNotes(cicustom: string | undefined): string[] {
  if (cicustom === undefined) return [];
  const parts = cicustom.split(",").map((part) => part.split("=")[0]).join(", ");
  return [
    `cicustom takes ${parts} from snippets of the node: for those, these settings do not count, and PVE's API neither shows nor writes them`,
  ];
}

/** Lines that hold a password, and hashes wherever they stand. */
const SECRET_LINE =
  /^([^\S\n]*(?:-[^\S\n]+)?["']?[\w-]*(?:passw(?:or)?d|admin_pass|secret)["']?[^\S\n]*:)[^\S\n]*\S.*$/gim;
/** The same in JSON, which is what PVE hands to Windows, in one line and with the password as it is. */
const SECRET_MEMBER = /("[\w-]*(?:passw(?:or)?d|admin_pass|secret)"\s*:\s*)"(?:[^"\\]|\\.)*"/gi;
const HASH = /\$(?:[1567]|2[abxy]|g?y|sha1)\$[^\s"']+/g;

/** cloud-config without passwords and their hashes. */
export function withoutPasswords(text: string): string {
  return text.replace(SECRET_LINE, "$1 (set, not shown)").replace(SECRET_MEMBER, '$1"(set, not shown)"').replace(
    HASH,
    "(not shown)",
  );
}

const PARTS = ["user", "network", "meta"] as const;

export const cloudInitDump = defineTool({
  name: "cloudinit_dump",
  title: "What cloud-init is given",
  description:
    "Shows the cloud-config, network and meta data that PVE generates for a VM's cloud-init drive; passwords are left out.",
  tier: "read",
  toolset: "cloudinit",
  input: z.strictObject({
    ...params.guestToRead,
    part: z.enum(PARTS).optional().describe("Left out: all three"),
  }),
  output: z.object({
    vmid: z.number(),
    node: z.string(),
    user: z.string().optional(),
    network: z.string().optional(),
    meta: z.string().optional(),
    notes: params.notes,
  }),
  calls: ["GET /cluster/resources", "GET /nodes/{node}/qemu/{vmid}/config", DUMP],
  privileges: [{ path: "/vms/{vmid}", any: ["VM.Audit"] }],
  async run(input, { pve, signal }) {
    const { vmid, node } = await findGuest(pve, input, "vm", "container_config", { signal });
    const config = await pve.call("GET /nodes/{node}/qemu/{vmid}/config", { node, vmid }, { signal });
    const parts = input.part === undefined ? PARTS : [input.part];
    const texts = await Promise.all(
      parts.map(async (type) =>
        [type, withoutPasswords(await pve.call(DUMP, { node, vmid, type }, { signal }))] as const
      ),
    );
    const notes = [
      ...(options.cloudInitSlot(config, vmid) === undefined
        ? ["It has no cloud-init drive: nothing of this reaches the guest until set_vm_config adds one (cloudinit)"]
        : []),
      ...customNotes(config.cicustom),
    ];
    return { vmid, node, ...Object.fromEntries(texts), ...(notes.length > 0 ? { notes } : {}) };
  },
});
