/** A store beside the model, driven with the same operations; and random operations to drive them. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { fromBinaryString, toBinaryString, toHex } from '../../src/base/bytes.ts';
import type { SeededRandom } from '../../src/base/random.ts';
import { encodeKeyValue } from '../../src/gen/mvccpb.ts';
import type { Backend } from '../../src/mvcc/backend.ts';
import type { MvccEvent } from '../../src/mvcc/event.ts';
import type { RangeQuery, RangeResult } from '../../src/mvcc/range.ts';
import { MvccStore } from '../../src/mvcc/store.ts';
import { WriteBuffer } from '../../src/mvcc/write-buffer.ts';
import type { Job } from '../../src/ports/job.ts';
import { MemoryBackend } from '../../src/storage/memory-backend.ts';
import {
  type ModelHash,
  type ModelQuery,
  type ModelResult,
  type ModelVersion,
  MvccModel,
  bothOrError,
  encodeModelRow,
  modelQuery,
} from './mvcc-model.ts';

export const LONG_KEY = 'long'.repeat(1250);

/** Few keys, so that they get many versions; with bytes that an encoding could trip over. */
export const KEYS: readonly string[] = [
  'a',
  'a\0',
  'a\0\0',
  'a\0\x01',
  'a\0\xff',
  'a\x01',
  'aa',
  'a\xff',
  'a\xff\xff',
  'b',
  'b\0b',
  '\0',
  '\x01',
  '\xff',
  '\xff\xff',
  '/registry/pods/default/web-1',
  '/registry/pods/default/web-2',
  '/registry/pods/kube-system/dns',
  LONG_KEY,
  `${LONG_KEY}\0`,
];

export const LEASES: readonly bigint[] = [0n, 0n, 1n, 0x7fff_ffff_ffff_ffffn, 0x1_0000_0000n, -5n];

/** A store over a backend, and the model. */
export class StoreRig<B extends Backend = Backend> {
  readonly model: MvccModel;
  readonly backend: B;
  /** The ends of commits that wait to be called, when the rig has them under control. */
  readonly #later: (() => void)[] | undefined;
  buffer: WriteBuffer;
  store: MvccStore;

  constructor(backend: B, model = new MvccModel(), later?: (() => void)[]) {
    this.backend = backend;
    this.model = model;
    this.#later = later;
    this.buffer = new WriteBuffer(backend);
    this.store = new MvccStore(this.buffer);
  }

  /** Flushes take as long as the test wants: until endFlush. */
  static inMemory(): StoreRig<MemoryBackend> {
    const later: (() => void)[] = [];
    return new StoreRig(new MemoryBackend({ later: (run) => later.push(run) }), new MvccModel(), later);
  }

  /** What the pending compaction is to hash, if it does. */
  #compactionHash: ModelHash | undefined;

  /** Compacts both, or throws the error that both agree on. */
  compact(revision: number): void {
    const whole = this.store.finishedCompactRev === this.store.compactRev;
    const both = bothOrError(
      () => this.store.compact(revision),
      () => this.model.compact(revision),
    );
    if ('errors' in both) {
      assert.equal(both.errors[0], both.errors[1]);
      return;
    }
    this.#compactionHash = whole ? both.b : undefined;
    assert.equal(this.store.compactRev, revision);
  }

  /** Runs the compaction job; leaves it unfinished after its first step if `cutShort`. */
  scrub(random: SeededRandom, between: () => void, cutShort = false): void {
    const job = this.store.compactionJob();
    if (job === undefined) {
      assert.equal(this.store.finishedCompactRev, this.store.compactRev);
      return;
    }
    assert.equal(this.store.compactionJob(), undefined);
    const hash = this.#compactionHash;
    this.#compactionHash = undefined;
    if (cutShort) {
      const finished = job.step(1 + random.below(20));
      job.close();
      if (!finished) return;
    } else {
      runJob(job, random, between);
    }
    if (hash !== undefined) this.model.compactionHashes.push(hash);
    if (this.model.compactionHashes.length > 10) this.model.compactionHashes.shift();
  }

  /** Starts a flush, unless one is under way or nothing is pending. */
  beginFlush(): void {
    if (this.buffer.flushing) return;
    const batch = this.buffer.beginFlush();
    if (batch === undefined) return;
    this.backend.commit(batch, (error) => {
      assert.equal(error, undefined);
      this.buffer.endFlush();
    });
  }

  endFlush(): void {
    this.#later?.shift()?.();
  }

  /** Of a rig in memory. */
  flush(): void {
    this.endFlush();
    this.beginFlush();
    this.endFlush();
    assert.equal(this.buffer.bytes, 0);
  }

  /** Of any rig. */
  async flushed(): Promise<void> {
    while (this.buffer.flushing || this.buffer.bytes > 0) {
      this.beginFlush();
      this.endFlush();
      await setImmediate();
    }
  }

  reopenIfItCan(): void {
    if (this.#later === undefined) return;
    this.flush();
    this.reopen();
  }

  /** Opens again what was flushed. */
  reopen(): void {
    assert.equal(this.buffer.bytes, 0);
    this.buffer.close();
    this.#compactionHash = undefined;
    this.model.compactionHashes.length = 0;
    this.buffer = new WriteBuffer(this.backend);
    this.store = new MvccStore(this.buffer);
  }

  close(): void {
    this.endFlush();
    this.buffer.close();
    this.backend.close();
  }
}

export function pick<T>(random: SeededRandom, items: readonly T[]): T {
  return items[random.below(items.length)] as T;
}

export function randomRangeEnd(random: SeededRandom): string {
  return pick(random, ['', '', '\0', 'a\xff', 'b', '\xff', '/registry0', ...KEYS]);
}

/** One write transaction of a few changes, on both; checks what it answers and the events it makes. */
export function randomTxn(rig: StoreRig, random: SeededRandom): void {
  const { model, store } = rig;
  const first = model.versions.length;
  const txn = store.begin();
  for (let ops = random.below(4); ops >= 0; ops--) {
    const key = pick(random, KEYS);
    const choice = random.below(10);
    if (choice < 6) {
      const value = 'v'.repeat(random.below(6)) + String(random.below(100));
      const lease = pick(random, LEASES);
      txn.put(fromBinaryString(key), fromBinaryString(value), lease);
      model.put(key, value, lease);
    } else if (choice < 8) {
      const rangeEnd = random.below(3) === 0 ? randomRangeEnd(random) : '';
      const deleted = txn.deleteRange(fromBinaryString(key), fromBinaryString(rangeEnd));
      assert.equal(deleted, model.deleteRange(key, rangeEnd));
    } else {
      const query = randomQuery(random, model);
      const both = bothOrError(
        () => txn.range(toQuery(query)),
        () => model.range(query),
      );
      expectSameRange(both, query);
    }
    assert.equal(txn.revision, model.revision);
  }
  const events = txn.end();
  model.end();
  assert.equal(store.currentRev, model.currentRev);
  expectSameEvents(rig, events, model.versions.slice(first));
}

export function expectSameEvents(
  { store, model }: StoreRig,
  events: readonly MvccEvent[],
  changes: readonly ModelVersion[],
): void {
  const actual = events.map((event) => ({
    type: event.type,
    key: toBinaryString(event.key),
    main: event.main,
    sub: event.sub,
    createRevision: event.createRevision,
    kv: hex(event.kv),
    prevKv: hex(store.prevKv(event)),
  }));
  const expected = changes.map((change) => {
    const { key, main, sub, createRevision } = change;
    const previous = model.prevOf(change);
    return {
      type: change.tombstone ? 1 : 0,
      key,
      main,
      sub,
      createRevision,
      kv: hex(
        change.tombstone ? encodeKeyValue({ key: fromBinaryString(key), modRevision: main }) : encodeModelRow(change),
      ),
      prevKv: hex(previous && encodeModelRow(previous)),
    };
  });
  assert.deepEqual(actual, expected);
}

export function randomQuery(random: SeededRandom, model: MvccModel): ModelQuery {
  const revision = (): number => (random.below(2) === 0 ? 0 : random.below(model.currentRev + 3));
  const filter = (): number => (random.below(5) === 0 ? random.below(model.currentRev + 2) : 0);
  return modelQuery(pick(random, KEYS), randomRangeEnd(random), {
    limit: pick(random, [0, 0, 1, 2, 3, 10, -1]),
    revision: pick(random, [0, 0, -1, revision(), revision()]),
    sortOrder: random.below(3),
    sortTarget: random.below(5),
    keysOnly: random.below(4) === 0,
    countOnly: random.below(8) === 0,
    minModRevision: filter(),
    maxModRevision: filter(),
    minCreateRevision: filter(),
    maxCreateRevision: filter(),
  });
}

export function toQuery(query: ModelQuery): RangeQuery {
  return { ...query, key: fromBinaryString(query.key), rangeEnd: fromBinaryString(query.rangeEnd) };
}

export function expectSameRange(
  both: { a: RangeResult; b: ModelResult } | { errors: [string, string] },
  query: ModelQuery,
): void {
  const note = JSON.stringify(query).slice(0, 300);
  if ('errors' in both) {
    assert.equal(both.errors[0], both.errors[1], note);
    return;
  }
  const { a, b } = both;
  const expected = b.kvs.map((kv) => hex(encodeModelRow(kv)));
  assert.deepEqual({ ...a, kvs: a.kvs.map(hex) }, { ...b, kvs: expected });
}

/** Steps a job to its end in slices of random size, with `between` called after each slice that did not finish it. */
export function runJob<T>(job: Job<T>, random: SeededRandom, between: () => void, unitsMax = 8): T {
  try {
    while (!job.step(1 + random.below(unitsMax))) between();
    return job.result();
  } finally {
    job.close();
  }
}

export function hex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'none' : toHex(bytes);
}
