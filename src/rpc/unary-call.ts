/** A unary call from its first byte to its answer. */

import { Code, EtcdError } from '../base/etcd-error.ts';
import { goDuration } from '../base/go-duration.ts';
import { admit } from './admission.ts';
import { CallBase, SEND_BYTES_MAX } from './call-base.ts';
import type { CallEnvironment } from './call-environment.ts';
import type { MethodMetrics } from './rpc-metrics.ts';
import type { UnaryMethod } from './service-registry.ts';
import type { CallReceiver, TransportCall, UnaryResponse } from './transport.ts';

export class UnaryCall extends CallBase implements CallReceiver {
  readonly #method: UnaryMethod;
  #request: Uint8Array | undefined;

  constructor(env: CallEnvironment, method: UnaryMethod, metrics: MethodMetrics, transport: TransportCall) {
    super(env, method, metrics, transport);
    this.#method = method;
  }

  message(message: Uint8Array): void {
    if (this.isOver) return;
    if (this.#request !== undefined) {
      this.failWith(new EtcdError(Code.Internal, 'cardinality violation: expected one request message, got more'));
      return;
    }
    this.metrics.messageReceived(message.length);
    this.#request = message;
  }

  halfClosed(): void {
    if (this.isOver || this.expireIfDue()) return;
    const request = this.#request;
    if (request === undefined) {
      this.failWith(new EtcdError(Code.Internal, 'cardinality violation: expected one request message, got none'));
      return;
    }
    try {
      this.env.checkRequest(request);
      admit(this.env, this.#method, this.metadata, request, 'unary');
      const response = this.#method.handler(this, request);
      if (response instanceof Promise) void this.#answerLater(response);
      else this.#answer(response);
    } catch (error) {
      this.failWith(error);
    }
  }

  reset(): void {
    this.cancelWith(new EtcdError(Code.Canceled, 'context canceled'), false);
  }

  drained(): void {}

  get heldBytes(): number {
    return this.isOver ? 0 : (this.#request?.length ?? 0);
  }

  async #answerLater(response: Promise<UnaryResponse>): Promise<void> {
    try {
      this.#answer(await response);
    } catch (error) {
      this.failWith(error);
    }
  }

  #answer(response: UnaryResponse): void {
    if (this.isOver) return;
    if (response.length > SEND_BYTES_MAX) {
      const text = `grpc: trying to send message larger than max (${response.length} vs. ${SEND_BYTES_MAX})`;
      this.failWith(new EtcdError(Code.ResourceExhausted, text));
      return;
    }
    this.metrics.messageSent(response.length);
    this.finish(Code.OK);
    this.transport.sendUnary(response);
    const tookMs = this.env.clock.monotonicMs() - this.startedMs;
    if (tookMs > this.env.warnUnaryMs) this.#logSlow(tookMs, response.length);
  }

  #logSlow(tookMs: number, responseBytes: number): void {
    this.env.logger.warn('request stats', {
      'time spent': goDuration(tookMs),
      remote: this.peer.address,
      'response type': this.path,
      'request size': this.#request?.length ?? 0,
      'response size': responseBytes,
    });
  }
}
