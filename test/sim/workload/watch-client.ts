/** One watch stream with its watches. When the connection breaks, it opens another and goes on where it was. */
import { fromBinaryString } from '../../../src/base/bytes.ts';
import type { EtcdError } from '../../../src/base/etcd-error.ts';
import { decodeWatchResponse, encodeWatchRequest, type WatchResponse } from '../../../src/gen/rpc.ts';
import { WatchService } from '../../../src/gen/services.ts';
import { Watched } from '../checks/watched.ts';
import type { WatchAction } from '../plan.ts';
import type { ClientStream } from '../world/sim-network.ts';
import { require, Violation } from '../world/violation.ts';
import type { Caller } from './caller.ts';

const RETRY_MS = 50;
const FILTER_NO_PUT = 0;
const FILTER_NO_DELETE = 1;
const PROGRESS_OF_ALL = -1n;

interface Watch {
  readonly name: string;
  readonly action: WatchAction;
  /** undefined until the server has told where it begins. */
  watched: Watched | undefined;
  /** On the current connection, once created. */
  id: bigint | undefined;
  cancelled: boolean;
}

export class WatchClient {
  readonly #caller: Caller;
  readonly #watches: Watch[] = [];
  #stream: ClientStream | undefined;
  /** Asked for on this connection, not answered yet, in order. */
  #creating: Watch[] = [];
  /** Ids on this connection that the server has cancelled: a cancel that was on its way is answered too. */
  readonly #gone = new Set<bigint>();
  /** Goes up with each connection. */
  #connection = 0;
  #reading = true;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  watch(action: WatchAction): void {
    const { world, name } = this.#caller;
    const { reference } = world.log;
    const watch: Watch = {
      name: `${name}/w${this.#watches.length}`,
      action,
      watched: undefined,
      id: undefined,
      cancelled: false,
    };
    if (action.back !== undefined) {
      const from = Math.max(1, world.seenRevision - action.back);
      watch.watched = new Watched(watch.name, action, reference.store, from);
    }
    this.#watches.push(watch);
    if (this.#stream === undefined) this.#connect();
    else this.#create(watch);
  }

  cancel(at: number): void {
    const watch = this.#watches[at % Math.max(1, this.#watches.length)];
    if (watch?.id === undefined || watch.cancelled) return;
    watch.cancelled = true;
    this.#stream?.send(encodeWatchRequest({ cancelRequest: { watchId: watch.id } }));
  }

  askProgress(): void {
    this.#stream?.send(encodeWatchRequest({ progressRequest: {} }));
  }

  /** Breaks the connection, and opens another. */
  hangUp(): void {
    if (this.#stream === undefined) return;
    this.#stream.cancel();
    this.#caller.moveOn();
    this.#retry(this.#connection);
  }

  setReading(reading: boolean): void {
    this.#reading = reading;
    this.#stream?.setReading(reading);
  }

  /** Watches that have not got everything there is. */
  behind(): string[] {
    const late = this.#watches.filter(({ cancelled, watched }) => !cancelled && (watched?.isBehind ?? true));
    return late.map(({ name }) => name);
  }

  #connect(): void {
    const { world } = this.#caller;
    const connection = ++this.#connection;
    this.#stream = world.network.openStream(this.#caller.node, WatchService.methods.Watch.path, {
      message: (bytes) => this.#message(decodeWatchResponse(bytes)),
      ended: (error) => this.#ended(error),
      broken: () => this.#retry(connection),
    });
    if (this.#stream === undefined) return this.#retry(connection);
    this.#stream.setReading(this.#reading);
    this.#creating = [];
    this.#gone.clear();
    for (const watch of this.#watches) {
      watch.id = undefined;
      if (watch.cancelled) continue;
      watch.watched?.reconnected();
      if (watch.watched !== undefined && connection > 1) world.marks.hit('watchResumed');
      this.#create(watch);
    }
  }

  #retry(connection: number): void {
    if (connection !== this.#connection) return;
    const { world, name } = this.#caller;
    this.#stream = undefined;
    world.scheduler.after(RETRY_MS, `${name} connects`, () => {
      if (connection === this.#connection && this.#stream === undefined) this.#connect();
    });
  }

  #create(watch: Watch): void {
    const { key, end = '', prevKv, noPut, noDelete, progress, fragment } = watch.action;
    const filters: number[] = [];
    if (noPut === true) filters.push(FILTER_NO_PUT);
    if (noDelete === true) filters.push(FILTER_NO_DELETE);
    this.#creating.push(watch);
    const createRequest = {
      key: fromBinaryString(key),
      rangeEnd: fromBinaryString(end),
      startRevision: watch.watched?.nextRev ?? 0,
      filters,
      prevKv,
      progressNotify: progress,
      fragment,
    };
    this.#stream?.send(encodeWatchRequest({ createRequest }));
  }

  #message(response: WatchResponse): void {
    this.#caller.world.observe(response.header);
    if (response.created) this.#created(response);
    else if (response.canceled) this.#canceled(response);
    else if (response.events.length > 0) this.#events(response);
    else this.#progress(response);
  }

  #created(response: WatchResponse): void {
    const watch = this.#creating.shift();
    require(watch !== undefined, 'watch', () => `a watch ${response.watchId} was created that nobody asked for`);
    require(!response.canceled, 'watch', () => `${watch.name} is refused: ${response.cancelReason}`);
    watch.id = response.watchId;
    const { store } = this.#caller.world.log.reference;
    const revision = response.header?.revision ?? 0;
    watch.watched ??= new Watched(watch.name, watch.action, store, revision + 1);
  }

  #canceled(response: WatchResponse): void {
    if (this.#gone.has(response.watchId)) return;
    const { world } = this.#caller;
    const watch = this.#find(response);
    watch.id = undefined;
    this.#gone.add(response.watchId);
    if (watch.cancelled) return;
    const { watched } = watch;
    const { compactRevision } = response;
    const known = world.log.reference.store.compactRev;
    const isCompacted = watched !== undefined && watched.nextRev < compactRevision && compactRevision <= known;
    require(isCompacted, 'watch', () => {
      return `${watch.name} is cancelled: ${response.cancelReason}, compacted ${compactRevision} of ${known}`;
    });
    world.marks.hit('watchCompacted');
    watched.skipTo(compactRevision);
    this.#create(watch);
  }

  #events(response: WatchResponse): void {
    const watch = this.#find(response);
    const { world } = this.#caller;
    if (response.fragment) world.marks.hit('watchFragmented');
    if (watch.watched === undefined) throw new Violation('watch', `${watch.name}: events before it was created`);
    watch.watched.take(response, world.log.reference.store.compactRev);
  }

  #progress(response: WatchResponse): void {
    this.#caller.world.marks.hit('watchProgress');
    const revision = response.header?.revision ?? 0;
    const about = response.watchId === PROGRESS_OF_ALL ? this.#watches : [this.#find(response)];
    for (const { id, watched, cancelled } of about) {
      if (id !== undefined && !cancelled) watched?.complete(revision, 'progress');
    }
  }

  #find({ watchId }: WatchResponse): Watch {
    const watch = this.#watches.find(({ id }) => id === watchId);
    require(watch !== undefined, 'watch', () => `a response for watch ${watchId}, which is not there`);
    return watch;
  }

  #ended(error: EtcdError | undefined): void {
    if (error !== undefined && this.#caller.isTemporary(error)) return this.#retry(this.#connection);
    throw new Violation('watch', `${this.#caller.name}: the server ended the stream: ${error?.message ?? 'OK'}`);
  }
}
