import { DELETE, PUT } from '../mvcc/event.ts';
import type { ResponseEncoder } from './response-encoder.ts';
import type { SharedEvent } from './shared-event.ts';
import { NO_DELETE, NO_PUT, PREV_KV, type Watcher } from './watcher.ts';

/** One response but for the watch id: whole revisions, in order. */
export interface Part {
  readonly firstRev: number;
  readonly headerField: Uint8Array;
  readonly eventFields: readonly Uint8Array[];
  readonly eventBytes: number;
  /** Complete responses by Watcher.sharedSlot, made when first wanted. */
  readonly responses: (Uint8Array | undefined)[];
}

/**
 * The events that matched one group of watchers, and the responses made of them, shared by the watchers that want the
 * same.
 *
 * The header of the last response carries `lastHeaderRev`. Those before it carry their own last revision: a client that
 * resumes from the header of whatever it got last then misses nothing.
 */
export class Matched {
  /** In order of (main, sub). Complete before the first partsFor. */
  readonly events: SharedEvent[] = [];
  readonly #encoder: ResponseEncoder;
  readonly #responseBytesMax: number;
  readonly #lastHeaderRev: number | undefined;
  /**
   * Parts that begin with event `#first`, by variant. Those of one beginning only, so that watchers at many positions do not
   * have as many copies of history kept for them: callers come in the order of their positions.
   */
  readonly #parts: (readonly Part[] | undefined)[] = [];
  #first = 0;

  /**
   * A response with `responseBytesMax` bytes of events takes no more revisions, one revision goes into it whole in any case.
   * `lastHeaderRev` undefined: the last response, too, carries its own last revision.
   */
  constructor(encoder: ResponseEncoder, responseBytesMax: number, lastHeaderRev: number | undefined) {
    this.#encoder = encoder;
    this.#responseBytesMax = responseBytesMax;
    this.#lastHeaderRev = lastHeaderRev;
  }

  /** What the watcher is to get: the events from its nextRev on that pass its filters. */
  partsFor(watcher: Watcher): readonly Part[] {
    const first = this.#firstFrom(watcher.nextRev);
    if (first !== this.#first) {
      this.#first = first;
      this.#parts.length = 0;
    }
    return (this.#parts[watcher.variant] ??= this.#make(first, watcher.variant));
  }

  #firstFrom(rev: number): number {
    let low = 0;
    let high = this.events.length;
    if ((this.events[0] as SharedEvent).event.main >= rev) return 0;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.events[middle] as SharedEvent).event.main < rev) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #make(first: number, variant: number): Part[] {
    const parts: Part[] = [];
    let fields: Uint8Array[] = [];
    let bytes = 0;
    let firstRev = 0;
    let lastRev = 0;
    const finish = (headerRev: number): void => {
      const headerField = this.#encoder.headerField(headerRev);
      parts.push({ firstRev, headerField, eventFields: fields, eventBytes: bytes, responses: [] });
      fields = [];
      bytes = 0;
    };
    for (let i = first; i < this.events.length; i++) {
      const shared = this.events[i] as SharedEvent;
      const { type, main } = shared.event;
      if ((type === PUT && (variant & NO_PUT) !== 0) || (type === DELETE && (variant & NO_DELETE) !== 0)) continue;
      if (bytes >= this.#responseBytesMax && main !== lastRev) finish(lastRev);
      if (fields.length === 0) firstRev = main;
      const field = shared.field((variant & PREV_KV) !== 0);
      fields.push(field);
      bytes += field.length;
      lastRev = main;
    }
    if (fields.length > 0) finish(this.#lastHeaderRev ?? lastRev);
    return parts;
  }
}
