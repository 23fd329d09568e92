/** Asks what the agent shall be able to do, and where; the roles follow from that. */
import { planFor, type PveMajor, type Wish } from "../access/roles.ts";
import { setUpCommands, type Subject } from "../access/pveum.ts";
import { parseExecGuests } from "../config/exec.ts";
import type { Tool } from "../tool.ts";
import { complaint, type Prompts } from "./prompts.ts";
import type { Values } from "./settings_file.ts";

/** The tools that were chosen, and the settings that offer just these. */
export interface Chosen {
  readonly tools: readonly Tool[];
  readonly values: Values;
}

function needsBackup({ privileges }: Tool): boolean {
  return privileges.some(({ any }) => any.includes("VM.Backup"));
}

const checkGuests = complaint((text) => text === "all" || parseExecGuests(text));

/** Asks whether commands may run inside guests, and in which; the settings that say so. */
async function askExec(prompts: Prompts): Promise<Values | undefined> {
  const question =
    "May it run commands inside guests? They run as root there: nothing keeps them from deleting what is in the guest";
  if (!await prompts.confirm(question)) return undefined;
  const guests = await prompts.text(
    "In which guests? Their vmids, tag:NAMEs or pool:NAMEs, separated by commas; or all",
    "tag:sandbox",
    checkGuests,
  );
  prompts.tell("VMs are entered through the guest agent. Containers take SSH, too: docs/exec.md says what to set.");
  return { PROXMOX_ENABLE_EXEC: "true", ...(guests === "all" ? {} : { PROXMOX_EXEC_GUESTS: guests }) };
}

/** Asks which tools there shall be. */
export async function askTools(prompts: Prompts, all: readonly Tool[]): Promise<Chosen> {
  const reach = await prompts.choose("What may the agent do? It can never delete anything", [
    { value: "full", label: "Look, switch on and off, create, clone and configure" },
    { value: "read", label: "Only look", hint: "PROXMOX_READ_ONLY=true" },
  ]);
  if (reach === "read") {
    return { tools: all.filter(({ tier }) => tier === "read"), values: { PROXMOX_READ_ONLY: "true" } };
  }
  const plain = all.filter(({ tier }) => tier !== "exec");
  const backups = plain.filter(needsBackup);
  const question =
    "May it make backups? Their privilege, VM.Backup, would also let the token delete some if it were used elsewhere";
  const without = backups.length === 0 || await prompts.confirm(question) ? [] : backups;
  const exec = all.filter(({ tier }) => tier === "exec");
  const entering = exec.length === 0 ? undefined : await askExec(prompts);
  return {
    tools: [...plain.filter((tool) => !without.includes(tool)), ...(entering === undefined ? [] : exec)],
    values: {
      ...(without.length === 0 ? {} : { PROXMOX_EXCLUDE_TOOLS: without.map(({ name }) => name).join(",") }),
      ...entering,
    },
  };
}

function names(text: string): string[] {
  return text.split(/[, ]+/).filter((name) => name !== "" && name !== "all");
}

function badNames(text: string): string | undefined {
  const wrong = names(text).find((name) => !/^[A-Za-z][A-Za-z0-9_.-]*$/.test(name));
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is no name`;
}

/** Where it shall be allowed to: everywhere, or in one pool. */
export async function askPlace(prompts: Prompts): Promise<Pick<Wish, "pool" | "storages" | "bridges">> {
  const where = await prompts.choose("Where may it do so?", [
    { value: "all", label: "On the whole cluster" },
    { value: "pool", label: "In one pool only", hint: "and on the storages and bridges that you name" },
  ]);
  if (where === "all") return { pool: undefined, storages: [], bridges: [] };
  const pool = await prompts.text("The pool", "agents", (text) => badNames(text.replaceAll("/", "-")));
  const storages = names(await prompts.text("The storages, separated by commas", "all", badNames));
  const bridges = names(await prompts.text("The bridges, separated by commas", "vmbr0", badNames));
  prompts.tell(
    `Guests count when they are in ${pool} (pveum pool modify ${pool} --vms VMID,…); templates to clone, too.`,
  );
  return { pool, storages, bridges };
}

/** Asked only where the roles would differ. */
export async function askVersion(prompts: Prompts, wish: Omit<Wish, "pve">): Promise<PveMajor> {
  const same = JSON.stringify(planFor({ ...wish, pve: 8 })) === JSON.stringify(planFor({ ...wish, pve: 9 }));
  if (same) return 9;
  const version = await prompts.choose("Which version of PVE is it?", [
    { value: "9", label: "PVE 9" },
    { value: "8", label: "PVE 8", hint: "the privilege for the guest agent is another one there" },
  ]);
  return version === "8" ? 8 : 9;
}

/** Whether the token shall have rights of its own. */
export async function askSeparation(prompts: Prompts): Promise<boolean> {
  const answer = await prompts.choose("Shall the token have rights of its own?", [
    {
      value: "yes",
      label: "Yes, with privilege separation",
      hint: "it has only what both it and its user were granted",
    },
    {
      value: "no",
      label: "No, those of its user",
      hint: "fewer commands; whatever the user is granted later, it has too",
    },
  ]);
  return answer === "yes";
}

/** Shows the commands for a wish. */
export function showCommands(prompts: Prompts, wish: Wish, subject: Subject, separated: boolean): void {
  const plan = planFor(wish);
  const pool = wish.pool === undefined ? [] : [`pveum pool add ${wish.pool}`];
  prompts.copy(
    "Run these as root on the PVE host (in its web interface: the node, Shell). What exists already may say so, and stay:",
    [...pool, ...setUpCommands(plan, subject, separated)],
  );
  prompts.tell(
    "The command that makes the token shows its secret once." +
      (plan.roles.some(({ name }) => name.endsWith("-Backup"))
        ? " The role for backups stands apart, so that you can leave it out or take it back."
        : ""),
  );
}
