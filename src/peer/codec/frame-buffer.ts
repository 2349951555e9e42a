/** Where frames are put one behind the other, to be written to a socket in one piece. */
import { putUint64BE } from '../../base/bytes.ts';

const CAPACITY_BYTES_MIN = 256;

export class FrameBuffer {
  #bytes: Uint8Array;
  #length = 0;

  /** `capacity` spares growing when it is right; it is no limit. */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(Math.max(capacity, CAPACITY_BYTES_MIN));
  }

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Eight bytes, big endian. */
  uint64(value: number): void {
    this.#reserve(8);
    putUint64BE(this.#bytes, this.#length, value);
    this.#length += 8;
  }

  /** The length as eight bytes, then the bytes. */
  sized(bytes: Uint8Array): void {
    this.#reserve(8 + bytes.length);
    putUint64BE(this.#bytes, this.#length, bytes.length);
    this.#bytes.set(bytes, this.#length + 8);
    this.#length += 8 + bytes.length;
  }

  /** What was put in, without a copy: the buffer must not be used any more. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
