/**
 * Cuts small arrays from large ones: an array buffer of its own costs more than filling it, and three objects to collect instead of
 * one. A piece keeps its whole slab alive: who keeps one for long copies it.
 */
export class Slab {
  readonly #slabBytes: number;
  readonly #pieceBytesMax: number;
  #bytes: Uint8Array;
  #used = 0;

  /** Larger pieces than `pieceBytesMax` get an array buffer of their own. */
  constructor(slabBytes: number, pieceBytesMax: number) {
    this.#slabBytes = slabBytes;
    this.#pieceBytesMax = pieceBytesMax;
    this.#bytes = new Uint8Array(slabBytes);
  }

  /** Zeroed bytes that nobody else has. */
  take(length: number): Uint8Array {
    if (length > this.#pieceBytesMax) return new Uint8Array(length);
    if (this.#used + length > this.#slabBytes) {
      this.#bytes = new Uint8Array(this.#slabBytes);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += length;
    return this.#bytes.subarray(at, this.#used);
  }

  copyOf(bytes: Uint8Array): Uint8Array {
    if (bytes.length > this.#pieceBytesMax) return new Uint8Array(bytes);
    const copy = this.take(bytes.length);
    copy.set(bytes);
    return copy;
  }
}
