/** Figures over time, as PVE's round-robin databases keep them: made up, and the same for the same guest and moment. */
import { cpusOf, memoryOf } from "../config.ts";
import { diskSizeOf } from "../rows.ts";
import { type ClusterNode, type Guest, guestOn } from "../state.ts";
import type { Route } from "./context.ts";

/** Seconds between two values, and how many there are at most. An hour has 59 or 60 values, the last one minute old (captured 079). */
const FRAMES: Readonly<Record<string, readonly [step: number, count: number]>> = {
  hour: [60, 59],
  day: [60, 1440],
  week: [1800, 336],
  month: [1800, 1440],
  year: [21_600, 1460],
  decade: [604_800, 520],
};

/** The moments of a timeframe, in seconds. */
function moments(timeframe: string, now: number): number[] {
  const [step, count] = FRAMES[timeframe] ?? [60, 59];
  const last = Math.floor(now / 1000 / step) * step - step;
  return Array.from({ length: count }, (_, index) => last - (count - 1 - index) * step);
}

/** Between 0 and 1: a daily wave with noise upon it. */
function wave(seed: number, time: number): number {
  const day = 0.5 + 0.5 * Math.sin(time / 86_400 * 2 * Math.PI + seed);
  const noise = Math.sin(seed * 12.9898 + Math.floor(time / 60) * 78.233) * 43_758.5453;
  return 0.7 * day + 0.3 * (noise - Math.floor(noise));
}

/** Shares of time in which something had to wait, as PVE 9 keeps them. */
function pressures(seed: number, time: number) {
  return {
    pressurecpusome: 4 * wave(seed, time),
    pressurecpufull: 0,
    pressureiosome: 9 * wave(seed + 1, time),
    pressureiofull: 6 * wave(seed + 1, time),
    pressurememorysome: 0,
    pressurememoryfull: 0,
  };
}

function guestFigures(guest: Guest, host: ClusterNode | undefined, time: number) {
  const running = guest.run !== undefined && time * 1000 >= guest.run.since;
  const maxmem = memoryOf(guest.config);
  const maxdisk = diskSizeOf(guest);
  const sizes = { maxcpu: cpusOf(guest, host?.cpus ?? 1), maxmem, maxdisk };
  // While it is off there are sizes, and nothing else.
  if (!running) return sizes;
  const seed = guest.vmid;
  return {
    ...sizes,
    cpu: 0.05 + 0.4 * wave(seed, time),
    mem: maxmem * (0.4 + 0.2 * wave(seed + 2, time)),
    memhost: maxmem * (0.45 + 0.2 * wave(seed + 2, time)),
    disk: guest.kind === "lxc" ? maxdisk * 0.3 : 0,
    netin: 40_000 * wave(seed + 3, time),
    netout: 15_000 * wave(seed + 4, time),
    diskread: 200_000 * wave(seed + 5, time),
    diskwrite: 900_000 * wave(seed + 6, time),
    ...pressures(seed, time),
  };
}

function ofGuest(guest: Guest, host: ClusterNode | undefined, timeframe: string, now: number) {
  return moments(timeframe, now).map((time) => ({ time, ...guestFigures(guest, host, time) }));
}

export const ofVm: Route<"GET /nodes/{node}/qemu/{vmid}/rrddata"> = ({ state, engine }, { node, vmid, timeframe }) =>
  ofGuest(guestOn(state, node, "qemu", vmid), state.nodes.get(node), timeframe, engine.now());

export const ofContainer: Route<"GET /nodes/{node}/lxc/{vmid}/rrddata"> = (
  { state, engine },
  { node, vmid, timeframe },
) => ofGuest(guestOn(state, node, "lxc", vmid), state.nodes.get(node), timeframe, engine.now());

/** A host that has just been set up has moments and no figures yet (captured 079). */
export const ofNode: Route<"GET /nodes/{node}/rrddata"> = ({ state, engine }, { node: name, timeframe }) => {
  const node = state.nodes.get(name);
  const seed = name.length + (node?.cpus ?? 0) + Number(/\d+$/.exec(name)?.[0] ?? 0);
  return moments(timeframe, engine.now()).map((time) => {
    if (node === undefined || engine.now() - node.booted < 2 * 3_600_000) return { time };
    if (time * 1000 < node.booted) return { time };
    return {
      time,
      cpu: 0.05 + 0.2 * wave(seed, time),
      maxcpu: node.cpus,
      iowait: 0.01 + 0.02 * wave(seed + 1, time),
      loadavg: node.cpus * (0.05 + 0.2 * wave(seed, time)),
      memtotal: node.memory,
      memused: node.memory * (0.55 + 0.1 * wave(seed + 2, time)),
      swaptotal: 8 * 1024 ** 3,
      swapused: 0,
      roottotal: node.disk,
      rootused: node.disk * 0.27,
      netin: 2_000_000 * wave(seed + 3, time),
      netout: 900_000 * wave(seed + 4, time),
      ...pressures(seed, time),
    };
  });
};
