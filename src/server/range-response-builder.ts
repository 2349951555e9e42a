/** Puts a RangeResponse together while its range is read: KeyValues go from where they are stored into the message. */
import { encodeRangeResponse, type ResponseHeaderInit } from '../gen/rpc.ts';
import type { Borrower } from '../mvcc/backend.ts';
import type { Job } from '../ports/job.ts';

/** The first piece is small, as most answers are; the others are of this size. */
const FIRST_PIECE_BYTES = 4096;
const PIECE_BYTES = 64 * 1024;
/** Tag of RangeResponse.kvs, and at most 5 bytes of length. */
const KVS_TAG = 0x12;
const KV_PREFIX_BYTES_MAX = 6;

export class RangeResponseBuilder implements Borrower {
  readonly #pieces: Uint8Array[] = [];
  #piece = new Uint8Array(FIRST_PIECE_BYTES);
  #used = 0;
  #endedBytes = 0;

  /** What the message takes in memory so far. */
  get heldBytes(): number {
    return this.#endedBytes + this.#piece.length;
  }

  /** Copies one encoded KeyValue into the message. */
  take(bytes: Uint8Array, start: number, end: number): void {
    let length = end - start;
    this.#reserve(KV_PREFIX_BYTES_MAX + length);
    const piece = this.#piece;
    piece[this.#used++] = KVS_TAG;
    for (; length > 0x7f; length >>>= 7) piece[this.#used++] = (length & 0x7f) | 0x80;
    piece[this.#used++] = length;
    piece.set(bytes.subarray(start, end), this.#used);
    this.#used += end - start;
  }

  /** The whole message in pieces, end to end. */
  finish(header: ResponseHeaderInit, count: number, more: boolean): Uint8Array[] {
    this.#endPiece();
    return [encodeRangeResponse({ header }), ...this.#pieces, encodeRangeResponse({ count, more })];
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#piece.length) return;
    this.#endPiece();
    this.#piece = new Uint8Array(Math.max(PIECE_BYTES, bytes));
  }

  #endPiece(): void {
    if (this.#used > 0) {
      this.#pieces.push(this.#piece.subarray(0, this.#used));
      this.#endedBytes += this.#piece.length;
    }
    this.#used = 0;
  }
}

/** What copying one unit's worth of bytes is counted as. */
const BYTES_PER_UNIT = 4096;

/** Gives KeyValues that are already in memory to the builder, in slices. */
export class AppendJob implements Job<undefined> {
  readonly #builder: RangeResponseBuilder;
  readonly #kvs: readonly Uint8Array[];
  #next = 0;

  constructor(builder: RangeResponseBuilder, kvs: readonly Uint8Array[]) {
    this.#builder = builder;
    this.#kvs = kvs;
  }

  step(units: number): boolean {
    for (let left = units; left > 0; this.#next++) {
      const kv = this.#kvs[this.#next];
      if (kv === undefined) return true;
      this.#builder.take(kv, 0, kv.length);
      left -= 1 + kv.length / BYTES_PER_UNIT;
    }
    return this.#next >= this.#kvs.length;
  }

  result(): undefined {}

  close(): void {}
}
