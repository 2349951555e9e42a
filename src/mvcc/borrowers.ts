/** What is done with values that are only lent. */
import { EMPTY, copyBytes } from '../base/bytes.ts';
import { crc32c, crc32cRange } from '../base/crc32c.ts';
import type { Borrower } from './backend.ts';
import { keyOf } from './key-value.ts';

/** Goes on with a checksum over each value that it gets. */
export class Checksum implements Borrower {
  #crc = 0;

  get value(): number {
    return this.#crc;
  }

  add(bytes: Uint8Array): void {
    this.#crc = crc32c(this.#crc, bytes);
  }

  take(bytes: Uint8Array, start: number, end: number): void {
    this.#crc = crc32cRange(this.#crc, bytes, start, end);
  }
}

/** Keeps the key of the encoded KeyValue that it got last. */
export class KeyTaker implements Borrower {
  key: Uint8Array = EMPTY;

  take(bytes: Uint8Array, start: number, end: number): void {
    this.key = copyBytes(keyOf(bytes.subarray(start, end)));
  }
}
