/** A store, a clock-less hub over it and recording sinks: what the tests of src/watch share. */
import { compareBytes, toBinaryString } from '../../../src/base/bytes.ts';
import { decodeKeyValue, encodeKeyValue } from '../../../src/gen/mvccpb.ts';
import {
  decodeWatchResponse,
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
} from '../../../src/gen/rpc.ts';
import { PREV_NONE, type MvccEvent } from '../../../src/mvcc/event.ts';
import type { HistoryChunk, WatchHistory, WatchSink } from '../../../src/watch/ports.ts';
import { DEFAULT_WATCH_HUB_OPTIONS, WatchHub, type WatchHubOptions } from '../../../src/watch/watch-hub.ts';
import type { WatchStream } from '../../../src/watch/watch-stream.ts';

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array): string => new TextDecoder().decode(value);

/** Puts value if it is a string, deletes if undefined. */
export type Write = readonly [key: string, value: string | undefined];

interface Version {
  readonly main: number;
  readonly sub: number;
  readonly kv: Uint8Array;
  readonly deleted: boolean;
}

/** Every event in a list. Answers nothing about what is compacted: to ask is an error. */
export class MemoryHistory implements WatchHistory {
  currentRev = 1;
  compactRev = -1;
  readonly events: MvccEvent[] = [];
  reads = 0;
  kvReads = 0;
  readonly #versions = new Map<string, Version[]>();
  /** The key written at a revision, as in #versions. */
  readonly #keyAt = new Map<string, string>();

  /** Applies one transaction; returns its events. One that changes nothing has none and takes no revision. */
  apply(writes: readonly Write[]): MvccEvent[] {
    const main = this.currentRev + 1;
    const events: MvccEvent[] = [];
    for (const [name, value] of writes) {
      const event = this.#event(bytes(name), value, main, events.length);
      if (event !== undefined) events.push(event);
    }
    if (events.length > 0) this.currentRev = main;
    this.events.push(...events);
    return events;
  }

  #event(key: Uint8Array, value: string | undefined, main: number, sub: number): MvccEvent | undefined {
    const versions = this.#versions.get(toBinaryString(key)) ?? [];
    this.#versions.set(toBinaryString(key), versions);
    const prev = versions.at(-1);
    const live = prev !== undefined && !prev.deleted ? prev : undefined;
    if (value === undefined && live === undefined) return undefined;
    const old = live === undefined ? undefined : decodeKeyValue(live.kv);
    const createRevision = value === undefined ? 0 : (old?.createRevision ?? main);
    const version = value === undefined ? 0 : (old?.version ?? 0) + 1;
    const kv = encodeKeyValue({ key, createRevision, modRevision: main, version, value: bytes(value ?? '') });
    this.#keyAt.set(`${main}.${sub}`, toBinaryString(key));
    versions.push({ main, sub, kv, deleted: value === undefined });
    const type = value === undefined ? 1 : 0;
    return { type, key, main, sub, kv, createRevision, prevMain: live?.main ?? PREV_NONE, prevSub: live?.sub ?? 0 };
  }

  compact(rev: number): void {
    if (rev <= this.compactRev || rev > this.currentRev) throw new Error(`cannot compact at ${rev}`);
    this.compactRev = rev;
  }

  read(fromRev: number, unitsMax: number, bytesMax: number): HistoryChunk {
    this.reads++;
    if (fromRev < this.compactRev || fromRev > this.currentRev) throw new Error(`read of ${fromRev}`);
    const events: MvccEvent[] = [];
    let size = 0;
    let low = 0;
    for (let high = this.events.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.events[middle]!.main < fromRev) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < this.events.length; i++) {
      const event = this.events[i]!;
      const full = events.length >= unitsMax || size >= bytesMax;
      if (full && event.main !== events.at(-1)?.main) return { events, nextRev: event.main };
      events.push(event);
      size += event.kv.length;
    }
    return { events, nextRev: this.currentRev + 1 };
  }

  prevKv({ main: before, prevMain: main, prevSub: sub }: MvccEvent): Uint8Array | undefined {
    if (main === PREV_NONE || before - 1 < this.compactRev) return undefined;
    this.kvReads++;
    const versions = this.#versions.get(this.#keyAt.get(`${main}.${sub}`) ?? '');
    const at = versions?.findLastIndex((version) => version.main === main) ?? -1;
    if (versions === undefined || at < 0) throw new Error(`prevKv at ${main}, ${sub} was never written`);
    const next = versions[at + 1];
    if (next !== undefined && next.main <= this.compactRev) throw new Error(`prevKv at ${main}, ${sub} is compacted`);
    return versions[at]!.kv;
  }
}

export class RecordingSink implements WatchSink {
  readonly responses: WatchResponse[] = [];
  readonly raw: Uint8Array[] = [];
  backlogBytes = 0;
  /** Called with each response before it counts. */
  onSend: ((response: WatchResponse) => void) | undefined;

  send(response: Uint8Array): void {
    const decoded = decodeWatchResponse(response);
    this.onSend?.(decoded);
    this.backlogBytes += response.length;
    this.raw.push(response);
    this.responses.push(decoded);
  }

  /** Everything since the last call. */
  take(): WatchResponse[] {
    this.raw.length = 0;
    return this.responses.splice(0);
  }
}

export interface TestStream {
  readonly stream: WatchStream;
  readonly sink: RecordingSink;
  create(request: Partial<WatchCreateRequest> & { readonly k?: string; readonly end?: string }): WatchResponse[];
  cancel(id: bigint): WatchResponse[];
  progress(): WatchResponse[];
  /** Hands everything to the network. */
  drain(): void;
}

export const createRequest = (init: Partial<WatchCreateRequest>): WatchRequest => ({
  createRequest: {
    key: bytes(''),
    rangeEnd: bytes(''),
    startRevision: 0,
    progressNotify: false,
    filters: [],
    prevKv: false,
    watchId: 0n,
    fragment: false,
    ...init,
  },
  cancelRequest: undefined,
  progressRequest: undefined,
});

export const cancelRequest = (watchId: bigint): WatchRequest => ({
  createRequest: undefined,
  cancelRequest: { watchId },
  progressRequest: undefined,
});

export const PROGRESS_REQUEST: WatchRequest = {
  createRequest: undefined,
  cancelRequest: undefined,
  progressRequest: {},
};

export class World {
  readonly history = new MemoryHistory();
  readonly hub: WatchHub;
  wakes = 0;

  constructor(options: Partial<WatchHubOptions> = {}) {
    const headers = { clusterId: 0xc1n, memberId: 0x8e9e05c52164694dn, raftTerm: 3 };
    this.hub = new WatchHub(this.history, headers, { ...DEFAULT_WATCH_HUB_OPTIONS, ...options }, () => this.wakes++);
  }

  write(...writes: Write[]): void {
    const events = this.history.apply(writes);
    if (events.length > 0) this.hub.notify(this.history.currentRev, events);
  }

  put(key: string, value = 'v'): void {
    this.write([key, value]);
  }

  del(key: string): void {
    this.write([key, undefined]);
  }

  /** Everybody catches up as far as their sinks allow. */
  settle(unitsMax = 1000): void {
    for (let slices = 0; this.hub.catchUp(unitsMax); slices++) {
      if (slices > 1_000_000) throw new Error('catching up does not end');
    }
  }

  open(authorize?: (key: Uint8Array, rangeEnd: Uint8Array) => string | undefined): TestStream {
    const sink = new RecordingSink();
    const stream = this.hub.openStream(sink, authorize);
    const ask = (request: WatchRequest): WatchResponse[] => {
      const before = sink.responses.length;
      stream.request(request);
      return sink.responses.slice(before);
    };
    return {
      stream,
      sink,
      create: ({ k, end, ...init }) =>
        ask(
          createRequest({
            ...(k === undefined ? {} : { key: bytes(k) }),
            ...(end === undefined ? {} : { rangeEnd: bytes(end) }),
            ...init,
          }),
        ),
      cancel: (id) => ask(cancelRequest(id)),
      progress: () => ask(PROGRESS_REQUEST),
      drain: () => {
        sink.backlogBytes = 0;
        stream.drained();
      },
    };
  }
}

export function inRange(key: Uint8Array, from: Uint8Array, rangeEnd: Uint8Array): boolean {
  if (rangeEnd.length === 0) return compareBytes(key, from) === 0;
  if (compareBytes(key, from) < 0) return false;
  return (rangeEnd.length === 1 && rangeEnd[0] === 0) || compareBytes(key, rangeEnd) < 0;
}
