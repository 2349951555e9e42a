import { describe, expect, test } from 'vitest';
import { fromBinaryString } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import type { Borrower, Table } from '../../../src/mvcc/backend.ts';
import { CountIndex } from '../../../src/mvcc/count-index.ts';
import type { ScanCursor, ScanReader } from '../../../src/mvcc/overlay.ts';
import { StoreRig, toQuery } from '../../model/mvcc-rig.ts';
import { modelQuery } from '../../model/mvcc-model.ts';

const NO_VALUE = new Uint8Array(0);

function keyName(i: number): string {
  return `/registry/${String(i % 7)}/${String(i).padStart(5, '0')}`;
}

function bytes(text: string): Uint8Array {
  return fromBinaryString(text);
}

/** Passes reads on and counts the rows that cursors come to. */
class CountingReader implements ScanReader {
  rows = 0;
  readonly #inner: ScanReader;

  constructor(inner: ScanReader) {
    this.#inner = inner;
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.#inner.get(table, key);
  }

  lend(table: Table, key: Uint8Array, borrower: Borrower): boolean {
    return this.#inner.lend(table, key, borrower);
  }

  last(table: Table, before?: Uint8Array): { key: Uint8Array; value: Uint8Array } | undefined {
    return this.#inner.last(table, before);
  }

  cursor(table: Table): ScanCursor {
    const inner = this.#inner.cursor(table);
    const visit = (found: boolean): boolean => {
      this.rows++;
      return found;
    };
    return {
      seek: (key) => visit(inner.seek(key)),
      next: () => visit(inner.next()),
      close: () => inner.close(),
      lendValue: (borrower) => inner.lendValue(borrower),
      get key() {
        return inner.key;
      },
      get value() {
        return inner.value;
      },
    };
  }
}

describe('CountIndex', () => {
  test.each([1, 2, 3])('counts any interval at any revision it remembers, seed %i', (seed) => {
    const random = new SeededRandom(seed);
    const rig = StoreRig.inMemory();
    const live = new Set<string>();
    const past: { revision: number; keys: string[] }[] = [];
    const check = (): void => {
      past.push({ revision: rig.store.currentRev, keys: [...live] });
      const { revision, keys } = past[random.below(past.length)]!;
      const start = keyName(random.below(4000));
      const end = random.below(4) === 0 ? '\0' : keyName(random.below(4000));
      const expected = keys.filter((key) => key >= start && (end === '\0' || key < end)).length;
      for (const countOnly of [true, false]) {
        const query = modelQuery(start, end, { countOnly, limit: 1, revision });
        expect(rig.store.range(toQuery(query)).count).toBe(expected);
      }
    };
    for (let i = 0; i < 400; i++) {
      // It grows first and shrinks later, so that runs are cut and joined.
      const growing = i < 250;
      const txn = rig.store.begin();
      for (let k = 0; k < 20; k++) {
        const key = keyName(random.below(4000));
        if (random.below(10) < (growing ? 8 : 3)) {
          txn.put(bytes(key), NO_VALUE, 0n);
          live.add(key);
        } else {
          txn.deleteRange(bytes(key), NO_VALUE);
          live.delete(key);
        }
      }
      if (random.below(50) === 0) {
        const [start, end] = [keyName(random.below(4000)), keyName(random.below(4000))];
        txn.deleteRange(bytes(start), bytes(end));
        for (const key of live) if (key >= start && key < end) live.delete(key);
      }
      txn.end();
      expect(rig.store.keyCount).toBe(live.size);
      if (i % 5 === 0) check();
      if (random.below(40) === 0) rig.reopenIfItCan();
    }
    rig.close();
  });

  test('walks no more than the outermost runs, also after a restart', () => {
    const rig = StoreRig.inMemory();
    const txn = rig.store.begin();
    for (let i = 0; i < 10_000; i++) txn.put(bytes(`k${String((i * 7919) % 10_000).padStart(4, '0')}`), NO_VALUE, 0n);
    txn.end();
    rig.reopenIfItCan();
    const reader = new CountingReader(rig.buffer);
    const index = new CountIndex(reader, rig.store.currentRev);
    expect(reader.rows).toBeLessThan(300);
    reader.rows = 0;
    expect(index.count(reader, bytes('k0100'), bytes('k9900'), rig.store.currentRev)).toBe(9800);
    expect(reader.rows).toBeLessThan(300);
    expect(index.total).toBe(10_000);
    rig.close();
  });

  test('forgets old changes, and says so', () => {
    const rig = StoreRig.inMemory();
    for (let i = 0; i < 20_000; i++) {
      const txn = rig.store.begin();
      if (i % 2 === 0) txn.put(bytes('k'), NO_VALUE, 0n);
      else txn.deleteRange(bytes('k'), NO_VALUE);
      txn.end();
    }
    const { currentRev } = rig.store;
    expect(rig.store.countLive(bytes('a'), undefined, 2)).toBeUndefined();
    expect(rig.store.countLive(bytes('a'), undefined, currentRev - 1)).toBe(1);
    expect(rig.store.countLive(bytes('a'), undefined, currentRev)).toBe(0);
    for (const revision of [2, 3]) {
      const query = modelQuery('a', '\0', { countOnly: true, revision });
      expect(rig.store.range(toQuery(query)).count).toBe(revision === 2 ? 1 : 0);
    }
    rig.close();
  });

  test('is cut anew where the table is missing', () => {
    const rig = StoreRig.inMemory();
    const txn = rig.store.begin();
    for (let i = 0; i < 1000; i++) txn.put(bytes(keyName(i)), NO_VALUE, 0n);
    txn.end();
    rig.flush();
    const rows: Uint8Array[] = [];
    const cursor = rig.buffer.cursor('blocks');
    for (let found = cursor.seek(bytes('\0')); found; found = cursor.next()) rows.push(cursor.key);
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows) rig.buffer.delete('blocks', row);
    rig.reopenIfItCan();
    expect(rig.store.keyCount).toBe(1000);
    expect(rig.store.countLive(bytes(keyName(7)), bytes(keyName(700)), rig.store.currentRev)).toBe(99);
    rig.close();
  });
});
