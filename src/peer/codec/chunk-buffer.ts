/** Bytes as they came from a socket, taken out in the pieces a protocol is made of. Holds no more than was pushed. */
import { EMPTY, concatBytes } from '../../base/bytes.ts';

/** A sender of tiny pieces must not make one object of each byte: small chunks are put together. */
const SMALL_BYTES = 512;
const JOINED_BYTES_MAX = 4096;

export class ChunkBuffer {
  /** No chunk is empty. */
  #chunks: Uint8Array[] = [];
  /** Where in the first chunk the next byte is. */
  #at = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#length += chunk.length;
    const last = this.#chunks.at(-1);
    if (last !== undefined && chunk.length < SMALL_BYTES && last.length < JOINED_BYTES_MAX) {
      this.#chunks[this.#chunks.length - 1] = concatBytes(last, chunk);
    } else this.#chunks.push(chunk);
  }

  /** The next byte; undefined, and nothing taken, if there is none. */
  byte(): number | undefined {
    const first = this.#chunks[0];
    if (first === undefined) return undefined;
    const value = first[this.#at];
    this.#advance(1);
    return value;
  }

  /** Eight bytes, big endian; values beyond 2^53 are rounded. Undefined, and nothing taken, if there are fewer. */
  uint64(): number | undefined {
    if (this.#length < 8) return undefined;
    let high = 0;
    let low = 0;
    for (let i = 0; i < 4; i++) high = high * 256 + (this.byte() as number);
    for (let i = 0; i < 4; i++) low = low * 256 + (this.byte() as number);
    return high * 0x1_0000_0000 + low;
  }

  /** A copy of the next `count` bytes, which shares no memory with the chunks; undefined, and nothing taken, if there are fewer. */
  bytes(count: number): Uint8Array | undefined {
    if (count > this.#length) return undefined;
    if (count === 0) return EMPTY;
    const out = new Uint8Array(count);
    for (let filled = 0; filled < count;) {
      const first = this.#chunks[0] as Uint8Array;
      const part = first.subarray(this.#at, this.#at + count - filled);
      out.set(part, filled);
      filled += part.length;
      this.#advance(part.length);
    }
    return out;
  }

  /** Takes all that is there, as it came. */
  drain(): Uint8Array[] {
    const [first, ...rest] = this.#chunks;
    if (first === undefined) return [];
    const out = [first.subarray(this.#at), ...rest];
    this.#chunks = [];
    this.#at = 0;
    this.#length = 0;
    return out;
  }

  /** `count` does not pass the end of the first chunk. */
  #advance(count: number): void {
    this.#at += count;
    this.#length -= count;
    if (this.#at < (this.#chunks[0] as Uint8Array).length) return;
    this.#chunks.shift();
    this.#at = 0;
  }
}
