import { expect, test } from 'vitest';
import { defragAtStart } from '../../../src/embed/defrag-at-start.ts';
import type { Backend } from '../../../src/mvcc/backend.ts';
import { silentLogger } from '../../../src/ports/logger.ts';

const MIB = 1024 ** 2;

function backend(error?: Error) {
  const state = { times: 0 };
  const fake = {
    sizeBytes: () => 10 * MIB,
    sizeInUseBytes: () => 3 * MIB,
    defragment: (done: (error: Error | undefined) => void) => {
      state.times++;
      done(error);
    },
  };
  return { state, fake: fake as unknown as Backend };
}

test.each([
  [0, 0],
  [1, 1],
  [7, 1],
  [8, 0],
])('a threshold of %d MiB where 7 MiB would be freed: %d times', async (threshold, times) => {
  const { state, fake } = backend();
  await defragAtStart(fake, threshold, silentLogger);
  expect(state.times).toBe(times);
});

test('a failure ends the start', async () => {
  const { fake } = backend(new Error('no space'));
  await expect(defragAtStart(fake, 1, silentLogger)).rejects.toThrow('no space');
});
