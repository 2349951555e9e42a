/** What a member keeps in its database beside the log, read from it. */
import { Alarms } from '../apply/alarms.ts';
import { AuthStore } from '../auth/auth-store.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { leaseTableKey } from '../lease/lease-table.ts';
import { Lessor } from '../lease/lessor.ts';
import { Cluster } from '../membership/cluster.ts';
import { persistsCheckpoints } from '../membership/versions.ts';
import type { Reader, Table } from '../mvcc/backend.ts';
import { MvccStore } from '../mvcc/store.ts';
import type { WriteBuffer } from '../mvcc/write-buffer.ts';

const REVOKE_RETRY_MS = 7000;

export interface StateMachines {
  readonly store: MvccStore;
  readonly lessor: Lessor;
  readonly alarms: Alarms;
  readonly cluster: Cluster;
  readonly auth: AuthStore;
}

/** Throws where a row cannot be what it should be. */
export function readStateMachines(
  buffer: WriteBuffer,
  config: Pick<ServerConfig, 'electionMs' | 'leaseCheckpointMs' | 'featureGates'>,
): StateMachines {
  const store = new MvccStore(buffer);
  const cluster = new Cluster({
    put: (table, key, value) => buffer.put(table, key, value),
    delete: (table, key) => buffer.delete(table, key),
    rows: (table) => rows(buffer, table),
  });
  const lessor = new Lessor(
    {
      ttlSecondsMin: ttlSecondsMin(config.electionMs),
      revokeRetryMs: REVOKE_RETRY_MS,
      checkpointIntervalMs: config.leaseCheckpointMs,
      checkpointPersist: () => config.featureGates.LeaseCheckpointPersist || persistsCheckpoints(cluster.version),
    },
    {
      put: (id, record) => buffer.put('lease', leaseTableKey(id), record),
      delete: (id) => buffer.delete('lease', leaseTableKey(id)),
    },
    { keysOf: (id) => store.keysOf(id) },
  );
  lessor.load(rows(buffer, 'lease'));
  const alarms = new Alarms({
    put: (key, value) => buffer.put('alarm', key, value),
    delete: (key) => buffer.delete('alarm', key),
    keys: () => [...rows(buffer, 'alarm')].map(({ key }) => key),
  });
  const auth = new AuthStore({
    put: (table, key, value) => buffer.put(table, key, value),
    delete: (table, key) => buffer.delete(table, key),
    rows: (table) => rows(buffer, table),
  });
  return { store, lessor, alarms, cluster, auth };
}

/** As etcd: one and a half election timeouts, in whole seconds. */
function ttlSecondsMin(electionMs: number): number {
  return Math.ceil((3 * electionMs) / 2000);
}

function* rows(reader: Reader, table: Table): Generator<{ key: Uint8Array; value: Uint8Array }> {
  const cursor = reader.cursor(table);
  for (let found = cursor.seek(new Uint8Array(1)); found; found = cursor.next()) {
    yield { key: cursor.key, value: cursor.value };
  }
}
