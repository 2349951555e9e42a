/** A call with a stream of responses: server streaming, or both ways. */

import { EMPTY } from '../base/bytes.ts';
import { Code, EtcdError, etcdError } from '../base/etcd-error.ts';
import { admit, requiresLeader } from './admission.ts';
import { CallBase, SEND_BYTES_MAX } from './call-base.ts';
import type { CallEnvironment } from './call-environment.ts';
import type { MethodMetrics } from './rpc-metrics.ts';
import type { BidiMethod, ServerStreamMethod } from './service-registry.ts';
import type { CallReceiver, RpcContext, StreamCall, TransportCall } from './transport.ts';

/** The set that the dispatcher stops, and this call's place in it. */
export type OpenStreams = Set<StreamCallImpl>;

export class StreamCallImpl extends CallBase implements CallReceiver, StreamCall {
  readonly #open: OpenStreams;
  readonly #method: ServerStreamMethod | BidiMethod;
  #messages = 0;
  #endLeaderWatch: (() => void) | undefined;
  #onMessage: ((message: Uint8Array) => void) | undefined;
  #onHalfClose: (() => void) | undefined;
  #onDrain: (() => void) | undefined;

  constructor(
    env: CallEnvironment,
    method: ServerStreamMethod | BidiMethod,
    metrics: MethodMetrics,
    transport: TransportCall,
    open: OpenStreams,
  ) {
    super(env, method, metrics, transport);
    this.#method = method;
    this.#open = open;
    open.add(this);
  }

  /** Runs the checks and, for bidi, the handler. */
  start(): void {
    if (this.expireIfDue()) return;
    const method = this.#method;
    this.#guard(() => {
      admit(this.env, method, this.metadata, EMPTY, 'stream');
      if (requiresLeader(this.metadata)) {
        this.#endLeaderWatch = this.env.leaderMonitor.watch(() => this.cancelWith(etcdError('NoLeader'), true));
      }
      return method.kind === 'bidi_stream' ? method.handler(this) : undefined;
    });
  }

  // ---- StreamCall: towards the handler ----

  get ctx(): RpcContext {
    return this;
  }

  get backlogBytes(): number {
    return this.isOver ? 0 : this.transport.backlogBytes;
  }

  send(head: Uint8Array, tail?: Uint8Array): void {
    if (this.isOver) return;
    const bytes = tail === undefined ? head.length : head.length + tail.length;
    if (bytes > SEND_BYTES_MAX) {
      const text = `grpc: trying to send message larger than max (${bytes} vs. ${SEND_BYTES_MAX})`;
      this.cancelWith(new EtcdError(Code.ResourceExhausted, text), true);
      return;
    }
    this.metrics.messageSent(bytes);
    this.transport.sendMessage(head, tail);
  }

  end(): void {
    if (this.isOver) return;
    this.finish(Code.OK);
    this.transport.sendStatus(Code.OK, '');
  }

  fail(error: EtcdError): void {
    this.failWith(error);
  }

  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  onMessage(callback: (message: Uint8Array) => void): void {
    this.#onMessage = callback;
  }

  onHalfClose(callback: () => void): void {
    this.#onHalfClose = callback;
  }

  pauseReading(): void {
    if (!this.isOver) this.transport.pauseReading();
  }

  resumeReading(): void {
    if (!this.isOver) this.transport.resumeReading();
  }

  // ---- CallReceiver: towards the transport ----

  message(message: Uint8Array): void {
    if (this.isOver) return;
    this.metrics.messageReceived(message.length);
    const method = this.#method;
    if (method.kind === 'bidi_stream') {
      this.#guard(() => {
        this.env.checkRequest(message);
        this.#onMessage?.(message);
      });
      return;
    }
    this.#messages++;
    if (this.#messages === 1) {
      this.#guard(() => {
        this.env.checkRequest(message);
        return method.handler(this, message);
      });
    } else this.failWith(new EtcdError(Code.Internal, 'cardinality violation: expected one request message, got more'));
  }

  halfClosed(): void {
    if (this.isOver) return;
    if (this.#method.kind === 'server_stream' && this.#messages === 0) {
      this.failWith(new EtcdError(Code.Internal, 'cardinality violation: expected one request message, got none'));
    } else {
      this.#guard(() => this.#onHalfClose?.());
    }
  }

  reset(): void {
    this.cancelWith(new EtcdError(Code.Canceled, 'context canceled'), false);
  }

  drained(): void {
    if (!this.isOver) this.#guard(() => this.#onDrain?.());
  }

  protected override onFinish(): void {
    this.#open.delete(this);
    this.#endLeaderWatch?.();
  }

  /** Runs the handler's code: what it throws, now or later, ends the call, and the rest of its code is told. */
  #guard(run: () => void | Promise<void>): void {
    try {
      const later = run();
      if (later instanceof Promise) later.catch((error: unknown) => this.cancelWith(this.statusOf(error), true));
    } catch (error) {
      this.cancelWith(this.statusOf(error), true);
    }
  }
}
