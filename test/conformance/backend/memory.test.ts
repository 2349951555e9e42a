import { MemoryBackend } from '../../../src/storage/memory-backend.ts';
import { expect, test } from 'vitest';
import { WriteBatch } from '../../../src/mvcc/backend.ts';
import { backendConformance } from './suite.ts';
import { withView } from './support.ts';

for (const visible of ['whenDone', 'atOnce'] as const) {
  backendConformance(`memory, commits visible ${visible}`, () =>
    Promise.resolve({ backend: new MemoryBackend({ visible }), reopen: undefined, cleanUp: () => {} }),
  );
}

const ROW = Buffer.from('row');

function batchOf(value: string): WriteBatch {
  const batch = new WriteBatch();
  batch.put('cur', ROW, Buffer.from(value));
  return batch;
}

function read(backend: MemoryBackend): string | undefined {
  return withView(backend, (view) => view.get('cur', ROW)?.toString());
}

test('a crash keeps what was done, and nothing of the commit in flight', () => {
  for (const visible of ['whenDone', 'atOnce'] as const) {
    const disk: (() => void)[] = [];
    const backend = new MemoryBackend({ later: (run) => disk.push(run), visible });
    let done = 0;
    backend.commit(batchOf('1'), () => done++);
    disk.shift()?.();
    backend.commit(batchOf('2'), () => done++);
    expect(read(backend)).toBe(new TextEncoder().encode(visible === 'atOnce' ? '2' : '1').toString());
    expect(read(backend.afterCrash())).toBe(new TextEncoder().encode('1').toString());
    disk.shift()?.();
    expect(done).toBe(2);
    expect(read(backend.afterCrash())).toBe(new TextEncoder().encode('2').toString());
  }
});

test('a commit made to fail changes nothing and ends the use of the backend', async () => {
  const backend = new MemoryBackend();
  backend.failNextCommit(new Error('EIO'));
  const error = await new Promise((resolve) => backend.commit(batchOf('1'), resolve));
  expect(error).toEqual(new Error('EIO'));
  expect(() => backend.view()).toThrow(/unusable/);
  expect(read(backend.afterCrash())).toBeUndefined();
});
