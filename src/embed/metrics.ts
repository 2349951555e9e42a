/** Gives the metrics that follow from the state of the server their values when they are scraped. */
import type { FeatureGates } from '../config/feature-gates.ts';
import { FEATURE_GATES } from '../config/feature-gates.ts';
import { AlarmType } from '../gen/rpc.ts';
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import type { MetricRegistry } from '../observability/metric-registry.ts';
import type { Clock } from '../ports/clock.ts';
import type { CompactionMetrics } from '../server/compactor.ts';
import type { ServerCore } from '../server/core.ts';
import type { Member } from './member.ts';
import { CellsByKind, operationName } from './request-durations.ts';

export interface MetricLabels {
  readonly etcdVersion: string;
  readonly nodeVersion: string;
  readonly featureGates: FeatureGates;
}

export function collectServerMetrics(
  registry: MetricRegistry,
  metrics: EtcdMetrics,
  member: Member,
  labels: MetricLabels,
): void {
  const { core } = member;
  const { limits, memberId, auth } = core.parts;
  const { server } = metrics;
  server.quotaBackendBytes.set(Number.isFinite(limits.quotaBytes) ? limits.quotaBytes : 0);
  server.version.with(labels.etcdVersion).set(1);
  server.goVersion.with(labels.nodeVersion).set(1);
  server.id.with(memberId.toString(16)).set(1);
  showFeatureGates(metrics, labels.featureGates);
  metrics.authRevision.collect(() => auth.revision);
  registry.onExpose(() => showAlarms(metrics, core));
  collectRaft(metrics, core);
  collectStore(metrics, core);
  collectWatches(metrics, member);
  observeRequests(metrics, member);
}

function showFeatureGates({ server }: EtcdMetrics, gates: FeatureGates): void {
  for (const [name, { stage }] of Object.entries(FEATURE_GATES)) {
    server.featureEnabled.with(name, stage.toUpperCase()).set(gates[name as keyof FeatureGates] ? 1 : 0);
  }
}

/** As etcd: an alarm shows once it was raised, and stays as 0 when it is cleared. */
function showAlarms({ server }: EtcdMetrics, core: ServerCore): void {
  const names = new Map<number, string>(Object.entries(AlarmType).map(([name, value]) => [value, name]));
  server.alarms.each((cell) => cell.set(0));
  for (const { memberID, alarm } of core.parts.alarms.list(AlarmType.NONE)) {
    server.alarms.with(memberID.toString(16), names.get(alarm) ?? String(alarm)).set(1);
  }
}

function collectRaft({ server }: EtcdMetrics, core: ServerCore): void {
  const { node, applyLoop, proposals, memberId, cluster } = core.parts;
  server.hasLeader.collect(() => (node.leader === 0n ? 0 : 1));
  server.isLeader.collect(() => (node.isLeader ? 1 : 0));
  server.isLearner.collect(() => (cluster.member(memberId)?.isLearner === true ? 1 : 0));
  server.leaderChangesSeen.collect(() => node.leaderChanges);
  server.heartbeatSendFailures.collect(() => node.lateHeartbeats);
  server.proposalsCommitted.collect(() => node.commitIndex);
  server.proposalsApplied.collect(() => applyLoop.appliedIndex);
  server.proposalsPending.collect(() => proposals.size);
  server.proposalsFailed.collect(() => proposals.failures);
  server.slowReadIndexes.collect(() => node.readTotals.slow);
  server.readIndexesFailed.collect(() => node.readTotals.failed);
}

function collectStore({ mvcc, lease, server }: EtcdMetrics, core: ServerCore): void {
  const { backend, store, lessor } = core.parts;
  const { totals } = store;
  mvcc.range.collect(() => totals.ranges);
  mvcc.rangeDebugging.collect(() => totals.ranges);
  mvcc.put.collect(() => totals.puts);
  mvcc.delete.collect(() => totals.deletes);
  mvcc.txn.collect(() => totals.txns);
  mvcc.totalPutSize.collect(() => totals.putBytes);
  mvcc.dbCompactionKeys.collect(() => totals.compactedRows);
  mvcc.keys.collect(() => store.keyCount);
  mvcc.dbTotalSize.collect(() => backend.sizeBytes());
  mvcc.dbTotalSizeInUse.collect(() => backend.sizeInUseBytes());
  mvcc.dbOpenReadTransactions.collect(() => store.buffer.views);
  mvcc.currentRevision.collect(() => store.currentRev);
  mvcc.compactRevision.collect(() => store.compactRev);
  lease.granted.collect(() => lessor.totals.granted);
  lease.revoked.collect(() => lessor.totals.revoked);
  lease.renewed.collect(() => lessor.totals.renewed);
  server.leaseExpired.collect(() => lessor.totals.expired);
  lessor.onGranted = (ttlSeconds) => lease.ttl.observe(ttlSeconds);
}

function collectWatches({ watch }: EtcdMetrics, { hub }: Member): void {
  watch.streams.collect(() => hub.stats.streams);
  watch.watchers.collect(() => hub.stats.watchers);
  watch.slowWatchers.collect(() => hub.stats.slowWatchers);
  watch.pendingEvents.collect(() => hub.stats.pendingEvents);
  watch.events.collect(() => hub.stats.eventsSent);
}

function observeRequests({ server }: EtcdMetrics, { core, clusterApi }: Member): void {
  const { proposals, clock } = core.parts;
  const durations = new CellsByKind((kind, success) => server.requestDuration.with(operationName(kind), success));
  proposals.onEnded = (kind, startMs, isApplied, endMs = clock.monotonicMs()) => {
    // Changes of the members are no requests in this sense.
    if (kind !== 'none') durations.cell(kind, isApplied).observe((endMs - startMs) / 1000);
  };
  clusterApi.onPromotion = (failure) => {
    if (failure === undefined) server.learnerPromoteSuccesses.inc();
    else server.learnerPromoteFailures.with(failure).inc();
  };
}

/** There is no index in memory that would have to be compacted first: no pause for that. */
export function compactionMetrics({ mvcc }: EtcdMetrics, clock: Clock): CompactionMetrics {
  return {
    pauseMs: mvcc.dbCompactionPause,
    totalMs: mvcc.dbCompactionTotal,
    finished: () => {
      mvcc.indexCompactionPause.observe(0);
      mvcc.dbCompactionLast.set(Math.floor(clock.wallMs() / 1000));
    },
  };
}
