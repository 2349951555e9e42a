/** What unary and streaming calls have in common: context, deadline, cancellation, the end. */

import { WireError } from '../base/wire.ts';
import { Code, EtcdError } from '../base/etcd-error.ts';
import { tokenOf } from './admission.ts';
import { statusOf } from './status.ts';
import type { CallEnvironment } from './call-environment.ts';
import type { Deadline } from './deadline-wheel.ts';
import type { MethodMetrics } from './rpc-metrics.ts';
import type { CallSpan } from './rpc-tracer.ts';
import type { Method } from './service-registry.ts';
import type { Peer, RpcContext, RpcMetadata, TransportCall } from './transport.ts';

export const SEND_BYTES_MAX = 2 ** 31 - 1;
/** Shorter than the steps of the wheel that ends calls at their deadline. */
const SHORT_MS = 1;
/** The JSON gateway marks the calls that it makes. */
const GATEWAY_HEADER = 'grpcgateway-accept';

export abstract class CallBase implements RpcContext {
  readonly path: string;
  readonly deadlineMs: number | undefined;
  protected readonly env: CallEnvironment;
  protected readonly transport: TransportCall;
  protected readonly metrics: MethodMetrics;
  protected readonly startedMs: number;
  /** Once true, nothing more goes to the transport and the call has been counted. */
  protected isOver = false;
  #isCancelled = false;
  /** undefined: not traced, as most servers' calls. */
  readonly #span: CallSpan | undefined;
  #deadline: Deadline | undefined;
  #onCancel: (() => void)[] | undefined;

  constructor(env: CallEnvironment, method: Method, metrics: MethodMetrics, transport: TransportCall) {
    this.env = env;
    this.path = method.path;
    this.metrics = metrics;
    this.transport = transport;
    this.startedMs = env.clock.monotonicMs();
    metrics.started();
    if (env.tracer !== undefined) this.#span = env.tracer.start(method.path, transport.metadata, transport.peer);
    const { timeoutMs } = transport;
    if (timeoutMs === undefined) {
      this.deadlineMs = undefined;
    } else {
      this.deadlineMs = this.startedMs + timeoutMs;
      this.#deadline = env.deadlines.add(this.deadlineMs, () => this.#expire());
    }
  }

  get peer(): Peer {
    return this.transport.peer;
  }

  get peerAddress(): string {
    return this.transport.peer.address;
  }

  get metadata(): RpcMetadata {
    return this.transport.metadata;
  }

  get token(): string | undefined {
    return tokenOf(this.transport.metadata);
  }

  get commonName(): string | undefined {
    return this.metadata.get(GATEWAY_HEADER) === undefined ? this.transport.peer.commonName : undefined;
  }

  get cancelled(): boolean {
    return this.#isCancelled;
  }

  onCancel(callback: () => void): void {
    if (this.#isCancelled) callback();
    else if (this.#onCancel === undefined) this.#onCancel = [callback];
    else this.#onCancel.push(callback);
  }

  /** Ends the call from outside its handler: with a status, or silently when the client is gone. The handler is told. */
  cancelWith(status: EtcdError, tellClient: boolean): void {
    if (this.isOver) return;
    this.finish(status.code, status.message);
    if (tellClient) this.transport.sendStatus(status.code, status.message);
    this.#isCancelled = true;
    const callbacks = this.#onCancel;
    this.#onCancel = undefined;
    if (callbacks !== undefined) for (const callback of callbacks) this.#runCancelCallback(callback);
  }

  /** Marks the end: counts it and lets go of the deadline. */
  protected finish(code: Code, message = ''): void {
    this.isOver = true;
    this.#deadline?.cancel();
    this.#deadline = undefined;
    this.metrics.handled(code, (this.env.clock.monotonicMs() - this.startedMs) / 1000);
    this.#span?.end(code, message);
    this.onFinish();
  }

  protected onFinish(): void {}

  /** Answers what a handler threw. */
  protected failWith(error: unknown): void {
    const status = this.statusOf(error);
    if (this.isOver) return;
    this.finish(status.code, status.message);
    this.transport.sendStatus(status.code, status.message);
  }

  protected statusOf(error: unknown): EtcdError {
    if (error instanceof EtcdError || error instanceof WireError) return statusOf(error);
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.env.logger.error('handler failed', { method: this.path, error: text });
    this.env.onPanic(error);
    return statusOf(error);
  }

  /** A deadline so short that it has passed before anything was done: ends the call, and returns whether it did. */
  protected expireIfDue(): boolean {
    const { deadlineMs } = this;
    if (deadlineMs === undefined || deadlineMs - this.startedMs >= SHORT_MS) return false;
    if (this.env.clock.monotonicMs() < deadlineMs) return false;
    this.#expire();
    return true;
  }

  #expire(): void {
    this.cancelWith(new EtcdError(Code.DeadlineExceeded, 'context deadline exceeded'), true);
  }

  #runCancelCallback(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.statusOf(error);
    }
  }
}
