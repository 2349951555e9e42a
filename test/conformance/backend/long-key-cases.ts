/** Keys longer than a store may like. */
import { expect, test } from 'vitest';
import { compareBytes, concatBytes, equalBytes } from '../../../src/base/bytes.ts';
import { bytes, commit, defragment, longKey, scan, text, withView } from './support.ts';
import type { Subject } from './support.ts';

export function longKeyCases(subject: Subject): void {
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
    await commit(subject(), (batch) => {
      for (const [i, key] of keys.entries()) batch.put('cur', key, bytes(`${i}`));
    });
    withView(subject(), (view) => {
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
        expect(before === undefined || equalBytes(before.key, keys[i - 1]!)).toBe(true);
      }
      expect(text(view.last('cur')?.value)).toBe(`${keys.length - 1}`);
    });
  });

  test('deleting long keys leaves nothing behind', async () => {
    const backend = subject();
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
