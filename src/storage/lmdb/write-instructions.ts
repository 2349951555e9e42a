/**
 * A transaction's changes in the form that the lmdb package's writer thread executes: a list of instructions in memory,
 * made here at leisure, then run in one go. Layout, in words of 4 bytes; an instruction starts at a multiple of 8 bytes:
 *
 *   put     15, table, key length, key, padding, value length, value address (a double)
 *   delete  13, table, key length, key, padding
 *   jump     3, 0, address of the next instruction (a double)
 *   end      0
 *
 * Padding: the next word pair starts at (end of key + 16) rounded down to a multiple of 8, and the value length is the
 * word before it. After the end the writer sets a word in front of the end mark, so nothing starts at offset 0.
 */
import { copyBytes } from '../../base/bytes.ts';
import { native } from './native.ts';

const PUT = 15;
const DELETE = 13;
const JUMP = 3;
const END = 0;

const HEADER_BYTES = 12;
const CHUNK_BYTES = 256 * 1024;
const CHUNK_START = 8;
/** Room always left for a jump or an end. */
const CHUNK_RESERVE_BYTES = 24;
/** A larger value gets memory of its own. */
const INLINE_VALUE_BYTES_MAX = 16 * 1024;
/** More than that is given back after a large transaction. */
const IDLE_CHUNKS_MAX = 16;

/** Instructions grow from the front, the values they point to from the back. */
class Chunk {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
  readonly address: number;

  constructor() {
    const buffer = new ArrayBuffer(CHUNK_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.doubles = new Float64Array(buffer);
    this.address = native.getAddress(buffer);
  }
}

/** Filled by put and delete, closed by finish, and used again after reset. Nothing moves in between. */
export class WriteInstructions {
  /** chunks[0 .. #used] hold this transaction. */
  readonly #chunks: Chunk[] = [new Chunk()];
  #used = 0;
  #chunk: Chunk = this.#chunks[0] as Chunk;
  /** Offset of the next instruction. */
  #front = CHUNK_START;
  /** Offset of the last value. */
  #back = CHUNK_BYTES;
  /** Large values: only the writer's addresses point to them. */
  #pinned: Uint8Array[] = [];

  put(dbi: number, key: Uint8Array, value: Uint8Array): void {
    const inline = value.length <= INLINE_VALUE_BYTES_MAX;
    this.#reserve(key.length, inline ? value.length : 0);
    const address = inline ? this.#storeValue(value) : this.#pinValue(value);
    const at = this.#header(PUT, dbi, key);
    const { words, doubles } = this.#chunk;
    words[(at >> 2) - 1] = value.length;
    doubles[at >> 3] = address;
    this.#front = at + 8;
  }

  delete(dbi: number, key: Uint8Array): void {
    this.#reserve(key.length, 0);
    this.#front = this.#header(DELETE, dbi, key);
  }

  /** Returns the address of the first instruction. */
  finish(): number {
    this.#chunk.words[this.#front >> 2] = END;
    return (this.#chunks[0] as Chunk).address + CHUNK_START;
  }

  /** Once the writer is done with them. */
  reset(): void {
    this.#chunks.length = Math.min(this.#chunks.length, IDLE_CHUNKS_MAX);
    this.#pinned = [];
    this.#enterChunk(0);
  }

  /** Returns the offset after the padding. */
  #header(operation: number, dbi: number, key: Uint8Array): number {
    const { words, bytes } = this.#chunk;
    const at = this.#front;
    const word = at >> 2;
    words[word] = operation;
    words[word + 1] = dbi;
    words[word + 2] = key.length;
    bytes.set(key, at + HEADER_BYTES);
    return (at + HEADER_BYTES + key.length + 16) & ~7;
  }

  #storeValue(value: Uint8Array): number {
    this.#back -= value.length;
    this.#chunk.bytes.set(value, this.#back);
    return this.#chunk.address + this.#back;
  }

  #pinValue(value: Uint8Array): number {
    const copy = copyBytes(value);
    this.#pinned.push(copy);
    return native.getAddress(copy.buffer as ArrayBuffer);
  }

  #reserve(keyBytes: number, valueBytes: number): void {
    const front = this.#front + HEADER_BYTES + keyBytes + 24 + CHUNK_RESERVE_BYTES;
    if (front > this.#back - valueBytes) this.#jump();
  }

  #jump(): void {
    const { words, doubles } = this.#chunk;
    const at = this.#front;
    const next = this.#used + 1;
    if (next === this.#chunks.length) this.#chunks.push(new Chunk());
    words[at >> 2] = JUMP;
    words[(at >> 2) + 1] = 0;
    doubles[(at >> 3) + 1] = (this.#chunks[next] as Chunk).address + CHUNK_START;
    this.#enterChunk(next);
  }

  #enterChunk(index: number): void {
    this.#used = index;
    this.#chunk = this.#chunks[index] as Chunk;
    this.#front = CHUNK_START;
    this.#back = CHUNK_BYTES;
  }
}
