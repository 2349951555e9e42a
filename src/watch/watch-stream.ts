import { compareBytes, copyBytes, EMPTY } from '../base/bytes.ts';
import type { WatchCreateRequest, WatchRequest } from '../gen/rpc.ts';
import type { WatchAuthorizer, WatchHistory, WatchSink } from './ports.ts';
import { NO_WATCH_ID, type ResponseEncoder } from './response-encoder.ts';
import type { WatcherRegistry } from './watcher-registry.ts';
import { NO_DELETE, NO_PUT, PREV_KV, Watcher } from './watcher.ts';

/** The hub as its streams see it. */
export interface StreamHost {
  readonly currentRev: number;
  readonly history: WatchHistory;
  readonly encoder: ResponseEncoder;
  readonly registry: WatcherRegistry;
  readonly watchersMax: number;
  readonly keyBytesMax: number;
  /** Over it a stream is full; it may change at any time. */
  readonly streamBacklogBytesMax: number;
  /** Runs `operation` now or, if called from within a delivery, right after it. */
  run(operation: () => void): void;
  backlogChanged(byBytes: number, byEvents: number): void;
  forget(stream: WatchStream): void;
}

/** WatchCreateRequest.FilterType. */
const FILTER_NOPUT = 0;
const FILTER_NODELETE = 1;

const ZERO_KEY = new Uint8Array(1);

/**
 * One Watch RPC: its watchers, and the order of what goes out. Everything is put into the sink at once or not at all, so
 * responses leave in the order in which they came to be; what a full sink does not take is not queued but read again from
 * history later.
 */
export class WatchStream {
  /** Watchers in state `stalled`. Changed by WatcherRegistry only. */
  readonly stalled = new Set<Watcher>();

  readonly #host: StreamHost;
  readonly #sink: WatchSink;
  readonly #authorize: WatchAuthorizer | undefined;
  readonly #watchers = new Map<bigint, Watcher>();
  #nextId = 0n;
  /** Set when the backlog passes its limit, cleared when it has fallen to half of it. */
  #full = false;
  #closed = false;
  /** What the hub was told last. */
  #backlogBytes = 0;
  /** Events sent since the backlog was last seen empty. */
  #pendingEvents = 0;

  constructor(host: StreamHost, sink: WatchSink, authorize: WatchAuthorizer | undefined) {
    this.#host = host;
    this.#sink = sink;
    this.#authorize = authorize;
  }

  /** Watchers whose id is taken. */
  get size(): number {
    return this.#watchers.size;
  }

  /** Takes no more events for now. The transport should read no more requests meanwhile: their answers take memory, too. */
  get full(): boolean {
    return this.#full;
  }

  /** Handles one message of the client. One without any known request in it is ignored. */
  request(request: WatchRequest): void {
    this.#host.run(() => {
      if (this.#closed) return;
      if (request.createRequest !== undefined) this.#create(request.createRequest);
      else if (request.cancelRequest !== undefined) this.#cancel(request.cancelRequest.watchId);
      else if (request.progressRequest !== undefined) this.#progress();
    });
  }

  /** Must be called whenever the sink's backlog has fallen to zero; more calls do no harm. */
  drained(): void {
    this.#host.run(() => this.#observe());
  }

  /** Ends all watchers. Nothing is sent any more, also when called from within WatchSink.send. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#host.run(() => {
      for (const watcher of this.#watchers.values()) this.#host.registry.close(watcher);
      this.#watchers.clear();
      this.#host.backlogChanged(-this.#backlogBytes, -this.#pendingEvents);
      this.#host.forget(this);
    });
  }

  /** For the hub: sends an encoded response with `events` events. */
  sendEvents(response: Uint8Array, events: number): void {
    if (this.#closed) return;
    this.#pendingEvents += events;
    this.#host.backlogChanged(0, events);
    this.#send(response);
  }

  /** For the hub: what the watcher needs next is compacted away. Its id stays taken until the client cancels it, too. */
  cancelCompacted(watcher: Watcher): void {
    this.#host.registry.toCompacted(watcher);
    this.#send(this.#host.encoder.compacted(watcher.id, this.#host.history.compactRev));
  }

  /** For the hub: a notice to every watcher that wants one, has all events, and had none since the last tick. */
  progressTick(): void {
    if (this.#closed) return;
    this.#observe();
    if (this.#full) return;
    const { currentRev, encoder } = this.#host;
    for (const watcher of this.#watchers.values()) {
      if (!watcher.progressNotify) continue;
      const due = watcher.quiet && watcher.state === 'synced' && currentRev >= watcher.startRev;
      watcher.quiet = true;
      if (due) this.#send(encoder.progress(watcher.id, currentRev));
    }
  }

  /** For the hub. */
  watchers(): Iterable<Watcher> {
    return this.#watchers.values();
  }

  #create(request: WatchCreateRequest): void {
    const { currentRev, encoder, history, registry } = this.#host;
    const key = request.key.length === 0 ? ZERO_KEY : copyBytes(request.key);
    const reason = this.#authorize?.(key, request.rangeEnd) ?? this.#refusal(key, request);
    if (reason !== undefined) {
      this.#send(encoder.refused(reason, currentRev));
      return;
    }
    const { startRevision: startRev, fragment, progressNotify } = request;
    const id = request.watchId === 0n ? this.#allocateId() : request.watchId;
    const options = { id, key, end: endOf(request.rangeEnd), startRev, fragment, progressNotify };
    const fromNow = startRev === 0 || startRev > currentRev;
    const nextRev = fromNow ? Math.max(startRev, currentRev + 1) : startRev;
    const watcher = new Watcher(this, { ...options, variant: variantOf(request) }, nextRev);
    this.#watchers.set(id, watcher);
    this.#send(encoder.created(id, currentRev));
    if (fromNow) registry.toSynced(watcher);
    else if (startRev < history.compactRev) this.cancelCompacted(watcher);
    else registry.toCatchingUp(watcher, nextRev);
  }

  /** Why the watch can not be, if it can not. */
  #refusal(key: Uint8Array, request: WatchCreateRequest): string | undefined {
    if (request.startRevision < 0) return 'etcdserver: mvcc: required revision has been compacted';
    const end = endOf(request.rangeEnd);
    if (end !== undefined && end.length > 0 && compareBytes(key, end) >= 0) return 'mvcc: watcher range is empty';
    if (this.#watchers.has(request.watchId) && request.watchId !== 0n) {
      return 'mvcc: duplicate watch ID provided on the WatchStream';
    }
    const { registry, watchersMax, keyBytesMax } = this.#host;
    const keyBytes = key.length + request.rangeEnd.length;
    if (registry.size >= watchersMax || registry.keyBytes + keyBytes > keyBytesMax) {
      return 'etcdserver: too many requests';
    }
    return undefined;
  }

  #allocateId(): bigint {
    while (this.#watchers.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  #cancel(id: bigint): void {
    const watcher = this.#watchers.get(id);
    if (watcher === undefined) return;
    this.#host.registry.close(watcher);
    this.#watchers.delete(id);
    this.#send(this.#host.encoder.canceled(id, this.#host.currentRev));
  }

  /** Answered only if every watcher has everything up to now; a compacted one never has. Else the client asks again. */
  #progress(): void {
    const { currentRev, encoder } = this.#host;
    if (this.#watchers.size === 0 || this.#full) return;
    for (const watcher of this.#watchers.values()) {
      if (watcher.state !== 'synced' || currentRev < watcher.startRev) return;
    }
    this.#send(encoder.progress(NO_WATCH_ID, currentRev));
  }

  #send(response: Uint8Array): void {
    if (this.#closed) return;
    this.#sink.send(response);
    this.#account();
    if (this.#backlogBytes > this.#host.streamBacklogBytesMax) this.#full = true;
  }

  /** Looks how far the sink has drained; if far enough, the stalled watchers start to catch up. */
  #observe(): void {
    if (this.#closed) return;
    this.#account();
    if (this.#backlogBytes === 0 && this.#pendingEvents > 0) {
      this.#host.backlogChanged(0, -this.#pendingEvents);
      this.#pendingEvents = 0;
    }
    if (!this.#full || this.#backlogBytes > this.#host.streamBacklogBytesMax / 2) return;
    this.#full = false;
    for (const watcher of this.stalled) this.#host.registry.toCatchingUp(watcher, watcher.nextRev);
  }

  #account(): void {
    const { backlogBytes } = this.#sink;
    if (backlogBytes === this.#backlogBytes) return;
    this.#host.backlogChanged(backlogBytes - this.#backlogBytes, 0);
    this.#backlogBytes = backlogBytes;
  }
}

/** See Watcher.end. */
function endOf(rangeEnd: Uint8Array): Uint8Array | undefined {
  if (rangeEnd.length === 0) return undefined;
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return EMPTY;
  return copyBytes(rangeEnd);
}

function variantOf(request: WatchCreateRequest): number {
  let variant = request.prevKv ? PREV_KV : 0;
  if (request.filters.includes(FILTER_NOPUT)) variant |= NO_PUT;
  if (request.filters.includes(FILTER_NODELETE)) variant |= NO_DELETE;
  return variant;
}
