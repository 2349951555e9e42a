/**
 * Frames on their way to the socket, collected during one turn of the event loop and written at its end. Everything is copied
 * into one buffer: for what gRPC sends that is cheaper than a list of pieces, and what streams queue stays shareable.
 */

import type { Socket } from 'node:net';
import { FRAME_HEADER_BYTES, FrameType } from './protocol.ts';
import type { ErrorCode } from './protocol.ts';

const CHUNK_BYTES = 64 * 1024;
/** Chunks kept for reuse by all connections. */
const SPARE_CHUNKS_MAX = 32;
const spareChunks: Buffer[] = [];

/** The 5 bytes before each gRPC message. */
export const MESSAGE_PREFIX_BYTES = 5;

export class FrameWriter {
  /** Filled chunks of this turn, before the current one. */
  #full: Buffer[] = [];
  #fullBytes = 0;
  #chunk: Buffer | undefined;
  #at = 0;

  /** Bytes collected since the last flush. */
  get pendingBytes(): number {
    return this.#fullBytes + this.#at;
  }

  /** Writes a header and leaves room for the payload, whose place in `target` it returns. */
  frame(type: number, flags: number, streamId: number, length: number): number {
    const at = this.#reserve(FRAME_HEADER_BYTES + length);
    const out = this.target;
    out[at] = length >>> 16;
    out[at + 1] = length >>> 8;
    out[at + 2] = length;
    out[at + 3] = type;
    out[at + 4] = flags;
    out[at + 5] = streamId >>> 24;
    out[at + 6] = streamId >>> 16;
    out[at + 7] = streamId >>> 8;
    out[at + 8] = streamId;
    return at + FRAME_HEADER_BYTES;
  }

  /** The buffer that the last frame() is in. */
  get target(): Buffer {
    return this.#chunk as Buffer;
  }

  /** A HEADERS frame with the first `length` bytes of `block`. */
  headers(streamId: number, flags: number, block: Buffer, length: number): void {
    const at = this.frame(FrameType.Headers, flags, streamId, length);
    const out = this.target;
    // The usual block has a few bytes: not worth a call.
    if (length <= 32) for (let i = 0; i < length; i++) out[at + i] = block[i] as number;
    else block.copy(out, at, 0, length);
  }

  /** A DATA frame with one whole gRPC message. */
  message(streamId: number, flags: number, head: Uint8Array, tail: Uint8Array | undefined): void {
    const length = head.length + (tail?.length ?? 0);
    const at = this.frame(FrameType.Data, flags, streamId, MESSAGE_PREFIX_BYTES + length);
    const out = this.target;
    putMessagePrefix(out, at, length);
    out.set(head, at + MESSAGE_PREFIX_BYTES);
    if (tail !== undefined) out.set(tail, at + MESSAGE_PREFIX_BYTES + head.length);
  }

  rstStream(streamId: number, code: ErrorCode): void {
    const at = this.frame(FrameType.RstStream, 0, streamId, 4);
    this.target.writeUInt32BE(code, at);
  }

  windowUpdate(streamId: number, increment: number): void {
    const at = this.frame(FrameType.WindowUpdate, 0, streamId, 4);
    this.target.writeUInt32BE(increment, at);
  }

  goaway(lastStreamId: number, code: ErrorCode, debug: string): void {
    const at = this.frame(FrameType.Goaway, 0, 0, 8 + Buffer.byteLength(debug, 'latin1'));
    this.target.writeUInt32BE(lastStreamId, at);
    this.target.writeUInt32BE(code, at + 4);
    this.target.write(debug, at + 8, 'latin1');
  }

  /** A frame with this payload, for what is rare. */
  raw(type: number, flags: number, payload: Uint8Array): void {
    const at = this.frame(type, flags, 0, payload.length);
    this.target.set(payload, at);
  }

  /** SETTINGS: each one's identifier and value. */
  settings(settings: readonly (readonly [number, number])[]): void {
    const payload = Buffer.alloc(settings.length * 6);
    for (const [i, [setting, value]] of settings.entries()) {
      payload.writeUInt16BE(setting, i * 6);
      payload.writeUInt32BE(value, i * 6 + 2);
    }
    this.raw(FrameType.Settings, 0, payload);
  }

  /** Hands everything to the socket. */
  flushTo(socket: Socket): void {
    const chunk = this.#chunk;
    if (chunk === undefined) return;
    const last = chunk.subarray(0, this.#at);
    if (this.#full.length === 0) {
      socket.write(last);
    } else {
      socket.cork();
      for (const full of this.#full) socket.write(full);
      socket.write(last);
      socket.uncork();
    }
    // Nothing is left in the socket: the system has taken it all, and the chunks are free again.
    if (socket.writableLength === 0) {
      for (const full of this.#full) keepSpare(full.buffer);
      keepSpare(chunk.buffer);
    }
    this.clear();
  }

  /** Forgets what was collected. */
  clear(): void {
    this.#full = [];
    this.#fullBytes = 0;
    this.#chunk = undefined;
    this.#at = 0;
  }

  /** The place of `bytes` bytes in a row in #chunk. */
  #reserve(bytes: number): number {
    const chunk = this.#chunk;
    if (chunk !== undefined && this.#at + bytes <= chunk.length) {
      const at = this.#at;
      this.#at = at + bytes;
      return at;
    }
    if (chunk !== undefined) {
      this.#full.push(chunk.subarray(0, this.#at));
      this.#fullBytes += this.#at;
    }
    this.#chunk =
      bytes <= CHUNK_BYTES ? (spareChunks.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES)) : Buffer.allocUnsafeSlow(bytes);
    this.#at = bytes;
    return 0;
  }
}

function keepSpare(buffer: ArrayBufferLike): void {
  if (spareChunks.length < SPARE_CHUNKS_MAX && buffer.byteLength === CHUNK_BYTES) spareChunks.push(Buffer.from(buffer));
}

/** Not compressed, `length` bytes. */
export function putMessagePrefix(out: Uint8Array, at: number, length: number): void {
  out[at] = 0;
  out[at + 1] = length >>> 24;
  out[at + 2] = length >>> 16;
  out[at + 3] = length >>> 8;
  out[at + 4] = length;
}
