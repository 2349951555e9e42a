/** Handing leadership over, because a client asks for it or because this member is about to stop. */
import { etcdError } from '../base/etcd-error.ts';
import type { ServerCore } from './core.ts';

const LOOK_MS = 10;

/**
 * Resolves when `target` leads. Rejects with NotLeader, BadLeaderTransferee or Stopped, and with TimeoutLeaderTransfer once
 * Raft has given up, after an election timeout.
 */
export async function moveLeader(core: ServerCore, target: bigint): Promise<void> {
  const { node, cluster, clock, limits } = core.parts;
  if (!node.isLeader) throw etcdError('NotLeader');
  if (cluster.member(target)?.isLearner !== false) throw etcdError('BadLeaderTransferee');
  const deadlineMs = clock.monotonicMs() + limits.electionMs;
  node.transferLeader(target);
  while (node.leader !== target) {
    if (clock.monotonicMs() >= deadlineMs) throw etcdError('TimeoutLeaderTransfer');
    await core.pause(LOOK_MS, deadlineMs);
  }
}

/** To the voter that has been heard from for longest. Whatever comes of it, this member may stop. */
export async function handOver(core: ServerCore): Promise<void> {
  const { node, cluster, transport, memberId, logger } = core.parts;
  if (!node.isLeader) return;
  const active = cluster
    .voters()
    .map(({ id }) => ({ id, sinceMs: id === memberId ? undefined : transport.activeSince(id) }))
    .filter((voter): voter is { id: bigint; sinceMs: number } => voter.sinceMs !== undefined)
    .sort((a, b) => a.sinceMs - b.sinceMs);
  const target = active[0]?.id;
  if (target === undefined) return;
  try {
    await moveLeader(core, target);
    logger.info('handed the leadership over', { to: target.toString(16) });
  } catch (error) {
    logger.warn('failed to hand the leadership over', { to: target.toString(16), error: String(error) });
  }
}
