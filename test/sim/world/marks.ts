/** What a batch of runs must have come across: a fault or a situation that never occurred was not tested. */
export const MARKS = [
  'powerLoss',
  'powerLossInWrite',
  'kill',
  'stop',
  'crashWhileStarting',
  'crashOnFirstStart',
  'slowDisk',
  'stuckDisk',
  'syncError',
  'writeError',
  'createError',
  'commitError',
  'slowCommit',
  'clockForward',
  'clockBack',
  'slowCpu',
  'pause',
  'slowWatcher',
  'tornTail',
  'replayed',
  'commitInFlightKept',
  'commitInFlightLost',
  'commitKeptByKernelLost',
  'inlineSync',
  'segmentCut',
  'segmentReleased',
  'logMarked',
  'unknownApplied',
  'unknownLost',
  'leaseExpired',
  'leaseKeptOverRestart',
  'leaseCheckpointed',
  'keptAlive',
  'keepAliveTooLate',
  'watchResumed',
  'watchCompacted',
  'watchStalled',
  'watchProgress',
  'watchFragmented',
  'compacted',
  'compactionResumed',
  'pastRead',
  'pastReadCompacted',
  'futureRead',
  'sliced',
  'rangeInChunks',
  'defragmented',
  'snapshotTaken',
  'hashChecked',
  'noSpace',
  'lockTaken',
  'fencedOff',
  'timeout',
] as const;

/** Likewise, in runs with more than one member. */
export const CLUSTER_MARKS = [
  'partition',
  'oneWayPartition',
  'lossyLinks',
  'slowLinks',
  'leaderFault',
  'messageLost',
  'messageTwice',
  'messageOvertakes',
  'newLeader',
  'leaderOfMinority',
  'handedOver',
  'movedLeader',
  'snapshotSent',
  'snapshotTakenOver',
  'powerLossInSnapshot',
  'servedByFollower',
  'memberAdded',
  'memberPromoted',
  'memberUpdated',
  'memberRemoved',
  'leaderRemoved',
  'changeRefused',
  'removedLeft',
  'joinRepeated',
  'learnerRefuses',
  'servedByLearner',
  'clientMoved',
] as const;

export type Mark = (typeof MARKS)[number] | (typeof CLUSTER_MARKS)[number];

/** How often each occurred. */
export class Marks {
  readonly counts = new Map<Mark, number>();

  hit(mark: Mark, times = 1): void {
    this.counts.set(mark, (this.counts.get(mark) ?? 0) + times);
  }

  add(other: ReadonlyMap<Mark, number>): void {
    for (const [mark, count] of other) this.hit(mark, count);
  }
}

/** What a batch has not come across. */
export function missingMarks(counts: ReadonlyMap<Mark, number>): Mark[] {
  return [...MARKS, ...CLUSTER_MARKS].filter((mark) => !counts.has(mark));
}
