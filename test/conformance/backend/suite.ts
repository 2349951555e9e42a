/** What every Backend has to do. Run it on each adapter with a function that makes an empty one. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareBytes, concatBytes, equalBytes, toHex } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import type { Random } from '../../../src/base/random.ts';
import { TABLES, WriteBatch } from '../../../src/mvcc/backend.ts';
import type { Backend, BackendView, Table } from '../../../src/mvcc/backend.ts';
import { BackendModel } from './model.ts';

export interface BackendUnderTest {
  backend: Backend;
  /** Closes and opens again over the same data; undefined where nothing survives a close. */
  reopen: (() => Promise<Backend>) | undefined;
  cleanUp(): void;
}

export function bytes(...parts: (string | number | number[])[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(
      parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from([part].flat()))),
    ),
  );
}

export function commit(backend: Backend, fill: (batch: WriteBatch) => void): Promise<void> {
  const batch = new WriteBatch();
  fill(batch);
  return new Promise((resolve, reject) => {
    backend.commit(batch, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

export function defragment(backend: Backend): Promise<void> {
  return new Promise((resolve, reject) => {
    backend.defragment((error) => (error === undefined ? resolve() : reject(error)));
  });
}

export function withView<T>(backend: Backend, read: (view: BackendView) => T): T {
  const view = backend.view();
  try {
    return read(view);
  } finally {
    view.close();
  }
}

export type Rows = [key: string, value: string][];

/** Every row as hex, from `from` on. */
export function scan(view: BackendView, table: Table, from: Uint8Array = new Uint8Array(1)): Rows {
  const rows: Rows = [];
  const cursor = view.cursor(table);
  for (let on = cursor.seek(from); on; on = cursor.next()) rows.push([toHex(cursor.key), toHex(cursor.value)]);
  return rows;
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString('latin1');
}

export function backendConformance(name: string, create: () => Promise<BackendUnderTest>): void {
  describe(`backend: ${name}`, () => {
    let subject: BackendUnderTest;
    beforeEach(async () => {
      subject = await create();
    });
    afterEach(() => subject.cleanUp());
    const context: Context = { backend: () => subject.backend };
    rowsAndOrder(context);
    describe('cursors', () => cursors(context));
    batches(context);
    views(context);
    sizes(context);
    longKeys(context);
    againstModel(context);
    test('what was committed is there after a close and an open', async () => {
      if (subject.reopen === undefined) {
        // An adapter without durability must at least refuse work after its close.
        subject.backend.close();
        expect(() => subject.backend.view()).toThrow();
        return;
      }
      await commit(subject.backend, (batch) => {
        for (const table of TABLES) batch.put(table, bytes(table), bytes('value of ', table));
        batch.put('cur', longKey(5000, 1), bytes('long'));
      });
      subject.backend = await subject.reopen();
      withView(subject.backend, (view) => {
        for (const table of TABLES) expect(text(view.get(table, bytes(table)))).toBe(`value of ${table}`);
        expect(text(view.get('cur', longKey(5000, 1)))).toBe('long');
      });
      await commit(subject.backend, (batch) => batch.put('cur', longKey(5000, 2), bytes('another')));
      withView(subject.backend, (view) => expect(scan(view, 'cur').length).toBe(3));
    });
  });
}

interface Context {
  backend(): Backend;
}

/** `length` equal bytes, then `last`. */
function longKey(length: number, last: number, fill = 0x61): Uint8Array {
  const key = new Uint8Array(length + 1).fill(fill);
  key[length] = last;
  return key;
}

function rowsAndOrder(context: Context): void {
  test('an empty table has no rows', () => {
    withView(context.backend(), (view) => {
      for (const table of TABLES) {
        expect(scan(view, table)).toEqual([]);
        expect(view.last(table)).toBeUndefined();
        expect(view.get(table, bytes('a'))).toBeUndefined();
      }
    });
  });

  test('tables do not mix', async () => {
    await commit(context.backend(), (batch) => {
      for (const table of TABLES) batch.put(table, bytes('key'), bytes(table));
    });
    withView(context.backend(), (view) => {
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
    await commit(context.backend(), (batch) => {
      for (const key of keys.toReversed()) batch.put('cur', key, bytes('v', toHex(key)));
    });
    withView(context.backend(), (view) => {
      expect(scan(view, 'cur')).toEqual(keys.map((key) => [toHex(key), toHex(bytes('v', toHex(key)))]));
      for (const [i, key] of keys.entries()) {
        expect(text(view.get('cur', key))).toBe(`v${toHex(key)}`);
        expect(view.last('cur', key)?.key).toEqual(keys[i - 1]);
      }
    });
  });

  test('values of any length', async () => {
    const lengths = [0, 1, 63, 64, 65, 2000, 4096, 16_384, 16_385, 70_000, 3_000_000, 17 * 1024 * 1024];
    await commit(context.backend(), (batch) => {
      for (const length of lengths) batch.put('rev', bytes(`${length}`), new Uint8Array(length).fill(length & 0xff));
    });
    withView(context.backend(), (view) => {
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
    await commit(context.backend(), (batch) => {
      for (const key of ['b', 'd', 'f']) batch.put('hist', bytes(key), bytes(key.toUpperCase()));
    });
    withView(context.backend(), (view) => {
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

function cursors(context: Context): void {
  beforeEach(async () => {
    await commit(context.backend(), (batch) => {
      for (const key of ['b', 'd', 'f']) batch.put('cur', bytes(key), bytes(key.toUpperCase()));
    });
  });

  test('a cursor goes to the first row at or after a key, and on to the end', () => {
    withView(context.backend(), (view) => {
      const cursor = view.cursor('cur');
      const seek = (key: Uint8Array): string | undefined => (cursor.seek(key) ? text(cursor.key) : undefined);
      expect(seek(new Uint8Array(0))).toBe('b');
      expect(seek(bytes('a'))).toBe('b');
      expect(seek(bytes('b'))).toBe('b');
      expect(seek(bytes('b', 0))).toBe('d');
      expect(text(cursor.value)).toBe('D');
      expect(cursor.next()).toBe(true);
      expect(text(cursor.key)).toBe('f');
      expect(cursor.next()).toBe(false);
      expect(seek(bytes('g'))).toBeUndefined();
      expect(seek(bytes('c'))).toBe('d');
    });
  });

  test('a cursor on no row has nothing to give', () => {
    withView(context.backend(), (view) => {
      const cursor = view.cursor('cur');
      expect(() => cursor.key).toThrow();
      expect(() => cursor.next()).toThrow();
      cursor.seek(bytes('g'));
      expect(() => cursor.value).toThrow();
      expect(() => cursor.next()).toThrow();
      cursor.seek(bytes('f'));
      cursor.next();
      expect(() => cursor.key).toThrow();
    });
  });

  test('cursors and gets of one view do not disturb each other', () => {
    withView(context.backend(), (view) => {
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
    await commit(context.backend(), (batch) => {
      for (let i = 0; i < 300; i++) batch.put('rev', bytes('row', i >> 8, i & 255), new Uint8Array(i).fill(i & 255));
    });
    const kept: { key: Uint8Array; value: Uint8Array }[] = [];
    withView(context.backend(), (view) => {
      const cursor = view.cursor('rev');
      for (let on = cursor.seek(bytes(0)); on; on = cursor.next()) kept.push({ key: cursor.key, value: cursor.value });
      for (let i = 0; i < 300; i++)
        kept.push({ key: bytes('row', i >> 8, i & 255), value: view.get('rev', bytes('row', i >> 8, i & 255))! });
    });
    await commit(context.backend(), (batch) => {
      for (let i = 0; i < 300; i++) batch.put('rev', bytes('row', i >> 8, i & 255), bytes('new'));
    });
    withView(context.backend(), (view) => expect(scan(view, 'rev').length).toBe(300));
    expect(kept.length).toBe(600);
    for (const [at, { key, value }] of kept.entries()) {
      const i = at % 300;
      expect(key).toEqual(bytes('row', i >> 8, i & 255));
      expect(Buffer.compare(value, Buffer.alloc(i, i & 255))).toBe(0);
      expect(Buffer.isBuffer(value)).toBe(false);
      value.fill(0xee);
      key.fill(0xee);
    }
    withView(context.backend(), (view) => expect(text(view.get('rev', bytes('row', 0, 7)))).toBe('new'));
  });
}

function batches(context: Context): void {
  test('later operations of a batch win over earlier ones', async () => {
    await commit(context.backend(), (batch) => {
      batch.put('cur', bytes('put twice'), bytes('1'));
      batch.put('cur', bytes('put then deleted'), bytes('1'));
      batch.delete('cur', bytes('deleted then put'));
      batch.put('cur', bytes('put twice'), bytes('2'));
      batch.delete('cur', bytes('put then deleted'));
      batch.put('cur', bytes('deleted then put'), bytes('2'));
    });
    withView(context.backend(), (view) => {
      expect(text(view.get('cur', bytes('put twice')))).toBe('2');
      expect(view.get('cur', bytes('put then deleted'))).toBeUndefined();
      expect(text(view.get('cur', bytes('deleted then put')))).toBe('2');
    });
  });

  test('deleting what is absent, and an empty batch, change nothing', async () => {
    await commit(context.backend(), () => {});
    await commit(context.backend(), (batch) => batch.delete('cur', bytes('absent')));
    await commit(context.backend(), (batch) => {
      batch.put('cur', bytes('a'), bytes('1'));
      batch.delete('cur', bytes('absent'));
      batch.put('cur', bytes('b'), bytes('2'));
    });
    withView(context.backend(), (view) => expect(scan(view, 'cur').length).toBe(2));
  });

  test('the caller may reuse its buffers after done', async () => {
    const key = Buffer.from('key1');
    const value = Buffer.from('value1');
    await commit(context.backend(), (batch) => batch.put('cur', key, value));
    key[3] = 0x32;
    value.fill(0);
    withView(context.backend(), (view) => {
      expect(text(view.get('cur', bytes('key1')))).toBe('value1');
      expect(view.get('cur', bytes('key2'))).toBeUndefined();
    });
  });

  test('an empty key is refused', async () => {
    await expect(
      commit(context.backend(), (batch) => batch.put('cur', new Uint8Array(0), bytes('v'))),
    ).rejects.toThrow();
  });

  test('a second commit before the first is done is refused', async () => {
    const first = commit(context.backend(), (batch) => batch.put('cur', bytes('a'), bytes('1')));
    expect(() => context.backend().commit(new WriteBatch(), () => {})).toThrow();
    await first;
  });

  test('a large batch is one commit', async () => {
    const rows = 20_000;
    const key = (i: number): Uint8Array => bytes(`key ${String(i).padStart(8, '0')}`);
    const seen = new Set<number>();
    const done = commit(context.backend(), (batch) => {
      for (let i = 0; i < rows; i++) batch.put('cur', key(i), new Uint8Array(100).fill(i & 255));
    });
    let finished = false;
    const watch = (async (): Promise<void> => {
      while (!finished) {
        withView(context.backend(), (view) => seen.add(scan(view, 'cur').length));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await done;
    finished = true;
    await watch;
    for (const count of seen) expect([0, rows]).toContain(count);
    withView(context.backend(), (view) => {
      expect(scan(view, 'cur').length).toBe(rows);
      expect(view.get('cur', key(12_345))).toEqual(new Uint8Array(100).fill(12_345 & 255));
    });
  });
}

function views(context: Context): void {
  test('a view does not see later commits', async () => {
    const backend = context.backend();
    await commit(backend, (batch) => {
      for (let i = 0; i < 500; i++) batch.put('cur', bytes(`k${i}`), bytes('before'));
    });
    const view = backend.view();
    const cursor = view.cursor('cur');
    expect(cursor.seek(bytes('k'))).toBe(true);
    for (let round = 0; round < 10; round++) {
      await commit(backend, (batch) => {
        for (let i = 0; i < 500; i++) {
          if ((i + round) % 3 === 0) batch.delete('cur', bytes(`k${i}`));
          else batch.put('cur', bytes(`k${i}`), bytes(`after ${round}`));
        }
        batch.put('cur', bytes(`new${round}`), bytes('new'));
      });
      expect(cursor.next()).toBe(true);
      expect(text(cursor.value)).toBe('before');
      const rows = scan(view, 'cur');
      expect(rows.length).toBe(500);
      expect(rows.every(([, value]) => value === toHex(bytes('before')))).toBe(true);
      withView(backend, (fresh) => expect(text(fresh.get('cur', bytes(`new${round}`)))).toBe('new'));
    }
    view.close();
  });

  test('a view sees every commit that is done', async () => {
    const backend = context.backend();
    for (let i = 0; i < 50; i++) {
      await commit(backend, (batch) => batch.put('meta', bytes('index'), bytes(`${i}`)));
      withView(backend, (view) => expect(text(view.get('meta', bytes('index')))).toBe(`${i}`));
    }
  });

  test('a closed view and its cursors are refused', async () => {
    const backend = context.backend();
    await commit(backend, (batch) => batch.put('cur', bytes('a'), bytes('1')));
    const view = backend.view();
    const cursor = view.cursor('cur');
    expect(cursor.seek(bytes('a'))).toBe(true);
    view.close();
    expect(() => view.get('cur', bytes('a'))).toThrow();
    expect(() => view.cursor('cur')).toThrow();
    expect(() => view.last('cur')).toThrow();
    expect(() => cursor.seek(bytes('a'))).toThrow();
    expect(() => cursor.next()).toThrow();
    expect(() => view.close()).toThrow();
  });

  test('many views at once, closed in any order', async () => {
    const backend = context.backend();
    const open: { view: BackendView; expected: string }[] = [];
    for (let i = 0; i < 60; i++) {
      await commit(backend, (batch) => batch.put('meta', bytes('n'), bytes(`${i}`)));
      open.push({ view: backend.view(), expected: `${i}` });
      if (i % 3 === 2) {
        const { view, expected } = open.splice((i * 7) % open.length, 1)[0]!;
        expect(text(view.get('meta', bytes('n')))).toBe(expected);
        view.close();
      }
    }
    for (const { view, expected } of open) {
      expect(text(view.get('meta', bytes('n')))).toBe(expected);
      view.close();
    }
  });

  test('views opened before a defragmentation stay, and nothing is lost', async () => {
    const backend = context.backend();
    await commit(backend, (batch) => {
      for (let i = 0; i < 2000; i++) batch.put('rev', bytes(`k${i}`), new Uint8Array(200).fill(1));
      for (let i = 0; i < 20; i++) batch.put('rev', longKey(3000, i), bytes('long'));
    });
    const before = backend.view();
    await commit(backend, (batch) => {
      for (let i = 0; i < 2000; i++) if (i % 10 !== 0) batch.delete('rev', bytes(`k${i}`));
    });
    const between = backend.view();
    const cursor = before.cursor('rev');
    expect(cursor.seek(bytes('k0'))).toBe(true);
    await defragment(backend);
    expect(cursor.next()).toBe(true);
    expect(scan(before, 'rev').length).toBe(2020);
    expect(scan(between, 'rev').length).toBe(220);
    await commit(backend, (batch) => batch.put('rev', longKey(3000, 77), bytes('after')));
    withView(backend, (view) => {
      expect(scan(view, 'rev').length).toBe(221);
      expect(text(view.get('rev', longKey(3000, 77)))).toBe('after');
    });
    expect(scan(before, 'rev').length).toBe(2020);
    before.close();
    await defragment(backend);
    expect(scan(between, 'rev').length).toBe(220);
    between.close();
    withView(backend, (view) => expect(scan(view, 'rev').length).toBe(221));
  });
}

function sizes(context: Context): void {
  test('a fresh backend with one row is under 52 KiB', async () => {
    await commit(context.backend(), (batch) => batch.put('meta', bytes('consistent_index'), new Uint8Array(8)));
    expect(context.backend().sizeBytes()).toBeLessThan(52 * 1024);
    expect(context.backend().sizeInUseBytes()).toBeGreaterThan(0);
    expect(context.backend().sizeInUseBytes()).toBeLessThanOrEqual(context.backend().sizeBytes());
  });

  test('deleting frees bytes for reuse, and a defragmentation gives them back', async () => {
    const backend = context.backend();
    await commit(backend, (batch) => {
      for (let i = 0; i < 2000; i++) batch.put('rev', bytes(`k${i}`), new Uint8Array(1000));
    });
    expect(backend.sizeInUseBytes()).toBeGreaterThan(2_000_000);
    await commit(backend, (batch) => {
      for (let i = 0; i < 2000; i++) if (i % 20 !== 0) batch.delete('rev', bytes(`k${i}`));
    });
    const full = backend.sizeBytes();
    expect(full).toBeGreaterThan(2_000_000);
    expect(backend.sizeInUseBytes()).toBeLessThan(1_000_000);
    await defragment(backend);
    expect(backend.sizeBytes()).toBeLessThan(1_000_000);
    expect(backend.sizeInUseBytes()).toBeLessThanOrEqual(backend.sizeBytes());
    withView(backend, (view) => expect(scan(view, 'rev').length).toBe(100));
  });
}

function longKeys(context: Context): void {
  test('keys of any length stay in order', async () => {
    const keys: Uint8Array[] = [];
    for (const length of [
      1, 100, 510, 511, 512, 1022, 1023, 1024, 1025, 1977, 1978, 1979, 2047, 2048, 2049, 5000, 100_000,
    ]) {
      for (const last of [0, 0x60, 0x61, 0x62, 0xff]) keys.push(longKey(length, last));
      keys.push(longKey(length, 0, 0), longKey(length, 0xff, 0xff));
    }
    keys.push(longKey(1_000_000, 1), longKey(1_000_000, 2));
    keys.sort(compareBytes);
    await commit(context.backend(), (batch) => {
      for (const [i, key] of keys.entries()) batch.put('cur', key, bytes(`${i}`));
    });
    withView(context.backend(), (view) => {
      const cursor = view.cursor('cur');
      let at = 0;
      for (let on = cursor.seek(bytes(0)); on; on = cursor.next()) {
        expect(compareBytes(cursor.key, keys[at]!)).toBe(0);
        expect(text(cursor.value)).toBe(`${at}`);
        at++;
      }
      expect(at).toBe(keys.length);
      for (const [i, key] of keys.entries()) {
        expect(text(view.get('cur', key))).toBe(`${i}`);
        expect(view.get('cur', concatBytes(key, bytes(7)))).toBeUndefined();
        const before = view.last('cur', key);
        expect(text(before?.value)).toBe(i === 0 ? undefined : `${i - 1}`);
        if (before !== undefined) expect(compareBytes(before.key, keys[i - 1]!)).toBe(0);
      }
      expect(text(view.last('cur')?.value)).toBe(`${keys.length - 1}`);
    });
  });

  test('deleting long keys leaves nothing behind', async () => {
    const backend = context.backend();
    const keys = Array.from({ length: 40 }, (_, i) => longKey(1000 + i * 300, i & 3, 0x41 + (i & 1)));
    await commit(backend, (batch) => batch.put('cur', bytes('short'), bytes('1')));
    const empty = backend.sizeInUseBytes();
    await commit(backend, (batch) => {
      for (const key of keys) batch.put('cur', key, bytes('v'));
    });
    await commit(backend, (batch) => {
      for (const key of keys) batch.delete('cur', key);
      for (const key of keys) batch.put('cur', key, bytes('again'));
      for (const key of keys) batch.delete('cur', key);
      batch.delete('cur', longKey(9000, 9));
    });
    withView(backend, (view) => {
      expect(scan(view, 'cur').length).toBe(1);
      expect(text(view.last('cur')?.key)).toBe('short');
    });
    await defragment(backend);
    expect(backend.sizeInUseBytes()).toBeLessThanOrEqual(empty);
  });
}

function againstModel(context: Context): void {
  for (const seed of [1, 2, 3]) {
    test(`random operations agree with a sorted list, seed ${seed}`, async () => {
      const random = new SeededRandom(seed);
      const model = new BackendModel();
      const open: { view: BackendView; model: BackendModel }[] = [];
      for (let step = 0; step < 60; step++) {
        const batch = randomBatch(random);
        model.apply(batch);
        await new Promise<void>((resolve, reject) => {
          context.backend().commit(batch, (error) => (error === undefined ? resolve() : reject(error)));
        });
        if (step % 20 === 13) await defragment(context.backend());
        if (random.below(4) === 0) open.push({ view: context.backend().view(), model: model.clone() });
        withView(context.backend(), (view) => compareWithModel(view, model, random));
        const old = open[random.below(open.length + 1)];
        if (old !== undefined) compareWithModel(old.view, old.model, random);
        if (open.length > 5) open.splice(random.below(open.length), 1)[0]?.view.close();
      }
      for (const { view } of open) view.close();
    });
  }
}

const MODEL_TABLES = ['cur', 'hist'] as const;

function randomBatch(random: Random): WriteBatch {
  const batch = new WriteBatch();
  for (let i = random.below(120); i >= 0; i--) {
    const table = MODEL_TABLES[random.below(2)]!;
    if (random.below(3) === 0) batch.delete(table, randomKey(random));
    else batch.put(table, randomKey(random), new Uint8Array(random.below(9) === 0 ? 5000 : random.below(80)).fill(i));
  }
  return batch;
}

/** Few distinct bytes and lengths around the limits, so that keys meet and share prefixes. */
function randomKey(random: Random): Uint8Array {
  const lengths = [1, 2, 3, 1022, 1023, 1024, 1025, 1026, 2047, 2048, 2049, 3100];
  const key = new Uint8Array(lengths[random.below(lengths.length)]!).fill(random.below(2) * 0xff);
  for (const at of [0, 1, 1022, 1023, 1024, 2047, 2048]) {
    if (at < key.length && random.below(3) === 0) key[at] = [0, 1, 0x80, 0xff][random.below(4)]!;
  }
  key[key.length - 1] = [0, 1, 0xfe, 0xff][random.below(4)]!;
  return key;
}

function compareWithModel(view: BackendView, model: BackendModel, random: Random): void {
  for (const table of MODEL_TABLES) {
    const from = random.below(2) === 0 ? bytes(0) : randomKey(random);
    const expected = model.scan(table, from);
    const cursor = view.cursor(table);
    let rows = 0;
    for (let on = cursor.seek(from); on; on = cursor.next()) {
      const row = expected[rows++];
      if (row === undefined || !equalBytes(cursor.key, row.key) || !equalBytes(cursor.value, row.value)) {
        expect({ key: cursor.key, value: cursor.value }).toEqual(row);
      }
    }
    expect(rows).toBe(expected.length);
    for (let i = 0; i < 5; i++) {
      const key = randomKey(random);
      expect(view.get(table, key)).toEqual(model.get(table, key));
      expect(view.last(table, key)).toEqual(model.last(table, key));
    }
  }
}
