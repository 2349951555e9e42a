import type { WatchResponse } from '../../support/api-messages.ts';
import { RpcError } from '../../support/raw-client.ts';
import type { WatchStream } from '../../support/watch-helpers.ts';
import { entryOf, type WatchedEvent, type WatchRecord } from '../history.ts';
import type { Session } from './session.ts';

/** Asked now and then, so that a watch without events is known to be up to date. */
const PROGRESS_EVERY_MS = 700;
/** A stream that says nothing for so long, though it was asked, is given up. */
const SILENCE_MS = 2500;

export interface WatchWish {
  readonly key: string;
  readonly end: string;
  readonly prevKv: boolean;
  readonly requireLeader: boolean;
  readonly fromRevision: number;
}

/** A watch that goes on where it stopped, on another connection, whenever one breaks. */
export class Watcher {
  readonly record: WatchRecord;
  readonly #session: Session;
  readonly #wish: WatchWish;
  /** The first revision of which nothing has come. */
  #next: number;

  constructor(session: Session, wish: WatchWish) {
    this.#session = session;
    this.#wish = wish;
    this.#next = wish.fromRevision;
    const { key, end, prevKv, fromRevision } = wish;
    this.record = { name: session.name, key, end, prevKv, fromRevision, deliveries: [] };
    session.history.watches.push(this.record);
  }

  /** Everything up to here has come, or is not of interest to it. */
  get completeTo(): number {
    return this.#next - 1;
  }

  run(): Promise<void> {
    return this.#session.loop(async () => {
      const { requireLeader, prevKv: prev_kv, key, end: range_end } = this.#wish;
      const stream = this.#session.client.watch(requireLeader ? { metadata: { hasleader: 'true' } } : {});
      const member = this.#session.member.name;
      try {
        stream.send({ create_request: { key, range_end, prev_kv, start_revision: this.#next, progress_notify: true } });
        this.record.deliveries.push({ kind: 'resumed', revision: this.#next, member });
        await this.#follow(stream, member);
      } finally {
        stream.cancel();
      }
    });
  }

  async #follow(stream: WatchStream, member: string): Promise<void> {
    let askedMs = performance.now();
    let heardMs = askedMs;
    while (!this.#session.stopped) {
      const response = await next(stream);
      const nowMs = performance.now();
      if (response !== undefined) {
        heardMs = nowMs;
        this.#take(response, member);
      } else if (nowMs - heardMs > SILENCE_MS) throw new RpcError(4, 'the watch says nothing');
      if (nowMs - askedMs > PROGRESS_EVERY_MS) {
        askedMs = nowMs;
        stream.send({ progress_request: {} });
      }
    }
  }

  #take(response: WatchResponse, member: string): void {
    const revision = Number(response.header.revision);
    if (response.canceled) throw new RpcError(14, `canceled: ${response.cancel_reason}`);
    if (response.created) return;
    this.#session.history.saw(revision);
    if (response.events.length === 0) {
      this.record.deliveries.push({ kind: 'progress', revision, member });
      this.#next = Math.max(this.#next, revision + 1);
      return;
    }
    const events = response.events.map(({ type, kv, prev_kv }): WatchedEvent => ({
      type,
      entry: entryOf(kv),
      prev: prev_kv && entryOf(prev_kv),
    }));
    this.record.deliveries.push({ kind: 'events', events, revision, member });
    this.#next = Math.max(this.#next, (events.at(-1)?.entry.mod ?? 0) + 1);
  }
}

const SLICE_MS = 250;

/** undefined when nothing comes for a while. Throws what ended the stream. */
async function next(stream: WatchStream): Promise<WatchResponse | undefined> {
  try {
    return await stream.next(SLICE_MS);
  } catch (error) {
    if (error instanceof RpcError) throw error;
    if (stream.ended) throw new RpcError(14, 'the stream ended');
    return undefined;
  }
}
