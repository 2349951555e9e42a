/** Walks over the keys of a range that are live at a revision, in key order. */
import { EMPTY, compareBytes, successor } from '../base/bytes.ts';
import {
  type KeyVersion,
  decodeHist,
  decodePointer,
  pointerRevisionKey,
  histAfterKey,
  histIsTombstone,
  histLowerBound,
  histMain,
  histSameKey,
  histSeekKey,
  histSub,
  histUserKey,
} from './key-index.ts';
import type { Borrower } from './backend.ts';
import type { ScanCursor, ScanReader } from './overlay.ts';
import { encodeRevision } from './revision.ts';

/** What advance() came to: the end of the range, a live key, or one that is not live at the revision. */
export const END = 0;
export const LIVE = 1;
export const DEAD = 2;
export type Step = typeof END | typeof LIVE | typeof DEAD;

/** Rows of one key to pass one by one before seeking over the rest of them. */
const NEXT_BEFORE_SEEK = 4;

export interface LiveScan {
  /** Goes to the next key; a bounded amount of work. Not again after END. */
  advance(): Step;
  /** Of the current key, after LIVE. */
  readonly key: Uint8Array;
  version(): KeyVersion;
  /** Where it is in `rev`: all that a walk has to know of it which only copies what it finds. */
  revisionKey(): Uint8Array;
  /** Goes on from here in another reader of the same state. */
  moveTo(reader: ScanReader): void;
  /** Gives the cursor back. Only moveTo may follow. */
  close(): void;
}

/**
 * The end of the scan for a request's (key, range_end), as a bound of keys: undefined is no end. See etcd behaviour 2.2.
 */
export function scanEnd(key: Uint8Array, rangeEnd: Uint8Array): Uint8Array | undefined {
  if (rangeEnd.length === 0) return successor(key);
  return rangeEnd.length === 1 && rangeEnd[0] === 0 ? undefined : rangeEnd;
}

/** At `revision` of a store whose current revision is `currentRev`. */
export function liveScan(
  reader: ScanReader,
  start: Uint8Array,
  end: Uint8Array | undefined,
  revision: number,
  currentRev: number,
): LiveScan {
  return revision === currentRev ? new CurrentScan(reader, start, end) : new PastScan(reader, start, end, revision);
}

class PointerTaker implements Borrower {
  revisionKey: Uint8Array = EMPTY;

  take(bytes: Uint8Array, start: number): void {
    this.revisionKey = pointerRevisionKey(bytes, start);
  }
}

/** At the current revision: every row of `cur` is a live key. */
class CurrentScan implements LiveScan {
  key: Uint8Array = EMPTY;
  #cursor: ScanCursor;
  readonly #pointer = new PointerTaker();
  #open = true;
  /** Where to seek first; undefined once the cursor is placed. */
  #start: Uint8Array | undefined;
  readonly #end: Uint8Array | undefined;

  constructor(reader: ScanReader, start: Uint8Array, end: Uint8Array | undefined) {
    this.#cursor = reader.cursor('cur');
    this.#start = start;
    this.#end = end;
  }

  advance(): Step {
    const found = this.#start === undefined ? this.#cursor.next() : this.#cursor.seek(this.#start);
    this.#start = undefined;
    if (!found) return END;
    this.key = this.#cursor.key;
    return this.#end !== undefined && compareBytes(this.key, this.#end) >= 0 ? END : LIVE;
  }

  version(): KeyVersion {
    return decodePointer(this.#cursor.value);
  }

  revisionKey(): Uint8Array {
    this.#cursor.lendValue(this.#pointer);
    return this.#pointer.revisionKey;
  }

  close(): void {
    if (this.#open) this.#cursor.close();
    this.#open = false;
  }

  moveTo(reader: ScanReader): void {
    this.close();
    this.#open = true;
    this.#cursor = reader.cursor('cur');
    this.#start ??= successor(this.key);
  }
}

/** At an earlier revision: the newest version of each key at or before it, unless that is a tombstone. */
class PastScan implements LiveScan {
  #cursor: ScanCursor;
  #open = true;
  #start: Uint8Array | undefined;
  readonly #end: Uint8Array | undefined;
  readonly #revision: number;
  /** The row of the next key, when the cursor already stands on it. */
  #pending: Uint8Array | undefined;
  /** Of the version found last. */
  #row: Uint8Array = EMPTY;
  #value: Uint8Array = EMPTY;

  constructor(reader: ScanReader, start: Uint8Array, end: Uint8Array | undefined, revision: number) {
    this.#cursor = reader.cursor('hist');
    this.#start = histLowerBound(start);
    this.#end = end === undefined ? undefined : histLowerBound(end);
    this.#revision = revision;
  }

  get key(): Uint8Array {
    return histUserKey(this.#row);
  }

  advance(): Step {
    const row = this.#pending ?? this.#nextKeyRow();
    this.#pending = undefined;
    if (row === undefined) return END;
    this.#row = row;
    if (this.#end !== undefined && compareBytes(this.#row, this.#end) >= 0) return END;
    if (!this.#toRevision()) return DEAD;
    this.#value = this.#cursor.value;
    return histIsTombstone(this.#value) ? DEAD : LIVE;
  }

  version(): KeyVersion {
    return decodeHist(this.#row, this.#value);
  }

  revisionKey(): Uint8Array {
    return encodeRevision(histMain(this.#row), histSub(this.#row));
  }

  close(): void {
    if (this.#open) this.#cursor.close();
    this.#open = false;
  }

  moveTo(reader: ScanReader): void {
    this.close();
    this.#open = true;
    this.#cursor = reader.cursor('hist');
    this.#start ??= this.#pending ?? histAfterKey(this.#row);
    this.#pending = undefined;
  }

  /** Moves the cursor from the key just done to the newest version of the next. */
  #nextKeyRow(): Uint8Array | undefined {
    const start = this.#start;
    this.#start = undefined;
    if (start !== undefined) return this.#cursor.seek(start) ? this.#cursor.key : undefined;
    for (let i = 0; i < NEXT_BEFORE_SEEK; i++) {
      if (!this.#cursor.next()) return undefined;
      const row = this.#cursor.key;
      if (!histSameKey(row, this.#row)) return row;
    }
    return this.#cursor.seek(histAfterKey(this.#row)) ? this.#cursor.key : undefined;
  }

  /** From the newest version of a key back to the revision; false when the key has none that old. */
  #toRevision(): boolean {
    for (let i = 0; histMain(this.#row) > this.#revision; i++) {
      const found =
        i < NEXT_BEFORE_SEEK ? this.#cursor.next() : this.#cursor.seek(histSeekKey(this.#row, this.#revision));
      const row = found ? this.#cursor.key : undefined;
      if (row === undefined || !histSameKey(row, this.#row)) {
        if (row === undefined) this.#start = histAfterKey(this.#row);
        else this.#pending = row;
        return false;
      }
      this.#row = row;
    }
    return true;
  }
}
