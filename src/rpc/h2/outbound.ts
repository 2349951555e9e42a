/** The bytes that a stream has queued for DATA frames: messages end to end, each with its prefix. */

import { Queue } from '../../base/queue.ts';
import type { PiecedMessage } from '../transport.ts';
import { MESSAGE_PREFIX_BYTES, putMessagePrefix } from './frame-writer.ts';

/** Up to this size a message is copied behind its prefix instead of being a piece of its own. */
const COPIED_BYTES_MAX = 1024;

export class Outbound {
  readonly #pieces = new Queue<Uint8Array>();
  /** Bytes of the first piece that are gone. */
  #offset = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(head: Uint8Array, tail: Uint8Array | undefined): void {
    const length = head.length + (tail?.length ?? 0);
    const isCopied = head.length <= COPIED_BYTES_MAX;
    const prefix = Buffer.allocUnsafe(MESSAGE_PREFIX_BYTES + (isCopied ? head.length : 0));
    putMessagePrefix(prefix, 0, length);
    if (isCopied) prefix.set(head, MESSAGE_PREFIX_BYTES);
    this.#pieces.push(prefix);
    if (!isCopied) this.#pieces.push(head);
    if (tail !== undefined && tail.length > 0) this.#pieces.push(tail);
    this.#bytes += MESSAGE_PREFIX_BYTES + length;
  }

  pushPieces({ pieces, length }: PiecedMessage): void {
    const prefix = Buffer.allocUnsafe(MESSAGE_PREFIX_BYTES);
    putMessagePrefix(prefix, 0, length);
    this.#pieces.push(prefix);
    for (const piece of pieces) if (piece.length > 0) this.#pieces.push(piece);
    this.#bytes += MESSAGE_PREFIX_BYTES + length;
  }

  /** Moves the next `bytes` bytes (no more than there are) to `out`. */
  take(bytes: number, out: Uint8Array, at: number): void {
    let left = bytes;
    let to = at;
    while (left > 0) {
      const piece = this.#pieces.peek() as Uint8Array;
      const count = Math.min(left, piece.length - this.#offset);
      const isWhole = count === piece.length;
      out.set(isWhole ? piece : piece.subarray(this.#offset, this.#offset + count), to);
      to += count;
      left -= count;
      this.#offset += count;
      if (this.#offset === piece.length) {
        this.#pieces.shift();
        this.#offset = 0;
      }
    }
    this.#bytes -= bytes;
  }

  clear(): void {
    this.#pieces.clear();
    this.#offset = 0;
    this.#bytes = 0;
  }
}
