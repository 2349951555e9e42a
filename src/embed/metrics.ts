/** Gives the metrics that follow from the state of the server their values when they are scraped. */
import { AlarmType } from '../gen/rpc.ts';
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import type { ServerCore } from '../server/core.ts';
import type { WatchHub } from '../watch/watch-hub.ts';

export interface MetricLabels {
  readonly etcdVersion: string;
  readonly nodeVersion: string;
}

export function collectServerMetrics(
  metrics: EtcdMetrics,
  core: ServerCore,
  hub: WatchHub,
  labels: MetricLabels,
): void {
  const { node, applyLoop, proposals, limits, memberId, cluster, alarms, auth } = core.parts;
  const { server } = metrics;
  server.hasLeader.collect(() => (node.leader === 0n ? 0 : 1));
  server.isLeader.collect(() => (node.isLeader ? 1 : 0));
  server.isLearner.collect(() => (cluster.member(memberId)?.isLearner === true ? 1 : 0));
  server.proposalsCommitted.collect(() => node.commitIndex);
  server.proposalsApplied.collect(() => applyLoop.appliedIndex);
  server.proposalsPending.collect(() => proposals.size);
  server.quotaBackendBytes.set(Number.isFinite(limits.quotaBytes) ? limits.quotaBytes : 0);
  server.version.with(labels.etcdVersion).set(1);
  server.goVersion.with(labels.nodeVersion).set(1);
  server.id.with(memberId.toString(16)).set(1);
  for (const name of ['NOSPACE', 'CORRUPT'] as const) {
    const isActive = (): boolean => alarms.list(AlarmType[name]).some((alarm) => alarm.memberID === memberId);
    server.alarms.with(memberId.toString(16), name).collect(() => (isActive() ? 1 : 0));
  }
  metrics.authRevision.collect(() => auth.revision);
  collectStore(metrics, core);
  collectWatches(metrics, hub);
}

function collectStore({ mvcc, lease, server }: EtcdMetrics, core: ServerCore): void {
  const { backend, store, lessor } = core.parts;
  mvcc.dbTotalSize.collect(() => backend.sizeBytes());
  mvcc.dbTotalSizeInUse.collect(() => backend.sizeInUseBytes());
  mvcc.currentRevision.collect(() => store.currentRev);
  mvcc.compactRevision.collect(() => store.compactRev);
  lease.granted.collect(() => lessor.totals.granted);
  lease.revoked.collect(() => lessor.totals.revoked);
  lease.renewed.collect(() => lessor.totals.renewed);
  server.leaseExpired.collect(() => lessor.totals.expired);
}

function collectWatches({ watch }: EtcdMetrics, hub: WatchHub): void {
  watch.streams.collect(() => hub.stats.streams);
  watch.watchers.collect(() => hub.stats.watchers);
  watch.slowWatchers.collect(() => hub.stats.slowWatchers);
  watch.pendingEvents.collect(() => hub.stats.pendingEvents);
  watch.events.collect(() => hub.stats.eventsSent);
}
