import type { BenchCase } from '../case.ts';
import type { Sizes } from '../sizes.ts';
import { leaderKillCase, leaderStopCase } from './cluster-leader.ts';
import { clusterUnaryCases } from './cluster-unary.ts';
import { kubernetesTxnCases } from './kubernetes-txn.ts';
import { leaseKeepAliveCase } from './lease-keep-alive.ts';
import { listCases } from './list.ts';
import { mixedCase } from './mixed.ts';
import { pausesCase } from './pauses.ts';
import { putDuringListCase } from './put-during-list.ts';
import { restartCase } from './restart.ts';
import { startEmptyCase } from './start-empty.ts';
import { unaryCases } from './unary.ts';
import { watchFanOutCase } from './watch-fan-out.ts';

/** Every case, in the order in which they run and are shown. */
export function allCases(sizes: Sizes): readonly BenchCase[] {
  return [
    ...unaryCases,
    mixedCase,
    ...kubernetesTxnCases,
    ...listCases,
    putDuringListCase,
    ...sizes.watchers.map(watchFanOutCase),
    leaseKeepAliveCase,
    startEmptyCase,
    ...sizes.restartKeys.map(restartCase),
    pausesCase,
  ];
}

/** The cases for several members. */
export const clusterCases: readonly BenchCase[] = [...clusterUnaryCases, leaderKillCase, leaderStopCase];
