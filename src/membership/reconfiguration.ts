/**
 * What --strict-reconfig-check refuses: changes after which the members that run could not decide any more (etcd-behaviour
 * §2.9). A member counts as started once it has a name, and as active while this member hears from it.
 */
import { etcdError } from '../base/etcd-error.ts';
import type { Cluster } from './cluster.ts';
import type { Member } from './member.ts';

/** Voters that have been heard from for long enough; the asking member always counts. */
export type IsActive = (id: bigint) => boolean;

function quorum(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

function started(members: readonly Member[]): number {
  return members.filter(({ name }) => name !== '').length;
}

/** Throws MemberNotEnoughStarted or Unhealthy. */
export function checkAddition(cluster: Cluster, isLearner: boolean, isActive: IsActive): void {
  const voters = cluster.voters();
  const running = started(voters);
  const isSole = running === 1 && voters.length === 1;
  if (isSole) return;
  if (!isLearner && running < quorum(voters.length + 1)) throw etcdError('MemberNotEnoughStarted');
  // The newcomer is not there yet, and may never come.
  const active = voters.filter(({ id }) => isActive(id)).length;
  if (active < quorum(voters.length + 1)) throw etcdError('Unhealthy');
}

/** `isConnected`: heard from at all. Throws MemberNotEnoughStarted or Unhealthy. */
export function checkRemoval(
  cluster: Cluster,
  id: bigint,
  { isActive, isConnected }: { readonly isActive: IsActive; readonly isConnected: IsActive },
): void {
  if (cluster.member(id)?.isLearner === true) return;
  const voters = cluster.voters();
  const rest = voters.filter((member) => member.id !== id);
  if (started(rest) < quorum(rest.length)) throw etcdError('MemberNotEnoughStarted');
  // A member that is down does not take part in the quorum of those that run.
  if (!isConnected(id)) return;
  const active = voters.filter((member) => isActive(member.id)).length;
  if (active - 1 < quorum(voters.length - 1)) throw etcdError('Unhealthy');
}

/** Throws MemberNotEnoughStarted. */
export function checkPromotion(cluster: Cluster): void {
  const voters = cluster.voters();
  if (started(voters) + 1 < quorum(voters.length + 1)) throw etcdError('MemberNotEnoughStarted');
}
