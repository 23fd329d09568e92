/** The addresses that running guests have. */
import { type Guest, guestOn, text } from "../state.ts";
import { agentOf } from "./agent.ts";
import type { Route } from "./context.ts";

/** Its MAC addresses, by number of the network device. */
function devices(guest: Guest): { readonly name: string; readonly mac: string; readonly address: string }[] {
  return [...guest.config.keys()].flatMap((option) => {
    const slot = /^net(\d+)$/.exec(option)?.[1];
    const value = text(guest.config, option) ?? "";
    const mac = /(?:[0-9A-F]{2}:){5}[0-9A-F]{2}/i.exec(value)?.[0];
    if (slot === undefined || mac === undefined) return [];
    const fixed = /(?:^|,)ip=(\d+\.\d+\.\d+\.\d+\/\d+)/.exec(value)?.[1];
    // What its DHCP server has given it: the same in every run.
    const given = slot === "0" ? `192.0.2.${guest.vmid % 250 + 1}/24` : `198.51.100.${guest.vmid % 250 + 1}/24`;
    const name = guest.kind === "lxc" ? /(?:^|,)name=([^,]+)/.exec(value)?.[1] ?? `eth${slot}` : `eth${slot}`;
    return [{ name, mac: mac.toLowerCase(), address: fixed ?? given }];
  });
}

function linkLocal(mac: string): string {
  const bytes = mac.split(":").map((byte) => Number.parseInt(byte, 16));
  const at = (index: number) => bytes[index] ?? 0;
  const group = (high: number, low: number) => (high << 8 | low).toString(16);
  return `fe80::${group(at(0) ^ 2, at(1))}:${group(at(2), 0xff)}:${group(0xfe, at(3))}:${group(at(4), at(5))}`;
}

/** A container that does not run has none: null (captured 069). Prefixes are texts here (captured 327). */
export const lxcInterfaces: Route<"GET /nodes/{node}/lxc/{vmid}/interfaces"> = ({ state }, { node, vmid }) => {
  const guest = guestOn(state, node, "lxc", vmid);
  if (guest.run === undefined) return null;
  const loopback = "00:00:00:00:00:00";
  return [
    {
      name: "lo",
      hwaddr: loopback,
      "hardware-address": loopback,
      inet: "127.0.0.1/8",
      inet6: "::1/128",
      "ip-addresses": [
        { "ip-address": "127.0.0.1", "ip-address-type": "inet", prefix: "8" },
        { "ip-address": "::1", "ip-address-type": "inet6", prefix: "128" },
      ],
    },
    ...devices(guest).map(({ name, mac, address }) => {
      const [ip = "", prefix = ""] = address.split("/");
      return {
        name,
        hwaddr: mac,
        "hardware-address": mac,
        inet: address,
        "ip-addresses": [{ "ip-address": ip, "ip-address-type": "inet", prefix }],
      };
    }),
  ];
};

const STATISTICS = [
  "rx-bytes",
  "rx-packets",
  "rx-errs",
  "rx-dropped",
  "tx-bytes",
  "tx-packets",
  "tx-errs",
  "tx-dropped",
];

/** What the guest agent says (captured 300). */
export const agentInterfaces: Route<"GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces"> = (
  { state },
  { node, vmid },
) => {
  const guest = agentOf(state, node, vmid);
  const statistics = Object.fromEntries(STATISTICS.map((name) => [name, 0]));
  const row = (name: string, mac: string, addresses: readonly (readonly [string, string, number])[]) => ({
    name,
    "hardware-address": mac,
    "ip-addresses": addresses.map(([type, ip, prefix]) => ({ "ip-address-type": type, "ip-address": ip, prefix })),
    statistics,
  });
  return {
    result: [
      row("lo", "00:00:00:00:00:00", [["ipv4", "127.0.0.1", 8], ["ipv6", "::1", 128]]),
      ...devices(guest).map(({ name, mac, address }) => {
        const [ip = "", prefix = ""] = address.split("/");
        return row(name, mac, [["ipv4", ip, Number(prefix)], ["ipv6", linkLocal(mac), 64]]);
      }),
    ],
  };
};
