/** How the configuration of a member becomes that of its Raft core and of what stands on it. */
import type { SeededRandom } from '../base/random.ts';
import type { ServerConfig } from '../config/server-config.ts';
import type { RootLogger } from '../observability/logger.ts';
import { Raft } from '../raft/raft.ts';
import type { CoreLimits } from '../server/core.ts';
import type { LeaderDutiesOptions } from '../server/leader-duties.ts';
import type { LogKeeperOptions } from '../server/log-keeper.ts';
import type { MemberState } from './member-state.ts';

const LOG_MEMORY_BYTES_MAX = 16 * 1024 ** 2;
const UNCOMMITTED_BYTES_MAX = 256 * 1024 ** 2;
const MESSAGE_BYTES_MAX = 1024 ** 2;
const INFLIGHT_MESSAGES_MAX = 512;

export function electionTicks(config: ServerConfig): number {
  return Math.max(2, Math.round(config.electionMs / config.heartbeatMs));
}

/** How long a request that needs other members may take, as etcd. */
export function requestMs(config: ServerConfig): number {
  return 5000 + 2 * config.electionMs;
}

/** The Raft core over what the log and the database hold. */
export function newRaft(config: ServerConfig, state: MemberState, random: SeededRandom, logger: RootLogger): Raft {
  const { memberId, hardState, logStart, entries, applied } = state;
  return new Raft({
    id: memberId,
    electionTicks: electionTicks(config),
    heartbeatTicks: 1,
    random,
    preVote: config.preVote,
    checkQuorum: true,
    maxSizePerMessageBytes: MESSAGE_BYTES_MAX,
    inflightMessagesMax: INFLIGHT_MESSAGES_MAX,
    inflightBytesMax: 0,
    uncommittedBytesMax: UNCOMMITTED_BYTES_MAX,
    initial: {
      hardState,
      confState: applied.confState,
      snapshot: logStart,
      entries,
      applied: applied.index,
    },
    logger: logger.child('raft/raft.ts'),
  });
}

export function coreLimits(config: ServerConfig): CoreLimits {
  return {
    requestBytesMax: config.maxRequestBytes,
    txnOpsMax: config.maxTxnOps,
    quotaBytes: config.quotaBytes,
    requestMs: requestMs(config),
    electionMs: config.electionMs,
    strictReconfigCheck: config.strictReconfigCheck,
    learnersMax: config.learnersMax,
  };
}

export function logKeeperOptions(config: ServerConfig): LogKeeperOptions {
  return {
    snapshotCount: config.snapshotCount,
    catchupEntries: config.snapshotCatchupEntries,
    memoryBytesMax: LOG_MEMORY_BYTES_MAX,
  };
}

export function leaderDuties(config: ServerConfig): LeaderDutiesOptions {
  return {
    downgradeCheckMs: config.downgradeCheckMs,
    corruption: {
      periodMs: config.corruptCheckMs,
      compactionPeriodMs: config.featureGates.CompactHashCheck ? config.compactHashCheckMs : 0,
    },
    autoCompaction: config.autoCompaction,
  };
}
