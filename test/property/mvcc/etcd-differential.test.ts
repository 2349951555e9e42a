import assert from 'node:assert/strict';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { fromBinaryString, toHex } from '../../../src/base/bytes.ts';
import { encodeKeyValue } from '../../../src/gen/mvccpb.ts';
import type { HashKv } from '../../../src/mvcc/hash-kv.ts';
import { KEYS, StoreRig, pick, randomQuery, randomRangeEnd, runJob, toQuery } from '../../model/mvcc-rig.ts';
import type { KeyValue, RequestOp } from '../../support/api-messages.ts';
import { RawClient, RpcError } from '../../support/raw-client.ts';
import { NO_ETCD, etcdBinDir, startEtcd } from '../../support/real-etcd.ts';

const LEASES = [0n, 0n, 1n, 0x7fff_ffff_ffff_ffffn];
const STEPS = 400;
const missing = etcdBinDir() === undefined;
if (missing) console.info(`skipped: the store against etcd: ${NO_ETCD}`);

/** Both carry out the same changes; `rig.model` only serves to make up queries. */
class Pair {
  readonly rig = StoreRig.inMemory();
  readonly client: RawClient;
  readonly random: SeededRandom;

  constructor(client: RawClient, random: SeededRandom) {
    this.client = client;
    this.random = random;
  }

  /** A txn of puts to distinct keys and deletes of others: etcd accepts no key twice. */
  async txn(): Promise<void> {
    const { random, rig } = this;
    const txn = rig.store.begin();
    const ops: RequestOp[] = [];
    const used = new Set<string>();
    for (let i = random.below(3); i >= 0; i--) {
      const key = pick(random, KEYS);
      if (used.has(key)) continue;
      used.add(key);
      const bytes = fromBinaryString(key);
      if (random.below(3) > 0) {
        const value = fromBinaryString(`v${random.below(50)}`);
        const lease = pick(random, LEASES);
        txn.put(bytes, value, lease);
        ops.push({ request_put: { key: bytes, value, lease } });
      } else {
        const rangeEnd = fromBinaryString(ops.length === 0 && random.below(4) === 0 ? randomRangeEnd(random) : '');
        txn.deleteRange(bytes, rangeEnd);
        ops.push({ request_delete_range: { key: bytes, range_end: rangeEnd } });
        if (rangeEnd.length > 0) break;
      }
    }
    txn.end();
    rig.model.currentRev = rig.store.currentRev;
    const { header } = await this.client.txn({ success: ops });
    assert.equal(Number(header.revision), rig.store.currentRev);
  }

  async range(): Promise<void> {
    const query = randomQuery(this.random, this.rig.model);
    // Of values that sort alike etcd returns any; only a key is unique.
    if (query.sortTarget !== 0 && query.sortTarget !== 3) query.sortTarget = 0;
    const bytes = toQuery(query);
    const ours = outcome(() => {
      const { kvs, count, more, revision } = this.rig.store.range(bytes);
      return { kvs: kvs.map(toHex), count, more, revision };
    });
    const theirs = await outcomeOf(async () => {
      const response = await this.client.range({
        key: bytes.key,
        range_end: bytes.rangeEnd,
        limit: bytes.limit,
        revision: bytes.revision,
        sort_order: bytes.sortOrder,
        sort_target: bytes.sortTarget,
        keys_only: bytes.keysOnly,
        count_only: bytes.countOnly,
        min_mod_revision: bytes.minModRevision,
        max_mod_revision: bytes.maxModRevision,
        min_create_revision: bytes.minCreateRevision,
        max_create_revision: bytes.maxCreateRevision,
      });
      const { kvs, count, more, header } = response;
      return { kvs: kvs.map(hexOf), count: Number(count), more, revision: Number(header.revision) };
    });
    // Changes of one txn have the same mod revision: any order of those is right.
    if (query.sortTarget === 3) sortKvs(ours, theirs);
    assert.deepEqual({ query, result: ours }, { query, result: theirs });
  }

  async compact(): Promise<void> {
    const { rig, random } = this;
    const revision = random.below(rig.store.currentRev + 2);
    const ours = outcome(() => {
      rig.store.compact(revision);
      runJob(rig.store.compactionJob()!, random, () => {});
    });
    const theirs = await outcomeOf(async () => {
      await this.client.compact({ revision, physical: true });
    });
    assert.deepEqual(ours, theirs);
  }

  async hash(): Promise<void> {
    const revision = this.random.below(3) === 0 ? 0 : 1 + this.random.below(this.rig.store.currentRev + 1);
    const ours = outcome(() => {
      const job = this.rig.store.hashKvJob(revision);
      const { hash, hashRevision, compactRevision, revision: at } = runJob<HashKv>(job, this.random, () => {});
      return { hash, hashRevision, compactRevision, revision: at };
    });
    const theirs = await outcomeOf(async () => {
      const { hash, compact_revision, hash_revision, header } = await this.client.hashKv(revision);
      return {
        hash,
        hashRevision: Number(hash_revision),
        compactRevision: Number(compact_revision),
        revision: Number(header.revision),
      };
    });
    // etcd tells the hashed revision since 3.6.
    if ('value' in theirs && 'value' in ours && theirs.value.hashRevision === 0) ours.value.hashRevision = 0;
    assert.deepEqual({ revision, result: ours }, { revision, result: theirs });
  }

  async step(): Promise<void> {
    const { random, rig } = this;
    const choice = random.below(20);
    if (choice < 9) await this.txn();
    else if (choice < 14) await this.range();
    else if (choice < 18) await this.hash();
    else if (choice === 18) await this.compact();
    else rig.flush();
  }
}

type Outcome<T> = { value: T } | { error: string };

function outcome<T>(run: () => T): Outcome<T> {
  try {
    return { value: run() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

async function outcomeOf<T>(run: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await run() };
  } catch (error) {
    if (error instanceof RpcError) return { error: error.message };
    throw error;
  }
}

function sortKvs(...outcomes: Outcome<{ kvs: string[] }>[]): void {
  for (const outcome of outcomes) if ('value' in outcome) outcome.value.kvs.sort();
}

function hexOf({ key, create_revision, mod_revision, version, value, lease }: KeyValue): string {
  const numbers = {
    createRevision: Number(create_revision),
    modRevision: Number(mod_revision),
    version: Number(version),
  };
  return toHex(encodeKeyValue({ key, value, lease, ...numbers }));
}

describe.skipIf(missing)('the store against a real etcd', () => {
  test.each([1, 2, 3])('answers and hashes alike, seed %i', async (seed) => {
    const server = await startEtcd();
    const client = new RawClient(server.endpoint);
    try {
      for (const lease of LEASES.slice(2)) await client.leaseGrant({ ID: lease, TTL: 10_000 });
      const pair = new Pair(client, new SeededRandom(seed));
      for (let i = 0; i < STEPS; i++) await pair.step();
      expect(pair.rig.store.currentRev).toBeGreaterThan(STEPS / 5);
    } finally {
      client.close();
      await server.stop();
    }
  });
});
