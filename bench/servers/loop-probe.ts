/**
 * Loaded into the server's process before its own code (--import): watches its event loop and garbage collections, and
 * tells over the process's IPC channel when asked. The server knows nothing of it.
 */
import { openSync, readSync } from 'node:fs';
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import type { LoopFigures, LoopProbeRequest } from './loop-probe-client.ts';

/** A pause is told up to this much longer than it was: it may begin anywhere between two samples. */
const RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;

const schedstat = openSchedstat();
const statBytes = Buffer.alloc(128);
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
let collectionMaxMs = 0;
let cpuWaitedMs = 0;
/** When the timer ran last, what the main thread had waited for a CPU until then, and the longest turn without that. */
const turn = { atMs: 0, waitedMs: 0, ownMaxMs: 0 };
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) collectionMaxMs = Math.max(collectionMaxMs, duration);
}).observe({ entryTypes: ['gc'] });

process.on('message', (request: LoopProbeRequest) => {
  if (request === 'reset') {
    delay.enable();
    delay.reset();
    collectionMaxMs = 0;
    cpuWaitedMs = cpuWaitMs();
    watchTurns();
    process.send?.({});
    return;
  }
  const measured = delay.count > 0;
  const figures: LoopFigures = {
    maxMs: measured ? delay.max / NS_PER_MS : 0,
    p99Ms: measured ? delay.percentile(99) / NS_PER_MS : 0,
    ownMaxMs: turn.ownMaxMs,
    collectionMaxMs,
    cpuWaitMs: cpuWaitMs() - cpuWaitedMs,
  };
  process.send?.(figures);
});

let isWatching = false;

function watchTurns(): void {
  turn.atMs = performance.now();
  turn.waitedMs = cpuWaitMs();
  turn.ownMaxMs = 0;
  if (isWatching) return;
  isWatching = true;
  setInterval(() => {
    const [nowMs, waitedMs] = [performance.now(), cpuWaitMs()];
    turn.ownMaxMs = Math.max(turn.ownMaxMs, nowMs - turn.atMs - (waitedMs - turn.waitedMs));
    turn.atMs = nowMs;
    turn.waitedMs = waitedMs;
  }, RESOLUTION_MS).unref();
}

/** Of the main thread, since it began; 0 where the kernel does not count it. */
function cpuWaitMs(): number {
  if (schedstat === undefined) return 0;
  const length = readSync(schedstat, statBytes, 0, statBytes.length, 0);
  return Number(statBytes.toString('latin1', 0, length).split(' ')[1]) / NS_PER_MS;
}

function openSchedstat(): number | undefined {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  } catch {
    return undefined;
  }
}

// The probe is no reason to stay alive.
process.channel?.unref();
