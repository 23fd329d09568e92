/** The settings this program knows: one table that feeds parsing, --help, .env.example and the README. */

/** One variable of the environment. */
export interface SettingRow {
  readonly variable: string;
  /** How it reads in --help when it is not set; empty where it has no default. */
  readonly default: string;
  readonly help: string;
  readonly required?: boolean;
  readonly secret?: boolean;
}

export const settingRows = [
  {
    variable: "PROXMOX_HOST",
    default: "",
    help: "The PVE host: a name or an address; may carry a port (pve.lan:8006) or be a pasted https://pve.lan:8006/",
    required: true,
  },
  {
    variable: "PROXMOX_USER",
    default: "",
    help: "The user the API token belongs to, as in agent@pve; or the whole token id, as in agent@pve!mcp",
    required: true,
  },
  {
    variable: "PROXMOX_TOKEN_NAME",
    default: "",
    help: "The name of the API token, as in mcp; not needed when PROXMOX_USER holds the whole token id",
    required: true,
  },
  {
    variable: "PROXMOX_TOKEN_VALUE",
    default: "",
    help: "The secret that PVE showed when the token was made",
    required: true,
    secret: true,
  },
  { variable: "PROXMOX_PORT", default: "8006", help: "The port of the PVE API; a port in PROXMOX_HOST wins" },
  {
    variable: "PROXMOX_VERIFY_SSL",
    default: "false",
    help: "true: the certificate must verify against the CAs of the operating system and Mozilla (true, 1, yes, on)",
  },
  {
    variable: "PROXMOX_CA_FILE",
    default: "",
    help: "A file with the CA to verify against, as in pve-root-ca.pem; verifies whatever PROXMOX_VERIFY_SSL says",
  },
  {
    variable: "PROXMOX_FINGERPRINT",
    default: "",
    help:
      "The SHA-256 fingerprint of the host's certificate (AA:BB:…); nothing is sent to a host that shows another one",
  },
  {
    variable: "PROXMOX_READ_ONLY",
    default: "false",
    help: "true: only the tools that read are offered, all others are refused",
  },
  {
    variable: "PROXMOX_TOOLSETS",
    default: "default",
    help: "The toolsets to offer, separated by commas; default and all are names, too; the command tools shows them",
  },
  {
    variable: "PROXMOX_TOOLS",
    default: "",
    help: "Single tools to offer beside the toolsets, separated by commas; alone, they are all there is",
  },
  {
    variable: "PROXMOX_EXCLUDE_TOOLS",
    default: "",
    help: "Tools to leave out, separated by commas, whatever else is set",
  },
  {
    variable: "PROXMOX_PROTECTED",
    default: "",
    help: "Guests that no call may change: vmids and tag:NAMEs, separated by commas, as in 100,101,tag:prod",
  },
  {
    variable: "PROXMOX_CONFIRM",
    default: "never",
    help:
      "disruptive: the client asks a person before whatever interrupts, changes, moves or enters a guest; writes: before every write",
  },
  {
    variable: "PROXMOX_POOL",
    default: "",
    help: "The resource pool that every new guest is put into; a call that names another one is refused",
  },
  {
    variable: "PROXMOX_ALLOW_PRIVILEGED",
    default: "false",
    help: "true: create_container may make privileged containers, whose root is close to root on the node",
  },
  {
    variable: "PROXMOX_DOWNLOAD_HOSTS",
    default: "",
    help:
      "The hosts that download_url and pull_oci_image may have a node fetch from, separated by commas, as in cloud.debian.org,docker.io; they may redirect anywhere",
  },
  {
    variable: "PROXMOX_AUDIT_FILE",
    default: "",
    help:
      "The full path of a file that gets a line of JSON before and after every write; writes are refused when it cannot be written",
  },
  {
    variable: "PROXMOX_ENABLE_EXEC",
    default: "false",
    help:
      "true: offers the tools that run commands and move files inside guests, as root there; off, nothing of it exists",
  },
  {
    variable: "PROXMOX_EXEC_GUESTS",
    default: "",
    help: "The only guests that exec may enter: vmids, tag:NAMEs and pool:NAMEs, as in 250,tag:sandbox; not set: all",
  },
  {
    variable: "PROXMOX_EXEC_PRIVILEGED",
    default: "false",
    help: "true: exec may enter privileged containers, too, whose root is close to root on the node",
  },
  {
    variable: "PROXMOX_EXEC_VM",
    default: "agent",
    help: "How VMs are entered: agent (PVE's API and the guest agent) or ssh (qm guest exec on the node)",
  },
  {
    variable: "PROXMOX_SSH_HOST",
    default: "",
    help:
      "Where containers are entered: one host, several, or node=host for each, as in pve1=192.0.2.11,pve2=192.0.2.12; not set: PROXMOX_HOST",
  },
  { variable: "PROXMOX_SSH_PORT", default: "22", help: "The port of SSH" },
  { variable: "PROXMOX_SSH_USER", default: "root", help: "Who logs in there; pct wants root" },
  {
    variable: "PROXMOX_SSH_KEY_FILE",
    default: "",
    help: "A file with the private key, ed25519 or RSA; its public half best goes with a forced command (docs/exec.md)",
  },
  {
    variable: "PROXMOX_SSH_PASSPHRASE",
    default: "",
    help: "The passphrase of that key, where it has one",
    secret: true,
  },
  { variable: "PROXMOX_SSH_PASSWORD", default: "", help: "The password, where there is no key", secret: true },
  {
    variable: "PROXMOX_SSH_HOST_KEY",
    default: "",
    help:
      "Who the hosts must prove to be: SHA256:… fingerprints, separated by commas, or the full path of a known_hosts file; without it nothing is sent",
  },
  { variable: "PROXMOX_TIMEOUT", default: "30", help: "Seconds until a request to PVE is given up" },
  { variable: "PROXMOX_MAX_CONNECTIONS", default: "8", help: "Requests to PVE at one time" },
] as const satisfies readonly SettingRow[];

export type Variable = (typeof settingRows)[number]["variable"];

/** How the identity of the PVE host is established. */
export type Trust =
  /** Not at all, as a fresh PVE's certificate verifies against nothing; a warning names the fingerprint to pin. */
  | { readonly mode: "none" }
  /** Against Mozilla's and the operating system's CAs. */
  | { readonly mode: "system" }
  /** Against the CA certificates in PEM. */
  | { readonly mode: "ca"; readonly pem: string; readonly file: string }
  /** Against a SHA-256 fingerprint: upper-case hex pairs joined by colons. */
  | { readonly mode: "pin"; readonly fingerprint: string };

/** Where and how to reach PVE: complete, validated. */
export interface Target {
  /** A DNS name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** As in "agent@pve!mcp". */
  readonly tokenId: string;
  readonly tokenValue: string;
  readonly trust: Trust;
  readonly timeoutSeconds: number;
  readonly maxConnections: number;
}

/** Which guests no call may change. */
export interface Protected {
  readonly vmids: readonly number[];
  /** In lower case, as PVE keeps tags. */
  readonly tags: readonly string[];
}

/** Before which calls a person is asked. */
export type Confirm = "never" | "disruptive" | "writes";

/** Which tools are offered; undefined: the settings do not say. All names are in lower case. */
export interface Selection {
  /** Names of toolsets; `default` stands for those that are on by default, `all` for all of them. */
  readonly toolsets: readonly string[] | undefined;
  /** Single tools beside the toolsets; by themselves, where no toolset is named. */
  readonly tools: readonly string[] | undefined;
  /** Tools to leave out, whatever the others say. */
  readonly exclude: readonly string[] | undefined;
}

/** The only guests that exec may enter. */
export interface ExecGuests {
  readonly vmids: readonly number[];
  /** In lower case, as PVE keeps tags. */
  readonly tags: readonly string[];
  readonly pools: readonly string[];
}

/** A host that guests are entered from. */
export interface SshHost {
  /** The node that it is; undefined where the settings do not say. */
  readonly node: string | undefined;
  /** A DNS name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** One line of a known_hosts file. */
export interface KnownHost {
  /** As they stand there: names, patterns, or one hashed name. */
  readonly hosts: readonly string[];
  readonly revoked: boolean;
  /** As in "ssh-ed25519". */
  readonly type: string;
  /** The key in base64, as it goes over the wire. */
  readonly key: string;
}

/** What the hosts have to prove to be. */
export type HostKeys =
  /** "SHA256:…" without padding. */
  | { readonly kind: "fingerprints"; readonly fingerprints: readonly string[] }
  | { readonly kind: "known_hosts"; readonly file: string; readonly entries: readonly KnownHost[] };

/** How to log in where guests are entered from; there is a key, or a password, or both. */
export interface SshSettings {
  readonly hosts: readonly SshHost[];
  readonly user: string;
  readonly key: { readonly file: string; readonly pem: string } | undefined;
  readonly passphrase: string | undefined;
  readonly password: string | undefined;
  /** Undefined: nobody is trusted yet. */
  readonly hostKeys: HostKeys | undefined;
}

/** Commands inside guests. */
export interface ExecSettings {
  /** Undefined: all that are not protected. */
  readonly guests: ExecGuests | undefined;
  /** Whether privileged containers may be entered. */
  readonly privileged: boolean;
  readonly vm: "agent" | "ssh";
  /** Undefined while there is neither a key nor a password: only the guest agent can be used. */
  readonly ssh: SshSettings | undefined;
}

/** All settings after loading. */
export interface Settings {
  /** Undefined while required settings are missing: tools are listed, and a call says what to set. */
  readonly target: Target | undefined;
  /** The required variables that are not set. */
  readonly missing: readonly Variable[];
  readonly selection: Selection;
  readonly readOnly: boolean;
  readonly protected: Protected;
  readonly confirm: Confirm;
  readonly pool: string | undefined;
  /** Whether privileged containers may be created. */
  readonly allowPrivileged: boolean;
  /** The hosts that files may be fetched from, with a port that is not 443. */
  readonly downloadHosts: readonly string[];
  /** Undefined: nothing is run in guests. */
  readonly exec: ExecSettings | undefined;
  /** A full path. */
  readonly auditFile: string | undefined;
  /** The file that settings were read from, if any. */
  readonly file: string | undefined;
  /** Things to tell the person who starts the server, on stderr. */
  readonly warnings: readonly string[];
}
