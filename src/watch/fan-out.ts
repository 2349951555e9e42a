import type { Matched, Part } from './matched.ts';
import { encodeEvents, fragmentLength } from './response-encoder.ts';
import type { WatcherRegistry } from './watcher-registry.ts';
import type { Watcher } from './watcher.ts';

/** Larger responses are kept for one id only, so that a part does not hold many copies of a stretch of history. */
const SHARED_BYTES_MAX = 64 << 10;

/** Hands what matched to the streams, or puts a watcher aside whose stream is over its limit. */
export class FanOut {
  /** Events handed to streams since the start. */
  eventsSent = 0;
  readonly #registry: WatcherRegistry;
  readonly #fragmentBytes: number;

  constructor(registry: WatcherRegistry, fragmentBytes: number) {
    this.#registry = registry;
    this.#fragmentBytes = fragmentBytes;
  }

  /**
   * Sends the watcher its part of `matched`. Returns the bytes that had to be written for it; or -1 if its stream was full
   * and it stalled at exactly the first revision that was not sent.
   */
  deliver(watcher: Watcher, matched: Matched): number {
    let bytesWritten = 0;
    for (const part of matched.partsFor(watcher)) {
      if (watcher.stream.full) {
        this.#registry.toStalled(watcher, part.firstRev);
        return -1;
      }
      bytesWritten += this.#send(watcher, part);
      watcher.quiet = false;
      this.eventsSent += part.eventFields.length;
    }
    return bytesWritten;
  }

  #send(watcher: Watcher, part: Part): number {
    const { headerField, eventFields, eventBytes } = part;
    const count = eventFields.length;
    if (watcher.fragment && count > 1) {
      const wholeLength = headerField.length + watcher.idField.length + eventBytes;
      if (wholeLength >= this.#fragmentBytes) return this.#sendFragments(watcher, part);
    }
    const slot = watcher.sharedSlot;
    const shared = slot < 0 ? undefined : part.responses[slot];
    if (shared !== undefined) {
      watcher.stream.sendEvents(shared, count);
      return 0;
    }
    const response = encodeEvents(headerField, watcher.idField, false, eventFields, 0, count, eventBytes);
    if (slot === 0 || (slot > 0 && response.length <= SHARED_BYTES_MAX)) part.responses[slot] = response;
    watcher.stream.sendEvents(response, count);
    return response.length;
  }

  /** Cuts one response between events so that each fragment is below the limit, or is a single event. */
  #sendFragments(watcher: Watcher, part: Part): number {
    const { headerField, eventFields } = part;
    let from = 0;
    let bytesWritten = 0;
    while (from < eventFields.length) {
      let to = from + 1;
      let eventBytes = (eventFields[from] as Uint8Array).length;
      for (; to < eventFields.length; to++) {
        const more = eventBytes + (eventFields[to] as Uint8Array).length;
        if (fragmentLength(headerField, watcher.idField, more) >= this.#fragmentBytes) break;
        eventBytes = more;
      }
      const last = to === eventFields.length;
      const response = encodeEvents(headerField, watcher.idField, !last, eventFields, from, to, eventBytes);
      watcher.stream.sendEvents(response, to - from);
      bytesWritten += response.length;
      from = to;
    }
    return bytesWritten;
  }
}
