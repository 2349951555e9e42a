/** One call on @grpc/grpc-js, driven at the level of its server interceptors: no Node stream is made per call. */

import type { Metadata, ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { DRAIN_MARK_BYTES } from '../transport.ts';
import { PiecedMessage } from '../transport.ts';
import type { CallOpener, CallReceiver, Peer, RpcMetadata, TransportCall, UnaryResponse } from '../transport.ts';

type SentStatus = Parameters<ServerInterceptingCallInterface['sendStatus']>[0];

export class GrpcJsCall implements TransportCall, RpcMetadata {
  readonly #call: ServerInterceptingCallInterface;
  readonly #opener: CallOpener;
  readonly #path: string;
  /** Status codes are plain numbers here. */
  readonly #sendStatus: (status: { code: number; details: string }) => void;
  #metadata: Metadata | undefined;
  #receiver: CallReceiver | undefined;
  #backlogBytes = 0;
  #isReadingPaused = false;
  #isReadPending = false;
  /** After the status was handed over: grpc-js reports every end as a cancellation. */
  #isOver = false;

  constructor(call: ServerInterceptingCallInterface, opener: CallOpener, path: string) {
    this.#call = call;
    this.#opener = opener;
    this.#path = path;
    const sendStatus = call.sendStatus.bind(call);
    this.#sendStatus = sendStatus;
    call.sendStatus = (status) => sendStatus(inGrpcGoWords(status));
  }

  start(): void {
    this.#call.start({
      onReceiveMetadata: (metadata) => {
        this.#metadata = metadata;
        this.#receiver = this.#opener.open(this.#path, this);
        this.#read();
      },
      onReceiveMessage: (message: Uint8Array) => {
        this.#isReadPending = false;
        if (!this.#isOver) this.#receiver?.message(message);
        this.#read();
      },
      onReceiveHalfClose: () => {
        if (!this.#isOver) this.#receiver?.halfClosed();
      },
      onCancel: () => {
        if (this.#isOver) return;
        this.#isOver = true;
        this.#receiver?.reset();
      },
    });
  }

  get peer(): Peer {
    const { transportSecurityType, sslPeerCertificate: certificate } = this.#call.getAuthContext();
    const name = certificate?.subject.CN;
    const last = Array.isArray(name) ? name.at(-1) : name;
    return {
      address: this.#call.getPeer(),
      isTls: transportSecurityType !== undefined,
      commonName: certificate === undefined ? undefined : (last ?? ''),
    };
  }

  get metadata(): RpcMetadata {
    return this;
  }

  get(name: string): string | undefined {
    const value = this.#metadata?.get(name)[0];
    return typeof value === 'string' || value === undefined ? value : value.toString('latin1');
  }

  get timeoutMs(): number | undefined {
    const deadline = Number(this.#call.getDeadline());
    return Number.isFinite(deadline) ? Math.max(0, deadline - Date.now()) : undefined;
  }

  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  sendMessage(head: Uint8Array, tail?: Uint8Array): void {
    if (this.#isOver) return;
    const message = tail === undefined ? asBuffer(head) : Buffer.concat([head, tail]);
    const bytes = message.length;
    this.#backlogBytes += bytes;
    this.#call.sendMessage(message, () => {
      const before = this.#backlogBytes;
      this.#backlogBytes = before - bytes;
      const isDrained = before > DRAIN_MARK_BYTES && this.#backlogBytes <= DRAIN_MARK_BYTES;
      if (isDrained && !this.#isOver) this.#receiver?.drained();
    });
  }

  sendStatus(code: number, message: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#sendStatus({ code, details: message });
  }

  sendUnary(message: UnaryResponse): void {
    this.sendMessage(message instanceof PiecedMessage ? Buffer.concat(message.pieces) : message);
    this.sendStatus(0, '');
  }

  pauseReading(): void {
    this.#isReadingPaused = true;
  }

  resumeReading(): void {
    this.#isReadingPaused = false;
    this.#read();
  }

  #read(): void {
    if (this.#isReadingPaused || this.#isReadPending || this.#isOver) return;
    this.#isReadPending = true;
    this.#call.startRead();
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The statuses that grpc-js makes itself, in the words that etcd's clients know. */
function inGrpcGoWords(status: SentStatus): SentStatus {
  const details = status.details ?? '';
  const sizes = /^Received message larger than max \((\d+) vs (\d+)\)$/.exec(details);
  if (sizes !== null)
    return { ...status, details: `grpc: received message larger than max (${sizes[1]} vs. ${sizes[2]})` };
  if (details === 'Deadline exceeded') return { ...status, details: 'context deadline exceeded' };
  return status;
}
