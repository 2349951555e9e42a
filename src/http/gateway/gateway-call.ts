/** One call of the gateway, as the gRPC side sees a call of the wire. */
import type { HttpRequest } from '../http-message.ts';
import type { GatewayCalls, GatewayReceiver, GatewayTransportCall } from './ports.ts';
import { InvalidArgument, StatusError, type Status } from './status.ts';

/** As transports do: told of when the backlog falls to it. */
const DRAIN_MARK_BYTES = 64 * 1024;
const METADATA_PREFIX = 'grpc-metadata-';
const PERMANENT_PREFIX = 'grpcgateway-';

export class GatewayCall implements GatewayTransportCall {
  /** The certificate of a client says nothing here: as in etcd, where the gateway calls with its own. */
  readonly peer: GatewayTransportCall['peer'];
  readonly timeoutMs: number | undefined;
  readonly #request: HttpRequest;
  readonly #messages: Uint8Array[] = [];
  #backlogBytes = 0;
  #status: Status | undefined;
  #receiver: GatewayReceiver | undefined;
  #isPaused = false;
  /** Of whoever waits for the next message, or for reading to go on. */
  readonly #waiting = new Set<() => void>();

  /** Throws StatusError. */
  constructor(request: HttpRequest) {
    this.#request = request;
    this.timeoutMs = timeoutOf(request.header('grpc-timeout'));
    this.peer = { address: 'gateway', isTls: request.isTls, commonName: undefined };
  }

  open(calls: GatewayCalls, path: string): GatewayReceiver {
    const receiver = calls.open(path, this);
    this.#receiver = receiver;
    const { signal } = this.#request;
    if (signal.aborted) this.cancel();
    else signal.addEventListener('abort', () => this.cancel(), { once: true });
    return receiver;
  }

  /** The caller is gone. */
  cancel(): void {
    if (this.#status !== undefined) return;
    this.#status = { code: 1, message: 'context canceled' };
    this.#messages.length = 0;
    this.#receiver?.reset();
    this.#wake();
  }

  /** Set once the call is over, whatever was not taken yet. */
  get status(): Status | undefined {
    return this.#status;
  }

  /** The next message; undefined after the last. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) {
        const wasAbove = this.#backlogBytes > DRAIN_MARK_BYTES;
        this.#backlogBytes -= message.length;
        if (wasAbove && this.#backlogBytes <= DRAIN_MARK_BYTES) this.#receiver?.drained();
        return message;
      }
      if (this.#status !== undefined) return undefined;
      await this.#change();
    }
  }

  /** Resolves when the handler wants more of the client's messages, or none at all any more. */
  async readable(): Promise<void> {
    while (this.#isPaused && this.#status === undefined) await this.#change();
  }

  get metadata(): GatewayTransportCall['metadata'] {
    return this;
  }

  get(name: string): string | undefined {
    if (name === 'authorization') return this.#request.header(name);
    const given = this.#request.header(METADATA_PREFIX + name);
    if (given !== undefined || !name.startsWith(PERMANENT_PREFIX)) return given;
    return this.#request.header(name.slice(PERMANENT_PREFIX.length));
  }

  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  sendMessage(head: Uint8Array, tail?: Uint8Array): void {
    this.#push(tail === undefined ? head : Buffer.concat([head, tail]));
  }

  sendStatus(code: number, message: string): void {
    this.#status ??= { code, message };
    this.#wake();
  }

  sendUnary(message: Parameters<GatewayTransportCall['sendUnary']>[0]): void {
    this.#push('pieces' in message ? Buffer.concat(message.pieces) : message);
    this.sendStatus(0, '');
  }

  pauseReading(): void {
    this.#isPaused = true;
  }

  resumeReading(): void {
    this.#isPaused = false;
    this.#wake();
  }

  #push(message: Uint8Array): void {
    if (this.#status !== undefined) return;
    this.#messages.push(message);
    this.#backlogBytes += message.length;
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const unit = UNIT_MS[text.at(-1) ?? ''];
  if (unit === undefined || !/^\d+.$/.test(text)) {
    throw new StatusError(InvalidArgument, `invalid grpc-timeout: ${text}`);
  }
  return Number(text.slice(0, -1)) * unit;
}
