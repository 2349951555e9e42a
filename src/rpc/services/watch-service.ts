/** etcdserverpb.Watch: connects a stream of the transport with one of the watch hub. */
import type { AuthInfo } from '../../auth/auth-info.ts';
import { Code, EtcdError } from '../../base/etcd-error.ts';
import { decodeWatchRequest, type WatchRequest } from '../../gen/rpc.ts';
import { WatchService } from '../../gen/services.ts';
import type { ServerCore } from '../../server/core.ts';
import type { WatchHub } from '../../watch/watch-hub.ts';
import type { WatchStream } from '../../watch/watch-stream.ts';
import type { ServiceRegistry } from '../service-registry.ts';
import type { StreamCall } from '../transport.ts';
import { statusOf } from '../status.ts';

/** `onBadMessage`: told of a stream that ends because a message of the client cannot be read. */
export function registerWatch(
  registry: ServiceRegistry,
  core: ServerCore,
  hub: WatchHub,
  onBadMessage: () => void = () => {},
): void {
  registry.bidi(WatchService.methods.Watch.path, (call) => new WatchCall(call, core, hub, onBadMessage).serve());
}

class WatchCall {
  readonly #call: StreamCall;
  readonly #core: ServerCore;
  readonly #stream: WatchStream;
  readonly #onBadMessage: () => void;
  /** Who the caller is, or why that cannot be told; as of the create request in hand. Undefined while auth is off. */
  #caller: AuthInfo | EtcdError | undefined;
  /** A create request waits for the caller to be identified; the requests behind it wait too, in order. */
  #pending: Promise<void> | undefined;

  constructor(call: StreamCall, core: ServerCore, hub: WatchHub, onBadMessage: () => void) {
    this.#call = call;
    this.#onBadMessage = onBadMessage;
    this.#core = core;
    const sink = {
      send: (bytes: Uint8Array) => call.send(bytes),
      get backlogBytes() {
        return call.backlogBytes;
      },
    };
    this.#stream = hub.openStream(sink, (key, rangeEnd) => this.#refusal(key, rangeEnd));
  }

  serve(): void {
    const call = this.#call;
    call.onMessage((bytes) => this.#onMessage(bytes));
    call.onDrain(() => {
      this.#stream.drained();
      this.#resume();
    });
    // A client that has said all it wants to say goes on watching.
    call.onHalfClose(() => {});
    call.ctx.onCancel(() => this.#stream.close());
  }

  #onMessage(bytes: Uint8Array): void {
    let request: WatchRequest;
    try {
      request = decodeWatchRequest(bytes);
    } catch (error) {
      this.#onBadMessage();
      this.#fail(error);
      return;
    }
    if (this.#pending !== undefined) {
      this.#pending = this.#pending.then(() => this.#take(request));
      return;
    }
    const taken = this.#take(request);
    if (taken === undefined) return;
    this.#call.pauseReading();
    this.#pending = taken;
    void this.#untilIdle();
  }

  /** Undefined where the request is handled already. */
  #take(request: WatchRequest): Promise<void> | undefined {
    const { auth, authenticator } = this.#core.parts;
    if (request.createRequest === undefined || !auth.enabled) {
      this.#caller = undefined;
      this.#handle(request);
      return undefined;
    }
    let who: AuthInfo | EtcdError | Promise<AuthInfo>;
    try {
      who = authenticator.identify(this.#call.ctx);
    } catch (error) {
      who = statusOf(error);
    }
    if (who instanceof Promise) return this.#handleLater(request, who);
    this.#caller = who;
    this.#handle(request);
    return undefined;
  }

  async #handleLater(request: WatchRequest, who: Promise<AuthInfo>): Promise<void> {
    const caller = await who.catch((error: unknown) => statusOf(error));
    this.#caller = caller;
    this.#handle(request);
  }

  async #untilIdle(): Promise<void> {
    for (let last = this.#pending; last !== undefined;) {
      await last;
      last = last === this.#pending ? undefined : this.#pending;
    }
    this.#pending = undefined;
    this.#resume();
  }

  #handle(request: WatchRequest): void {
    try {
      this.#stream.request(request);
    } catch (error) {
      this.#fail(error);
      return;
    }
    // Their answers take memory too: a client that does not read gets no more of its requests read.
    if (this.#stream.full) this.#call.pauseReading();
  }

  #resume(): void {
    if (!this.#stream.full && this.#pending === undefined) this.#call.resumeReading();
  }

  #fail(error: unknown): void {
    this.#stream.close();
    this.#call.fail(statusOf(error));
  }

  /** In the words of etcd, which hands a gRPC status on as a text. */
  #refusal(key: Uint8Array, rangeEnd: Uint8Array): string | undefined {
    const caller = this.#caller;
    if (caller === undefined) return undefined;
    try {
      if (caller instanceof EtcdError) throw caller;
      this.#core.parts.auth.checkRead(caller, key, rangeEnd);
      return undefined;
    } catch (error) {
      const { code, message } = statusOf(error);
      const name = Object.entries(Code).find(([, value]) => value === code)?.[0] ?? 'Unknown';
      return `rpc error: code = ${name} desc = ${message}`;
    }
  }
}
