/** How a key came to be what it is. Nothing here asks for more than a bounded number of versions at a time. */
import { ApiError, type Api, type KeyValue, type WatchEvent } from './api.ts';

export interface Older {
  /** Latest first. */
  readonly versions: readonly KeyValue[];
  /** more: there are older ones; created: the last one made the key; compacted: what was before it is forgotten. */
  readonly end: 'more' | 'created' | 'compacted';
}

/** The versions before `from`, back to when the key was created: each is what a range right before the next one finds. */
export async function olderVersions(api: Pick<Api, 'range'>, from: KeyValue, max: number): Promise<Older> {
  const versions: KeyValue[] = [];
  let at = from;
  while (at.version > 1) {
    if (versions.length === max) return { versions, end: 'more' };
    try {
      const { kvs } = await api.range({ key: from.key, revision: at.modRevision - 1, limit: 1 });
      const [found] = kvs;
      if (found === undefined) break;
      versions.push(found);
      at = found;
    } catch (error) {
      if (error instanceof ApiError && error.message.includes('compacted')) return { versions, end: 'compacted' };
      throw error;
    }
  }
  return { versions, end: 'created' };
}

/** Without an event for so long, none is taken to come any more. */
const SILENCE_MS = 2000;

/**
 * What happened to the key before it was created at revision `before` (Infinity: it does not exist), latest first: puts and
 * deletes of lives that it had earlier, the last `max` of them. Only a watch from the beginning of history tells.
 */
export async function earlierLives(
  api: Pick<Api, 'watch'>,
  key: Uint8Array,
  before: number,
  max: number,
  silenceMs = SILENCE_MS,
): Promise<WatchEvent[]> {
  let startRevision = 1;
  // A compaction may come between the answer that names the first revision there is, and the next attempt.
  for (let attempt = 0; attempt < 3; attempt++) {
    const found = await eventsBefore(api, { key, startRevision }, before, max, silenceMs);
    if (typeof found !== 'number') return found.reverse();
    startRevision = found;
  }
  throw new Error('history is being compacted');
}

/** A number: the watch has to begin at that revision. */
async function eventsBefore(
  api: Pick<Api, 'watch'>,
  request: { readonly key: Uint8Array; readonly startRevision: number },
  before: number,
  max: number,
  silenceMs: number,
): Promise<WatchEvent[] | number> {
  const events: WatchEvent[] = [];
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(), silenceMs);
  try {
    for await (const batch of api.watch(request, stop.signal)) {
      clearTimeout(timer);
      if (batch.compactRevision > 0) return batch.compactRevision;
      if (batch.ended !== undefined) throw new Error(batch.ended);
      for (const event of batch.events) {
        if (event.kv.modRevision >= before) return events;
        events.push(event);
        if (events.length > max) events.shift();
      }
      timer = setTimeout(() => stop.abort(), silenceMs);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
  return events;
}
