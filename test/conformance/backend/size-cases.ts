/** Sizes, in use and on disk. */
import { expect, test } from 'vitest';
import { bytes, commit, defragment, scan, withView } from './support.ts';
import type { Subject } from './support.ts';

export function sizeCases(subject: Subject): void {
  test('a fresh backend with one row is under 52 KiB', async () => {
    await commit(subject(), (batch) => batch.put('meta', bytes('consistent_index'), new Uint8Array(8)));
    expect(subject().sizeBytes()).toBeLessThan(52 * 1024);
    expect(subject().sizeInUseBytes()).toBeGreaterThan(0);
    expect(subject().sizeInUseBytes()).toBeLessThanOrEqual(subject().sizeBytes());
  });

  test('deleting frees bytes for reuse, and a defragmentation gives them back', async () => {
    const backend = subject();
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
