/** Views while commits and defragmentations go on. */
import { expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { BackendView } from '../../../src/mvcc/backend.ts';
import { bytes, commit, defragment, longKey, scan, text, withView } from './support.ts';
import type { Subject } from './support.ts';

export function viewCases(subject: Subject): void {
  test('a view does not see later commits', async () => {
    const backend = subject();
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
    const backend = subject();
    for (let i = 0; i < 50; i++) {
      await commit(backend, (batch) => batch.put('meta', bytes('index'), bytes(`${i}`)));
      withView(backend, (view) => expect(text(view.get('meta', bytes('index')))).toBe(`${i}`));
    }
  });

  test('a closed view and its cursors are refused', async () => {
    const backend = subject();
    await commit(backend, (batch) => batch.put('cur', bytes('a'), bytes('1')));
    const view = backend.view();
    const cursor = view.cursor('cur');
    expect(cursor.seek(bytes('a'))).toBe(true);
    view.close();
    expect(() => view.get('cur', bytes('a'))).toThrow(/after close/);
    expect(() => view.cursor('cur')).toThrow(/after close/);
    expect(() => view.last('cur')).toThrow(/after close/);
    expect(() => cursor.seek(bytes('a'))).toThrow(/after close/);
    expect(() => cursor.next()).toThrow(/after close|on no row/);
    expect(() => view.close()).toThrow(/closed twice/);
  });

  test('many views at once, closed in any order', async () => {
    const backend = subject();
    const open: { view: BackendView; expected: string }[] = [];
    const close = (view: BackendView, expected: string): void => {
      expect(text(view.get('meta', bytes('n')))).toBe(expected);
      view.close();
    };
    for (let i = 0; i < 60; i++) {
      await commit(backend, (batch) => batch.put('meta', bytes('n'), bytes(`${i}`)));
      open.push({ view: backend.view(), expected: `${i}` });
      if (i % 3 === 2) {
        const { view, expected } = open.splice((i * 7) % open.length, 1)[0]!;
        close(view, expected);
      }
    }
    for (const { view, expected } of open) {
      close(view, expected);
    }
  });

  test('views opened before a defragmentation stay, and nothing is lost', async () => {
    const backend = subject();
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
