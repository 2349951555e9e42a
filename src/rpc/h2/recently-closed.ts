/** As many as a client may still be sending to, because it has not heard of their end. */
const STREAMS = 256;

/** The ids of the streams that were ended last while the client was still sending: it may have more on the way. */
export class RecentlyClosed {
  readonly #ids = new Int32Array(STREAMS);
  #at = 0;

  note(streamId: number): void {
    this.#ids[this.#at] = streamId;
    this.#at = (this.#at + 1) % STREAMS;
  }

  has(streamId: number): boolean {
    return this.#ids.includes(streamId);
  }
}
