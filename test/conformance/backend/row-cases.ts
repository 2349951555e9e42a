/** Rows: order, tables, values, last(). */
import { expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { TABLES } from '../../../src/mvcc/backend.ts';
import { bytes, commit, longKey, scan, text, withView } from './support.ts';
import type { Subject } from './support.ts';

export function rowCases(subject: Subject): void {
  test('an empty table has no rows', () => {
    withView(subject(), (view) => {
      for (const table of TABLES) {
        expect(scan(view, table)).toEqual([]);
        expect(view.last(table)).toBeUndefined();
        expect(view.get(table, bytes('a'))).toBeUndefined();
      }
    });
  });

  test('lend gives what get gives, and nothing for an absent row', async () => {
    const keys = [bytes('short'), bytes(0), longKey(5000, 1)];
    const value = (at: number): Uint8Array => new Uint8Array([0, 10, 40_000][at] ?? 0).fill(at + 1);
    await commit(subject(), (batch) => keys.forEach((key, at) => batch.put('rev', key, value(at))));
    withView(subject(), (view) => {
      const lent = (key: Uint8Array): string | undefined => {
        let seen: string | undefined;
        const found = view.lend('rev', key, {
          take: (from, start, end) => void (seen = toHex(from.slice(start, end))),
        });
        expect(found).toBe(seen !== undefined);
        return seen;
      };
      keys.forEach((key, at) => expect(lent(key)).toBe(toHex(value(at))));
      for (const absent of [bytes('shor'), bytes('shortt'), longKey(5000, 2)]) expect(lent(absent)).toBeUndefined();
    });
  });

  test('tables do not mix', async () => {
    await commit(subject(), (batch) => {
      for (const table of TABLES) batch.put(table, bytes('key'), bytes(table));
    });
    withView(subject(), (view) => {
      for (const table of TABLES) expect(scan(view, table)).toEqual([[toHex(bytes('key')), toHex(bytes(table))]]);
    });
  });

  test('order is byte order, with 0x00 and 0xff anywhere', async () => {
    const keys = [
      bytes(0),
      bytes(0, 0),
      bytes(0, 1),
      bytes(0, 0xff),
      bytes(1),
      bytes('a'),
      bytes('a', 0),
      bytes('a', 0, 0),
      bytes('a', 0xff),
      bytes('b'),
      bytes(0x7f),
      bytes(0x80),
      bytes(0xc3, 0xa9),
      bytes(0xff),
      bytes(0xff, 0),
      bytes(0xff, 0xff),
      bytes(0xff, 0xff, 0xff),
    ];
    await commit(subject(), (batch) => {
      for (const key of keys.toReversed()) batch.put('cur', key, bytes('v', toHex(key)));
    });
    withView(subject(), (view) => {
      expect(scan(view, 'cur')).toEqual(keys.map((key) => [toHex(key), toHex(bytes('v', toHex(key)))]));
      for (const [i, key] of keys.entries()) {
        expect(text(view.get('cur', key))).toBe(`v${toHex(key)}`);
        expect(view.last('cur', key)?.key).toEqual(keys[i - 1]);
      }
    });
  });

  test('values of any length', async () => {
    const lengths = [0, 1, 63, 64, 65, 2000, 4096, 16_384, 16_385, 70_000, 3_000_000, 17 * 1024 * 1024];
    await commit(subject(), (batch) => {
      for (const length of lengths) batch.put('rev', bytes(`${length}`), new Uint8Array(length).fill(length & 0xff));
    });
    withView(subject(), (view) => {
      for (const length of lengths) {
        expect(Buffer.compare(view.get('rev', bytes(`${length}`))!, Buffer.alloc(length, length & 0xff))).toBe(0);
      }
      const cursor = view.cursor('rev');
      let rows = 0;
      for (let on = cursor.seek(bytes('0')); on; on = cursor.next()) {
        expect(cursor.value.length).toBe(Number(text(cursor.key)));
        rows++;
      }
      expect(rows).toBe(lengths.length);
    });
  });

  test('last() is the last row, or the last before a key', async () => {
    await commit(subject(), (batch) => {
      for (const key of ['b', 'd', 'f']) batch.put('hist', bytes(key), bytes(key.toUpperCase()));
    });
    withView(subject(), (view) => {
      const last = (before?: Uint8Array): string | undefined => text(view.last('hist', before)?.value);
      expect(last()).toBe('F');
      expect(last(bytes('a'))).toBeUndefined();
      expect(last(bytes('b'))).toBeUndefined();
      expect(last(bytes('b', 0))).toBe('B');
      expect(last(bytes('c'))).toBe('B');
      expect(last(bytes('d'))).toBe('B');
      expect(last(bytes('f'))).toBe('D');
      expect(last(bytes('fz'))).toBe('F');
      expect(last(new Uint8Array(0))).toBeUndefined();
      expect(last(bytes(0xff, 0xff))).toBe('F');
      expect(view.last('rev')).toBeUndefined();
    });
  });
}
