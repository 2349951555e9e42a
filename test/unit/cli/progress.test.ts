import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startProgress } from '../../../src/cli/progress.ts';

function terminal(isTTY: boolean): { stream: NodeJS.WriteStream; written: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 80, cursorTo: () => true, clearLine: () => true });
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { stream: stream as unknown as NodeJS.WriteStream, written: () => text };
}

test('a bar on a terminal, once the work has taken a moment', async () => {
  const { stream, written } = terminal(true);
  const progress = await startProgress('Restoring', stream);
  progress.update(0.1);
  await sleep(10);
  expect(written()).toBe('');
  await sleep(600);
  progress.update(0.5);
  await sleep(200);
  progress.update(0.75);
  progress.stop();
  expect(written()).toContain('Restoring');
  expect(written()).toMatch(/\d+%/);
});

test('nothing where nobody looks', async () => {
  const { stream, written } = terminal(false);
  const progress = await startProgress('Restoring', stream);
  await sleep(600);
  progress.update(0.5);
  progress.stop();
  expect(written()).toBe('');
});
