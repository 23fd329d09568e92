/** Whether a call may be made under the present settings: pure, and asked before every call and before every write. */
import type { Confirm, ExecGuests, Protected } from "../config/settings.ts";
import type { Tool } from "../tool.ts";
import type { Call } from "./catalogue.ts";
import { hostIn, registryIn } from "./values.ts";

/** The settings that say what may be done. */
export interface PolicySettings {
  readonly readOnly: boolean;
  readonly protected?: Protected;
  readonly confirm?: Confirm;
  /** The pool every new guest is put in. */
  readonly pool?: string | undefined;
  /** Whether privileged containers may be created. */
  readonly allowPrivileged?: boolean;
  /** The hosts that files may be fetched from, as in "cloud.debian.org" or "nas.lan:8443". */
  readonly downloadHosts?: readonly string[];
  /** Undefined: nothing is run in guests. */
  readonly exec?: { readonly guests: ExecGuests | undefined } | undefined;
}

/** A guest as PVE has just described it. */
export interface GuestFacts {
  readonly vmid: number;
  readonly kind: "vm" | "container";
  readonly node: string;
  readonly status: string | undefined;
  readonly name: string | undefined;
  readonly tags: readonly string[];
  readonly pool?: string | undefined;
  /** "suspended": hibernated, and starting it uses up its saved memory. */
  readonly lock?: string | undefined;
}

/** What a call would write, whether it is read from a tool's arguments or from a request. */
export interface Write {
  /** The guest that changes; undefined for a guest that is made. */
  readonly changes: number | undefined;
  /** The number that a new guest is to have, where one is named. */
  readonly makes: number | undefined;
  readonly creates: boolean;
  readonly tags: string | undefined;
  readonly pool: string | undefined;
  /** Whether it makes a privileged container. */
  readonly privileged: boolean;
  /** Whether it adds a file to a storage, and touches no guest. */
  readonly stores: boolean;
  /** The address, or the image's reference, that a node is to fetch. */
  readonly fetches: string | undefined;
  /** Whether it runs something inside the guest. */
  readonly enters: boolean;
}

export interface Refused {
  readonly verdict: "refuse";
  readonly reason: string;
  readonly remedy: string;
}

export type Decision = { readonly verdict: "allow" } | { readonly verdict: "ask" } | Refused;

type Values = Readonly<Record<string, unknown>>;

/** The requests that make a guest. What a clone copies is only read: it may be a protected guest. */
const CREATES: readonly string[] = [
  "POST /nodes/{node}/qemu",
  "POST /nodes/{node}/lxc",
  "POST /nodes/{node}/qemu/{vmid}/clone",
  "POST /nodes/{node}/lxc/{vmid}/clone",
  "POST /nodes/{node}/qemu (restore)",
  "POST /nodes/{node}/lxc (restore)",
] satisfies Call[];

/** The requests that add a file to a storage. */
const STORES: readonly string[] = [
  "POST /nodes/{node}/aplinfo",
  "POST /nodes/{node}/storage/{storage}/download-url",
  "POST /nodes/{node}/storage/{storage}/oci-registry-pull",
] satisfies Call[];

/** The requests that run something inside a guest, or tell what came of it. */
export const ENTERING: readonly string[] = [
  "POST /nodes/{node}/qemu/{vmid}/agent/exec",
  "GET /nodes/{node}/qemu/{vmid}/agent/exec-status",
] satisfies Call[];

function refuse(reason: string, remedy: string): Refused {
  return { verdict: "refuse", reason, remedy };
}

/** Whether the settings offer a tool at all. */
export function offers(tool: Pick<Tool, "tier">, settings: PolicySettings): boolean {
  if (tool.tier === "exec" && settings.exec === undefined) return false;
  return !settings.readOnly || tool.tier === "read";
}

/** Whether a tool only adds: everything else changes or interrupts what is there. */
export function onlyAdds(tool: Pick<Tool, "name" | "tier">): boolean {
  return tool.tier === "read" || /^(?:start|resume|create|clone|download|pull_oci|restore)_/.test(tool.name);
}

/** What a tool would write, from its arguments. */
export function writeOf(tool: Pick<Tool, "calls" | "tier">, input: Values): Write {
  const settings: Values = Object(input.config);
  const creates = tool.calls.some((call) => CREATES.includes(call));
  return {
    changes: creates ? undefined : number(input.vmid),
    makes: creates ? number(input.newid ?? input.vmid) : undefined,
    creates,
    tags: text(settings.tags ?? input.tags),
    pool: text(input.pool),
    privileged: isFalse(input.unprivileged),
    stores: tool.calls.some((call) => STORES.includes(call)),
    fetches: text(input.url ?? input.reference),
    enters: tool.tier === "exec",
  };
}

/** The guest a call is about, whether it changes or only copies it; undefined for one that is made from nothing. */
export function subjectOf(tool: Pick<Tool, "calls" | "tier">, input: Values): number | undefined {
  return writeOf(tool, input).changes ?? number(input.source_vmid);
}

/** What a request would write; undefined for a request that only reads. */
export function writeIn(call: string, params: Values): Write | undefined {
  const enters = ENTERING.includes(call);
  if (call.startsWith("GET ") && !enters) return undefined;
  const creates = CREATES.includes(call);
  return {
    changes: creates ? undefined : number(params.vmid),
    makes: creates ? number(call.endsWith("/clone") ? params.newid : params.vmid) : undefined,
    creates,
    tags: text(params.tags),
    pool: text(params.pool),
    privileged: isFalse(params.unprivileged),
    stores: STORES.includes(call),
    fetches: text(params.url ?? params.reference),
    enters,
  };
}

/** Whether decide() has to know the guest: for its tags, or to show it to the person who is asked. */
export function needsFacts(tool: Pick<Tool, "name" | "tier">, settings: PolicySettings, input: Values = {}): boolean {
  if (tool.tier === "read") return false;
  const mayHalt = settings.confirm === "disruptive" && ["start_vm", BACKUP].includes(tool.name);
  const { tags = [], pools = [] } = settings.exec?.guests ?? {};
  const named = [...settings.protected?.tags ?? [], ...tags, ...tool.tier === "exec" ? pools : []];
  return named.length > 0 || mayHalt || asks(tool, settings, input, undefined);
}

const BACKUP = "create_backup";

function runs(guest: GuestFacts | undefined): boolean {
  return guest?.kind === "container" && guest.status !== "stopped";
}

/** Whether a person is asked before a tool writes. Starting a hibernated VM uses up its saved memory: that disrupts, too. */
function asks(
  tool: Pick<Tool, "name" | "tier">,
  settings: PolicySettings,
  input: Values,
  guest: GuestFacts | undefined,
): boolean {
  if (settings.confirm === "writes") return true;
  // A backup in these modes halts the guest; a container that cannot be snapshotted PVE suspends, whatever the mode is.
  const halts = input.mode === "stop" || input.mode === "suspend" || tool.name === BACKUP && runs(guest);
  return settings.confirm === "disruptive" && (!onlyAdds(tool) || halts || guest?.lock === "suspended");
}

/** Decides about a call before anything of it is done. `guest` is the one that changes; undefined where none is visible. */
export function decide(
  tool: Pick<Tool, "name" | "tier" | "calls">,
  input: Values,
  settings: PolicySettings,
  guest: GuestFacts | undefined,
): Decision {
  if (tool.tier === "exec" && settings.exec === undefined) return execOff;
  if (!offers(tool, settings)) {
    return refuse(
      `${tool.name} changes something, and this server only reads`,
      "The person who runs it has set PROXMOX_READ_ONLY=true",
    );
  }
  if (tool.tier === "read") return { verdict: "allow" };
  const refused = judge(writeOf(tool, input), settings, guest);
  if (refused !== undefined) return refused;
  if (!asks(tool, settings, input, guest)) return { verdict: "allow" };
  const subject = subjectOf(tool, input);
  // Nobody can be asked about a guest of which there is nothing to show.
  if (subject !== undefined && guest?.vmid !== subject) return invisible(subject);
  return { verdict: "ask" };
}

const execOff = refuse(
  "commands and files in guests are switched off",
  "Only the person who runs this server can allow it, by PROXMOX_ENABLE_EXEC=true",
);

function invisible(vmid: number | undefined): Refused {
  return refuse(
    `guest ${vmid} is not visible to this token`,
    "list_vms and list_containers show what there is; the token may lack VM.Audit on the guest",
  );
}

/** Refuses a write that the settings do not allow. */
export function judge(write: Write, settings: PolicySettings, guest: GuestFacts | undefined): Refused | undefined {
  const { vmids, tags } = settings.protected ?? { vmids: [], tags: [] };
  const target = write.changes ?? write.makes;
  if (vmids.some((vmid) => vmid === target)) {
    return refuse(`guest ${target} is protected`, "The person who runs this server has put it into PROXMOX_PROTECTED");
  }
  if (write.fetches !== undefined) {
    const host = hostIn(write.fetches) ?? registryIn(write.fetches);
    if (host === undefined) {
      return refuse(
        `${
          JSON.stringify(openly(write.fetches))
        } is neither a plain https address nor an image with its registry and its tag`,
        "Give an address as in https://cloud.debian.org/images/x.qcow2, or for an image REGISTRY/NAME:TAG in full, as in " +
          "docker.io/library/debian:13",
      );
    }
    if (settings.downloadHosts?.some((known) => known === host) !== true) {
      return refuse(
        `${host} is not among the hosts that files may be fetched from`,
        "The node can reach more than this program, so the person who runs it names the hosts: PROXMOX_DOWNLOAD_HOSTS, " +
          "as in cloud.debian.org,cloud-images.ubuntu.com",
      );
    }
  }
  if (!write.creates && !write.stores && write.changes === undefined) {
    return refuse("it does not say which guest it changes", "This is a fault of this program: please report it");
  }
  if (write.privileged && settings.allowPrivileged !== true) {
    return refuse(
      "a privileged container's root is close to root on the node",
      "Leave unprivileged out; only the person who runs this server can allow it, by PROXMOX_ALLOW_PRIVILEGED=true",
    );
  }
  if (tags.length > 0) {
    // Without its tags nobody can tell whether it is protected.
    if (write.changes !== undefined && guest?.vmid !== write.changes) return invisible(write.changes);
    const present = write.creates ? [] : lowered(guest?.tags ?? []);
    const held = present.find((tag) => tags.includes(tag));
    if (held !== undefined) {
      return refuse(
        `guest ${write.changes} has the tag ${held}, which protects it`,
        `The person who runs this server has put tag:${held} into PROXMOX_PROTECTED`,
      );
    }
    const added = lowered((write.tags ?? "").split(/[;,\s]/)).find((tag) => tags.includes(tag));
    if (added !== undefined) {
      return refuse(
        `the tag ${added} protects guests, and only a person gives or takes it`,
        `Leave it out; the person who runs this server has put tag:${added} into PROXMOX_PROTECTED`,
      );
    }
  }
  if (write.enters) return judgeEntering(write, settings, guest);
  const opening = judgeOpening(write, settings, guest);
  if (opening !== undefined) return opening;
  const { pool } = settings;
  if (pool !== undefined && write.pool !== (write.creates ? pool : undefined)) {
    return refuse(
      write.pool === undefined
        ? `a new guest has to be put into the pool ${pool}`
        : `pool=${JSON.stringify(write.pool)} was given, and new guests are put into the pool ${pool} only`,
      "Leave pool out; the person who runs this server has set PROXMOX_POOL",
    );
  }
  return undefined;
}

/** An address as a refusal may show it: cut, and without a user, a password or a query, which may be secrets. */
function openly(address: string): string {
  const open = address.replace(/\?.*/s, "?…").replace(/.*@/s, "…@");
  return open.length > 80 ? `${open.slice(0, 80)}…` : open;
}

/** Whether a guest may be entered. */
function judgeEntering(write: Write, { exec }: PolicySettings, guest: GuestFacts | undefined): Refused | undefined {
  if (exec === undefined) return execOff;
  const { guests } = exec;
  const vmid = write.changes;
  if (guests === undefined || guests.vmids.some((named) => named === vmid)) return undefined;
  if (guests.tags.length + guests.pools.length > 0) {
    if (guest === undefined || guest.vmid !== vmid) return invisible(vmid);
    if (lowered(guest.tags).some((tag) => guests.tags.includes(tag))) return undefined;
    if (guests.pools.some((pool) => pool === guest.pool)) return undefined;
  }
  return refuse(
    `guest ${vmid} is not among those that may be entered`,
    "The person who runs this server has named them in PROXMOX_EXEC_GUESTS",
  );
}

/** Refuses what would let commands into a guest, or keep them out: that is for a person. */
function judgeOpening(write: Write, settings: PolicySettings, guest: GuestFacts | undefined): Refused | undefined {
  const guests = settings.exec?.guests;
  if (guests === undefined) return undefined;
  const { tags, pools } = guests;
  const remedy = "Leave it as it is; the person who runs this server has named it in PROXMOX_EXEC_GUESTS";
  if (tags.length > 0 && write.tags !== undefined) {
    if (write.changes !== undefined && guest?.vmid !== write.changes) return invisible(write.changes);
    const present = write.creates ? [] : lowered(guest?.tags ?? []);
    const wanted = lowered(write.tags.split(/[;,\s]/));
    const changed = tags.find((tag) => present.includes(tag) !== wanted.includes(tag));
    if (changed !== undefined) {
      return refuse(`the tag ${changed} says where commands may be run, and only a person gives or takes it`, remedy);
    }
  }
  if (pools.some((pool) => pool === write.pool) && write.pool !== settings.pool) {
    return refuse(`commands may be run in the pool ${write.pool}, and only a person puts guests there`, remedy);
  }
  return undefined;
}

/** The arguments with the pool of the settings, where the call makes a guest and names no pool itself. */
export function withPool<I extends Values>(tool: Pick<Tool, "calls" | "tier">, input: I, settings: PolicySettings): I {
  if (settings.pool === undefined || input.pool !== undefined || !writeOf(tool, input).creates) return input;
  return { ...input, pool: settings.pool };
}

function lowered(tags: readonly string[]): string[] {
  return tags.map((tag) => tag.toLowerCase());
}

/** Whether a flag says no, in each form that the gate takes. */
function isFalse(value: unknown): boolean {
  return value === false || value === 0 || value === "0";
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
