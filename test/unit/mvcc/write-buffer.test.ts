import { describe, expect, test } from 'vitest';
import { fromBinaryString, toBinaryString } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import type { Reader } from '../../../src/mvcc/backend.ts';
import { type Snapshot, WriteBuffer } from '../../../src/mvcc/write-buffer.ts';
import { MemoryBackend } from '../../../src/storage/memory-backend.ts';

const TABLES = ['cur', 'meta'] as const;

function setUp(): { backend: MemoryBackend; buffer: WriteBuffer; later: (() => void)[]; beginFlush: () => void } {
  const later: (() => void)[] = [];
  const backend = new MemoryBackend({ later: (run) => later.push(run) });
  const buffer = new WriteBuffer(backend);
  const beginFlush = (): void => {
    const batch = buffer.beginFlush();
    if (batch !== undefined) backend.commit(batch, () => buffer.endFlush());
  };
  return { backend, buffer, later, beginFlush };
}

function contents(reader: Reader, table: (typeof TABLES)[number], from = '\0'): [string, string][] {
  const out: [string, string][] = [];
  const cursor = reader.cursor(table);
  for (let found = cursor.seek(fromBinaryString(from)); found; found = cursor.next()) {
    out.push([toBinaryString(cursor.key), toBinaryString(cursor.value)]);
  }
  return out;
}

function put(buffer: WriteBuffer, key: string, value: string): void {
  buffer.put('cur', fromBinaryString(key), fromBinaryString(value));
}

describe('WriteBuffer', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('reads, pins and flushes as a plain map would, seed %i', (seed) => {
    const random = new SeededRandom(seed);
    const { backend, buffer, later, beginFlush } = setUp();
    const models = new Map(TABLES.map((table) => [table, new Map<string, string>()]));
    const sorted = (table: (typeof TABLES)[number]): [string, string][] =>
      [...models.get(table)!].sort(([a], [b]) => (a < b ? -1 : 1));
    const pins: { snapshot: Snapshot; expected: [string, string][][]; flushes: number }[] = [];
    for (let i = 0; i < 600; i++) {
      const table = TABLES[random.below(2)]!;
      const key = `k${random.below(30)}`;
      const choice = random.below(12);
      if (choice < 4) {
        const value = 'v'.repeat(random.below(3));
        buffer.put(table, fromBinaryString(key), fromBinaryString(value));
        models.get(table)!.set(key, value);
      } else if (choice < 7) {
        buffer.delete(table, fromBinaryString(key));
        models.get(table)!.delete(key);
      } else if (choice === 7) {
        pins.push({ snapshot: buffer.pin(), expected: TABLES.map(sorted), flushes: buffer.flushes });
      } else if (choice === 8) {
        pins.splice(random.below(pins.length), 1)[0]?.snapshot.release();
      } else if (choice === 9 && !buffer.flushing) beginFlush();
      else if (choice === 10) later.shift()?.();
      else if (!buffer.flushing) buffer.refreshBase();

      expect(contents(buffer, table, key)).toEqual(sorted(table).filter(([k]) => k >= key));
      const got = buffer.get(table, fromBinaryString(key));
      expect(got && toBinaryString(got)).toBe(models.get(table)!.get(key));
      const last = buffer.last(table, fromBinaryString(key));
      expect(last && toBinaryString(last.key)).toBe(sorted(table).findLast(([k]) => k < key)?.[0]);
      expect([...buffer.pins()].length).toBe(pins.length);
      const { snapshot, expected, flushes } = pins[random.below(pins.length)] ?? {};
      if (snapshot === undefined) continue;
      expect(TABLES.map((t) => contents(snapshot, t))).toEqual(expected);
      expect(snapshot.age).toBe(buffer.flushes - flushes!);
    }
    for (const { snapshot } of pins) snapshot.release();
    while (later.length > 0) later.shift()?.();
    expect(backend.openViews()).toBe(1);
    buffer.close();
    backend.close();
  });

  test('closes an old view with its last pin', () => {
    const { backend, buffer, later, beginFlush } = setUp();
    const pins = [buffer.pin(), buffer.pin()];
    put(buffer, 'a', '1');
    beginFlush();
    later.shift()?.();
    expect(backend.openViews()).toBe(2);
    pins[0]!.release();
    expect(backend.openViews()).toBe(2);
    expect(contents(pins[1]!, 'cur')).toEqual([]);
    pins[1]!.release();
    expect(backend.openViews()).toBe(1);
    expect(() => pins[1]!.release()).toThrow('released twice');
    expect(() => pins[1]!.get('cur', fromBinaryString('a'))).toThrow('released snapshot');
  });

  test('takes what is written during a flush into the next', () => {
    const { backend, buffer, later, beginFlush } = setUp();
    put(buffer, 'a', '1');
    put(buffer, 'b', '1');
    beginFlush();
    put(buffer, 'a', '2');
    buffer.delete('cur', fromBinaryString('b'));
    expect(() => buffer.beginFlush()).toThrow('another is under way');
    later.shift()?.();
    expect(contents(buffer, 'cur')).toEqual([['a', '2']]);
    const view = backend.view();
    expect(contents(view, 'cur')).toEqual([
      ['a', '1'],
      ['b', '1'],
    ]);
    view.close();
    beginFlush();
    later.shift()?.();
    expect(contents(backend.view(), 'cur')).toEqual([['a', '2']]);
  });

  test('has nothing to flush when nothing was written, and says how much is pending', () => {
    const { buffer, later, beginFlush } = setUp();
    expect(buffer.beginFlush()).toBeUndefined();
    expect(buffer.bytes).toBe(0);
    put(buffer, 'a', 'x'.repeat(1000));
    expect(buffer.bytes).toBeGreaterThan(1000);
    expect(buffer.bytes).toBeLessThan(1500);
    put(buffer, 'a', 'x');
    expect(buffer.bytes).toBeLessThan(500);
    beginFlush();
    expect([buffer.bytes, buffer.flushingBytes > 0, buffer.flushing]).toEqual([0, true, true]);
    later.shift()?.();
    expect([buffer.bytes, buffer.flushingBytes, buffer.flushing]).toEqual([0, 0, false]);
  });

  test('keeps few layers however many pins there are', () => {
    const { buffer } = setUp();
    const pins: Snapshot[] = [];
    for (let i = 0; i < 500; i++) {
      put(buffer, `k${i}`, String(i));
      pins.push(buffer.pin());
    }
    expect(buffer.layerCount).toBeLessThan(20);
    for (const [i, snapshot] of pins.entries()) {
      expect(contents(snapshot, 'cur').length).toBe(i + 1);
      snapshot.release();
    }
  });
});
