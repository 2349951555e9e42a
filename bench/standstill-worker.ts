/** One thread of standstill.ts: `workerData` is how long, in ms; posts the longest time between two looks at the clock, in ms. */
import { parentPort, workerData } from 'node:worker_threads';

const endMs = performance.now() + (workerData as number);
let longestMs = 0;
for (let lastMs = performance.now(); lastMs < endMs;) {
  const nowMs = performance.now();
  if (nowMs - lastMs > longestMs) longestMs = nowMs - lastMs;
  lastMs = nowMs;
}
parentPort?.postMessage(longestMs);
