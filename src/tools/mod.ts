/** The list of all tools, in the order in which clients see them. */
import type { Tool } from "../tool.ts";
import { cloneContainer, cloneVm } from "./clone.ts";
import { createContainer, createVm } from "./create.ts";
import { setContainerConfig, setVmConfig } from "./guest_config.ts";
import { guestConfigs, guestLists, guestStatuses } from "./guests.ts";
import { clusterResources, listNodes, nodeStatus } from "./nodes.ts";
import { powerTools } from "./power.ts";
import { listStorage, listTemplates } from "./storage.ts";
import { vmidTools } from "./vmids.ts";

export const tools: readonly Tool[] = [
  listNodes,
  nodeStatus,
  clusterResources,
  ...guestLists,
  ...guestStatuses,
  ...guestConfigs,
  listStorage,
  listTemplates,
  ...vmidTools,
  ...powerTools,
  createVm,
  createContainer,
  cloneVm,
  cloneContainer,
  setVmConfig,
  setContainerConfig,
];
