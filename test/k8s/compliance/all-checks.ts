import { type Check, needsControllers } from './check.ts';
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
  daemonSetChecks,
  deploymentChecks,
  jobChecks,
  namespaceDeletionCheck,
  ownerCheck,
  podChecks,
  serviceChecks,
} from './checks/workloads.ts';

const deletionCheck = needsControllers(namespaceDeletionCheck);

/** Checks of one group use what earlier ones of it made; all need the namespace. */
export const GROUPS: readonly (readonly Check[])[] = [
  [healthCheck],
  namespaceChecks,
  configMapChecks,
  secretChecks,
  accessChecks,
  conflictChecks,
  finalizerChecks,
  listChecks,
  watchChecks,
  patchChecks,
  customChecks,
  serviceChecks,
  [...deploymentChecks, ownerCheck].map(needsControllers),
  daemonSetChecks.map(needsControllers),
  jobChecks.map(needsControllers),
  podChecks.map(needsControllers),
  eventChecks,
  [electionCheck],
  [tokenCheck, compactionCheck],
  [deletionCheck],
];

/** The compliance list, in the order in which it is gone through. What takes a compaction begins early and ends late. */
export const CHECKS: readonly Check[] = inOrder();

function inOrder(): Check[] {
  const ends = new Set([compactionCheck, deletionCheck]);
  const begins = new Set([healthCheck, ...namespaceChecks, tokenCheck]);
  const others = GROUPS.flat().filter((check) => !begins.has(check) && !ends.has(check));
  return [...begins, ...others, ...ends];
}
