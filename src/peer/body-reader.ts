/** Reads the body of a request piece by piece, with a limit on how long the sender may keep silent. */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../ports/clock.ts';
import { ChunkBuffer } from './codec/chunk-buffer.ts';

const never = (): boolean => false;

/** The body ended before what it announced. */
export class BodyEndedError extends Error {
  override readonly name = 'BodyEndedError';

  constructor() {
    super('unexpected EOF');
  }
}

export class BodyReader {
  readonly #request: IncomingMessage;
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #buffer = new ChunkBuffer();

  constructor(request: IncomingMessage, clock: Clock, stallMs: number) {
    this.#request = request;
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.#chunks = (request as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  }

  /** Eight bytes, big endian. Throws BodyEndedError, or what broke the connection. */
  async uint64(): Promise<number> {
    for (;;) {
      const value = this.#buffer.uint64();
      if (value !== undefined) return value;
      await this.#more();
    }
  }

  async bytes(count: number): Promise<Uint8Array> {
    for (;;) {
      const bytes = this.#buffer.bytes(count);
      if (bytes !== undefined) return bytes;
      await this.#more();
    }
  }

  /** All that is left, as it comes. Throws if the sender goes away before the end. */
  async *rest(): AsyncGenerator<Uint8Array> {
    yield* this.#buffer.drain();
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) yield chunk;
  }

  /** The whole body; undefined if it is longer than `bytesMax`, or `isTooMuch` says so of its bytes so far. */
  async all(bytesMax: number, isTooMuch: (bytes: number) => boolean = never): Promise<Uint8Array | undefined> {
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) {
      this.#buffer.push(chunk);
      if (this.#buffer.length > bytesMax || isTooMuch(this.#buffer.length)) return undefined;
    }
    return this.#buffer.bytes(this.#buffer.length);
  }

  async #more(): Promise<void> {
    const chunk = await this.#next();
    if (chunk === undefined) throw new BodyEndedError();
    this.#buffer.push(chunk);
  }

  async #next(): Promise<Uint8Array | undefined> {
    const cancel = this.#clock.after(this.#stallMs, () => {
      this.#request.destroy(new Error(`nothing came for ${this.#stallMs} ms`));
    });
    try {
      const next = await this.#chunks.next();
      return next.done === true ? undefined : next.value;
    } finally {
      cancel();
    }
  }
}
