import type { Check } from './check.ts';
import { electionCheck, eventChecks, healthCheck } from './checks/events-and-leases.ts';
import { compactionCheck, listChecks, tokenCheck, watchChecks } from './checks/lists.ts';
import {
  accessChecks,
  configMapChecks,
  conflictChecks,
  finalizerChecks,
  namespaceChecks,
  secretChecks,
} from './checks/objects.ts';
import { customChecks, patchChecks } from './checks/patches.ts';
import {
  cascadeChecks,
  daemonSetChecks,
  deploymentChecks,
  jobChecks,
  podChecks,
  serviceChecks,
} from './checks/workloads.ts';

/** The compliance list, in the order in which it is gone through: later checks use what earlier ones made. */
export const CHECKS: readonly Check[] = [
  healthCheck,
  ...namespaceChecks,
  tokenCheck,
  ...configMapChecks,
  ...secretChecks,
  ...accessChecks,
  ...conflictChecks,
  ...finalizerChecks,
  ...listChecks,
  ...watchChecks,
  ...patchChecks,
  ...customChecks,
  ...serviceChecks,
  ...deploymentChecks,
  ...daemonSetChecks,
  ...jobChecks,
  ...podChecks,
  ...eventChecks,
  electionCheck,
  compactionCheck,
  ...cascadeChecks,
];
