/** One SSH connection to one host: opened after the host has proved who it is, and used for commands of the gate only. */
import { Buffer } from "node:buffer";
// @ts-types="@types/ssh2"
import type * as Ssh2 from "ssh2";
import type { SshHost, SshSettings } from "../config/settings.ts";
import { PveError, Refusal } from "../errors.ts";
import { type AdmittedExec, isAdmittedExec } from "../safety/exec.ts";
import { entriesFor, fingerprintOf, judgeKey, typeOf } from "./host_key.ts";

/** How a host is named in errors. */
export function nameOf({ host, port }: SshHost): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Input, output and the end of one command. */
export type Channel = Ssh2.ClientChannel;

export interface Connection {
  /**
   * Starts a command; its channel carries input and output. It is handed over at once, as its end may come in the same piece
   * of the network as its beginning, and nobody would hear of it later.
   * @throws {PveError} where the host does not take it
   */
  start(command: AdmittedExec, take: (channel: Channel) => void): Promise<void>;
  /** Whether it can still be used. */
  readonly open: boolean;
  end(): void;
}

/** The key that a host has shown. */
interface Shown {
  readonly type: string;
  readonly fingerprint: string;
  readonly verdict: ReturnType<typeof judgeKey>;
}

async function load(): Promise<Pick<typeof Ssh2, "Client">> {
  // It names files beside itself, which a bundle has not: without a folder to name it would not load.
  if (!("__dirname" in globalThis)) Object.defineProperty(globalThis, "__dirname", { value: "/", configurable: true });
  // By its default export: a bundle offers nothing else of a CommonJS package that is loaded late.
  return (await import("ssh2")).default;
}

/** Deno before 2.7 lacks what ssh2 needs of AES-GCM, which it would choose first: it comes last, for hosts that insist. */
const GCM = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"] as const;

/** The ciphers, and the kinds of keys that are known of a host, so that it shows one of these. */
function algorithms({ hostKeys }: SshSettings, host: SshHost): Ssh2.Algorithms {
  const types = new Set(hostKeys === undefined ? [] : entriesFor(hostKeys, host).map(({ type }) => type));
  // Done in this order; what is appended again is still the last.
  const ciphers = { cipher: { remove: [...GCM], append: [...GCM], prepend: [] } };
  if (types.size === 0) return ciphers;
  const serverHostKey = [
    ...types.has("ssh-ed25519") ? ["ssh-ed25519" as const] : [],
    ...types.has("ecdsa-sha2-nistp256") ? ["ecdsa-sha2-nistp256" as const] : [],
    ...types.has("ecdsa-sha2-nistp384") ? ["ecdsa-sha2-nistp384" as const] : [],
    ...types.has("ecdsa-sha2-nistp521") ? ["ecdsa-sha2-nistp521" as const] : [],
    ...types.has("ssh-rsa") ? ["rsa-sha2-512" as const, "rsa-sha2-256" as const] : [],
  ];
  return serverHostKey.length === 0 ? ciphers : { ...ciphers, serverHostKey };
}

/**
 * Connects and logs in.
 * @throws {PveError} untrusted, unauthenticated or unreachable; nothing secret leaves before the host is trusted
 */
export async function openConnection(host: SshHost, settings: SshSettings, timeoutMs: number): Promise<Connection> {
  const { Client } = await load();
  const client: Ssh2.Client = new Client();
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const { key, passphrase, password } = settings;
  let shown: Shown | undefined;
  let open = false;
  client.on("ready", () => {
    open = true;
    resolve({
      start: (command, take) => start(client, host, command, take),
      get open() {
        return open;
      },
      end: () => client.end(),
    });
  });
  // Small packets wait for an acknowledgement otherwise: 90 ms a command instead of 8.
  client.on("connect", () => void client.setNoDelay(true));
  client.on("keyboard-interactive", (_name, _text, _language, prompts, finish) => {
    // Many hosts take a password in this way only.
    finish(prompts.length === 1 && password !== undefined ? [password] : []);
  });
  // Errors of a connection that is in use reach its commands as the end of their channels.
  client.on("error", (error) => reject(explained(error, host, settings, shown)));
  client.on("close", () => {
    open = false;
    reject(explained(new Error("the connection was closed"), host, settings, shown));
  });
  try {
    client.connect({
      host: host.host,
      port: host.port,
      username: settings.user,
      ...(key === undefined ? {} : { privateKey: key.pem }),
      ...(key === undefined || passphrase === undefined ? {} : { passphrase }),
      ...(password === undefined ? {} : { password, tryKeyboard: true }),
      authHandler: [
        ...key === undefined ? [] : ["publickey" as const],
        ...password === undefined ? [] : ["password" as const, "keyboard-interactive" as const],
      ],
      algorithms: algorithms(settings, host),
      hostVerifier: (raw: Buffer) => {
        const bytes = Uint8Array.from(raw);
        const verdict = judgeKey(bytes, host, settings.hostKeys);
        shown = { type: typeOf(bytes), fingerprint: fingerprintOf(bytes), verdict };
        return verdict === "trusted";
      },
      readyTimeout: timeoutMs,
      keepaliveInterval: 15_000,
      keepaliveCountMax: 3,
    });
  } catch (error) {
    // A key that cannot be read throws here.
    reject(explained(error instanceof Error ? error : new Error(String(error)), host, settings, shown));
  }
  try {
    return await promise;
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** Nothing but what the gate has made goes over the wire. */
function start(
  client: Ssh2.Client,
  host: SshHost,
  command: AdmittedExec,
  take: (channel: Channel) => void,
): Promise<void> {
  if (!isAdmittedExec(command)) return Promise.reject(new Refusal("Refused: this command has not passed the gate"));
  return new Promise((resolve, reject) => {
    try {
      client.exec(
        command.line,
        { pty: false },
        (error, channel) => {
          if (error) return reject(lost(host, error));
          take(channel);
          resolve();
        },
      );
    } catch (error) {
      reject(lost(host, error));
    }
  });
}

/** The connection broke while a command was to start, or ran. */
export function lost(host: SshHost, cause: unknown): PveError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PveError(`The SSH connection to ${nameOf(host)} broke: ${reason}`, {
    kind: "unreachable",
    remedy: "The command may have begun, and is ended with the connection: look before you repeat it",
  });
}

function levelOf(error: Error): string {
  return "level" in error && typeof error.level === "string" ? error.level : "";
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

function explained(error: Error, host: SshHost, settings: SshSettings, shown: Shown | undefined): PveError {
  const name = nameOf(host);
  if (shown !== undefined && shown.verdict !== "trusted") return distrusted(name, shown);
  if (/privateKey|passphrase/i.test(error.message)) {
    return new PveError(
      `The key ${settings.key?.file ?? ""} cannot be opened: the passphrase is wrong, or it is damaged`,
      {
        kind: "unauthenticated",
        remedy: "Correct PROXMOX_SSH_PASSPHRASE; `ssh-keygen -y -f FILE` tells whether a passphrase fits",
      },
    );
  }
  if (levelOf(error) === "client-authentication") {
    const tried = [
      ...settings.key === undefined ? [] : [`the key ${settings.key.file}`],
      ...settings.password === undefined ? [] : ["the password"],
    ].join(" and ");
    return new PveError(`${name} refuses ${tried} for the user ${settings.user}`, {
      kind: "unauthenticated",
      remedy: settings.key === undefined
        ? "Correct PROXMOX_SSH_USER and PROXMOX_SSH_PASSWORD; for root, sshd takes a key only, unless its PermitRootLogin is yes"
        : `The public half of the key has to be in ~${settings.user}/.ssh/authorized_keys on ${host.host}`,
    });
  }
  const code = codeOf(error);
  const why = code === "ECONNREFUSED"
    ? "nobody listens there"
    : code === "ENOTFOUND"
    ? "its name is unknown"
    : levelOf(error) === "client-timeout"
    ? "it did not answer in time"
    : code === "NotCapable" || error.name === "NotCapable"
    ? "this process may not connect there"
    : error.message;
  return new PveError(`Cannot reach ${name} by SSH: ${why}`, {
    kind: "unreachable",
    remedy: "Check PROXMOX_SSH_HOST and PROXMOX_SSH_PORT, and that sshd runs there and no firewall is between",
  });
}

function distrusted(name: string, { type, fingerprint, verdict }: Shown): PveError {
  const compare =
    "compare it with what `for f in /etc/ssh/ssh_host_*.pub; do ssh-keygen -lf $f; done` prints on the host";
  const told = {
    unknown: {
      says: `The SSH host ${name} is not known yet: it shows the ${type} key ${fingerprint}. Nothing was sent`,
      remedy:
        `A person has to ${compare} (PVE's web interface: the node, Shell), then set PROXMOX_SSH_HOST_KEY=${fingerprint}`,
    },
    changed: {
      says:
        `The SSH host ${name} shows the ${type} key ${fingerprint}, which PROXMOX_SSH_HOST_KEY does not hold. Nothing was sent`,
      remedy:
        `Somebody may be in between, or the host was installed anew. A person has to ${compare}, and correct the setting`,
    },
    revoked: {
      says: `The SSH host ${name} shows the ${type} key ${fingerprint}, which is marked as revoked. Nothing was sent`,
      remedy: "A person has to find out why it was revoked, and give the host a new key",
    },
    trusted: { says: "", remedy: "" },
  }[verdict];
  return new PveError(told.says, { kind: "untrusted", remedy: told.remedy });
}

/** Bytes for a channel; ssh2 wants its own kind. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
