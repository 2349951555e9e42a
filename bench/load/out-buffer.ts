import type { Socket } from 'node:net';
import { FRAME_HEADER_BYTES } from './frames.ts';

const INITIAL_BYTES = 64 * 1024;

/** Bytes on their way to a socket, gathered so that one turn of the event loop makes one write. */
export class OutBuffer {
  #buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #length = 0;

  frame(type: number, flags: number, streamId: number, length: number): void {
    this.#reserve(FRAME_HEADER_BYTES + length);
    const at = this.#length;
    this.#buffer.writeUIntBE(length, at, 3);
    this.#buffer[at + 3] = type;
    this.#buffer[at + 4] = flags;
    this.#buffer.writeUInt32BE(streamId, at + 5);
    this.#length += FRAME_HEADER_BYTES;
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  text(text: string): void {
    this.bytes(Buffer.from(text, 'latin1'));
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32BE(value, this.#length);
  }

  setting(id: number, value: number): void {
    this.#reserve(6);
    this.#length = this.#buffer.writeUInt16BE(id, this.#length);
    this.uint32(value);
  }

  writeTo(socket: Socket): void {
    if (this.#length === 0) return;
    socket.write(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
    // What the kernel has not taken yet is still the socket's.
    if (socket.writableLength > 0) this.#buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  #reserve(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
