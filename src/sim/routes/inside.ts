/** What a VM's guest agent tells of the system inside: its kind, its name, its file systems. */
import { diskSizeOf, nameOf } from "../rows.ts";
import { text } from "../state.ts";
import type { Route } from "./context.ts";
import { agentOf } from "./agent.ts";

/** The fields of captured 299; Windows tells the others that QEMU's agent documents. */
export const osinfo: Route<"GET /nodes/{node}/qemu/{vmid}/agent/get-osinfo"> = ({ state }, { node, vmid }) => {
  const guest = agentOf(state, node, vmid);
  const windows = text(guest.config, "ostype")?.startsWith("w") === true;
  return {
    result: windows
      ? {
        id: "mswindows",
        name: "Microsoft Windows",
        "pretty-name": "Windows 11 Pro",
        "version-id": "11",
        "kernel-release": "26100",
        "kernel-version": "10.0",
        machine: "x86_64",
        variant: "client",
        "variant-id": "client",
      }
      : {
        id: "debian",
        name: "Debian GNU/Linux",
        "pretty-name": "Debian GNU/Linux 13 (trixie)",
        "version-id": "13",
        "kernel-release": "6.12.48+deb13-cloud-amd64",
        "kernel-version": "#1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)",
        machine: "x86_64",
      },
  };
};

/** As captured 301. */
export const hostName: Route<"GET /nodes/{node}/qemu/{vmid}/agent/get-host-name"> = ({ state }, { node, vmid }) => ({
  result: { "host-name": nameOf(agentOf(state, node, vmid)) },
});

/** The captured guest had none (302); the fields are those of QEMU's GuestFilesystemInfo. */
export const fsinfo: Route<"GET /nodes/{node}/qemu/{vmid}/agent/get-fsinfo"> = ({ state }, { node, vmid }) => {
  const guest = agentOf(state, node, vmid);
  const size = diskSizeOf(guest);
  const row = (name: string, mountpoint: string, type: string, total: number, used: number) => ({
    name,
    mountpoint,
    type,
    "total-bytes": Math.round(total),
    "used-bytes": Math.round(used),
    disk: [],
  });
  return {
    result: [
      row("sda1", "/", "ext4", size * 0.94, size * (0.2 + (vmid % 7) / 10)),
      row("sda15", "/boot/efi", "vfat", 129_718_272, 9_154_560),
    ],
  };
};
