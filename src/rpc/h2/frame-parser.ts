/**
 * Bytes from the socket to frames. Frames are handed on as ranges of the chunk they came in; only a frame that straddles
 * chunks is put together in a buffer of its own.
 */

import { ConnectionError, ErrorCode, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, PREFACE, protocolError } from './protocol.ts';

export interface FrameSink {
  /** The payload is buf[start, end); it may be kept. Throws ConnectionError to end the connection. */
  frame(type: number, flags: number, streamId: number, buf: Buffer, start: number, end: number): void;
}

export class FrameParser {
  readonly #sink: FrameSink;
  /** How much of the client's preface has come. */
  #prefaceBytes = 0;
  /** A frame that has begun: its bytes so far, in a buffer for all of it once its length is known. */
  #partial: Buffer | undefined;
  #partialBytes = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  get isPrefaceComplete(): boolean {
    return this.#prefaceBytes === PREFACE.length;
  }

  /**
   * Parses the chunk to its end; `isDone` asks before each frame whether to stop. Returns how far it came: the rest is to be
   * fed again, before anything else.
   */
  feed(chunk: Buffer, isDone: () => boolean): number {
    let at = this.isPrefaceComplete ? 0 : this.#preface(chunk);
    if (this.#partial !== undefined) at = this.#completePartial(chunk, at);
    const end = chunk.length;
    while (end - at >= FRAME_HEADER_BYTES) {
      if (isDone()) return at;
      const next = at + FRAME_HEADER_BYTES + payloadLength(chunk, at);
      if (next > end) break;
      this.#emit(chunk, at, next);
      at = next;
    }
    if (at < end) this.#startPartial(chunk, at);
    return end;
  }

  #preface(chunk: Buffer): number {
    const bytes = Math.min(PREFACE.length - this.#prefaceBytes, chunk.length);
    const expected = PREFACE.subarray(this.#prefaceBytes, this.#prefaceBytes + bytes);
    if (!expected.equals(chunk.subarray(0, bytes))) throw protocolError('not the HTTP/2 preface');
    this.#prefaceBytes += bytes;
    return bytes;
  }

  #startPartial(chunk: Buffer, at: number): void {
    const have = chunk.length - at;
    const size = have >= FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES + payloadLength(chunk, at) : FRAME_HEADER_BYTES;
    this.#partial = Buffer.allocUnsafe(size);
    chunk.copy(this.#partial, 0, at);
    this.#partialBytes = have;
  }

  /** Returns where the chunk goes on after the partial frame. */
  #completePartial(chunk: Buffer, from: number): number {
    let at = from;
    let partial = this.#partial as Buffer;
    for (;;) {
      const bytes = Math.min(partial.length - this.#partialBytes, chunk.length - at);
      chunk.copy(partial, this.#partialBytes, at, at + bytes);
      this.#partialBytes += bytes;
      at += bytes;
      if (this.#partialBytes < partial.length) return at;
      const size = FRAME_HEADER_BYTES + payloadLength(partial, 0);
      if (size === partial.length) break;
      // That was only the header.
      const whole = Buffer.allocUnsafe(size);
      partial.copy(whole);
      partial = whole;
      this.#partial = whole;
    }
    this.#partial = undefined;
    this.#emit(partial, 0, partial.length);
    return at;
  }

  #emit(buf: Buffer, at: number, end: number): void {
    const streamId =
      (((buf[at + 5] as number) & 0x7f) << 24) |
      ((buf[at + 6] as number) << 16) |
      ((buf[at + 7] as number) << 8) |
      (buf[at + 8] as number);
    this.#sink.frame(buf[at + 3] as number, buf[at + 4] as number, streamId, buf, at + FRAME_HEADER_BYTES, end);
  }
}

function payloadLength(buf: Buffer, at: number): number {
  const length = ((buf[at] as number) << 16) | ((buf[at + 1] as number) << 8) | (buf[at + 2] as number);
  if (length > FRAME_BYTES_MAX) throw new ConnectionError(ErrorCode.FrameSizeError, `a frame of ${length} bytes`);
  return length;
}
