import type { Event, WatchRequest, WatchResponse } from '../support/api-messages.ts';
import type { RawClient } from '../support/raw-client.ts';
import { show } from '../support/stream-inbox.ts';
import type { WatchStream } from '../support/watch-helpers.ts';

export type ControlKind = 'created' | 'canceled' | 'progress';

/** A response without events, as text that must be equal on both sides. */
export interface Control {
  readonly kind: ControlKind;
  readonly text: string;
  readonly response: WatchResponse;
}

export interface TrackedEvent {
  readonly revision: bigint;
  readonly key: string;
  readonly type: Event['type'];
  readonly text: string;
}

/** One side's watch stream, taken apart into control responses in order and events by watch id. */
export class WatchTrack {
  readonly #stream: WatchStream;
  readonly #events = new Map<bigint, TrackedEvent[]>();
  readonly #lastRevision = new Map<bigint, bigint>();
  #controls: Control[] = [];
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(client: RawClient) {
    this.#stream = client.watch();
    void this.#follow();
  }

  send(request: WatchRequest): void {
    this.#stream.send(request);
  }

  close(): void {
    this.#closed = true;
    this.#stream.cancel();
  }

  events(watchId: bigint): readonly TrackedEvent[] {
    return this.#events.get(watchId) ?? [];
  }

  /** Forgets the events of a watch that were compared, so that a long run does not grow. */
  forget(watchId: bigint): void {
    this.#events.delete(watchId);
  }

  /** Forgets everything about a watch id: the next watch with it is another one. */
  release(watchId: bigint): void {
    this.#events.delete(watchId);
    this.#lastRevision.delete(watchId);
  }

  pendingControls(): readonly Control[] {
    return this.#controls;
  }

  /** The next control response, or undefined when none came in time. */
  async control(timeoutMs: number): Promise<Control | undefined> {
    await this.until(() => this.#controls.length > 0, timeoutMs);
    return this.#controls.shift();
  }

  /** Waits until `condition` holds, looking again after each response; false when it did not come to that in time. */
  async until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    while (!condition()) {
      if (this.#failure) throw this.#failure;
      const left = deadline - Date.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  async #follow(): Promise<void> {
    try {
      for (;;) this.#take(await this.#stream.next(2 ** 31 - 1));
    } catch (error) {
      if (!this.#closed) this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#wake?.();
    }
  }

  #take(response: WatchResponse): void {
    if (response.events.length === 0) {
      const { header, watch_id, created, canceled, compact_revision, cancel_reason } = response;
      const kind: ControlKind = created ? 'created' : canceled ? 'canceled' : 'progress';
      const text = show({ revision: header.revision, watch_id, created, canceled, compact_revision, cancel_reason });
      this.#controls.push({ kind, text, response });
    } else {
      this.#takeEvents(response);
    }
    this.#wake?.();
  }

  #takeEvents(response: WatchResponse): void {
    const id = response.watch_id;
    const first = response.events[0]?.kv.mod_revision ?? 0n;
    const last = response.events.at(-1)?.kv.mod_revision ?? 0n;
    const before = this.#lastRevision.get(id) ?? 0n;
    // All events of one revision come in one response, and revisions only grow.
    if (first <= before)
      throw new Error(`watch ${id}: a response begins at ${first} after one that ended at ${before}`);
    if (response.header.revision < last)
      throw new Error(`watch ${id}: header ${response.header.revision} below event ${last}`);
    this.#lastRevision.set(id, last);
    const list = this.#events.get(id) ?? [];
    for (const event of response.events) {
      list.push({
        revision: event.kv.mod_revision,
        key: Buffer.from(event.kv.key).toString('latin1'),
        type: event.type,
        text: show(event),
      });
    }
    this.#events.set(id, list);
  }
}
