/** The state of a store at one moment, for several ranges that must agree, with any time and any writes in between. */
import type { RangeSource } from './range.ts';
import type { Snapshot } from './write-buffer.ts';

export class PinnedSource implements RangeSource {
  readonly currentRev: number;
  readonly compactRev: number;
  readonly #source: RangeSource;
  readonly #snapshot: Snapshot;

  constructor(source: RangeSource) {
    this.currentRev = source.currentRev;
    this.compactRev = source.compactRev;
    this.#source = source;
    this.#snapshot = source.pin();
  }

  get reader(): Snapshot {
    return this.#snapshot;
  }

  pin(): Snapshot {
    return this.#snapshot.share();
  }

  /** The source knows the counts of recent revisions, too. */
  countLive(start: Uint8Array, end: Uint8Array | undefined, revision: number): number | undefined {
    return this.#source.countLive(start, end, revision);
  }

  /** After the ranges that read from it are closed. */
  close(): void {
    this.#snapshot.release();
  }
}
