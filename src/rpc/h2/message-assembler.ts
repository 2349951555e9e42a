/** The gRPC messages within the DATA frames of a stream. */

import { Code, EtcdError } from '../../base/etcd-error.ts';
import { messageTooLarge } from '../dispatcher.ts';
import { MESSAGE_PREFIX_BYTES } from './frame-writer.ts';

/** A message's buffer starts at most this large and grows with what really comes. */
const FIRST_ALLOCATION_BYTES = 64 * 1024;

export interface MessageSink {
  /** `bytes` may be a view of a receive buffer. */
  assembled(bytes: Buffer, isCompressed: boolean): void;
  /** The stream must end with this. */
  assemblyFailed(error: EtcdError): void;
}

export class MessageAssembler {
  readonly #sink: MessageSink;
  readonly #bytesMax: number;
  #isCompressed = false;
  #prefixBytes = 0;
  /** The message that has begun: its first #bodyBytes bytes are there. */
  #body: Buffer | undefined;
  #bodyBytes = 0;
  #length = 0;

  constructor(sink: MessageSink, bytesMax: number) {
    this.#sink = sink;
    this.#bytesMax = bytesMax;
  }

  /** Whether a message has begun and not ended. */
  get isWithinMessage(): boolean {
    return this.#prefixBytes > 0;
  }

  /** Bytes held for the message that has begun. */
  get heldBytes(): number {
    return this.#body?.length ?? 0;
  }

  /** Returns false after a failure: feed no more. */
  feed(buf: Buffer, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      if (this.#prefixBytes === 0 && end - at >= MESSAGE_PREFIX_BYTES) {
        const length = buf.readUInt32BE(at + 1);
        const bodyAt = at + MESSAGE_PREFIX_BYTES;
        if (length <= end - bodyAt && length <= this.#bytesMax && (buf[at] as number) <= 1) {
          at = bodyAt + length;
          this.#sink.assembled(buf.subarray(bodyAt, at), buf[bodyAt - MESSAGE_PREFIX_BYTES] !== 0);
          continue;
        }
      }
      at = this.#prefixBytes < MESSAGE_PREFIX_BYTES ? this.#feedPrefix(buf, at, end) : this.#feedBody(buf, at, end);
      if (at < 0) return false;
    }
    return true;
  }

  #feedPrefix(buf: Buffer, from: number, end: number): number {
    let at = from;
    for (; at < end && this.#prefixBytes < MESSAGE_PREFIX_BYTES; at++, this.#prefixBytes++) {
      const byte = buf[at] as number;
      if (this.#prefixBytes === 0) {
        if (byte > 1) {
          const text = `grpc: received unexpected payload format ${byte}`;
          this.#sink.assemblyFailed(new EtcdError(Code.Internal, text));
          return -1;
        }
        this.#isCompressed = byte !== 0;
        this.#length = 0;
      } else {
        this.#length = this.#length * 256 + byte;
      }
    }
    if (this.#prefixBytes < MESSAGE_PREFIX_BYTES) return at;
    if (this.#length > this.#bytesMax) {
      this.#sink.assemblyFailed(messageTooLarge(this.#length, this.#bytesMax));
      return -1;
    }
    this.#body = Buffer.allocUnsafeSlow(Math.min(this.#length, FIRST_ALLOCATION_BYTES));
    this.#bodyBytes = 0;
    if (this.#length === 0) this.#complete(this.#body);
    return at;
  }

  #feedBody(buf: Buffer, at: number, end: number): number {
    const bytes = Math.min(end - at, this.#length - this.#bodyBytes);
    const body = this.#bodyOf(this.#bodyBytes + bytes);
    buf.copy(body, this.#bodyBytes, at, at + bytes);
    this.#bodyBytes += bytes;
    if (this.#bodyBytes === this.#length) this.#complete(body);
    return at + bytes;
  }

  #bodyOf(bytes: number): Buffer {
    const body = this.#body as Buffer;
    if (bytes <= body.length) return body;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#length, Math.max(bytes, body.length * 2)));
    body.copy(larger, 0, 0, this.#bodyBytes);
    this.#body = larger;
    return larger;
  }

  #complete(body: Buffer): void {
    this.#body = undefined;
    this.#prefixBytes = 0;
    this.#sink.assembled(body, this.#isCompressed);
  }
}
