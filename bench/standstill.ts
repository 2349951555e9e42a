/**
 * How long the machine stands still by itself: the longest time for which a thread that only looks at the clock saw no time pass,
 * with one such thread for each core. On a shared machine its other guests take the cores away, and no server can be
 * faster than that.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

export async function longestStandstillMs(durationMs: number): Promise<number> {
  const threads = Array.from({ length: availableParallelism() }, () => longestGapMs(durationMs));
  return Math.max(...(await Promise.all(threads)));
}

function longestGapMs(durationMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('standstill-worker.ts', import.meta.url), { workerData: durationMs });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
