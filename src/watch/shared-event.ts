import type { MvccEvent } from '../mvcc/event.ts';
import type { WatchHistory } from './ports.ts';

/** WatchResponse.events. */
const EVENTS_TAG = (11 << 3) | 2;
/** mvccpb.Event. */
const TYPE_TAG = (1 << 3) | 0;
const KV_TAG = (2 << 3) | 2;
const PREV_KV_TAG = (3 << 3) | 2;

/** An event and its encodings, each made at most once, when the first watcher wants it, and shared by all others. */
export class SharedEvent {
  readonly event: MvccEvent;
  readonly #history: WatchHistory;
  #plain: Uint8Array | undefined;
  #withPrev: Uint8Array | undefined;

  constructor(event: MvccEvent, history: WatchHistory) {
    this.event = event;
    this.#history = history;
  }

  /** The field `events` of a WatchResponse: tag, length and the encoded mvccpb.Event. */
  field(withPrev: boolean): Uint8Array {
    return withPrev ? this.#prevField() : (this.#plain ??= encodeEventField(this.event, undefined));
  }

  #prevField(): Uint8Array {
    if (this.#withPrev === undefined) {
      const prev = this.#history.prevKv(this.event);
      this.#withPrev = prev === undefined ? this.field(false) : encodeEventField(this.event, prev);
    }
    return this.#withPrev;
  }
}

function encodeEventField(event: MvccEvent, prev: Uint8Array | undefined): Uint8Array {
  const { kv } = event;
  const typeLength = event.type === 0 ? 0 : 2;
  const prevLength = prev === undefined ? 0 : 1 + varintLength(prev.length) + prev.length;
  const bodyLength = typeLength + 1 + varintLength(kv.length) + kv.length + prevLength;
  const out = new Uint8Array(1 + varintLength(bodyLength) + bodyLength);
  out[0] = EVENTS_TAG;
  let at = putVarint(out, 1, bodyLength);
  if (event.type !== 0) {
    out[at++] = TYPE_TAG;
    out[at++] = event.type;
  }
  at = putBytes(out, at, KV_TAG, kv);
  if (prev !== undefined) putBytes(out, at, PREV_KV_TAG, prev);
  return out;
}

/** Of lengths: below 2^31. */
function varintLength(value: number): number {
  let length = 1;
  for (let rest = value >>> 7; rest !== 0; rest >>>= 7) length++;
  return length;
}

function putVarint(out: Uint8Array, at: number, value: number): number {
  let pos = at;
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) out[pos++] = (rest & 0x7f) | 0x80;
  out[pos++] = rest;
  return pos;
}

function putBytes(out: Uint8Array, at: number, tag: number, bytes: Uint8Array): number {
  out[at] = tag;
  const start = putVarint(out, at + 1, bytes.length);
  out.set(bytes, start);
  return start + bytes.length;
}
