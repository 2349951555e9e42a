import { describe, expect, test } from 'vitest';
import { config, run } from './run.ts';

const local = (port: number): unknown => ({
  kind: 'tcp',
  text: `http://localhost:${port}`,
  secure: false,
  host: 'localhost',
  port,
});

describe('the configuration', () => {
  test('has the defaults of etcd', () => {
    expect(run('').warnings).toEqual([]);
    const { featureGates, ...rest } = config('');
    expect(Object.keys(featureGates)).toHaveLength(9);
    expect(rest).toEqual({
      name: 'default',
      dataDir: 'default.etcd',
      walDir: 'default.etcd/member/wal',
      listenClientUrls: [local(2379)],
      listenClientHttpUrls: [],
      listenMetricsUrls: [],
      clientTls: undefined,
      peerTls: undefined,
      listenPeerUrls: [local(2380)],
      advertiseClientUrls: [local(2379)],
      initialAdvertisePeerUrls: [local(2380)],
      initialCluster: [{ name: 'default', peerURLs: ['http://localhost:2380'] }],
      initialClusterState: 'new',
      initialClusterToken: 'etcd-cluster',
      forceNewCluster: false,
      snapshotCount: 10_000,
      snapshotCatchupEntries: 5_000,
      walFilesMax: 5,
      unsafeNoFsync: false,
      heartbeatMs: 100,
      electionMs: 1_000,
      initialElectionTickAdvance: true,
      preVote: true,
      strictReconfigCheck: true,
      learnersMax: 1,
      quotaBytes: 2_147_483_648,
      backendBatchIntervalMs: 1000,
      maxTxnOps: 128,
      maxRequestBytes: 1_572_864,
      maxConcurrentStreams: 4_294_967_295,
      startDefragMegabytes: 0,
      reusePort: false,
      raftReadTimeoutMs: 5_000,
      raftWriteTimeoutMs: 5_000,
      watchProgressNotifyMs: 600_000,
      leaseCheckpointMs: 0,
      downgradeCheckMs: 5_000,
      corruptCheckMs: 0,
      compactHashCheckMs: 60_000,
      warningApplyMs: 100,
      warningUnaryRequestMs: 300,
      auth: { bcryptCost: 10, certificateNames: false, token: { kind: 'simple', ttlMs: 300_000 } },
      grpcKeepalive: { minTimeMs: 5_000, intervalMs: 7_200_000, timeoutMs: 20_000 },
      log: { level: 'info', format: 'json', outputs: ['stderr'] },
      enablePprof: false,
      extensiveMetrics: false,
      httpAccess: { gateway: true, cors: ['*'], hostWhitelist: ['*'] },
      enableUi: false,
    });
  });

  test.each([
    ['--snapshot-count=0 --snapshot-catchup-entries=0', { snapshotCount: 10_000, snapshotCatchupEntries: 5_000 }],
    ['--max-wals=0', { walFilesMax: 0 }],
    ['--max-concurrent-streams=0', { maxConcurrentStreams: 4_294_967_295 }],
    ['--quota-backend-bytes=0', { quotaBytes: 2_147_483_648 }],
    ['--quota-backend-bytes=-5', { quotaBytes: Infinity }],
    ['--quota-backend-bytes=0x4000000', { quotaBytes: 67_108_864 }],
    [
      '--compaction-batch-limit=-1 --compaction-sleep-interval=0',
      { compactionPauses: { batchRevisions: 1_000, sleepMs: 10 } },
    ],
    ['--compaction-batch-limit=50', { compactionPauses: { batchRevisions: 50, sleepMs: 10 } }],
    ['--experimental-compaction-sleep-interval=1s', { compactionPauses: { batchRevisions: 1_000, sleepMs: 1_000 } }],
    ['--bootstrap-defrag-threshold-megabytes=50', { startDefragMegabytes: 50 }],
    ['--socket-reuse-port --socket-reuse-address', { reusePort: true }],
    ['--raft-read-timeout=7s --raft-write-timeout=1s', { raftReadTimeoutMs: 7_000, raftWriteTimeoutMs: 5_000 }],
    ['--watch-progress-notify-interval=1ms', { watchProgressNotifyMs: 100 }],
    ['--watch-progress-notify-interval=0', { watchProgressNotifyMs: 600_000 }],
    ['--backend-batch-interval=100us', { backendBatchIntervalMs: 0.1 }],
    ['--max-txn-ops=0 --max-request-bytes=0', { maxTxnOps: 0, maxRequestBytes: 0 }],
    ['--grpc-keepalive-min-time=-5s', { grpcKeepalive: { minTimeMs: 0, intervalMs: 7_200_000, timeoutMs: 20_000 } }],
    ['--metrics=extensive', { extensiveMetrics: true }],
    ['--enable-grpc-gateway=false', { httpAccess: { gateway: false, cors: ['*'], hostWhitelist: ['*'] } }],
    [
      '--cors=http://a.example:80',
      { httpAccess: { gateway: true, cors: ['http://a.example:80'], hostWhitelist: ['*'] } },
    ],
    ['--enable-ui', { enableUi: true }],
    ['--host-whitelist=a,b', { httpAccess: { gateway: true, cors: ['*'], hostWhitelist: ['a', 'b'] } }],
    [
      '--bcrypt-cost=4 --auth-token-ttl=10',
      { auth: { bcryptCost: 4, certificateNames: false, token: { kind: 'simple', ttlMs: 10_000 } } },
    ],
    [
      '--bcrypt-cost=3 --auth-token-ttl=0',
      { auth: { bcryptCost: 10, certificateNames: false, token: { kind: 'simple', ttlMs: 300_000 } } },
    ],
    [
      '--auth-token=jwt,pub-key=a.pub,priv-key=a.key,sign-method=RS256,ttl=1m30s',
      {
        auth: {
          bcryptCost: 10,
          certificateNames: false,
          token: { kind: 'jwt', method: 'RS256', publicKeyFile: 'a.pub', privateKeyFile: 'a.key', ttlMs: 90_000 },
        },
      },
    ],
    ['--metrics=foo', { extensiveMetrics: false }],
    ['--data-dir= --wal-dir=', { dataDir: 'default.etcd', walDir: 'default.etcd/member/wal' }],
    ['--data-dir=/d --wal-dir=/w', { dataDir: '/d', walDir: '/w' }],
    ['--initial-cluster-state=existing', { initialClusterState: 'existing' }],
  ])('%s', (flags, expected) => expect(config(flags)).toMatchObject(expected));

  test('cannot be changed', () => {
    const found = config('');
    expect(() => Object.assign(found, { name: 'x' })).toThrow(TypeError);
    expect(() => Object.assign(found.log, { level: 'debug' })).toThrow(TypeError);
    expect(() => Object.assign(found.listenClientUrls, { length: 0 })).toThrow(TypeError);
  });

  test('of one call is not that of another', () => {
    config('--listen-metrics-urls=http://127.0.0.1:1');
    expect(config('').listenMetricsUrls).toEqual([]);
  });
});
