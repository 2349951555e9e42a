/** A watch of this server's own, read response by response. */
import { Code, EtcdError } from '../base/etcd-error.ts';
import {
  decodeWatchRequest,
  decodeWatchResponse,
  encodeWatchRequest,
  type WatchCreateRequestInit,
  type WatchResponse,
} from '../gen/rpc.ts';
import type { WatchHub } from '../watch/watch-hub.ts';
import type { WatchStream } from '../watch/watch-stream.ts';

export class KeyWatch {
  readonly #stream: WatchStream;
  /** Bounded by the hub, which keeps back what a sink with too large a backlog would get. */
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #error: EtcdError | undefined;
  #wake: (() => void) | undefined;

  constructor(hub: WatchHub, request: WatchCreateRequestInit) {
    const queuedBytes = (): number => this.#queuedBytes;
    this.#stream = hub.openStream({
      send: (bytes) => this.#push(bytes),
      get backlogBytes() {
        return queuedBytes();
      },
    });
    this.#stream.request(decodeWatchRequest(encodeWatchRequest({ createRequest: request })));
  }

  /** The next response with events. Rejects when the watch is cancelled by the server, and with what fail() was given. */
  async next(): Promise<WatchResponse> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const bytes = this.#queue.shift();
      if (bytes === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      this.#queuedBytes -= bytes.length;
      if (this.#queuedBytes === 0) this.#stream.drained();
      const response = decodeWatchResponse(bytes);
      if (response.canceled) throw new EtcdError(Code.Unknown, reasonOf(response));
      if (response.events.length > 0) return response;
    }
  }

  /** Ends the watch: next() rejects. */
  fail(error: EtcdError): void {
    this.#error ??= error;
    this.close();
    this.#wake?.();
  }

  close(): void {
    this.#stream.close();
  }

  #push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#wake?.();
  }
}

function reasonOf({ compactRevision, cancelReason }: WatchResponse): string {
  return compactRevision > 0 ? 'etcdserver: mvcc: required revision has been compacted' : cancelReason;
}
