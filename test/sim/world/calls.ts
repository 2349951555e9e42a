/** Calls as a member's services see them, without a transport in between. */
import type { EtcdError } from '../../../src/base/etcd-error.ts';
import { DRAIN_MARK_BYTES, type RpcContext, type StreamCall } from '../../../src/rpc/transport.ts';

const PEER = { address: '10.0.0.9:4000', isTls: false, commonName: undefined };
const NO_METADATA = { get: () => undefined };

export class SimContext implements RpcContext {
  readonly path: string;
  readonly peer = PEER;
  readonly peerAddress = PEER.address;
  readonly metadata = NO_METADATA;
  readonly token = undefined;
  readonly commonName = undefined;
  readonly deadlineMs = undefined;
  cancelled = false;
  readonly #callbacks: (() => void)[] = [];

  constructor(path: string) {
    this.path = path;
  }

  onCancel(callback: () => void): void {
    if (this.cancelled) callback();
    else this.#callbacks.push(callback);
  }

  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    for (const callback of this.#callbacks) callback();
  }
}

/** Where the messages of a stream go: the network. */
export interface StreamExit {
  /** Something waits to be taken; so many bytes do. */
  filled(backlogBytes: number): void;
  ended(error: EtcdError | undefined): void;
}

/** The server's side of a stream. Messages wait in `queue` until the network takes them. */
export class SimStream implements StreamCall {
  readonly ctx: SimContext;
  readonly queue: Uint8Array[] = [];
  readonly #exit: StreamExit;
  readonly #weight: number;
  readonly #isAlive: () => boolean;
  #queuedBytes = 0;
  #ended = false;
  #reading = true;
  readonly #held: Uint8Array[] = [];
  #onMessage: (message: Uint8Array) => void = () => {};
  #onDrain: () => void = () => {};
  #onHalfClose: () => void = () => {};

  /** A byte in the queue counts for `weight` bytes of backlog. */
  constructor(path: string, weight: number, exit: StreamExit, isAlive: () => boolean) {
    this.ctx = new SimContext(path);
    this.#weight = weight;
    this.#exit = exit;
    this.#isAlive = isAlive;
  }

  get backlogBytes(): number {
    return this.#queuedBytes * this.#weight;
  }

  send(head: Uint8Array, tail?: Uint8Array): void {
    if (this.#ended || this.ctx.cancelled || !this.#isAlive()) return;
    const message = tail === undefined ? head.slice() : Buffer.concat([head, tail]);
    this.queue.push(message);
    this.#queuedBytes += message.length;
    this.#exit.filled(this.backlogBytes);
  }

  end(): void {
    this.#end(undefined);
  }

  fail(error: EtcdError): void {
    this.#end(error);
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
    this.#reading = false;
  }

  resumeReading(): void {
    this.#reading = true;
    while (this.#reading && this.#held.length > 0) this.#onMessage(this.#held.shift() as Uint8Array);
  }

  // ---- The network's side.

  take(): Uint8Array | undefined {
    const message = this.queue.shift();
    if (message === undefined) return undefined;
    const before = this.backlogBytes;
    this.#queuedBytes -= message.length;
    if (before > DRAIN_MARK_BYTES && this.backlogBytes <= DRAIN_MARK_BYTES) this.#onDrain();
    return message;
  }

  receive(message: Uint8Array): void {
    if (this.#reading) this.#onMessage(message);
    else this.#held.push(message);
  }

  halfClose(): void {
    this.#onHalfClose();
  }

  #end(error: EtcdError | undefined): void {
    if (this.#ended || this.ctx.cancelled || !this.#isAlive()) return;
    this.#ended = true;
    this.#exit.ended(error);
  }
}
