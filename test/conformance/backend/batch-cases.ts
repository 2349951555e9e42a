/** Commits of batches. */
import { expect, test } from 'vitest';
import { WriteBatch } from '../../../src/mvcc/backend.ts';
import { bytes, commit, scan, text, withView } from './support.ts';
import type { Subject } from './support.ts';

export function batchCases(subject: Subject): void {
  test('later operations of a batch win over earlier ones', async () => {
    await commit(subject(), (batch) => {
      batch.put('cur', bytes('put twice'), bytes('1'));
      batch.put('cur', bytes('put then deleted'), bytes('1'));
      batch.delete('cur', bytes('deleted then put'));
      batch.put('cur', bytes('put twice'), bytes('2'));
      batch.delete('cur', bytes('put then deleted'));
      batch.put('cur', bytes('deleted then put'), bytes('2'));
    });
    withView(subject(), (view) => {
      expect(text(view.get('cur', bytes('put twice')))).toBe('2');
      expect(view.get('cur', bytes('put then deleted'))).toBeUndefined();
      expect(text(view.get('cur', bytes('deleted then put')))).toBe('2');
    });
  });

  test('deleting what is absent, and an empty batch, change nothing', async () => {
    await commit(subject(), () => {});
    await commit(subject(), (batch) => batch.delete('cur', bytes('absent')));
    await commit(subject(), (batch) => {
      batch.put('cur', bytes('a'), bytes('1'));
      batch.delete('cur', bytes('absent'));
      batch.put('cur', bytes('b'), bytes('2'));
    });
    withView(subject(), (view) => expect(scan(view, 'cur').length).toBe(2));
  });

  test('the caller may reuse its buffers after done', async () => {
    const key = Buffer.from('key1');
    const value = Buffer.from('value1');
    await commit(subject(), (batch) => batch.put('cur', key, value));
    key[3] = 0x32;
    value.fill(0);
    withView(subject(), (view) => {
      expect(text(view.get('cur', bytes('key1')))).toBe('value1');
      expect(view.get('cur', bytes('key2'))).toBeUndefined();
    });
  });

  test('an empty key is refused', async () => {
    await expect(commit(subject(), (batch) => batch.put('cur', new Uint8Array(0), bytes('v')))).rejects.toThrow(
      /empty key/,
    );
  });

  test('a second commit before the first is done is refused', async () => {
    const first = commit(subject(), (batch) => batch.put('cur', bytes('a'), bytes('1')));
    expect(() => subject().commit(new WriteBatch(), () => {})).toThrow(/commit/);
    await first;
  });

  test('a large batch is one commit', async () => {
    const rows = 20_000;
    const key = (i: number): Uint8Array => bytes(`key ${String(i).padStart(8, '0')}`);
    const seen = new Set<number>();
    const done = commit(subject(), (batch) => {
      for (let i = 0; i < rows; i++) batch.put('cur', key(i), new Uint8Array(100).fill(i & 255));
    });
    const state = { finished: false };
    const watch = (async (): Promise<void> => {
      while (!state.finished) {
        withView(subject(), (view) => seen.add(scan(view, 'cur').length));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await done;
    state.finished = true;
    await watch;
    for (const count of seen) expect([0, rows]).toContain(count);
    withView(subject(), (view) => {
      expect(scan(view, 'cur').length).toBe(rows);
      expect(view.get('cur', key(12_345))).toEqual(new Uint8Array(100).fill(12_345 & 255));
    });
  });
}
