/**
 * What PVE says when it fails, in answers (500) and in tasks, what that means, and what to do: one table for both.
 * Words marked "seen" stand in captured answers of PVE 9.2; the others in its published sources and in bug reports.
 */
import type { Absent, PveErrorDetails, PveErrorKind } from "../errors.ts";

/** What the words of PVE tell. */
export interface Meaning extends Pick<PveErrorDetails, "absent" | "lock"> {
  readonly kind: PveErrorKind;
  readonly remedy: string;
  /** Only a guess by common words: what else is known says more. */
  readonly vague?: true;
}

interface Row {
  readonly says: RegExp;
  readonly kind: PveErrorKind;
  readonly remedy: string;
  /** What is not there: its name is the pattern's first group. */
  readonly absent?: Absent;
  readonly vague?: true;
}

/** The first that matches holds: what is said more precisely stands further up. */
const rows: readonly Row[] = [
  {
    says: /no quorum|cluster not ready|\/etc\/pve\/\S+.*(?:Permission denied|Read-only file system)/i,
    kind: "quorum",
    remedy:
      "More than half of the cluster's nodes have to be online and see each other before anything can be changed; a person looks with pvecm status on the host",
  },
  // Nodes, guests, storages, volumes. Seen: all of these but the second half of the first.
  {
    says: /hostname lookup '([^']*)' failed|no such cluster node '([^']*)'/,
    kind: "missing",
    absent: "node",
    remedy: "Name a node as list_nodes does",
  },
  {
    says:
      /Configuration file '[^']*\/(?:qemu-server|lxc)\/(\d+)\.conf' does not exist|unable to find (?:VM|CT) '?(\d+)/,
    kind: "missing",
    absent: "guest",
    remedy:
      "See list_vms and list_containers for which vmid is what: it may be on another node, or a container instead of a VM",
  },
  {
    says: /storage '([^']*)' does not exist|no such storage '?([^\s']*)/,
    kind: "missing",
    absent: "storage",
    remedy: "Name a storage as list_storage does",
  },
  {
    says:
      /storage '([^']*)' (?:is not available on node|is not online|is disabled)|storage is not (?:online|available)/,
    kind: "missing",
    absent: "storage",
    remedy:
      "The storage is switched off, offline, or not for this node: choose one that list_storage shows without a state, or have a person look at it",
  },
  {
    says:
      /storage '[^']*' does not support (?:content|vm images|container)|content type '[^']*' is not (?:available|supported)|does not support content type/i,
    kind: "invalid",
    remedy:
      "Choose a storage whose content has what is needed (images for VM disks, rootdir for containers); list_storage shows it. A person can allow more content: Datacenter, Storage, Edit",
  },
  {
    says: /volume '([^']*:vztmpl\/[^']*)' does not exist/,
    kind: "missing",
    absent: "template",
    remedy: "Name a container template as list_templates does",
  },
  {
    says: /volume '([^']*)' does not exist|no such volume '?([^\s']*)|no such logical volume (\S+)/,
    kind: "missing",
    absent: "volume",
    remedy: "Name a volume as list_templates does",
  },
  {
    says: /(?:bridge|interface|vnet) '([^']*)' does not exist|no such (?:bridge|vnet) '?([^\s']*)/i,
    kind: "missing",
    absent: "bridge",
    remedy: "Use a bridge that the node has (in PVE's web interface: the node, System, Network), as in vmbr0",
  },
  {
    says: /(?:no such resource )?pool '([^']*)'? does not exist|no such pool '?([^\s']*)/,
    kind: "missing",
    absent: "pool",
    remedy: "Name a pool that exists, or leave pool out; guests are listed with their pools",
  },
  {
    says: /snapshot '([^']*)' does not exist/,
    kind: "missing",
    absent: "snapshot",
    remedy: "Name a snapshot that the guest has, or leave snapname out for its present state",
  },
  { says: /no such task/, kind: "missing", absent: "task", remedy: "Use a UPID exactly as it was returned" },
  // The guest agent. Seen: the first two, and "Agent error: failed to open file".
  {
    says: /No QEMU guest agent configured/i,
    kind: "agent",
    remedy:
      "Switch the agent on with set_vm_config (agent: true), then stop and start the VM: a reboot from inside is not enough",
  },
  {
    says: /guest agent is not running|qga command '[^']*' failed/i,
    kind: "agent",
    remedy:
      "Wait until the VM has started; if it stays, qemu-guest-agent has to be installed and running inside the VM",
  },
  {
    says: /guest-[\w-]+ has (?:been disabled|not been found)|command .* (?:is|has been) disabled/i,
    kind: "agent",
    remedy:
      "The agent inside the guest blocks this command: a person allows it there (Red Hat and its like: /etc/sysconfig/qemu-ga, the list of blocked or allowed commands) and restarts qemu-guest-agent. No privilege in PVE changes that",
  },
  {
    says: /^Agent error: failed to open file|^Agent error: PID \S+ does not exist/,
    kind: "missing",
    remedy: "It is not there inside the guest, or not any more: check the path or the process number",
  },
  {
    says: /^Agent error/,
    kind: "agent",
    remedy: "The agent inside the guest refused it, in the words above: correct what it names",
  },
  // Locks. Seen: the first; PVE looks for it before it begins.
  {
    says: /(?:VM|CT) is locked \(([\w-]+)\)/,
    kind: "locked",
    remedy:
      "Nothing was changed. Wait until the task that holds the lock has ended, then try again; a lock that is left behind without a task, a person takes off on the host (qm unlock, pct unlock)",
  },
  {
    says:
      /can't lock file|unable to (?:acquire|get) .*lock|cfs[- ]lock|got lock (?:request )?timeout|can't aquire lock/i,
    kind: "locked",
    remedy:
      "Another task works on the same guest or storage: wait until it has ended, look at the state, then try again",
  },
  // Space.
  {
    says:
      /no space left|not enough (?:free )?space|out of space|insufficient free space|thin pool .*full|free space in thin pool|disk quota exceeded/i,
    kind: "full",
    remedy: "Ask for less, or choose a storage with more free space; list_storage shows what each has",
  },
  // Names that are taken. Seen: all.
  {
    says: /(?:VM|CT) \d+ already exists|config file already exists|vmid .* already/i,
    kind: "conflict",
    remedy: "Choose another vmid, or leave it out; next_vmid names a free one",
  },
  { says: /already (?:exists|defined|used)/i, kind: "conflict", remedy: "Choose another name" },
  // States.
  {
    says: /checksum mismatch|file change by other user|detected modified configuration/,
    kind: "conflict",
    remedy: "Somebody else changed it in the meantime, and nothing was written: read it again and decide anew",
  },
  {
    says: /number of protected backups per guest is limited|max backup limit/,
    kind: "conflict",
    remedy:
      "A person has to make room: in PVE's web interface under Backup of the guest, lift a backup's protection and remove it. Or name another storage",
  },
  {
    says: /protection mode enabled|cannot remove protected/,
    kind: "conflict",
    remedy: "It is protected on purpose: leave it, or ask the person who protected it",
  },
  {
    says: /start a vm if it's a template|is a template|if it's a template/i,
    kind: "conflict",
    remedy: "A template cannot run: clone it, and start the clone",
  },
  {
    says: /still in use by linked clone|base volume .* in use/,
    kind: "conflict",
    remedy: "Linked clones depend on it: leave it",
  },
  {
    says: /quit\/powerdown failed/,
    kind: "busy",
    remedy:
      "The guest did not shut down in time and runs on: it needs ACPI or a working guest agent, or more time; where it goes down later, it stays off. stop_* cuts its power, at the cost of unsaved data",
  },
  {
    says: /VM is paused/,
    kind: "conflict",
    remedy:
      "It stands still and would take the order only once it goes on: resume_vm (toolset grow) comes first, or a person in PVE's web interface. stop_vm cuts its power, at the cost of unsaved data",
  },
  {
    says: /can't migrate running/,
    kind: "conflict",
    remedy: "It was started meanwhile, and is where it was: look at its state, and try again",
  },
  {
    says: /migration aborted|can't migrate/,
    kind: "conflict",
    remedy: "The guest is where it was. What keeps it there stands in the log; a person looks where that is not plain",
  },
  { says: /not running/, kind: "conflict", remedy: "Start it first; nothing was changed" },
  {
    says: /already running|is running/,
    kind: "conflict",
    remedy: "It runs: leave it so, or shut it down first if the change needs that",
  },
  { says: /pool .* is not empty/, kind: "conflict", remedy: "Leave it: there are guests in it" },
  // What only root may do. Seen: the first, in a 400 and in a 500.
  {
    says: /only root (?:can|may)|only allowed for root|user != root@pam|not available with API token/i,
    kind: "forbidden",
    remedy:
      "No API token may do this, not even one of root@pam: leave the option out, or have a person do it in PVE's web interface as root@pam",
  },
  // Copies.
  {
    says: /Full clone of a running container/,
    kind: "conflict",
    remedy:
      "Make a snapshot of it (create_container_snapshot), and give its name as snapname; or shut it down first, and start it again after the copy",
  },
  {
    says: /can't clone to non-shared storage/,
    kind: "invalid",
    remedy:
      "Leave target out: the copy is then made on its source's node. Or give a storage that the nodes share (list_storage)",
  },
  {
    says: /can't clone (?:VM|CT) to node '[^']*' \((?:VM|CT) uses local storage\)/,
    kind: "invalid",
    remedy:
      "Leave target out: the copy is then made on its source's node. A container can be copied to another node onto a storage that they share (storage; list_storage shows them); a VM only if its disks and CD-ROM images are on such storages themselves",
  },
  // Time.
  {
    says: /got timeout|timeout after|timed? ?out/i,
    kind: "busy",
    remedy: "PVE waited for something that did not answer in time: look at the state before trying again",
  },
  {
    says: /got no worker upid|fork failed|proxy loop detected|(?:unable to|can't) fork|Too many open files/i,
    kind: "busy",
    remedy: "The node is overloaded or its services are in trouble: a person looks at pvedaemon and pveproxy",
  },
  // The host itself.
  {
    says: /KVM virtualisation configured, but not available/,
    kind: "unsupported",
    remedy: "The node's CPU offers no virtualisation: a person has to enable it in the firmware",
  },
  {
    says: /can't allocate memory|cannot allocate memory|out of memory|failed to set up guest memory/i,
    kind: "full",
    remedy: "The node has not enough free memory: give the guest less, or use another node; list_nodes shows them",
  },
  {
    says: /Install 'skopeo'/,
    kind: "unsupported",
    remedy: "A person installs it on that node: apt install skopeo",
  },
  {
    says: /command 'skopeo copy/,
    kind: "failed",
    remedy:
      "The registry has no such image or tag, wants a login (PVE has none to give), or the node cannot reach it: its answer stands in the log",
  },
  {
    says: /refusing to override existing file/,
    kind: "conflict",
    remedy: "Use the file that is there, or give another filename",
  },
  {
    says: /download failed|error downloading/i,
    kind: "failed",
    remedy: "The node could not fetch it: check the address, and that the node may reach it",
  },
  {
    says: /unexpected status|interrupted by signal|received interrupt/,
    kind: "failed",
    remedy: "The task was ended from outside before it was done: look at what it has left behind before repeating it",
  },
  // Values. Seen: all.
  {
    says: /shrinking disks is not supported/,
    kind: "invalid",
    remedy: "A disk can only grow: name a size above the present one",
  },
  {
    says: /snapshot feature is not available/,
    kind: "unsupported",
    remedy:
      "The guest's storage has no snapshots: make a backup instead (create_backup), or a person moves its disks to a storage that has",
  },
  {
    says: /[Ll]inked clone feature (?:is not supported|for '[^']*' is not available)/,
    kind: "invalid",
    remedy: "Make a full clone (full: true)",
  },
  {
    says: /is not supported|not allowed|cannot be modified|you can't|\(reserved name\)/,
    kind: "invalid",
    vague: true,
    remedy: "Leave out what PVE names, or choose another way",
  },
  {
    says: /no options specified|unable to parse|invalid|malformed|is not a valid|value must/i,
    kind: "invalid",
    vague: true,
    remedy: "Correct the value that PVE names",
  },
  {
    says: /does not exist|no such \w+|not found|unable to find/,
    kind: "missing",
    vague: true,
    remedy: "List what there is, and use one of those names",
  },
];

/** What words of PVE mean; undefined where nobody has foreseen them. */
export function meaningOf(words: string): Meaning | undefined {
  for (const { says, kind, remedy, absent, vague } of rows) {
    const found = says.exec(words);
    if (found === null) continue;
    const name = found.slice(1).find((group) => group !== undefined);
    return {
      kind,
      remedy,
      ...(vague === undefined ? {} : { vague }),
      ...(absent === undefined || name === undefined || name === "" ? {} : { absent: { what: absent, name } }),
      ...(kind === "locked" && name !== undefined ? { lock: name } : {}),
    };
  }
  return undefined;
}
