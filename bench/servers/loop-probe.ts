/**
 * Loaded into the server's process before its own code (--import): watches its event loop and garbage collections, and
 * tells over the process's IPC channel when asked. The server knows nothing of it.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import type { LoopFigures, LoopProbeRequest } from './loop-probe-client.ts';

/** A pause is told up to this much longer than it was: it may begin anywhere between two samples. */
const RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
let collectionMaxMs = 0;
let cpuWaitedMs = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) collectionMaxMs = Math.max(collectionMaxMs, duration);
}).observe({ entryTypes: ['gc'] });

process.on('message', (request: LoopProbeRequest) => {
  if (request === 'reset') {
    delay.enable();
    delay.reset();
    collectionMaxMs = 0;
    cpuWaitedMs = cpuWaitMs();
    process.send?.({});
    return;
  }
  const measured = delay.count > 0;
  const figures: LoopFigures = {
    maxMs: measured ? delay.max / NS_PER_MS : 0,
    p99Ms: measured ? delay.percentile(99) / NS_PER_MS : 0,
    collectionMaxMs,
    cpuWaitMs: cpuWaitMs() - cpuWaitedMs,
  };
  process.send?.(figures);
});
/** Of the main thread, since it began; 0 where the kernel does not count it. */
function cpuWaitMs(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[1]) / NS_PER_MS;
  } catch {
    return 0;
  }
}

// The probe is no reason to stay alive.
process.channel?.unref();
