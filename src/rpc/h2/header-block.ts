/** A header block as it comes in one HEADERS frame or goes on in CONTINUATION frames. */

import { calm } from './flood-guard.ts';

/** Compressed bytes of one block. */
const BLOCK_BYTES_MAX = 128 * 1024;
/** Full frames would be eight. */
const FRAMES_MAX = 128;

export class HeaderBlock {
  readonly streamId: number;
  readonly isEndOfStream: boolean;
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  /** Bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  constructor(streamId: number, isEndOfStream: boolean) {
    this.streamId = streamId;
    this.isEndOfStream = isEndOfStream;
  }

  add(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > BLOCK_BYTES_MAX || this.#parts.length >= FRAMES_MAX) throw calm('a header block too large');
    this.#parts.push(part);
  }

  whole(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
