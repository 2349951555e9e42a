/**
 * Makes the tables that etcd does not have (cur, hist, leaseKeys, blocks) from table `rev`: for a database that was taken
 * over from etcd.
 */
import { assert } from '../base/assert.ts';
import { EMPTY, copyBytes, successor } from '../base/bytes.ts';
import type { Job } from '../ports/job.ts';
import type { Reader } from './backend.ts';
import { CountIndex } from './count-index.ts';
import {
  type KeyVersion,
  decodePointer,
  encodeHist,
  encodeHistTombstone,
  encodePointer,
  histKey,
} from './key-index.ts';
import { decodeKeyValue, keyOf } from './key-value.ts';
import { leaseKeyRow } from './lease-keys.ts';
import { revisionIsTombstone, revisionMain, revisionSub } from './revision.ts';
import type { WriteBuffer } from './write-buffer.ts';

const FIRST_KEY = new Uint8Array([0]);

/** Whether there are versions without an index. */
export function indexesAreMissing(reader: Reader): boolean {
  return reader.last('rev') !== undefined && reader.last('hist') === undefined;
}

/** Runs before the store is opened, over a buffer that its owner flushes as it fills. Its result: the rows of `rev`. */
export class IndexRebuildJob implements Job<number> {
  readonly #buffer: WriteBuffer;
  #phase: 'versions' | 'leases' | 'done' = 'versions';
  /** Rows of the phase's table before this are done. */
  #position: Uint8Array = FIRST_KEY;
  #rows = 0;

  constructor(buffer: WriteBuffer) {
    this.#buffer = buffer;
  }

  step(units: number): boolean {
    if (this.#phase === 'versions') this.#indexVersions(units);
    else if (this.#phase === 'leases') this.#indexLeases(units);
    return this.#phase === 'done';
  }

  result(): number {
    assert(this.#phase === 'done', 'result of an unfinished rebuild');
    return this.#rows;
  }

  close(): void {
    this.#phase = 'done';
  }

  /** Later versions of a key overwrite the pointer of earlier ones. */
  #indexVersions(units: number): void {
    const rows = this.#read('rev', units);
    for (const { key: revKey, value: kv } of rows) {
      const main = revisionMain(revKey);
      const sub = revisionSub(revKey);
      if (revisionIsTombstone(revKey)) {
        const key = copyBytes(keyOf(kv));
        this.#buffer.delete('cur', key);
        this.#buffer.put('hist', histKey(key, main, sub), encodeHistTombstone());
      } else {
        const { key, createRevision, version, lease } = decodeKeyValue(kv);
        const entry: KeyVersion = { main, sub, createRevision, version, lease };
        // Only a restore that raises the revision (etcdutl's --bump-revision) writes a version of no key: it counts for hashes.
        if (key.length > 0) this.#buffer.put('cur', copyBytes(key), encodePointer(entry));
        this.#buffer.put('hist', histKey(key, main, sub), encodeHist(entry));
      }
    }
    this.#rows += rows.length;
    if (rows.length === units) return;
    this.#phase = 'leases';
    this.#position = FIRST_KEY;
  }

  #indexLeases(units: number): void {
    const rows = this.#read('cur', units);
    for (const { key, value } of rows) {
      const { lease } = decodePointer(value);
      if (lease !== 0n) this.#buffer.put('leaseKeys', leaseKeyRow(lease, key), EMPTY);
    }
    if (rows.length === units) return;
    new CountIndex(this.#buffer, 0).save(this.#buffer);
    this.#phase = 'done';
  }

  /** The next `units` rows of a table; fewer at its end. */
  #read(table: 'rev' | 'cur', units: number): { key: Uint8Array; value: Uint8Array }[] {
    const rows: { key: Uint8Array; value: Uint8Array }[] = [];
    const cursor = this.#buffer.cursor(table);
    let found = cursor.seek(this.#position);
    for (; found && rows.length < units; found = cursor.next()) rows.push({ key: cursor.key, value: cursor.value });
    cursor.close();
    const last = rows.at(-1);
    if (last !== undefined) this.#position = successor(last.key);
    return rows;
  }
}
