/**
 * What a stream has received, handed to its call in order: messages as they are complete, then the half-close. Holds them back
 * while the call does not read, and while one before them is being decompressed.
 */

import { Code, EtcdError } from '../../base/etcd-error.ts';
import type { CallReceiver } from '../transport.ts';
import { decompress } from './decompress.ts';
import { MessageAssembler } from './message-assembler.ts';
import type { MessageSink } from './message-assembler.ts';

interface Held {
  readonly bytes: Buffer;
  readonly isCompressed: boolean;
}

/** What a held message takes besides its bytes. */
const HELD_OVERHEAD_BYTES = 128;

export class Inbound implements MessageSink {
  readonly #receiver: () => CallReceiver | undefined;
  readonly #encoding: string | undefined;
  readonly #bytesMax: number;
  readonly #fail: (error: EtcdError) => void;
  readonly #changed: () => void;
  readonly #assembler: MessageAssembler;
  readonly #held: Held[] = [];
  #heldBytes = 0;
  #isPaused = false;
  #isDecompressing = false;
  /** The client has sent its last frame. */
  #isEnded = false;
  #isEndDelivered = false;

  /**
   * `receiver` returns undefined once the call is over; `fail` ends the call; `changed` is told when heldBytes may have become
   * less on its own account.
   */
  constructor(
    receiver: () => CallReceiver | undefined,
    encoding: string | undefined,
    bytesMax: number,
    fail: (error: EtcdError) => void,
    changed: () => void,
  ) {
    this.#receiver = receiver;
    this.#encoding = encoding;
    this.#bytesMax = bytesMax;
    this.#fail = fail;
    this.#changed = changed;
    this.#assembler = new MessageAssembler(this, bytesMax);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Memory that received bytes take here. */
  get heldBytes(): number {
    return this.#heldBytes + this.#assembler.heldBytes;
  }

  data(buf: Buffer, start: number, end: number): void {
    this.#assembler.feed(buf, start, end);
  }

  end(): void {
    this.#isEnded = true;
    if (this.#assembler.isWithinMessage) {
      this.#fail(new EtcdError(Code.Internal, 'grpc: the request ended within a message'));
    } else {
      this.#release();
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#release();
  }

  assembled(bytes: Buffer, isCompressed: boolean): void {
    if (this.#isPaused || this.#isDecompressing || this.#held.length > 0) {
      this.#held.push({ bytes: ownCopy(bytes), isCompressed });
      this.#heldBytes += bytes.length + HELD_OVERHEAD_BYTES;
    } else {
      this.#deliver(bytes, isCompressed);
    }
  }

  assemblyFailed(error: EtcdError): void {
    this.#fail(error);
  }

  #deliver(bytes: Buffer, isCompressed: boolean): void {
    if (!isCompressed) {
      this.#receiver()?.message(bytes);
      return;
    }
    this.#isDecompressing = true;
    this.#heldBytes += bytes.length;
    decompress(bytes, this.#encoding, this.#bytesMax, (result) => {
      this.#isDecompressing = false;
      this.#heldBytes -= bytes.length;
      if (result instanceof EtcdError) {
        this.#fail(result);
      } else {
        this.#receiver()?.message(result);
        this.#release();
      }
      this.#changed();
    });
  }

  #release(): void {
    while (!this.#isPaused && !this.#isDecompressing) {
      const next = this.#held.shift();
      if (next === undefined) break;
      this.#heldBytes -= next.bytes.length + HELD_OVERHEAD_BYTES;
      this.#deliver(next.bytes, next.isCompressed);
    }
    const isDone = this.#isEnded && !this.#isPaused && !this.#isDecompressing && this.#held.length === 0;
    if (!isDone || this.#isEndDelivered) return;
    this.#isEndDelivered = true;
    this.#receiver()?.halfClosed();
  }
}

/** A view would keep the whole receive buffer that it is in. */
function ownCopy(bytes: Buffer): Buffer {
  if (bytes.length === bytes.buffer.byteLength) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
