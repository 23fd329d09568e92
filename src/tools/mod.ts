/** The list of all tools, in the order in which clients see them. */
import type { Tool } from "../tool.ts";
import { createBackup } from "./backups.ts";
import { listBackupJobs } from "./backup_jobs.ts";
import { listBackups } from "./backup_list.ts";
import { cloneContainer, cloneVm } from "./clone.ts";
import { createCloudInitVm } from "./cloud_vm.ts";
import { cloudInitDump, setCloudInit } from "./cloudinit.ts";
import { clusterLog, haStatus, listPools, listReplication } from "./cluster.ts";
import { createContainer, createVm } from "./create.ts";
import { setContainerConfig, setVmConfig } from "./guest_config.ts";
import { downloadUrl } from "./download_url.ts";
import { execTools } from "./exec.ts";
import { fileTools } from "./files.ts";
import { guestFinder } from "./find.ts";
import { guestLists } from "./guest_lists.ts";
import { haltTools, resizeTools } from "./grow.ts";
import { guestConfigs, guestStatuses } from "./guests.ts";
import { healthOverview } from "./health.ts";
import { cephStatus, listDisks, nodeServices, nodeSyslog, nodeUpdates, zfsStatus } from "./hosts.ts";
import { guestAgentInfo, guestNetwork } from "./inside.ts";
import { guestMetrics, nodeMetrics } from "./metrics.ts";
import { consoleUrl, listFirewallRules, listNetworks } from "./networks.ts";
import { clusterResources, listNodes, nodeStatus } from "./nodes.ts";
import { clusterStatus, serverInfo } from "./overview.ts";
import { checkPermissions } from "./permissions.ts";
import { downloadTemplate, listAvailableTemplates } from "./images.ts";
import { pullOciImage } from "./oci.ts";
import { migrateContainer, migrateVm } from "./migrate.ts";
import { powerTools } from "./power.ts";
import { restoreContainerBackup, restoreVmBackup } from "./restore.ts";
import { listSnapshots } from "./snapshot_list.ts";
import { listStorage } from "./storage.ts";
import { snapshotTools } from "./snapshots.ts";
import { getTaskLog, getTaskStatus, listTasks, waitTask } from "./tasks.ts";
import { listTemplates } from "./templates.ts";
import { vmidTools } from "./vmids.ts";

export const tools: readonly Tool[] = [
  listNodes,
  nodeStatus,
  clusterResources,
  clusterStatus,
  healthOverview,
  serverInfo,
  checkPermissions,
  guestFinder,
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
  ...snapshotTools,
  createBackup,
  restoreVmBackup,
  restoreContainerBackup,
  listAvailableTemplates,
  downloadTemplate,
  downloadUrl,
  pullOciImage,
  createCloudInitVm,
  setCloudInit,
  cloudInitDump,
  ...resizeTools,
  ...haltTools,
  migrateVm,
  migrateContainer,
  listTasks,
  getTaskStatus,
  getTaskLog,
  waitTask,
  guestNetwork,
  guestAgentInfo,
  guestMetrics,
  nodeMetrics,
  listSnapshots,
  listBackups,
  listBackupJobs,
  haStatus,
  listReplication,
  clusterLog,
  listPools,
  listNetworks,
  listFirewallRules,
  nodeServices,
  nodeUpdates,
  nodeSyslog,
  listDisks,
  zfsStatus,
  cephStatus,
  consoleUrl,
  ...execTools,
  ...fileTools,
];
