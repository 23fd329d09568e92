/** A small PVE in memory: the demo and the tests talk to it as to a real one, and it destroys as faithfully. */
export { demoCluster, largeCluster } from "./demo.ts";
export { auditorToken, bareToken, demoToken, rootTicket, rootToken } from "./demo_access.ts";
export type { Clock } from "./engine.ts";
export type { SimulatedRequest } from "./request.ts";
export { createSimulatedShell } from "./guest_way.ts";
export { createSimulator } from "./simulator.ts";
export type { RequestRecord, SimulatedAnswer, Simulator, SimulatorOptions } from "./simulator.ts";
export { addGuest, addVolume, emptyState } from "./build.ts";
export { inventory } from "./state.ts";
export type { Config, Content, Guest, Kind, Snapshot, State, Storage, Task, Volume } from "./state.ts";
