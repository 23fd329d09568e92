/** Options of guests as callers write them: who may set which, and what PVE makes of the values. */
import { isRoot } from "./access.ts";
import { nextMac, nextUuid } from "./build.ts";
import { isCdrom, isCloudinit, isSlot, isUnused, parseSlot } from "./disks.ts";
import { die, forbidden } from "./failure.ts";
import { splitList, splitProperties } from "./property.ts";
import type { Context } from "./routes/context.ts";
import { optionFormat } from "./schema.ts";
import { printProperties } from "./property.ts";
import type { Config, Kind, State, Value } from "./state.ts";
import { asValue } from "./config.ts";

const VM_OPTIONS: readonly (readonly [RegExp, string])[] = [
  [/^(?:cores|cpu|cpulimit|cpuunits|numa\d*|smp|sockets|vcpus|affinity)$/, "VM.Config.CPU"],
  [/^(?:memory|balloon|shares|allow-ksm|hugepages|keephugepages)$/, "VM.Config.Memory"],
  [
    /^(?:acpi|hotplug|kvm|machine|scsihw|smbios1|tablet|vga|watchdog|audio0|bios|serial\d+|rng0|arch|ivshmem)$/,
    "VM.Config.HWType",
  ],
  [/^net\d+$/, "VM.Config.Network"],
  [/^(?:boot|bootdisk|vmstatestorage)$/, "VM.Config.Disk"],
];
const CLOUDINIT = /^(?:cicustom|cipassword|citype|ciuser|ciupgrade|nameserver|searchdomain|sshkeys|ipconfig\d+)$/;
const ROOT_ONLY = /^(?:args|lock|parallel\d+|hookscript|amd-sev|intel-tdx)$/;

/** @throws {Failure} 403, or the 500 for what only root@pam may set (captured 259, 460) */
export function checkOption(
  context: Context,
  kind: Kind,
  vmid: number,
  pool: string | undefined,
  option: string,
  value?: string,
): void {
  if (isRoot(context.identity)) return;
  const need = (privileges: readonly string[], any = false) => {
    if (pool !== undefined && context.rights.can(`/pool/${pool}`, privileges, any)) return;
    context.rights.check(`/vms/${vmid}`, privileges, any);
  };
  if (kind === "lxc") return checkContainerOption(need, option, value);
  if (ROOT_ONLY.test(option)) die(`only root can set '${option}' config`);
  if (CLOUDINIT.test(option)) return need(["VM.Config.Cloudinit", "VM.Config.Network"], true);
  if (isUnused(option)) return need(["VM.Config.Disk"]);
  if (isSlot("qemu", option)) {
    const drive = value === undefined ? undefined : parseSlot("qemu", option, value);
    const file = drive?.get("file") ?? "";
    if (drive !== undefined && (isCloudinit(drive) || file.endsWith(":cloudinit"))) {
      return need(["VM.Config.CDROM", "VM.Config.Cloudinit"]);
    }
    return need([drive !== undefined && isCdrom(drive) ? "VM.Config.CDROM" : "VM.Config.Disk"]);
  }
  need([VM_OPTIONS.find(([pattern]) => pattern.test(option))?.[1] ?? "VM.Config.Options"]);
}

function checkContainerOption(need: (privileges: readonly string[]) => void, option: string, value?: string): void {
  if (/^(?:cores|cpulimit|cpuunits)$/.test(option)) return need(["VM.Config.CPU"]);
  if (isSlot("lxc", option) || isUnused(option)) return need(["VM.Config.Disk"]);
  if (/^(?:memory|swap)$/.test(option)) return need(["VM.Config.Memory"]);
  if (/^(?:net\d+|nameserver|searchdomain|hostname)$/.test(option)) return need(["VM.Config.Network"]);
  if (option === "features" && value !== undefined) {
    const flags = splitList(value);
    if (flags.some((flag) => !flag.startsWith("nesting="))) {
      forbidden("changing feature flags (except nesting) is only allowed for root@pam");
    }
    return need(["VM.Allocate"]);
  }
  if (/^(?:hookscript|dev\d+|lock|debug)$/.test(option)) forbidden(`changing '${option}' is only allowed for root@pam`);
  need(["VM.Config.Options"]);
}

/** A bridge wants SDN.Use; whether it exists shows only when the guest starts (captured 165). @throws {Failure} 403 */
export function checkBridge(context: Context, kind: Kind, option: string, value: string): void {
  const net = splitProperties(optionFormat(kind, option), value);
  const bridge = net.get("bridge");
  if (bridge === undefined) return;
  const tag = net.get("tag");
  context.rights.check(`/sdn/zones/localnetwork/${bridge}${tag === undefined ? "" : `/${tag}`}`, ["SDN.Use"]);
}

/** Values that PVE rewrites before it keeps them: MAC addresses added, tags sorted, texts trimmed. */
export function normalizeOption(state: State, kind: Kind, option: string, value: unknown, before?: Value): Value {
  if (option === "tags") {
    return [...new Set(splitList(String(value)).map((tag) => tag.toLowerCase()))].sort().join(";"); // captured 157
  }
  if (!/^net\d+$/.test(option)) return asValue(kind, option, value);
  const format = optionFormat(kind, option);
  const net = splitProperties(format, String(value));
  const key = kind === "qemu" ? "macaddr" : "hwaddr";
  const old = before === undefined ? undefined : splitProperties(format, String(before)).get(key);
  // PVE makes a new address where none is given, even if the slot had one.
  net.set(key, (net.get(key) ?? (kind === "lxc" ? old : undefined) ?? nextMac(state)).toUpperCase());
  if (kind === "lxc") net.set("type", "veth");
  return printProperties(format, net);
}

/** First disk, first CD-ROM, first network card (captured 059); a blank where there is none (captured 255). */
export function defaultBoot(config: Config): string {
  const slots = [...config.keys()].filter((option) => /^(?:ide|scsi|virtio|sata)\d+$/.test(option)).sort();
  const cdrom = (option: string) => isCdrom(parseSlot("qemu", option, String(config.get(option))));
  const net = [...config.keys()].filter((option) => /^net\d+$/.test(option)).sort()[0];
  const order = [slots.find((option) => !cdrom(option)), slots.find(cdrom), net].filter((device) =>
    device !== undefined
  );
  return order.length > 0 ? `order=${order.join(";")}` : " ";
}

/** Identifiers that every VM gets anew, also as a clone. */
export function stampIdentity(state: State, config: Config, now: number): void {
  config.set("smbios1", `uuid=${nextUuid(state)}`);
  config.set("vmgenid", nextUuid(state));
  config.set("meta", `creation-qemu=10.0.13,ctime=${Math.floor(now / 1000)}`);
}

/** A copy's network cards get addresses of their own. */
export function renewMacs(state: State, kind: Kind, config: Config): void {
  const key = kind === "qemu" ? "macaddr" : "hwaddr";
  for (const [option, value] of config) {
    if (!/^net\d+$/.test(option)) continue;
    const format = optionFormat(kind, option);
    const net = splitProperties(format, String(value));
    net.set(key, nextMac(state));
    config.set(option, printProperties(format, net));
  }
}
