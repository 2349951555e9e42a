/** What single operations add to the counters: on a real etcd and on quorate the same. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http } from '../../support/http.ts';
import { quorateExists } from '../../support/quorate-process.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { scrape } from '../../support/metrics.ts';
import { samplesOf } from '../../support/exposition.ts';
import { etcdBinDir, NO_ETCD } from '../../support/real-etcd.ts';
import { Target } from '../../support/target.ts';
import { openWatch, takeEvents } from '../../support/watch-helpers.ts';

const available = etcdBinDir() !== undefined && quorateExists();
if (!available) console.info(`skipped: values of metrics: ${NO_ETCD}`);

/** What an operation changes for certain, and by so much. Times and bytes on disk are not of that kind. */
const COUNTED = [
  /^etcd_mvcc_(range|put|delete|txn)_total$/,
  /^etcd_debugging_mvcc_(range_total|keys_total|total_put_size_in_bytes|events_total|current_revision|compact_revision)$/,
  /^etcd_debugging_mvcc_(watch_stream_total|watcher_total|slow_watcher_total|db_compaction_keys_total)$/,
  /^etcd_debugging_mvcc_(index_compaction_pause|db_compaction_total)_duration_milliseconds_count$/,
  /^etcd_debugging_lease_(granted|revoked|renewed)_total$/,
  /^etcd_debugging_lease_ttl_total_(sum|count|bucket)/,
  /^etcd_debugging_server_lease_expired_total$/,
  /^etcd_debugging_auth_revision$/,
  /^etcd_server_proposals_(committed|applied|failed)_total$/,
  /^etcd_server_(health_success|health_failures|healthcheck|healthchecks_total|client_requests_total)/,
  /^etcd_server_apply_duration_seconds_count/,
  /^etcd_mvcc_hash_(rev_)?duration_seconds_count$/,
  /^etcd_disk_backend_(defrag|snapshot)_duration_seconds_count$/,
  /^etcd_network_client_grpc_received_bytes_total$/,
  /^grpc_server_(started|handled|msg_received|msg_sent)_total/,
];

interface Operation {
  readonly name: string;
  readonly run: (client: RawClient, endpoint: string) => Promise<unknown>;
  /** What must be among the changes, so that equal nonsense does not pass. */
  readonly expected: Readonly<Record<string, number>>;
  /** What differs for a reason given where the operation is. */
  readonly except?: RegExp;
}

const KEY = { key: 'v/a' };
const HERE = { ...KEY, target: 'VERSION', result: 'GREATER', version: 0 } as const;

const OPERATIONS: readonly Operation[] = [
  {
    name: 'put',
    run: (client) => client.put({ ...KEY, value: 'value' }),
    expected: {
      etcd_mvcc_put_total: 1,
      etcd_debugging_mvcc_keys_total: 1,
      etcd_debugging_mvcc_total_put_size_in_bytes: 8,
      etcd_server_proposals_committed_total: 1,
      'grpc_server_handled_total{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}': 1,
      'etcd_server_client_requests_total{client_api_version="unknown",type="unary"}': 1,
    },
  },
  {
    name: 'put with prev_kv',
    run: (client) => client.put({ ...KEY, value: 'v2', prev_kv: true }),
    expected: { etcd_mvcc_put_total: 1, etcd_mvcc_range_total: 1, etcd_mvcc_txn_total: 1 },
  },
  {
    name: 'put that keeps the value',
    run: (client) => client.put({ ...KEY, ignore_value: true }),
    expected: { etcd_mvcc_put_total: 1, etcd_mvcc_range_total: 1, etcd_debugging_mvcc_total_put_size_in_bytes: 5 },
  },
  {
    name: 'range',
    run: (client) => client.range({ key: 'v/', range_end: 'v0' }),
    expected: { etcd_mvcc_range_total: 1, etcd_debugging_mvcc_range_total: 1 },
  },
  {
    name: 'serializable range',
    run: (client) => client.range({ ...KEY, serializable: true }),
    expected: { etcd_mvcc_range_total: 1 },
  },
  {
    name: 'read-only txn',
    run: (client) => client.txn({ compare: [HERE], success: [{ request_range: KEY }] }),
    expected: { etcd_mvcc_range_total: 2, etcd_mvcc_txn_total: 1 },
  },
  {
    name: 'read-only txn of one range',
    run: (client) => client.txn({ success: [{ request_range: KEY }] }),
    expected: { etcd_mvcc_range_total: 1 },
  },
  {
    name: 'txn that compares and puts',
    run: (client) => client.txn({ compare: [HERE], success: [{ request_put: { ...KEY, value: 'x' } }] }),
    expected: { etcd_mvcc_range_total: 1, etcd_mvcc_put_total: 1 },
  },
  {
    name: 'txn with two comparisons, a put and a range',
    run: (client) =>
      client.txn({
        compare: [HERE, HERE],
        success: [{ request_put: { ...KEY, value: 'x' } }, { request_range: KEY }],
      }),
    expected: { etcd_mvcc_range_total: 3, etcd_mvcc_put_total: 1, etcd_mvcc_txn_total: 2 },
  },
  {
    name: 'txn refused before it writes',
    run: (client) => client.txn({ success: [{ request_put: { key: 'none', ignore_value: true } }] }).catch(() => {}),
    expected: {
      etcd_mvcc_range_total: 1,
      'etcd_server_apply_duration_seconds_count{op="Txn",success="false",version="v3"}': 1,
      'grpc_server_handled_total{grpc_code="InvalidArgument",grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"}': 1,
    },
  },
  {
    name: 'watch',
    run: async (client) => {
      const { stream } = await openWatch(client, { ...KEY, start_revision: 2 });
      await takeEvents(stream, 5);
      stream.cancel();
    },
    expected: {
      etcd_debugging_mvcc_events_total: 5,
      'grpc_server_handled_total{grpc_code="Canceled",grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"}': 1,
    },
  },
  {
    name: 'delete with prev_kv',
    run: (client) => client.deleteRange({ key: 'v/', range_end: 'v0', prev_kv: true }),
    expected: { etcd_mvcc_delete_total: 1, etcd_mvcc_range_total: 1, etcd_debugging_mvcc_keys_total: -1 },
  },
  {
    name: 'lease grant',
    run: (client) => client.leaseGrant({ ID: 4711, TTL: 600 }),
    expected: { etcd_debugging_lease_granted_total: 1, etcd_debugging_lease_ttl_total_sum: 600 },
  },
  {
    name: 'lease revoke with two keys',
    run: async (client) => {
      for (const key of ['l/a', 'l/b']) await client.put({ key, value: '', lease: 4711 });
      await client.leaseRevoke(4711);
    },
    expected: { etcd_debugging_lease_revoked_total: 1, etcd_mvcc_delete_total: 2, etcd_mvcc_txn_total: 1 },
  },
  {
    name: 'lease revoke of none',
    run: (client) => client.leaseRevoke(4711).catch(() => {}),
    expected: { 'etcd_server_apply_duration_seconds_count{op="LeaseRevoke",success="false",version="v3"}': 1 },
  },
  {
    name: 'compaction',
    run: (client) => client.compact({ revision: 6, physical: true }),
    expected: {
      etcd_debugging_mvcc_compact_revision: 7,
      etcd_debugging_mvcc_db_compaction_keys_total: 4,
      etcd_debugging_mvcc_db_compaction_total_duration_milliseconds_count: 1,
    },
    // For the revision in its answer, etcd does a range.
    except: /range_total/,
  },
  {
    name: 'compaction that comes too late',
    run: (client) => client.compact({ revision: 2 }).catch(() => {}),
    expected: { 'etcd_server_apply_duration_seconds_count{op="Compaction",success="true",version="v3"}': 1 },
    except: /range_total/,
  },
  {
    name: 'hashes',
    run: async (client) => [await client.hash(), await client.hashKv()],
    expected: { etcd_mvcc_hash_duration_seconds_count: 1, etcd_mvcc_hash_rev_duration_seconds_count: 1 },
  },
  {
    name: 'defragmentation and snapshot',
    run: async (client) => [await client.defragment(), await client.snapshot().drain()],
    expected: {
      etcd_disk_backend_defrag_duration_seconds_count: 1,
      etcd_disk_backend_snapshot_duration_seconds_count: 1,
    },
    // As many messages as the file has pieces.
    except: /msg_sent_total\{grpc_method="Snapshot"/,
  },
  {
    name: 'user added twice',
    run: async (client) => {
      const user = { name: 'u', options: { no_password: true } };
      await client.unary('etcdserverpb.Auth', 'UserAdd', user);
      await client.unary('etcdserverpb.Auth', 'UserAdd', user).catch(() => {});
    },
    expected: {
      etcd_debugging_auth_revision: 1,
      'etcd_server_apply_duration_seconds_count{op="AuthUserAdd",success="false",version="v3"}': 1,
    },
  },
  {
    name: 'health checks, well and with an alarm',
    run: async (client, endpoint) => {
      const alarm = { memberID: 1, alarm: 'NOSPACE' } as const;
      for (const path of ['health', 'livez', 'readyz']) await http(`http://${endpoint}/${path}`);
      await client.alarm({ ...alarm, action: 'ACTIVATE' });
      await http(`http://${endpoint}/health`);
      await client.alarm({ ...alarm, action: 'DEACTIVATE' });
    },
    expected: {
      etcd_server_health_success: 1,
      etcd_server_health_failures: 1,
      'etcd_server_healthchecks_total{name="linearizable_read",status="success",type="readyz"}': 1,
    },
  },
];

describe.skipIf(!available)("values of metrics, etcd's and quorate's", () => {
  const targets: Target[] = [];

  beforeAll(async () => {
    targets.push(...(await Promise.all((['etcd', 'quorate'] as const).map((kind) => Target.start(kind)))));
  });

  afterAll(() => Promise.all(targets.map((target) => target.stop())));

  it.for(OPERATIONS)('$name', async ({ run, expected, except }) => {
    const changes = await Promise.all(
      targets.map(async ({ client, server }) => {
        const before = await counted(server.endpoint);
        await run(client, server.endpoint);
        return { before, endpoint: server.endpoint };
      }),
    );
    // A stream's end is counted when the server sees it, maybe after the client.
    await expect
      .poll(
        async () => {
          const [etcd, quorate] = await Promise.all(
            changes.map(async ({ before, endpoint }) => difference(before, await counted(endpoint), except)),
          );
          return {
            missing: missing(etcd ?? {}, expected),
            quorate: JSON.stringify(quorate) === JSON.stringify(etcd) ? 'same' : { quorate, etcd },
          };
        },
        { timeout: 10_000 },
      )
      .toEqual({ missing: {}, quorate: 'same' });
  });
});

async function counted(endpoint: string): Promise<Map<string, number>> {
  const samples = [...samplesOf(await scrape(endpoint))];
  return new Map(samples.filter(([key]) => COUNTED.some((pattern) => pattern.test(key))));
}

function difference(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  except: RegExp | undefined,
): Record<string, number> {
  const changed = [...after]
    .map(([key, value]): [string, number] => [key, value - (before.get(key) ?? 0)])
    .filter(([key, by]) => by !== 0 && except?.test(key) !== true);
  return Object.fromEntries(changed.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Of `expected`, what is not there like that. */
function missing(found: Record<string, number>, expected: Readonly<Record<string, number>>): Record<string, unknown> {
  const wrong = Object.entries(expected).filter(([key, value]) => found[key] !== value);
  return Object.fromEntries(wrong.map(([key, value]) => [key, { expected: value, found: found[key] }]));
}
