/** Cursors, and the bytes that views give out. */
import { beforeEach, expect, test } from 'vitest';
import { bytes, commit, lent, scan, text, withView } from './support.ts';
import type { Subject } from './support.ts';

export function cursorCases(subject: Subject): void {
  beforeEach(async () => {
    await commit(subject(), (batch) => {
      for (const key of ['b', 'd', 'f']) batch.put('cur', bytes(key), bytes(key.toUpperCase()));
    });
  });

  test('a cursor goes to the first row at or after a key, and on to the end', () => {
    withView(subject(), (view) => {
      const cursor = view.cursor('cur');
      const seek = (key: Uint8Array): string | undefined => (cursor.seek(key) ? text(cursor.key) : undefined);
      expect(seek(new Uint8Array(0))).toBe('b');
      expect(seek(bytes('a'))).toBe('b');
      expect(seek(bytes('b'))).toBe('b');
      expect(seek(bytes('b', 0))).toBe('d');
      expect(text(cursor.value)).toBe('D');
      expect(text(lent(cursor))).toBe('D');
      expect(cursor.next()).toBe(true);
      expect(text(cursor.key)).toBe('f');
      expect(cursor.next()).toBe(false);
      expect(seek(bytes('g'))).toBeUndefined();
      expect(seek(bytes('c'))).toBe('d');
    });
  });

  test('a cursor on no row has nothing to give', () => {
    withView(subject(), (view) => {
      const cursor = view.cursor('cur');
      expect(() => cursor.key).toThrow(/on no row/);
      expect(() => cursor.next()).toThrow(/on no row/);
      cursor.seek(bytes('g'));
      expect(() => cursor.value).toThrow(/on no row/);
      expect(() => lent(cursor)).toThrow(/on no row/);
      expect(() => cursor.next()).toThrow(/on no row/);
      cursor.seek(bytes('f'));
      cursor.next();
      expect(() => cursor.key).toThrow(/on no row/);
    });
  });

  test('cursors and gets of one view do not disturb each other', () => {
    withView(subject(), (view) => {
      const one = view.cursor('cur');
      const two = view.cursor('cur');
      one.seek(bytes('b'));
      two.seek(bytes('f'));
      expect(text(view.get('cur', bytes('d')))).toBe('D');
      expect(view.get('cur', bytes('absent'))).toBeUndefined();
      expect(text(one.key)).toBe('b');
      expect(text(two.value)).toBe('F');
      expect(text(one.value)).toBe('B');
      expect(text(view.last('cur')?.key)).toBe('f');
      expect(one.next()).toBe(true);
      expect(two.next()).toBe(false);
      expect(text(one.value)).toBe('D');
      expect(text(one.key)).toBe('d');
    });
  });

  test('the bytes that a view gives out are the caller’s', async () => {
    await commit(subject(), (batch) => {
      for (let i = 0; i < 300; i++) batch.put('rev', bytes('row', i >> 8, i & 255), new Uint8Array(i).fill(i & 255));
    });
    const kept: { key: Uint8Array; value: Uint8Array }[] = [];
    withView(subject(), (view) => {
      const cursor = view.cursor('rev');
      for (let on = cursor.seek(bytes(0)); on; on = cursor.next()) kept.push({ key: cursor.key, value: cursor.value });
      for (let i = 0; i < 300; i++)
        kept.push({ key: bytes('row', i >> 8, i & 255), value: view.get('rev', bytes('row', i >> 8, i & 255))! });
    });
    await commit(subject(), (batch) => {
      for (let i = 0; i < 300; i++) batch.put('rev', bytes('row', i >> 8, i & 255), bytes('new'));
    });
    withView(subject(), (view) => expect(scan(view, 'rev').length).toBe(300));
    expect(kept.length).toBe(600);
    for (const [at, { key, value }] of kept.entries()) {
      const i = at % 300;
      expect(key).toEqual(bytes('row', i >> 8, i & 255));
      expect(Buffer.compare(value, Buffer.alloc(i, i & 255))).toBe(0);
      expect(Buffer.isBuffer(value)).toBe(false);
      value.fill(0xee);
      key.fill(0xee);
    }
    withView(subject(), (view) => expect(text(view.get('rev', bytes('row', 0, 7)))).toBe('new'));
  });
}
