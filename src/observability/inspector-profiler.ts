/** Profiles of this process' JavaScript thread by Node's inspector. Loaded only when one is asked for. */
import { Session } from 'node:inspector/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import v8 from 'node:v8';

export class InspectorProfiler {
  /** Ends early, with what there is, when `signal` is aborted. */
  async profile(kind: 'cpu' | 'heap' | 'allocations', seconds: number, signal: AbortSignal): Promise<string> {
    const session = new Session();
    session.connect();
    try {
      return await (kind === 'cpu'
        ? cpuProfile(session, seconds, signal)
        : heapProfile(session, kind === 'allocations', seconds, signal));
    } finally {
      session.disconnect();
    }
  }

  /** The snapshot is made at once, in which time nothing else runs; what follows is only its text. */
  async *heapSnapshot(): AsyncGenerator<string> {
    const stream = v8.getHeapSnapshot();
    stream.setEncoding('utf8');
    for await (const part of stream) yield String(part);
  }
}

async function cpuProfile(session: Session, seconds: number, signal: AbortSignal): Promise<string> {
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  await elapsed(seconds, signal);
  const { profile } = await session.post('Profiler.stop');
  await session.post('Profiler.disable');
  return JSON.stringify(profile);
}

/** `withCollected`: what the garbage collector has taken meanwhile counts too. */
async function heapProfile(
  session: Session,
  withCollected: boolean,
  seconds: number,
  signal: AbortSignal,
): Promise<string> {
  await session.post('HeapProfiler.enable');
  await session.post('HeapProfiler.startSampling', {
    includeObjectsCollectedByMajorGC: withCollected,
    includeObjectsCollectedByMinorGC: withCollected,
  });
  await elapsed(seconds, signal);
  const { profile } = await session.post('HeapProfiler.stopSampling');
  await session.post('HeapProfiler.disable');
  return JSON.stringify(profile);
}

async function elapsed(seconds: number, signal: AbortSignal): Promise<void> {
  await sleep(seconds * 1000, undefined, { signal, ref: false }).catch(() => {});
}
